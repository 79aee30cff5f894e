//! Log lines on stderr, in the format people's scripts look for: `2021/04/04 12:14:04 text`.
//!
//! `RUST_LOG` chooses what is logged (`info` unless it says otherwise), through env_logger.

use std::io::Write;
use std::panic;
use std::time::SystemTime;

use crate::clock;

/// Starts logging, and turns panics into one log line instead of a trace.
///
/// A panic in a request is an answer of 500 to that request, so its line belongs beside the others.
pub fn start() {
    let environment = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(environment)
        .format(|line, record| writeln!(line, "{} {}", clock::log_stamp(SystemTime::now()), record.args()))
        .target(env_logger::Target::Stderr)
        .init();
    panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("Panic in thread {}: {panic}", thread.name().unwrap_or("without a name"));
    }));
}
