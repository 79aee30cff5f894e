//! What the kubelet asks: alive, and ready? Both can be switched off, to see what happens then.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// One probe's answer.
#[derive(Debug, Default)]
pub struct Probe(Mutex<ProbeState>);

#[derive(Debug, Default)]
enum ProbeState {
    #[default]
    Fine,
    /// Switched off, until then or until further notice.
    Off(Option<Instant>),
    /// The service stops: nothing switches it on again.
    Stopping,
}

impl Probe {
    /// Switches it off, for so long or until further notice.
    pub fn disable(&self, length: Option<Duration>) {
        let mut state = lock(&self.0);
        if !matches!(*state, ProbeState::Stopping) {
            *state = ProbeState::Off(length.map(|length| Instant::now() + length));
        }
    }

    /// Switches it on again.
    pub fn enable(&self) {
        let mut state = lock(&self.0);
        if !matches!(*state, ProbeState::Stopping) {
            *state = ProbeState::Fine;
        }
    }

    /// The service stops.
    pub fn stop(&self) {
        *lock(&self.0) = ProbeState::Stopping;
    }

    /// How long it stays switched off, where that was said.
    pub fn left(&self) -> Option<Duration> {
        match *lock(&self.0) {
            ProbeState::Off(Some(until)) => until.checked_duration_since(Instant::now()),
            _ => None,
        }
    }

    /// Why it fails, if it does.
    pub fn trouble(&self) -> Option<String> {
        let mut state = lock(&self.0);
        match *state {
            ProbeState::Fine => None,
            ProbeState::Stopping => Some(String::from("the service stops")),
            ProbeState::Off(None) => Some(String::from("disabled on request")),
            ProbeState::Off(Some(until)) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    *state = ProbeState::Fine;
                    return None;
                }
                Some(format!("disabled on request, for {} s more", left.as_secs() + 1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_switched_off_and_on() {
        let probe = Probe::default();
        assert_eq!(probe.trouble(), None);
        probe.disable(None);
        assert_eq!(probe.trouble().as_deref(), Some("disabled on request"));
        probe.disable(Some(Duration::from_secs(30)));
        assert!(probe.trouble().unwrap().ends_with("s more"));
        assert!(probe.left().is_some_and(|left| left <= Duration::from_secs(30)));
        probe.disable(Some(Duration::ZERO));
        assert_eq!((probe.trouble(), probe.left()), (None, None));
        probe.disable(None);
        probe.enable();
        assert_eq!(probe.trouble(), None);
        probe.stop();
        probe.enable();
        assert_eq!(probe.trouble().as_deref(), Some("the service stops"));
    }
}
