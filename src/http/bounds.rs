//! The numbers that bound what a client can make us hold, and for how long.

use std::time::Duration;

/// Most bytes of a request head: request line, fields and the empty line. More is 431. Go's default of 1 MiB is for
/// cookies nobody sends here.
pub const HEAD_BYTES: usize = 16 * 1024;
/// How long the empty line is that ends a head.
pub const HEAD_END: usize = 2;
/// Most bytes of a head before that.
pub const HEAD_LIMIT: usize = HEAD_BYTES - HEAD_END;
/// Most fields of a request head. More is 431.
pub const HEAD_FIELDS: usize = 64;
/// Most bytes of a request target. More is 414.
pub const TARGET_BYTES: usize = 8 * 1024;
/// Most bytes of a request body, unless a handler says otherwise. More is 413.
pub const BODY_BYTES: usize = 64 * 1024;
/// Most bytes of a form that a handler keeps: a few short fields.
pub const FORM_BYTES: usize = 4 * 1024;
/// Most bytes that chunk sizes, chunk extensions and trailers may add to a chunked body: enough for chunks of some
/// hundred bytes, too little for one-byte chunks with an essay each.
pub const CHUNK_OVERHEAD_BYTES: usize = 16 * 1024;
/// What a connection's buffer starts with, and shrinks back to between requests: a usual head fits.
pub const BUFFER_BYTES: usize = 1024;

/// How long a connection may be idle between requests. Longer than the 60 s of usual load balancers, which should be
/// the side that closes.
pub const IDLE: Duration = Duration::from_secs(75);
/// From a head's first byte to its last: an absolute deadline, so that a byte a second does not help.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// From a body's first byte to its last, absolute too.
pub const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client may take to take an answer, absolute too.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// After an answer that closes, how long we read on (and throw away), so that the client sees the answer and not a
/// reset.
pub const LINGER: Duration = Duration::from_millis(500);
/// The same where somebody waits for the place: long enough for what has come already.
pub const BRIEF_LINGER: Duration = Duration::from_millis(1);
/// How much we throw away in that time.
pub const LINGER_BYTES: usize = 256 * 1024;
/// How long the refusal of a connection (503) may hold up the accepting thread.
pub const REFUSAL_DEADLINE: Duration = Duration::from_millis(20);

/// A connection thread's stack. Measured in smaps over all kinds of answers: at most 28 KiB of it are touched in a
/// release build, 32 KiB in a debug build.
pub const THREAD_STACK_BYTES: usize = 64 * 1024;
/// Send and receive buffer of a connection; the kernel doubles both for its own bookkeeping.
pub const SOCKET_BUFFER_BYTES: usize = 16 * 1024;
/// Connections the kernel holds for us before we accept them.
pub const BACKLOG: i32 = 1024;

/// Most connections at a time, however much the machine has: with those that are leaving 320 threads, which stay below
/// 16 MiB of resident memory whatever their clients do (400 were seen to take just more).
pub const MOST_CONNECTIONS: usize = 256;
/// Fewest connections at a time, however little there is: a client, a probe, a scraper, and one to spare.
pub const FEWEST_CONNECTIONS: usize = 4;
/// What one connection can cost in a container's memory at worst: 32 KiB each of send and receive buffer, 28 KiB of
/// touched stack, 16 KiB of kernel stack, 16 KiB of requests received ahead, 72 KiB of an answer that is not taken (the
/// largest is a redirect of a target full of `&`), and the kernel's own objects (task, socket, page tables).
pub const CONNECTION_BYTES: u64 = 224 * 1024;
/// For so many connections with a place, one may be on its way out.
const LEAVING_SHARE: usize = 4;
/// The share of the memory limit that connections may have: one sixteenth.
const MEMORY_SHARE: u64 = 16;
/// Descriptors for everything that is not a connection: the log, the listener, the marker, files being written.
const OTHER_DESCRIPTORS: u64 = 32;
/// Threads for everything that is not a connection: main, accept, three workers, some to spare.
const OTHER_THREADS: u64 = 8;

/// What the process has room for, as the kernel tells it; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// RLIMIT_NOFILE, in descriptors.
    pub descriptors: Option<u64>,
    /// What `pids.max` leaves, in threads.
    pub threads: Option<u64>,
    /// The smallest memory limit that binds us, in bytes.
    pub memory: Option<u64>,
}

/// How many connections that have lost their place may be on their way out at a time: a quarter of those that have one.
/// Each is a thread that has to wake up once more, and a descriptor until then.
pub fn leaving_for(connections: usize) -> usize {
    connections.div_ceil(LEAVING_SHARE)
}

/// How many connections fit into `room`, with those that are on their way out.
pub fn connections(room: Room) -> usize {
    let by_descriptors = room.descriptors.map_or(u64::MAX, |most| most.saturating_sub(OTHER_DESCRIPTORS));
    let by_threads = room.threads.map_or(u64::MAX, |most| most.saturating_sub(OTHER_THREADS));
    let by_memory = room.memory.map_or(u64::MAX, |bytes| bytes / MEMORY_SHARE / CONNECTION_BYTES);
    // Half of the descriptors and threads: the rest is for what the service is there to take. Of five connections, four
    // have a place and one is leaving.
    let fit = (by_descriptors.min(by_threads) / 2).min(by_memory) / (LEAVING_SHARE as u64 + 1) * LEAVING_SHARE as u64;
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_from_what_is_scarce() {
        assert_eq!(connections(Room::default()), MOST_CONNECTIONS);
        assert_eq!(connections(Room { descriptors: Some(132), ..Room::default() }), 40);
        assert_eq!(connections(Room { threads: Some(58), ..Room::default() }), 20);
        assert_eq!(connections(Room { memory: Some(280 << 20), ..Room::default() }), 64);
        let nothing = Room { descriptors: Some(0), threads: Some(0), memory: Some(0) };
        assert_eq!(connections(nothing), FEWEST_CONNECTIONS);
    }
}
