//! `/healthz` and `/readyz` switched off and on.

use crate::consumer::Consumer;
use crate::consumer::api::params::Params;
use crate::consumer::api::table::ProbeRoute;
use crate::http::Answer;
use crate::parameters::FOR;
use crate::service::problem::Problem;
use crate::units::duration;

impl Consumer {
    /// Switches a probe on or off.
    pub(super) fn switch(&self, probe: ProbeRoute, on: bool, params: &Params<'_, '_>) -> Answer {
        let length = match params.only().and_then(|()| params.span(FOR.name)) {
            Ok(length) => length,
            Err(why) => return Problem::new(400, "invalid", why).answer(params.json),
        };
        let (found, path) = match probe {
            ProbeRoute::Health => (&self.health, "/healthz"),
            ProbeRoute::Ready => (&*self.ready, "/readyz"),
        };
        if on {
            found.enable()
        } else {
            found.disable(length)
        }
        let state = match (on, length) {
            (true, _) => format!("{path} is enabled"),
            (false, None) => format!("{path} is disabled"),
            (false, Some(length)) => format!("{path} is disabled for {}", duration::in_words(length)),
        };
        self.done(state, params)
    }
}
