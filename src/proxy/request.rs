//! What a request's head asks for: a member, or one of the proxy's own pages.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::http::bounds::HEAD_END;
use crate::http::message::fields::{FieldSlots, Fields};
use crate::http::message::head::{Framing, HttpVersion, RawHead, absolute_form, framing, is_authority, keeps_alive};
use crate::http::message::rejection::Rejection;
use crate::proxy::asking::Asking;
use crate::proxy::attempt::NoMember;
use crate::proxy::exchange::ProxiedRequest;
use crate::proxy::head::for_member;
use crate::proxy::identity::forwarded::OwnFields;
use crate::proxy::identity::request_id::RequestId;
use crate::proxy::pages::Page;
use crate::proxy::services::{Balancer, HostRoutes, host_name};
use crate::proxy::world::World;
use crate::settings::proxy::config::{ForwardedStyle, RequestLimits};

/// Methods that are passed on.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
/// Those of them that may be done twice (RFC 9110, 9.2.2).
const IDEMPOTENT: [&str; 6] = ["DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"];

/// What becomes of a request.
pub(super) enum Asked {
    Member(Box<ProxiedRequest>),
    /// All members of this service have as many requests as they may.
    Busy(Arc<Balancer>),
    Page {
        page: Page,
        has_no_body: bool,
        /// Whether the connection goes on after it.
        lives_on: bool,
        /// The request's name, if it has one.
        request_id: Option<RequestId>,
    },
}

/// Reads a whole head, and begins what it asks for.
pub(super) fn read_request(bytes: &[u8], peer: Option<SocketAddr>, world: &mut World) -> Asked {
    let is_head = bytes.starts_with(b"HEAD ");
    let page = |world: &mut World, page: Page, host: Option<&str>, request_id: Option<RequestId>| {
        world.answered(peer, Some(&page), host);
        Asked::Page { page, has_no_body: is_head, lives_on: false, request_id }
    };
    let mut slots = FieldSlots::default();
    let Ok(head) = RawHead::parse(bytes, &mut slots) else { return page(world, Page::BadRequest, None, None) };
    if !METHODS.contains(&head.method) {
        return page(world, Page::UnsupportedMethod(head.method.to_owned()), None, None);
    }
    let Ok((host, framing)) = understand(&head) else { return page(world, Page::BadRequest, None, None) };
    let name = String::from_utf8_lossy(host_name(host));
    let shown = Some(&*name).filter(|name| !name.is_empty());
    let routes = world.shared.routes();
    let request_id = |world: &mut World| request_id(&head.fields, &routes, world);
    let Some(service) = routes.find(host).map(Arc::clone) else {
        match shown {
            Some(name) => log::warn!("unknown host: {}", name.escape_debug()),
            None => log::warn!("no host in the request"),
        }
        let request_id = request_id(world);
        return page(world, Page::BadRequest, shown, request_id);
    };
    if let Some(too_large) = too_large(bytes, framing, service.limits) {
        let request_id = request_id(world);
        return page(world, too_large, shown, request_id);
    }
    let keep_alive = keeps_alive(&head.fields, head.version) && head.method != "CONNECT";
    if world.shared.is_dry_run {
        world.answered(peer, None, shown);
        let lives_on = keep_alive && framing == Framing::Empty;
        return Asked::Page { page: Page::DryRun, has_no_body: is_head, lives_on, request_id: request_id(world) };
    }
    let upgrades = head.version == HttpVersion::Http11
        && head.fields.lists("connection", "upgrade")
        && head.fields.first("upgrade").is_some();
    let asking = Asking {
        version: head.version,
        keep_alive,
        is_head,
        is_idempotent: IDEMPOTENT.contains(&head.method),
        expects_continue: head.version == HttpVersion::Http11
            && framing != Framing::Empty
            && head.fields.lists("expect", "100-continue"),
        upgrades,
        is_connect: head.method == "CONNECT",
        host: (*name != service.domain).then(|| Box::from(&*name)),
        request_id: request_id(world),
    };
    let (style, client) = (routes.clients.forwarded, peer.map(|peer| peer.ip()));
    let is_trusted = style != ForwardedStyle::Off && routes.clients.trusts(client);
    let own = OwnFields { style, is_trusted, client, host, request_id: asking.request_id.as_ref() };
    let mut sent = world.take_scratch();
    for_member(&mut sent, &head, framing, upgrades, &own);
    let began = ProxiedRequest::begin(asking, Arc::clone(&service), &sent, framing, world);
    world.scratch = sent;
    match began {
        Ok(exchange) => Asked::Member(exchange),
        Err(NoMember::Busy) => Asked::Busy(service),
        Err(NoMember::Unreachable) => {
            log::error!("502 for {name}: no member can be reached");
            // No member has seen the one that it had.
            let request_id = request_id(world);
            page(world, Page::BadGateway, shown, request_id)
        }
    }
}

/// What a service says that does not take so large a request, as far as its head tells.
fn too_large(head: &[u8], framing: Framing, limits: RequestLimits) -> Option<Page> {
    let head_limit = limits.head.filter(|limit| head.len() - HEAD_END > *limit);
    let is_over = |limit: &u64| matches!(framing, Framing::Length(length) if length > *limit);
    head_limit.map(Page::HeadTooLarge).or_else(|| limits.body.filter(is_over).map(Page::BodyTooLarge))
}

/// The name of a request, if it has one: the client's own, or a new one.
fn request_id(fields: &Fields<'_>, routes: &HostRoutes, world: &mut World) -> Option<RequestId> {
    let make = || RequestId::sent(fields).unwrap_or_else(|| world.request_ids.make());
    routes.clients.request_id.then(make)
}

/// The same, for one that was read before.
pub(super) fn request_id_of(bytes: &[u8], world: &mut World) -> Option<RequestId> {
    let mut slots = FieldSlots::default();
    let head = RawHead::parse(bytes, &mut slots).ok()?;
    request_id(&head.fields, &world.shared.routes(), world)
}

/// The host that a request is for, and where its body ends.
fn understand<'b>(head: &RawHead<'b>) -> Result<(&'b [u8], Framing), Rejection> {
    const HOST: Rejection = Rejection::new(400, "not exactly one sound Host");
    let framing = framing(&head.fields, head.version)?;
    if framing == Framing::Length(u64::MAX) {
        // More than 64 bits hold: members that do not notice find another end.
        return Err(Rejection::new(400, "a Content-Length that nobody can count to"));
    }
    let host = one_host(&head.fields)?;
    match absolute_form(head.target) {
        // Whom it names must be whom Host names: which of them counts differs from server to server.
        Some((authority, path)) => {
            let agrees = is_authority(authority) && authority.eq_ignore_ascii_case(host) && !path.starts_with(b"?");
            if agrees { Ok((host, framing)) } else { Err(HOST) }
        }
        None => {
            let is_path = head.target.starts_with(b"/");
            let is_other = head.target == b"*" && head.method == "OPTIONS" || head.method == "CONNECT";
            let is_sound = is_path || is_other && is_authority_or_star(head.target);
            if is_sound { Ok((host, framing)) } else { Err(Rejection::new(400, "the target is no path")) }
        }
    }
}

fn is_authority_or_star(target: &[u8]) -> bool {
    target == b"*" || is_authority(target)
}

/// The one Host; empty where there is none, which is for no service.
fn one_host<'b>(fields: &Fields<'b>) -> Result<&'b [u8], Rejection> {
    let mut hosts = fields.all("host");
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(b""),
        (Some(host), None) if is_authority(host) => Ok(host),
        _ => Err(Rejection::new(400, "not exactly one sound Host")),
    }
}
