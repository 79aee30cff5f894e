//! A page of metrics, read strictly: by hand, so that it does not depend on what the program thinks of the formats.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::Testero;

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// A page that was found to be sound.
pub struct Page {
    /// Kinds by the names that TYPE lines have.
    pub families: BTreeMap<String, String>,
    pub samples: Vec<(String, Labels, f64)>,
}

impl Page {
    /// Scrapes and checks.
    pub fn classic(testero: &Testero) -> Self {
        Self::check(&testero.get("/metrics"), false)
    }

    /// Reads a page, and fails the test where it is not as the format has it.
    pub fn check(text: &str, open: bool) -> Self {
        assert!(text.ends_with('\n'));
        assert_eq!(text.matches("# EOF").count(), usize::from(open));
        let text = if open { text.strip_suffix("# EOF\n").unwrap() } else { text };
        let (mut families, mut samples) = (BTreeMap::new(), Vec::new());
        let (mut helped, mut current) = (String::new(), (String::new(), String::new()));
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.trim().is_empty(), "{line}");
                helped = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(helped, name, "HELP comes right before TYPE");
                assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes in two places");
                current = (name.to_owned(), kind.to_owned());
            } else {
                let (name, labels, value) = sample(line);
                let suffix = name.strip_prefix(&current.0).unwrap_or_else(|| panic!("{line} is none of {current:?}"));
                let fine = match (&*current.1, open) {
                    ("gauge", _) => suffix.is_empty(),
                    ("counter", true) => suffix == "_total",
                    ("counter", false) => suffix.is_empty() && name.ends_with("_total"),
                    ("info", true) => suffix == "_info" && value == 1.0,
                    ("histogram", _) => ["_bucket", "_sum", "_count"].contains(&suffix),
                    _ => false,
                };
                assert!(fine, "{line} is wrong in {current:?}");
                assert!(!matches!(&*current.1, "counter" | "histogram") || value >= 0.0, "{line}");
                assert!(seen.insert((name.clone(), labels.clone())), "{line} comes twice");
                samples.push((name, labels, value));
            }
        }
        let page = Self { families, samples };
        page.check_histograms();
        page
    }

    fn check_histograms(&self) {
        for name in self.families.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for (_, labels, value) in self.of(&format!("{name}_bucket")) {
                let mut labels = labels.clone();
                let bound = labels.remove("le").unwrap();
                buckets.entry(labels).or_default().push((bound.replace("+Inf", "inf").parse().unwrap(), *value));
            }
            for (labels, buckets) in buckets {
                assert!(
                    buckets.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1),
                    "{name} {labels:?} {buckets:?}"
                );
                let last = buckets.last().unwrap();
                assert!(last.0.is_infinite(), "{name} {labels:?}");
                let single = |suffix: &str| {
                    let full = format!("{name}{suffix}");
                    let mut all = self.of(&full).filter(|(_, found, _)| *found == labels);
                    all.next().unwrap_or_else(|| panic!("no {name}{suffix} of {labels:?}")).2
                };
                assert_eq!(single("_count"), last.1, "{name} {labels:?}");
                assert!(single("_sum") >= 0.0);
            }
        }
    }

    pub fn of(&self, name: &str) -> impl Iterator<Item = &(String, Labels, f64)> {
        self.samples.iter().filter(move |(found, ..)| found == name)
    }

    /// The value of a sample with these labels among its own.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |found: &Labels| labels.iter().all(|(name, value)| found.get(*name).is_some_and(|own| own == value));
        self.of(name).find(|(_, found, _)| fits(found)).map(|(.., value)| *value)
    }

    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("there is no {name} {labels:?}"))
    }

    /// The routes that are told of.
    pub fn routes(&self) -> BTreeSet<&str> {
        self.samples.iter().filter_map(|(_, labels, _)| Some(labels.get("route")?.as_str())).collect()
    }
}

/// `name{label="value"} 1`, taken apart.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let is_name = |name: &str, more: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(c);
        name.starts_with(|c: char| fine(c) && !c.is_ascii_digit()) && name.chars().all(fine)
    };
    assert!(is_name(name, ":"), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while let Some((label, after)) = rest.split_once("=\"") {
            assert!(is_name(label, ""), "{line}");
            let (mut value, mut letters) = (String::new(), after.char_indices());
            let end = loop {
                match letters.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => match letters.next().unwrap().1 {
                        'n' => value.push('\n'),
                        letter @ ('\\' | '"') => value.push(letter),
                        other => panic!("\\{other} in {line}"),
                    },
                    (_, letter) => value.push(letter),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = rest.strip_prefix('}').unwrap();
    }
    let value = rest.strip_prefix(' ').unwrap();
    assert!(!value.contains([' ', '#']), "{line} has more than a value");
    (name.to_owned(), labels, value.parse().unwrap())
}
