//! Log lines on stderr: in the format people's scripts look for (`2021/04/04 12:14:04 text`), or as JSON.
//!
//! `RUST_LOG` chooses what is logged (`info` unless it says otherwise), through env_logger.

use std::io::Write;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use crate::kernel::clock;
use crate::settings::Identity;

/// The target of records whose message is an object: its members become those of the line.
pub const FIELDS: &str = "fields";

/// Whether log lines are JSON. Set once, at the start.
static JSON: AtomicBool = AtomicBool::new(false);

/// Whether log lines are JSON: then who has more to tell than a message may use [`FIELDS`].
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Starts logging, and turns panics into one log line instead of a trace.
///
/// A panic in a request is an answer of 500 to that request, so its line belongs beside the others.
pub fn start(as_json: bool, identity: &Identity) {
    let mut logger = env_logger::Builder::new();
    logger.parse_filters(std::env::var("RUST_LOG").as_deref().unwrap_or("info"));
    JSON.store(as_json, Ordering::Relaxed);
    if as_json {
        let identity = identity.clone();
        logger.format(move |line, record| writeln!(line, "{}", json_line(record, &identity)));
    } else {
        logger.format(|line, record| writeln!(line, "{} {}", clock::log_stamp(SystemTime::now()), record.args()));
    }
    logger.target(env_logger::Target::Stderr).init();
    log_panics();
}

/// Starts a log with levels, as the proxy has it: `2026-01-31 12:00:00,123 -  INFO - text`, or JSON, from this level on, whatever RUST_LOG says.
#[cfg(any(feature = "crash", feature = "proxy"))]
pub fn start_at(level: log::LevelFilter, as_json: bool, identity: &Identity) {
    let mut logger = env_logger::Builder::new();
    logger.filter_level(level);
    JSON.store(as_json, Ordering::Relaxed);
    let identity = identity.clone();
    logger.format(move |line, record| {
        if as_json {
            return writeln!(line, "{}", json_line(record, &identity));
        }
        writeln!(line, "{} -  {} - {}", clock::millis_stamp(SystemTime::now()), record.level(), record.args())
    });
    logger.target(env_logger::Target::Stderr).init();
    log_panics();
}

fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("Panic in thread {}: {panic}", thread.name().unwrap_or("without a name"));
    }));
}

fn json_line(record: &log::Record<'_>, identity: &Identity) -> String {
    let mut line = crate::object! {
        "time": clock::utc_stamp(SystemTime::now()),
        "level": record.level().as_str().to_ascii_lowercase(),
    };
    for (name, value) in identity.labels() {
        line = line.with(name, value);
    }
    let message = record.args().to_string();
    if record.target() != FIELDS {
        return line.with("message", message).to_string();
    }
    line.joined(&message).to_string()
}
