//! The command line of `testero scenario record`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::http::client::Url;
use crate::scenario::record;
use crate::settings::token::TokenSource;
use crate::settings::unknown_word::unknown;
use crate::units::duration::span;

/// The column of an answer of Prometheus that is not said to be another.
const USUAL_COLUMN: &str = "memory_bytes";
/// The most labels that choose a series.
const MOST_LABELS: usize = 16;
/// The shortest time from one sample to the next.
const SHORTEST: Duration = Duration::from_millis(100);
/// How often a service is asked.
const EVERY: Duration = Duration::from_secs(1);

/// What is to be recorded, and where to.
#[derive(Debug)]
pub struct RecordWords {
    /// Where it comes from.
    pub source: RecordSource,
    /// Where it goes.
    pub output: RecordOutput,
}

/// Where a recording goes.
#[derive(Debug, Default)]
pub struct RecordOutput {
    /// The file; the standard output where there is none.
    pub path: Option<PathBuf>,
    /// Whether it may take the place of another file.
    pub replace: bool,
}

/// Where a recording comes from.
#[derive(Debug)]
pub enum RecordSource {
    /// Answers of Prometheus.
    Prometheus {
        /// A column each, and the file that has it; `-` is the standard input.
        answers: Vec<(&'static str, PathBuf)>,
        /// Labels that choose a series.
        series: Vec<(String, String)>,
    },
    /// What `kubectl top pod` printed.
    Top {
        /// The file; `-` is the standard input.
        path: PathBuf,
        /// From one sample to the next, where they have no times.
        every: Option<Duration>,
        /// The one pod that is recorded.
        pod: Option<String>,
    },
    /// A testero that runs.
    Service(AskedService),
}

/// A testero that is asked over and over.
#[derive(Debug)]
pub struct AskedService {
    /// Its URL.
    pub url: String,
    /// The token it may want.
    pub token: Option<TokenSource>,
    /// From one sample to the next.
    pub every: Duration,
    /// For how long; until a signal comes where it is not said.
    pub length: Option<Duration>,
    /// What it remembers is taken, as far back as `length`, instead of what comes.
    pub is_past: bool,
}

/// Options as they were given.
#[derive(Default)]
struct RecordOptions {
    answers: Vec<(&'static str, PathBuf)>,
    series: Vec<(String, String)>,
    top: Option<PathBuf>,
    pod: Option<String>,
    /// `None` inside where no URL is given.
    metrics: Option<Option<String>>,
    history: Option<Option<String>>,
    every: Option<Duration>,
    length: Option<Duration>,
    token: Option<TokenSource>,
    output: RecordOutput,
}

impl RecordWords {
    /// Reads what follows `scenario record` on a command line. `None` when help is wanted. `variable` looks up the
    /// environment, and `default_url` says where a service is that nothing else is said of.
    ///
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub fn read(
        mut parser: Parser,
        variable: &dyn Fn(&str) -> Option<OsString>,
        default_url: &dyn Fn() -> Result<String, String>,
    ) -> Result<Option<Self>, String> {
        let mut options = RecordOptions::default();
        while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
            let Arg::Long(name) = arg else {
                match arg {
                    Arg::Short('o') => options.output.path = Some(value(&mut parser)?.into()),
                    Arg::Short('h') => return Ok(None),
                    other => return Err(other.unexpected().to_string()),
                }
                continue;
            };
            match name {
                "help" => return Ok(None),
                "output" => options.output.path = Some(value(&mut parser)?.into()),
                "replace" => options.output.replace = true,
                "prometheus" => options.answer(value(&mut parser)?)?,
                "series" => options.label(&text(&mut parser)?)?,
                "top" if options.top.is_some() => return Err(String::from("--top is given twice")),
                "top" => options.top = Some(value(&mut parser)?.into()),
                "pod" => options.pod = Some(text(&mut parser)?),
                "metrics" => options.metrics = Some(optional_url(&mut parser)?),
                "history" => options.history = Some(optional_url(&mut parser)?),
                "every" => {
                    let every = span(&text(&mut parser)?).map_err(|why| format!("--every: {why}"))?;
                    if every < SHORTEST {
                        return Err(String::from("--every: it is at least 100ms"));
                    }
                    options.every = Some(every);
                }
                "for" => options.length = Some(span(&text(&mut parser)?).map_err(|why| format!("--for: {why}"))?),
                "token" => options.token = Some(TokenSource::Value(text(&mut parser)?.trim().to_owned())),
                "token-file" => options.token = Some(TokenSource::File(value(&mut parser)?.into())),
                _ => return Err(arg.unexpected().to_string()),
            }
        }
        options.meant(variable, default_url).map(Some)
    }
}

fn value(parser: &mut Parser) -> Result<OsString, String> {
    parser.value().map_err(|error| error.to_string())
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(ValueExt::string).map_err(|error| error.to_string())
}

/// The URL behind `--metrics` or `--history`, where there is one.
fn optional_url(parser: &mut Parser) -> Result<Option<String>, String> {
    let mut url = parser.optional_value();
    if url.is_none()
        && let Some(mut words) = parser.try_raw_args()
    {
        // All that is said here is options, so that what is none belongs to this one.
        url = words.next_if(|word| !word.as_encoded_bytes().starts_with(b"-"));
    }
    url.map(ValueExt::string).transpose().map_err(|error| error.to_string())
}

impl RecordOptions {
    /// `FILE`, or `COLUMN=FILE`.
    fn answer(&mut self, word: OsString) -> Result<(), String> {
        let (column, path) = match word.to_str().and_then(|text| text.split_once('=')) {
            Some((name, path)) => {
                let column = record::column(name).ok_or_else(|| {
                    let why = unknown("column", name, &record::columns().map(String::from));
                    format!("--prometheus {name}=…: {why}; there are {}", record::columns().join(", "))
                })?;
                (column, PathBuf::from(path))
            }
            None => (USUAL_COLUMN, PathBuf::from(word)),
        };
        if path.as_os_str().is_empty() {
            return Err(String::from("--prometheus needs a file; - is the standard input"));
        }
        if self.answers.iter().any(|(known, _)| *known == column) {
            return Err(format!("--prometheus: {column} is given twice; COLUMN=FILE says which column a file has"));
        }
        if is_stdin(&path) && self.answers.iter().any(|(_, path)| is_stdin(path)) {
            return Err(String::from("--prometheus: the standard input can be read once"));
        }
        self.answers.push((column, path));
        Ok(())
    }

    fn label(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once('=').ok_or("--series is written like pod=web-0")?;
        if name.is_empty() || self.series.iter().any(|(known, _)| known == name) {
            return Err(format!("--series {text}: a label has a name, and is given once"));
        }
        if self.series.len() == MOST_LABELS {
            return Err(format!("--series: more than {MOST_LABELS} labels choose nothing"));
        }
        self.series.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn meant(
        self,
        variable: &dyn Fn(&str) -> Option<OsString>,
        default_url: &dyn Fn() -> Result<String, String>,
    ) -> Result<RecordWords, String> {
        let sources = [
            ("--prometheus", !self.answers.is_empty()),
            ("--top", self.top.is_some()),
            ("--metrics", self.metrics.is_some()),
            ("--history", self.history.is_some()),
        ];
        let mut given = sources.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name);
        let source =
            given.next().ok_or("record what? --prometheus FILE, --top FILE, --metrics URL or --history URL")?;
        if let Some(other) = given.next() {
            return Err(format!("{source} and {other}: a recording has one source"));
        }
        for (option, is_given, of) in [
            ("--series", !self.series.is_empty(), &["--prometheus"][..]),
            ("--pod", self.pod.is_some(), &["--top"]),
            ("--every", self.every.is_some(), &["--top", "--metrics"]),
            ("--for", self.length.is_some(), &["--metrics", "--history"]),
            ("--token", self.token.is_some(), &["--metrics", "--history"]),
        ] {
            if is_given && !of.contains(&source) {
                return Err(format!("{option} is for {}", of.join(" and ")));
            }
        }
        let mut output = self.output;
        // As elsewhere, this is the standard output.
        output.path = output.path.filter(|path| !is_stdin(path));
        if output.replace && output.path.is_none() {
            return Err(String::from("--replace is for -o FILE"));
        }
        let is_past = self.history.is_some();
        let source = match (self.top, self.history.or(self.metrics)) {
            (Some(path), _) => RecordSource::Top { path, every: self.every, pod: self.pod },
            (None, None) => RecordSource::Prometheus { answers: self.answers, series: self.series },
            (None, Some(url)) => {
                let url = match (url, variable("TESTERO_URL").filter(|url| !url.is_empty())) {
                    (Some(url), _) => url,
                    (None, Some(url)) => url.string().map_err(|error| format!("TESTERO_URL: {error}"))?,
                    (None, None) => default_url()?,
                };
                Url::parse(&url).map_err(|error| format!("'{url}': {error}"))?;
                let every = self.every.unwrap_or(EVERY);
                if !is_past && self.length.is_some_and(|length| length < every) {
                    return Err(String::from("--for is shorter than --every: there would be no point"));
                }
                // Those that the service itself has: the command runs beside it.
                let token = self.token.or_else(|| of_environment(variable));
                RecordSource::Service(AskedService { url, token, every, length: self.length, is_past })
            }
        };
        Ok(RecordWords { source, output })
    }
}

fn of_environment(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<TokenSource> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty());
    let value = named("TOKEN").map(|token| TokenSource::Value(token.to_string_lossy().trim().to_owned()));
    value.or_else(|| named("TOKENFILE").map(|path| TokenSource::File(path.into())))
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<RecordWords, String> {
        let default_url = || Ok(String::from("http://127.0.0.1:8080"));
        let known = |name: &str| Some(OsString::from(if name == "TOKEN" { "secret" } else { "" }));
        RecordWords::read(Parser::from_args(words), &known, &default_url).map(Option::unwrap)
    }

    #[test]
    fn sources_are_understood() {
        let words = ["--prometheus=a.json", "--prometheus", "cpu_cores=-", "--series", "pod=a=b", "-o", "a.csv"];
        let words = read(&words).unwrap();
        let RecordSource::Prometheus { answers, series } = words.source else { panic!("{words:?}") };
        let wanted = [("memory_bytes", PathBuf::from("a.json")), ("cpu_cores", PathBuf::from("-"))];
        assert_eq!((answers.as_slice(), series), (&wanted[..], vec![(String::from("pod"), String::from("a=b"))]));
        assert_eq!((words.output.path, words.output.replace), (Some(PathBuf::from("a.csv")), false));
        let words = read(&["--top", "-", "--pod", "web-0", "--every", "30s", "-oa", "--replace"]).unwrap();
        let RecordSource::Top { path, every, pod } = words.source else { panic!("{words:?}") };
        assert_eq!((path, every), (PathBuf::from("-"), Some(Duration::from_secs(30))));
        assert_eq!((pod.as_deref(), words.output.replace), (Some("web-0"), true));
    }

    #[test]
    fn a_service_needs_no_url() {
        for (words, url) in [
            (&["--metrics"][..], "http://127.0.0.1:8080"),
            (&["--metrics", "--every", "2s"], "http://127.0.0.1:8080"),
            (&["--metrics", "http://a:1"], "http://a:1"),
            (&["--metrics=http://a:1/x", "-o", "-"], "http://a:1/x"),
        ] {
            let words = read(words).unwrap();
            let RecordSource::Service(asked) = words.source else { panic!("{words:?}") };
            assert_eq!((asked.url.as_str(), asked.length, words.output.path), (url, None, None));
            assert!(!asked.is_past);
            assert_eq!(asked.token, Some(TokenSource::Value(String::from("secret"))));
        }
        let words = read(&["--history", "http://a:1", "--for", "1m"]).unwrap();
        let RecordSource::Service(asked) = words.source else { panic!("{words:?}") };
        let wanted = ("http://a:1", Some(Duration::from_secs(60)), true);
        assert_eq!((asked.url.as_str(), asked.length, asked.is_past), wanted);
        let none = |_: &str| None;
        let nowhere = || Err(String::from("nowhere"));
        assert_eq!(RecordWords::read(Parser::from_args(["--metrics"]), &none, &nowhere).unwrap_err(), "nowhere");
        assert!(RecordWords::read(Parser::from_args(["-h"]), &none, &nowhere).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (words, why) in [
            ("", "record what? --prometheus FILE, --top FILE, --metrics URL or --history URL"),
            ("--history --metrics", "--metrics and --history: a recording has one source"),
            ("--history --every 5s", "--every is for --top and --metrics"),
            ("--top a --metrics", "--top and --metrics: a recording has one source"),
            ("--top a --top b", "--top is given twice"),
            ("--prometheus a --prometheus b", "memory_bytes is given twice; COLUMN=FILE"),
            ("--prometheus cpu=a", "unknown column 'cpu'; the nearest is 'fds'; there are memory_bytes, disk_bytes"),
            ("--prometheus cpu_cores=", "--prometheus needs a file"),
            ("--prometheus - --prometheus fds=-", "the standard input can be read once"),
            ("--prometheus a --series pod", "like pod=web-0"),
            ("--prometheus a --series a=1 --series a=2", "is given once"),
            ("--prometheus a --every 5s", "--every is for --top and --metrics"),
            ("--top a --series a=1", "--series is for --prometheus"),
            ("--top a --for 5s", "--for is for --metrics and --history"),
            ("--top a --token t", "--token is for --metrics and --history"),
            ("--metrics --pod a", "--pod is for --top"),
            ("--metrics --every 0", "at least 100ms"),
            ("--metrics --every soon", "1h30m"),
            ("--metrics --for 1s --every 2s", "shorter than --every"),
            ("--metrics localhost", "'localhost'"),
            ("--top a --replace", "--replace is for -o FILE"),
            ("--top a b", "\"b\""),
            ("--top a --nope", "--nope"),
            ("--top a -x", "-x"),
            ("--top", "--top"),
        ] {
            let problem = read(&words.split_whitespace().collect::<Vec<_>>()).unwrap_err();
            assert!(problem.contains(why) && problem.lines().count() == 1, "{words}: {problem}");
        }
        let labels: Vec<String> = (0..=MOST_LABELS).map(|label| format!("--series=l{label}=1")).collect();
        assert!(read(&labels.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err().contains("16 labels"));
    }

    proptest::proptest! {
        #[test]
        fn no_words_make_it_panic(words in proptest::collection::vec("(-h|--(top|metrics|history|prometheus|series|every|for|pod|replace)=?)?[a-z=:.0-9-]{0,6}", 0..5)) {
            let default_url = || Ok(String::from("http://127.0.0.1:8080"));
            let _ = RecordWords::read(Parser::from_args(&words), &|_: &str| None, &default_url);
        }
    }
}
