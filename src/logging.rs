//! Log lines on stderr: in the format people's scripts look for (`2021/04/04 12:14:04 text`), or as JSON.
//!
//! `RUST_LOG` chooses what is logged (`info` unless it says otherwise), through env_logger.

use std::io::Write;
use std::panic;
use std::time::SystemTime;

use log::kv::{self, Key, VisitSource, VisitValue};

use crate::clock;
use crate::json::Value;
use crate::settings::Identity;

/// Starts logging, and turns panics into one log line instead of a trace.
///
/// A panic in a request is an answer of 500 to that request, so its line belongs beside the others.
pub fn start(as_json: bool, identity: &Identity) {
    let environment = env_logger::Env::default().default_filter_or("info");
    let mut logger = env_logger::Builder::from_env(environment);
    if as_json {
        let identity = identity.clone();
        logger.format(move |line, record| writeln!(line, "{}", json_line(record, &identity)));
    } else {
        logger.format(|line, record| writeln!(line, "{} {}", clock::log_stamp(SystemTime::now()), record.args()));
    }
    logger.target(env_logger::Target::Stderr).init();
    panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("Panic in thread {}: {panic}", thread.name().unwrap_or("without a name"));
    }));
}

fn json_line(record: &log::Record<'_>, identity: &Identity) -> Value {
    let mut line = crate::object! {
        "time": clock::utc_stamp(SystemTime::now()),
        "level": record.level().as_str().to_ascii_lowercase(),
        "message": record.args().to_string(),
    };
    for (name, value) in identity.labels() {
        line = line.with(name, value);
    }
    let mut fields = Fields(line);
    // Our own visitor does not fail.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

/// Key-value pairs become members.
struct Fields(Value);

impl<'k> VisitSource<'k> for Fields {
    fn visit_pair(&mut self, key: Key<'k>, value: kv::Value<'k>) -> Result<(), kv::Error> {
        // The keys are those of `audit`, and no others are used.
        const NAMES: [&str; 7] = ["group", "id", "asked", "peer", "agent", "outcome", "seconds"];
        let Some(name) = NAMES.into_iter().find(|name| *name == key.as_str()) else { return Ok(()) };
        let mut found = Found(Value::Null);
        value.visit(&mut found)?;
        // An id has more digits than some readers of JSON keep of a number.
        let value = if name == "id" { Value::from(found.0.to_string()) } else { found.0 };
        self.0 = std::mem::replace(&mut self.0, Value::Null).with(name, value);
        Ok(())
    }
}

/// The value of a pair.
struct Found(Value);

impl VisitValue<'_> for Found {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = Value::from(value.to_string());
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = Value::from(value);
        Ok(())
    }
}
