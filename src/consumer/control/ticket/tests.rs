//! Every transition, and a crowd.

use crate::consumer::control::ticket::*;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(20);

fn value(ticket: &Ticket) -> TicketValue {
    ticket.0.lock().value
}

#[test]
fn free_to_request_to_free() {
    let ticket = Ticket::new();
    let request = ticket.take().unwrap();
    assert_eq!(value(&ticket), TicketValue::Request);
    drop(request);
    assert_eq!(value(&ticket), TicketValue::Free);
}

#[test]
fn request_to_pending_to_worker_to_free() {
    let ticket = Ticket::new();
    ticket.take().unwrap().hand_over(Id(7));
    assert_eq!(value(&ticket), TicketValue::Pending(Id(7)));
    assert_eq!(ticket.take().err(), Some(Conflict::Pending));
    assert_eq!(ticket.peek(), Err(Conflict::Pending));
    let worker = ticket.claim(Id(7), NOW).unwrap();
    assert_eq!(worker.id(), Id(7));
    assert_eq!(ticket.take().err(), Some(Conflict::Busy));
    assert_eq!(ticket.peek(), Err(Conflict::Busy));
    drop(worker);
    assert_eq!(value(&ticket), TicketValue::Free);
    assert_eq!(ticket.peek(), Ok(1), "one work has ended");
}

#[test]
fn a_worker_waits_for_its_request_to_put_the_timestamp_back() {
    let ticket = Ticket::new();
    let request = ticket.take().unwrap();
    let worker = {
        let ticket = ticket.clone();
        thread::spawn(move || ticket.claim(Id(7), SOON).map(|worker| worker.id()))
    };
    thread::sleep(Duration::from_millis(20));
    request.hand_over(Id(7));
    assert_eq!(worker.join().unwrap(), Ok(Id(7)));
}

#[test]
fn another_timestamp_is_put_back() {
    let ticket = Ticket::new();
    ticket.take().unwrap().hand_over(Id(7));
    assert_eq!(ticket.claim(Id(8), Duration::from_millis(10)).err(), Some(GaveUp));
    assert_eq!(value(&ticket), TicketValue::Pending(Id(7)));
    assert!(ticket.claim(Id(7), NOW).is_ok());
}

#[test]
fn a_worker_that_gave_up_leaves_nothing_pending() {
    // It gave up before its timestamp came.
    let ticket = Ticket::new();
    let request = ticket.take().unwrap();
    assert_eq!(ticket.claim(Id(7), NOW).err(), Some(GaveUp));
    request.hand_over(Id(7));
    assert_eq!(value(&ticket), TicketValue::Free);
    // And the next request goes its way.
    ticket.take().unwrap().hand_over(Id(9));
    assert!(ticket.claim(Id(9), NOW).is_ok());
}

#[test]
fn a_request_waits_for_another_request_and_not_for_work() {
    let ticket = Ticket::new();
    let first = ticket.take().unwrap();
    let second = {
        let ticket = ticket.clone();
        thread::spawn(move || ticket.take().is_ok())
    };
    thread::sleep(Duration::from_millis(20));
    assert!(!second.is_finished(), "it waits");
    drop(first);
    assert!(second.join().unwrap());
    let first = ticket.take().unwrap();
    let second = {
        let ticket = ticket.clone();
        thread::spawn(move || ticket.take().err())
    };
    thread::sleep(Duration::from_millis(20));
    first.hand_over(Id(7));
    assert_eq!(second.join().unwrap(), Some(Conflict::Pending), "what it waited for became work");
}

#[test]
fn a_panic_puts_the_right_value_back() {
    let ticket = Ticket::new();
    let request = ticket.clone();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _request = request.take().unwrap();
        panic!("in a request");
    }));
    assert!(panicked.is_err());
    assert_eq!(value(&ticket), TicketValue::Free);
    ticket.take().unwrap().hand_over(Id(7));
    let worker = ticket.clone();
    let panicked = thread::spawn(move || {
        let _worker = worker.claim(Id(7), NOW).unwrap();
        panic!("in a worker");
    });
    assert!(panicked.join().is_err());
    assert_eq!(value(&ticket), TicketValue::Free);
}

/// All the interleavings of two requests and their workers, each of which may also give up at any moment, over the
/// real lock: every schedule of the steps below is run, one thread at a time.
#[test]
fn every_schedule_of_two_requests_and_two_workers_ends_free() {
    #[derive(Clone, Copy, PartialEq)]
    enum TestStep {
        Take,
        HandOver,
        Claim,
        GiveUp,
        End,
    }
    // A request takes, spawns its worker, and hands over; the worker may claim or give up before or after that.
    fn run(schedule: &[(usize, TestStep)]) -> bool {
        let ticket = Ticket::new();
        let mut requests: [Option<TicketRequest>; 2] = [None, None];
        let mut workers: [Option<Worker>; 2] = [None, None];
        let mut spawned = [false; 2];
        for &(who, step) in schedule {
            let id = Id(who as u64 + 1);
            match step {
                TestStep::Take if requests.iter().all(Option::is_none) => {
                    requests[who] = ticket.take().ok();
                    spawned[who] = requests[who].is_some();
                }
                // Take would wait for the other request: this schedule is another one's twin.
                TestStep::Take => return false,
                TestStep::HandOver => {
                    if let Some(request) = requests[who].take() {
                        request.hand_over(id);
                    }
                }
                TestStep::Claim if spawned[who] && value(&ticket) == TicketValue::Pending(id) => {
                    workers[who] = ticket.claim(id, NOW).ok();
                    assert!(workers[who].is_some());
                    spawned[who] = false;
                }
                TestStep::GiveUp if spawned[who] && value(&ticket) != TicketValue::Pending(id) => {
                    assert!(ticket.claim(id, NOW).is_err());
                    spawned[who] = false;
                }
                TestStep::Claim | TestStep::GiveUp => {}
                TestStep::End => drop(workers[who].take()),
            }
            assert!(workers.iter().flatten().count() <= 1, "two workers overlap");
            assert!(
                workers.iter().flatten().count() + requests.iter().flatten().count() <= 1,
                "a request and a worker hold the ticket at once"
            );
        }
        drop(requests);
        drop(workers);
        // Whoever was spawned and neither claimed nor gave up does one of the two in the end.
        for (who, waits) in spawned.into_iter().enumerate() {
            if waits {
                drop(ticket.claim(Id(who as u64 + 1), NOW));
            }
        }
        assert_eq!(value(&ticket), TicketValue::Free, "a ticket was lost");
        true
    }
    fn explore(left: &mut [Vec<TestStep>; 2], schedule: &mut Vec<(usize, TestStep)>, runs: &mut [usize; 2]) {
        if left.iter().all(Vec::is_empty) {
            runs[usize::from(run(schedule))] += 1;
            return;
        }
        for who in 0..2 {
            if left[who].is_empty() {
                continue;
            }
            let step = left[who].remove(0);
            schedule.push((who, step));
            explore(left, schedule, runs);
            schedule.pop();
            left[who].insert(0, step);
        }
    }
    let operations = [
        vec![TestStep::Take, TestStep::HandOver, TestStep::Claim, TestStep::End],
        vec![TestStep::Take, TestStep::GiveUp, TestStep::HandOver, TestStep::End],
        vec![TestStep::Take, TestStep::HandOver, TestStep::GiveUp, TestStep::Claim, TestStep::End],
        vec![TestStep::Take, TestStep::GiveUp, TestStep::Claim, TestStep::HandOver, TestStep::Claim, TestStep::End],
    ];
    let mut runs = [0; 2];
    for one in &operations {
        for two in &operations {
            explore(&mut [one.clone(), two.clone()], &mut Vec::new(), &mut runs);
        }
    }
    assert!(runs[1] > 500, "{runs:?}");
}

#[test]
fn in_a_crowd_no_ticket_is_lost_and_no_two_workers_overlap() {
    const CROWD: usize = 32;
    const ACCEPTED: usize = 2_000;
    let ticket = Ticket::new();
    let ids = Arc::new(crate::consumer::control::id::Ids::new());
    let working = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(AtomicUsize::new(0));
    let worked = Arc::new(AtomicUsize::new(0));
    let last = Arc::new(AtomicU64::new(0));
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let (ticket, ids, working) = (ticket.clone(), Arc::clone(&ids), Arc::clone(&working));
            let (accepted, worked, last) = (Arc::clone(&accepted), Arc::clone(&worked), Arc::clone(&last));
            thread::spawn(move || {
                let mut workers = Vec::new();
                while accepted.load(Ordering::Acquire) < ACCEPTED {
                    let Ok(request) = ticket.take() else {
                        thread::yield_now();
                        continue;
                    };
                    assert!(!working.load(Ordering::Acquire), "a request holds the ticket while work runs");
                    let id = ids.next();
                    assert!(last.swap(id.0, Ordering::AcqRel) < id.0, "ids strictly increase");
                    let number = accepted.fetch_add(1, Ordering::AcqRel);
                    let (ticket, working, worked) = (ticket.clone(), Arc::clone(&working), Arc::clone(&worked));
                    workers.push(thread::spawn(move || {
                        let worker = ticket.claim(id, SOON).unwrap();
                        assert!(!working.swap(true, Ordering::AcqRel), "two workers overlap");
                        if number % 7 == 0 {
                            thread::yield_now();
                        }
                        assert!(working.swap(false, Ordering::AcqRel));
                        worked.fetch_add(1, Ordering::AcqRel);
                        drop(worker);
                    }));
                    request.hand_over(id);
                }
                workers.into_iter().for_each(|worker| worker.join().unwrap());
            })
        })
        .collect();
    crowd.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(accepted.load(Ordering::Acquire), worked.load(Ordering::Acquire));
    assert_eq!(value(&ticket), TicketValue::Free);
    assert_eq!(ticket.peek(), Ok(worked.load(Ordering::Acquire) as u64));
}
