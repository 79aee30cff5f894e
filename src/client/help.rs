//! The help of a command, and of each of its verbs: made of the table that they are read by.

use crate::client::commands::{COMMANDS, SHELLS, Verb, verbs_of};
use crate::client::flags::Flag;

/// How wide the flags are, before what they are for.
const LEFT: usize = 28;

/// The help of a command, or of a verb of it where one is said; `None` where there is no such command.
pub fn of(command: &str, verb: Option<&str>) -> Option<String> {
    if command == "completions" {
        return Some(format!(
            "testero completions: what a shell offers while one types\n\nUsage: testero completions {}\n\n\
             Examples:\n  source <(testero completions bash)\n  testero completions fish | source\n",
            SHELLS.join("|")
        ));
    }
    let verbs = verbs_of(command);
    let one = match (verb.and_then(|word| verbs.iter().find(|verb| verb.word == word)), verbs) {
        (Some(verb), _) => Some(verb),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    match one {
        Some(verb) => Some(of_verb(command, verb)),
        None => Some(of_command(command, COMMANDS.iter().find(|known| known.name == command)?.purpose)),
    }
}

/// What stands for a command and its verb in examples.
fn called(command: &str, verb: &Verb) -> String {
    format!("testero {command} {}", verb.word).trim_end().to_owned()
}

fn of_verb(command: &str, verb: &Verb) -> String {
    let called = called(command, verb);
    let operand = if verb.operand.is_empty() { String::new() } else { format!(" {}", verb.operand) };
    let mut text = format!("{called}: {}\n\nUsage: {called}{operand} [FLAG]...\n", verb.purpose);
    match (command, verb.takes_amount()) {
        ("cpu", _) if !verb.operand.is_empty() => text += "\nAMOUNT is like 500m, 1.5 or 50%; one core without.\n",
        ("io", _) if !verb.operand.is_empty() => text += "\nAMOUNT is bytes a second, like 20Mi.\n",
        ("spread", true) => text += "\nAMOUNT is that of all pods; 50% and max are each pod's own.\n",
        ("mem" | "disk", true) => text += "\nAMOUNT is like 512Mi, 2G, 50%, max or max-64Mi.\n",
        (_, true) => text += "\nAMOUNT is like 500, 50%, max or max-10.\n",
        _ => {}
    }
    text += "\nFlags:\n";
    verb.flags().for_each(|flag| text += &line(flag));
    text += "  -h, --help                this text\n\nExamples:\n";
    for example in verb.examples {
        text += &format!("  {}\n", format!("{called} {example}").trim_end());
    }
    text
}

fn of_command(command: &str, purpose: &str) -> String {
    let mut text = format!("testero {command}: {purpose}\n\nUsage:\n");
    let left = |verb: &Verb| format!("{} {}", called(command, verb), verb.operand).trim_end().to_owned();
    let width = verbs_of(command).iter().map(|verb| left(verb).len()).max().unwrap_or(0);
    for verb in verbs_of(command) {
        text += &format!("  {:<width$}  {}\n", left(verb), verb.purpose);
    }
    text += "\nExamples:\n";
    // Those of the verb that does something.
    let first = verbs_of(command).iter().find(|verb| !verb.word.is_empty());
    for (verb, example) in first.iter().flat_map(|verb| verb.examples.map(|example| (verb, example))) {
        text += &format!("  {}\n", format!("{} {example}", called(command, verb)).trim_end());
    }
    text + &format!("\nThe flags of each: testero {command} VERB --help\n")
}

/// A flag, and what it is for.
fn line(flag: &Flag) -> String {
    let letter = if flag.letter == 0 { String::from("   ") } else { format!("-{},", char::from(flag.letter)) };
    let left = format!("  {letter} --{} {}", flag.name, flag.value());
    let left = left.trim_end();
    // What is too long has its words below it.
    let gap = if left.len() < LEFT { String::new() } else { format!("\n{:LEFT$}", "") };
    format!("{left:<width$}{gap}{}\n", flag.text, width = if gap.is_empty() { LEFT } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_its_help_in_80_columns() {
        for command in COMMANDS {
            for verb in command.verbs {
                let text = of(command.name, Some(verb.word)).unwrap();
                assert!(text.contains(verb.purpose) && text.matches("\n  testero ").count() == 2, "{text}");
                for flag in verb.flags() {
                    assert!(text.contains(&format!("--{}", flag.name)) && text.contains(flag.text), "{text}");
                }
                assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            }
            let text = of(command.name, None).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            assert!(text.starts_with(&format!("testero {}: ", command.name)), "{text}");
        }
        assert_eq!(of("xyzzy", None), None);
    }
}
