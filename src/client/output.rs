//! How an answer is printed: in words, as data, in colours, or not at all.

use std::io::{self, IsTerminal};

use crate::client::reply::{Object, printable};
use crate::client::{Trouble, print, yaml};

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerForm {
    /// For people.
    #[default]
    Words,
    /// For people with wide terminals.
    Wide,
    /// As it came.
    Json,
    /// The same, in YAML.
    Yaml,
    /// The names of what it tells of, a line each.
    Name,
}

/// What is printed of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// In which form.
    pub form: AnswerForm,
    /// Nothing but errors.
    pub quiet: bool,
    /// Whether there are colours; what is printed on decides where nothing is said.
    pub colors: Option<bool>,
}

impl Output {
    /// Prints what is said in words.
    pub(super) fn say(&self, text: &str) -> Result<(), Trouble> {
        if self.quiet { Ok(()) } else { print(text) }
    }

    /// Whether it is said in words.
    pub(super) fn is_words(&self) -> bool {
        matches!(self.form, AnswerForm::Words | AnswerForm::Wide)
    }

    /// Prints an answer as data: JSON that came, or names.
    pub(super) fn data(&self, body: &[u8], names: &str) -> Result<(), Trouble> {
        self.say(&self.shown(body, names))
    }

    /// An answer as data.
    pub(super) fn shown(&self, body: &[u8], names: &str) -> String {
        let text = printable(&String::from_utf8_lossy(body));
        match self.form {
            AnswerForm::Name if names.is_empty() => String::new(),
            AnswerForm::Name => format!("{}\n", names.trim_end()),
            AnswerForm::Yaml if Object::read(body).is_something() => yaml::of_json(&text),
            _ => format!("{}\n", text.trim_end()),
        }
    }

    /// Whether states have their colours.
    pub(super) fn has_colors(&self) -> bool {
        let is_said = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.colors.unwrap_or_else(|| io::stdout().is_terminal() && !is_said("NO_COLOR") && !is_dumb())
    }

    /// The same lines, where each state has its colour.
    pub(super) fn painted(&self, text: &str) -> String {
        if !self.has_colors() {
            return text.to_owned();
        }
        let mut painted = String::new();
        for line in text.lines() {
            painted += &paint(line);
            painted.push('\n');
        }
        painted
    }
}

/// States, and their colours.
const COLORS: [(&str, &str); 11] = [
    ("holding", "32"),
    ("ready", "32"),
    ("done", "32"),
    ("pending", "33"),
    ("working", "33"),
    ("not", "31"),
    ("failed", "31"),
    ("expired", "31"),
    ("refused:", "31"),
    ("unreachable:", "31"),
    ("lost", "31"),
];

/// A line, where the first state in it has its colour.
pub(super) fn paint(line: &str) -> String {
    let (mut place, mut is_column) = (0, true);
    for word in line.split(' ') {
        // Within a sentence it is a word like others.
        if let Some((state, color)) = COLORS.iter().find(|(state, _)| is_column && *state == word) {
            let (before, after) = (&line[..place], &line[place + state.len()..]);
            return format!("{before}\x1b[{color}m{state}\x1b[0m{after}");
        }
        place += word.len() + 1;
        is_column = word.is_empty();
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_its_colour() {
        assert_eq!(paint("mem    holding  5 MiB"), "mem    \x1b[32mholding\x1b[0m  5 MiB");
        assert_eq!(paint("mem    idle     0 B"), "mem    idle     0 B");
        assert_eq!(paint("lost for 5 s"), "\x1b[31mlost\x1b[0m for 5 s");
        assert_eq!(paint("memory 5 MiB, working set"), "memory 5 MiB, working set");
    }

    #[test]
    fn data_has_its_form() {
        let of = |form| Output { form, ..Output::default() }.shown(b"{\"a\":1}\n", "mem/1");
        assert_eq!(of(AnswerForm::Json), "{\"a\":1}\n");
        assert_eq!(of(AnswerForm::Yaml), "a: 1\n");
        assert_eq!(of(AnswerForm::Name), "mem/1\n");
    }
}
