//! One amount over all pods behind a name: resolved, divided, sent, waited for, summed up.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::call::{CANCELLED, Call, EXPIRED, outcome};
use crate::client::interrupt::leave_on_signal;
use crate::client::live::LiveRows;
use crate::client::outcomes::{self, PodOutcome};
use crate::client::output::Output;
use crate::client::pods::{Pod, Services, found, on_each};
use crate::client::reply::{Object, good_of, printable, receipt_of, stranger};
use crate::client::{PATIENCE, Remote, SILENCE, Trouble};
use crate::http::client::Taker;
use crate::parameters::EXACT;
use crate::units::quantity::{Amount, Unit, in_words};

/// How long the first look at work that was sent waits; later ones wait longer, up to the other.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_millis(800);

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

/// What became of a pod's part.
struct PodPart {
    pod: Pod,
    /// What it holds or uses though it refused, where that is known.
    kept: Option<u64>,
    /// What it can hold, in the unit.
    room: u64,
    part: u64,
    /// The id of its work, while that is waited for.
    id: Option<String>,
    /// How many seconds of a load were left when it was last asked, and when that was.
    left: Option<(f64, Instant)>,
    result: Result<u64, Trouble>,
}

impl Spread {
    pub(super) fn run(&self, token: Option<&str>, output: &Output) -> Result<(), Trouble> {
        let mut pods: Vec<PodPart> =
            found(&Services::Named(&self.services), token)?.into_iter().map(|pod| self.part_of(pod)).collect();
        self.divide(&mut pods);
        if self.wait {
            let (group, services) = (self.group, self.services.join(","));
            leave_on_signal(format!(
                "the work goes on in the pods; testero spread release {group} --service {services} ends it"
            ));
        }
        on_each(&mut pods, &|part| {
            if part.result.is_ok() {
                part.result = self.send(part, token);
                self.keep(part, token);
            }
        });
        let mut rows = LiveRows::new(output);
        let mut pause = FIRST_LOOK;
        while pods.iter().any(|part| part.id.is_some()) {
            rows.draw(&|| self.rows(&pods));
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK);
            on_each(&mut pods, &|part| {
                if part.id.is_some() {
                    self.look(part, token);
                    self.keep(part, token);
                }
            });
        }
        rows.clear();
        self.tell(&pods, output)
    }

    /// Learns what a pod holds that refused.
    fn keep(&self, part: &mut PodPart, token: Option<&str>) {
        if matches!(part.result, Err(Trouble::Refused(_))) && part.pod.seen.len() < 2 {
            part.kept = part.pod.ask(token, PATIENCE).ok().map(|status| self.kept(&status));
        }
    }

    /// Looks how far a pod's work is. Each look is a request of its own, so that a thousand pods need no thousand
    /// connections at a time.
    fn look(&self, part: &mut PodPart, token: Option<&str>) {
        let service = Remote { url: part.pod.url(), token, connections: None };
        let asked = service.ask("GET", &format!("/api/{}?format=json", self.group));
        let object = match asked.and_then(|reply| good_of(&reply, self.group)) {
            Ok(object) => object,
            Err(why) => {
                (part.id, part.result) = (None, Err(why));
                return;
            }
        };
        let replaced = || Err(Trouble::Refused(String::from(CANCELLED)));
        let is_same = object.text(&["id"]) == part.id.as_deref();
        let ended = match object.text(&["state"]).unwrap_or_default() {
            "pending" | "working" if is_same => {
                part.left = object.number(&["seconds_left"]).map(|left| (left, Instant::now()));
                part.result = Ok(object.whole(&["held"]));
                return;
            }
            "failed" if is_same || self.group == "cpu" => {
                let why = object.text(&["error"]).map_or_else(|| String::from("failed"), printable);
                Err(Trouble::Refused(why))
            }
            "expired" => Err(Trouble::Refused(String::from(EXPIRED))),
            // A load that is over has no id any more.
            _ if self.group == "cpu" => match part.left {
                Some((left, then)) if left > then.elapsed().as_secs_f64() + 2.0 => replaced(),
                _ => Ok(part.part),
            },
            _ if is_same => Ok(object.whole(&["held"])),
            _ => replaced(),
        };
        (part.id, part.result) = (None, ended);
    }

    /// A row a pod, of those that are at work first, and where all are.
    fn rows(&self, pods: &[PodPart]) -> Vec<String> {
        let names = pods.iter().map(|part| part.pod.label().len()).max().unwrap_or(0);
        let (mut held, mut ended) = (0_u64, 0);
        for part in pods {
            held = held.saturating_add(*part.result.as_ref().unwrap_or(&0));
            ended += usize::from(part.id.is_none());
        }
        let held = self.told(held);
        let mut rows = vec![format!("{ended} of {} pods are done, {held}", pods.len())];
        for is_at_work in [true, false] {
            for part in pods.iter().filter(|part| part.id.is_some() == is_at_work) {
                let state = if is_at_work { "working" } else { "done" };
                let said = match &part.result {
                    Ok(held) if self.group == "cpu" => format!("{state:<8}  {}", self.told((*held).max(part.part))),
                    Ok(held) => format!("{state:<8}  {} of {}", self.told(*held), self.told(part.part)),
                    Err(why) => format!("failed    {}", why.words()),
                };
                rows.push(format!("{:<names$}  {said}", part.pod.label()));
            }
        }
        rows
    }

    /// Whether the amount is held to the page or byte.
    fn is_exact(&self) -> bool {
        self.parameters.iter().any(|(name, _)| *name == EXACT.name)
    }

    /// An amount in the group's unit.
    fn told(&self, amount: u64) -> String {
        match self.unit {
            Unit::Millicores => format!("{amount}m"),
            unit => in_words(amount, unit),
        }
    }

    /// Learns what a pod can hold.
    fn part_of(&self, mut pod: Pod) -> PodPart {
        let (mut room, mut result) = (0, Ok(0));
        match pod.status.take() {
            Some(Ok(status)) if self.group == "cpu" => room = status.whole(&["groups", "cpu", "limit_millicores"]),
            Some(Ok(status)) => {
                let available = status.whole(&["groups", self.group, "available"]);
                room = self.kept(&status).saturating_add(available);
            }
            Some(Err(why)) => result = Err(why),
            None => {}
        }
        PodPart { pod, kept: None, room, part: 0, id: None, left: None, result }
    }

    /// What a status says that is held, or used.
    fn kept(&self, status: &Object) -> u64 {
        let member = if self.group == "cpu" { "wanted_millicores" } else { "held" };
        status.whole(&["groups", self.group, member])
    }

    /// Gives each pod that answers its part; the parts are the amount, to the last unit.
    fn divide(&self, pods: &mut [PodPart]) {
        let Amount::Exactly(total) = self.amount else { return };
        let mut takers: Vec<&mut PodPart> = match self.by {
            // Who does not answer has its part as well: it is missing, and is said to be.
            By::Even => pods.iter_mut().collect(),
            By::Available => pods.iter_mut().filter(|pod| pod.result.is_ok()).collect(),
        };
        let weight = |pod: &PodPart| if self.by == By::Even { 1 } else { u128::from(pod.room) };
        let weights: Vec<u128> = takers.iter().map(|pod| weight(pod)).collect();
        for (pod, part) in takers.iter_mut().zip(parts(total, &weights)) {
            pod.part = part;
        }
    }

    /// Gives a pod its part. What is waited for is looked at later, by its id; where several pods may be at the address, it
    /// is the answer that comes as the work goes on.
    fn send(&self, part: &mut PodPart, token: Option<&str>) -> Result<u64, Trouble> {
        let amount = match (self.amount, self.unit) {
            (Amount::Exactly(_), Unit::Millicores) => format!("{}m", part.part),
            (Amount::Exactly(_), _) => part.part.to_string(),
            _ => self.words.clone(),
        };
        let (verb, name) = if self.group == "cpu" { ("load", "cpu") } else { ("set", "amount") };
        let mut parameters = vec![(name, amount)];
        parameters.extend(self.parameters.iter().cloned());
        let path = format!("/api/{}/{verb}", self.group);
        let follows = self.wait && part.pod.alone.is_some() && part.pod.seen.len() != 1;
        let call = Call { method: "POST", path, parameters, wait: follows, unit: self.unit, done: String::new() };
        let mut last = None;
        let service = Remote { url: part.pod.url(), token, connections: None };
        let mut keep = |line: &[u8]| last = Some(Object::read(line));
        let reply = if follows {
            service.reply(call.method, &call.target(), SILENCE, Taker::Lines(&mut keep))?
        } else {
            service.ask(call.method, &call.target())?
        };
        let object = receipt_of(&reply, self.group)?;
        if !self.wait {
            return Ok(object.whole(&["wanted_millicores"]).max(part.part));
        }
        if !follows {
            part.id = object.text(&["id"]).map(str::to_owned);
            return if part.id.is_some() { Ok(0) } else { Err(stranger(reply.status)) };
        }
        match (outcome(last.as_ref()), last) {
            (None, Some(last)) if self.group != "cpu" => Ok(last.whole(&["held"])),
            (None, _) => Ok(part.part),
            (Some(why), _) => Err(Trouble::Refused(why)),
        }
    }

    /// A line a pod, and the sum.
    fn tell(&self, pods: &[PodPart], output: &Output) -> Result<(), Trouble> {
        let verb = if self.group == "cpu" { "used" } else { "held" };
        // Who refuses may hold something all the same.
        let (mut sum, mut holders, mut all) = (0_u64, 0, Vec::with_capacity(pods.len()));
        for part in pods {
            let held = part.result.as_ref().ok().copied();
            let kept = part.kept.filter(|kept| *kept > 0 && held.is_none());
            sum = sum.saturating_add(held.or(kept).unwrap_or(0));
            holders += usize::from(held.or(kept).is_some());
            let kept = kept.map(|kept| (kept, format!("{} {verb}", self.told(kept))));
            all.push(PodOutcome::of(&part.pod, &part.result, self.told(held.unwrap_or(0)), kept));
        }
        let of = match self.amount {
            Amount::Exactly(total) if sum > total && !self.is_exact() => {
                format!(" of {} (parts are rounded; without --rounded they are not)", self.told(total))
            }
            Amount::Exactly(total) => format!(" of {}", self.told(total)),
            _ => String::new(),
        };
        outcomes::tell(&all, &format!("{}{of} {verb} by {holders}", self.told(sum)), output)
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
