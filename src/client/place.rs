//! Where the command stands, where its flags come first.

use std::ffi::OsString;

use crate::client::commands::{COMMANDS, all_flags, is_command};
use crate::client::flags::{Flag, Takes};

/// Where the command stands that comes after its own flags, as in `--url http://h status`; `None` where the words are
/// those of a service. `of_service` tells the flags of a service, which all take a value.
///
/// # Errors
/// Where flags of a command are followed by none.
pub fn place_after_flags(
    arguments: &[OsString],
    of_service: impl Fn(&str) -> bool,
    is_role: impl Fn(&str) -> bool,
) -> Result<Option<usize>, String> {
    let (mut place, mut ours) = (0, None);
    let known = all_flags();
    let find = |is: &dyn Fn(&Flag) -> bool| known.iter().copied().find(|flag| is(flag));
    while let Some(word) = arguments.get(place) {
        let Some(word) = word.to_str() else { return Ok(None) };
        if !word.starts_with('-') || word.len() < 2 {
            return match ours {
                _ if is_command(word) => Ok(Some(place)),
                // A role, some of whose words ask a service.
                Some(_) if word == "scenario" => Ok(Some(place)),
                Some(_) if !is_role(word) => Err(format!("unknown command '{}'", word.escape_debug())),
                _ => Ok(None),
            };
        }
        let (flag, is_whole) = match word.strip_prefix("--") {
            Some(flag) => {
                let (name, is_whole) = flag.split_once('=').map_or((flag, false), |(name, _)| (name, true));
                (find(&|flag| flag.name == name).ok_or(name), is_whole)
            }
            // What stands behind the letter is its value.
            None => (find(&|flag| word.as_bytes()[1] == flag.letter).ok_or(""), word.len() > 2),
        };
        let takes_value = match flag {
            Ok(flag) => {
                if !of_service(flag.name) {
                    ours = Some(flag.name);
                }
                flag.takes != Takes::Nothing
            }
            Err(name) if of_service(name) => true,
            Err(_) => return Ok(None),
        };
        place += if takes_value && !is_whole { 2 } else { 1 };
    }
    ours.map_or(Ok(None), |name| Err(format!("--{name}: of which command? {}", names())))
}

fn names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_come_after_its_flags() {
        let place = |words: &str| {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            let of_service = |name: &str| ["listen", "token-file", "log-format"].contains(&name);
            place_after_flags(&words, of_service, |word| word == "consumer")
        };
        for (words, expected) in [
            ("--url http://h status", Some(2)),
            ("--url=http://h --token t mem set 1Gi", Some(3)),
            ("--wait --ttl 5m mem set 1Gi", Some(3)),
            ("--service mem spread disk 1", Some(2)),
            ("--token-file f health", Some(2)),
            ("--url x completions bash", Some(2)),
            ("--url x scenario run a.yaml", Some(2)),
            ("-q -o json mem get", Some(3)),
            ("-ojson -w status", Some(2)),
            // Of a service, or of nothing that is known.
            ("--listen 127.0.0.1:0", None),
            ("--token-file status", None),
            ("--token-file f", None),
            ("--log-format json --token-file=f", None),
            ("--ulr http://h status", None),
            ("--url http://h -x", None),
            ("-", None),
            ("--url http://h consumer", None),
            ("-h status", None),
            ("-- status", None),
            ("--help", None),
            // The command will say that it is not its own.
            ("--listen x status", Some(2)),
        ] {
            assert_eq!(place(words), Ok(expected), "{words}");
        }
        for (words, says) in [
            ("--url http://h", "--url: of which command? status, top, mem"),
            ("--url", "--url: of which command?"),
            ("--wait --listen x", "--wait"),
            ("--url http://h stats", "unknown command 'stats'"),
        ] {
            let error = place(words).unwrap_err();
            assert!(error.contains(says), "{words}: {error}");
        }
    }
}
