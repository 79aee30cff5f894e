//! What every role tells a Prometheus: its build, its answers, its process.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::{Answer, Request, content};
use crate::kernel::clock::ProcessStart;
use crate::kernel::process::Figures;
use crate::kernel::{Kernel, rlimit};
use crate::service::exposition::{Exposition, MetricKind, prefers_open};
use crate::service::http_metrics::{BOUNDS, HttpMetrics, RouteMetrics, STATUSES};
use crate::settings::Identity;
use crate::units::decimal::Plain;

/// Begins a page in the format that the scraper prefers.
pub fn begin(request: &Request<'_>, identity: &Identity) -> Exposition {
    let accept = request.fields.first("Accept").unwrap_or_default();
    let mut page = Exposition::new(prefers_open(&String::from_utf8_lossy(accept)));
    let mut labels = vec![("version", env!("CARGO_PKG_VERSION"))];
    labels.extend(identity.labels());
    page.family("testero_build", MetricKind::Info, "The version, and which pod this is.");
    page.sample("_info", &labels, &1);
    page
}

/// The answer that the page is.
pub fn finish(page: Exposition) -> Answer {
    content(200, page.content_type(), page.finish()).into()
}

/// How often each route was asked, what the answers were, and how long they took.
pub fn http(tally: &HttpMetrics, page: &mut Exposition) {
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    // Routes that nobody has asked for yet would be most of the page.
    let asked: Vec<_> =
        tally.routes().iter().filter(|route| route.statuses.iter().any(|count| of(count) > 0)).collect();
    page.family("testero_http_requests", MetricKind::Counter, "Requests answered, by route and status.");
    for RouteMetrics { name: route, statuses, .. } in &asked {
        for (status, count) in STATUSES.iter().zip(statuses) {
            if of(count) > 0 {
                let code = if *status == 0 { String::from("other") } else { status.to_string() };
                page.sample("_total", &[("route", *route), ("code", &code)], &of(count));
            }
        }
    }
    page.family(
        "testero_http_request_duration_seconds",
        MetricKind::Histogram,
        "How long answers took, without the brake.",
    );
    for RouteMetrics { name: route, times, total_us, .. } in &asked {
        let mut below = 0;
        for (place, count) in times.iter().enumerate() {
            below += of(count);
            let bound = BOUNDS.get(place).map_or_else(|| String::from("+Inf"), |ms| bound_text(*ms));
            page.sample("_bucket", &[("route", route), ("le", &bound)], &below);
        }
        page.sample("_sum", &[("route", route)], &Plain(of(total_us) as f64 / 1e6));
        page.sample("_count", &[("route", route)], &below);
    }
}

/// What the process uses, under the names that every client library has.
pub fn process(kernel: &Kernel, started: &ProcessStart, page: &mut Exposition) {
    let figures = Figures::read(kernel);
    page.counter("process_cpu_seconds", "CPU time used, in seconds.", &Plain(figures.cpu_seconds));
    page.gauge("process_resident_memory_bytes", "Resident memory, in bytes.", &figures.resident);
    page.gauge("process_virtual_memory_bytes", "Address space, in bytes.", &figures.address_space);
    page.gauge("process_threads", "Threads.", &figures.threads);
    if let Ok(open) = kernel.descriptors_open() {
        page.gauge("process_open_fds", "Open descriptors.", &open);
    }
    if let Some(most) = rlimit::descriptors() {
        page.gauge("process_max_fds", "Most open descriptors.", &most);
    }
    page.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since the epoch.",
        &Plain(started.since_epoch),
    );
}

/// A bound in seconds. OpenMetrics wants whole numbers with a point as well.
fn bound_text(ms: u64) -> String {
    let text = Plain(ms as f64 / 1e3).to_string();
    if text.contains('.') { text } else { text + ".0" }
}
