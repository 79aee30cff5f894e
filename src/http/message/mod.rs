//! Messages of HTTP/1.1 (RFC 9112): their heads and bodies read strictly, what is asked about decoded, answers written.

pub mod answer;
pub mod body;
pub mod fields;
pub mod head;
pub mod json_form;
pub mod query;
pub mod rejection;
pub mod request;
pub mod response;
pub mod target;
