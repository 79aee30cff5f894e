//! What an operator asks: probes and metrics, on a port of their own.

use std::sync::Arc;

use crate::http::{Answer, Request, Service, content, text};
use crate::proxy::world::ProxyState;
use crate::service::probes::Probe;

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers an operator.
pub(super) struct OperatorService {
    shared: Arc<ProxyState>,
    pub(super) ready: Probe,
}

impl OperatorService {
    pub(super) fn new(shared: Arc<ProxyState>) -> Self {
        Self { shared, ready: Probe::default() }
    }
}

impl Service for OperatorService {
    fn answer(&self, request: &Request<'_>) -> Answer {
        match &*request.path {
            b"/healthz" => text(200, "ok\n").into(),
            b"/readyz" => match self.ready.trouble() {
                None => text(200, "ok\n").into(),
                Some(trouble) => text(503, trouble + "\n").into(),
            },
            // Probes of the original ask for any path.
            _ => content(200, METRICS_TYPE, self.shared.metrics.render(self.shared.routes().all())).into(),
        }
    }
}
