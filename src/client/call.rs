//! A change: asked for, and followed if the user waits for it.

use std::time::Duration;

use crate::client::interrupt::leave_on_signal;
use crate::client::output::Output;
use crate::client::progress::Bar;
use crate::client::reply::{Object, good_of, own_words, printable, receipt_of};
use crate::client::{Remote, SILENCE, Trouble};
use crate::http::client::Taker;
use crate::parameters::{DRY_RUN, EXACT, FOLLOW, Parameter, WAIT};
use crate::units::duration;
use crate::units::quantity::{Unit, apart, in_words as amount};

/// How long the release of everything is waited for: millions of empty files take minutes.
const RELEASE: Duration = Duration::from_secs(3600);

/// What is said of work that another request has ended.
pub(super) const CANCELLED: &str = "it was released, stopped or replaced by somebody before it was done";

/// What is said of work whose time was over first.
pub(super) const EXPIRED: &str = "its time was over before it was done, so all of it is given back";

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: String,
    /// Its parameters, as they stand in a query.
    pub parameters: Vec<(&'static str, String)>,
    /// Whether the user waits until it is done.
    pub wait: bool,
    /// What its amounts count.
    pub unit: Unit,
    /// What to say when it is accepted.
    pub done: String,
}

impl Call {
    /// Path and query.
    pub(super) fn target(&self) -> String {
        let mut target = format!("{}?format=json", self.path);
        let follow = self.wait.then(|| (FOLLOW.name, String::from("true")));
        for (name, value) in self.parameters.iter().chain(&follow) {
            // Values are checked words: amounts and durations. What could end one is escaped all the same.
            let value =
                crate::http::message::target::percent_encode(value.as_bytes()).replace('&', "%26").replace('+', "%2B");
            target.push_str(&format!("&{name}={value}"));
        }
        target
    }

    /// Does it. `remedy` is what a command needs to reach the same service.
    pub(super) fn run(&self, service: &Remote<'_>, output: &Output, remedy: &str) -> Result<(), Trouble> {
        let is_shown = output.is_words() && !output.quiet;
        let mut last = Vec::new();
        let mut bar = Bar::new(self.unit, self.method == "DELETE");
        let mut tell = |line: &[u8]| {
            last = line.to_vec();
            if is_shown {
                bar.draw(&Object::read(line));
            }
        };
        if self.wait || self.has(WAIT) {
            leave_on_signal(self.goes_on(remedy));
        }
        let reply = if self.wait {
            service.reply(self.method, &self.target(), SILENCE, Taker::Lines(&mut tell))
        } else if self.has(WAIT) {
            service.reply(self.method, &self.target(), RELEASE, Taker::Whole)
        } else {
            service.ask(self.method, &self.target())
        };
        bar.end();
        let told = Object::read(&last);
        let reply = reply.map_err(|why| self.lost(why, &told))?;
        let object = receipt_of(&reply, self.group()).map_err(|why| with_remedy(why, remedy))?;
        if self.wait {
            return match outcome(Some(&told)) {
                Some(why) => Err(Trouble::Refused(why)),
                None => self.told_at_the_end(service, output, &last),
            };
        }
        if output.is_words() {
            return output.say(&format!("{}\n", self.told(&object)?));
        }
        let id = object.text(&["id"]).map_or_else(String::new, |id| format!("/{id}"));
        output.data(&reply.body, &printable(&format!("{}{id}", self.group())))
    }

    /// Why a service tells no more of work, with what it told last.
    fn lost(&self, why: Trouble, told: &Object) -> Trouble {
        match (why, told.number(&["held"])) {
            (Trouble::Unreachable(why), Some(held)) => {
                let held = amount(held as u64, self.unit);
                Trouble::Unreachable(format!("{why}: the service ended, or the way to it; it held {held} last"))
            }
            (why, _) => why,
        }
    }

    fn has(&self, parameter: Parameter) -> bool {
        self.parameters.iter().any(|(name, _)| *name == parameter.name)
    }

    /// The group it is about; empty where it is about all of them.
    fn group(&self) -> &str {
        self.path.strip_prefix("/api/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
    }

    /// What is said when somebody waits no longer.
    fn goes_on(&self, remedy: &str) -> String {
        let group = self.group();
        let end = if matches!(group, "cpu" | "io") { "stop" } else { "release" };
        match self.method {
            "DELETE" => format!("the release goes on in the service; testero status{remedy} tells how far it is"),
            _ => format!("the work goes on in the service; testero {group} {end}{remedy} ends it"),
        }
    }

    /// What is true now that it is done.
    fn told_at_the_end(&self, service: &Remote<'_>, output: &Output, last: &[u8]) -> Result<(), Trouble> {
        let group = self.group();
        let now = service.ask("GET", &format!("/api/{group}?format=json"));
        let now = now.ok().filter(|reply| good_of(reply, group).is_ok());
        // Who may change may be not allowed to read, and then there are faults: what was last told is true, too.
        let body = now.as_ref().map_or(last, |reply| &reply.body);
        if !output.is_words() {
            return output.data(body, group);
        }
        output.say(&format!("{}\n", truth(&Object::read(body), group, self.unit)))
    }

    /// What a receipt says.
    fn told(&self, receipt: &Object) -> Result<String, Trouble> {
        if receipt.has(&["left"]) {
            return Err(Trouble::Refused(String::from(
                "not all of it is given back: testero status tells what is held",
            )));
        }
        let (planned, note) = self.planned(receipt);
        if self.has(DRY_RUN) {
            return match (receipt.text(&["reason"]), receipt.number(&["planned"])) {
                (Some(reason), _) => {
                    let reason = own_words(&printable(reason), self.group());
                    Err(Trouble::Refused(format!("would be refused: {reason}")))
                }
                (None, Some(_)) => Ok(format!("would hold {planned}{note}; nothing was done")),
                (None, None) => Ok(format!("would be started{}; nothing was done", load(receipt))),
            };
        }
        Ok(match (receipt.number(&["planned"]), receipt.text(&["id"]), receipt.text(&["done"])) {
            (Some(_), Some(id), _) if self.method == "DELETE" => {
                format!("accepted: all of it is given back, request {}", printable(id))
            }
            (Some(_), Some(id), _) => format!("accepted: {planned} in all{note}, request {}", printable(id)),
            (None, Some(id), _) => format!("accepted{}, request {}", load(receipt), printable(id)),
            (_, _, Some(done)) if self.done.is_empty() => printable(done),
            _ => self.done.clone(),
        })
    }

    /// How much is planned, and a note where that comes to more than was asked for.
    fn planned(&self, receipt: &Object) -> (String, String) {
        let (asked, planned) = (receipt.whole(&["requested"]), receipt.whole(&["planned"]));
        if planned == asked || self.has(EXACT) {
            return (amount(planned, self.unit), String::new());
        }
        let (asked, planned) = apart(asked, planned, self.unit);
        (planned, format!(" for {asked} asked (parts are rounded; without --rounded they are not)"))
    }
}

/// A refusal whose commands are for the same service.
fn with_remedy(why: Trouble, remedy: &str) -> Trouble {
    let Trouble::Refused(why) = why else { return why };
    let ends = [" ends it", " tells how far"];
    Trouble::Refused(ends.iter().fold(why, |why, end| why.replace(end, &format!("{remedy}{end}"))))
}

/// What a load is to use, and for how long, where its receipt says that.
fn load(receipt: &Object) -> String {
    let Some(seconds) = receipt.number(&["seconds"]) else { return String::new() };
    let (millicores, bytes) = ("target_millicores", "target_bytes_per_second");
    let target = match (receipt.number(&[millicores]), receipt.number(&[bytes])) {
        (Some(_), _) => format!("{}m", receipt.whole(&[millicores])),
        (_, Some(_)) => format!("{}/s", amount(receipt.whole(&[bytes]), Unit::Bytes)),
        _ => String::from("all that it can"),
    };
    format!(": {target} for {}", duration::in_words(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))))
}

/// What a group's status says, in a line.
fn truth(status: &Object, group: &str, unit: Unit) -> String {
    let name = match group {
        "mem" => "memory",
        "inode" => "inodes",
        "pid" => "pids",
        "fd" => "descriptors",
        other => other,
    };
    let Some(held) = status.number(&["held"]) else {
        let runs = status.text(&["state"]) == Some("working");
        return format!("{name}: {}", if runs { "a load runs" } else { "the load is over, nothing runs" });
    };
    if held == 0.0 {
        return format!("{name}: nothing is held");
    }
    let (asked, planned) = (status.whole(&["requested"]), status.whole(&["planned"]));
    let mut text = if held as u64 == planned && planned > asked && asked > 0 && !status.is(&["exact"]) {
        let (asked, held) = apart(asked, planned, unit);
        format!("{name}: {held} held for {asked} asked (parts are rounded; without --rounded they are not)")
    } else {
        format!("{name}: {} held", amount(held as u64, unit))
    };
    if let Some(left) = status.number(&["expires_in_seconds"]) {
        let left = Duration::from_secs_f64(left.clamp(0.0, 1e9));
        text += &format!(", expires in {}", duration::in_words(left));
    }
    text
}

/// Why what was waited for is not done, if it is not.
pub(super) fn outcome(last: Option<&Object>) -> Option<String> {
    match last.and_then(|last| last.text(&["outcome"])) {
        Some("done") => None,
        Some("cancelled") => Some(String::from(CANCELLED)),
        Some("expired") => Some(String::from(EXPIRED)),
        Some(other) => Some(printable(other)),
        None => Some(String::from("the service ended before it was done")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_at_the_end_is_told() {
        let of = |text: &str, group: &str| truth(&Object::read(text.as_bytes()), group, Unit::Bytes);
        assert_eq!(
            of(r#"{"held":536870912,"expires_in_seconds":48.2}"#, "mem"),
            "memory: 512.0 MiB held, expires in 48 s"
        );
        assert_eq!(of(r#"{"held":1024}"#, "disk"), "disk: 1.0 KiB held");
        assert_eq!(of(r#"{"held":0}"#, "mem"), "memory: nothing is held");
        assert_eq!(of(r#"{"state":"idle"}"#, "cpu"), "cpu: the load is over, nothing runs");
    }

    #[test]
    fn outcomes_are_told() {
        let of = |text: &str| outcome(Some(&Object::read(text.as_bytes())));
        assert_eq!(of(r#"{"outcome":"done"}"#), None);
        assert_eq!(of(r#"{"outcome":"failed: no room"}"#).as_deref(), Some("failed: no room"));
        assert!(of(r#"{"outcome":null}"#).is_some());
        assert!(outcome(None).is_some());
    }

    #[test]
    fn a_release_of_everything_is_done_when_nothing_is_left() {
        let call = Call {
            method: "DELETE",
            path: String::from("/api"),
            parameters: vec![("wait", String::from("true"))],
            wait: false,
            unit: Unit::Bytes,
            done: String::from("everything is released"),
        };
        let told = |receipt: &str| call.told(&Object::read(receipt.as_bytes()));
        assert_eq!(told(r#"{"groups":{}}"#).unwrap(), "everything is released");
        let Err(Trouble::Refused(why)) = told(r#"{"ids":["1"],"left":{"inode":43872}}"#) else { panic!() };
        assert!(why.starts_with("not all of it"), "{why}");
    }

    #[test]
    fn a_target_holds_its_words_together() {
        let call = Call {
            method: "POST",
            path: String::from("/api/mem/set"),
            parameters: vec![("amount", String::from("50%")), ("ttl", String::from("1m"))],
            wait: true,
            unit: Unit::Bytes,
            done: String::new(),
        };
        assert_eq!(call.target(), "/api/mem/set?format=json&amount=50%25&ttl=1m&follow=true");
    }
}
