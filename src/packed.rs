//! Texts that build.rs has packed into the program: the page, the contract for machines, and files of scenarios.

use miniz_oxide::inflate::decompress_to_vec;

/// What build.rs packed (RFC 1951), as it was.
pub(crate) fn unpacked(packed: &[u8]) -> Vec<u8> {
    decompress_to_vec(packed).unwrap_or_else(|error| unreachable!("packed by build.rs: {error}"))
}
