//! The places connections take, and who gives way when none is left.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bounds::leaving_for;
use super::listener::has_unread;
use crate::shutdown::Stop;
use crate::sync::lock;

/// How long to wait for a place before looking again for somebody who could give way.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How many of the longest waiting are looked at: where all of these wait on us, it is a flood, and the next one that is
/// answered gives way.
const CANDIDATES: usize = 16;

/// A fixed number of places. A [`Permit`] is a place not sat in yet; a [`Seat`] is one with a connection in it. Both
/// return the place when dropped.
///
/// A connection that is told to give way has lost its place at once, though its thread needs a moment to find out:
/// the new one need not wait for that. How many may be on their way out at a time is bounded, too.
pub(super) struct Places {
    seats: Mutex<Seats>,
    freed: Condvar,
    capacity: usize,
    most_leaving: usize,
    /// Somebody waits for a place, and nobody is there who waits for its client.
    wanted: AtomicBool,
}

struct Seats {
    taken: usize,
    leaving: usize,
    sat_in: Vec<Option<Sitting>>,
    vacant: Vec<usize>,
}

struct Sitting {
    place: Arc<Place>,
    /// It has lost its place and is on its way out.
    leaving: bool,
}

/// One connection and whom it waits for.
pub(super) struct Place {
    pub(super) stream: TcpStream,
    /// [`SERVED`], [`GONE`], or since when (in nanoseconds of `born`) it waits for its client, with the lowest bit
    /// telling an answer that is not taken from a request that does not come.
    state: AtomicU64,
    born: Instant,
}

/// The connection waits on us: it must not be closed under our hands.
const SERVED: u64 = 0;
/// The connection was told to go.
const GONE: u64 = u64::MAX;
/// The lowest bit of a waiting state: an answer is on its way out.
const ANSWERING: u64 = 1;

impl Places {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        let seats = Seats { taken: 0, leaving: 0, sat_in: Vec::new(), vacant: Vec::new() };
        Arc::new(Self {
            seats: Mutex::new(seats),
            freed: Condvar::new(),
            capacity,
            most_leaving: leaving_for(capacity),
            wanted: AtomicBool::new(false),
        })
    }

    /// A place for one more connection. Called only when one is waiting to be accepted: if no place is free, whoever
    /// has waited longest on its client gives way. If nobody waits on its client, the next one that is answered does.
    ///
    /// Returns `None` once `stop` is set.
    pub(super) fn permit(self: &Arc<Self>, stop: &Stop) -> Option<Permit> {
        let mut seats = lock(&self.seats);
        while seats.taken >= self.capacity {
            if stop.is_set() {
                return None;
            }
            if seats.leaving < self.most_leaving {
                if seats.send_longest_waiting_away() {
                    continue;
                }
                self.wanted.store(true, Ordering::Release);
            }
            let waited = self.freed.wait_timeout(seats, LOOK_AGAIN);
            seats = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.wanted.store(false, Ordering::Release);
        seats.taken += 1;
        Some(Permit { places: Arc::clone(self), sat_in: false })
    }

    /// Makes whoever has waited longest on its client give way: for when descriptors or threads run out before places do.
    pub(super) fn make_way(&self) {
        let mut seats = lock(&self.seats);
        if seats.leaving < self.most_leaving {
            seats.send_longest_waiting_away();
        }
    }

    /// Closes all connections that wait for a request, and with `answers` those whose answer is not taken as well.
    pub(super) fn close_waiting(&self, answers: bool) {
        for sitting in lock(&self.seats).sat_in.iter().flatten() {
            let state = sitting.place.state.load(Ordering::Acquire);
            if state & ANSWERING == 0 || answers {
                sitting.place.send_away(state);
            }
        }
    }

    /// Waits until all places are free, at most for `patience`; says whether they are.
    pub(super) fn wait_until_empty(&self, patience: Duration) -> bool {
        let seats = lock(&self.seats);
        let waited = self.freed.wait_timeout_while(seats, patience, |seats| seats.taken > 0);
        let (seats, _) = waited.unwrap_or_else(PoisonError::into_inner);
        seats.taken == 0
    }

    fn give_back(&self, seat: Option<usize>) {
        let mut seats = lock(&self.seats);
        let sitting = seat.and_then(|index| {
            seats.vacant.push(index);
            seats.sat_in[index].take()
        });
        if sitting.is_some_and(|sitting| sitting.leaving) {
            seats.leaving -= 1;
        } else {
            seats.taken -= 1;
        }
        drop(seats);
        self.freed.notify_all();
    }
}

impl Seats {
    /// Takes the place away from whoever has waited longest on its client; says whether there was anybody.
    ///
    /// Where bytes have come that our thread has not read yet, the client waits on us.
    fn send_longest_waiting_away(&mut self) -> bool {
        let mut waiting: Vec<(Instant, u64, &mut Sitting)> = self
            .sat_in
            .iter_mut()
            .flatten()
            .filter_map(|sitting| match sitting.place.state.load(Ordering::Acquire) {
                SERVED | GONE => None,
                state => Some((sitting.place.born + Duration::from_nanos(state), state, sitting)),
            })
            .collect();
        for _ in 0..CANDIDATES {
            let longest = waiting.iter().enumerate().min_by_key(|&(_, &(since, ..))| since);
            let Some((place, _)) = longest else { break };
            let (_, state, sitting) = waiting.swap_remove(place);
            let waits_on_us = state & ANSWERING == 0 && has_unread(&sitting.place.stream);
            if !waits_on_us && sitting.place.send_away(state) {
                sitting.leaving = true;
                self.leaving += 1;
                self.taken -= 1;
                return true;
            }
        }
        false
    }
}

/// A place that is kept for the next connection.
pub(super) struct Permit {
    places: Arc<Places>,
    /// Its seat returns the place.
    sat_in: bool,
}

impl Permit {
    /// Lets `stream` take the place.
    pub(super) fn seat(mut self, stream: TcpStream) -> Seat {
        self.sat_in = true;
        let places = Arc::clone(&self.places);
        // It has waited for its client from the start: until a request is there, it may give way.
        let place = Arc::new(Place { stream, state: AtomicU64::new(SERVED), born: Instant::now() });
        place.await_request();
        let mut seats = lock(&places.seats);
        let index = seats.vacant.pop().unwrap_or_else(|| {
            seats.sat_in.push(None);
            seats.sat_in.len() - 1
        });
        seats.sat_in[index] = Some(Sitting { place: Arc::clone(&place), leaving: false });
        drop(seats);
        Seat { places, index, place }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.sat_in {
            self.places.give_back(None);
        }
    }
}

/// A place with a connection in it.
pub(super) struct Seat {
    places: Arc<Places>,
    index: usize,
    pub(super) place: Arc<Place>,
}

impl Seat {
    /// Whether this connection is to end with its answer, because somebody waits for a place and nobody else can give
    /// way. Asked once an answer; only one connection is told so.
    pub(super) fn is_wanted(&self) -> bool {
        self.places.wanted.load(Ordering::Acquire) && self.places.wanted.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.places.give_back(Some(self.index));
    }
}

impl Place {
    /// From now on we work for this connection. Returns whether it is still there; if not, it was told to give way.
    pub(super) fn serve(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        state != GONE && self.state.compare_exchange(state, SERVED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// From now on the connection waits for its client to take an answer.
    pub(super) fn await_taking(&self) {
        self.wait(self.now() | ANSWERING);
    }

    /// From now on the connection waits for its client to send.
    pub(super) fn await_request(&self) {
        self.wait(self.now());
    }

    /// The answer was taken; the wait for the next request began when it was given.
    pub(super) fn answer_taken(&self) {
        let state = self.state.load(Ordering::Acquire);
        if state != GONE {
            let _ = self.state.compare_exchange(state, state & !ANSWERING, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn wait(&self, state: u64) {
        let now = self.state.load(Ordering::Acquire);
        if now != GONE {
            // It fails only when the connection was told to go in this very moment: then GONE stands.
            let _ = self.state.compare_exchange(now, state, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Nanoseconds since the connection came, never [`SERVED`], with a lowest bit of 0.
    fn now(&self) -> u64 {
        (u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX / 2) & !ANSWERING).max(2)
    }

    /// Closes the connection if it still waits as `state` says, waking its thread; says whether it did.
    fn send_away(&self, state: u64) -> bool {
        let waits = state != SERVED && state != GONE;
        let gone = waits && self.state.compare_exchange(state, GONE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if gone {
            // It fails only where the client has closed already.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Both ends of a connection.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    #[test]
    fn the_longest_waiting_gives_way_and_the_served_never_does() {
        let places = Places::new(3);
        let stop = Stop::new().unwrap();
        let mut clients = Vec::new();
        let mut seats: Vec<Seat> = (0..3)
            .map(|_| {
                let (stream, client) = pair();
                clients.push(client);
                places.permit(&stop).unwrap().seat(stream)
            })
            .collect();
        assert!(seats[0].place.serve(), "the first is the longest here, but it is being served");
        seats[1].place.await_taking();
        seats[2].place.await_request();
        places.make_way();
        assert!(!seats[1].place.serve(), "the second had waited longest");
        assert!(seats[2].place.serve());
        seats.remove(1);
        assert!(places.permit(&stop).is_some(), "its place is free again");
        stop.stop();
        let kept = places.permit(&stop).unwrap();
        assert!(places.permit(&stop).is_none(), "all are served, and the service stops");
        drop((kept, seats));
        assert!(places.wait_until_empty(Duration::ZERO));
    }

    #[test]
    fn at_the_end_answers_get_their_time() {
        let places = Places::new(2);
        let stop = Stop::new().unwrap();
        let (one, _client_one) = pair();
        let (two, _client_two) = pair();
        let reading = places.permit(&stop).unwrap().seat(one);
        let answering = places.permit(&stop).unwrap().seat(two);
        answering.place.await_taking();
        places.close_waiting(false);
        assert!(!reading.place.serve());
        places.close_waiting(true);
        assert!(!answering.place.serve());
    }
}
