//! How far work is, while somebody waits for it.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::client::reply::Object;
use crate::kernel::sys::terminal_columns;
use crate::units::duration;
use crate::units::quantity::{Unit, in_words as amount};

/// How wide a terminal is that does not say.
const COLUMNS: usize = 80;
/// How wide a bar is.
const BAR: usize = 24;

/// Progress: a bar on a terminal, plain lines elsewhere.
pub(super) struct Bar {
    unit: Unit,
    way: Way,
    is_terminal: bool,
    drawn: bool,
}

/// Whether what is held grows or shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    /// Unless more is held than planned, once.
    #[default]
    Up,
    Down,
}

impl Bar {
    pub(super) fn new(unit: Unit, releases: bool) -> Self {
        let way = if releases { Way::Down } else { Way::Up };
        Self { unit, way, is_terminal: io::stdout().is_terminal(), drawn: false }
    }

    pub(super) fn draw(&mut self, line: &Object) {
        let text = in_words(line, self.unit, &mut self.way);
        // What shrinks has a bar that does.
        let full = if self.way == Way::Down { 1.0 - share(line) } else { share(line) };
        // A terminal that has gone away needs no progress.
        let _ = if self.is_terminal {
            write!(io::stdout(), "\r{}\x1b[K", bar(full, &text, terminal_columns().unwrap_or(COLUMNS)))
        } else {
            writeln!(io::stdout(), "{text}")
        };
        let _ = io::stdout().flush();
        self.drawn = true;
    }

    pub(super) fn end(&self) {
        if self.drawn && self.is_terminal {
            let _ = writeln!(io::stdout());
        }
    }
}

/// A bar and a text that are one line of so many columns.
fn bar(share: f64, text: &str, columns: usize) -> String {
    let text: String = text.chars().take(columns.saturating_sub(1)).collect();
    let width = BAR.min(columns.saturating_sub(text.chars().count() + 4));
    if width < 4 {
        return text;
    }
    let full = (share * width as f64) as usize;
    format!("[{}{}] {text}", "#".repeat(full), ".".repeat(width - full))
}

/// How much is done: of the amount, or of the time.
fn share(line: &Object) -> f64 {
    let of_time = || Some(1.0 - line.number(&["seconds_left"])? / line.number(&["seconds"])?);
    let share = line.number(&["progress"]).or_else(of_time).filter(|share| share.is_finite());
    share.unwrap_or(0.0).clamp(0.0, 1.0)
}

/// A line of progress.
fn in_words(line: &Object, unit: Unit, way: &mut Way) -> String {
    let percent = (share(line) * 100.0) as u64;
    let mut text = match (line.number(&["held"]), line.number(&["achieved_millicores"])) {
        (Some(held), _) => {
            let planned = line.whole(&["planned"]);
            if held as u64 > planned {
                *way = Way::Down;
            }
            let of = if *way == Way::Down { "→" } else { "of" };
            format!("{percent:>3} %  {} {of} {}", amount(held as u64, unit), amount(planned, unit))
        }
        (None, Some(achieved)) => {
            let goal = line.whole(&["target_millicores"]).max(line.whole(&["wanted_millicores"]));
            format!("{percent:>3} %  {}m of {goal}m", achieved as u64)
        }
        _ => format!("{percent:>3} %"),
    };
    if let Some(rate) = line.number(&["rate"]).filter(|rate| *rate > 0.0) {
        text.push_str(&format!("  {}/s", amount(rate as u64, unit)));
    }
    if let Some(left) = line.number(&["seconds_left"]).filter(|left| *left > 0.0) {
        text.push_str(&format!("  {} to go", duration::in_words(Duration::from_secs_f64(left.clamp(0.0, 1e9).ceil()))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_by_people() {
        let line = |text: &str| in_words(&Object::read(text.as_bytes()), Unit::Bytes, &mut Way::Up);
        assert_eq!(
            line(r#"{"held":268435456,"planned":536870912,"progress":0.5,"rate":104857600,"seconds_left":2.56}"#),
            " 50 %  256.0 MiB of 512.0 MiB  100.0 MiB/s  3 s to go"
        );
        assert_eq!(line(r#"{"progress":1,"held":0,"planned":0,"rate":0}"#), "100 %  0 B of 0 B");
        assert_eq!(line("no JSON"), "  0 %");
    }

    #[test]
    fn shrinking_is_told_as_such() {
        let mut way = Way::Up;
        let mut line = |text: &str| in_words(&Object::read(text.as_bytes()), Unit::Bytes, &mut way);
        assert_eq!(
            line(r#"{"held":272629760,"planned":104857600,"progress":0.2,"rate":5242880,"seconds_left":32}"#),
            " 20 %  260.0 MiB → 100.0 MiB  5.0 MiB/s  32 s to go"
        );
        assert_eq!(line(r#"{"held":104857600,"planned":104857600,"progress":1}"#), "100 %  100.0 MiB → 100.0 MiB");
    }
}
