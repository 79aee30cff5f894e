//! What is done, over and over, and whether it can be done to that.

use crate::settings::config_reader::ConfigValue;
use crate::settings::crash::system::{FAULTS, FaultConfig, FaultHow, TimeRange};
use crate::settings::crash::system_file::values::{MOST_FAULTS, NameKind, SystemReader};
use crate::settings::unknown_word::UnknownWord;

/// How long it waits before each unless told otherwise.
const EVERY: TimeRange = TimeRange::seconds(5, 10);
/// For how long something is down unless told otherwise.
const DOWN: TimeRange = TimeRange::seconds(0, 4);
/// For how long something stands still unless told otherwise.
const LENGTH: TimeRange = TimeRange::seconds(1, 5);

/// Keys that mean something for some faults alone.
const OF_SOME: [(&str, &[FaultHow]); 4] = [
    ("down", &[FaultHow::Kill, FaultHow::Term]),
    ("for", &[FaultHow::Pause]),
    ("command", &[FaultHow::Command]),
    ("copies", &[FaultHow::Scale]),
];

/// All faults.
pub(super) fn all<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Vec<FaultConfig> {
    let mut all = Vec::new();
    for at in &reader.list(of, "faults", MOST_FAULTS) {
        if !reader.keys(at, &["target", "how", "every", "down", "for", "command", "copies"]) {
            continue;
        }
        let target = reader.word(at, "target");
        let kind = at.get("target").and_then(|place| self::target(reader, &place, &target));
        let every = reader.range(at, "every", EVERY, false);
        let down = reader.range(at, "down", DOWN, true);
        let length = reader.range(at, "for", LENGTH, false);
        let Some(how) = how(reader, at) else { continue };
        if let (Some((kind, is_copy)), Some(place)) = (kind, at.get("how")) {
            fits(reader, &place, how, kind, is_copy);
        }
        for (key, hows) in OF_SOME {
            if let Some(place) = at.get(key).filter(|_| !hows.contains(&how)) {
                let (word, of) = (how.word(), hows.iter().map(|how| how.word()).collect::<Vec<_>>().join(" and "));
                reader.config.fault(&place, format_args!("it means nothing for {word}; it is for {of}"));
            }
        }
        let command = if how == FaultHow::Command { reader.command(at, "command", false) } else { Vec::new() };
        let copies = if how == FaultHow::Scale { reader.copies(at, "copies") } else { (1, 1) };
        all.push(FaultConfig { target, how, every, down, length, command, copies });
    }
    all
}

/// What is done.
fn how<'n>(reader: &mut SystemReader<'_, 'n>, of: &ConfigValue<'n>) -> Option<FaultHow> {
    let at = reader.required(of, "how")?;
    let names = FAULTS.map(|(word, _)| word);
    let Some(word) = at.node.text() else {
        reader.config.fault(&at, format_args!("expected one of {}, instead got {}", names.join(", "), at.node));
        return None;
    };
    let known = FAULTS.iter().find(|(known, _)| *known == word).map(|(_, how)| *how);
    if known.is_none() {
        reader.config.fault(&at, UnknownWord { kind: "fault", word, names: &names });
    }
    known
}

/// What it is done to, and whether that is one of its copies.
fn target<'n>(reader: &mut SystemReader<'_, 'n>, at: &ConfigValue<'n>, target: &str) -> Option<(NameKind, bool)> {
    if let Some(kind) = reader.kind(target) {
        return Some((kind, false));
    }
    if let Some((name, number)) = target.rsplit_once('.')
        && let Some(kind) = reader.kind(name)
    {
        match kind {
            NameKind::Pods(_) => {
                reader.config.fault(at, format_args!("{name} are pods, of which any one is taken: say {name}"));
            }
            // The only copy has the part's own name.
            NameKind::Part(0 | 1) => {
                reader.config.fault(at, format_args!("{name} has one copy: say {name}, instead got {}", at.node));
            }
            NameKind::Part(copies) => match number.parse::<u64>() {
                // A copy's name has one way to be written.
                Ok(copy) if copy.to_string() == number && copy < copies => return Some((kind, true)),
                _ => {
                    let (last, got) = (copies - 1, at.node);
                    reader
                        .config
                        .fault(at, format_args!("expected {name}, or {name}.0 to {name}.{last}, instead got {got}"));
                }
            },
        }
        return None;
    }
    if !target.is_empty() {
        reader.unknown_name(at, "target", target);
    }
    None
}

/// That this can be done to that.
fn fits<'n>(reader: &mut SystemReader<'_, 'n>, at: &ConfigValue<'n>, how: FaultHow, kind: NameKind, is_copy: bool) {
    let why = match (how, kind) {
        (FaultHow::Kill | FaultHow::Term | FaultHow::Pause, NameKind::Pods(_)) => {
            "it is for processes here; for pods there are delete-pod, scale and command"
        }
        (FaultHow::DeletePod, NameKind::Part(_)) => "it is for pods; for a part there are kill, term and pause",
        (FaultHow::Scale, NameKind::Pods(false)) => "these pods do not say what is scaled, like scale: deployment/web",
        (FaultHow::Scale, NameKind::Part(_)) if is_copy => "it is for a part as a whole, not for one of its copies",
        _ => return,
    };
    reader.config.fault(at, why);
}
