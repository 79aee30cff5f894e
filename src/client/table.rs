//! Rows of a table, with their columns below each other.

/// The rows as text, a line each. Columns stand two blanks apart; those whose letter in `align` is `r` are to the right.
pub(super) fn table(rows: &[Vec<String>], align: &str) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..align.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, side), width) in row.iter().zip(align.bytes()).zip(&widths) {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            line += &if side == b'r' { format!("{gap}{cell}  ") } else { format!("{cell}{gap}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A row of these cells.
pub(super) fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_below_each_other() {
        let rows = [row(&["POD", "HELD", "STATE"]), row(&["a", "512 MiB", "ready"]), row(&["b"])];
        assert_eq!(table(&rows, "lrl"), "POD     HELD  STATE\na    512 MiB  ready\nb\n");
    }
}
