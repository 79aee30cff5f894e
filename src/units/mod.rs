//! Amounts, durations and numbers: how they are read from what people write, and written for them. Nothing here knows
//! what they are amounts of.

pub mod decimal;
pub mod duration;
pub mod quantity;
pub mod strconv;

/// Blanks that stand between a number and its unit: a person's, and the page's, which does not break.
const BLANKS: [char; 2] = [' ', '\u{a0}'];

/// What follows a blank, if there is one and something follows it.
fn after_blank(text: &str) -> &str {
    text.strip_prefix(BLANKS).filter(|rest| !rest.is_empty()).unwrap_or(text)
}
