//! Files that are built in: examples of what a file may say of a system, and a beginning of one's own.

use crate::packed::unpacked_one;

/// The names of all of them, which `--print` knows, in the order in which build.rs packed them.
pub const EXAMPLES: [&str; 4] = ["fibonacci", "counter", "pipeline", "proxy"];

/// The one of this name.
pub fn example(name: &str) -> Option<String> {
    let place = EXAMPLES.iter().position(|known| *known == name)?;
    Some(unpacked_one(include_bytes!(concat!(env!("OUT_DIR"), "/systems.deflate")), place))
}
