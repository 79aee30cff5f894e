//! What a shell offers while one types: made of the same table that the words are read by.

use crate::client::commands::{COMMANDS, COMMON, Flag, METHODS, SHELLS, Takes};
use crate::sorting::sort_by;

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

/// First words that ask no service.
const OTHERS: [(&str, &str); 5] =
    [("consumer", ""), ("fibonacci", ""), ("counter", ""), ("proxy", ""), ("completions", "bash zsh fish")];

impl Shell {
    /// The shell of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Bash, Self::Zsh, Self::Fish];
        SHELLS.iter().position(|known| *known == name).map(|place| all[place])
    }

    /// Its script.
    pub fn script(self) -> String {
        match self {
            Self::Bash => bash(),
            // Found by its name, it is called at once.
            Self::Zsh => format!(
                "#compdef testero\nautoload -U +X bashcompinit && bashcompinit\n{}\
                 [[ ${{funcstack[1]}} == _testero ]] && _bash_complete -F _testero\n",
                bash()
            ),
            Self::Fish => fish(),
        }
    }
}

fn first_words() -> String {
    let commands = COMMANDS.iter().map(|(command, _)| *command);
    commands.chain(OTHERS.map(|(word, _)| word)).collect::<Vec<_>>().join(" ")
}

fn flags(own: &[Flag]) -> String {
    own.iter().chain(&COMMON).map(|flag| format!("--{}", flag.name)).collect::<Vec<_>>().join(" ")
}

/// By the first word, or by the first two.
fn bash() -> String {
    let mut script = String::from(
        "_testero() {\n  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n  \
         case \"$before\" in\n    --token-file) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n",
    );
    for (name, words) in choices() {
        script += &format!("    --{name}) COMPREPLY=($(compgen -W \"{words}\" -- \"$current\")); return ;;\n");
    }
    script += "  esac\n  case \"$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n";
    script += &format!("    \"1 \"*) words=\"{} --help --version\" ;;\n", first_words());
    for (command, verbs) in COMMANDS {
        let seconds: Vec<&str> = verbs.iter().map(|(word, ..)| *word).filter(|word| !word.is_empty()).collect();
        if !seconds.is_empty() {
            script += &format!("    \"2 {command} \"*) words=\"{}\" ;;\n", seconds.join(" "));
        }
        for (word, _, own) in *verbs {
            let methods = if *command == "http" { METHODS.join(" ") + " " } else { String::new() };
            script += &format!("    *\" {command} {word}\"*) words=\"{methods}{}\" ;;\n", flags(own));
        }
    }
    for (word, seconds) in OTHERS {
        script += &format!("    \"2 {word} \"*) words=\"{seconds}\" ;;\n");
    }
    script + "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\ncomplete -F _testero testero\n"
}

/// Flags that take one of some words.
fn choices() -> Vec<(&'static str, String)> {
    let mut all: Vec<(&str, String)> = COMMANDS
        .iter()
        .flat_map(|(_, verbs)| verbs.iter().flat_map(|(_, _, flags)| flags.iter()))
        .filter_map(|flag| match flag.takes {
            Takes::OneOf(words) => Some((flag.name, words.join(" "))),
            _ => None,
        })
        .collect();
    sort_by(&mut all, &Ord::cmp);
    all.dedup();
    all
}

fn fish() -> String {
    let mut script =
        format!("complete -c testero -f\ncomplete -c testero -n __fish_use_subcommand -a '{}'\n", first_words());
    for (command, verbs) in COMMANDS {
        // The second words of spread are first words, too.
        let but = if *command == "spread" { "" } else { "; and not __fish_seen_subcommand_from spread" };
        let seen = format!("__fish_seen_subcommand_from {command}{but}");
        let seconds: Vec<&str> = verbs.iter().map(|(word, ..)| *word).filter(|word| !word.is_empty()).collect();
        if !seconds.is_empty() {
            let seconds = seconds.join(" ");
            script += &format!(
                "complete -c testero -n '{seen}; and not __fish_seen_subcommand_from {seconds}' -a '{seconds}'\n"
            );
        }
        for (word, _, own) in *verbs {
            let seen =
                if word.is_empty() { seen.clone() } else { format!("{seen}; and __fish_seen_subcommand_from {word}") };
            for flag in own.iter().chain(&COMMON) {
                let takes = match flag.takes {
                    Takes::Nothing => String::new(),
                    Takes::OneOf(words) => format!(" -x -a '{}'", words.join(" ")),
                    Takes::Text if flag.name == "token-file" => String::from(" -r -F"),
                    _ => String::from(" -x"),
                };
                script += &format!("complete -c testero -n '{seen}' -l {}{takes}\n", flag.name);
            }
        }
    }
    let methods = METHODS.join(" ");
    script += &format!("complete -c testero -n '__fish_seen_subcommand_from http' -a '{methods}'\n");
    for (word, seconds) in OTHERS.into_iter().filter(|(_, seconds)| !seconds.is_empty()) {
        script += &format!("complete -c testero -n '__fish_seen_subcommand_from {word}' -a '{seconds}'\n");
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_offered_every_command_and_flag() {
        for name in SHELLS {
            let script = Shell::parse(name).unwrap().script();
            for (command, verbs) in COMMANDS {
                assert!(script.contains(command), "{name}: {command}");
                for flag in verbs.iter().flat_map(|(_, _, flags)| *flags) {
                    let written = if name == "fish" { format!("-l {}", flag.name) } else { format!("--{}", flag.name) };
                    assert!(script.contains(&written), "{name}: {written}");
                }
            }
        }
        assert_eq!(Shell::parse("tcsh"), None);
    }
}
