//! Waiting until all pods have come to the end of their scenario.

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::pods::on_each;
use crate::client::scenario::parts::ScenarioParts;
use crate::client::scenario::played::{Play, PlayPlace, PlayedPod};
use crate::client::{Trouble, has_reader};
use crate::kernel::sys::terminal_columns;
use crate::units::duration::in_words;

/// How often each pod is asked where it is.
const LOOK: Duration = Duration::from_millis(500);
/// How wide a terminal is that does not say.
const COLUMNS: usize = 80;

/// What is waited for.
pub(super) struct Waiting<'w> {
    pub(super) pods: Vec<PlayedPod>,
    /// Where each has its part of the amounts.
    pub(super) parts: Option<ScenarioParts<'w>>,
    pub(super) token: Option<&'w str>,
    /// For how long.
    pub(super) timeout: Option<Duration>,
    /// The command that ends what goes on.
    pub(super) stop: String,
}

impl Waiting<'_> {
    /// Waits, and tells what becomes of it: in one line on a terminal, by lines elsewhere.
    pub(super) fn run(mut self) -> Result<(), Trouble> {
        let (begun, is_terminal) = (Instant::now(), io::stdout().is_terminal());
        let mut told: Vec<(String, String)> =
            self.pods.iter().map(|pod| (pod.label.clone(), state(pod).to_owned())).collect();
        let ended = loop {
            let left = self.timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
            if let (Some(Duration::ZERO), Some(timeout)) = (left, self.timeout) {
                let (length, stop) = (in_words(timeout), &self.stop);
                break Err(Trouble::Refused(format!("after {length} it goes on; {stop} ends it")));
            }
            thread::sleep(left.unwrap_or(LOOK).min(LOOK));
            let token = self.token;
            on_each(&mut self.pods, &|pod| {
                if !pod.has_ended() {
                    pod.look(token)
                }
            });
            let mut lines = Vec::new();
            self.changes(&mut told, &mut lines);
            // Those that are over need no part any more.
            let all_ended = self.pods.iter().all(PlayedPod::has_ended) && !self.pods.is_empty();
            if let (Some(parts), false) = (&mut self.parts, all_ended) {
                match parts.follow(&mut self.pods, token) {
                    Ok(more) => lines.extend(more),
                    Err(why) => break Err(why),
                }
            }
            self.draw(&lines, is_terminal)?;
            if all_ended {
                break verdict(&self.pods);
            }
        };
        if is_terminal {
            let _ = writeln!(io::stdout());
        }
        ended
    }

    /// What is to be told of pods whose state is another than at the last look.
    fn changes(&self, told: &mut Vec<(String, String)>, lines: &mut Vec<String>) {
        for pod in &self.pods {
            let now = state(pod);
            match told.iter_mut().find(|(label, _)| *label == pod.label) {
                Some((_, before)) if *before == now => continue,
                Some((_, before)) => now.clone_into(before),
                None => told.push((pod.label.clone(), now.to_owned())),
            }
            lines.push(format!("{}  {}", pod.label, pod.told()));
        }
    }

    /// Shows it. Who reads it may have gone: then it is waited for all the same.
    fn draw(&self, lines: &[String], is_terminal: bool) -> Result<(), Trouble> {
        let mut text = String::new();
        for line in lines {
            let clear = if is_terminal { "\r\x1b[K" } else { "" };
            text += &format!("{clear}{line}\n");
        }
        if is_terminal {
            let columns = terminal_columns().unwrap_or(COLUMNS).saturating_sub(1);
            let line: String = in_one_line(&self.pods).chars().take(columns).collect();
            text += &format!("\r{line}\x1b[K");
        }
        if text.is_empty() { Ok(()) } else { has_reader(&text).map(drop) }
    }
}

/// A word for the state of a pod's scenario.
fn state(pod: &PlayedPod) -> &str {
    match &pod.play {
        Play::Unknown => "",
        Play::On(PlayPlace { state, .. }) => state,
        Play::Over => "over",
        Play::Failed(_) => "failed",
    }
}

/// Where all are.
fn in_one_line(pods: &[PlayedPod]) -> String {
    if let [pod] = pods {
        return pod.told();
    }
    let mut states: Vec<(&str, usize)> = Vec::new();
    for pod in pods {
        match states.iter_mut().find(|(known, _)| *known == state(pod)) {
            Some((_, number)) => *number += 1,
            None => states.push((state(pod), 1)),
        }
    }
    let mut text = format!("{} pods", pods.len());
    for (place, (state, number)) in states.iter().filter(|(state, _)| !state.is_empty()).enumerate() {
        text += &format!("{}{number} {state}", if place == 0 { ": " } else { ", " });
    }
    let mut places = pods.iter().filter_map(|pod| match &pod.play {
        Play::On(PlayPlace { place, .. }) => Some(place),
        _ => None,
    });
    places.next().map_or_else(|| text.clone(), |place| format!("{text}  {place}"))
}

/// What came of all of them: for the exit code, and in one line.
pub(super) fn verdict(pods: &[PlayedPod]) -> Result<(), Trouble> {
    let mut failed = Vec::new();
    for pod in pods {
        if let Play::Failed(why) = &pod.play {
            failed.push((pod, why));
        }
    }
    let are_unreachable = failed.iter().all(|(_, why)| matches!(why, Trouble::Unreachable(_)));
    match failed.as_slice() {
        [] => Ok(()),
        // What is unreachable has its address before it.
        [(_, Trouble::Unreachable(why))] if pods.len() == 1 => Err(Trouble::Unreachable(why.clone())),
        [(pod, why)] if pods.len() == 1 => Err(Trouble::Refused(format!("{}: {}", pod.label, why.words()))),
        all if all.len() == pods.len() && are_unreachable => Err(Trouble::Unreachable(String::from("no pod answers"))),
        all => Err(Trouble::Refused(format!("{} of {} pods did not do it", all.len(), pods.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(label: &str, play: Play) -> PlayedPod {
        let mut pod = PlayedPod::at(&format!("http://{label}"));
        pod.play = play;
        pod
    }

    fn on(state: &str, place: &str) -> Play {
        Play::On(PlayPlace { state: state.to_owned(), place: place.to_owned() })
    }

    fn refused(why: &str) -> Play {
        Play::Failed(Trouble::Refused(why.to_owned()))
    }

    #[test]
    fn many_are_told_in_one_line() {
        let pods = [
            pod("a", Play::Over),
            pod("b", on("playing", "second 5.0 of 9.0")),
            pod("c", on("playing", "second 6.0 of 9.0")),
            pod("d", refused("stopped: x")),
        ];
        assert_eq!(in_one_line(&pods), "4 pods: 1 over, 2 playing, 1 failed  second 5.0 of 9.0");
        assert_eq!(in_one_line(&pods[1..2]), "playing  second 5.0 of 9.0");
        assert_eq!(in_one_line(&[]), "0 pods");
    }

    #[test]
    fn the_exit_code_tells_what_came_of_all() {
        let gone = || Play::Failed(Trouble::Unreachable(String::from("http://b: no answer in time")));
        let of = |plays: Vec<Play>| verdict(&plays.into_iter().map(|play| pod("a:1", play)).collect::<Vec<_>>());
        assert_eq!(of(vec![Play::Over, Play::Over]), Ok(()));
        assert_eq!(of(vec![refused("stopped: x")]).unwrap_err().words(), "a:1: stopped: x");
        assert_eq!(of(vec![Play::Over, refused("x")]).unwrap_err().words(), "1 of 2 pods did not do it");
        assert_eq!(of(vec![gone()]).unwrap_err().code(), 3);
        assert_eq!(of(vec![gone(), gone()]).unwrap_err().words(), "no pod answers");
        assert_eq!(of(vec![gone(), Play::Over]).unwrap_err().code(), 1);
    }
}
