//! The queue under the loom model checker.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib queue::model`

use crate::consumer::control::queue::*;
use crate::consumer::control::ticket::Conflict;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::time::Duration;

/// Loom has no clock: a claim never gives up.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Explores all interleavings with at most two pre-emptions: with three threads and two locks, more takes minutes.
fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(check);
}

#[derive(Clone)]
struct ModelOperation(Arc<ModelState>);

struct ModelState {
    id: u64,
    is_release: bool,
    cancelled: AtomicBool,
    ended: AtomicBool,
}

impl ModelOperation {
    fn new(id: u64, is_release: bool) -> Self {
        Self(Arc::new(ModelState { id, is_release, cancelled: AtomicBool::new(false), ended: AtomicBool::new(false) }))
    }

    fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::SeqCst)
    }
}

impl Entry for ModelOperation {
    fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
    }
}

struct ModelGroup {
    queue: Queue<ModelOperation>,
    holds: AtomicBool,
    works: AtomicBool,
}

impl ModelGroup {
    fn new() -> Arc<Self> {
        Arc::new(Self { queue: Queue::default(), holds: AtomicBool::new(false), works: AtomicBool::new(false) })
    }

    /// A worker: its own operation, then the releases that wait.
    fn work(&self, mut operation: ModelOperation) {
        let mut worker = self.queue.ticket().claim(Id(operation.0.id), PATIENCE).unwrap();
        loop {
            assert!(!self.works.swap(true, Ordering::SeqCst), "two work at once");
            if operation.0.is_release {
                assert!(!operation.is_cancelled(), "a release is cancelled");
                self.holds.store(false, Ordering::SeqCst);
            } else if !operation.is_cancelled() {
                self.holds.store(true, Ordering::SeqCst);
            }
            operation.0.ended.store(true, Ordering::SeqCst);
            assert!(self.works.swap(false, Ordering::SeqCst));
            match self.queue.next(worker, || None) {
                None => return,
                Some((same, next)) => (worker, operation) = (same, next),
            }
        }
    }

    /// A client that sets, and its worker in the same thread. Whether it was accepted.
    fn set(&self, id: u64) -> bool {
        let Ok(request) = self.queue.ticket().take() else { return false };
        let operation = ModelOperation::new(id, false);
        self.queue.hand_over(request, Id(id), operation.clone());
        self.work(operation);
        true
    }

    /// A client that releases, and its worker, if it is first. Returns the release that does it.
    fn release(&self, id: u64) -> ModelOperation {
        let operation = ModelOperation::new(id, true);
        match self.queue.release(&operation, |other| other.0.is_release && !other.has_ended() && !other.is_cancelled())
        {
            QueuePlace::First(request) => {
                self.queue.hand_over(request, Id(id), operation.clone());
                self.work(operation.clone());
                operation
            }
            QueuePlace::Waits { displaced } => {
                assert!(displaced.is_none(), "the other release would have done");
                operation
            }
            QueuePlace::Joined(other) => other,
        }
    }
}

fn is_free(group: &ModelGroup) {
    assert!(!matches!(group.queue.ticket().peek(), Err(Conflict::Pending | Conflict::Busy)));
}

#[test]
fn a_release_beside_work_releases() {
    model(|| {
        let group = ModelGroup::new();
        let setter = {
            let group = Arc::clone(&group);
            thread::spawn(move || group.set(1))
        };
        let release = group.release(2);
        setter.join().unwrap();
        assert!(release.has_ended(), "the release is forgotten");
        is_free(&group);
    });
}

#[test]
fn two_releases_beside_work_release_and_cancel_nothing_but_the_work() {
    model(|| {
        let group = ModelGroup::new();
        let releaser = {
            let group = Arc::clone(&group);
            thread::spawn(move || group.release(2))
        };
        let setter = {
            let group = Arc::clone(&group);
            thread::spawn(move || group.set(1))
        };
        let mine = group.release(3);
        let other = releaser.join().unwrap();
        setter.join().unwrap();
        assert!(mine.has_ended() && other.has_ended(), "a release is forgotten");
        is_free(&group);
    });
}

#[test]
fn what_is_set_before_a_release_is_not_held_after_it() {
    model(|| {
        let group = ModelGroup::new();
        let request = group.queue.ticket().take().unwrap();
        let operation = ModelOperation::new(1, false);
        group.queue.hand_over(request, Id(1), operation.clone());
        let worker = {
            let group = Arc::clone(&group);
            thread::spawn(move || group.work(operation))
        };
        let release = group.release(2);
        worker.join().unwrap();
        assert!(release.has_ended() && !group.holds.load(Ordering::SeqCst), "something is held after the release");
        is_free(&group);
    });
}
