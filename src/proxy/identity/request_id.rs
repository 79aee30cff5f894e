//! A request's name: the client's own where it is sound, otherwise a new one.

use std::hash::{BuildHasher, RandomState};

use crate::http::message::fields::Fields;

/// Longer ones are not passed on.
const MOST_BYTES: usize = 128;

/// The value of an `X-Request-Id`: visible ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum RequestId {
    /// The client's.
    Passed(Box<[u8]>),
    /// Ours: 32 hexadecimal digits.
    Made([u8; 32]),
}

impl RequestId {
    /// The client's own, where there is exactly one that is sound.
    pub(in crate::proxy) fn sent(fields: &Fields<'_>) -> Option<Self> {
        let mut all = fields.all("x-request-id");
        let (Some(one), None) = (all.next(), all.next()) else { return None };
        let is_sound = (1..=MOST_BYTES).contains(&one.len()) && one.iter().all(u8::is_ascii_graphic);
        is_sound.then(|| Self::Passed(one.into()))
    }

    pub(in crate::proxy) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Passed(id) => id,
            Self::Made(id) => id,
        }
    }

    /// Writes it as a field.
    pub(in crate::proxy) fn push(&self, out: &mut Vec<u8>) {
        for part in [b"X-Request-Id: ", self.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }

    /// Puts it into one of the proxy's own answers, behind the status.
    pub(in crate::proxy) fn insert(&self, answer: &mut Vec<u8>) {
        let Some(end) = answer.iter().position(|&byte| byte == b'\n') else { return };
        let rest = answer.split_off(end + 1);
        self.push(answer);
        answer.extend_from_slice(&rest);
    }
}

/// Makes names for one thread, without a call to the kernel.
///
/// Half of a name is drawn for the thread; the other one is a number that never comes twice in a thread and begins
/// anywhere. Two threads, of whichever pods and whenever started, have a name in common only where both halves agree.
#[derive(Debug)]
pub(in crate::proxy) struct RequestIdMaker {
    thread: u64,
    next: u64,
}

impl Default for RequestIdMaker {
    fn default() -> Self {
        // The keys of the standard library's hashes come from the kernel.
        Self { thread: RandomState::new().hash_one(0_u8), next: RandomState::new().hash_one(1_u8) }
    }
}

impl RequestIdMaker {
    pub(in crate::proxy) fn make(&mut self) -> RequestId {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.next = self.next.wrapping_add(1);
        let number = u128::from(self.thread) << 64 | u128::from(mixed(self.next));
        let mut id = [0; 32];
        for (digit, shift) in id.iter_mut().rev().zip((0..).step_by(4)) {
            *digit = DIGITS[(number >> shift) as usize & 15];
        }
        RequestId::Made(id)
    }
}

/// Another number for each: clients do not see how many requests lie between two of theirs. The constants are those of
/// SplitMix64 (Steele, Lea, Flood, 2014); each step can be undone, so no two numbers come to the same.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::http::message::fields::{FieldSlots, fields};

    fn sent(block: &str) -> Option<Vec<u8>> {
        let block = format!("{block}\r\n");
        let mut slots = FieldSlots::default();
        RequestId::sent(&fields(block.as_bytes(), &mut slots).unwrap()).map(|id| id.as_bytes().to_vec())
    }

    #[test]
    fn only_sound_ones_are_passed_on() {
        assert_eq!(sent("X-REQUEST-ID: a/B~1\r\n"), Some(b"a/B~1".to_vec()));
        assert!(sent(&format!("X-Request-Id: {}\r\n", "x".repeat(128))).is_some());
        for block in
            ["", "X-Request-Id:\r\n", "X-Request-Id: a b\r\n", "X-Request-Id: \u{e9}\r\n", "X-Request-Id: a\tb\r\n"]
        {
            assert_eq!(sent(block), None, "{block}");
        }
        assert_eq!(sent(&format!("X-Request-Id: {}\r\n", "x".repeat(129))), None);
        assert_eq!(sent("X-Request-Id: a\r\nX-Request-Id: a\r\n"), None);
    }

    #[test]
    fn no_two_are_the_same() {
        let mut makers: Vec<_> = (0..50).map(|_| RequestIdMaker::default()).collect();
        let mut seen = HashSet::new();
        for _ in 0..200 {
            for maker in &mut makers {
                let id = maker.make();
                assert!(id.as_bytes().iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
                assert!(seen.insert(id.as_bytes().to_vec()));
            }
        }
    }

    #[test]
    fn an_answer_has_it_behind_its_status() {
        let mut answer = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody".to_vec();
        RequestId::Passed((*b"x").into()).insert(&mut answer);
        assert_eq!(answer, b"HTTP/1.1 200 OK\r\nX-Request-Id: x\r\nA: b\r\n\r\nbody");
    }

    proptest::proptest! {
        #[test]
        fn what_is_passed_on_is_sound(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..140)) {
            let block = [b"X-Request-Id: ", &value[..], b"\r\n\r\n"].concat();
            if let Some(id) = fields(&block, &mut FieldSlots::default()).ok().and_then(|fields| RequestId::sent(&fields)) {
                proptest::prop_assert!(id.as_bytes().len() <= MOST_BYTES);
                proptest::prop_assert!(id.as_bytes().iter().all(|byte| (b'!'..=b'~').contains(byte)));
            }
        }
    }
}
