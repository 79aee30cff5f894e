//! What is counted, as Prometheus reads it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::proxy::members::Member;
use crate::proxy::pages::Page;
use crate::proxy::services::Balancer;
use crate::proxy::status_counter::{StatusCounter, StatusSeries};
use crate::proxy::times::Order;
use crate::sorting::sort_by;

/// What is counted of all services together.
#[derive(Default)]
pub(super) struct ProxyMetrics {
    status: StatusSeries,
    /// Answers of the proxy's own, by [`PAGES`].
    pages: [AtomicU64; PAGES.len()],
    /// Connections of clients: now, and that there ever were.
    pub(super) clients: AtomicUsize,
    pub(super) clients_accepted: AtomicU64,
    /// Whether the configuration was refused when it was read last.
    pub(super) config_refused: AtomicBool,
    /// When it was taken last, in seconds of the epoch.
    pub(super) config_taken: AtomicU64,
}

/// Statuses of the proxy's own pages; the last stands for any other.
const PAGES: [(u16, &str); 9] = [
    (200, "200"),
    (400, "400"),
    (408, "408"),
    (413, "413"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (0, "other"),
];

impl ProxyMetrics {
    /// A request was answered: with a page of the proxy's own, where it is told. The thread has a `counter` of its own.
    pub(super) fn answered(
        &self,
        counter: &mut StatusCounter,
        peer: Option<SocketAddr>,
        page: Option<&Page>,
        host: Option<&str>,
    ) {
        let host = host.filter(|_| page.is_none_or(|page| page.status().0 != 413));
        let error = page.map_or(0, |page| page.status().0);
        counter.count(&self.status, peer.map(|peer| peer.ip()), error, host);
    }

    /// The configuration was read, and taken or not.
    pub(super) fn configured(&self, is_taken: bool) {
        self.config_refused.store(!is_taken, Ordering::Relaxed);
        if is_taken {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.config_taken.store(now, Ordering::Relaxed);
        }
    }

    /// A page of the proxy's own was sent.
    pub(super) fn page_sent(&self, page: &Page) {
        let status = page.status().0;
        let place = PAGES.iter().position(|(one, _)| *one == status).unwrap_or(PAGES.len() - 1);
        self.pages[place].fetch_add(1, Ordering::Relaxed);
    }

    /// How many pages of each status were sent.
    pub(super) fn pages(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        PAGES.iter().zip(&self.pages).map(|((_, label), count)| (*label, count.load(Ordering::Relaxed)))
    }

    /// The original's metrics, with those of these services.
    pub(super) fn render<'s>(&self, services: impl Iterator<Item = &'s Balancer>) -> String {
        let mut members: Vec<_> = services.flat_map(|service| &service.members).collect();
        sort_by(&mut members, &|one, other| (&one.server, one.port).cmp(&(&other.server, other.port)));
        // Their times are those of all members with this host and port.
        members.dedup_by(|one, other| (&one.server, one.port) == (&other.server, other.port));
        let mut out = String::new();
        let name = "request_processing_seconds";
        let _ = write!(out, "# HELP {name} Time spent processing requests\n# TYPE {name} histogram\n");
        for member in members.iter().filter(|member| !member.times.processing.is_empty()) {
            member.times.processing.write(&mut out, name, &labels(member));
        }
        let name = "socket_exchange_latency_seconds";
        let _ = write!(out, "# HELP {name} Time from sending to the first bytes back\n# TYPE {name} histogram\n");
        for member in &members {
            for (order, label) in Order::ALL {
                let times = &member.times.exchange[order as usize];
                if !times.is_empty() {
                    times.write(&mut out, name, &format!("order=\"{label}\",{}", labels(member)));
                }
            }
        }
        let name = "status_total";
        let _ = write!(out, "# HELP {name} incoming requests status by host\n# TYPE {name} counter\n");
        self.status.each(|client, error, host, count| {
            let error = if error == 0 { String::from("None") } else { error.to_string() };
            let host = escaped(host);
            let _ = writeln!(out, "{name}{{client=\"{client}\",error=\"{error}\",host=\"{host}\"}} {count}.0");
        });
        out
    }
}

fn labels(member: &Member) -> String {
    format!("port=\"{}\",server=\"{}\"", member.port, escaped(&member.server))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::status_counter::MOST_VALUES;
    use crate::settings::proxy::config::ServiceConfig;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn metrics_are_written_as_they_were() {
        let (metrics, mut counter) = (ProxyMetrics::default(), StatusCounter::default());
        let member =
            Arc::new(Member::new("10.0.0.1".into(), 81, SocketAddr::from(([10, 0, 0, 1], 81)), 1, Arc::default(), 0));
        let balancer = Balancer::new(&ServiceConfig::default(), vec![Arc::clone(&member)], 3);
        member.times.answered(Duration::from_millis(60));
        member.times.answered(Duration::from_secs(11));
        member.times.exchanged(Order::HeadAlone, Duration::from_micros(5000));
        let peer = Some(SocketAddr::from(([127, 0, 0, 1], 5)));
        metrics.answered(&mut counter, peer, None, Some("H1"));
        metrics.answered(&mut counter, peer, None, Some("h1"));
        metrics.answered(&mut counter, peer, Some(&Page::BadRequest), None);
        metrics.answered(&mut counter, peer, Some(&Page::HeadTooLarge(1)), Some("h1"));
        let text = metrics.render([&balancer].into_iter());
        for line in [
            "# HELP request_processing_seconds Time spent processing requests",
            "# TYPE request_processing_seconds histogram",
            "request_processing_seconds_bucket{le=\"0.05\",port=\"81\",server=\"10.0.0.1\"} 0.0",
            "request_processing_seconds_bucket{le=\"0.075\",port=\"81\",server=\"10.0.0.1\"} 1.0",
            "request_processing_seconds_bucket{le=\"+Inf\",port=\"81\",server=\"10.0.0.1\"} 2.0",
            "request_processing_seconds_count{port=\"81\",server=\"10.0.0.1\"} 2.0",
            "request_processing_seconds_sum{port=\"81\",server=\"10.0.0.1\"} 11.060000",
            "socket_exchange_latency_seconds_bucket{le=\"0.005\",order=\"None\",port=\"81\",server=\"10.0.0.1\"} 1.0",
            "status_total{client=\"127.0.0.1\",error=\"None\",host=\"h1\"} 2.0",
            "status_total{client=\"127.0.0.1\",error=\"400\",host=\"None\"} 1.0",
            "status_total{client=\"127.0.0.1\",error=\"413\",host=\"None\"} 1.0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn labels_that_clients_choose_are_bounded_and_harmless() {
        let (metrics, mut counter) = (ProxyMetrics::default(), StatusCounter::default());
        for number in 0..3 * MOST_VALUES {
            metrics.answered(&mut counter, None, None, Some(&format!("h{number}\"\n\\")));
        }
        let text = metrics.render(std::iter::empty());
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("status_total{")).collect();
        assert_eq!(lines.len(), MOST_VALUES + 1);
        assert!(lines.iter().any(|line| line.ends_with("host=\"other\"} 2000.0")), "{text}");
        assert!(lines[0].contains("host=\"h0\\\"\\n\\\\\"}"), "{}", lines[0]);
    }
}
