//! One amount over all pods behind a name: resolved, divided, sent, waited for, summed up.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::call::{Call, outcome};
use crate::client::reply::{Object, good, printable};
use crate::client::{PATIENCE, Remote, SILENCE, Trouble, print};
use crate::http::client::{Taker, Url};
use crate::sorting::{sort_by, sort_by_key};
use crate::sync::{lock, spawn_scoped};
use crate::units::quantity::{Amount, Unit, in_words};

/// Most pods at once: each has a thread here while it works.
const MOST_PODS: usize = 1024;
/// How many addresses of a name musl's resolver tells at most.
const MOST_OF_A_NAME: usize = 48;
/// How often one address is asked again, each time over a new connection, who is there. Of two pods that a balancer picks
/// from by chance, both are seen in 31 of 32 cases.
const LOOKS: u32 = 5;
/// From when on it is not asked again.
const LOOKING: Duration = Duration::from_secs(3);
/// The stack of such a thread.
const STACK_BYTES: usize = 256 * 1024;

/// How an amount is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// To each the same.
    Even,
    /// To each by what it can hold: what it holds, and what it has available.
    Available,
}

/// An amount for many.
#[derive(Debug)]
pub struct Spread {
    /// What is taken: mem, disk, cpu.
    pub group: &'static str,
    /// How much in all. What is relative is relative to each pod, and not divided.
    pub amount: Amount,
    /// As the user wrote it.
    pub words: String,
    /// The parameters that the flags became.
    pub parameters: Vec<(&'static str, String)>,
    /// Names with ports.
    pub services: Vec<String>,
    /// How it is divided.
    pub by: By,
    /// Whether the work of each is waited for.
    pub wait: bool,
    /// What the amount counts.
    pub unit: Unit,
}

/// A pod, and what became of its part.
struct Pod {
    address: SocketAddr,
    /// The service, where it has no other address: then it may be a balancer's, with several pods behind it.
    alone: Option<String>,
    /// Its name, where it tells one.
    name: Option<String>,
    /// All names that were told at this address.
    seen: Vec<String>,
    /// What it holds or uses though it refused, where that is known.
    kept: Option<u64>,
    /// What it can hold, in the unit.
    room: u64,
    part: u64,
    result: Result<u64, Trouble>,
}

impl Spread {
    pub(super) fn run(&self, token: Option<&str>) -> Result<(), Trouble> {
        let mut pods = self.pods()?;
        on_each(&mut pods, &|pod| pod.result = self.greet(pod, token).map(|()| 0));
        tell_of_balancers(&mut pods);
        // Of two families of addresses a pod has one each.
        let mut names = Vec::new();
        pods.retain(|pod| pod.name.as_ref().is_none_or(|name| add(&mut names, name)));
        self.divide(&mut pods);
        on_each(&mut pods, &|pod| {
            if pod.result.is_ok() {
                pod.result = self.send(pod, token);
                if matches!(pod.result, Err(Trouble::Refused(_))) && pod.seen.len() < 2 {
                    pod.kept = status(pod, token).ok().map(|status| self.kept(&status));
                }
            }
        });
        self.tell(&pods)
    }

    /// A pod for every address behind the names, each once.
    fn pods(&self) -> Result<Vec<Pod>, Trouble> {
        let mut all: Vec<Pod> = Vec::new();
        let until = Instant::now() + PATIENCE;
        for service in &self.services {
            let unreachable = |why: String| Trouble::Unreachable(format!("{service}: {why}"));
            let url = Url { authority: service, path: "" };
            let found = url.addresses(until).map_err(|error| unreachable(error.to_string()))?;
            if found.is_empty() {
                return Err(unreachable(String::from("has no address")));
            }
            if cfg!(target_env = "musl") && found.len() == MOST_OF_A_NAME {
                complain(&format!(
                    "{service}: {MOST_OF_A_NAME} addresses are all that can be seen of a name; there may be more"
                ));
            }
            // Of two families of addresses a Service has one each.
            let count = |is_ipv4| found.iter().filter(|address| address.is_ipv4() == is_ipv4).count();
            let is_alone = count(true) <= 1 && count(false) <= 1;
            for address in found {
                if all.iter().all(|pod| pod.address != address) {
                    all.push(Pod::at(address, is_alone.then(|| service.clone())));
                }
            }
        }
        if all.len() > MOST_PODS {
            return Err(Trouble::Refused(format!("{} pods are more than {MOST_PODS}", all.len())));
        }
        sort_by_key(&mut all, &|pod| pod.address);
        Ok(all)
    }

    /// Learns what a pod is called, and what it can hold.
    fn greet(&self, pod: &mut Pod, token: Option<&str>) -> Result<(), Trouble> {
        let begun = Instant::now();
        let found = status(pod, token)?;
        pod.room = match self.group {
            "cpu" => found.whole(&["groups", "cpu", "limit_millicores"]),
            group => self.kept(&found).saturating_add(found.whole(&["groups", group, "available"])),
        };
        pod.name = name(&found);
        pod.seen.extend(pod.name.clone());
        let mut looks = if pod.alone.is_some() && pod.name.is_some() { LOOKS } else { 0 };
        while looks > 0 && begun.elapsed() < LOOKING {
            looks -= 1;
            if let Some(name) = status(pod, token).ok().as_ref().and_then(name) {
                add(&mut pod.seen, &name);
            }
        }
        Ok(())
    }

    /// What a status says that is held, or used.
    fn kept(&self, status: &Object) -> u64 {
        let member = if self.group == "cpu" { "wanted_millicores" } else { "held" };
        status.whole(&["groups", self.group, member])
    }

    /// Gives each pod that answers its part; the parts are the amount, to the last unit.
    fn divide(&self, pods: &mut [Pod]) {
        let Amount::Exactly(total) = self.amount else { return };
        let mut takers: Vec<&mut Pod> = match self.by {
            // Who does not answer has its part as well: it is missing, and is said to be.
            By::Even => pods.iter_mut().collect(),
            By::Available => pods.iter_mut().filter(|pod| pod.result.is_ok()).collect(),
        };
        let weight = |pod: &Pod| if self.by == By::Even { 1 } else { u128::from(pod.room) };
        let weights: Vec<u128> = takers.iter().map(|pod| weight(pod)).collect();
        for (pod, part) in takers.iter_mut().zip(parts(total, &weights)) {
            pod.part = part;
        }
    }

    fn send(&self, pod: &Pod, token: Option<&str>) -> Result<u64, Trouble> {
        let amount = match (self.amount, self.unit) {
            (Amount::Exactly(_), Unit::Millicores) => format!("{}m", pod.part),
            (Amount::Exactly(_), _) => pod.part.to_string(),
            _ => self.words.clone(),
        };
        let (verb, name) = if self.group == "cpu" { ("load", "cpu") } else { ("set", "amount") };
        let mut parameters = vec![(name, amount)];
        parameters.extend(self.parameters.iter().cloned());
        let path = format!("/api/{}/{verb}", self.group);
        let call = Call { method: "POST", path, parameters, wait: self.wait, unit: self.unit, done: String::new() };
        let url = format!("http://{}", pod.address);
        let mut last = None;
        let service = Remote { url: &url, token, connections: None };
        let mut keep = |line: &[u8]| last = Some(Object::read(line));
        let reply = if self.wait {
            service.reply(call.method, &call.target(), SILENCE, Taker::Lines(&mut keep))?
        } else {
            service.ask(call.method, &call.target())?
        };
        let object = good(&reply)?;
        if !self.wait {
            return Ok(object.whole(&["wanted_millicores"]).max(pod.part));
        }
        match (outcome(last.as_ref()), last) {
            (None, Some(last)) if self.group != "cpu" => Ok(last.whole(&["held"])),
            (None, _) => Ok(pod.part),
            (Some(why), _) => Err(Trouble::Refused(why)),
        }
    }

    /// A line a pod, and the sum.
    fn tell(&self, pods: &[Pod]) -> Result<(), Trouble> {
        let in_unit = |amount| match self.unit {
            Unit::Millicores => format!("{amount}m"),
            unit => in_words(amount, unit),
        };
        let verb = if self.group == "cpu" { "used" } else { "held" };
        // Who refuses may hold something all the same.
        let (mut sum, mut good, mut holders) = (0_u64, 0, 0);
        let names = pods.iter().map(|pod| pod.label().len()).max().unwrap_or(0);
        let mut text = String::new();
        for pod in pods {
            let said = match &pod.result {
                Ok(held) => {
                    (sum, good, holders) = (sum.saturating_add(*held), good + 1, holders + 1);
                    in_unit(*held)
                }
                Err(Trouble::Refused(why)) => match pod.kept.filter(|kept| *kept > 0) {
                    Some(kept) => {
                        (sum, holders) = (sum.saturating_add(kept), holders + 1);
                        format!("refused: {why}; {} {verb}", in_unit(kept))
                    }
                    None => format!("refused: {why}"),
                },
                Err(Trouble::Unreachable(why)) => format!("unreachable: {why}"),
            };
            text += &format!("{:<names$}  {said}\n", pod.label());
        }
        let of = match self.amount {
            Amount::Exactly(total) => format!(" of {}", in_unit(total)),
            _ => String::new(),
        };
        text += &format!("{:<names$}  {}{of} {verb} by {holders} of {} pods\n", "sum", in_unit(sum), pods.len());
        print(&text)?;
        let unreachable = |pod: &Pod| matches!(pod.result, Err(Trouble::Unreachable(_)));
        match pods.len() - good {
            0 => Ok(()),
            failed if failed == pods.len() && pods.iter().all(unreachable) => {
                Err(Trouble::Unreachable(String::from("no pod answers")))
            }
            failed => Err(Trouble::Refused(format!("{failed} of {} pods did not do it", pods.len()))),
        }
    }
}

impl Pod {
    fn at(address: SocketAddr, alone: Option<String>) -> Self {
        Self { address, alone, name: None, seen: Vec::new(), kept: None, room: 0, part: 0, result: Ok(0) }
    }

    fn label(&self) -> String {
        self.name.as_ref().map_or_else(|| self.address.to_string(), |name| format!("{name} ({})", self.address))
    }
}

/// What a pod says of itself.
fn status(pod: &Pod, token: Option<&str>) -> Result<Object, Trouble> {
    let url = format!("http://{}", pod.address);
    good(&Remote { url: &url, token, connections: None }.ask("GET", "/api/status?format=json")?)
}

/// What a pod is called, where it tells that.
fn name(status: &Object) -> Option<String> {
    status.text(&["pod"]).map(|name| printable(name).replace('\n', " "))
}

/// Says on stderr where one address has several pods behind it, or may have: once for each service.
fn tell_of_balancers(pods: &mut Vec<Pod>) {
    let alone = |pod: &Pod| pod.alone.clone().filter(|_| pod.result.is_ok());
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

/// Writes a line to stderr, where nobody may be to read it.
fn complain(words: &str) {
    let _ = writeln!(io::stderr(), "testero: {words}");
}

/// Does it for all pods at once.
fn on_each(pods: &mut [Pod], work: &(dyn Fn(&mut Pod) + Sync)) {
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (place, pod) in pods.iter_mut().enumerate() {
            if let Err(error) = spawn_scoped(scope, "pod", STACK_BYTES, Box::new(|| work(pod))) {
                lock(&failed).push((place, error.to_string()));
            }
        }
    });
    for (place, why) in lock(&failed).drain(..) {
        pods[place].result = Err(Trouble::Refused(format!("no thread for it: {why}")));
    }
}

/// Divides a total by weights; what rounding leaves over goes to the first that have any, a unit each.
fn parts(total: u64, weights: &[u128]) -> Vec<u64> {
    let sum: u128 = weights.iter().sum();
    if sum == 0 {
        return parts_of_equals(total, weights.len());
    }
    let mut parts: Vec<u64> = weights.iter().map(|weight| (u128::from(total) * weight / sum) as u64).collect();
    let mut left = total - parts.iter().sum::<u64>();
    for (part, _) in parts.iter_mut().zip(weights).filter(|(_, weight)| **weight > 0) {
        let one = left.min(1);
        (*part, left) = (*part + one, left - one);
    }
    parts
}

/// Where nobody has room, it is divided all the same, so that each says why not.
fn parts_of_equals(total: u64, count: usize) -> Vec<u64> {
    if count == 0 { Vec::new() } else { parts(total, &vec![1; count]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        assert_eq!(parts(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(parts(100, &[1, 3]), [25, 75]);
        assert_eq!(parts(7, &[0, 0]), [4, 3]);
        assert_eq!(parts(5, &[0, 3, 3]), [0, 3, 2]);
        assert_eq!(parts(7, &[]), [0; 0]);
        assert_eq!(parts(0, &[5]), [0]);
    }

    proptest::proptest! {
        #[test]
        fn no_unit_is_lost(total: u64, weights in proptest::collection::vec(0u64.., 1..20)) {
            let weights: Vec<u128> = weights.into_iter().map(u128::from).collect();
            let parts = parts(total, &weights);
            proptest::prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(total));
        }
    }
}
