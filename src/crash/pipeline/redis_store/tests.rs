//! Against a real redis-server; without one on the machine these skip loudly.

use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::*;
use crate::crash::pipeline::contract::{
    keeps_its_promises, nothing_is_acknowledged_that_was_not_made, two_workers_in_any_order,
};
use crate::redis::test_server::TestRedis;
use crate::redis::value::RedisValue;

/// A lease that ends within no test.
const LONG: Duration = Duration::from_secs(600);
/// One that ends soon.
const SHORT: Duration = Duration::from_millis(300);
const KEY: StreamKey = StreamKey(b'A');

fn store(server: &TestRedis, lease: Duration, bug: Option<Bug>) -> RedisStore {
    RedisStore::new(&server.url(), TAG, lease, Coverage::default(), bug).unwrap()
}

/// Feeds bytes of the key that had none.
fn feed(store: &mut RedisStore, bytes: &[u8]) {
    let feed = store.register(KEY, "test").unwrap();
    store.append(KEY, feed.epoch, 0, bytes).unwrap();
}

fn all(bytes: &[u8]) -> Commit<'_> {
    Commit { from: 0, to: bytes.len() as Offset, bytes }
}

/// All that is in the outbox.
fn put_out(store: &mut RedisStore) -> Vec<u8> {
    store.read_outbox(KEY, 0, 1000).unwrap().into_iter().flat_map(|entry| entry.bytes).collect()
}

#[test]
fn a_redis_keeps_what_every_store_promises() {
    let Some(server) = TestRedis::start(&[]) else { return };
    keeps_its_promises(|| Box::new(store(&server, LONG, None)));
    nothing_is_acknowledged_that_was_not_made(|| Box::new(store(&server, LONG, None)));
}

#[test]
fn workers_that_take_keys_from_each_other_put_out_what_was_fed() {
    let Some(server) = TestRedis::start(&[]) else { return };
    for seed in 0..26 {
        let make = || Box::new(store(&server, Duration::ZERO, None)) as Box<dyn StreamStore>;
        two_workers_in_any_order(&make, seed);
    }
}

#[test]
fn a_store_without_a_fence_does_not_keep_its_promises() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let make = || Box::new(store(&server, Duration::ZERO, Some(Bug::NoFence))) as Box<dyn StreamStore>;
    let is_caught = |seed| catch_unwind(AssertUnwindSafe(|| two_workers_in_any_order(&make, seed))).is_err();
    assert!((0..5).all(is_caught));
}

#[test]
fn a_lease_ends_and_what_is_alive_extends_it() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let (mut one, mut two) = (store(&server, SHORT, None), store(&server, LONG, None));
    feed(&mut one, b"abc");
    assert_eq!(one.heartbeat(1), Ok(vec![1]));
    let mut claim = one.claim(KEY, 1).unwrap();
    // On a machine that stops this test for long, the lease ends; then nothing is known.
    let begin = Instant::now();
    while begin.elapsed() < SHORT * 3 {
        let beat = Instant::now();
        one.heartbeat(1).unwrap();
        thread::sleep(SHORT / 6);
        let taken = two.claim(KEY, 2);
        assert!(matches!(taken, Err(StoreFault::Held(_))) || beat.elapsed() >= SHORT, "{taken:?}");
        if taken.is_ok() {
            return;
        }
    }
    thread::sleep(SHORT * 2);
    let new = two.claim(KEY, 2).unwrap();
    assert!(new.epoch > claim.epoch);
    assert_eq!(two.heartbeat(2), Ok(vec![2]));
    // The one before does not extend what is no longer its own, and writes nothing.
    one.heartbeat(1).unwrap();
    assert!(matches!(one.commit(KEY, &mut claim, all(b"abc")), Err(StoreFault::Fenced(_))));
    assert_eq!(put_out(&mut two), b"");
    assert!(matches!(one.claim(KEY, 1), Err(StoreFault::Held(_))));
    // So it is with feeds.
    thread::sleep(SHORT * 2);
    two.register(KEY, "other").unwrap();
    assert!(matches!(one.register(KEY, "test"), Err(StoreFault::Held(_))));
}

#[test]
fn a_lease_that_ended_is_still_a_claim_until_another_one_is_made() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let mut store = store(&server, Duration::from_millis(1), None);
    feed(&mut store, b"abc");
    let mut claim = store.claim(KEY, 1).unwrap();
    thread::sleep(Duration::from_millis(20));
    store.commit(KEY, &mut claim, all(b"abc")).unwrap();
}

#[test]
fn a_claim_that_something_happened_to_is_not_extended() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let (mut one, mut two) = (store(&server, SHORT, None), store(&server, LONG, None));
    feed(&mut two, b"abc");
    let mut claims = [b'A', b'B', b'C'].map(|key| one.claim(StreamKey(key), 1).unwrap());
    one.commit(KEY, &mut claims[0], all(b"abc")).unwrap();
    assert_eq!(one.commit(KEY, &mut claims[0], all(b"abc")), Err(StoreFault::Stale(3)));
    assert!(one.claims.get(&KEY).is_none() && one.claims.iter().count() == 2);
    server.say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
    assert!(matches!(one.commit(StreamKey(b'B'), &mut claims[1], all(b"")), Err(StoreFault::Away(_))));
    for _ in 0..6 {
        one.heartbeat(1).unwrap();
        thread::sleep(SHORT / 3);
    }
    let mut two = store(&server, LONG, None);
    for key in [b'A', b'B', b'C'] {
        two.claim(StreamKey(key), 2).unwrap();
    }
}

#[test]
fn handovers_are_counted() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coverage");
    let counted = || Coverage::read(&path).into_iter().find(|(event, _)| *event == "handovers").unwrap().1;
    let mut store = RedisStore::new(&server.url(), TAG, LONG, Coverage::at(path.clone()), None).unwrap();
    store.claim(KEY, 1).unwrap();
    let claim = store.claim(KEY, 1).unwrap();
    store.release(KEY, claim).unwrap();
    let claim = store.claim(KEY, 1).unwrap();
    assert_eq!(counted(), 0);
    store.release(KEY, claim).unwrap();
    store.claim(KEY, 2).unwrap();
    assert_eq!(counted(), 1);
}

#[test]
fn each_guard_alone_keeps_a_paused_owner_out() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let (mut paused, mut next) = (store(&server, Duration::ZERO, None), store(&server, LONG, None));
    feed(&mut next, b"abcdef");
    let old = paused.claim(KEY, 1).unwrap();
    thread::sleep(Duration::from_millis(5));
    let mut new = next.claim(KEY, 2).unwrap();
    // The position is still right.
    assert!(matches!(paused.commit(KEY, &mut old.clone(), all(b"abc")), Err(StoreFault::Fenced(_))));
    next.commit(KEY, &mut new, all(b"abc")).unwrap();
    // With the epoch of the new owner.
    let mut stolen = Claim { worker: 2, epoch: new.epoch, ..old };
    assert_eq!(paused.commit(KEY, &mut stolen, all(b"abc")), Err(StoreFault::Stale(3)));
    // The owner of before may also be the same worker, in a process that was thought to be dead.
    let mut third = next.claim(KEY, 2).unwrap();
    let late = Commit { from: 3, to: 6, bytes: b"def" };
    assert!(matches!(next.commit(KEY, &mut new, late), Err(StoreFault::Fenced(_))));
    next.commit(KEY, &mut third, late).unwrap();
    assert_eq!(put_out(&mut next), b"abcdef");
}

/// What a worker puts out that is paused before its commit, while another one takes its key and commits the same.
fn paused_before_its_commit(bug: Option<Bug>) -> Option<(Result<(), StoreFault>, Vec<u8>)> {
    let server = TestRedis::start(&[])?;
    let (mut paused, mut next) = (store(&server, Duration::from_millis(1), bug), store(&server, LONG, bug));
    feed(&mut next, b"abc");
    let mut old = paused.claim(KEY, 1).unwrap();
    thread::sleep(Duration::from_millis(20));
    let mut new = next.claim(KEY, 2).unwrap();
    next.commit(KEY, &mut new, all(b"abc")).unwrap();
    let result = paused.commit(KEY, &mut old, all(b"abc"));
    Some((result, put_out(&mut next)))
}

#[test]
fn without_a_fence_a_paused_owner_puts_out_twice() {
    let Some((result, out)) = paused_before_its_commit(None) else { return };
    assert!(matches!(result, Err(StoreFault::Fenced(_))), "{result:?}");
    assert_eq!(out, b"abc");
    assert_eq!(paused_before_its_commit(Some(Bug::NoFence)).unwrap(), (Ok(()), b"abcabc".to_vec()));
}

#[test]
fn a_fence_in_the_client_keeps_out_whom_it_sees_and_not_who_is_paused_behind_it() {
    let Some((result, out)) = paused_before_its_commit(Some(Bug::ClientFence)) else { return };
    assert!(matches!(result, Err(StoreFault::Fenced(_))), "{result:?}");
    assert_eq!(out, b"abc");
    let server = TestRedis::start(&[]).unwrap();
    let bug = Some(Bug::ClientFence);
    let (mut paused, mut next) = (store(&server, LONG, bug), store(&server, LONG, None));
    feed(&mut next, b"abcdef");
    let mut own = paused.claim(KEY, 1).unwrap();
    paused.commit(KEY, &mut own, all(b"abc")).unwrap();
    paused.look(KEY, own).unwrap();
    // Here it is paused, for longer than its lease.
    server.say(&["HSET", &next.of("own", KEY), "until", "0"]).unwrap();
    let (mut new, rest) = (next.claim(KEY, 2).unwrap(), Commit { from: 3, to: 6, bytes: b"def" });
    next.commit(KEY, &mut new, rest).unwrap();
    paused.write(LuaScript::BareCommit, KEY, own, rest).unwrap();
    assert_eq!(put_out(&mut next), b"abcdefdef");
}

#[test]
fn a_feed_waits_at_eight_mebibytes_and_keeps_its_lease() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let mut store = store(&server, LONG, None);
    let feed = store.register(KEY, "test").unwrap();
    let piece = vec![b'x'; 1 << 20];
    for at in 0..8 {
        store.append(KEY, feed.epoch, at << 20, &piece).unwrap();
    }
    assert_eq!(store.append(KEY, feed.epoch, 8 << 20, b"y"), Err(StoreFault::Full));
    let mut claim = store.claim(KEY, 1).unwrap();
    // What was taken is not kept.
    store.commit(KEY, &mut claim, Commit { from: 0, to: (1 << 20) + 5, bytes: b"z" }).unwrap();
    assert_eq!(store.append(KEY, feed.epoch, 8 << 20, b"y"), Ok((8 << 20) + 1));
    assert_eq!(store.read_input(KEY, 5, 10), Err(StoreFault::Stale(1 << 20)));
    assert_eq!(store.read_input(KEY, 8 << 20, 10), Ok(b"y".to_vec()));
    assert_eq!(store.read_input(KEY, 0, 9 << 20), Err(StoreFault::Stale(1 << 20)));
    assert_eq!(store.read_input(KEY, 1 << 20, 9 << 20).unwrap().len(), (7 << 20) + 1);
}

#[test]
fn what_the_sink_has_is_not_kept() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let mut store = store(&server, LONG, None);
    feed(&mut store, b"abcdef");
    let mut claim = store.claim(KEY, 1).unwrap();
    for at in 0..6 {
        store.commit(KEY, &mut claim, Commit { from: at, to: at + 1, bytes: b"x" }).unwrap();
    }
    let epoch = store.open_sink().unwrap();
    store.acknowledge(KEY, epoch, 4).unwrap();
    let length = server.say(&["XLEN", &store.of("out", KEY)]);
    assert_eq!(length.unwrap(), RedisValue::Int(2));
    store.clear(&[KEY]).unwrap();
    assert_eq!(store.offsets(KEY), Ok(Offsets::default()));
    assert_eq!(server.say(&["DBSIZE"]).unwrap(), RedisValue::Int(0));
}

#[test]
fn a_redis_that_refuses_is_away_and_did_nothing() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let mut store = store(&server, LONG, None);
    feed(&mut store, b"abcdef");
    let mut claim = store.claim(KEY, 1).unwrap();
    let before = store.offsets(KEY).unwrap();
    let mut refuses = |set: &[&str], why: &str, unset: &[&str]| {
        server.say(set).unwrap();
        let mut calls = vec![store.commit(KEY, &mut claim, all(b"abc")), store.register(KEY, "test").map(drop)];
        calls.push(store.append(KEY, 1, 6, b"ghi").map(drop));
        calls.push(store.claim(KEY, 1).map(drop));
        calls.push(store.open_sink().map(drop));
        calls.push(store.heartbeat(1).map(drop));
        for result in calls {
            assert!(matches!(&result, Err(StoreFault::Away(text)) if text.contains(why)), "{why}: {result:?}");
        }
        assert_eq!(store.offsets(KEY), Ok(before), "{why}");
        server.say(unset).unwrap();
    };
    refuses(&["CONFIG", "SET", "maxmemory", "1"], "OOM", &["CONFIG", "SET", "maxmemory", "0"]);
    refuses(&["REPLICAOF", "127.0.0.1", "1"], "READONLY", &["REPLICAOF", "NO", "ONE"]);
    refuses(
        &["CONFIG", "SET", "min-replicas-to-write", "1"],
        "NOREPLICAS",
        &["CONFIG", "SET", "min-replicas-to-write", "0"],
    );
    // It forgets its scripts, which it is then told again.
    server.say(&["SCRIPT", "FLUSH"]).unwrap();
    store.commit(KEY, &mut claim, all(b"abc")).unwrap();
    // Something else is where the outbox was.
    let out = store.of("out", KEY);
    server.say(&["SET", &out, "x"]).unwrap();
    assert!(matches!(store.read_outbox(KEY, 0, 10), Err(StoreFault::Broken(_))));
    server.say(&["DEL", &out]).unwrap();
    server.say(&["XADD", &out, "7-0", "some", "thing"]).unwrap();
    assert!(matches!(store.read_outbox(KEY, 0, 10), Err(StoreFault::Broken(_))));
}

#[test]
fn a_cut_connection_costs_one_call() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let mut store = store(&server, LONG, None);
    feed(&mut store, b"abcdef");
    let mut claim = store.claim(KEY, 1).unwrap();
    server.say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
    assert!(matches!(store.commit(KEY, &mut claim, all(b"abc")), Err(StoreFault::Away(_))));
    let mut claim = store.claim(KEY, 1).unwrap();
    assert_eq!((claim.taken, claim.made), (0, 0));
    store.commit(KEY, &mut claim, all(b"abc")).unwrap();
    assert_eq!(put_out(&mut store), b"abc");
}

#[test]
fn a_late_reply_is_away_and_a_new_claim_tells_the_truth() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let mut store = store(&server, LONG, None);
    feed(&mut store, b"abcdef");
    let mut claim = store.claim(KEY, 1).unwrap();
    store.commit(KEY, &mut claim, Commit { from: 0, to: 0, bytes: b"" }).unwrap();
    // It answers nobody for three seconds, and then does what it was sent.
    server.say(&["CLIENT", "PAUSE", "3000", "WRITE"]).unwrap();
    let begin = Instant::now();
    let late = store.commit(KEY, &mut claim, all(b"abc"));
    assert!(matches!(&late, Err(StoreFault::Away(why)) if why.contains("no reply in time")), "{late:?}");
    assert!(begin.elapsed() >= Duration::from_secs(2));
    let mut claim = loop {
        match store.claim(KEY, 1) {
            Ok(claim) => break claim,
            Err(fault) => assert!(matches!(fault, StoreFault::Away(_)), "{fault}"),
        }
        assert!(begin.elapsed() < Duration::from_secs(60));
    };
    // The commit was done, or its connection was cut before; never is it done after the claim.
    let to = claim.taken;
    assert!(to == 0 || to == 3, "{to}");
    let input = store.read_input(KEY, to, 100).unwrap();
    store.commit(KEY, &mut claim, Commit { from: to, to: 6, bytes: &input }).unwrap();
    assert_eq!(put_out(&mut store), b"abcdef");
}

#[test]
fn a_redis_that_is_killed_keeps_what_it_answered() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut server) = TestRedis::start(&arguments) else { return };
    let mut store = store(&server, LONG, None);
    let (mut fed, mut made) = (0, 0);
    for round in 0..3 {
        // A new registration and a new claim say where everything is.
        let feed = store.register(KEY, "test").unwrap();
        let mut claim = store.claim(KEY, 1).unwrap();
        assert_eq!((feed.fed, claim.taken, claim.made), (fed, made, made), "round {round}");
        fed = store.append(KEY, feed.epoch, fed, b"0123456789").unwrap();
        let bytes = store.read_input(KEY, made, 7).unwrap();
        store.commit(KEY, &mut claim, Commit { from: made, to: made + 7, bytes: &bytes }).unwrap();
        made += 7;
        server.kill();
        assert!(matches!(store.commit(KEY, &mut claim, all(b"abc")), Err(StoreFault::Away(_))));
        server.restart();
    }
    assert_eq!(put_out(&mut store), b"012345678901234567890");
}

#[test]
fn no_redis_and_no_answer_are_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let url = format!("unix:{}", path.display());
    let mut store = RedisStore::new(&url, TAG, LONG, Coverage::default(), None).unwrap();
    assert!(matches!(store.claim(KEY, 1), Err(StoreFault::Away(_))));
    let silent = UnixListener::bind(&path).unwrap();
    let begin = Instant::now();
    assert!(matches!(store.claim(KEY, 1), Err(StoreFault::Away(_))));
    assert!(begin.elapsed() >= Duration::from_secs(2));
    drop(silent);
    assert!(matches!(store.claim(KEY, 1), Err(StoreFault::Away(_))));
    assert!(RedisStore::new("http://example.com", TAG, LONG, Coverage::default(), None).is_err());
}

#[test]
fn numbers_beyond_what_is_usually_printed_stay_exact() {
    let Some(server) = TestRedis::start(&[]) else { return };
    let mut store = store(&server, LONG, None);
    let feed = store.register(KEY, "test").unwrap();
    let far = 4_000_000_000_000_001;
    server.say(&["HSET", &store.of("reg", KEY), "fed", &far.to_string()]).unwrap();
    server.say(&["HSET", &store.of("ck", KEY), "in", &far.to_string(), "out", &far.to_string()]).unwrap();
    assert_eq!(store.append(KEY, feed.epoch, far, b"abc"), Ok(far + 3));
    let mut claim = store.claim(KEY, 1).unwrap();
    assert_eq!((claim.taken, claim.made), (far, far));
    assert_eq!(store.read_input(KEY, far + 1, 9), Ok(b"bc".to_vec()));
    store.commit(KEY, &mut claim, Commit { from: far, to: far + 3, bytes: b"xyz" }).unwrap();
    assert_eq!((claim.taken, claim.made), (far + 3, far + 3));
    assert_eq!(store.read_outbox(KEY, far, 9).unwrap()[0].start, far);
}
