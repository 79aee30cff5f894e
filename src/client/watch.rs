//! A steady screen: what is asked for again and again is drawn over what was there, and stays when the service is lost.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Trouble;
use crate::client::output::{Output, paint};
use crate::kernel::shutdown::Caught;
use crate::kernel::terminal::{WholeScreen, terminal_size};
use crate::sync::{lock, spawn_scoped};
use crate::units::duration::in_words;

/// How often it is asked.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
/// How often keys and signals are looked for, and the screen drawn.
const LOOK: Duration = Duration::from_millis(100);
/// The stack of the thread that asks.
const STACK_BYTES: usize = 512 * 1024;
/// How large a terminal is that does not say.
const SIZE: (usize, usize) = (80, 24);
/// The key that a terminal sends for Ctrl-C.
const CTRL_C: u8 = 3;

/// What was last seen.
#[derive(Default)]
struct Sight {
    text: String,
    /// Since when nothing is seen, and why.
    lost: Option<(Instant, String)>,
}

/// Looks again and again, and draws, until a key or a signal ends the process: q with 0, Ctrl-C with 130.
///
/// # Errors
/// When there is no thread for it.
pub(super) fn steadily(
    screen: &WholeScreen,
    output: &Output,
    look: &(dyn Fn() -> Result<String, Trouble> + Sync),
) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| Trouble::Refused(format!("cannot watch: {error}"));
    let mut caught = Caught::start().map_err(failed)?;
    let sight = Mutex::new(Sight::default());
    let ask = || {
        loop {
            let begun = Instant::now();
            let seen = look();
            let mut sight = lock(&sight);
            match seen {
                Ok(text) => *sight = Sight { text, lost: None },
                Err(why) => {
                    let since = sight.lost.take().map_or(begun, |(since, _)| since);
                    sight.lost = Some((since, why.words().to_owned()));
                }
            }
            drop(sight);
            thread::sleep(PERIOD.saturating_sub(begun.elapsed()));
        }
    };
    let has_colors = output.has_colors();
    thread::scope(|scope| {
        let asking = spawn_scoped(scope, "watch", STACK_BYTES, Box::new(ask)).map_err(failed)?;
        loop {
            // It has panicked, and said why on the screen that stays.
            if asking.is_finished() {
                std::process::exit(101);
            }
            let size = terminal_size().unwrap_or(SIZE);
            screen.draw(&frame(&lock(&sight), size, has_colors));
            let code = match (screen.key(LOOK), caught.came()) {
                (_, Some(signal)) => {
                    if signal.is_term() {
                        143
                    } else {
                        130
                    }
                }
                (Some(b'q' | b'Q'), _) => 0,
                (Some(CTRL_C), _) => 130,
                _ => continue,
            };
            // It does not wait for who asks a service that does not answer.
            screen.give_back();
            std::process::exit(code);
        }
    })
}

/// The lines that are drawn: what was last seen, cut to the screen, and below it whether it is lost.
fn frame(sight: &Sight, (columns, rows): (usize, usize), has_colors: bool) -> Vec<String> {
    let shown = |line: &str| {
        let line = cut(line, columns);
        if has_colors { paint(&line) } else { line }
    };
    let all: Vec<&str> = sight.text.lines().collect();
    let mut lines: Vec<String> = Vec::new();
    // What comes last sums it up, so it is what is above that does not fit.
    match all.split_last() {
        Some((last, above)) if all.len() >= rows && rows > 3 => {
            let room = rows - 3;
            above[..room].iter().for_each(|line| lines.push(shown(line)));
            lines.push(format!("… {} more", above.len() - room));
            lines.push(shown(last));
        }
        _ => all.iter().take(rows - 1).for_each(|line| lines.push(shown(line))),
    }
    let end = match &sight.lost {
        Some((since, why)) => format!("lost for {}: {why}", in_words(since.elapsed())),
        None if lines.is_empty() => String::from("asking"),
        None => String::from("q leaves"),
    };
    lines.push(shown(&end));
    lines
}

/// A line for a terminal of so many columns. The last one stays free: some terminals go on to the next line there.
pub(super) fn cut(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    if line.chars().count() <= room {
        return line.to_owned();
    }
    let begin: String = line.chars().take(room.saturating_sub(1)).collect();
    begin + "…"
}

/// A line of bars, the highest for the largest of them.
pub(super) fn sparkline(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().fold(0.0, |most: f64, value| most.max(*value));
    let mut line = String::new();
    for value in values {
        // Without anything the lowest.
        let share = if most > 0.0 { value / most } else { 0.0 };
        line.push(BARS[((share * 7.0).round() as usize).min(7)]);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_screen_and_keeps_what_was_seen() {
        let mut sight = Sight::default();
        assert_eq!(frame(&sight, (80, 24), true), ["asking"]);
        sight.text = (0..50).map(|line| format!("line {line} {}\n", "x".repeat(100))).collect();
        let lines = frame(&sight, (40, 10), false);
        assert!(lines.len() == 10 && lines.iter().all(|line| line.chars().count() < 40), "{lines:?}");
        assert_eq!(lines[9], "q leaves");
        // What does not fit is told, and the last line sums it up.
        assert_eq!(lines[7], "… 42 more");
        assert!(lines[6].ends_with('…') && lines[8].starts_with("line 49 "), "{lines:?}");
        assert_eq!(frame(&sight, (40, 51), false)[49].chars().take(8).collect::<String>(), "line 49 ");
        sight.lost = Some((Instant::now() - Duration::from_secs(5), String::from("refused")));
        let lines = frame(&sight, (40, 10), false);
        assert!(lines[0].starts_with("line 0 ") && lines[9] == "lost for 5 s: refused", "{lines:?}");
    }

    #[test]
    fn bars_are_as_high_as_values() {
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0]), "▁▂▅█");
        assert_eq!(sparkline(&[0.0, 0.0]), "▁▁");
        assert_eq!(sparkline(&[5.0, f64::NAN]), "█▁");
    }
}
