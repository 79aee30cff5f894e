//! What becomes of requests, for the access log.

use crate::http::message::fields::FieldSlots;
use crate::http::message::head::RawHead;
use crate::proxy::access_line::{AccessEntry, RequestEnd, RequestOutcome};
use crate::proxy::exchange::ProxiedRequest;
use crate::proxy::pages::Page;
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

/// Counts a page that stands for a member's answer, at the service that it is of.
pub(super) fn count_page(head: &[u8], page: &Page, world: &World) {
    let status = page.status().0;
    let mut slots = FieldSlots::default();
    if matches!(status, 400..500) {
        return;
    }
    if let Ok(head) = RawHead::parse(head, &mut slots)
        && let Some(host) = head.fields.first("host")
        && let Some(service) = world.shared.routes().find(host)
    {
        service.counts.answered_without_member(status);
    }
}
