//! Looks once a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::consumer::Consumer;
use crate::consumer::control::group::{Group, Phase};
use crate::consumer::history::CurveValues;
use crate::consumer::history::events::{ContainerSigns, Signs};
use crate::kernel::container::Container;
use crate::kernel::cpu::quota;
use crate::kernel::process::Figures;
use crate::sync::{WORKER_STACK_BYTES, spawn};

/// What counters said a second ago.
struct Counted {
    at: Instant,
    cpu_us: Option<u64>,
    process_seconds: f64,
    throttled_us: Option<u64>,
    moved: u64,
}

/// Looks at the service, and keeps what it counted the last time.
pub struct HistorySampler {
    before: Option<Counted>,
    signs: Signs,
}

impl HistorySampler {
    /// Looks at `consumer` once a second, until it stops. Without a thread for it there is no history, and everything else.
    pub fn start(consumer: &Arc<Consumer>) {
        let consumer = Arc::clone(consumer);
        let watch = move || {
            let mut sampler = Self { before: None, signs: Signs::new() };
            loop {
                let passed = consumer.started.at.elapsed();
                sampler.look(&consumer, passed.as_secs());
                // A little behind the full second, so that the next look is never within the same one.
                let next = Duration::from_millis(passed.as_millis() as u64 / 1000 * 1000 + 1010);
                if consumer.stop.sleep(next.saturating_sub(consumer.started.at.elapsed())) {
                    return;
                }
            }
        };
        if let Err(error) = spawn("history", WORKER_STACK_BYTES, Box::new(watch)) {
            log::warn!("There is no thread for the history, which stays empty: {error}");
        }
    }

    fn look(&mut self, consumer: &Consumer, second: u64) {
        let container = Container::read(&consumer.kernel);
        let process = Figures::read(&consumer.kernel);
        let (limit, throttling) = quota(&consumer.kernel);
        let (written, read) = consumer.moved.get();
        let now = Counted {
            at: Instant::now(),
            cpu_us: container.cpu_us,
            process_seconds: process.cpu_seconds,
            throttled_us: throttling.map(|throttling| throttling.throttled_us),
            moved: written + read,
        };
        let rates = self.before.as_ref().map(|before| now.since(before));
        let (cpu, throttled, moved) = rates.unwrap_or_default();
        self.before = Some(now);
        let jobs = consumer.jobs.sums();
        let [memory, disk, inode, pid, fd] = consumer.groups().map(held_and_target);
        let load = consumer.cpu.load().map(|load| load.task.figures()).unwrap_or_default();
        let io = consumer.io.load().map(|load| load.task.figures());
        let number = |units: u64| Some(units as f64);
        let figures: CurveValues = [
            number(memory.0 + jobs.held),
            number(memory.1 + jobs.bytes),
            number(container.working_set.unwrap_or(process.resident)),
            number(disk.0),
            number(disk.1),
            Some(load.achieved + jobs.achieved),
            Some(load.wanted + jobs.millicores as f64),
            cpu,
            throttled,
            number(inode.0),
            number(inode.1),
            number(pid.0),
            number(pid.1),
            number(container.pids.unwrap_or(process.threads)),
            number(fd.0),
            number(fd.1),
            moved,
            Some(io.unwrap_or_default().wanted),
        ];
        let signs = ContainerSigns {
            oom_kills: container.oom_kills,
            memory_limit: container.max,
            millicores: limit.map(|limit| limit.millicores),
            is_throttled: throttled.is_some_and(|share| share > 0.0),
        };
        let events = self.signs.changes(consumer, signs, second);
        consumer.history.put(second, &figures, events);
    }
}

impl Counted {
    /// Millicores used, milliseconds held back in each second, and bytes moved a second, since then.
    fn since(&self, before: &Self) -> (Option<f64>, Option<f64>, Option<f64>) {
        let seconds = self.at.saturating_duration_since(before.at).as_secs_f64();
        let a_second =
            |now: f64, then: f64| Some((now - then) / seconds).filter(|rate| *rate >= 0.0 && rate.is_finite());
        let cpu = match (self.cpu_us, before.cpu_us) {
            (Some(now), Some(then)) => a_second(now as f64 / 1e3, then as f64 / 1e3),
            _ => a_second(self.process_seconds * 1e3, before.process_seconds * 1e3),
        };
        let throttled = self.throttled_us.zip(before.throttled_us);
        let throttled = throttled.and_then(|(now, then)| a_second(now as f64 / 1e3, then as f64 / 1e3));
        (cpu, throttled, a_second(self.moved as f64, before.moved as f64))
    }
}

/// What is held, and what is to be.
fn held_and_target(group: &Arc<Group>) -> (u64, u64) {
    let snapshot = group.snapshot();
    let is_over = matches!(snapshot.phase, Phase::Expired) || snapshot.phase == Phase::Over && snapshot.held == 0;
    let planned = snapshot.operation.filter(|_| !is_over).map_or(0, |operation| operation.planned);
    (snapshot.held, planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(at: Instant, cpu_us: Option<u64>, process_seconds: f64, moved: u64) -> Counted {
        Counted { at, cpu_us, process_seconds, throttled_us: cpu_us.map(|us| us / 10), moved }
    }

    #[test]
    fn counters_become_rates() {
        let then = Instant::now();
        let (now, before) = (then + Duration::from_secs(2), counted(then, Some(1_000_000), 1.0, 100));
        let rates = counted(now, Some(2_000_000), 9.0, 300).since(&before);
        assert_eq!(rates, (Some(500.0), Some(50.0), Some(100.0)));
        // Without a container of its own, it is the process.
        let before = counted(then, None, 1.0, 100);
        assert_eq!(counted(now, None, 4.0, 100).since(&before), (Some(1500.0), None, Some(0.0)));
        // A counter that began again says nothing, and neither does no time at all.
        assert_eq!(counted(now, None, 0.5, 0).since(&before), (None, None, None));
        assert_eq!(counted(then, None, 1.0, 100).since(&before), (None, None, None));
    }
}
