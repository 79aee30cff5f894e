//! Texts that build.rs has packed into the program: pages, the contract for machines, and files that are built in.

use miniz_oxide::inflate::decompress_to_vec;

/// What build.rs packed (RFC 1951), as it was.
pub(crate) fn unpacked(packed: &[u8]) -> Vec<u8> {
    decompress_to_vec(packed).unwrap_or_else(|error| unreachable!("packed by build.rs: {error}"))
}

/// The same of a text.
#[allow(dead_code, reason = "the faces alone have whole files")]
pub(crate) fn unpacked_text(packed: &[u8]) -> String {
    String::from_utf8(unpacked(packed)).unwrap_or_default()
}

/// One text of several that are packed as one.
#[allow(dead_code, reason = "the faces alone have whole files")]
pub(crate) fn unpacked_one(packed: &[u8], place: usize) -> String {
    unpacked_text(packed).split('\0').nth(place).unwrap_or_default().to_owned()
}
