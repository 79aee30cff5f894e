//! The words of the crash tester: what is done to which part, and the steps by hand.

use std::time::Duration;

use crate::settings::crash::system::SystemConfig;
use crate::settings::unknown_word::unknown;
use crate::units::duration::span;

/// Workers have these numbers.
const MOST_WORKERS: u32 = 10;
/// How long a poll waits unless told otherwise.
const POLL: Duration = Duration::from_secs(15);

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrashAction {
    /// Start so many workers, and do to them what the words say.
    Run {
        /// Workers at the start, at least 1.
        workers: u32,
        /// What is done, and what is left out.
        words: Vec<Word>,
    },
    /// One step, in the run folder of others.
    Step(ManualStep),
    /// Start what a file describes, and do to it what the file says.
    System(Box<SystemConfig>),
    /// Only say that a file is good.
    CheckSystem {
        /// The file's name.
        name: String,
        /// What it says.
        config: Box<SystemConfig>,
    },
    /// Say what is wrong with a file: all of it, a line each.
    RefuseSystem(Vec<String>),
    /// Show this file, which is built in.
    PrintExample(String),
}

/// What is done during a run, or left out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    /// A worker is killed and started again, over and over.
    Crash {
        /// Which one.
        worker: u32,
        /// About every two minutes only.
        slow: bool,
    },
    /// A worker is stopped for a while.
    Pause(u32),
    /// The sink is killed and started again.
    CrashSink,
    /// Each feed is.
    CrashSource,
    /// The tester's own redis-server is.
    CrashStore,
    /// Workers join.
    Grow,
    /// Workers leave.
    Shrink,
    /// Both, by chance.
    GrowAndShrink,
    /// What was put out is not verified while it runs.
    NoSanity,
    /// Nobody looks whether keys get further.
    NoAckProgress,
    /// Nobody looks whether restarted feeds are registered.
    NoRegistry,
    /// A scenario that is always the same.
    Custom(Scenario),
    /// The run folder is cleared, and that is all.
    ResetOnly,
}

/// A scenario that is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// Worker 1 leaves and joins again, over and over.
    ShrinkAndRejoin,
    /// Workers 1 to 5 join, leave and join again.
    FiveJoin,
    /// One joins while those of a list leave.
    GrowAgainstShrinks,
    /// Owners of keys leave until worker 0 is alone.
    ShrinkOwners,
    /// Workers 2 and 1 leave and join, twice.
    TwoTwice,
    /// Sink and worker 0 are down at once.
    SinkAndWorkerZero,
}

/// Words that are always the same.
const FIXED: [(&str, Word); 18] = [
    ("crash-sink", Word::CrashSink),
    ("crash-source", Word::CrashSource),
    ("crash-store", Word::CrashStore),
    ("grow", Word::Grow),
    ("shrink", Word::Shrink),
    ("grow-and-shrink", Word::GrowAndShrink),
    ("no-sanity", Word::NoSanity),
    ("no-ack-progress", Word::NoAckProgress),
    ("no-registry-process", Word::NoRegistry),
    ("no-registry-progress", Word::NoRegistry),
    ("run_custom1", Word::Custom(Scenario::ShrinkAndRejoin)),
    ("run_custom2", Word::Custom(Scenario::FiveJoin)),
    ("run_custom3", Word::Custom(Scenario::GrowAgainstShrinks)),
    ("run_custom4", Word::Custom(Scenario::ShrinkOwners)),
    ("run_custom5", Word::Custom(Scenario::TwoTwice)),
    ("run_custom_crashsink_crash0_overlap", Word::Custom(Scenario::SinkAndWorkerZero)),
    ("reset-only", Word::ResetOnly),
    ("no-registry", Word::NoRegistry),
];

/// A step by hand, or a part of the pipeline in the foreground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManualStep {
    /// Ends what runs there, and clears the folder.
    Reset,
    /// Writes the inputs.
    CreateInputs,
    /// Removes them.
    DeleteInputs,
    /// Starts the sink.
    StartSink,
    /// Starts worker 0.
    StartInitializer,
    /// Starts a worker again.
    StartWorker(u32),
    /// Starts a worker that was not there.
    JoinWorker(u32),
    /// Has a worker leave.
    ShrinkWorker(u32),
    /// Kills a worker.
    CrashWorker(u32),
    /// Waits until a worker is ready.
    PollReady {
        /// Which one.
        worker: u32,
        /// What it says is shown.
        verbose: bool,
        /// For how long.
        wait: Duration,
    },
    /// Waits until all are.
    PollAllReady {
        /// What they say is shown.
        verbose: bool,
        /// For how long.
        wait: Duration,
    },
    /// Is the feed of a key, until its input ends.
    Feed {
        /// Which key.
        key: u8,
        /// Bytes a second, if it was said.
        rate: Option<u64>,
    },
    /// Verifies what is there of a key.
    Verify(u8),
    /// Is a worker, until it is ended.
    Worker(u32),
    /// Is the sink, until it is ended.
    Sink,
}

/// The steps: how each begins, and what follows it.
const STEPS: [(&str, Operand); 15] = [
    ("reset", Operand::Nothing),
    ("create-inputs", Operand::Nothing),
    ("delete-inputs", Operand::Nothing),
    ("start-sink", Operand::Nothing),
    ("start-initializer", Operand::Nothing),
    ("start-worker", Operand::Worker),
    ("join-worker", Operand::Worker),
    ("shrink-worker", Operand::Worker),
    ("crash-worker", Operand::Worker),
    ("poll-ready", Operand::Worker),
    ("poll-all-ready", Operand::Nothing),
    ("feed", Operand::Key),
    ("verify", Operand::Key),
    ("worker", Operand::Worker),
    ("sink", Operand::Nothing),
];

/// What follows a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Nothing,
    Worker,
    Key,
}

/// What the words come to; `said` knows the options.
pub(super) fn action(words: &[String], said: impl Fn(&str) -> Option<String>) -> Result<CrashAction, String> {
    let Some((first, rest)) = words.split_first() else {
        return Err(String::from("how many workers? as in: testero crash 3 crash1 crash-sink"));
    };
    if first.bytes().all(|byte| byte.is_ascii_digit()) {
        let workers = first.parse().ok().filter(|workers| (1..=MOST_WORKERS).contains(workers));
        let workers = workers.ok_or_else(|| format!("{first} workers: there are 1 to {MOST_WORKERS}"))?;
        let words = rest.iter().map(|word| read(word)).collect::<Result<Vec<_>, _>>()?;
        return Ok(CrashAction::Run { workers, words });
    }
    let Some((name, operand)) = STEPS.iter().find(|(name, _)| name == first) else {
        let mut names: Vec<String> = STEPS.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(FIXED.iter().map(|(name, _)| (*name).to_owned()));
        return Err(unknown("step", first, &names) + "; a run begins with the number of its workers");
    };
    let (operands, further) = rest.split_at(rest.len().min(usize::from(*operand != Operand::Nothing)));
    let (worker, key) = match (operand, operands.first()) {
        (Operand::Nothing, _) => (0, 0),
        (Operand::Worker, Some(text)) => (worker(text)?, 0),
        (Operand::Key, Some(text)) => match text.as_bytes() {
            [key] if key.is_ascii_alphanumeric() => (0, *key),
            _ => return Err(format!("{name}: '{text}' is no key; a key is one letter or digit")),
        },
        (Operand::Worker, None) => return Err(format!("{name} needs the number of a worker")),
        (Operand::Key, None) => return Err(format!("{name} needs a key, as in: {name} A")),
    };
    let rate = match (*name, further) {
        ("feed", [rate]) => {
            let number = rate.parse().ok().filter(|rate| *rate > 0);
            Some(number.ok_or_else(|| format!("feed: '{rate}' is no number of bytes a second"))?)
        }
        (_, []) => None,
        (_, [word, ..]) => return Err(format!("{name}: unexpected word '{word}'")),
    };
    let verbose = said("verbose").is_some();
    let wait = match said("wait") {
        Some(text) => span(&text).map_err(|why| format!("--wait: {why}"))?,
        None => POLL,
    };
    if matches!(*name, "join-worker" | "shrink-worker") && worker == 0 {
        return Err(format!("{name}: worker 0 neither joins nor leaves"));
    }
    Ok(CrashAction::Step(match *name {
        "reset" => ManualStep::Reset,
        "create-inputs" => ManualStep::CreateInputs,
        "delete-inputs" => ManualStep::DeleteInputs,
        "start-sink" => ManualStep::StartSink,
        "start-initializer" => ManualStep::StartInitializer,
        "start-worker" => ManualStep::StartWorker(worker),
        "join-worker" => ManualStep::JoinWorker(worker),
        "shrink-worker" => ManualStep::ShrinkWorker(worker),
        "crash-worker" => ManualStep::CrashWorker(worker),
        "poll-ready" => ManualStep::PollReady { worker, verbose, wait },
        "poll-all-ready" => ManualStep::PollAllReady { verbose, wait },
        "feed" => ManualStep::Feed { key, rate },
        "verify" => ManualStep::Verify(key),
        "worker" => ManualStep::Worker(worker),
        _ => ManualStep::Sink,
    }))
}

/// A word of a run.
fn read(word: &str) -> Result<Word, String> {
    if let Some((_, known)) = FIXED.iter().find(|(name, _)| *name == word) {
        return Ok(*known);
    }
    let numbered = |prefix: &str, text: &str| {
        let digits = text.strip_prefix(prefix)?;
        digits.parse().ok().filter(|worker| *worker < MOST_WORKERS && digits.len() == 1)
    };
    let (whole, slow) = word.strip_suffix(".slow").map_or((word, false), |whole| (whole, true));
    if let Some(worker) = numbered("crash", whole) {
        return Ok(Word::Crash { worker, slow });
    }
    if let Some(worker) = numbered("pause", word) {
        return Ok(Word::Pause(worker));
    }
    let mut names: Vec<String> = FIXED.iter().map(|(name, _)| (*name).to_owned()).collect();
    for worker in 0..MOST_WORKERS {
        names.extend([format!("crash{worker}"), format!("crash{worker}.slow"), format!("pause{worker}")]);
    }
    Err(unknown("word", word, &names))
}

fn worker(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|worker| *worker < MOST_WORKERS);
    number.ok_or_else(|| format!("'{text}' is no worker; they are numbered 0 to {}", MOST_WORKERS - 1))
}
