//! The ticket under the loom model checker: every interleaving of its lock and its wake-ups.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib ticket::model`

use crate::consumer::control::ticket::*;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

/// Loom has no clock: a wait with a time-out ends by a wake-up only, and a claim never gives up.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Explores all interleavings with at most three pre-emptions: enough to show any fault known from such locks, and few
/// enough to end within a minute.
fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

fn accept(ticket: &Ticket, id: Id, working: &Arc<AtomicBool>) -> Option<thread::JoinHandle<()>> {
    let request = ticket.take().ok()?;
    assert!(!working.load(Ordering::Acquire), "a request holds the ticket while work runs");
    let (worker_ticket, working) = (ticket.clone(), Arc::clone(working));
    let worker = thread::spawn(move || {
        let worker = worker_ticket.claim(id, PATIENCE).unwrap();
        assert!(!working.swap(true, Ordering::AcqRel), "two workers overlap");
        working.store(false, Ordering::Release);
        drop(worker);
    });
    request.hand_over(id);
    Some(worker)
}

#[test]
fn two_requests_and_their_workers() {
    model(|| {
        let ticket = Ticket::new();
        let working = Arc::new(AtomicBool::new(false));
        let other = {
            let (ticket, working) = (ticket.clone(), Arc::clone(&working));
            thread::spawn(move || accept(&ticket, Id(2), &working).map(|worker| worker.join().unwrap()).is_some())
        };
        let mine = accept(&ticket, Id(1), &working).map(|worker| worker.join().unwrap()).is_some();
        let others = other.join().unwrap();
        assert!(mine || others, "both were refused, though nothing ran before them");
        assert_eq!(ticket.peek(), Ok(u64::from(mine) + u64::from(others)));
    });
}

#[test]
fn requests_that_only_meet_each_other_are_no_conflict() {
    model(|| {
        let ticket = Ticket::new();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let ticket = ticket.clone();
                thread::spawn(move || assert!(ticket.take().is_ok()))
            })
            .collect();
        assert!(ticket.take().is_ok());
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(ticket.peek(), Ok(0));
    });
}

#[test]
fn a_reader_beside_accepted_work_is_told_the_truth() {
    model(|| {
        let ticket = Ticket::new();
        let working = Arc::new(AtomicBool::new(false));
        let reader = {
            let (ticket, working) = (ticket.clone(), Arc::clone(&working));
            thread::spawn(move || match ticket.take() {
                Ok(_request) => assert!(!working.load(Ordering::Acquire)),
                Err(Conflict::Pending | Conflict::Busy) => {}
            })
        };
        let worker = accept(&ticket, Id(1), &working).unwrap();
        worker.join().unwrap();
        reader.join().unwrap();
        assert_eq!(ticket.peek(), Ok(1));
    });
}
