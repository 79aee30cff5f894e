//! One amount over all pods behind a name: resolved, divided, sent, waited for, summed up.

use crate::client::call::{Call, outcome};
use crate::client::pods::{Pod, found, on_each};
use crate::client::reply::{Object, good};
use crate::client::{PATIENCE, Remote, SILENCE, Trouble, print};
use crate::http::client::Taker;
use crate::units::quantity::{Amount, Unit, in_words};

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
    result: Result<u64, Trouble>,
}

impl Spread {
    pub(super) fn run(&self, token: Option<&str>) -> Result<(), Trouble> {
        let mut pods: Vec<PodPart> = found(&self.services, token)?.into_iter().map(|pod| self.part_of(pod)).collect();
        self.divide(&mut pods);
        let failed = on_each(&mut pods, &|part| {
            if part.result.is_ok() {
                part.result = self.send(part, token);
                if matches!(part.result, Err(Trouble::Refused(_))) && part.pod.seen.len() < 2 {
                    part.kept = part.pod.ask(token, PATIENCE).ok().map(|status| self.kept(&status));
                }
            }
        });
        for (place, why) in failed {
            pods[place].result = Err(why);
        }
        self.tell(&pods)
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
        PodPart { pod, kept: None, room, part: 0, result }
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

    fn send(&self, pod: &PodPart, token: Option<&str>) -> Result<u64, Trouble> {
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
        let url = pod.pod.url();
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
    fn tell(&self, pods: &[PodPart]) -> Result<(), Trouble> {
        let in_unit = |amount| match self.unit {
            Unit::Millicores => format!("{amount}m"),
            unit => in_words(amount, unit),
        };
        let verb = if self.group == "cpu" { "used" } else { "held" };
        // Who refuses may hold something all the same.
        let (mut sum, mut good, mut holders) = (0_u64, 0, 0);
        let names = pods.iter().map(|pod| pod.pod.label().len()).max().unwrap_or(0);
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
                Err(why) => format!("unreachable: {}", why.words()),
            };
            text += &format!("{:<names$}  {said}\n", pod.pod.label());
        }
        let of = match self.amount {
            Amount::Exactly(total) => format!(" of {}", in_unit(total)),
            _ => String::new(),
        };
        text += &format!("{:<names$}  {}{of} {verb} by {holders} of {} pods\n", "sum", in_unit(sum), pods.len());
        print(&text)?;
        let unreachable = |pod: &PodPart| matches!(pod.result, Err(Trouble::Unreachable(_)));
        match pods.len() - good {
            0 => Ok(()),
            failed if failed == pods.len() && pods.iter().all(unreachable) => {
                Err(Trouble::Unreachable(String::from("no pod answers")))
            }
            failed => Err(Trouble::Refused(format!("{failed} of {} pods did not do it", pods.len()))),
        }
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
