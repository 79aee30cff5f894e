//! A system of the user's own, as a file describes it: what is started, what is done to it, and what must hold.
//!
//! Texts may have places in braces, which are filled in when the run begins: `{dir}` the run folder, `{testero}` this
//! program, `{port.NAME}` the port of the first copy of a part and `{port.NAME.2}` that of its third; for a part itself
//! also `{port}` its port, `{n}` its number from 0, and `{log}` its log. Braces around anything else stay as they are.

use std::path::PathBuf;
use std::time::Duration;

use fastrand::Rng;

use crate::units::duration::in_words;

/// A system, and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemConfig {
    /// Where relative paths begin, and commands run: the folder of the file.
    pub base: PathBuf,
    /// Files that are written before anything is started.
    pub files: Vec<FileConfig>,
    /// Processes here, started in this order.
    pub parts: Vec<PartConfig>,
    /// Pods that are there already.
    pub pods: Vec<PodsConfig>,
    /// What uses the system; its end is the end of the run.
    pub load: Option<LoadConfig>,
    /// What is done, each over and over.
    pub faults: Vec<FaultConfig>,
    /// What must hold.
    pub verify: Vec<VerifyConfig>,
    /// When it ends.
    pub end: EndConfig,
    /// How many faults of a kind must have had an effect.
    pub require: Vec<(FaultHow, u64)>,
}

impl SystemConfig {
    /// How much there is of what, in a line.
    pub fn summary(&self) -> String {
        let counts = [
            (self.files.len(), "file"),
            (self.parts.len(), "part"),
            (self.pods.len(), "group of pods"),
            (self.faults.len(), "fault"),
            (self.verify.len(), "promise"),
        ];
        let mut all = String::new();
        for (number, what) in counts {
            match number {
                // Of files and pods, most systems have none.
                0 if matches!(what, "file" | "group of pods") => {}
                1 => all += &format!("1 {what}, "),
                number if what == "group of pods" => all += &format!("{number} groups of pods, "),
                number => all += &format!("{number} {what}s, "),
            }
        }
        all + &match self.end.after {
            Some(after) => format!("for {}", in_words(after)),
            None => String::from("until the load ends"),
        }
    }
}

/// A file that is written before anything is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileConfig {
    /// Its path, with places.
    pub path: String,
    /// What is in it, with places.
    pub text: String,
}

/// Processes of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartConfig {
    /// Its name; that of a copy is `NAME.0`, `NAME.1` and so on, where there can be more than one.
    pub name: String,
    /// Program and arguments, with places.
    pub command: Vec<String>,
    /// How many there are at the start, at least 1.
    pub copies: u32,
    /// What is added to the environment, with places.
    pub env: Vec<(String, String)>,
    /// What shows that one is ready; without that it is once it runs.
    pub ready: Option<ReadyConfig>,
}

/// What shows that a process is ready, and within what time it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyConfig {
    /// How to ask.
    pub probe: ProbeConfig,
    /// Within what time from its start.
    pub within: Duration,
}

/// How to ask whether a process is ready. All have places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeConfig {
    /// A GET of this `http://` URL is answered with 2xx.
    Http(String),
    /// A connection to `HOST:PORT` is accepted.
    Tcp(String),
    /// A program exits with 0.
    Command(Vec<String>),
    /// What it wrote since its start has this text in it.
    Log(String),
}

/// Pods that are there already, in a cluster that the user's kubectl reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodsConfig {
    /// Its name here.
    pub name: String,
    /// The context of kubectl's configuration; its current one otherwise.
    pub context: Option<String>,
    /// The namespace; that of the context otherwise.
    pub namespace: Option<String>,
    /// The labels that they have: `app=web`.
    pub selector: String,
    /// What `kubectl scale` changes: `deployment/web`.
    pub scale: Option<String>,
    /// Within what time all of them are ready again.
    pub within: Duration,
}

/// What uses the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadConfig {
    /// A program, with places; it ends with 0 when all is done.
    Command(Vec<String>),
    /// Requests, one after the other by each client.
    Http(HttpLoadConfig),
}

/// Requests that are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLoadConfig {
    /// Which `http://` URL, with places.
    pub url: String,
    /// How many clients there are, at least 1.
    pub clients: u32,
    /// The file that gets a line for each request, with places.
    pub out: String,
    /// How many requests all of them begin in a second at most.
    pub rate: Option<u64>,
    /// Within what time an answer must be there.
    pub timeout: Duration,
}

/// What is done, over and over, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultConfig {
    /// A part, one of its copies (`db.1`), or pods, by name. Of several any one is taken.
    pub target: String,
    /// What is done.
    pub how: FaultHow,
    /// How long it waits before each.
    pub every: TimeRange,
    /// For how long what was killed or ended is down.
    pub down: TimeRange,
    /// For how long what is paused stands still.
    pub length: TimeRange,
    /// The program of [`FaultHow::Command`], with places.
    pub command: Vec<String>,
    /// The fewest and the most copies of [`FaultHow::Scale`].
    pub copies: (u32, u32),
}

/// What can be done to a part or a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultHow {
    /// SIGKILL, and it is started again.
    Kill,
    /// SIGTERM, and it is started again.
    Term,
    /// SIGSTOP, and SIGCONT after a while.
    Pause,
    /// A program is run.
    Command,
    /// A pod is deleted, without grace.
    DeletePod,
    /// Copies are added or removed.
    Scale,
}

/// All of them, by the words of a file.
pub const FAULTS: [(&str, FaultHow); 6] = [
    ("kill", FaultHow::Kill),
    ("term", FaultHow::Term),
    ("pause", FaultHow::Pause),
    ("command", FaultHow::Command),
    ("delete-pod", FaultHow::DeletePod),
    ("scale", FaultHow::Scale),
];

impl FaultHow {
    /// Its word in a file, and its kind in reports.
    pub fn word(self) -> &'static str {
        FAULTS.iter().find(|(_, how)| *how == self).map_or("", |(word, _)| word)
    }
}

/// Something that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyConfig {
    /// The check's name in reports: its word, and a number from the second one of a kind on (`ledger-2`).
    pub check: &'static str,
    /// What must hold.
    pub promise: Promise,
}

/// What must hold. All texts have places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// One file begins like another; once the load has ended by itself, they become equal.
    Prefix {
        /// What was fed.
        input: String,
        /// What came of it.
        output: String,
        /// The most bytes at its end that a part may take back when it starts again, since nobody was promised them.
        revocable: u64,
    },
    /// What was acknowledged is there, and nothing that was not sent.
    Ledger {
        /// What was tried, a line each.
        sent: LineSource,
        /// What was acknowledged, likewise.
        acked: LineSource,
        /// What is there, likewise.
        got: LineSource,
        /// What is there in the order in which it was sent.
        order: LedgerOrder,
        /// Whether a line may be there more often than it was sent.
        duplicates: bool,
    },
    /// The answers of [`HttpLoadConfig`] are numbers, of which none comes twice and each client's rise.
    Numbers {
        /// The file of the requests.
        file: String,
        /// The member of a JSON answer that has the number; the whole answer otherwise.
        member: Option<String>,
        /// How many between the smallest and the largest may be missing, beside one for each request that has no answer, or
        /// one of 5xx: a proxy's that got none.
        missing: u64,
    },
    /// All requests of [`HttpLoadConfig`] are answered, and with this status.
    Answers {
        /// The file of the requests.
        file: String,
        /// The status.
        status: u16,
    },
    /// A program says so: exit code 0 it holds, 1 it does not, anything else it cannot be told.
    Command {
        /// The program.
        run: Vec<String>,
        /// How often it is run.
        every: Duration,
        /// How long it may take.
        within: Duration,
    },
    /// Something grows: a file, or the number that a program prints.
    Progress {
        /// The file, or the program.
        source: LineSource,
        /// Within what time it must have grown.
        within: Duration,
    },
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineSource {
    /// A file.
    File(String),
    /// What a program prints.
    Command(Vec<String>),
}

/// What is in the order in which it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LedgerOrder {
    /// Nothing needs to be.
    #[default]
    None,
    /// The lines of a key, which is what stands before the first tab.
    PerKey,
    /// All lines.
    Total,
}

/// When it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndConfig {
    /// After what time there are no more faults, and the load is ended; when the load ends otherwise.
    pub after: Option<Duration>,
    /// How long it may take after that until all is ready, and what must hold does.
    pub settle: Duration,
}

/// Any time between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange(pub Duration, pub Duration);

impl TimeRange {
    /// In seconds.
    pub const fn seconds(least: u64, most: u64) -> Self {
        Self(Duration::from_secs(least), Duration::from_secs(most))
    }

    /// One of them, uniformly.
    pub fn pick(self, random: &mut Rng) -> Duration {
        self.0 + (self.1 - self.0).mul_f64(random.f64())
    }
}
