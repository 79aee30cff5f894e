//! How a command is written: an array of bulk strings, as RESP2 has it.

use std::io::Write;

/// The bytes of a command of these words, the first of which is its name.
pub(super) fn encode(words: &[&[u8]]) -> Vec<u8> {
    let length: usize = words.iter().map(|word| word.len() + HEAD_BYTES).sum();
    let mut bytes = Vec::with_capacity(length + HEAD_BYTES);
    // A Vec takes all that is written to it.
    let _ = write!(bytes, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(bytes, "${}\r\n", word.len());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// How long what stands around a word is, in bytes, for words of up to 16 MiB: `$`, eight digits, and two ends of lines.
const HEAD_BYTES: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::reply::ReplyReader;
    use crate::redis::value::RedisValue;
    use proptest::prelude::*;

    #[test]
    fn words_become_bulk_strings() {
        assert_eq!(encode(&[b"PING"]), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(encode(&[b"SET", b"", b"\r\n\0\xff"]), b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n\0\xff\r\n");
    }

    proptest! {
        #[test]
        fn a_command_is_an_array_of_its_words(words: Vec<Vec<u8>>) {
            prop_assume!(!words.is_empty());
            let bytes = encode(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let values = words.into_iter().map(RedisValue::BulkString).collect();
            prop_assert_eq!(ReplyReader::any().feed(&mut &bytes[..]).unwrap(), Some(RedisValue::Array(values)));
        }
    }
}
