//! Gauges that clients raise for a time, to be scraped: what an autoscaler on custom metrics looks at.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Most different gauges.
pub const MOST_GAUGES: usize = 100;
/// Most bumps that last, over all gauges.
const MOST_BUMPS: usize = 1000;
/// Longest name: a hundred of them, three times each, still fit into a page of the size that connections are counted with.
const NAME_BYTES: usize = 100;
/// What the names of our own metrics, those that every Prometheus client has, and those that a Prometheus writes itself
/// about its scrapes and alerts begin with.
const RESERVED: [&str; 6] = ["testero", "process_", "go_", "scrape_", "ALERTS", "__"];
/// 1 or 0 for each target, written by the Prometheus that scrapes it.
const UP: &str = "up";
/// What the names of other kinds of metrics end with.
const SUFFIXES: [&str; 6] = ["_total", "_info", "_bucket", "_count", "_sum", "_created"];

/// Gauges in the order of their names; one that was bumped stays, at 0, until its place is needed.
#[derive(Debug, Default)]
pub struct CustomMetrics(Mutex<Vec<Gauge>>);

#[derive(Debug)]
struct Gauge {
    name: String,
    increments: Vec<(f64, Instant)>,
}

/// Why a gauge was not raised, in words.
#[derive(Debug, PartialEq, Eq)]
pub enum MetricRefused {
    /// What was asked for will not do.
    Invalid(String),
    /// There are too many; they pass.
    Full(String),
}

impl CustomMetrics {
    /// Raises `name` by `delta` for so long.
    ///
    /// # Errors
    /// Why the name will not do, or that there are too many.
    pub fn add(&self, name: &str, delta: f64, length: Duration) -> Result<(), MetricRefused> {
        check_name(name).map_err(MetricRefused::Invalid)?;
        if !delta.is_finite() {
            return Err(MetricRefused::Invalid(String::from("the delta is not a finite number")));
        }
        let now = Instant::now();
        let mut gauges = lock(&self.0);
        forget(&mut gauges, now);
        if gauges.iter().map(|gauge| gauge.increments.len()).sum::<usize>() >= MOST_BUMPS {
            return Err(MetricRefused::Full(format!("{MOST_BUMPS} bumps last already")));
        }
        let until = now + length;
        match gauges.binary_search_by(|gauge| gauge.name.as_str().cmp(name)) {
            Ok(place) => gauges[place].increments.push((delta, until)),
            Err(_) if gauges.len() >= MOST_GAUGES => {
                // One that nothing bumps any more makes room.
                let Some(idle) = gauges.iter().position(|gauge| gauge.increments.is_empty()) else {
                    return Err(MetricRefused::Full(format!("there are {MOST_GAUGES} gauges already")));
                };
                gauges.remove(idle);
                let place = gauges.partition_point(|gauge| gauge.name.as_str() < name);
                gauges.insert(place, Gauge { name: name.to_owned(), increments: vec![(delta, until)] });
            }
            Err(place) => gauges.insert(place, Gauge { name: name.to_owned(), increments: vec![(delta, until)] }),
        }
        Ok(())
    }

    /// Ends all bumps, and forgets the gauges.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// The gauges and their values now, by name.
    pub fn values(&self) -> Vec<(String, f64)> {
        let mut gauges = lock(&self.0);
        forget(&mut gauges, Instant::now());
        let sum = |gauge: &Gauge| gauge.increments.iter().map(|(delta, _)| delta).sum::<f64>() + 0.0;
        gauges.iter().map(|gauge| (gauge.name.clone(), sum(gauge))).collect()
    }
}

fn forget(gauges: &mut [Gauge], now: Instant) {
    gauges.iter_mut().for_each(|gauge| gauge.increments.retain(|(_, until)| *until > now));
}

/// Prometheus' rule for names of metrics, and ours. A colon is for names that recording rules make, not for what is
/// scraped.
fn check_name(name: &str) -> Result<(), String> {
    let sound = name
        .bytes()
        .enumerate()
        .all(|(place, byte)| byte.is_ascii_alphabetic() || byte == b'_' || (place > 0 && byte.is_ascii_digit()));
    if name.is_empty() || !sound {
        return Err(format!("{name:?} is no name of a metric: letters, digits and _, not beginning with a digit"));
    }
    if name == UP {
        return Err(String::from("up is Prometheus' own"));
    }
    if name.len() > NAME_BYTES {
        return Err(format!("a name has at most {NAME_BYTES} bytes"));
    }
    if let Some(suffix) = SUFFIXES.into_iter().find(|suffix| name.ends_with(suffix)) {
        return Err(format!("a gauge's name does not end with {suffix}"));
    }
    match RESERVED.into_iter().find(|prefix| name.starts_with(prefix)) {
        Some(prefix) => Err(format!("names that begin with {prefix} are taken")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(1000);

    #[test]
    fn bumps_add_up_and_pass() {
        let custom_metrics = CustomMetrics::default();
        custom_metrics.add("qps", 5.0, LONG).unwrap();
        custom_metrics.add("qps", -1.5, LONG).unwrap();
        custom_metrics.add("a_b", 1.0, Duration::ZERO).unwrap();
        assert_eq!(custom_metrics.values(), [(String::from("a_b"), 0.0), (String::from("qps"), 3.5)]);
        custom_metrics.clear();
        assert!(custom_metrics.values().is_empty());
    }

    #[test]
    fn names_are_valid_and_not_ours() {
        let custom_metrics = CustomMetrics::default();
        for name in [
            "",
            "5x",
            "a-b",
            "é",
            "testero_x",
            "process_cpu_seconds_total",
            "__name",
            "a b",
            "x\n",
            "testero",
            "a_total",
            "a:b",
            ":a",
            "up",
            "ALERTS",
            "ALERTS_FOR_STATE",
            "scrape_duration_seconds",
        ] {
            assert!(custom_metrics.add(name, 1.0, LONG).is_err(), "{name}");
        }
        for name in ["http_requests_per_second", "http_qps", "uptime", "QPS"] {
            assert_eq!(custom_metrics.add(name, 1.0, LONG), Ok(()), "{name}");
        }
        assert!(
            custom_metrics.add("x", f64::NAN, LONG).is_err() && custom_metrics.add("x", f64::INFINITY, LONG).is_err()
        );
        assert!(custom_metrics.add(&"x".repeat(101), 1.0, LONG).is_err());
    }

    #[test]
    fn there_is_an_end_to_them() {
        let custom_metrics = CustomMetrics::default();
        for number in 0..MOST_GAUGES {
            custom_metrics.add(&format!("g{number}"), 1.0, LONG).unwrap();
        }
        assert!(custom_metrics.add("one_more", 1.0, LONG).is_err());
        for _ in MOST_GAUGES..MOST_BUMPS {
            custom_metrics.add("g1", 1.0, LONG).unwrap();
        }
        assert!(custom_metrics.add("g1", 1.0, LONG).is_err());
        custom_metrics.clear();
        custom_metrics.add("one_more", 1.0, LONG).unwrap();
        assert_eq!(custom_metrics.values().len(), 1);
    }
}
