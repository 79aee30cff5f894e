//! Files that are built in: examples, the recording of one of them, and the schema.

use crate::packed::{unpacked_one, unpacked_text};

/// A file that is built in.
#[derive(Debug)]
pub struct ScenarioExample {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    content: ExampleContent,
}

#[derive(Debug)]
enum ExampleContent {
    /// One of those that build.rs packed as one.
    Scenario(usize),
    /// The recording.
    Day,
}

/// All of them.
pub const EXAMPLES: [ScenarioExample; 6] = [
    plain("day", "a day's traffic in ten minutes, from the recording day.csv", 0),
    ScenarioExample { name: "day.csv", about: "the recording: a point a minute", content: ExampleContent::Day },
    plain("leak", "memory that leaks until the limit", 1),
    plain("neighbour", "a noisy neighbour: bursts of CPU and of disk", 2),
    plain("spikes", "spikes at random, different in each replica", 3),
    plain("week", "a week's pattern, for a vertical autoscaler", 4),
];

const fn plain(name: &'static str, about: &'static str, place: usize) -> ScenarioExample {
    ScenarioExample { name, about, content: ExampleContent::Scenario(place) }
}

impl ScenarioExample {
    /// What is in it.
    pub fn text(&self) -> String {
        match self.content {
            ExampleContent::Scenario(place) => {
                unpacked_one(include_bytes!(concat!(env!("OUT_DIR"), "/scenarios.deflate")), place)
            }
            ExampleContent::Day => unpacked_text(include_bytes!(concat!(env!("OUT_DIR"), "/day.deflate"))),
        }
    }
}

/// The JSON Schema of a scenario's file.
pub fn schema() -> String {
    unpacked_text(include_bytes!(concat!(env!("OUT_DIR"), "/schema.deflate")))
}

/// The names of all examples, a line each.
pub(super) fn list() -> String {
    let mut all = String::new();
    for ScenarioExample { name, about, .. } in &EXAMPLES {
        all.push_str(&format!("{name:11}{about}\n"));
    }
    all
}
