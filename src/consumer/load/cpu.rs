//! CPU time, used to measure: as many threads as it takes, each a closed loop on its own CPU clock.
//!
//! A thread compares the CPU time it has used with the time it should have used by now, works when it is behind and
//! sleeps when it is ahead. So what sleeping too long, waking up late and the loop itself cost is made up for, and any
//! second comes out right as long as the machine gives what is asked. Time that it did not give is made up for only a
//! little: a burst later would be wrong twice.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::consumer::load::factor::Factoring;
#[cfg(feature = "scenario")]
use crate::consumer::load::steering::Steering;
use crate::consumer::load::task::{LoadEnd, LoadFigures, Spec, Task};
use crate::kernel::clock::thread_time;
use crate::kernel::shutdown::Stop;
use crate::kernel::sys::give_way;
use crate::service::json::{Value, thousandths};
use crate::settings::Number;
use crate::sync::WORKER_STACK_BYTES;
use crate::sync::{lock, spawn};
use crate::units::decimal::fixed;

/// How often a thread wakes up to work its share. Its error in any window is at most the work of one period.
const PERIOD: Duration = Duration::from_millis(4);
/// How long it sleeps where nothing is to be done: what comes meanwhile can be made up for.
const IDLE: Duration = MOST_BEHIND;
/// Divisions between two looks at the clocks: a few microseconds, whatever the processor.
const DIVISIONS: u32 = 256;
/// How long a thread works between two looks at whether to go on.
const SLICE: Duration = Duration::from_millis(1);
/// How much a thread that was kept from working makes up for.
const MOST_BEHIND: Duration = Duration::from_millis(20);
/// How often what was used is noted, and for how many of these an average is taken.
const SAMPLE: Duration = Duration::from_millis(250);
const SAMPLES: usize = 5;
/// The thousandths of a core.
const CORE: u64 = 1000;

/// What is to be used: so many millicores, reached in a straight line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Millicores at the beginning.
    pub from: u64,
    /// Millicores at the end of the ramp, and from then on.
    pub to: u64,
    /// How long the ramp is.
    pub over: Duration,
}

impl Target {
    /// So many millicores from the beginning.
    pub fn flat(millicores: u64) -> Self {
        Self { from: millicores, to: millicores, over: Duration::ZERO }
    }

    /// Millicores after `elapsed`.
    pub fn at(&self, elapsed: Duration) -> f64 {
        if elapsed >= self.over {
            return self.to as f64;
        }
        let way = elapsed.as_secs_f64() / self.over.as_secs_f64();
        self.from as f64 + (self.to as f64 - self.from as f64) * way
    }

    /// CPU time that should be used after `elapsed`, in seconds.
    fn due(&self, elapsed: Duration) -> f64 {
        let ramp = elapsed.min(self.over).as_secs_f64();
        let middle = (self.from as f64 + self.at(elapsed.min(self.over))) / 2.0;
        (middle * ramp + self.to as f64 * elapsed.saturating_sub(self.over).as_secs_f64()) / CORE as f64
    }

    /// How many threads it takes.
    fn threads(&self) -> usize {
        self.from.max(self.to).div_ceil(CORE).max(1) as usize
    }
}

/// What is to be used, told at the start or while it runs.
#[derive(Clone, Debug)]
pub enum CpuDemand {
    /// Told at the start.
    Fixed(Target),
    /// Told while it runs.
    #[cfg(feature = "scenario")]
    Steered {
        /// Millicores at each moment.
        steering: Arc<Steering>,
        /// Millicores that are never exceeded: there are threads for so many.
        most: u64,
    },
}

impl CpuDemand {
    fn at(&self, elapsed: Duration) -> f64 {
        match self {
            Self::Fixed(target) => target.at(elapsed),
            #[cfg(feature = "scenario")]
            Self::Steered { steering, .. } => steering.now(),
        }
    }

    /// CPU time that should be used after `elapsed`, in seconds.
    fn due(&self, elapsed: Duration) -> f64 {
        match self {
            Self::Fixed(target) => target.due(elapsed),
            #[cfg(feature = "scenario")]
            Self::Steered { steering, .. } => steering.due() / CORE as f64,
        }
    }

    /// Millicores that are used at most, once they are reached.
    fn to(&self) -> u64 {
        match self {
            Self::Fixed(target) => target.to,
            #[cfg(feature = "scenario")]
            Self::Steered { most, .. } => *most,
        }
    }

    fn threads(&self) -> usize {
        match self {
            Self::Fixed(target) => target.threads(),
            #[cfg(feature = "scenario")]
            Self::Steered { most, .. } => Target::flat(*most).threads(),
        }
    }
}

impl LoadEnd {
    /// As the log tells it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Stopped => "stopped",
            Self::Factored => "ended, its number is factored,",
        }
    }
}

/// CPU time being used. One of its threads is the caller's own.
#[derive(Debug)]
pub struct CpuLoad {
    demand: CpuDemand,
    /// Where it ends when its time is over; without, it never is.
    deadline: Option<Instant>,
    number: Number,
    /// Whether it ends when a number of the user's is factored, as the contract's load does.
    ends_with_number: bool,
    cancelled: AtomicBool,
    /// Nanoseconds of CPU time used by each thread.
    used: Vec<AtomicU64>,
    gate: Mutex<Gate>,
    opened: Condvar,
    began: OnceLock<Instant>,
    samples: Mutex<VecDeque<(Duration, u64)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
    Gone,
}

impl CpuLoad {
    /// Starts the threads it takes beside the caller's own; they wait for [`CpuLoad::run`].
    ///
    /// # Errors
    /// When the kernel has no thread left. Those that were started go away.
    pub fn start(
        demand: CpuDemand,
        deadline: Option<Instant>,
        number: Number,
        ends_with_number: bool,
        stop: &Stop,
    ) -> io::Result<Arc<Self>> {
        let used = (0..demand.threads()).map(|_| AtomicU64::new(0)).collect();
        let burn = Arc::new(Self {
            demand,
            deadline,
            number,
            ends_with_number,
            cancelled: AtomicBool::new(false),
            used,
            gate: Mutex::new(Gate::Closed),
            opened: Condvar::new(),
            began: OnceLock::new(),
            samples: Mutex::default(),
        });
        for slot in 1..burn.used.len() {
            let (own, stop) = (Arc::clone(&burn), stop.clone());
            let work = move || {
                if own.pass_gate() {
                    own.work(slot, &stop);
                }
            };
            if let Err(error) = spawn("cpu", WORKER_STACK_BYTES, Box::new(work)) {
                burn.open(Gate::Gone);
                return Err(error);
            }
        }
        Ok(burn)
    }

    /// Runs to its end, in the caller's thread and those that wait.
    pub fn run(&self, stop: &Stop) -> LoadEnd {
        self.began.get_or_init(Instant::now);
        self.open(Gate::Open);
        let end = self.work(0, stop);
        // Where the number is factored by one, the others are done as well.
        self.cancel();
        end
    }

    /// Ends it early, whether it runs already or not.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        let mut gate = lock(&self.gate);
        if *gate == Gate::Closed {
            *gate = Gate::Gone;
        }
        drop(gate);
        self.opened.notify_all();
    }

    /// Millicores that are to be used at this moment.
    pub fn wanted(&self) -> f64 {
        self.demand.at(self.began.get().map_or(Duration::ZERO, Instant::elapsed))
    }

    /// Millicores used, on the average of the last second or so.
    pub fn achieved(&self) -> f64 {
        let Some(began) = self.began.get() else { return 0.0 };
        let (now, used) = (began.elapsed(), self.used());
        let (since, before) = lock(&self.samples).front().copied().unwrap_or_default();
        let length = now.saturating_sub(since).as_secs_f64();
        if length < 1e-3 { 0.0 } else { used.saturating_sub(before) as f64 / 1e9 / length * CORE as f64 }
    }

    /// Nanoseconds of CPU time used by all threads.
    fn used(&self) -> u64 {
        self.used.iter().map(|used| used.load(Ordering::Acquire)).sum()
    }

    fn open(&self, to: Gate) {
        let mut gate = lock(&self.gate);
        if *gate == Gate::Closed {
            *gate = to;
        }
        drop(gate);
        self.opened.notify_all();
    }

    fn pass_gate(&self) -> bool {
        let gate = lock(&self.gate);
        let waited = self.opened.wait_while(gate, |gate| *gate == Gate::Closed);
        *waited.unwrap_or_else(PoisonError::into_inner) == Gate::Open
    }

    fn work(&self, slot: usize, stop: &Stop) -> LoadEnd {
        give_way();
        let (began, at_start) = (*self.began.get_or_init(Instant::now), thread_time());
        let threads = self.used.len() as f64;
        let mut factoring = Factoring::new(self.number.value);
        // What was due before it began is not.
        let due_before = self.demand.due(Duration::ZERO);
        // Seconds that the machine did not give, and that are not made up for.
        let mut forgiven = 0.0;
        loop {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return LoadEnd::Ended;
            }
            if self.cancelled.load(Ordering::Acquire) || stop.is_set() {
                return LoadEnd::Stopped;
            }
            let elapsed = began.elapsed();
            let time = thread_time() - at_start;
            self.used[slot].store(time.as_nanos() as u64, Ordering::Release);
            if slot == 0 {
                self.sample(elapsed);
            }
            let behind = (self.demand.due(elapsed) - due_before) / threads - time.as_secs_f64() - forgiven;
            if behind <= 0.0 {
                let share = self.demand.at(elapsed) / CORE as f64 / threads;
                // A nap is bounded, so that whoever stops it does not wait.
                let nap = if share > 0.0 {
                    (PERIOD.as_secs_f64() - behind / share).min(2.0 * PERIOD.as_secs_f64())
                } else {
                    IDLE.as_secs_f64()
                };
                thread::sleep(Duration::from_secs_f64(nap));
                continue;
            }
            forgiven += (behind - MOST_BEHIND.as_secs_f64()).max(0.0);
            let enough = time + Duration::from_secs_f64(behind).min(SLICE);
            loop {
                if factoring.advance(DIVISIONS) {
                    if self.ends_with_number && self.number.set_by_user {
                        log::info!("Number factored: {factoring}");
                        return LoadEnd::Factored;
                    }
                    // It is only there to be worked on.
                    factoring = Factoring::new(self.number.value);
                }
                if thread_time() - at_start >= enough {
                    break;
                }
            }
        }
    }

    fn sample(&self, elapsed: Duration) {
        let mut samples = lock(&self.samples);
        if samples.back().is_some_and(|(last, _)| elapsed < *last + SAMPLE) {
            return;
        }
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back((elapsed, self.used()));
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CpuSpec {
    /// Millicores, and how they are reached.
    pub demand: CpuDemand,
    /// The contract's load: it ends when a number of the user's is factored.
    pub is_contract: bool,
    /// The number that is factored.
    pub number: Number,
}

impl Spec for CpuSpec {
    fn prepare(&self, deadline: Option<Instant>, stop: &Stop) -> io::Result<Box<dyn Task>> {
        Ok(Box::new(CpuLoad::start(self.demand.clone(), deadline, self.number, self.is_contract, stop)?))
    }

    fn told(&self, value: Value) -> Value {
        let over = match &self.demand {
            CpuDemand::Fixed(target) => Some(target.over).filter(|over| !over.is_zero()),
            #[cfg(feature = "scenario")]
            CpuDemand::Steered { .. } => None,
        };
        let over = over.map(|over| thousandths(over.as_secs_f64()));
        value.with("target_millicores", self.demand.to()).with("over_seconds", over)
    }

    fn words(&self) -> String {
        format!(" of {}m", self.demand.to())
    }
}

impl Task for Arc<CpuLoad> {
    fn run(&self, stop: &Stop) -> Result<LoadEnd, String> {
        Ok(CpuLoad::run(self, stop))
    }

    fn cancel(&self) {
        CpuLoad::cancel(self);
    }

    fn figures(&self) -> LoadFigures {
        LoadFigures { wanted: self.wanted(), achieved: self.achieved() }
    }

    fn most_millicores(&self) -> u64 {
        self.demand.to().max(self.wanted() as u64)
    }

    fn told(&self, value: Value) -> Value {
        value
            .with("target_millicores", self.demand.to())
            .with("wanted_millicores", thousandths(self.wanted()))
            .with("achieved_millicores", thousandths(self.achieved()))
    }

    fn line(&self) -> String {
        format!("{}m wanted  {}m achieved", fixed(self.wanted(), 0), fixed(self.achieved(), 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Number = Number { value: u128::MAX, set_by_user: false };

    #[test]
    fn what_is_due_is_the_area_below_the_line() {
        let target = Target { from: 500, to: 1500, over: Duration::from_secs(10) };
        assert_eq!((target.at(Duration::from_secs(5)), target.threads()), (1000.0, 2));
        assert!((target.due(Duration::from_secs(10)) - 10.0).abs() < 1e-9);
        assert!((target.due(Duration::from_secs(20)) - 25.0).abs() < 1e-9);
        assert!((target.due(Duration::from_secs(5)) - 3.75).abs() < 1e-9);
        assert!((Target::flat(10).due(Duration::from_secs(100)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn it_ends_on_time_when_cancelled_and_when_stopped() {
        let stop = Stop::new().unwrap();
        let soon = Some(Instant::now() + Duration::from_millis(50));
        let burn = CpuLoad::start(CpuDemand::Fixed(Target::flat(1500)), soon, NUMBER, true, &stop).unwrap();
        assert_eq!(CpuLoad::run(&burn, &stop), LoadEnd::Ended);
        assert!(burn.achieved() > 0.0);
        let burn = CpuLoad::start(CpuDemand::Fixed(Target::flat(100)), None, NUMBER, true, &stop).unwrap();
        thread::scope(|scope| {
            let running = scope.spawn(|| CpuLoad::run(&burn, &stop));
            burn.cancel();
            assert_eq!(running.join().unwrap(), LoadEnd::Stopped);
        });
        stop.stop();
        let burn = CpuLoad::start(CpuDemand::Fixed(Target::flat(100)), None, NUMBER, true, &stop).unwrap();
        assert_eq!(CpuLoad::run(&burn, &stop), LoadEnd::Stopped);
    }

    #[test]
    fn the_users_number_ends_the_contracts_load_alone() {
        let stop = Stop::new().unwrap();
        let number = Number { value: 91, set_by_user: true };
        let burn = CpuLoad::start(CpuDemand::Fixed(Target::flat(1000)), None, number, true, &stop).unwrap();
        assert_eq!(CpuLoad::run(&burn, &stop), LoadEnd::Factored);
        let soon = Some(Instant::now() + Duration::from_millis(30));
        let burn = CpuLoad::start(CpuDemand::Fixed(Target::flat(100)), soon, number, false, &stop).unwrap();
        assert_eq!(CpuLoad::run(&burn, &stop), LoadEnd::Ended);
    }
}
