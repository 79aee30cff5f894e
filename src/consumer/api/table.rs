//! Every path there is, what it does, and who may ask for it how.

use crate::http::Method;
use crate::parameters::ParameterList;

/// The groups that hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Memory.
    Memory,
    /// Files.
    Disk,
    /// Empty files.
    Inode,
    /// Parked threads.
    Pid,
    /// Open descriptors.
    Descriptor,
}

/// The groups that do something for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// CPU.
    Cpu,
    /// Reading and writing.
    Io,
}

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Makes a total of what is held.
    Set(Holder),
    /// The plan last accepted.
    Planned(Holder),
    /// What is held.
    Held(Holder),
    /// A group as a whole: DELETE releases it.
    Group(Holder),
    /// Starts a load.
    Load(Loader),
    /// Stops the load of an id.
    Stop(Loader),
    /// The load that runs.
    Running(Loader),
    /// Loads as a whole: DELETE stops what runs.
    Loads(Loader),
    /// Everything: DELETE releases it, GET lists the paths.
    All,
    /// Everything there is to know.
    Status,
    /// Metrics.
    Metrics,
    /// Alive?
    Healthz,
    /// Ready?
    Readyz,
    /// Switches a probe.
    Switch(ProbeRoute, bool),
    /// A fault; DELETE ends it.
    Fault(Fault),
    /// Faults as a whole: which there are; DELETE ends them.
    Faults,
    /// Jobs as a whole: DELETE ends them.
    Jobs,
    /// The job of an id, which is the last segment of the path: DELETE ends it.
    OneJob,
    /// A job of the resource-consumer's interface.
    JobRoute(JobRoute),
    /// A scenario, which is its body.
    #[cfg(feature = "scenario")]
    Scenario,
    /// Its curves around now.
    #[cfg(feature = "scenario")]
    ScenarioCurves,
    /// What is done with the scenario that is played.
    #[cfg(feature = "scenario")]
    ScenarioStep(ScenarioStep),
    /// The last ten minutes.
    #[cfg(feature = "page")]
    History,
    /// The page for browsers, and an index for everybody else.
    #[cfg(any(feature = "page", feature = "openapi"))]
    Page,
    /// What can be asked for, to read.
    #[cfg(feature = "openapi")]
    Docs,
    /// What can be asked for in JSON, for machines.
    #[cfg(feature = "openapi")]
    OpenApi,
}

/// A probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeRoute {
    /// `/healthz`
    Health,
    /// `/readyz`
    Ready,
}

/// A fault on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Ends the process.
    Exit,
    /// Crashes it.
    Abort,
    /// Answers nothing.
    Hang,
    /// Answers late.
    Delay,
    /// Answers wrongly.
    Status,
    /// Logs.
    Log,
    /// What SIGTERM does.
    Term,
}

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobRoute {
    /// More CPU.
    Cpu,
    /// More memory.
    Memory,
    /// A gauge.
    Bump,
    /// Nothing; it is there.
    Status,
}

/// What is done with a scenario.
#[cfg(feature = "scenario")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenarioStep {
    /// It stays where it is.
    Pause,
    /// It goes on.
    Resume,
    /// It goes elsewhere.
    Seek,
}

/// The path of a job, for metrics and the contract for machines.
const ONE_JOB: &str = "/api/jobs/{id}";

/// All of them. The path is what metrics call the route.
pub const ROUTES: &[(&str, Route)] = &[
    #[cfg(any(feature = "page", feature = "openapi"))]
    ("/", Route::Page),
    #[cfg(feature = "openapi")]
    ("/docs", Route::Docs),
    #[cfg(feature = "openapi")]
    ("/openapi.json", Route::OpenApi),
    ("/api/mem/set", Route::Set(Holder::Memory)),
    ("/api/mem/add", Route::Set(Holder::Memory)),
    ("/api/mem/getdef", Route::Planned(Holder::Memory)),
    ("/api/mem/getact", Route::Held(Holder::Memory)),
    ("/api/mem", Route::Group(Holder::Memory)),
    ("/api/disk/set", Route::Set(Holder::Disk)),
    ("/api/disk/add", Route::Set(Holder::Disk)),
    ("/api/disk/getdef", Route::Planned(Holder::Disk)),
    ("/api/disk/getact", Route::Held(Holder::Disk)),
    ("/api/disk", Route::Group(Holder::Disk)),
    ("/api/inode/set", Route::Set(Holder::Inode)),
    ("/api/inode/add", Route::Set(Holder::Inode)),
    ("/api/inode/getdef", Route::Planned(Holder::Inode)),
    ("/api/inode/getact", Route::Held(Holder::Inode)),
    ("/api/inode", Route::Group(Holder::Inode)),
    ("/api/pid/set", Route::Set(Holder::Pid)),
    ("/api/pid/add", Route::Set(Holder::Pid)),
    ("/api/pid/getdef", Route::Planned(Holder::Pid)),
    ("/api/pid/getact", Route::Held(Holder::Pid)),
    ("/api/pid", Route::Group(Holder::Pid)),
    ("/api/fd/set", Route::Set(Holder::Descriptor)),
    ("/api/fd/add", Route::Set(Holder::Descriptor)),
    ("/api/fd/getdef", Route::Planned(Holder::Descriptor)),
    ("/api/fd/getact", Route::Held(Holder::Descriptor)),
    ("/api/fd", Route::Group(Holder::Descriptor)),
    ("/api/cpu/load", Route::Load(Loader::Cpu)),
    ("/api/cpu/stop", Route::Stop(Loader::Cpu)),
    ("/api/cpu/getact", Route::Running(Loader::Cpu)),
    ("/api/cpu", Route::Loads(Loader::Cpu)),
    ("/api/io/load", Route::Load(Loader::Io)),
    ("/api/io/stop", Route::Stop(Loader::Io)),
    ("/api/io/getact", Route::Running(Loader::Io)),
    ("/api/io", Route::Loads(Loader::Io)),
    ("/api", Route::All),
    ("/api/jobs", Route::Jobs),
    (ONE_JOB, Route::OneJob),
    #[cfg(feature = "scenario")]
    ("/api/scenario", Route::Scenario),
    #[cfg(feature = "scenario")]
    ("/api/scenario/curves", Route::ScenarioCurves),
    #[cfg(feature = "scenario")]
    ("/api/scenario/pause", Route::ScenarioStep(ScenarioStep::Pause)),
    #[cfg(feature = "scenario")]
    ("/api/scenario/resume", Route::ScenarioStep(ScenarioStep::Resume)),
    #[cfg(feature = "scenario")]
    ("/api/scenario/seek", Route::ScenarioStep(ScenarioStep::Seek)),
    ("/api/status", Route::Status),
    #[cfg(feature = "page")]
    ("/api/history", Route::History),
    ("/metrics", Route::Metrics),
    ("/healthz", Route::Healthz),
    ("/readyz", Route::Readyz),
    ("/healthz/disable", Route::Switch(ProbeRoute::Health, false)),
    ("/healthz/enable", Route::Switch(ProbeRoute::Health, true)),
    ("/readyz/disable", Route::Switch(ProbeRoute::Ready, false)),
    ("/readyz/enable", Route::Switch(ProbeRoute::Ready, true)),
    ("/fault", Route::Faults),
    ("/fault/exit", Route::Fault(Fault::Exit)),
    ("/fault/abort", Route::Fault(Fault::Abort)),
    ("/fault/hang", Route::Fault(Fault::Hang)),
    ("/fault/delay", Route::Fault(Fault::Delay)),
    ("/fault/status", Route::Fault(Fault::Status)),
    ("/fault/log", Route::Fault(Fault::Log)),
    ("/fault/term", Route::Fault(Fault::Term)),
    ("/ConsumeCPU", Route::JobRoute(JobRoute::Cpu)),
    ("/ConsumeMem", Route::JobRoute(JobRoute::Memory)),
    ("/BumpMetric", Route::JobRoute(JobRoute::Bump)),
    ("/GetCurrentStatus", Route::JobRoute(JobRoute::Status)),
];

/// The route of a path, and its place among all of them.
pub fn find(path: &[u8]) -> Option<(usize, Route)> {
    let is_id = |id: &[u8]| !id.is_empty() && id.iter().all(u8::is_ascii_digit);
    let path = if path.strip_prefix(b"/api/jobs/").is_some_and(is_id) { ONE_JOB.as_bytes() } else { path };
    let mut all = ROUTES.iter().enumerate();
    all.find(|(_, (known, _))| known.as_bytes() == path).map(|(place, (_, route))| (place, *route))
}

impl Route {
    /// Whether a request with this method changes state. HEAD never does.
    pub fn changes(self, method: &Method) -> bool {
        let deletes = *method == Method::Delete;
        match self {
            Self::Set(_) | Self::Load(_) | Self::Stop(_) | Self::Switch(..) | Self::Fault(_) => *method != Method::Head,
            Self::Group(_) | Self::Loads(_) | Self::All | Self::Faults | Self::Jobs | Self::OneJob => deletes,
            Self::JobRoute(job) => job != JobRoute::Status && *method != Method::Head,
            #[cfg(feature = "scenario")]
            Self::Scenario => !matches!(method, Method::Get | Method::Head),
            #[cfg(feature = "scenario")]
            Self::ScenarioStep(_) => *method != Method::Head,
            _ => false,
        }
    }

    /// The methods it takes where they are asked for honestly: everywhere but in the text contract, which serves any
    /// method like GET.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Set(_) | Self::Load(_) | Self::Stop(_) => &[Method::Get, Method::Post, Method::Put],
            Self::Group(_) | Self::Loads(_) | Self::Faults | Self::Jobs | Self::OneJob => {
                &[Method::Get, Method::Head, Method::Delete]
            }
            #[cfg(feature = "openapi")]
            Self::All => &[Method::Get, Method::Head, Method::Delete],
            #[cfg(not(feature = "openapi"))]
            Self::All => &[Method::Delete],
            Self::Fault(_) => &[Method::Post, Method::Delete],
            Self::Switch(..) | Self::JobRoute(_) => &[Method::Post],
            #[cfg(feature = "scenario")]
            Self::Scenario => &[Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete],
            #[cfg(feature = "scenario")]
            Self::ScenarioStep(_) => &[Method::Post],
            Self::Metrics => &[Method::Get, Method::Head, Method::Post],
            _ => &[Method::Get, Method::Head],
        }
    }

    /// What a request takes that deletes, or one that does not.
    pub fn parameters(self, deletes: bool) -> ParameterList {
        match self {
            Self::Set(Holder::Memory) => ParameterList::SetMemory,
            Self::Set(Holder::Disk) => ParameterList::SetFiles,
            Self::Set(_) => ParameterList::SetCounted,
            Self::Group(_) if deletes => ParameterList::Release,
            Self::All if deletes => ParameterList::ReleaseAll,
            Self::Load(Loader::Cpu) => ParameterList::CpuLoad,
            Self::Load(Loader::Io) => ParameterList::IoLoad,
            Self::Stop(_) => ParameterList::Stop,
            Self::Switch(_, false) => ParameterList::Disable,
            #[cfg(feature = "scenario")]
            Self::ScenarioCurves => ParameterList::Curves,
            #[cfg(feature = "scenario")]
            Self::ScenarioStep(ScenarioStep::Seek) => ParameterList::Seek,
            #[cfg(feature = "page")]
            Self::History => ParameterList::History,
            Self::Fault(_) if deletes => ParameterList::Nothing,
            Self::Fault(Fault::Exit) => ParameterList::FaultExit,
            Self::Fault(Fault::Abort) => ParameterList::FaultAbort,
            Self::Fault(Fault::Hang) => ParameterList::FaultHang,
            Self::Fault(Fault::Delay) => ParameterList::FaultDelay,
            Self::Fault(Fault::Status) => ParameterList::FaultStatus,
            Self::Fault(Fault::Log) => ParameterList::FaultLog,
            Self::Fault(Fault::Term) => ParameterList::FaultTerm,
            Self::JobRoute(JobRoute::Cpu) => ParameterList::ConsumeCpu,
            Self::JobRoute(JobRoute::Memory) => ParameterList::ConsumeMem,
            Self::JobRoute(JobRoute::Bump) => ParameterList::BumpMetric,
            _ => ParameterList::Nothing,
        }
    }

    /// Whether it is one of the original's paths, whose text is a contract.
    pub fn is_contract(self) -> bool {
        match self {
            Self::Set(holder) | Self::Planned(holder) | Self::Held(holder) => {
                matches!(holder, Holder::Memory | Holder::Disk)
            }
            Self::Load(loader) | Self::Stop(loader) | Self::Running(loader) => loader == Loader::Cpu,
            _ => false,
        }
    }

    /// Whether its text passes over what it does not know: on the original's paths, and the resource-consumer's.
    pub fn passes_over(self) -> bool {
        self.is_contract() || matches!(self, Self::JobRoute(_))
    }

    /// Whether it tells nothing of the state: then nobody needs a token to read it, not even where reads need one. The page
    /// that asks for the token has to come without.
    pub fn is_public(self) -> bool {
        match self {
            #[cfg(any(feature = "page", feature = "openapi"))]
            Self::Page => true,
            #[cfg(feature = "openapi")]
            Self::OpenApi | Self::Docs => true,
            _ => false,
        }
    }

    /// Whether faults leave it alone: what watches us must see the truth, and what ends a fault must be there.
    pub fn is_honest(self) -> bool {
        let ends = matches!(self, Self::Fault(_) | Self::Faults);
        ends || matches!(self, Self::Healthz | Self::Readyz | Self::Metrics | Self::Switch(..))
    }

    /// Whether a wrong status is not for it: nor for what releases or ends something, and for the page where that is done.
    pub fn is_spared(self, method: &Method) -> bool {
        *method == Method::Delete || self.is_public()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_path_is_there_once() {
        let paths: HashSet<&str> = ROUTES.iter().map(|(path, _)| *path).collect();
        assert_eq!(paths.len(), ROUTES.len());
        for path in paths {
            assert!(find(path.as_bytes()).is_some());
        }
        assert_eq!(find(b"/api/mem/"), None);
    }

    #[test]
    fn reads_change_nothing_and_head_never_does() {
        for (path, route) in ROUTES {
            assert!(!route.changes(&Method::Head), "{path}");
            if route.methods().contains(&Method::Head) {
                assert!(!route.changes(&Method::Get), "{path}");
            }
        }
    }
}
