//! Files that are built in: examples, the recording of one of them, and the schema.

use crate::packed::unpacked;

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
    Plain(&'static str),
    /// With LZ4, its size before it.
    Packed(&'static [u8]),
}

/// All of them.
pub const EXAMPLES: [ScenarioExample; 6] = [
    plain("day", "a day's traffic in ten minutes, from the recording day.csv", include_str!("examples/day.yaml")),
    ScenarioExample {
        name: "day.csv",
        about: "the recording: a point a minute",
        content: ExampleContent::Packed(include_bytes!(concat!(env!("OUT_DIR"), "/day.deflate"))),
    },
    plain("leak", "memory that leaks until the limit", include_str!("examples/leak.yaml")),
    plain("neighbour", "a noisy neighbour: bursts of CPU and of disk", include_str!("examples/neighbour.yaml")),
    plain("spikes", "spikes at random, different in each replica", include_str!("examples/spikes.yaml")),
    plain("week", "a week's pattern, for a vertical autoscaler", include_str!("examples/week.yaml")),
];

const fn plain(name: &'static str, about: &'static str, text: &'static str) -> ScenarioExample {
    ScenarioExample { name, about, content: ExampleContent::Plain(text) }
}

impl ScenarioExample {
    /// What is in it.
    pub fn text(&self) -> String {
        match self.content {
            ExampleContent::Plain(text) => text.to_owned(),
            ExampleContent::Packed(packed) => text_of(packed),
        }
    }
}

/// The JSON Schema of a scenario's file.
pub fn schema() -> String {
    text_of(include_bytes!(concat!(env!("OUT_DIR"), "/schema.deflate")))
}

/// The names of all examples, a line each.
pub(super) fn list() -> String {
    let mut all = String::new();
    for ScenarioExample { name, about, .. } in &EXAMPLES {
        all.push_str(&format!("{name:11}{about}\n"));
    }
    all
}

fn text_of(packed: &[u8]) -> String {
    String::from_utf8(unpacked(packed)).unwrap_or_default()
}
