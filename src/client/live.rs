//! Rows that are drawn over each other on a terminal, while something goes on.

use std::io::{self, IsTerminal};

use crate::client::output::{Output, paint};
use crate::client::watch::cut;
use crate::kernel::terminal::{put, terminal_size};

/// Rows below the cursor that are drawn again and again. Elsewhere than on a terminal nothing is.
pub(super) struct LiveRows {
    is_shown: bool,
    has_colors: bool,
    drawn: usize,
}

impl LiveRows {
    pub(super) fn new(output: &Output) -> Self {
        let is_shown = output.is_words() && !output.quiet && io::stdout().is_terminal();
        Self { is_shown, has_colors: output.has_colors(), drawn: 0 }
    }

    /// Draws the rows that there are now; of what there is no room for, how many they are.
    pub(super) fn draw(&mut self, now: &dyn Fn() -> Vec<String>) {
        let Some((columns, rows)) = terminal_size().filter(|_| self.is_shown) else { return };
        let (mut text, mut all) = (self.above(), now());
        // The cursor stands below them.
        let room = rows.saturating_sub(1).max(1);
        if all.len() > room {
            let more = all.len() - (room - 1);
            all.truncate(room - 1);
            all.push(format!("… {more} more"));
        }
        for row in &all {
            let row = cut(row, columns);
            text += &if self.has_colors { paint(&row) } else { row };
            text += "\x1b[K\n";
        }
        self.drawn = all.len();
        put(&(text + "\x1b[J"));
    }

    /// Takes them away.
    pub(super) fn clear(&mut self) {
        if self.drawn > 0 {
            put(&(self.above() + "\x1b[J"));
            self.drawn = 0;
        }
    }

    /// What brings the cursor to the first of them.
    fn above(&self) -> String {
        if self.drawn == 0 { String::from("\r") } else { format!("\r\x1b[{}A", self.drawn) }
    }
}
