//! The proxy beside haproxy and nginx: whatever it passes on must mean to them what it means to itself, or a request could
//! be hidden from one of two servers that stand in a row.

mod requests;
mod spellings;
