//! How the parts of the pipeline are started, and what the words of a run mean for them.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::crash::input::StreamKey;
use crate::crash::pipeline::parts::Part;
use crate::crash::tester::faults::{CrashLoop, PauseLoop, READY};
use crate::crash::tester::processes::{ProcessPlan, ReadySign, program};
use crate::settings::crash::PipelineSettings;
use crate::settings::crash::system::TimeRange;

/// Debian's redis-server, which answers once an append is on disk.
const REDIS: [&str; 15] = [
    "redis-server",
    "--port",
    "0",
    "--unixsocket",
    "sock",
    "--dir",
    "redis",
    "--save",
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--daemonize",
    "no",
];
/// Where it is, for those in the run folder.
pub const OWN_REDIS: &str = "unix:redis/sock";

/// Starts parts.
#[derive(Clone, Debug)]
pub struct PartStarter {
    program: String,
    options: Vec<String>,
    lease: Duration,
}

impl PartStarter {
    /// For a pipeline like this.
    ///
    /// # Errors
    /// When the kernel does not tell which program this is.
    pub fn new(settings: &PipelineSettings) -> io::Result<Self> {
        Ok(Self { program: program()?, options: settings.options(), lease: settings.lease })
    }

    /// How a part is started.
    pub fn plan(&self, part: Part) -> ProcessPlan {
        let name = part.name();
        let words = match part {
            Part::Store => {
                let (command, environment) = (REDIS.map(str::to_owned).to_vec(), Vec::new());
                let log = "redis/log".into();
                let readiness = ReadySign::Running;
                return ProcessPlan { command, environment, log, readiness, is_awaited: false, may_end: false, name };
            }
            Part::Worker(number) => vec![String::from("worker"), number.to_string()],
            Part::Sink => vec![String::from("sink")],
            Part::Feed(key) => vec![String::from("feed"), key.to_string()],
        };
        let log = match part {
            Part::Worker(_) => name.clone(),
            Part::Sink => String::from("sink-out/stdout-stderr"),
            Part::Feed(key) => format!("sender.out.{key}"),
            Part::Store => String::from("redis/log"),
        };
        let start = [self.program.clone(), String::from("crash")];
        let place = [String::from("--dir"), String::from(".")];
        ProcessPlan {
            command: start.into_iter().chain(words).chain(place).chain(self.options.clone()).collect(),
            environment: Vec::new(),
            log: log.into(),
            readiness: ReadySign::Status(Path::new("run").join(&name)),
            is_awaited: matches!(part, Part::Worker(_)),
            // With its input.
            may_end: matches!(part, Part::Feed(_)),
            name,
        }
    }

    /// Kills a worker over and over.
    pub fn crash_worker(&self, number: u32, slow: bool) -> CrashLoop {
        let before = if slow { TimeRange::seconds(100, 140) } else { TimeRange::seconds(0, 4) };
        CrashLoop {
            target: Part::Worker(number).name(),
            signal: Signal::KILL,
            letter: number.to_string(),
            skipped: format!(":c{number}"),
            before,
            down: TimeRange::seconds(0, 4),
            after: TimeRange::seconds(0, 0),
            ready: Some(READY),
        }
    }

    /// Kills the sink over and over.
    pub fn crash_sink(&self) -> CrashLoop {
        CrashLoop {
            target: Part::Sink.name(),
            signal: Signal::KILL,
            letter: String::from("S"),
            skipped: String::from(":s"),
            before: TimeRange::seconds(0, 0),
            down: TimeRange::seconds(0, 2),
            after: TimeRange::seconds(10, 25),
            ready: None,
        }
    }

    /// Kills the tester's own redis-server over and over.
    pub fn crash_store(&self) -> CrashLoop {
        CrashLoop {
            target: Part::Store.name(),
            signal: Signal::KILL,
            letter: String::from("R"),
            skipped: String::from(":r"),
            before: TimeRange::seconds(0, 4),
            down: TimeRange::seconds(0, 4),
            after: TimeRange::seconds(4, 12),
            ready: None,
        }
    }

    /// Kills a feed over and over.
    pub fn crash_feed(&self, key: StreamKey) -> CrashLoop {
        CrashLoop {
            target: Part::Feed(key).name(),
            signal: Signal::KILL,
            letter: String::from("F"),
            skipped: String::from(":f"),
            before: TimeRange::seconds(0, 4),
            down: TimeRange::seconds(0, 4),
            after: TimeRange::seconds(0, 0),
            ready: None,
        }
    }

    /// Stops a worker over and over.
    pub fn pause_worker(&self, number: u32) -> PauseLoop {
        PauseLoop {
            target: Part::Worker(number).name(),
            letter: number.to_string(),
            before: TimeRange::seconds(0, 4),
            stopped: TimeRange(self.lease.mul_f64(0.3), self.lease.mul_f64(2.5)),
            ready: Some(READY),
        }
    }
}
