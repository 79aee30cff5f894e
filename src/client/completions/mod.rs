//! What a shell offers while one types. Its script asks this program, which knows its words; so all shells offer the same,
//! with what each is for.

mod role;
mod shell;

use role::ROLES;
pub use shell::Shell;

use crate::client::commands::{AMOUNT, COMMANDS, METHODS, SHELLS, Verb, all_flags, flags_of, verbs_of};
use crate::client::flags::{CONNECTION, FORMS, Flag, SERVICE, TOKEN_FILE, Takes};
use crate::settings::help::Help;
#[cfg(feature = "scenario")]
use crate::settings::scenario::examples::EXAMPLES;

/// The line that stands for the names of files.
const FILES: &str = ":files";

/// What stands behind `scenario` and asks no service.
#[cfg(feature = "scenario")]
const SCENARIO_WORDS: [(&str, &str); 4] = [
    ("check", "what a file takes at most, and when"),
    ("examples", "built-in files"),
    ("schema", "the JSON Schema of files"),
    ("record", "a recording that a trace plays"),
];

/// Paths that are offered for `testero http`.
const PATHS: [&str; 5] = ["/metrics", "/healthz", "/readyz", "/api/status", "/openapi.json"];

/// Words that may stand where the last of `words` does, a line each: the word, a tab, and what it is for. `active` tells
/// which faults are, each with what it is in words, where the service answers that.
pub(super) fn offered(words: &[String], active: &ActiveFaults<'_>) -> String {
    let words = glued(words);
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let seen = WordsBefore::of(before);
    // bash has = as a word of its own.
    let last = if last == "=" { "" } else { last };
    let mut offers = Offers { begins: last, lead: "", lines: String::new() };
    if let Some(flag) = seen.flag {
        offers.values(flag);
        return offers.lines;
    }
    if let Some(value) = &seen.value_of_role {
        offers.values_of_role(value);
        return offers.lines;
    }
    if let Some((name, value)) = last.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
        if let Some(flag) = seen.find(name, 0) {
            offers.begins = value;
            offers.lead = &last[..last.len() - value.len()];
            offers.values(flag);
        }
        return offers.lines;
    }
    seen.offer(&mut offers, active);
    offers.lines
}

/// Names of faults, with what each is in words.
pub(super) type ActiveFaults<'f> = dyn Fn() -> Option<Vec<(String, String)>> + 'f;

/// The words as the user wrote them: to bash each colon is a word, so a URL is several.
pub(super) fn glued(words: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let (mut after_colon, mut after_equals) = (false, false);
    for word in words {
        let is_colon = !word.is_empty() && word.bytes().all(|byte| byte == b':');
        match whole.last_mut() {
            Some(last) if (is_colon || after_colon) && !after_equals => last.push_str(word),
            _ => whole.push(word.clone()),
        }
        (after_colon, after_equals) = (is_colon, word == "=");
    }
    whole
}

/// What a value of a flag is, where that says more than the flag's own text.
fn value_text(flag: &'static Flag, value: &str) -> &'static str {
    match (flag.name, value) {
        ("kind", "anon") => "private pages",
        ("kind", "file") => "pages of a mapped file",
        ("kind", "shm") => "shared memory",
        ("output", "json" | "yaml") => "all of it, for programs",
        ("output", "name") => "names alone",
        ("output", "wide") => "more columns",
        ("color", "auto") => "on a terminal, unless NO_COLOR is set",
        ("color", "always") => "in files and pipes, too",
        ("color", "never") => "no colours",
        ("by", "even") => "the same to each",
        ("by", "available") => "by the room that each has",
        ("sort-by", "memory" | "disk") => "who holds most is first",
        ("sort-by", "cpu") => "who uses most is first",
        ("sort-by", "name") => "by name",
        _ => flag.text,
    }
}

/// What is offered.
struct Offers<'o> {
    /// What it must begin with.
    begins: &'o str,
    /// What stands before it in the same word.
    lead: &'o str,
    lines: String,
}

impl Offers<'_> {
    fn add(&mut self, word: &str, text: &str) {
        if word.starts_with(self.begins) {
            self.lines += &format!("{}{word}\t{text}\n", self.lead);
        }
    }

    /// The values of a flag.
    fn values(&mut self, flag: &'static Flag) {
        match flag.takes {
            Takes::OneOf(words) => words.iter().for_each(|word| self.add(word, value_text(flag, word))),
            _ if flag.name == TOKEN_FILE.name => self.lines += &format!("{FILES}\n"),
            _ => {}
        }
    }

    fn flag(&mut self, flag: &Flag) {
        self.add(&format!("--{}", flag.name), flag.text);
    }

    fn verbs(&mut self, verbs: &[Verb]) {
        verbs.iter().filter(|verb| !verb.word.is_empty()).for_each(|verb| self.add(verb.word, verb.purpose));
    }
}

/// What stands before the word that is completed.
#[derive(Default)]
struct WordsBefore<'w> {
    command: Option<&'w str>,
    verb: Option<&'static Verb>,
    /// The words behind them.
    operands: Vec<&'w str>,
    /// Flags that are there.
    flags: Vec<&'static Flag>,
    /// The one whose value comes next.
    flag: Option<&'static Flag>,
    /// The same of a role's flag: what its help calls it.
    value_of_role: Option<String>,
}

impl<'w> WordsBefore<'w> {
    fn of(words: &'w [String]) -> Self {
        let mut seen = Self::default();
        for word in words.iter().map(String::as_str).filter(|word| *word != "=") {
            if seen.flag.take().is_some() || seen.value_of_role.take().is_some() {
                continue;
            }
            if let Some(flag) = word.strip_prefix('-') {
                let (name, is_whole) = flag.split_once('=').map_or((flag, false), |(name, _)| (name, true));
                let letter = if name.len() == 1 { name.as_bytes()[0] } else { 0 };
                if let Some(flag) = seen.find(name.trim_start_matches('-'), letter) {
                    seen.flags.push(flag);
                    seen.flag = Some(flag).filter(|flag| flag.takes != Takes::Nothing && !is_whole);
                } else if !is_whole {
                    seen.value_of_role = role::value_of(seen.command, word);
                }
            } else if seen.command.is_none() {
                seen.command = Some(word);
                seen.verb = match verbs_of(word) {
                    [only] => Some(only),
                    _ => None,
                };
            } else if let Some(verb) = seen.verbs().iter().find(|verb| seen.verb.is_none() && verb.word == word) {
                seen.verb = Some(verb);
            } else {
                seen.operands.push(word);
            }
        }
        seen
    }

    fn verbs(&self) -> &'static [Verb] {
        verbs_of(self.command.unwrap_or_default())
    }

    /// The flag of this name, or letter, that may stand here.
    fn find(&self, name: &str, letter: u8) -> Option<&'static Flag> {
        let flags = match (self.verb, self.command) {
            (Some(verb), _) => verb.flags().collect(),
            (None, Some(_)) => flags_of(self.verbs()),
            (None, None) => all_flags(),
        };
        flags.into_iter().find(|flag| flag.name == name || (letter != 0 && flag.letter == letter))
    }

    fn offer(&self, offers: &mut Offers<'_>, active: &ActiveFaults<'_>) {
        let Some(command) = self.command else { return self.offer_commands(offers) };
        if command == "completions" {
            if self.operands.is_empty() {
                SHELLS.iter().for_each(|shell| offers.add(shell, "its script"));
            }
            return;
        }
        if command == "help" {
            match self.operands[..] {
                [] => {
                    COMMANDS.iter().for_each(|command| offers.add(command.name, command.purpose));
                    ROLES.iter().for_each(|(role, text, _)| offers.add(role, text));
                }
                [command] => offers.verbs(verbs_of(command)),
                _ => {}
            }
            return;
        }
        if self.verb.is_none() && self.operands.is_empty() {
            #[cfg(feature = "scenario")]
            if command == "scenario" {
                SCENARIO_WORDS.iter().for_each(|(word, text)| offers.add(word, text));
            }
            offers.verbs(self.verbs());
        }
        if let Some(verb) = self.verb {
            self.offer_operands(command, verb, offers, active);
            for flag in verb.flags() {
                let is_new = flag.name == SERVICE.name || self.flags.iter().all(|seen| seen.name != flag.name);
                if is_new {
                    offers.flag(flag);
                }
            }
        } else if offers.begins.starts_with('-') {
            if let Some((.., help)) = ROLES.iter().find(|(role, ..)| *role == command) {
                offers.flags_of_help(&help.text());
            } else if !self.verbs().is_empty() {
                FORMS.iter().for_each(|flag| offers.flag(flag));
            }
        }
        #[cfg(feature = "scenario")]
        if command == "scenario" && !offers.begins.starts_with('-') {
            match self.operands[..] {
                [] | ["schema", ..] => {}
                ["examples"] => EXAMPLES.iter().for_each(|example| offers.add(example.name, example.about)),
                ["examples", ..] => {}
                _ => offers.lines += &format!("{FILES}\n"),
            }
        }
    }

    fn offer_operands(&self, command: &str, verb: &Verb, offers: &mut Offers<'_>, active: &ActiveFaults<'_>) {
        if self.operands.len() > usize::from(command == "http") {
            return;
        }
        match (command, verb.word) {
            ("http", _) => {
                if self.operands.is_empty() {
                    METHODS.iter().for_each(|method| offers.add(method, "a request with this method"));
                }
                PATHS.iter().for_each(|path| offers.add(path, ""));
            }
            ("fault", "end") => {
                if let Some(active) = active() {
                    active.iter().for_each(|(name, words)| offers.add(name, words));
                    return;
                }
                for fault in verbs_of("fault").iter().filter(|one| !matches!(one.word, "" | "end")) {
                    offers.add(fault.word, fault.purpose);
                }
            }
            ("spread", "release") => ["mem", "disk", "cpu"].iter().for_each(|group| offers.add(group, "this alone")),
            ("scenario", "run") => offers.lines += &format!("{FILES}\n"),
            _ if verb.operand.contains(AMOUNT) => {
                offers.add("max", "all that would be accepted now");
                offers.add("50%", "half of the limit");
            }
            _ => {}
        }
    }

    fn offer_commands(&self, offers: &mut Offers<'_>) {
        COMMANDS.iter().for_each(|command| offers.add(command.name, command.purpose));
        ROLES.iter().for_each(|(role, text, _)| offers.add(role, text));
        for (word, text) in [
            ("completions", "what a shell offers"),
            ("help", "of a command"),
            ("version", ""),
            ("--help", ""),
            ("--version", ""),
        ] {
            offers.add(word, text);
        }
        if offers.begins.starts_with('-') {
            // What may stand before a command, and a service's.
            CONNECTION.iter().for_each(|flag| offers.flag(flag));
            offers.flags_of_help(&Help::Consumer.text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let offered = offered(&words[1..], &|| None);
        offered.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_may_stand_at_the_end_is_offered() {
        for (line, offers) in [
            ("testero me", &["mem"][..]),
            ("testero mem ", &["set", "get", "release"]),
            ("testero --url http://x mem s", &["set"]),
            ("testero mem set 1Gi --k", &["--kind"]),
            ("testero mem set --kind ", &["anon", "file", "shm"]),
            ("testero mem set --kind = a", &["anon"]),
            ("testero mem set --kind =", &["anon", "file", "shm"]),
            ("testero mem set --kind=f", &["--kind=file"]),
            ("testero mem set -o y", &["yaml"]),
            ("testero mem set --ttl 5m --tt", &[]),
            ("testero fault end d", &["delay"]),
            ("testero status --token-file ", &[":files"]),
            ("testero http /m", &["/metrics"]),
            ("testero completions z", &["zsh"]),
            ("testero help sp", &["spread"]),
            ("testero help pr", &["proxy"]),
            ("testero help mem ", &["set", "get", "release"]),
            ("testero help mem set ", &[]),
            ("testero --mem", &["--mem-limit"]),
            ("testero proxy --ch", &["--check"]),
            ("testero scenario s", &["schema", "stop", "status"]),
            ("testero scenario examples d", &["day", "day.csv"]),
            ("testero scenario examples day ", &[]),
            ("testero scenario check ", &[":files"]),
            ("testero --url http : //127.0.0.1 : 8080 mem s", &["set"]),
            ("testero mem --url = http : //x : 8080 s", &["set"]),
            ("testero mem --url http : //[ :: 1] : 8080 s", &["set"]),
            ("testero mem set 1Gi x", &[]),
            ("testero --log-format ", &["json"]),
            ("testero --data-dir ", &[":files"]),
            ("testero --port ", &[]),
            ("testero --port 8081 --fau", &["--faults"]),
            ("testero --faults on --port 1 sta", &["status"]),
            ("testero fibonacci --data-dir ", &[":files"]),
            ("testero fibonacci --log-format js", &["json"]),
            ("testero proxy --file ", &[":files"]),
            ("testero proxy --check --log-f", &["--log-format"]),
            ("testero nothing ", &[]),
        ] {
            assert_eq!(words(line), offers, "{line}");
        }
        assert!(words("testero mem set ").contains(&String::from("--ttl")));
    }

    #[test]
    fn each_word_says_what_it_is_for() {
        for (line, offers) in [
            ("mem set --tt", "--ttl\treleased by itself after so long\n"),
            ("--mem-l", "--mem-limit\tmost memory, 0: all that is free\n"),
            ("mem set --kind s", "shm\tshared memory\n"),
            ("mem get -o w", "wide\tmore columns\n"),
            ("scenario examples l", "leak\tmemory that leaks until the limit\n"),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(offered(&words, &|| None), offers, "{line}");
        }
    }

    #[test]
    fn each_value_has_a_text_of_its_own() {
        for flag in all_flags() {
            let Takes::OneOf(values) = flag.takes else { continue };
            assert!(values.iter().all(|value| value_text(flag, value) != flag.text), "{}", flag.name);
        }
    }

    #[test]
    fn faults_that_are_active_are_offered_where_that_is_known() {
        let words = ["fault", "end", ""].map(str::to_owned);
        let active = || Some(vec![(String::from("delay"), String::from("delay of 200 ms, 9 s left"))]);
        assert!(offered(&words, &active).starts_with("delay\tdelay of 200 ms, 9 s left\n--"));
        assert!(!offered(&words, &|| Some(Vec::new())).contains("delay"));
        assert!(offered(&words, &|| None).contains("hang\t"));
    }

    proptest::proptest! {
        #[test]
        fn no_words_make_it_panic(words in proptest::collection::vec("(--?)?[a-z= ü:0-9]{0,8}", 0..6)) {
            offered(&words, &|| None);
        }
    }
}
