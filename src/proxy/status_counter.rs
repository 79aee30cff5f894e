//! How often each client was answered about each host: by threads that know their counters.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// Most values of a label that clients choose; all further ones are [`OTHER`].
pub(super) const MOST_VALUES: usize = 1000;
/// Most series: clients by errors by hosts would be too many. All further ones are those of [`OTHER`].
const MOST_SERIES: usize = 10_000;
/// Most bytes of a host that is a value: no name is longer (RFC 1035, 2.3.4).
const HOST_BYTES: usize = 255;
/// Most counters that one thread remembers.
const MOST_REMEMBERED: usize = 1000;
const OTHER: &str = "other";
const NONE: &str = "None";

/// The counters of all threads, by client, own error (0 is none) and host.
#[derive(Default)]
pub(super) struct StatusSeries(Mutex<SeriesTable>);

/// Client, own error and host.
type SeriesKey = (String, u16, String);

/// All lists are sorted: a new value, which is rare, moves those behind it.
#[derive(Default)]
struct SeriesTable {
    /// In the order of their keys.
    counters: Vec<(SeriesKey, Arc<AtomicU64>)>,
    clients: Vec<String>,
    hosts: Vec<String>,
}

impl StatusSeries {
    fn counter(&self, client: Option<IpAddr>, error: u16, host: &str) -> Arc<AtomicU64> {
        let table = &mut *lock(&self.0);
        let client = client.map_or_else(|| String::from(NONE), |client| client.to_string());
        let host = if host.len() > HOST_BYTES { OTHER } else { host };
        let key = (bounded(&mut table.clients, client), error, bounded(&mut table.hosts, host.to_owned()));
        if table.counters.len() >= MOST_SERIES && table.place(&key).is_err() {
            return table.counter((String::from(OTHER), error, String::from(OTHER)));
        }
        table.counter(key)
    }

    /// Client, error, host and count of each.
    pub(super) fn each(&self, mut tell: impl FnMut(&str, u16, &str, u64)) {
        for ((client, error, host), count) in &lock(&self.0).counters {
            tell(client, *error, host, count.load(Ordering::Relaxed));
        }
    }
}

impl SeriesTable {
    /// Where a key is, or where it would have to be.
    fn place(&self, key: &SeriesKey) -> Result<usize, usize> {
        self.counters.binary_search_by(|(known, _)| known.cmp(key))
    }

    /// The counter of a key, which may be new.
    fn counter(&mut self, key: SeriesKey) -> Arc<AtomicU64> {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.counters.insert(place, (key, Arc::default()));
            place
        });
        Arc::clone(&self.counters[place].1)
    }
}

fn bounded(seen: &mut Vec<String>, value: String) -> String {
    match seen.binary_search(&value) {
        Ok(_) => value,
        Err(_) if seen.len() == MOST_VALUES => String::from(OTHER),
        Err(place) => {
            seen.insert(place, value.clone());
            value
        }
    }
}

/// Counters by error.
type ErrorCounters = Vec<(u16, Arc<AtomicU64>)>;

/// The counters that one thread remembers, so that it neither locks nor allocates for those it has met.
#[derive(Default)]
pub(super) struct StatusCounter {
    known: HashMap<Option<IpAddr>, HashMap<Box<str>, ErrorCounters>>,
    remembered: usize,
}

impl StatusCounter {
    /// One more answer.
    pub(super) fn count(&mut self, series: &StatusSeries, client: Option<IpAddr>, error: u16, host: Option<&str>) {
        let client = client.map(|client| client.to_canonical());
        let is_told = host.is_some();
        let mut host = Cow::Borrowed(host.unwrap_or(NONE));
        if is_told && host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            host.to_mut().make_ascii_lowercase();
        }
        let known = self.known.get(&client).and_then(|hosts| hosts.get(&*host));
        if let Some((_, counter)) = known.and_then(|counters| counters.iter().find(|(one, _)| *one == error)) {
            counter.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let counter = series.counter(client, error, &host);
        counter.fetch_add(1, Ordering::Relaxed);
        if self.remembered == MOST_REMEMBERED {
            *self = Self::default();
        }
        if host.len() <= HOST_BYTES {
            self.remembered += 1;
            let hosts = self.known.entry(client).or_default();
            hosts.entry(Box::from(&*host)).or_default().push((error, counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(series: &StatusSeries) -> Vec<(String, u16, String, u64)> {
        let mut all = Vec::new();
        series.each(|client, error, host, count| all.push((client.to_owned(), error, host.to_owned(), count)));
        all
    }

    #[test]
    fn threads_count_together() {
        let series = StatusSeries::default();
        let client = Some(IpAddr::from([127, 0, 0, 1]));
        let (mut one, mut other) = (StatusCounter::default(), StatusCounter::default());
        for _ in 0..3 {
            one.count(&series, client, 0, Some("H1"));
            other.count(&series, client, 0, Some("h1"));
            other.count(&series, client, 502, Some("h1"));
            other.count(&series, None, 400, None);
        }
        let row = |client: &str, error, host: &str, count| (client.to_owned(), error, host.to_owned(), count);
        assert_eq!(
            all(&series),
            [row("127.0.0.1", 0, "h1", 6), row("127.0.0.1", 502, "h1", 3), row("None", 400, "None", 3)]
        );
    }

    #[test]
    fn neither_series_nor_what_is_remembered_grows_without_end() {
        let series = StatusSeries::default();
        let mut counter = StatusCounter::default();
        let mut counted = 0;
        for client in 0..1100_u32 {
            for host in 0..11 {
                counter.count(&series, Some(IpAddr::from(client.to_be_bytes())), 0, Some(&format!("h{host}")));
                counted += 1;
            }
        }
        counter.count(&series, None, 0, Some(&"h".repeat(HOST_BYTES + 1)));
        counted += 1;
        let all = all(&series);
        assert!(all.len() <= MOST_SERIES + 1, "{}", all.len());
        assert_eq!(all.iter().map(|(.., count)| count).sum::<u64>(), counted);
        assert!(all.iter().all(|(_, _, host, _)| host.len() < 10));
        assert!(counter.remembered <= MOST_REMEMBERED);
    }
}
