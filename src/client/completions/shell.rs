//! The script of each shell.

use crate::client::commands::SHELLS;

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// The shell of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Bash, Self::Zsh, Self::Fish];
        SHELLS.iter().position(|known| *known == name).map(|place| all[place])
    }

    /// Its script.
    pub fn script(self) -> &'static str {
        match self {
            Self::Bash => {
                r#"_testero() {
  local line file
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    else
      COMPREPLY+=("${line%%$'\t'*}")
    fi
  done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _testero testero
"#
            }
            // Found by its name, it is called at once.
            Self::Zsh => {
                r#"#compdef testero
_testero() {
  local line
  local -a offers
  for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      _files
      return
    elif [[ -n $line ]]; then
      offers+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    fi
  done
  _describe -t words testero offers
}
if [[ ${funcstack[1]} == _testero ]]; then
  _testero "$@"
else
  compdef _testero testero
fi
"#
            }
            Self::Fish => {
                r#"function __testero_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] __complete $words[2..] "$current" 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path "$current"
    else
      echo $line
    end
  end
end
complete -c testero -f -k -a '(__testero_complete)'
"#
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::commands::COMPLETE;

    #[test]
    fn scripts_ask_with_the_word_that_is_read() {
        for shell in SHELLS {
            assert!(Shell::parse(shell).unwrap().script().contains(COMPLETE), "{shell}");
        }
    }

    #[test]
    fn other_shells_have_none() {
        assert_eq!(Shell::parse("tcsh"), None);
    }
}
