//! A column of a table: `seconds,memory_bytes,cpu_cores`, with these names in its first line.
//!
//! Of RFC 4180 no quotes are read: a number needs none. Empty lines, and those that begin with `#`, are left out; an empty
//! field is a point that is missing.

use crate::scenario::trace::choice::TraceChoice;
use crate::scenario::trace::number::number;
use crate::scenario::trace::points::{PointBuilder, TracePoints};
use crate::scenario::trace::source::{TraceFault, TraceSource};

/// The column of time.
const SECONDS: &str = "seconds";

/// Reads the points of a column.
pub(super) fn read(source: &mut TraceSource<'_>, choice: &TraceChoice<'_>) -> Result<TracePoints, TraceFault> {
    let mut builder = PointBuilder::new(choice.every, choice.gaps);
    let mut bytes = Vec::new();
    // The places of both columns, and how many there are.
    let mut columns = None;
    loop {
        let line = source.line;
        let fault = |text: String| TraceFault { line, text };
        if !source.next_line(&mut bytes)? {
            break;
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| fault(String::from("it is not UTF-8")))?.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if text.contains('"') {
            return Err(fault(String::from("it has quotes, which are not read here: numbers and names need none")));
        }
        let Some((seconds, values, number_of)) = columns else {
            columns = Some(places(text, choice.column).map_err(fault)?);
            continue;
        };
        let found = text.split(',').count();
        if found != number_of {
            return Err(fault(format!("it has {found} fields, and the first line has {number_of}")));
        }
        let field = |place: usize| text.split(',').nth(place).unwrap_or_default().trim();
        let second = number(field(seconds)).map_err(|why| fault(format!("{SECONDS}: {why}")))?;
        if field(values).is_empty() {
            continue;
        }
        let value = number(field(values)).map_err(|why| fault(format!("{}: {why}", choice.column)))?;
        builder.push(second, value * choice.unit).map_err(fault)?;
    }
    if columns.is_none() {
        return Err(source.fault("there is no line with the names of columns"));
    }
    builder.finish().map_err(|why| source.fault(why))
}

/// Where the columns of time and of values are, and how many columns there are.
fn places(header: &str, column: &str) -> Result<(usize, usize, usize), String> {
    let place = |wanted: &str| {
        let place = header.split(',').position(|name| name.trim() == wanted);
        place.ok_or_else(|| {
            let header: String = header.chars().take(200).collect();
            format!("no column is named {wanted}; there are {}", header.escape_debug())
        })
    };
    Ok((place(SECONDS)?, place(column)?, header.split(',').count()))
}
