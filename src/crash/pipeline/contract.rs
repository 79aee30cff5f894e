//! What every store must keep: its tests call these with a function that opens the store once more. All that it opens share
//! what is in the store, as processes do; one that is dropped is a process that was killed.
//!
//! Epochs order what is put out. A store whose holders have a lock may raise them at a holder's first commit only.

use fastrand::Rng;

use crate::crash::input::StreamKey;
use crate::crash::pipeline::store::{Claim, Commit, Offset, Offsets, StoreFault, StreamStore};

/// A store, as one of its processes has it.
type AnyStore = Box<dyn StreamStore>;

/// All promises, one after the other. A lease must be far longer than this takes.
pub(super) fn keeps_its_promises(make: impl Fn() -> AnyStore) {
    feeds_append_and_resume(&make);
    one_worker_owns_a_key(&make);
    a_worker_that_was_killed_claims_at_once(&make);
    output_and_checkpoint_move_together(&make);
    halves_of_a_commit_are_commits(&make);
    old_claims_are_fenced(&make);
    positions_are_compared(&make);
    reads_begin_anywhere(&make);
    long_batches_are_kept_whole(&make);
    a_sink_acknowledges_what_was_made(&make);
    members_come_and_go(&make);
    for seed in 0..12 {
        two_workers_in_any_order(&make, seed);
    }
}

/// Feeds bytes of a key that had none.
fn fed(make: &impl Fn() -> AnyStore, key: StreamKey, bytes: &[u8]) {
    let mut store = make();
    let feed = store.register(key, "test").unwrap();
    assert_eq!(feed.fed, 0);
    assert_eq!(store.append(key, feed.epoch, 0, bytes), Ok(bytes.len() as Offset));
}

/// Everything that was put out from an offset on.
fn put_out(store: &mut dyn StreamStore, key: StreamKey, from: Offset) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let at = from + all.len() as Offset;
        let entries = store.read_outbox(key, at, 1000).unwrap();
        if entries.is_empty() {
            return all;
        }
        for entry in entries {
            let at = from + all.len() as Offset;
            assert!(entry.start <= at && entry.end() > at, "{} to {}, wanted from {at}", entry.start, entry.end());
            all.extend_from_slice(&entry.bytes[(at - entry.start) as usize..]);
        }
    }
}

fn feeds_append_and_resume(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'A');
    let mut store = make();
    let first = store.register(key, "one").unwrap();
    assert_eq!(first.fed, 0);
    assert_eq!(store.read_input(key, 0, 100), Ok(Vec::new()));
    assert_eq!(store.append(key, first.epoch, 0, b"abc"), Ok(3));
    assert_eq!(store.append(key, first.epoch, 3, b"defg"), Ok(7));
    // What was appended, and not answered, is not appended again.
    assert_eq!(store.append(key, first.epoch, 3, b"defg"), Err(StoreFault::Stale(7)));
    assert_eq!(store.append(key, first.epoch, 8, b"i"), Err(StoreFault::Stale(7)));
    drop(store);
    let mut store = make();
    let second = store.register(key, "one").unwrap();
    assert_eq!(second.fed, 7);
    if second.epoch != first.epoch {
        assert!(matches!(store.append(key, first.epoch, 7, b"x"), Err(StoreFault::Fenced(_))));
    }
    assert_eq!(store.append(key, second.epoch, 7, b"h"), Ok(8));
    assert_eq!(store.read_input(key, 0, 100), Ok(b"abcdefgh".to_vec()));
    assert!(matches!(make().register(key, "two"), Err(StoreFault::Held(_))));
    assert_eq!(store.offsets(key), Ok(Offsets { fed: 8, ..Offsets::default() }));
}

fn one_worker_owns_a_key(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'B');
    let (mut one, mut two) = (make(), make());
    let claim = one.claim(key, 1).unwrap();
    assert_eq!((claim.worker, claim.taken, claim.made), (1, 0, 0));
    assert!(matches!(two.claim(key, 2), Err(StoreFault::Held(_))));
    let again = one.claim(key, 1).unwrap();
    assert!(again.epoch >= claim.epoch);
    assert!(matches!(two.claim(key, 2), Err(StoreFault::Held(_))));
    one.release(key, again).unwrap();
    let next = two.claim(key, 2).unwrap();
    assert!(next.epoch >= again.epoch);
    // An old claim gives nothing back.
    one.release(key, again).unwrap();
    assert!(matches!(one.claim(key, 1), Err(StoreFault::Held(_))));
    // Other keys are free.
    one.claim(StreamKey(b'b'), 1).unwrap();
}

fn a_worker_that_was_killed_claims_at_once(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'C');
    fed(make, key, b"12345");
    let mut store = make();
    let mut before = store.claim(key, 3).unwrap();
    store.commit(key, &mut before, Commit { from: 0, to: 2, bytes: b"12" }).unwrap();
    drop(store);
    let mut store = make();
    let after = store.claim(key, 3).unwrap();
    assert!(after.epoch > before.epoch);
    assert_eq!((after.taken, after.made), (2, 2));
    let late = store.commit(key, &mut before, Commit { from: 2, to: 5, bytes: b"345" });
    assert!(matches!(late, Err(StoreFault::Fenced(_))), "{late:?}");
    assert_eq!(store.offsets(key).unwrap().made, 2);
}

fn output_and_checkpoint_move_together(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'D');
    fed(make, key, b"0123456789");
    let mut store = make();
    let mut claim = store.claim(key, 1).unwrap();
    store.commit(key, &mut claim, Commit { from: 0, to: 4, bytes: b"zero" }).unwrap();
    assert_eq!((claim.taken, claim.made), (4, 4));
    // Output may be of another length than the input that it is made of.
    store.commit(key, &mut claim, Commit { from: 4, to: 10, bytes: b"four" }).unwrap();
    assert_eq!((claim.taken, claim.made), (10, 8));
    assert_eq!(store.offsets(key), Ok(Offsets { acknowledged: 0, made: 8, taken: 10, fed: 10 }));
    let entries = make().read_outbox(key, 0, 100).unwrap();
    let parts: Vec<(Offset, u32, u64, &[u8])> =
        entries.iter().map(|entry| (entry.start, entry.worker, entry.epoch, entry.bytes.as_slice())).collect();
    assert_eq!(parts, [(0, 1, claim.epoch, &b"zero"[..]), (4, 1, claim.epoch, b"four")]);
}

/// Workers with a bug do one, then the other.
fn halves_of_a_commit_are_commits(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'E');
    fed(make, key, b"abcdef");
    let mut store = make();
    let mut claim = store.claim(key, 1).unwrap();
    store.commit(key, &mut claim, Commit { from: 0, to: 3, bytes: b"" }).unwrap();
    assert_eq!((claim.taken, claim.made), (3, 0));
    store.commit(key, &mut claim, Commit { from: 3, to: 3, bytes: b"abc" }).unwrap();
    assert_eq!((claim.taken, claim.made), (3, 3));
    drop(store);
    let mut store = make();
    let claim = store.claim(key, 1).unwrap();
    assert_eq!((claim.taken, claim.made), (3, 3));
    assert_eq!(put_out(&mut *store, key, 0), b"abc");
}

fn old_claims_are_fenced(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'F');
    fed(make, key, b"abcdef");
    let (mut one, mut two) = (make(), make());
    let mut old = one.claim(key, 1).unwrap();
    one.release(key, old).unwrap();
    let whole = Commit { from: 0, to: 6, bytes: b"abcdef" };
    // A key that was given back is nobody's.
    assert!(matches!(one.commit(key, &mut old, whole), Err(StoreFault::Fenced(_))));
    let mut new = two.claim(key, 2).unwrap();
    // The position is the right one: the epoch alone keeps this out.
    let before = old;
    assert!(matches!(one.commit(key, &mut old, whole), Err(StoreFault::Fenced(_))));
    assert_eq!(old, before);
    two.commit(key, &mut new, whole).unwrap();
    assert_eq!(put_out(&mut *two, key, 0), b"abcdef");
}

fn positions_are_compared(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'G');
    fed(make, key, b"abcdef");
    let mut store = make();
    let mut claim = store.claim(key, 1).unwrap();
    let first = Commit { from: 0, to: 3, bytes: b"abc" };
    let ahead = store.commit(key, &mut claim, Commit { from: 3, to: 6, bytes: b"def" });
    assert_eq!(ahead, Err(StoreFault::Stale(0)));
    store.commit(key, &mut claim, first).unwrap();
    // The epoch is the right one: the position alone keeps this out.
    assert_eq!(store.commit(key, &mut claim, first), Err(StoreFault::Stale(3)));
    assert_eq!((claim.taken, claim.made), (3, 3));
    assert_eq!(put_out(&mut *store, key, 0), b"abc");
}

fn reads_begin_anywhere(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'H');
    let text: Vec<u8> = (0..=255).collect();
    let mut store = make();
    let feed = store.register(key, "test").unwrap();
    for (at, piece) in text.chunks(10).enumerate() {
        store.append(key, feed.epoch, at as Offset * 10, piece).unwrap();
    }
    for (from, most) in [(0, 1), (0, 10), (5, 10), (9, 2), (10, 10), (15, 200), (250, 100), (255, 1), (256, 9), (3, 0)]
    {
        let expected = &text[from..(from + most).min(text.len())];
        assert_eq!(store.read_input(key, from as Offset, most).unwrap(), expected, "{from}, {most}");
    }
    let mut claim = store.claim(key, 1).unwrap();
    for (at, piece) in text.chunks(10).enumerate() {
        let from = at as Offset * 10;
        let to = from + piece.len() as Offset;
        store.commit(key, &mut claim, Commit { from, to, bytes: piece }).unwrap();
    }
    for (from, most, starts) in
        [(0, 1, 0..1), (0, 10, 0..1), (0, 11, 0..2), (5, 5, 0..1), (10, 10, 1..2), (15, 600, 1..26), (255, 9, 25..26)]
    {
        let entries = store.read_outbox(key, from, most).unwrap();
        let expected: Vec<Offset> = starts.map(|entry| entry * 10).collect();
        assert_eq!(entries.iter().map(|entry| entry.start).collect::<Vec<_>>(), expected, "{from}, {most}");
    }
    assert_eq!(store.read_outbox(key, 256, 100), Ok(Vec::new()));
    assert_eq!(put_out(&mut *store, key, 123), &text[123..]);
}

/// As a pipeline at full speed makes them.
fn long_batches_are_kept_whole(make: &impl Fn() -> AnyStore) {
    let key = StreamKey(b'I');
    let mut bytes = vec![0; 1 << 20];
    Rng::with_seed(1).fill(&mut bytes);
    fed(make, key, &bytes);
    let mut store = make();
    let mut claim = store.claim(key, 1).unwrap();
    assert_eq!(store.read_input(key, 0, 1 << 20).unwrap(), bytes);
    assert_eq!(store.read_input(key, 300_001, 500_000).unwrap(), &bytes[300_001..800_001]);
    let len = bytes.len() as Offset;
    store.commit(key, &mut claim, Commit { from: 0, to: len, bytes: &bytes }).unwrap();
    assert_eq!((claim.taken, claim.made), (len, len));
    assert!(put_out(&mut *store, key, 0) == bytes);
    assert!(put_out(&mut *store, key, 700_007) == bytes[700_007..]);
}

fn a_sink_acknowledges_what_was_made(make: &impl Fn() -> AnyStore) {
    let (key, other) = (StreamKey(b'e'), StreamKey(b'J'));
    for key in [key, other] {
        fed(make, key, b"abcdefgh");
        let mut worker = make();
        let mut claim = worker.claim(key, 1).unwrap();
        worker.commit(key, &mut claim, Commit { from: 0, to: 3, bytes: b"abc" }).unwrap();
        worker.commit(key, &mut claim, Commit { from: 3, to: 6, bytes: b"def" }).unwrap();
    }
    let mut store = make();
    let first = store.open_sink().unwrap();
    store.acknowledge(key, first, 4).unwrap();
    assert_eq!(store.offsets(key).unwrap().acknowledged, 4);
    // It never falls.
    assert!(matches!(store.acknowledge(key, first, 2), Ok(()) | Err(StoreFault::Stale(4))));
    assert_eq!(store.offsets(key).unwrap().acknowledged, 4);
    assert_eq!(put_out(&mut *store, key, 4), b"ef");
    drop(store);
    let mut store = make();
    let second = store.open_sink().unwrap();
    assert!(second > first);
    assert!(matches!(store.acknowledge(key, first, 6), Err(StoreFault::Fenced(_))));
    assert_eq!(store.offsets(key).unwrap().acknowledged, 4);
    store.acknowledge(key, second, 6).unwrap();
    assert_eq!(store.offsets(key), Ok(Offsets { acknowledged: 6, made: 6, taken: 6, fed: 8 }));
    assert_eq!(store.offsets(other), Ok(Offsets { acknowledged: 0, made: 6, taken: 6, fed: 8 }));
    assert_eq!(store.read_outbox(key, 6, 100), Ok(Vec::new()));
}

/// A sink that says it has what was never put out is refused. This stands apart: a store that has the sink's lock may trust
/// that the sink got what it acknowledges.
pub(super) fn nothing_is_acknowledged_that_was_not_made(make: impl Fn() -> AnyStore) {
    let key = StreamKey(b'f');
    fed(&make, key, b"abc");
    let mut store = make();
    let mut claim = store.claim(key, 1).unwrap();
    store.commit(key, &mut claim, Commit { from: 0, to: 2, bytes: b"ab" }).unwrap();
    let epoch = store.open_sink().unwrap();
    assert_eq!(store.acknowledge(key, epoch, 3), Err(StoreFault::Stale(2)));
    assert_eq!(store.offsets(key).unwrap().acknowledged, 0);
    store.acknowledge(key, epoch, 2).unwrap();
}

fn members_come_and_go(make: &impl Fn() -> AnyStore) {
    let (mut one, mut two) = (make(), make());
    let sorted = |mut members: Vec<u32>| {
        members.sort_unstable();
        members
    };
    assert_eq!(one.heartbeat(1), Ok(vec![1]));
    assert_eq!(two.heartbeat(7).map(sorted), Ok(vec![1, 7]));
    assert_eq!(one.heartbeat(1).map(sorted), Ok(vec![1, 7]));
    two.leave(7).unwrap();
    two.leave(7).unwrap();
    assert_eq!(one.heartbeat(1), Ok(vec![1]));
    one.leave(1).unwrap();
    assert_eq!(two.heartbeat(7), Ok(vec![7]));
    two.leave(7).unwrap();
}

/// A worker, and all claims that it ever had.
struct ModelWorker {
    number: u32,
    store: AnyStore,
    claims: Vec<Claim>,
}

/// Two workers claim, commit, give back and are killed, with claims of any age; who may do what is known, and what comes out
/// is what was fed. Where leases are short, workers take keys from each other as well.
pub(super) fn two_workers_in_any_order(make: &impl Fn() -> AnyStore, seed: u64) {
    let key = StreamKey(b"klmnopqrstuvwxyz0123456789"[seed as usize % 26]);
    let mut random = Rng::with_seed(seed);
    let (mut feed, mut sink) = (make(), make());
    let registered = feed.register(key, "model").unwrap();
    let (sink_epoch, mut input) = (sink.open_sink().unwrap(), Vec::new());
    assert_eq!(registered.fed, 0, "the key was used before");
    let mut workers = [1, 2].map(|number| ModelWorker { number, store: make(), claims: Vec::new() });
    // Whose the key is, in which epoch; how much was put out, and got by the sink.
    let (mut owner, mut newest, mut made, mut got) = (None, 0, 0, 0);
    for step in 0..150 {
        let worker = &mut workers[random.usize(..2)];
        match random.u32(..20) {
            0..=4 => {
                let bytes: Vec<u8> = (0..random.usize(1..30)).map(|_| random.u8(..)).collect();
                let end = feed.append(key, registered.epoch, input.len() as Offset, &bytes).unwrap();
                input.extend(bytes);
                assert_eq!(end, input.len() as Offset);
            }
            5..=7 => match worker.store.claim(key, worker.number) {
                Ok(claim) => {
                    assert!(claim.epoch >= newest, "step {step}");
                    assert_eq!((claim.taken, claim.made), (made, made), "step {step}");
                    (owner, newest) = (Some((worker.number, claim.epoch)), claim.epoch);
                    worker.claims.push(claim);
                }
                Err(StoreFault::Held(_)) => {
                    assert!(owner.is_some_and(|(number, _)| number != worker.number), "step {step}");
                }
                Err(other) => panic!("step {step}: {other}"),
            },
            8..=15 => {
                // Mostly the newest claim, now and then one of long ago; and from where that stood, or from elsewhere.
                let age = if random.u32(..4) == 0 { random.usize(..8) } else { 0 };
                let Some(at) = worker.claims.len().checked_sub(age + 1) else { continue };
                let claim = &mut worker.claims[at];
                let from = if random.u32(..8) == 0 { random.u64(..=input.len() as u64) } else { claim.taken };
                let to = (from + random.u64(1..60)).min(input.len() as Offset);
                let commit = Commit { from, to, bytes: &input[from as usize..to as usize] };
                let result = worker.store.commit(key, claim, commit);
                if owner != Some((worker.number, claim.epoch)) {
                    assert!(
                        matches!(result, Err(StoreFault::Fenced(_) | StoreFault::Stale(_))),
                        "step {step}: {result:?}"
                    );
                } else if from != made {
                    assert_eq!(result, Err(StoreFault::Stale(made)), "step {step}");
                } else {
                    assert_eq!(result, Ok(()), "step {step}");
                    assert_eq!((claim.taken, claim.made), (to, to), "step {step}");
                    made = to;
                }
            }
            16 => {
                let Some(claim) = worker.claims.last().copied() else { continue };
                worker.store.release(key, claim).unwrap();
                if owner == Some((worker.number, claim.epoch)) {
                    owner = None;
                }
            }
            17 => {
                // Killed, and started again.
                let number = worker.number;
                worker.store = make();
                match worker.store.claim(key, number) {
                    Ok(claim) => {
                        assert!(claim.epoch >= newest, "step {step}");
                        (owner, newest) = (Some((number, claim.epoch)), claim.epoch);
                        worker.claims.push(claim);
                    }
                    Err(fault) => {
                        assert!(matches!(fault, StoreFault::Held(_)), "step {step}: {fault}");
                        assert!(owner.is_some_and(|(other, _)| other != number), "step {step}: {fault}");
                    }
                }
            }
            _ => {
                let out = put_out(&mut *sink, key, got);
                assert_eq!(out, &input[got as usize..made as usize], "step {step}");
                got += random.u64(..=out.len() as u64);
                sink.acknowledge(key, sink_epoch, got).unwrap();
                let all = Offsets { acknowledged: got, made, taken: made, fed: input.len() as Offset };
                assert_eq!(sink.offsets(key), Ok(all), "step {step}");
            }
        }
    }
    assert_eq!(put_out(&mut *sink, key, got), &input[got as usize..made as usize]);
}

#[test]
fn files_keep_their_promises() {
    use crate::crash::pipeline::{coverage::Coverage, file_store::FileStreams};

    let folder = tempfile::tempdir().unwrap();
    keeps_its_promises(|| Box::new(FileStreams::open(folder.path(), Coverage::default(), None).unwrap()));
}
