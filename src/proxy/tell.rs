//! What becomes of requests, for the access log.

use std::sync::Arc;

use crate::http::message::fields::FieldSlots;
use crate::http::message::head::RawHead;
use crate::proxy::access_line::{AccessEntry, RequestEnd, RequestOutcome};
use crate::proxy::exchange::ProxiedRequest;
use crate::proxy::pages::Page;
use crate::proxy::services::Balancer;
use crate::proxy::world::World;

/// Tells the access log how a request ended, if there is one, and the request has a line to come.
pub(super) fn tell(
    entry: &mut Option<Box<AccessEntry>>,
    exchange: Option<&ProxiedRequest>,
    end: RequestEnd,
    world: &World,
) {
    let (Some(entry), Some(access)) = (entry.take(), &world.shared.access) else { return };
    let report = exchange.map(ProxiedRequest::report);
    let routes = world.shared.routes();
    let service = if report.is_none() { routes.find(entry.host()).map(|service| &**service) } else { None };
    access.push(&entry.line(access.format, &RequestOutcome { end, report, service, now: world.now }));
}

/// The end that an answer of the proxy's own is.
pub(super) fn end_by_page(page: &Page, answer: &[u8]) -> RequestEnd {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |end| end + 4);
    RequestEnd::Page(page.status().0, answer.len() - head)
}

/// Whose request a page answers that stands for a member's answer.
pub(super) fn service_of(head: &[u8], page: &Page, world: &World) -> Option<Arc<Balancer>> {
    if matches!(page.status().0, 400..500) {
        return None;
    }
    let mut slots = FieldSlots::default();
    let head = RawHead::parse(head, &mut slots).ok()?;
    world.shared.routes().find(head.fields.first("host")?).map(Arc::clone)
}
