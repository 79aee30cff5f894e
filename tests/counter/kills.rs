//! Who counts is killed, and where it is counted: none of the numbers that were told comes again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::crowd::{Cluster, Harvest, REQUESTS};
use super::database::Redis;

/// How often each is killed at least.
const KILLS: usize = 6;

/// True from when it is dropped, so that clients do not wait for one that has failed.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Clients ask while this goes on, and at least as often as the issue asks for.
fn meanwhile(cluster: &Cluster, least: u64, work: impl FnOnce() + Send) -> Harvest {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let killing = scope.spawn(|| {
            let _done = Done(&done);
            work();
        });
        let harvest = cluster.ask(|answered| answered < least || !done.load(Ordering::Relaxed));
        killing.join().unwrap();
        harvest
    })
}

#[test]
fn instances_on_a_file_are_killed_and_no_number_comes_twice() {
    let cluster = Cluster::start(&[]);
    let harvest = meanwhile(&cluster, REQUESTS, || {
        for place in 0..3 * KILLS {
            thread::sleep(Duration::from_millis(50));
            cluster.replace(place);
        }
    });
    let (highest, total) = (harvest.highest(), cluster.total_in_file());
    assert!(harvest.away == 0 && harvest.cut > 0, "{} {}", harvest.away, harvest.cut);
    // A request that is cut off may have been counted.
    let most = harvest.told.len() as u64 + harvest.cut;
    assert!(highest <= total && total <= most, "{highest} {total} {most}");
}

#[test]
fn instances_on_a_redis_are_killed_and_no_number_comes_twice() {
    let Some(redis) = Redis::start(&[]) else { return };
    let cluster = Cluster::start(&[("REDIS_URL", &redis.url())]);
    let harvest = meanwhile(&cluster, REQUESTS, || {
        for place in 0..3 * KILLS {
            thread::sleep(Duration::from_millis(50));
            cluster.replace(place);
        }
    });
    let (highest, total) = (harvest.highest(), redis.total());
    assert!(highest <= total && harvest.told.len() as u64 <= total, "{highest} {total}");
    assert!(harvest.cut > 0, "nobody noticed");
}

#[test]
fn a_redis_that_syncs_always_is_killed_with_instances_and_no_number_comes_twice() {
    let Some(mut redis) = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    let cluster = Cluster::start(&[("REDIS_URL", &redis.url())]);
    let harvest = meanwhile(&cluster, REQUESTS, || {
        for place in 0..KILLS {
            thread::sleep(Duration::from_millis(150));
            redis.kill();
            cluster.replace(place);
            redis.begin();
        }
    });
    // Once more, and nobody counts until it has been looked at.
    let last = meanwhile(&cluster, 100, || {
        thread::sleep(Duration::from_millis(200));
        redis.kill();
    });
    redis.begin();
    let total = redis.total();
    let mut all = harvest;
    all.told.extend(last.told);
    let (highest, answers) = (all.highest(), all.told.len() as u64);
    assert!(highest <= total && answers <= total, "{answers} answers up to {highest}, and it holds {total}");
    assert!(all.away > 0 && all.cut > 0, "nobody noticed");
    eprintln!("{answers} answers, {} without a total, {} cut off; the total is {total}", all.away, all.cut);
}
