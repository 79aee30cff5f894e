//! The proxy beside haproxy and nginx: whatever it passes on must mean to them what it means to itself, or something could
//! be hidden from one of two servers that stand in a row.

mod answer_spellings;
mod answers;
mod requests;
mod spellings;
