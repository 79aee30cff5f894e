//! A pod, and the scenario that it was given.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::pods::Pod;
use crate::client::reply::{Object, good, printable};
use crate::client::{PATIENCE, Remote, SILENCE, Trouble};
use crate::http::client::{Reply, Taker};
use crate::units::decimal::fixed;
use crate::units::duration;

/// Path and query of everything here.
const TARGET: &str = "/api/scenario?format=json";
/// The status of an answer to a wrong token.
const DENIED: u16 = 401;
/// How long one look may take: one that does not answer must not hold up what is told of the others.
const LOOK_PATIENCE: Duration = Duration::from_secs(3);

/// A pod, and what became of its scenario.
pub(super) struct PlayedPod {
    /// How it is called in what is told.
    pub(super) label: String,
    /// Where it is asked.
    pub(super) url: String,
    /// Its address and its name, where it was found behind a name.
    pub(super) found: Option<(SocketAddr, Option<String>)>,
    /// Which scenario it was given, as the service tells it.
    id: Option<String>,
    /// Since when what is sent to it has not arrived for certain.
    pub(super) pending: Option<Instant>,
    /// Since when it has told nothing.
    silent: Option<Instant>,
    pub(super) play: Play,
}

/// What became of a scenario.
#[derive(Debug, PartialEq)]
pub(super) enum Play {
    /// Nothing is known yet.
    Unknown,
    /// It goes on.
    On(PlayPlace),
    /// It is over.
    Over,
    /// It was not begun, is stopped, or is another's.
    Failed(Trouble),
}

/// Where a scenario is.
#[derive(Debug, PartialEq)]
pub(super) struct PlayPlace {
    /// `waiting`, `playing` or `paused`; empty where the place says it.
    pub(super) state: String,
    /// Where it is, in words.
    pub(super) place: String,
}

impl PlayedPod {
    /// The one at this URL.
    pub(super) fn at(url: &str) -> Self {
        let label = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/').to_owned();
        let (url, play) = (url.to_owned(), Play::Unknown);
        Self { label, url, found: None, id: None, pending: None, silent: None, play }
    }

    /// One that was found behind a name. What does not answer has failed.
    pub(super) fn of(mut pod: Pod) -> Self {
        let play = match pod.status.take() {
            Some(Err(why)) => Play::Failed(why),
            _ => Play::Unknown,
        };
        let (label, url, found) = (pod.label(), pod.url().to_owned(), Some((pod.address, pod.name)));
        Self { label, url, found, id: None, pending: None, silent: None, play }
    }

    /// Whether nothing more will come.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.play, Play::Over | Play::Failed(_))
    }

    /// Gives it a scenario: by POST, or by PUT where it takes the place of another. Says whether the token is wrong.
    pub(super) fn give(&mut self, text: &str, replaces: bool, token: Option<&str>) -> bool {
        let mut is_denied = false;
        let (method, service) =
            (if replaces { "PUT" } else { "POST" }, Remote { url: &self.url, token, connections: None });
        let given = service.give(method, TARGET, text.as_bytes()).and_then(|reply| {
            is_denied = reply.status == DENIED;
            if reply.status == 409 {
                return Err(Trouble::Refused(String::from("there is a scenario already; --replace takes its place")));
            }
            good(&reply)
        });
        match given {
            Ok(told) => {
                self.id = told.text(&["id"]).map(str::to_owned);
                (self.pending, self.silent) = (None, None);
                self.play = play(&told);
            }
            Err(why) => self.play = Play::Failed(why),
        }
        is_denied
    }

    /// Gives it one again, in the place of what it was given. Where that fails, it is to be tried again for a while: faults
    /// of the scenario itself, or somebody else who gives it one, may be why.
    pub(super) fn give_again(&mut self, text: &str, token: Option<&str>) {
        let before = std::mem::replace(&mut self.play, Play::Unknown);
        let since = *self.pending.get_or_insert_with(Instant::now);
        let is_denied = self.give(text, true, token);
        if matches!(self.play, Play::Failed(_)) && !is_denied && since.elapsed() < SILENCE {
            self.play = before;
        }
    }

    /// Looks where it is.
    pub(super) fn look(&mut self, token: Option<&str>) {
        let service = Remote { url: &self.url, token, connections: None };
        let asked = service.reply("GET", TARGET, LOOK_PATIENCE, Taker::Whole);
        let failed = |words: &str| Play::Failed(Trouble::Refused(words.to_owned()));
        let is_denied = asked.as_ref().is_ok_and(|reply| reply.status == DENIED);
        self.play = match asked.and_then(|reply| told(&reply)) {
            Ok(None) if self.pending.is_some() => return,
            Ok(None) => failed("there is no scenario any more: somebody has ended it, or it began anew"),
            Ok(Some(told)) => {
                self.silent = None;
                let is_its_own = self.pending.is_some() || told.text(&["id"]) == self.id.as_deref();
                if is_its_own { play(&told) } else { failed("another scenario has taken its place") }
            }
            Err(why) if is_denied => Play::Failed(why),
            Err(why) => {
                // It may be faults of the scenario itself that keep it from answering.
                if self.silent.get_or_insert_with(Instant::now).elapsed() < SILENCE {
                    return;
                }
                Play::Failed(why)
            }
        };
    }

    /// Asks where it is, whatever it plays.
    pub(super) fn ask(&mut self, token: Option<&str>) {
        let service = Remote { url: &self.url, token, connections: None };
        let reply = service.reply("GET", TARGET, PATIENCE, Taker::Whole);
        self.play = reply.and_then(|reply| there(&reply)).map_or_else(Play::Failed, |told| match play(&told) {
            // That it was stopped is what was asked for.
            Play::Failed(Trouble::Refused(place)) if told.text(&["state"]) == Some("stopped") => {
                Play::On(PlayPlace { state: String::new(), place })
            }
            play => play,
        });
    }

    /// Ends it.
    pub(super) fn stop(&mut self, token: Option<&str>) {
        let reply = Remote { url: &self.url, token, connections: None }.ask("DELETE", TARGET);
        self.play = reply.and_then(|reply| there(&reply)).map_or_else(Play::Failed, |_| Play::Over);
    }

    /// What became of it, in words.
    pub(super) fn told(&self) -> String {
        match &self.play {
            Play::Unknown => String::from("not asked"),
            Play::On(PlayPlace { state, place }) if state.is_empty() => place.clone(),
            Play::On(PlayPlace { state, place }) => format!("{state}  {place}"),
            Play::Over => String::from("over"),
            Play::Failed(Trouble::Unreachable(why)) => format!("unreachable: {why}"),
            Play::Failed(why) => why.words().to_owned(),
        }
    }
}

/// What is told of the one that is there.
fn there(reply: &Reply) -> Result<Object, Trouble> {
    told(reply)?.ok_or_else(|| Trouble::Refused(String::from("there is no scenario")))
}

/// Where it is, if there is one.
fn told(reply: &Reply) -> Result<Option<Object>, Trouble> {
    let object = Object::read(&reply.body);
    if reply.status == 404 && object.text(&["error", "code"]) == Some("not-found") {
        return Ok(None);
    }
    good(reply).map(Some)
}

/// What a service tells of its scenario.
fn play(told: &Object) -> Play {
    let number = |name: &str| told.number(&[name]);
    match told.text(&["state"]) {
        Some("over") => Play::Over,
        Some("stopped") => {
            let reason = told.text(&["reason"]).map_or_else(|| String::from("it does not say why"), printable);
            Play::Failed(Trouble::Refused(format!("stopped: {reason}")))
        }
        Some(state) => {
            let mut place = format!("second {}", fixed(number("second").unwrap_or_default(), 1));
            if let Some(wait) = number("begins_in_seconds") {
                let wait = Duration::try_from_secs_f64(wait).unwrap_or(duration::LONGEST);
                place = format!("begins in {}", duration::in_words(wait));
            } else if let Some(length) = number("length") {
                place += &format!(" of {}", fixed(length, 1));
                if number("round").is_some_and(|round| round > 0.0) {
                    place += &format!("  round {}", told.whole(&["round"]).saturating_add(1));
                }
            }
            Play::On(PlayPlace { state: printable(state), place })
        }
        None => Play::Failed(Trouble::Refused(String::from("the answer says nothing of a scenario"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Play {
        play(&Object::read(text.as_bytes()))
    }

    #[test]
    fn what_a_service_tells_is_understood() {
        let words = |text: &str| match read(text) {
            Play::On(PlayPlace { state, place }) => format!("{state}: {place}"),
            Play::Failed(why) => why.words().to_owned(),
            other => format!("{other:?}"),
        };
        for (told, wanted) in [
            (r#"{"state":"playing","second":1.25,"round":0,"length":60}"#, "playing: second 1.3 of 60.0"),
            (r#"{"state":"playing","second":1,"round":2,"length":60}"#, "playing: second 1.0 of 60.0  round 3"),
            (r#"{"state":"paused","second":7,"round":0,"length":null}"#, "paused: second 7.0"),
            (r#"{"state":"waiting","begins_in_seconds":90,"second":0}"#, "waiting: begins in 1 m 30 s"),
            (r#"{"state":"stopped","reason":"fd: \u001b full"}"#, "stopped: fd: \u{fffd} full"),
            (r#"{"state":"over"}"#, "Over"),
            ("{}", "the answer says nothing of a scenario"),
        ] {
            assert_eq!(words(told), wanted, "{told}");
        }
    }
}
