//! Many clients of several instances: the numbers handed out are each handed out once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::database::Redis;
use super::{AWAY, Client, Told, start_in};
use crate::harness::{PATIENCE, Testero, eventually};

/// As many as the issue asks for.
pub(super) const REQUESTS: u64 = 10_000;
const CLIENTS: usize = 16;
const INSTANCES: usize = 3;

/// Instances that count together.
pub(super) struct Cluster {
    /// Each with a number that no other one had: a port may come again.
    instances: [Mutex<(u64, Testero)>; INSTANCES],
    started: AtomicU64,
    folder: Arc<TempDir>,
    variables: Vec<(String, String)>,
}

impl Cluster {
    pub(super) fn start(variables: &[(&str, &str)]) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let instances = std::array::from_fn(|place| Mutex::new((place as u64, start_in(&folder, variables))));
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { instances, started: AtomicU64::new(INSTANCES as u64), folder, variables }
    }

    /// Another one.
    fn another(&self) -> (u64, Testero) {
        let variables: Vec<_> = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        (self.started.fetch_add(1, Ordering::Relaxed), start_in(&self.folder, &variables))
    }

    /// Kills one and starts another in its place.
    pub(super) fn replace(&self, place: usize) {
        let mut instance = self.instances[place % INSTANCES].lock().unwrap();
        instance.1.signal(libc::SIGKILL);
        *instance = self.another();
    }

    /// Stops one as the kubelet does, starts another in its place, and says how it ended.
    fn retire(&self, place: usize) -> Option<i32> {
        let mut instance = self.instances[place % INSTANCES].lock().unwrap();
        instance.1.signal(libc::SIGTERM);
        let (_, old) = std::mem::replace(&mut *instance, self.another());
        drop(instance);
        old.wait().0.code()
    }

    /// A connection, and to which of all instances there were.
    fn connect(&self, place: usize) -> Option<(u64, Client)> {
        let instance = self.instances[place].lock().unwrap();
        let (number, address) = (instance.0, instance.1.address);
        drop(instance);
        Some((number, Client::new(address).ok()?))
    }

    /// Sixteen clients ask one instance after the other, for as long as this holds of how many were answered.
    pub(super) fn ask(&self, go_on: impl Fn(u64) -> bool + Sync) -> Harvest {
        let (begun, answered) = (Instant::now(), AtomicU64::new(0));
        let harvest = Mutex::new(Harvest::default());
        thread::scope(|scope| {
            for first in 0..CLIENTS {
                let (go_on, answered, harvest) = (&go_on, &answered, &harvest);
                scope.spawn(move || {
                    let mut own = Harvest::default();
                    let mut connections = [const { None }; INSTANCES];
                    for number in first.. {
                        if !go_on(answered.load(Ordering::Relaxed)) {
                            break;
                        }
                        assert!(begun.elapsed() < PATIENCE * 4, "the clients are never done");
                        let place = number % INSTANCES;
                        own.ask(&mut connections[place], || self.connect(place), answered);
                    }
                    harvest.lock().unwrap().add(own);
                });
            }
        });
        harvest.into_inner().unwrap()
    }
}

/// What clients were told.
#[derive(Default)]
pub(super) struct Harvest {
    pub(super) told: Vec<(u64, Told)>,
    /// How often the total was away.
    pub(super) away: u64,
    /// How often there was no answer.
    pub(super) cut: u64,
}

impl Harvest {
    /// One request more, over a connection that stays.
    fn ask(
        &mut self,
        connection: &mut Option<(u64, Client)>,
        connect: impl Fn() -> Option<(u64, Client)>,
        answered: &AtomicU64,
    ) {
        let Some((instance, mut client)) = connection.take().or_else(connect) else {
            self.cut += 1;
            return thread::sleep(Duration::from_millis(1));
        };
        let Ok(answer) = client.get("/") else {
            self.cut += 1;
            return;
        };
        if answer.status == 200 {
            self.told.push((instance, Told::read(&answer.body)));
            answered.fetch_add(1, Ordering::Relaxed);
        } else {
            assert_eq!((answer.status, answer.body.as_str()), (501, AWAY));
            self.away += 1;
            thread::sleep(Duration::from_millis(5));
        }
        if answer.field("Connection") != Some("close") {
            *connection = Some((instance, client));
        }
    }

    fn add(&mut self, other: Self) {
        self.told.extend(other.told);
        self.away += other.away;
        self.cut += other.cut;
    }

    /// The totals, in order.
    pub(super) fn totals(&self) -> Vec<u64> {
        let mut totals: Vec<u64> = self.told.iter().map(|(_, told)| told.total).collect();
        totals.sort_unstable();
        totals
    }

    /// The highest total, after it was seen that none came twice, neither here nor of an instance's own.
    pub(super) fn highest(&self) -> u64 {
        let totals = self.totals();
        let twice: Vec<_> = totals.windows(2).filter(|pair| pair[0] == pair[1]).take(10).collect();
        assert!(twice.is_empty(), "handed out twice: {twice:?}");
        for (instance, own) in self.by_instance() {
            assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "instance {instance} told a number twice");
        }
        *totals.last().unwrap()
    }

    /// What each instance said it had answered, in order.
    fn by_instance(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut all: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (instance, told) in &self.told {
            all.entry(*instance).or_default().push(told.own);
        }
        all.values_mut().for_each(|own| own.sort_unstable());
        all
    }
}

/// Asserts that ten thousand requests are told 1 to 10,000, each once, and each instance's own likewise.
fn each_number_comes_once(cluster: &Cluster) {
    let begun = AtomicU64::new(0);
    let harvest = cluster.ask(|_| begun.fetch_add(1, Ordering::Relaxed) < REQUESTS);
    assert_eq!((harvest.away, harvest.cut), (0, 0));
    assert!(harvest.totals().into_iter().eq(1..=REQUESTS), "not 1 to {REQUESTS}, each once");
    let instances = harvest.by_instance();
    assert_eq!(instances.len(), INSTANCES);
    for (instance, own) in instances {
        let count = own.len() as u64;
        assert!(own.into_iter().eq(1..=count), "instance {instance}: not 1 to {count}, each once");
    }
}

#[test]
fn three_instances_on_a_file_hand_out_each_number_once() {
    let cluster = Cluster::start(&[]);
    each_number_comes_once(&cluster);
    assert_eq!(cluster.total_in_file(), REQUESTS);
}

#[test]
fn three_instances_on_a_redis_hand_out_each_number_once() {
    let Some(redis) = Redis::start(&[]) else { return };
    each_number_comes_once(&Cluster::start(&[("REDIS_URL", &redis.url())]));
    assert_eq!(redis.total(), REQUESTS);
}

#[test]
fn three_instances_on_the_socket_of_a_redis_hand_out_each_number_once() {
    let Some(redis) = Redis::start(&[]) else { return };
    each_number_comes_once(&Cluster::start(&[("REDIS_URL", &format!("unix://{}", redis.socket().display()))]));
    assert_eq!(redis.total(), REQUESTS);
}

impl Cluster {
    /// The number in the file.
    pub(super) fn total_in_file(&self) -> u64 {
        std::fs::read_to_string(self.folder.path().join("total_count")).unwrap().trim().parse().unwrap()
    }
}

#[test]
fn an_instance_that_is_told_to_stop_under_load_sees_its_answers_off() {
    let Some(redis) = Redis::start(&[]) else { return };
    for variables in [&[][..], &[("REDIS_URL", redis.url().as_str())]] {
        let cluster = Cluster::start(variables);
        let retired = AtomicU64::new(0);
        let harvest = thread::scope(|scope| {
            let asking = scope.spawn(|| cluster.ask(|answered| answered < 500 || retired.load(Ordering::Relaxed) < 6));
            for place in 0..6 {
                eventually("there is load", || {
                    let (_, mut client) = cluster.connect(place % INSTANCES).unwrap();
                    client.get("/metrics").unwrap().body.contains("route=\"/\",code=\"200\"")
                });
                let code = cluster.retire(place);
                // Before the assertion, or the clients would never be done.
                retired.fetch_add(1, Ordering::Relaxed);
                assert_eq!(code, Some(0));
            }
            asking.join().unwrap()
        });
        harvest.highest();
        assert_eq!(harvest.away, 0);
    }
}
