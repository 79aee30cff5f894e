//! How often what happened: a line an event in a file that all parts append to. A part that is killed has told of all
//! before.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is counted. Zeros are told as well: a test in which something never happened says nothing about it.
pub const EVENTS: [&str; 6] =
    ["crashes in doubt", "torn tails cut", "fenced", "stale", "handovers", "transactions rolled back"];

/// Where it is counted; without a file, nowhere.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Option<PathBuf>);

impl Coverage {
    /// Counts in this file.
    pub fn at(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// One more.
    pub fn count(&self, event: &'static str) {
        debug_assert!(EVENTS.contains(&event), "{event}");
        let Some(path) = &self.0 else { return };
        // A count that is lost to a full disk is no reason to stop.
        let file = OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(format!("{event}\n").as_bytes()));
    }

    /// All counts of a file.
    pub fn read(path: &Path) -> Vec<(&'static str, u64)> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut counts: Vec<(&str, u64)> = EVENTS.iter().map(|event| (*event, 0)).collect();
        for line in text.lines() {
            if let Some((_, count)) = counts.iter_mut().find(|(event, _)| *event == line) {
                *count += 1;
            }
        }
        counts
    }
}
