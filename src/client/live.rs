//! Rows that are drawn over each other on a terminal, while something goes on.

use std::io::{self, IsTerminal};

use crate::client::output::{Output, paint};
use crate::client::watch::cut;
use crate::kernel::terminal::{put, terminal_size};

/// Takes a row, and says whether there is room for another.
pub(super) type RowTaker<'t> = dyn FnMut(String) -> bool + 't;

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

    /// Draws the rows that `all` hands to what it is given, until that says that there is no room for more.
    pub(super) fn draw(&mut self, all: &mut dyn FnMut(&mut RowTaker<'_>)) {
        let Some((columns, rows)) = terminal_size().filter(|_| self.is_shown) else { return };
        let (mut text, mut drawn, has_colors) = (self.above(), 0, self.has_colors);
        all(&mut |row| {
            let row = cut(&row, columns);
            text += &if has_colors { paint(&row) } else { row };
            text += "\x1b[K\n";
            drawn += 1;
            // The cursor stands below them.
            drawn + 1 < rows
        });
        self.drawn = drawn;
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
