//! What must hold.

use std::time::Duration;

use crate::settings::config_reader::ConfigValue;
use crate::settings::crash::system::{LedgerOrder, LineSource, Promise, VerifyConfig};
use crate::settings::crash::system_file::values::SystemReader;

/// The most promises.
const MOST_PROMISES: usize = 64;
/// How often a program is run unless told otherwise.
const EVERY: Duration = Duration::from_secs(5);
/// How long it may take unless told otherwise.
const WITHIN: Duration = Duration::from_secs(10);
/// Within what time something must have grown unless told otherwise.
const PROGRESS: Duration = Duration::from_secs(60);
/// As much as a part may have written when it ends, and more than that.
const MOST_TAKEN_BACK: u64 = 1 << 40;
/// More numbers than requests are made.
const MOST_MISSING: u64 = 1_000_000_000;
/// What a request that is right is answered with unless told otherwise.
const STATUS: u64 = 200;

/// The words of promises, which are the names of their checks.
const KINDS: [&str; 6] = ["prefix", "ledger", "numbers", "answers", "command", "progress"];
/// What is in order.
const ORDERS: [(&str, LedgerOrder); 3] =
    [("none", LedgerOrder::None), ("per-key", LedgerOrder::PerKey), ("total", LedgerOrder::Total)];
/// Truth values. YAML has no yes and no any more, but people do.
const FLAGS: [(&str, bool); 4] = [("no", false), ("yes", true), ("false", false), ("true", true)];

/// All promises.
pub(super) fn all<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Vec<VerifyConfig> {
    let mut all = Vec::new();
    let mut seen = [0u32; KINDS.len()];
    let promises = reader.list(of, "verify", MOST_PROMISES);
    if promises.is_empty() {
        let at = of.get("verify").unwrap_or_else(|| of.clone());
        reader.config.fault(&at, "nothing is promised under verify, so nothing could be said of the data");
    }
    for at in &promises {
        if !reader.keys(at, &KINDS) {
            continue;
        }
        let Some((kind, value)) = reader.one_of(at, &KINDS) else { continue };
        let Some(promise) = promise(reader, kind, &value) else { continue };
        let place = KINDS.iter().position(|known| *known == kind).unwrap_or_default();
        seen[place] += 1;
        // Made once a promise of a file, of which there is one a process.
        let check: &'static str = match seen[place] {
            1 => KINDS[place],
            number => Box::leak(format!("{kind}-{number}").into_boxed_str()),
        };
        all.push(VerifyConfig { check, promise });
    }
    all
}

fn promise<'n>(reader: &mut SystemReader<'_, 'n>, kind: &str, at: &ConfigValue<'n>) -> Option<Promise> {
    let keys: &[&str] = match kind {
        "prefix" => &["input", "output", "revocable"],
        "ledger" => &["sent", "acked", "got", "order", "duplicates"],
        "numbers" => &["file", "member", "missing"],
        "answers" => &["file", "status"],
        "command" => &["run", "every", "within"],
        _ => &["file", "command", "within"],
    };
    if !reader.keys(at, keys) {
        return None;
    }
    Some(match kind {
        "prefix" => Promise::Prefix {
            input: reader.placed(at, "input", false),
            output: reader.placed(at, "output", false),
            revocable: reader.number_or(at, "revocable", 0, MOST_TAKEN_BACK, 0),
        },
        "ledger" => Promise::Ledger {
            sent: lines(reader, at, "sent"),
            acked: lines(reader, at, "acked"),
            got: lines(reader, at, "got"),
            order: reader.config.choice(at, "order", &ORDERS).unwrap_or_default(),
            duplicates: reader.config.choice(at, "duplicates", &FLAGS).unwrap_or_default(),
        },
        "numbers" => Promise::Numbers {
            file: reader.placed(at, "file", false),
            member: reader.optional_word(at, "member"),
            missing: reader.number_or(at, "missing", 0, MOST_MISSING, 0),
        },
        "answers" => Promise::Answers {
            file: reader.placed(at, "file", false),
            status: reader.number_or(at, "status", 100, 599, STATUS) as u16,
        },
        "command" => Promise::Command {
            run: reader.command(at, "run", false),
            every: reader.time(at, "every", EVERY),
            within: reader.time(at, "within", WITHIN),
        },
        _ => {
            let within = reader.time(at, "within", PROGRESS);
            let (source, _) = reader.one_of(at, &["file", "command"])?;
            Promise::Progress { source: lines(reader, at, source), within }
        }
    })
}

/// A file, or the program that prints it.
fn lines<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>, key: &str) -> LineSource {
    // Of a progress the key says which of them it is.
    let is_list = of.get(key).is_some_and(|value| value.node.as_sequence().is_some());
    if key == "command" || is_list && key != "file" {
        LineSource::Command(reader.command(of, key, false))
    } else {
        LineSource::File(reader.placed(of, key, false))
    }
}
