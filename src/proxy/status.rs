//! `/status`: services, their members, and how they do, for people and for programs.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use crate::proxy::condition::MemberCondition;
use crate::proxy::counts::StatusClasses;
use crate::proxy::members::Member;
use crate::proxy::services::Balancer;
use crate::proxy::world::ProxyState;
use crate::service::json::{Value, list};
use crate::settings::proxy::config::Strategy;
use crate::sorting::sort_by;
use crate::sync::lock;

/// The headings of the table's columns, before those of the classes.
const HEADINGS: [&str; 6] = ["SERVICE", "MEMBER", "STATE", "UNDER WAY", "IDLE", "IN USE"];

fn strategy(service: &Balancer) -> &'static str {
    match service.strategy {
        Strategy::Random => "RANDOM",
        Strategy::RoundRobin => "RROBIN",
        Strategy::LeastRequests => "LEAST",
    }
}

/// Services by name.
fn sorted<'s>(services: impl Iterator<Item = &'s Balancer>) -> Vec<&'s Balancer> {
    let mut services: Vec<_> = services.collect();
    sort_by(&mut services, &|one, other| one.name.cmp(&other.name));
    services
}

/// As a table.
pub(super) fn text(shared: &ProxyState) -> String {
    let mut heading = Vec::new();
    for labels in [&HEADINGS[..], &StatusClasses::LABELS, &["WHY"]] {
        heading.extend(labels.iter().map(|label| label.to_ascii_uppercase()));
    }
    let mut rows = vec![heading];
    let routes = shared.routes();
    for service in sorted(routes.all()) {
        for member in &service.members {
            let condition = MemberCondition::of(member);
            let (idle, in_use, _) = member.connections.read();
            let under_way = member.under_way.load(Ordering::Relaxed);
            let name = service.name.escape_debug().to_string();
            // A name stands for all of its addresses.
            let is_address = member.address.ip().to_string() == member.server;
            let member_name = if is_address { String::new() } else { format!(" ({})", member.server.escape_debug()) };
            let mut row = vec![name, format!("{}{member_name}", member.address), condition.state.to_owned()];
            row.extend([under_way, idle, in_use].map(|count| count.to_string()));
            row.extend(member.answers.read().map(|count| count.to_string()));
            row.push(condition.reason.unwrap_or_default().escape_debug().to_string());
            rows.push(row);
        }
    }
    let columns = rows[0].len();
    let widths: Vec<_> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0..3 => format!("{cell:<width$}"),
            _ if column + 1 == columns => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for name in &*lock(&shared.unknown_names) {
        let _ = writeln!(out, "\n{} has no address: nothing goes to it", name.escape_debug());
    }
    let clients = shared.metrics.clients.load(Ordering::Relaxed);
    let _ = writeln!(out, "\n{clients} connections of clients");
    if shared.metrics.config_refused.load(Ordering::Relaxed) {
        let _ = writeln!(
            out,
            "\nThe configuration file was refused when it was read last; the log says why. What is here is the old one"
        );
    }
    out
}

/// As JSON.
pub(super) fn json(shared: &ProxyState) -> Value {
    let routes = shared.routes();
    crate::object! {
        "version": env!("CARGO_PKG_VERSION"),
        "draining": shared.is_leaving(),
        "config_refused": shared.metrics.config_refused.load(Ordering::Relaxed),
        "names_without_address": list(&mut lock(&shared.unknown_names).iter().map(|name| Value::of(name))),
        "client_connections": shared.metrics.clients.load(Ordering::Relaxed),
        "services": list(&mut sorted(routes.all()).into_iter().map(service_json)),
    }
}

fn service_json(service: &Balancer) -> Value {
    let counts = &service.counts;
    crate::object! {
        "name": service.name,
        "domain": service.domain,
        "strategy": strategy(service),
        "retries": counts.retries.load(Ordering::Relaxed),
        "available_seconds": counts.availability.milliseconds() as f64 / 1e3,
        "answers_without_member": classes(&counts.memberless),
        "members": list(&mut service.members.iter().map(|member| member_json(member))),
    }
}

fn member_json(member: &Member) -> Value {
    let condition = MemberCondition::of(member);
    let (idle, in_use, made) = member.connections.read();
    crate::object! {
        "member": member.address.to_string(),
        "host": member.server,
        "weight": member.weight,
        "state": condition.state,
        "reason": condition.reason,
        "requests_under_way": member.under_way.load(Ordering::Relaxed),
        "answers": classes(&member.answers),
        "connections": crate::object! { "idle": idle, "in_use": in_use, "made": made },
    }
}

fn classes(classes: &StatusClasses) -> Value {
    let mut object = Value::object();
    for (label, count) in StatusClasses::LABELS.iter().zip(classes.read()) {
        object.add(label, &count);
    }
    object
}
