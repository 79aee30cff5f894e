//! What follows `testero scenario run`, `stop` and `status`.

use std::path::PathBuf;
use std::time::Duration;

/// What is wanted of the scenario of a service, or of those of all pods behind a name.
#[derive(Debug, PartialEq, Eq)]
pub struct ScenarioCall {
    /// What.
    pub verb: ScenarioVerb,
    /// Names with ports, whose pods are asked. Without any it is the one service that other commands ask.
    pub services: Vec<String>,
}

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum ScenarioVerb {
    /// That a file is played.
    Run(ScenarioRun),
    /// That what is played ends.
    Stop,
    /// To be told where it is.
    Status,
}

/// How a file is played.
#[derive(Debug, PartialEq, Eq)]
pub struct ScenarioRun {
    /// The file; `-` is the standard input.
    pub path: PathBuf,
    /// Each pod has its part of the amounts.
    pub divides: bool,
    /// It takes the place of another one.
    pub replaces: bool,
    /// Whether its end is waited for.
    pub waits: bool,
    /// For how long.
    pub timeout: Option<Duration>,
}

impl ScenarioCall {
    /// Reads what follows the verb: words, services, and which flags there are.
    ///
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub(in crate::client) fn parse(
        verb: &str,
        words: &[String],
        services: Vec<String>,
        has: &dyn Fn(&str) -> bool,
        timeout: Option<Duration>,
    ) -> Result<Self, String> {
        let file = match (verb, words) {
            ("run", []) => return Err(String::from("testero scenario run: which file? - is the standard input")),
            ("run", [file]) => Some(file),
            (_, []) => None,
            (_, [.., last]) => return Err(format!("testero scenario {verb}: what is '{last}'?")),
        };
        if has("url") && !services.is_empty() {
            return Err(String::from("--url is one service, and --service all pods behind a name: one of the two"));
        }
        let verb = match (file, verb) {
            (Some(file), _) => {
                let divides = has("divide");
                if divides && services.is_empty() {
                    return Err(String::from("--divide: among which pods? --service testero-headless:8080"));
                }
                let waits = has("wait") || divides;
                if timeout.is_some() && !waits {
                    return Err(String::from("--timeout is for --wait and --divide"));
                }
                if timeout == Some(Duration::ZERO) {
                    return Err(String::from("--timeout 0: nothing is over at once"));
                }
                ScenarioVerb::Run(ScenarioRun { path: file.into(), divides, replaces: has("replace"), waits, timeout })
            }
            (None, "stop") => ScenarioVerb::Stop,
            (None, _) => ScenarioVerb::Status,
        };
        Ok(Self { verb, services })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(verb: &str, words: &[&str], flags: &[&str], timeout: Option<u64>) -> Result<ScenarioCall, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let services = if flags.contains(&"service") { vec![String::from("a:8080")] } else { Vec::new() };
        ScenarioCall::parse(verb, &words, services, &|flag| flags.contains(&flag), timeout.map(Duration::from_secs))
    }

    #[test]
    fn words_are_understood() {
        let run = |flags: &[&str], timeout| match parse("run", &["a.yaml"], flags, timeout).unwrap().verb {
            ScenarioVerb::Run(run) => (run.divides, run.replaces, run.waits),
            other => panic!("{other:?}"),
        };
        assert_eq!(run(&[], None), (false, false, false));
        assert_eq!(run(&["url", "replace", "wait"], Some(5)), (false, true, true));
        assert_eq!(run(&["service", "divide"], Some(5)), (true, false, true));
        assert_eq!(parse("stop", &[], &["service"], None).unwrap().verb, ScenarioVerb::Stop);
        assert_eq!(parse("status", &[], &[], None).unwrap().services.len(), 0);
        for (verb, words, flags, timeout, why) in [
            ("run", &[][..], &[][..], None, "which file"),
            ("run", &["a", "b"], &[], None, "what is 'b'"),
            ("stop", &["a"], &[], None, "what is 'a'"),
            ("run", &["a"], &["divide"], None, "--service"),
            ("run", &["a"], &["url", "service"], None, "one of the two"),
            ("run", &["a"], &[], Some(5), "--timeout is for"),
            ("run", &["a"], &["wait"], Some(0), "--timeout 0"),
        ] {
            let problem = parse(verb, words, flags, timeout).unwrap_err();
            assert!(problem.contains(why) && problem.lines().count() == 1, "{problem}");
        }
    }
}
