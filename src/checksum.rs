//! The checksum of gzip, zip and PNG: CRC-32 (ISO-HDLC), which journals and outputs are kept with.

use std::fmt;
use std::sync::LazyLock;

use crc::{CRC_32_ISO_HDLC, Crc, Digest, Table};

/// Made when it is first needed, and in a box: its tables, 16 KiB, would be the largest constant of the binary.
static CRC: LazyLock<Box<Crc<u32, Table<16>>>> =
    LazyLock::new(|| Box::new(Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC)));

/// Makes the tables, on a stack that has room for them. Who has threads with small stacks calls it before they start.
pub(crate) fn prepare() {
    LazyLock::force(&CRC);
}

/// The checksum of all of it.
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// The checksum of what comes in pieces.
#[derive(Clone)]
pub(crate) struct Hasher(Digest<'static, u32, Table<16>>);

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a checksum of what came so far")
    }
}

impl Hasher {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(CRC.digest())
    }

    /// The next piece.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all pieces.
    pub(crate) fn finalize(self) -> u32 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_that_others_know() {
        assert_eq!((hash(b"123456789"), hash(b"")), (0xcbf4_3926, 0));
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_the_whole(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), place: proptest::sample::Index) {
            let (one, other) = bytes.split_at(place.index(bytes.len() + 1));
            let mut hasher = Hasher::new();
            hasher.update(one);
            hasher.update(other);
            proptest::prop_assert_eq!(hasher.finalize(), hash(&bytes));
        }
    }
}
