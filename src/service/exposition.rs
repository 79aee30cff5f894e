//! Metrics as a Prometheus scrapes them: the classic text format 0.0.4, or OpenMetrics 1.0 for who asks for it.
//!
//! An encoder of our own, because the two differ in small ways that matter to checkers (a counter's family is called
//! `x_total` in one and `x` in the other), and because what is shown is read at that moment anyway: there is no registry.

use std::fmt::{self, Display, Write};

use crate::units::decimal::{Plain, float};

/// How a family is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only ever rises. Its samples are called `…_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
    /// Always 1; what counts are the labels. Its sample is called `…_info`.
    Info,
}

/// Labels of a sample: names that are ours, and values that are escaped.
pub type Labels<'l> = &'l [(&'l str, &'l str)];

/// What a sample can be: no `f64`, whose own formatter would be 12 KiB of the binary; [`Plain`] is.
pub trait SampleValue: Display {}

impl SampleValue for u8 {}
impl SampleValue for i32 {}
impl SampleValue for u64 {}
impl SampleValue for usize {}
impl SampleValue for Plain {}

/// A page of metrics.
pub struct Exposition {
    page: String,
    open: bool,
    family: &'static str,
}

impl Exposition {
    /// An empty page, in OpenMetrics if `open`.
    pub fn new(open: bool) -> Self {
        Self { page: String::with_capacity(16 * 1024), open, family: "" }
    }

    /// The content type of this page.
    pub fn content_type(&self) -> &'static str {
        if self.open {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        }
    }

    /// Begins a family. `name` is without the suffix that its kind brings.
    pub fn family(&mut self, name: &'static str, kind: MetricKind, help: &str) {
        self.family = name;
        self.head(name, kind, help);
    }

    fn head(&mut self, name: &str, kind: MetricKind, help: &str) {
        let (suffix, kind) = match (kind, self.open) {
            (MetricKind::Counter, true) => ("", "counter"),
            (MetricKind::Counter, false) => ("_total", "counter"),
            (MetricKind::Info, true) => ("", "info"),
            (MetricKind::Info, false) => ("_info", "gauge"),
            (MetricKind::Gauge, _) => ("", "gauge"),
            (MetricKind::Histogram, _) => ("", "histogram"),
        };
        self.push(format_args!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
    }

    /// A sample of the family, with the suffix that its kind brings: `_total`, `_info`, `_bucket` ….
    pub fn sample(&mut self, suffix: &str, labels: Labels<'_>, value: &dyn SampleValue) {
        let family = self.family;
        self.push(format_args!("{family}{suffix}{} {value}\n", Braces(labels)));
    }

    /// A family of one gauge.
    pub fn gauge(&mut self, name: &'static str, help: &str, value: &dyn SampleValue) {
        self.family(name, MetricKind::Gauge, help);
        self.sample("", &[], value);
    }

    /// A family of one counter; `name` without `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str, value: &dyn SampleValue) {
        self.family(name, MetricKind::Counter, help);
        self.sample("_total", &[], value);
    }

    /// A gauge of somebody else's name, which must be a valid one.
    pub fn foreign_gauge(&mut self, name: &str, help: &str, value: &dyn SampleValue) {
        self.head(name, MetricKind::Gauge, help);
        self.push(format_args!("{name} {value}\n"));
    }

    /// The page.
    pub fn finish(mut self) -> String {
        if self.open {
            self.page.push_str("# EOF\n");
        }
        self.page
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = self.page.write_fmt(text);
    }
}

/// `{name="value",…}`, or nothing.
struct Braces<'l>(Labels<'l>);

impl Display for Braces<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            write!(out, "{}{name}=\"", if place == 0 { '{' } else { ',' })?;
            for letter in value.chars() {
                match letter {
                    '\\' => out.write_str("\\\\")?,
                    '"' => out.write_str("\\\"")?,
                    '\n' => out.write_str("\\n")?,
                    other => out.write_char(other)?,
                }
            }
            out.write_char('"')?;
        }
        if self.0.is_empty() { Ok(()) } else { out.write_char('}') }
    }
}

/// Whether a scraper that accepts `accept` prefers OpenMetrics.
pub fn prefers_open(accept: &str) -> bool {
    let quality = |kind: &str| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let quality = |part: &str| part.strip_prefix("q=").and_then(float);
            (parts.next()?.eq_ignore_ascii_case(kind)).then(|| parts.find_map(quality).unwrap_or(1.0))
        });
        ranges.fold(0.0, f64::max)
    };
    let open = quality("application/openmetrics-text");
    open > 0.0 && open >= quality("text/plain")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(open: bool) -> String {
        let mut page = Exposition::new(open);
        page.counter("a_requests", "Requests.", &5);
        page.family("a_build", MetricKind::Info, "Build.");
        page.sample("_info", &[("version", "1\"\\\n")], &1);
        page.family("a_seconds", MetricKind::Histogram, "Time.");
        page.sample("_bucket", &[("route", "/x"), ("le", "0.5")], &1);
        page.foreign_gauge("qps", "Bumped.", &crate::units::decimal::Plain(2.5));
        page.finish()
    }

    #[test]
    fn the_classic_format_names_counters_in_full() {
        let text = "# HELP a_requests_total Requests.\n# TYPE a_requests_total counter\na_requests_total 5\n\
            # HELP a_build_info Build.\n# TYPE a_build_info gauge\na_build_info{version=\"1\\\"\\\\\\n\"} 1\n\
            # HELP a_seconds Time.\n# TYPE a_seconds histogram\na_seconds_bucket{route=\"/x\",le=\"0.5\"} 1\n\
            # HELP qps Bumped.\n# TYPE qps gauge\nqps 2.5\n";
        assert_eq!(page(false), text);
    }

    #[test]
    fn openmetrics_names_families_and_ends() {
        let page = page(true);
        assert!(page.starts_with("# HELP a_requests Requests.\n# TYPE a_requests counter\na_requests_total 5\n"));
        assert!(page.contains("# TYPE a_build info\na_build_info{") && page.ends_with("\n# EOF\n"));
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        for (accept, open) in [
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", true),
            ("application/openmetrics-text", true),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.9", false),
            ("application/openmetrics-text;q=0", false),
            ("text/plain", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(prefers_open(accept), open, "{accept}");
        }
    }
}
