//! The state of a connection under the loom model checker: its thread beside those that would evict it.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib wait_state::model`

use crate::http::server::wait_state::*;
use loom::sync::Arc;
use loom::thread;

/// Looks, and evicts what it saw; says whether that was done.
fn evictor(state: &Arc<WaitState>) -> thread::JoinHandle<bool> {
    let state = Arc::clone(state);
    thread::spawn(move || state.waits().is_some_and(|waits| state.evict(waits)))
}

#[test]
fn who_is_served_is_not_evicted_and_who_is_evicted_is_not_served() {
    loom::model(|| {
        let state = Arc::new(WaitState::served());
        state.wait(2, false);
        let evictor = evictor(&state);
        let is_served = state.serve();
        assert_ne!(evictor.join().unwrap(), is_served);
        assert_eq!(state.serve(), is_served, "it changed its mind");
    });
}

#[test]
fn two_who_would_evict_one_evict_it_once() {
    loom::model(|| {
        let state = Arc::new(WaitState::served());
        state.wait(2, true);
        let evictors = [evictor(&state), evictor(&state)];
        let evictions = evictors.map(|evictor| evictor.join().unwrap());
        assert_eq!(evictions.iter().filter(|done| **done).count(), 1);
        assert!(!state.serve());
    });
}

#[test]
fn an_eviction_that_was_decided_before_a_request_came_spares_the_next_wait() {
    loom::model(|| {
        let state = Arc::new(WaitState::served());
        state.wait(2, false);
        let evictor = evictor(&state);
        // A request comes, is answered, and the next one is waited for.
        let is_served = state.serve();
        state.wait(4, true);
        state.answer_taken();
        let is_evicted = evictor.join().unwrap();
        let still_waits = state.waits().is_some_and(|waits| waits.since() == 4 && !waits.is_answering());
        assert_eq!(still_waits, !is_evicted);
        assert!(is_served || is_evicted);
    });
}
