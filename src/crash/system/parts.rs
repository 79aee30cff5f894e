//! The processes of a system: how copies of its parts are started, and how they are called.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;

use crate::crash::report::LaneState;
use crate::crash::system::values::{OwnValues, SystemValues, most_copies};
use crate::crash::tester::probe::ReadyProbe;
use crate::crash::tester::processes::{ProcessPlan, ReadySign};
use crate::crash::tester::world::RunWorld;
use crate::settings::crash::system::{PartConfig, ProbeConfig, SystemConfig};
use crate::sync::lock;

/// Within what time a process is ready of which nothing was said.
pub const READY: Duration = Duration::from_secs(30);
/// How long a process may take to end when it is asked to.
const GOODBYE: Duration = Duration::from_secs(10);
/// The name of the load, in events and reports.
pub const LOAD: &str = "load";

/// The parts of a system.
pub struct SystemParts<'r> {
    /// What the file says.
    pub config: &'r SystemConfig,
    /// What stands in the places of its texts.
    pub values: &'r SystemValues,
    /// What happens.
    pub world: &'r RunWorld,
    /// By the name of pods, how many there are to be.
    pub pods: Mutex<Vec<(String, usize)>>,
}

impl SystemParts<'_> {
    /// The name of a copy.
    pub fn name(&self, part: &PartConfig, copy: u32) -> String {
        if most_copies(self.config, part) > 1 { format!("{}.{copy}", part.name) } else { part.name.clone() }
    }

    /// There are to be so many pods of this name from now on.
    pub fn expect_pods(&self, name: &str, count: usize) {
        let mut pods = lock(&self.pods);
        pods.retain(|(known, _)| known != name);
        pods.push((name.to_owned(), count));
    }

    /// How many pods of this name there are to be; one at least.
    pub fn expected_pods(&self, name: &str) -> usize {
        lock(&self.pods).iter().find(|(known, _)| known == name).map_or(1, |(_, count)| *count)
    }

    /// The part that a name is of: its own, or that of a copy.
    pub fn part(&self, name: &str) -> Option<&PartConfig> {
        let base = name.split_once('.').map_or(name, |(base, _)| base);
        self.config.parts.iter().find(|part| part.name == base)
    }

    /// The copies of a target that are there: one, or all of a part.
    pub fn there(&self, target: &str) -> Vec<String> {
        let is_of = |name: &String| name == target || name.strip_prefix(target).is_some_and(|end| end.starts_with('.'));
        self.world.processes.names().into_iter().filter(is_of).collect()
    }

    /// Within what time a process is ready.
    pub fn ready_within(&self, name: &str) -> Duration {
        self.part(name).and_then(|part| part.ready.as_ref()).map_or(READY, |ready| ready.within)
    }

    /// Starts a copy of a part.
    ///
    /// # Errors
    /// When it cannot be started, or is there already.
    pub fn start(&self, part: &PartConfig, copy: u32) -> io::Result<()> {
        let name = self.name(part, copy);
        let log = self.world.folder.log(&name);
        let own = Some(OwnValues { part: &part.name, copy, log: &log });
        let text = |text: &String| self.values.text(text, own);
        let readiness = part.ready.as_ref().map_or(ReadySign::Running, |ready| {
            ReadySign::Probe(Arc::new(ReadyProbe(match &ready.probe {
                ProbeConfig::Http(url) => ProbeConfig::Http(text(url)),
                ProbeConfig::Tcp(address) => ProbeConfig::Tcp(text(address)),
                ProbeConfig::Command(words) => ProbeConfig::Command(self.values.words(words, own)),
                ProbeConfig::Log(said) => ProbeConfig::Log(text(said)),
            })))
        });
        let command = self.values.words(&part.command, own);
        let environment = part.env.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        self.begin(ProcessPlan { name, command, environment, log, readiness, is_awaited: true, may_end: false })
    }

    /// Starts a program as the load.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_load(&self, words: &[String]) -> io::Result<()> {
        self.begin(ProcessPlan {
            name: LOAD.to_owned(),
            command: self.values.words(words, None),
            environment: Vec::new(),
            log: self.world.folder.log(LOAD),
            readiness: ReadySign::Running,
            is_awaited: false,
            may_end: true,
        })
    }

    fn begin(&self, plan: ProcessPlan) -> io::Result<()> {
        let name = plan.name.clone();
        let pid = self.world.processes.start(plan)?;
        self.world.events.add("start", &name, &format!("pid {pid}"));
        self.world.lane(&name, LaneState::Starting);
        Ok(())
    }

    /// Ends a process: with SIGTERM, and where that is not enough, with SIGKILL.
    pub fn end(&self, name: &str) {
        if self.world.processes.end(name, Signal::TERM, GOODBYE).is_err() && self.world.processes.is_there(name) {
            self.world.events.add("kill", name, "it did not end on SIGTERM");
            let _ = self.world.processes.kill(name);
        }
        self.world.lane(name, LaneState::Down);
    }
}
