//! What a run shows while it goes on: marks one after the other, lines of their own, and on a terminal, below them, a line
//! that is always the newest.

use std::io::{self, Write};
use std::time::Duration;

use crate::crash::report::FaultRecord;
use crate::crash::report::summary::Recovery;
use crate::crash::report::text::{grouped, seconds};
use crate::kernel::sys::terminal_columns;
use crate::units::duration::in_words;

/// How wide a line of marks is at most.
const COLUMNS: usize = 78;
/// On a narrower terminal there is no live line.
const NARROWEST: usize = 40;

/// Where a run shows what happens.
pub struct RunScreen {
    out: Box<dyn Write + Send>,
    /// How wide the terminal is, where it is one.
    width: fn() -> Option<usize>,
    /// How much of the line of marks is full.
    column: usize,
    /// Whether the live line stands below the line of marks, and the cursor at its end.
    is_live: bool,
}

impl RunScreen {
    /// Standard output.
    pub fn stdout() -> Self {
        Self { out: Box::new(io::stdout()), width: terminal_columns, column: 0, is_live: false }
    }

    /// Shows a mark: what happens, in a few letters.
    pub fn mark(&mut self, mark: &str) {
        let mut text = self.away();
        let most = (self.width)().map_or(COLUMNS, |width| width.saturating_sub(1).min(COLUMNS));
        if self.column > 0 && self.column + mark.len() > most {
            self.column = 0;
            text.push('\n');
        }
        self.column += mark.len();
        self.put(text + mark);
    }

    /// Shows a line of its own.
    pub fn say(&mut self, line: &str) {
        let mut text = self.away();
        if self.column > 0 {
            text.push('\n');
        }
        self.column = 0;
        self.put(text + line + "\n");
    }

    /// Shows what is the newest, on a terminal.
    pub fn live(&mut self, line: &str) {
        let Some(width) = (self.width)().filter(|width| *width >= NARROWEST) else { return };
        // The last column stays free: some terminals go on to the next line there.
        let line: String = line.chars().take(width - 1).collect();
        let begin = if self.is_live { "\r\x1b[K" } else { "\n" };
        self.is_live = true;
        self.put(format!("{begin}{line}"));
    }

    /// What takes the live line away, and the cursor to the end of the marks.
    fn away(&mut self) -> String {
        if !std::mem::take(&mut self.is_live) {
            return String::new();
        }
        let right = if self.column > 0 { format!("\x1b[{}C", self.column) } else { String::new() };
        format!("\r\x1b[K\x1b[1A{right}")
    }

    fn put(&mut self, text: String) {
        // Nobody may be reading; the run goes on.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

/// The newest of a run: for how long it goes on, how far it is, what was done, and after what time all was ready again.
pub fn newest(time: Duration, progress: &str, faults: &[FaultRecord]) -> String {
    let mut line = format!("{}  {progress}  {} faults", in_words(time), grouped(faults.len() as u64));
    if let Some(recovery) = Recovery::of(faults) {
        line += &format!(", ready after {} (p50), {} (max)", seconds(recovery.p50), seconds(recovery.max));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::lock;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a terminal shows that got these bytes.
    fn shown(bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (mut lines, mut row, mut column) = (vec![String::new()], 0, 0);
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\r' => column = 0,
                '\n' => {
                    (row, column) = (row + 1, 0);
                    if row == lines.len() {
                        lines.push(String::new());
                    }
                }
                '\x1b' => {
                    let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    let number: usize = rest[1..end].parse().unwrap_or(0);
                    match &rest[end..=end] {
                        "K" => lines[row].truncate(column),
                        "A" => row -= number,
                        "C" => column += number,
                        other => panic!("{other}"),
                    }
                    rest = &rest[end + 1..];
                }
                c => {
                    lines[row].truncate(column);
                    lines[row].push(c);
                    column += 1;
                }
            }
        }
        lines
    }

    fn screen(width: fn() -> Option<usize>) -> (RunScreen, Written) {
        let written = Written::default();
        (RunScreen { out: Box::new(written.clone()), width, column: 0, is_live: false }, written)
    }

    #[test]
    fn marks_and_lines_stand_above_the_newest() {
        let (mut screen, written) = screen(|| Some(80));
        screen.say("seed 1");
        screen.live("1 s");
        screen.mark(",");
        screen.mark("c1");
        screen.live("2 s");
        screen.live("3 s");
        screen.mark("r1");
        screen.live("4 s");
        assert_eq!(shown(&lock(&written.0)), ["seed 1", ",c1r1", "4 s"]);
        screen.mark(&"x".repeat(COLUMNS));
        screen.live("5 s");
        screen.say("done");
        assert_eq!(shown(&lock(&written.0)), ["seed 1", ",c1r1", &"x".repeat(COLUMNS), "done", ""]);
    }

    #[test]
    fn where_there_is_no_terminal_there_is_no_live_line() {
        for width in [(|| None) as fn() -> Option<usize>, || Some(NARROWEST - 1)] {
            let (mut screen, written) = screen(width);
            screen.mark(",");
            screen.live("1 s");
            screen.say("done");
            assert_eq!(lock(&written.0).as_slice(), b",\ndone\n");
        }
        let (mut screen, written) = screen(|| Some(NARROWEST));
        screen.live(&"x".repeat(100));
        assert_eq!(shown(&lock(&written.0)), [String::new(), "x".repeat(NARROWEST - 1)]);
    }
}
