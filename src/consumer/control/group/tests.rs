use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::consumer::admission::headroom::MemoryAdmission;
use crate::consumer::control::group::*;
use crate::consumer::control::operation::Caller;
use crate::consumer::countable::{Countable, CountableStore, Names};
use crate::consumer::disk::workdir::Workdir;
use crate::kernel::Kernel;
use crate::units::quantity::Amount;

/// Things that are only counted.
struct TestCountable(Arc<AtomicU64>, AtomicU64);

impl Countable for TestCountable {
    fn names(&self) -> &'static Names {
        &Names { name: "thing", work: "CreateThings()", limit: "HIGHTHINGLIM", cost: 1 }
    }

    fn held(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn make(&self) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn discard(&self, count: u64) -> io::Result<()> {
        self.0.fetch_sub(count, Ordering::SeqCst);
        Ok(())
    }

    fn room(&self) -> Result<(u64, String), String> {
        // A neighbour takes something between any two readings.
        Ok((1000 - self.1.fetch_add(10, Ordering::SeqCst), String::from("the test")))
    }
}

/// A group of things, and how many there are.
fn group(folder: &Path) -> (Arc<Group>, Arc<AtomicU64>) {
    let things = Arc::new(AtomicU64::new(0));
    let store = CountableStore::new(
        Box::new(TestCountable(Arc::clone(&things), AtomicU64::new(0))),
        MemoryAdmission::new(Kernel::default(), 0),
        None,
    );
    let forced_note = ForcedNote::new(Arc::new(Workdir::new(folder, Amount::Exactly(0))), Kernel::default(), "thing");
    let group = Group::new(Arc::new(store), forced_note, Arc::new(Ids::new()), Stop::new().unwrap(), None);
    (Arc::new(group), things)
}

fn things(count: u64, ttl: Option<Duration>) -> ChangeRequest {
    ChangeRequest { ttl, ..ChangeRequest::of(Amount::Exactly(count), Caller::nobody()) }
}

fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let began = Instant::now();
    while !check() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_held_is_kept_when_the_next_worker_gives_up() {
    let folder = tempfile::tempdir().unwrap();
    let (group, held) = group(folder.path());
    let ttl = PATIENCE + Duration::from_secs(1);
    let first = group.set(Ok(things(10, Some(ttl)))).unwrap().operation;
    assert_eq!(group.wait(&first, Duration::from_secs(30), &mut || true), Some(Outcome::Done));
    // A request that is held up for longer than its worker waits.
    let request = group.queue.ticket().take().unwrap();
    let operation = Arc::new(Operation::new(group.ids.next(), &things(20, None), 20, 20, None));
    group.spawn(&operation, Goal::Count(20), group.store.reserve_nothing()).unwrap();
    group.write_down(&operation, Goal::Count(20));
    assert!(matches!(group.wait(&operation, Duration::from_secs(30), &mut || true), Some(Outcome::Failed(_))));
    group.queue.hand_over(request, operation.id, Arc::clone(&operation));
    let snapshot = group.snapshot();
    assert_eq!((snapshot.phase, snapshot.held), (Phase::Failed, 10));
    assert_eq!(snapshot.operation.map(|operation| operation.id), Some(first.id), "what is held is the first order's");
    assert_eq!(group.account().map(|account| account.goal), Ok(Goal::Count(10)));
    eventually("what has expired is released", || held.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_late_note_does_not_say_pending() {
    let folder = tempfile::tempdir().unwrap();
    let (group, _) = group(folder.path());
    let request = group.queue.ticket().take().unwrap();
    let operation = Arc::new(Operation::new(group.ids.next(), &things(20, None), 20, 20, None));
    group.spawn(&operation, Goal::Count(20), group.store.reserve_nothing()).unwrap();
    assert!(matches!(group.wait(&operation, Duration::from_secs(30), &mut || true), Some(Outcome::Failed(_))));
    group.write_down(&operation, Goal::Count(20));
    group.queue.hand_over(request, operation.id, Arc::clone(&operation));
    assert_eq!(group.snapshot().phase, Phase::Failed);
    let next = group.set(Ok(things(5, None))).unwrap().operation;
    assert_eq!(group.wait(&next, Duration::from_secs(30), &mut || true), Some(Outcome::Done));
}

#[test]
fn the_most_does_not_refuse_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (group, held) = group(folder.path());
    let most = Amount::MostLess(0);
    assert!(group.preview(&ChangeRequest::of(most, Caller::nobody())).unwrap().refused.is_none());
    let operation = group.set(Ok(ChangeRequest::of(most, Caller::nobody()))).unwrap().operation;
    assert_eq!(group.wait(&operation, Duration::from_secs(30), &mut || true), Some(Outcome::Done));
    assert_eq!(held.load(Ordering::SeqCst), operation.requested);
}
