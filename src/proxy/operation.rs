//! What an operator asks: probes and metrics, on a port of their own.

use std::sync::Arc;

use crate::http::{Answer, Method, Request, Service, content, text};
use crate::proxy::own_metrics;
use crate::proxy::status;
use crate::proxy::world::ProxyState;
use crate::service::probes::Probe;
use crate::service::problem::{not_allowed, wants_json};
use crate::settings::Identity;

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What all paths take.
const METHODS: [Method; 2] = [Method::Get, Method::Head];

/// Answers an operator.
pub(super) struct OperatorService {
    shared: Arc<ProxyState>,
    identity: Identity,
    pub(super) ready: Probe,
}

impl OperatorService {
    pub(super) fn new(shared: Arc<ProxyState>, identity: &Identity) -> Self {
        Self { shared, identity: identity.clone(), ready: Probe::default() }
    }
}

impl Service for OperatorService {
    fn answer(&self, request: &Request<'_>) -> Answer {
        let as_json = wants_json(request.fields, request.query);
        if !METHODS.contains(request.method) {
            return not_allowed(request.method, &METHODS, "", as_json);
        }
        match &*request.path {
            b"/healthz" => text(200, "ok\n").into(),
            b"/readyz" => match self.ready.trouble() {
                None => text(200, "ok\n").into(),
                Some(trouble) => text(503, trouble + "\n").into(),
            },
            b"/status" if as_json => content(200, "application/json", status::json(&self.shared).to_string()).into(),
            b"/status" => text(200, status::text(&self.shared)).into(),
            // Probes of the original ask for any path.
            _ => {
                let page = self.shared.metrics.render(self.shared.routes().all());
                content(200, METRICS_TYPE, page + &own_metrics::render(&self.shared, &self.identity)).into()
            }
        }
    }
}
