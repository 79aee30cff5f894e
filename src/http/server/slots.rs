//! The slots connections take, and who gives way when none is left.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::bounds::leaving_for;
use crate::http::server::listener::has_unread;
use crate::http::server::wait_state::{WaitState, Waits};
use crate::kernel::shutdown::Stop;
use crate::sync::lock;

/// How long to wait for a slot before looking again for somebody who could give way.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long a connection has at least for its client's first bytes, or its next ones, before it gives way: they are on their
/// way behind the connection itself. Longer, and a flood of clients that say nothing would hold up the others.
const JUST_CAME: Duration = Duration::from_millis(20);

/// How many of the longest waiting are looked at: where all of these wait on us, it is a flood, and the next one that is
/// answered gives way.
const CANDIDATES: usize = 16;

/// A fixed number of slots. A [`Permit`] is a slot without a connection yet; a [`Slot`] is one with a connection in it. Both
/// return the slot when dropped.
///
/// A connection that is told to give way has lost its slot at once, though its thread needs a moment to find out:
/// the new one need not wait for that. How many may be on their way out at a time is bounded, too.
pub(in crate::http) struct Slots {
    table: Mutex<SlotTable>,
    freed: Condvar,
    capacity: usize,
    most_leaving: usize,
    /// Somebody waits for a slot, and nobody is there who waits for its client.
    wanted: AtomicBool,
}

struct SlotTable {
    taken: usize,
    leaving: usize,
    occupied: Vec<Option<Occupant>>,
    vacant: Vec<usize>,
}

struct Occupant {
    connection: Arc<ConnectionState>,
    /// It has lost its slot and is on its way out.
    leaving: bool,
}

/// One connection and whom it waits for.
pub(in crate::http) struct ConnectionState {
    pub(in crate::http) stream: TcpStream,
    state: WaitState,
    born: Instant,
}

impl Slots {
    pub(in crate::http) fn new(capacity: usize) -> Arc<Self> {
        let table = SlotTable { taken: 0, leaving: 0, occupied: Vec::new(), vacant: Vec::new() };
        Arc::new(Self {
            table: Mutex::new(table),
            freed: Condvar::new(),
            capacity,
            most_leaving: leaving_for(capacity),
            wanted: AtomicBool::new(false),
        })
    }

    /// A slot for one more connection. Called only when one is waiting to be accepted: if no slot is free, whoever
    /// has waited longest on its client gives way. If nobody waits on its client, the next one that is answered does.
    ///
    /// Returns `None` once `stop` is set.
    pub(in crate::http) fn permit(self: &Arc<Self>, stop: &Stop) -> Option<Permit> {
        let mut table = lock(&self.table);
        while table.taken >= self.capacity {
            if stop.is_set() {
                return None;
            }
            if table.leaving < self.most_leaving {
                if table.evict_longest_waiting(JUST_CAME) {
                    continue;
                }
                self.wanted.store(true, Ordering::Release);
            }
            let waited = self.freed.wait_timeout(table, LOOK_AGAIN);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.wanted.store(false, Ordering::Release);
        table.taken += 1;
        Some(Permit { slots: Arc::clone(self), occupied: false })
    }

    /// Makes whoever has waited longest on its client give way: for when descriptors or threads run out before slots do.
    pub(in crate::http) fn make_way(&self) {
        let mut table = lock(&self.table);
        if table.leaving < self.most_leaving {
            table.evict_longest_waiting(Duration::ZERO);
        }
    }

    /// Closes all connections that wait for a request, and with `answers` those whose answer is not taken as well.
    pub(in crate::http) fn close_waiting(&self, answers: bool) {
        for occupant in lock(&self.table).occupied.iter().flatten() {
            if let Some(waits) = occupant.connection.state.waits().filter(|waits| answers || !waits.is_answering()) {
                occupant.connection.evict(waits);
            }
        }
    }

    /// Waits until all slots are free, at most for `patience`; says whether they are.
    pub(in crate::http) fn wait_until_empty(&self, patience: Duration) -> bool {
        let table = lock(&self.table);
        let waited = self.freed.wait_timeout_while(table, patience, |table| table.taken > 0);
        let (table, _) = waited.unwrap_or_else(PoisonError::into_inner);
        table.taken == 0
    }

    fn give_back(&self, index: Option<usize>) {
        let mut table = lock(&self.table);
        let occupant = index.and_then(|index| {
            table.vacant.push(index);
            table.occupied[index].take()
        });
        if occupant.is_some_and(|occupant| occupant.leaving) {
            table.leaving -= 1;
        } else {
            table.taken -= 1;
        }
        drop(table);
        self.freed.notify_all();
    }
}

impl SlotTable {
    /// Takes the slot away from whoever has waited longest on its client, if that is longer than `least`; says whether
    /// there was anybody.
    ///
    /// Where bytes have come that our thread has not read yet, the client waits on us.
    fn evict_longest_waiting(&mut self, least: Duration) -> bool {
        let now = Instant::now();
        let mut waiting: Vec<(Instant, Waits, &mut Occupant)> = self
            .occupied
            .iter_mut()
            .flatten()
            .filter_map(|occupant| {
                let waits = occupant.connection.state.waits()?;
                Some((occupant.connection.born + Duration::from_nanos(waits.since()), waits, occupant))
            })
            .filter(|(since, ..)| now.saturating_duration_since(*since) >= least)
            .collect();
        for _ in 0..CANDIDATES {
            let longest = waiting.iter().enumerate().min_by_key(|&(_, &(since, ..))| since);
            let Some((index, _)) = longest else { break };
            let (_, waits, occupant) = waiting.swap_remove(index);
            let waits_on_us = !waits.is_answering() && has_unread(&occupant.connection.stream);
            if !waits_on_us && occupant.connection.evict(waits) {
                occupant.leaving = true;
                self.leaving += 1;
                self.taken -= 1;
                return true;
            }
        }
        false
    }
}

/// A slot that is kept for the next connection.
pub(in crate::http) struct Permit {
    slots: Arc<Slots>,
    /// Its slot returns it.
    occupied: bool,
}

impl Permit {
    /// Lets `stream` take the slot.
    pub(in crate::http) fn occupy(mut self, stream: TcpStream) -> Slot {
        self.occupied = true;
        let slots = Arc::clone(&self.slots);
        // It has waited for its client from the start: until a request is there, it may give way.
        let connection = Arc::new(ConnectionState { stream, state: WaitState::served(), born: Instant::now() });
        connection.await_request();
        let mut table = lock(&slots.table);
        let index = table.vacant.pop().unwrap_or_else(|| {
            table.occupied.push(None);
            table.occupied.len() - 1
        });
        table.occupied[index] = Some(Occupant { connection: Arc::clone(&connection), leaving: false });
        drop(table);
        Slot { slots, index, connection }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.occupied {
            self.slots.give_back(None);
        }
    }
}

/// A slot with a connection in it.
pub(in crate::http) struct Slot {
    slots: Arc<Slots>,
    index: usize,
    pub(in crate::http) connection: Arc<ConnectionState>,
}

impl Slot {
    /// Whether this connection is to end with its answer, because somebody waits for a slot and nobody else can give
    /// way. Asked once an answer; only one connection is told so.
    pub(in crate::http) fn is_wanted(&self) -> bool {
        self.slots.wanted.load(Ordering::Acquire) && self.slots.wanted.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(Some(self.index));
    }
}

impl ConnectionState {
    /// From now on we work for this connection. Returns whether it is still there; if not, it was told to give way.
    pub(in crate::http) fn serve(&self) -> bool {
        self.state.serve()
    }

    /// From now on the connection waits for its client to take an answer.
    pub(in crate::http) fn await_taking(&self) {
        self.state.wait(self.now(), true);
    }

    /// From now on the connection waits for its client to send.
    pub(in crate::http) fn await_request(&self) {
        self.state.wait(self.now(), false);
    }

    /// The answer was taken; the wait for the next request began when it was given.
    pub(in crate::http) fn answer_taken(&self) {
        self.state.answer_taken();
    }

    /// Nanoseconds since the connection came.
    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Closes the connection if it still waits as it did, waking its thread; says whether it did.
    fn evict(&self, waits: Waits) -> bool {
        let gone = self.state.evict(waits);
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
        let slots = Slots::new(3);
        let stop = Stop::new().unwrap();
        let mut clients = Vec::new();
        let mut table: Vec<Slot> = (0..3)
            .map(|_| {
                let (stream, client) = pair();
                clients.push(client);
                slots.permit(&stop).unwrap().occupy(stream)
            })
            .collect();
        assert!(table[0].connection.serve(), "the first is the longest here, but it is being served");
        table[1].connection.await_taking();
        table[2].connection.await_request();
        slots.make_way();
        assert!(!table[1].connection.serve(), "the second had waited longest");
        assert!(table[2].connection.serve());
        table.remove(1);
        assert!(slots.permit(&stop).is_some(), "its place is free again");
        stop.stop();
        let kept = slots.permit(&stop).unwrap();
        assert!(slots.permit(&stop).is_none(), "all are served, and the service stops");
        drop((kept, table));
        assert!(slots.wait_until_empty(Duration::ZERO));
    }

    #[test]
    fn who_has_just_come_is_given_time_to_say_what_for() {
        let (slots, stop) = (Slots::new(1), Stop::new().unwrap());
        let (stream, _client) = pair();
        let came = Instant::now();
        let first = slots.permit(&stop).unwrap().occupy(stream);
        drop(slots.permit(&stop).unwrap());
        assert!(came.elapsed() >= JUST_CAME && !first.connection.serve());
    }

    #[test]
    fn at_the_end_answers_get_their_time() {
        let slots = Slots::new(2);
        let stop = Stop::new().unwrap();
        let (one, _client_one) = pair();
        let (two, _client_two) = pair();
        let reading = slots.permit(&stop).unwrap().occupy(one);
        let answering = slots.permit(&stop).unwrap().occupy(two);
        answering.connection.await_taking();
        slots.close_waiting(false);
        assert!(!reading.connection.serve());
        slots.close_waiting(true);
        assert!(!answering.connection.serve());
    }
}
