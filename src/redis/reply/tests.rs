use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// What comes of bytes that come in pieces, each cut off at the next of these sizes: a reply and what is left, if it is
/// whole.
fn fed(mut reader: ReplyReader, bytes: &[u8], pieces: &[usize]) -> io::Result<Option<(RedisValue, usize)>> {
    let mut sizes = pieces.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        let mut left = piece;
        if let Some(reply) = reader.feed(&mut left)? {
            return Ok(Some((reply, left.len() + behind.len())));
        }
        assert!(left.is_empty());
        rest = behind;
        assert!(reader.partial.capacity() <= 2 * (bytes.len() - rest.len()).max(64));
    }
    Ok(None)
}

fn text(text: &str) -> RedisValue {
    RedisValue::BulkString(text.as_bytes().to_vec())
}

#[test]
fn replies_of_each_kind_are_read_in_any_pieces() {
    let error = |code: &str, message: Option<&str>| {
        RedisValue::Error(ServerError { code: code.into(), message: message.map(Into::into) })
    };
    let inner = RedisValue::Array(vec![text("a"), RedisValue::Nil]);
    let outer = RedisValue::Array(vec![RedisValue::Int(1), inner, RedisValue::SimpleString("b".into())]);
    for (bytes, value) in [
        (&b"+OK\r\n"[..], RedisValue::SimpleString("OK".into())),
        (b"+\r\n", RedisValue::SimpleString(String::new())),
        (b"+a\rb\xff\r\n", RedisValue::SimpleString("a\rb\u{fffd}".into())),
        (b"-ERR no such thing\r\n", error("ERR", Some("no such thing"))),
        (b"-NOAUTH\r\n", error("NOAUTH", None)),
        (b"-\r\n", error("", None)),
        (b":12\r\n", RedisValue::Int(12)),
        (b":+12\r\n", RedisValue::Int(12)),
        (b":-9223372036854775808\r\n", RedisValue::Int(i64::MIN)),
        (b"$-1\r\n", RedisValue::Nil),
        (b"*-1\r\n", RedisValue::Nil),
        (b"*0\r\n", RedisValue::Array(Vec::new())),
        (b"$0\r\n\r\n", text("")),
        (b"$4\r\n\r\n\r\n\r\n", text("\r\n\r\n")),
        (b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n+b\r\n", outer),
    ] {
        for piece in 1..=bytes.len() {
            assert_eq!(fed(ReplyReader::any(), bytes, &[piece]).unwrap(), Some((value.clone(), 0)), "{bytes:?}");
        }
        assert_eq!(fed(ReplyReader::any(), &bytes[..bytes.len() - 1], &[1]).unwrap(), None, "{bytes:?}");
        let line = fed(ReplyReader::line(), bytes, &[1]);
        if b"+-:".contains(&bytes[0]) {
            assert_eq!(line.unwrap(), Some((value, 0)));
        } else {
            assert!(line.unwrap_err().to_string().contains("no reply to the command"));
        }
    }
}

#[test]
fn what_is_no_reply_or_beyond_the_bounds_is_refused() {
    for (bytes, why) in [
        (&b"H"[..], "no reply to the command"),
        (b"\r\n", "no reply to the command"),
        (b">2\r\n", "no reply to the command"),
        (b"*1\r\n_\r\n", "no reply to the command"),
        (b"+OK\n", "without CR"),
        (b"$3\nabc\r\n", "without CR"),
        (b":\r\n", "a number in the reply is none"),
        (b":1.5\r\n", "a number in the reply is none"),
        (b":9223372036854775808\r\n", "a number in the reply is none"),
        (b"$x\r\n", "a length in the reply"),
        (b"$\r\n", "a length in the reply"),
        (b"$-2\r\n", "a length in the reply"),
        (b"*-2\r\n", "a length in the reply"),
        (b"$4611686018427387904\r\n", "a length in the reply"),
        (b"$4294967295\r\n", "the reply is too long"),
        (b"$16777216\r\n", "the reply is too long"),
        (b"$2\r\nabcd", "does not end where it should"),
        (b"*1000000000\r\n", "too many values"),
        (b"*65536\r\n", "too many values"),
        (b"*65000\r\n*600\r\n", "too many values"),
    ] {
        for piece in 1..=bytes.len() {
            let error = fed(ReplyReader::any(), bytes, &[piece]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(why), "{bytes:?}: {error}");
        }
    }
}

#[test]
fn bounds_are_reached_and_not_passed() {
    // A line.
    for pieces in [1, 512, 1 << 20] {
        let line = |length: usize| [&vec![b'+'; length - 2], &b"\r\n"[..]].concat();
        for reader in [ReplyReader::line, ReplyReader::any] {
            assert!(fed(reader(), &line(LINE_BYTES), &[pieces]).unwrap().is_some());
            fed(reader(), &line(LINE_BYTES + 1), &[pieces]).unwrap_err();
            // Without an end.
            assert!(fed(reader(), &vec![b'+'; LINE_BYTES], &[pieces]).unwrap().is_none());
            fed(reader(), &vec![b'+'; LINE_BYTES + 1], &[pieces]).unwrap_err();
        }
    }
    let long = fed(ReplyReader::line(), &vec![b'+'; 2 * LINE_BYTES], &[512]);
    assert_eq!(long.unwrap_err().to_string(), "the reply is longer than 64 KiB");
    // A string, and what stands around it.
    let string = |length: usize| [format!("${length}\r\n").as_bytes(), &vec![b'x'; length], b"\r\n"].concat();
    let around = "$16777204\r\n\r\n".len();
    let whole = fed(ReplyReader::any(), &string(REPLY_BYTES - around), &[1 << 17]).unwrap().unwrap().0;
    let RedisValue::BulkString(bytes) = whole else { panic!("{whole:?}") };
    assert_eq!((bytes.len(), bytes.capacity()), (REPLY_BYTES - around, REPLY_BYTES - around + 2));
    fed(ReplyReader::any(), &string(REPLY_BYTES - around + 1), &[1 << 17]).unwrap_err();
    // Values.
    let array = |count: usize| [format!("*{count}\r\n").as_bytes(), &b":1\r\n".repeat(count)].concat();
    assert!(fed(ReplyReader::any(), &array(VALUES - 1), &[1 << 17]).unwrap().is_some());
    fed(ReplyReader::any(), &array(VALUES), &[1 << 17]).unwrap_err();
    // Levels.
    let nested = |levels: usize| [b"*1\r\n".repeat(levels - 1), b":1\r\n".to_vec()].concat();
    assert!(fed(ReplyReader::any(), &nested(LEVELS), &[7]).unwrap().is_some());
    fed(ReplyReader::any(), &nested(LEVELS + 1), &[7]).unwrap_err();
}

#[test]
fn what_is_announced_costs_nothing() {
    let mut reader = ReplyReader::any();
    assert_eq!(reader.feed(&mut &b"*60000\r\n*5000\r\n$16000000\r\nabc"[..]).unwrap(), None);
    assert!(reader.partial.capacity() < 64, "{}", reader.partial.capacity());
    assert!(reader.arrays.iter().all(|array| array.values.capacity() <= USUAL_VALUES));
}

fn values() -> impl Strategy<Value = RedisValue> {
    let word = "[^\r\n ]{0,6}";
    let leaf = prop_oneof![
        Just(RedisValue::Nil),
        any::<i64>().prop_map(RedisValue::Int),
        vec(any::<u8>(), 0..40).prop_map(RedisValue::BulkString),
        "[^\r\n]{0,9}".prop_map(RedisValue::SimpleString),
        (word, proptest::option::of("[^\r\n]{0,9}"))
            .prop_map(|(code, message)| RedisValue::Error(ServerError { code, message })),
    ];
    leaf.prop_recursive(5, 60, 7, |inner| vec(inner, 0..7).prop_map(RedisValue::Array))
}

/// The model: a value as a Redis writes it.
fn written(value: &RedisValue, out: &mut Vec<u8>) {
    match value {
        RedisValue::Nil => out.extend(b"$-1\r\n"),
        RedisValue::Int(number) => out.extend(format!(":{number}\r\n").bytes()),
        RedisValue::SimpleString(text) => out.extend(format!("+{text}\r\n").bytes()),
        RedisValue::Error(error) => {
            let message = error.message.as_ref().map(|message| format!(" {message}")).unwrap_or_default();
            out.extend(format!("-{}{message}\r\n", error.code).bytes());
        }
        RedisValue::BulkString(bytes) => {
            out.extend(format!("${}\r\n", bytes.len()).bytes());
            out.extend(bytes);
            out.extend(b"\r\n");
        }
        RedisValue::Array(values) => {
            out.extend(format!("*{}\r\n", values.len()).bytes());
            values.iter().for_each(|value| written(value, out));
        }
    }
}

/// Bytes that are often nearly a reply.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![
        "[+:$*-][0-9-]{0,12}(\r\n)?".prop_map(String::into_bytes),
        "[$*][0-3]\r\n".prop_map(String::into_bytes),
        values().prop_map(|value| {
            let mut bytes = Vec::new();
            written(&value, &mut bytes);
            bytes
        }),
        vec(any::<u8>(), 0..12),
    ];
    vec(head, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_reply_is_found_and_read(value in values(), pieces in vec(1_usize..50, 1..9), more: [u8; 3]) {
        let mut bytes = Vec::new();
        written(&value, &mut bytes);
        let whole = bytes.len();
        for cut in [0, whole / 2, whole - 1] {
            prop_assert_eq!(fed(ReplyReader::any(), &bytes[..cut], &pieces).unwrap(), None);
        }
        bytes.extend(more);
        prop_assert_eq!(fed(ReplyReader::any(), &bytes, &pieces).unwrap(), Some((value, more.len())));
    }

    #[test]
    fn replies_that_follow_each_other_are_told_apart(all in vec(values(), 1..6)) {
        let mut bytes = Vec::new();
        all.iter().for_each(|value| written(value, &mut bytes));
        let mut rest = &bytes[..];
        for value in all {
            prop_assert_eq!(ReplyReader::any().feed(&mut rest).unwrap(), Some(value));
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_mean_the_same_in_any_pieces(bytes in noise(), pieces in vec(1_usize..20, 1..9)) {
        for reader in [ReplyReader::any, ReplyReader::line] {
            let whole = fed(reader(), &bytes, &[usize::MAX]).map_err(|error| error.to_string());
            let pieced = fed(reader(), &bytes, &pieces).map_err(|error| error.to_string());
            prop_assert_eq!(whole, pieced);
        }
    }
}
