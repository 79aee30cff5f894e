//! The proxy beside haproxy and nginx: whatever it passes on must mean to them what it means to itself, or something could
//! be hidden from one of two servers that stand in a row.

mod answer_spellings;
mod answers;
mod requests;
mod spellings;

/// The bytes that a spelling is.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}
