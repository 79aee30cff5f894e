//! The pods behind a name: a pod an address, each once.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::reply::{Object, good, printable};
use crate::client::{PATIENCE, Remote, Trouble, complain, names};
use crate::http::client::{Taker, Url, with_port};
use crate::sorting::{sort_by, sort_by_key};
use crate::sync::{lock, spawn_scoped};
use crate::units::decimal::fixed;

/// Most pods of all names together: an answer of a name server has room for so many addresses.
const MOST_PODS: usize = 4096;
/// How many are asked at a time: each has a thread here while it is.
const MOST_AT_ONCE: usize = 512;
/// How many addresses of a name musl's resolver tells at most.
const MOST_OF_A_NAME: usize = 48;
/// How often one address is asked again, each time over a new connection, who is there. Of two pods that a balancer picks
/// from by chance, both are seen in 31 of 32 cases.
const LOOKS: u32 = 5;
/// From when on it is not asked again.
const LOOKING: Duration = Duration::from_secs(3);
/// The stack of such a thread.
const STACK_BYTES: usize = 256 * 1024;

/// A pod.
pub(super) struct Pod {
    pub(super) address: SocketAddr,
    /// The service, where it has no other address: then it may be a balancer's, with several pods behind it.
    pub(super) alone: Option<String>,
    /// Its name, where it tells one.
    pub(super) name: Option<String>,
    /// Where it is asked: at its address, or as the user says it where that is one address.
    base: String,
    /// All that answered at this address: by name, or where they tell none by their pid and when they started.
    pub(super) seen: Vec<String>,
    /// Its status, or why it tells none; nothing before it was asked.
    pub(super) status: Option<Result<Object, Trouble>>,
}

/// Whose pods are meant.
pub(super) enum Services<'s> {
    /// Those behind names with ports.
    Named(&'s [String]),
    /// Those behind a URL, whose path stays.
    Url(&'s str),
}

/// The pods behind the names, as they tell who they are. Where one address may have several, that is told on stderr.
pub(super) fn found(services: &Services<'_>, token: Option<&str>) -> Result<Vec<Pod>, Trouble> {
    let mut pods = behind(services, true)?;
    greet(&mut pods, token, PATIENCE);
    tell_of_balancers(&mut pods);
    one_each(&mut pods);
    Ok(pods)
}

/// A pod for every address behind the names, each once, in the order of addresses.
pub(super) fn behind(services: &Services<'_>, complains: bool) -> Result<Vec<Pod>, Trouble> {
    let mut all: Vec<Pod> = Vec::new();
    let until = Instant::now() + PATIENCE;
    let (alone, path);
    let (names, url) = match *services {
        Services::Named(names) => (names, None),
        Services::Url(url) => {
            let parts = Url::parse(url).unwrap_or(Url { authority: "", path: "" });
            (alone, path) = ([with_port(parts.authority, 80)], parts.path);
            (&alone[..], Some((url, path)))
        }
    };
    for service in names {
        let unreachable = |why: String| Trouble::Unreachable(format!("{service}: {why}"));
        let (found, is_whole) = names::addresses(service, until).map_err(|error| unreachable(error.to_string()))?;
        if found.is_empty() {
            return Err(unreachable(String::from("has no address")));
        }
        if cfg!(target_env = "musl") && !is_whole && found.len() == MOST_OF_A_NAME && complains {
            complain(&format!(
                "{service}: {MOST_OF_A_NAME} addresses are all that can be seen of a name; there may be more"
            ));
        }
        // Of two families of addresses a Service has one each.
        let count = |is_ipv4| found.iter().filter(|address| address.is_ipv4() == is_ipv4).count();
        let is_alone = count(true) <= 1 && count(false) <= 1;
        for address in found {
            if all.iter().all(|pod| pod.address != address) {
                let alone = is_alone.then(|| service.clone());
                let base = match url {
                    // By its name, so that what passes requests on knows for whom it is.
                    Some((url, _)) if is_alone => url.to_owned(),
                    Some((_, path)) => format!("http://{address}{path}"),
                    None => format!("http://{address}"),
                };
                all.push(Pod { address, alone, base, name: None, seen: Vec::new(), status: None });
            }
        }
    }
    if all.len() > MOST_PODS {
        return Err(Trouble::Refused(format!("{} pods are more than {MOST_PODS}", all.len())));
    }
    sort_by_key(&mut all, &|pod| pod.address);
    Ok(all)
}

/// Asks all at once for their status, and waits no longer than that for each.
pub(super) fn greet(pods: &mut [Pod], token: Option<&str>, patience: Duration) {
    on_each(pods, &|pod| pod.greet(token, patience));
}

/// Of two families of addresses a pod has one each: it is kept once.
pub(super) fn one_each(pods: &mut Vec<Pod>) {
    let mut names = Vec::new();
    pods.retain(|pod| pod.name.as_ref().is_none_or(|name| add(&mut names, name)));
}

impl Pod {
    /// How it is called in what is told.
    pub(super) fn label(&self) -> String {
        self.name.as_ref().map_or_else(|| self.address.to_string(), |name| format!("{name} ({})", self.address))
    }

    /// Where it is asked.
    pub(super) fn url(&self) -> &str {
        &self.base
    }

    /// Asks for its status.
    pub(super) fn ask(&self, token: Option<&str>, patience: Duration) -> Result<Object, Trouble> {
        let service = Remote { url: self.url(), token, connections: None };
        good(&service.reply("GET", "/api/status?format=json", patience, Taker::Whole)?)
    }

    /// Learns what it is called where it is asked for its status alone.
    pub(super) fn look(&mut self, token: Option<&str>, patience: Duration) {
        let status = self.ask(token, patience);
        if let Ok(status) = &status {
            self.name = name(status);
        }
        self.status = Some(status);
    }

    /// Learns what it is called, and whether others are at its address.
    fn greet(&mut self, token: Option<&str>, patience: Duration) {
        let begun = Instant::now();
        let status = self.ask(token, patience);
        if let Ok(status) = &status {
            self.name = name(status);
            self.seen.extend(identity(status));
            let mut looks = if self.alone.is_some() && !self.seen.is_empty() { LOOKS } else { 0 };
            while looks > 0 && begun.elapsed() < LOOKING {
                looks -= 1;
                if let Some(other) = self.ask(token, patience).ok().as_ref().and_then(identity) {
                    add(&mut self.seen, &other);
                }
            }
        }
        self.status = Some(status);
    }
}

/// What a pod is called, where it tells that.
fn name(status: &Object) -> Option<String> {
    status.text(&["pod"]).map(|name| printable(name).replace('\n', " "))
}

/// What tells a pod from others: its name, or where it tells none, its process.
fn identity(status: &Object) -> Option<String> {
    name(status).or_else(|| {
        let (pid, start) = (status.whole(&["process", "pid"]), status.number(&["process", "start_time_seconds"])?);
        Some(format!("pid {pid} since {}", fixed(start, 6)))
    })
}

/// Says on stderr where one address has several pods behind it, or may have: once for each service.
fn tell_of_balancers(pods: &mut Vec<Pod>) {
    let alone = |pod: &Pod| pod.alone.clone().filter(|_| matches!(pod.status, Some(Ok(_))));
    let mut services = Vec::new();
    pods.iter().filter_map(alone).for_each(|service| _ = add(&mut services, &service));
    sort_by(&mut services, &Ord::cmp);
    let names_of = |service: &str| {
        let mut names = Vec::new();
        // Two addresses may well be two pods.
        for pod in pods.iter().filter(|pod| pod.seen.len() > 1 && alone(pod).as_deref() == Some(service)) {
            pod.seen.iter().for_each(|name| _ = add(&mut names, name));
        }
        sort_by(&mut names, &Ord::cmp);
        names
    };
    let behind: Vec<(String, Vec<String>)> =
        services.into_iter().map(|service| (service.clone(), names_of(&service))).collect();
    for (service, names) in &behind {
        if names.len() > 1 {
            let names = names.join(", ");
            complain(&format!(
                "{service}: several pods answer at one address ({names}), so which of them gets the amount is chance; a \
                 headless Service has an address for each"
            ));
        } else if service.parse::<SocketAddr>().is_err() {
            complain(&format!(
                "{service}: one address, taken for one pod; if it is a Service's cluster address, other pods may be behind \
                 it, and a headless Service has an address for each"
            ));
        }
    }
    let has_several = |service: &str| behind.iter().any(|(known, names)| known == service && names.len() > 1);
    let mut kept = Vec::new();
    pods.retain_mut(|pod| match alone(pod) {
        Some(service) if has_several(&service) => {
            // Which of them does it is not known. Its address of the other family leads to the same pods.
            pod.name = None;
            add(&mut kept, &service)
        }
        _ => true,
    });
}

/// Adds a name that is not among the known ones yet; says whether it did.
fn add(known: &mut Vec<String>, name: &str) -> bool {
    let is_new = known.iter().all(|one| one != name);
    if is_new {
        known.push(name.to_owned());
    }
    is_new
}

/// Does it for all, many at a time.
pub(super) fn on_each<P: Send>(all: &mut [P], work: &(dyn Fn(&mut P) + Sync)) {
    let mut cells = Vec::with_capacity(all.len());
    all.iter_mut().for_each(|one| cells.push(Mutex::new(one)));
    at_each_place(cells.len(), &|place| work(&mut lock(&cells[place])));
}

/// The same of places, so that threads are there once.
fn at_each_place(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let work_off = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= count {
                return;
            }
            work(place);
        }
    };
    thread::scope(|scope| {
        // This thread does its part, and all of it where there are no others.
        for _ in 1..count.min(MOST_AT_ONCE) {
            if spawn_scoped(scope, "pod", STACK_BYTES, Box::new(work_off)).is_err() {
                break;
            }
        }
        work_off();
    });
}
