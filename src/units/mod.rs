//! Amounts, durations and numbers: how they are read from what people write, and written for them. Nothing here knows
//! what they are amounts of.

pub mod decimal;
pub mod duration;
pub mod quantity;
pub mod strconv;
