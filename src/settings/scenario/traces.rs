//! The recordings that a scenario plays: in files beside it, or in the file itself.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::scenario::trace::{GapRule, TraceChoice, TraceScale, TraceShape, read};
use crate::scenario::track::TrackKind;
use crate::settings::config_reader::ConfigValue;
use crate::settings::scenario::values::ScenarioReader;

/// The most values of all recordings together: 16 MiB of them, a month and a half of one a second.
const MOST_KEPT: usize = 1 << 22;
/// The most labels that choose a series.
const MOST_LABELS: usize = 16;
const GAPS: [(&str, GapRule); 3] = [("hold", GapRule::Hold), ("line", GapRule::Line), ("zero", GapRule::Zero)];

/// A recording and how large it is played; `None` where there is none, which is noted.
pub(super) fn trace(reader: &mut ScenarioReader<'_, '_>, at: &ConfigValue<'_>, kind: TrackKind) -> Option<TraceShape> {
    let column = match reader.config.optional(at, "column") {
        Some(column) => reader.config.text(&column)?,
        None => kind.column(),
    };
    let series = series(reader, at);
    let scale = scale(reader, at, kind);
    let every = reader.optional_seconds(at, "every", false);
    let gaps = reader.config.choice(at, "gaps", &GAPS).unwrap_or_default();
    let (from, value) = reader.config.one_of(at, &["file", "csv"])?;
    let text = reader.config.text(&value)?;
    // Recordings have cores, and a track has millicores.
    let unit = if kind == TrackKind::Cpu && !column.ends_with("_millicores") { 1000.0 } else { 1.0 };
    let choice = TraceChoice { column, unit, series: &series, every, gaps };
    let points = if from == "csv" {
        read(&mut text.as_bytes(), &choice).map_err(|fault| format!("in {fault}"))
    } else {
        open(reader.folder, text)
            .and_then(|mut file| read(&mut *file, &choice).map_err(|fault| format!("{text}, {fault}")))
    };
    match points {
        Ok(points) => {
            reader.kept += points.kept().len();
            if reader.kept > MOST_KEPT {
                reader.config.fault(&value, format_args!("all recordings together have more than {MOST_KEPT} values"));
                return None;
            }
            Some(TraceShape { points, scale })
        }
        Err(why) => {
            reader.config.fault(&value, why);
            None
        }
    }
}

/// A file that is one: reading a pipe or a device may never end.
fn open(folder: Option<&Path>, name: &str) -> Result<Box<dyn Read>, String> {
    let folder = folder.ok_or("files cannot be named here: csv has the recording in it")?;
    let told = |error: std::io::Error| format!("{name}: {error}");
    let mut options = OpenOptions::new();
    // Opening a pipe would wait for its other end.
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(folder.join(name)).map_err(told)?;
    if !file.metadata().map_err(told)?.is_file() {
        return Err(format!("{name}: it is no file"));
    }
    Ok(Box::new(file))
}

/// The labels that choose a series.
fn series(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let Some(at) = reader.config.optional(of, "series") else { return labels };
    for (key, value) in reader.config.members(&at, MOST_LABELS) {
        let name = key.node.text().unwrap_or_default().to_owned();
        labels.push((name, reader.config.text(&value).unwrap_or_default().to_owned()));
    }
    labels
}

/// `x0.5`, or `to 80pct`.
fn scale(reader: &mut ScenarioReader<'_, '_>, of: &ConfigValue<'_>, kind: TrackKind) -> TraceScale {
    let Some(at) = reader.config.optional(of, "scale") else { return TraceScale::Times(1.0) };
    let text = at.node.text().unwrap_or_default();
    if let Some(amount) = text.strip_prefix("to ") {
        return TraceScale::To(reader.amount_in(&at, amount.trim(), kind));
    }
    TraceScale::Times(reader.factor(&at, "a scale like x0.5, or to 80pct"))
}
