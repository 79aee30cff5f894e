//! Random inputs by the million: nothing panics, and what is accepted is what an independent reading accepts.
//!
//! The seed is random and told on failure; `FUZZ_SEED=n` runs it again.

mod answers;

use std::fmt::Write as _;
use std::io::BufReader;

use testero::http::Method;
use testero::http::bounds::{HEAD_BYTES, HEAD_FIELDS, TARGET_BYTES};
use testero::http::message::body::{self, ReceiveError};
use testero::http::message::fields::FieldSlots;
use testero::http::message::head::{EndFinder, Framing, Head, HttpVersion};
use testero::http::message::query::Query;
use testero::http::message::rejection::Rejection;
use testero::http::message::target::{cleaned, percent_decode, percent_encode};
use testero::http::{BodyRule, StatusCode};

/// Runs `check` on `rounds` inputs made by `make`, each from a seed of its own that is told when it fails.
///
/// `check` says whether the input was accepted: a tenth at least must be, and a tenth refused, or it proves little.
fn fuzz(rounds: u64, make: impl Fn(&mut fastrand::Rng) -> Vec<u8>, check: impl Fn(&mut fastrand::Rng, &[u8]) -> bool) {
    struct Told<'a>(u64, &'a [u8]);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("FUZZ_SEED={} with input: {}", self.0, self.1.escape_ascii());
            }
        }
    }
    let given = given_seed();
    let first = given.unwrap_or_else(|| fastrand::u64(..u64::MAX / 2));
    let rounds = if given.is_some() { 1 } else { rounds };
    let mut accepted = 0;
    for seed in first..first + rounds {
        let mut random = fastrand::Rng::with_seed(seed);
        let input = make(&mut random);
        let told = Told(seed, &input);
        accepted += u64::from(check(&mut random, told.1));
    }
    let tenth = if given.is_some() { 0 } else { rounds / 10 };
    assert!((tenth..=rounds - tenth).contains(&accepted), "{accepted} of {rounds} accepted, from seed {first}");
}

/// The seed of a run that is to be repeated.
pub(crate) fn given_seed() -> Option<u64> {
    std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok())
}

fn pick<'a, T: ?Sized>(random: &mut fastrand::Rng, from: &[&'a T]) -> &'a T {
    from[random.usize(..from.len())]
}

/// Inserts, deletes, replaces, repeats or swaps a few pieces.
pub(crate) fn mutate(random: &mut fastrand::Rng, bytes: &mut Vec<u8>, words: &[&[u8]], most: usize) {
    for _ in 0..random.usize(..=most) {
        let at = random.usize(..=bytes.len());
        match random.u8(..8) {
            0..3 => {
                let word = pick(random, words);
                bytes.splice(at..at, word.iter().copied());
            }
            3 => {
                let end = (at + random.usize(1..4)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 if at < bytes.len() => bytes[at] = pick(random, words)[0],
            5 if at < bytes.len() => bytes[at] = random.u8(..),
            6 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            _ => {
                let end = (at + random.usize(..40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.usize(..=bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

const HEAD_WORDS: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b": ",
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\x0b",
    b"\x0c",
    b"\x01",
    b"0",
    b"1",
    b"9",
    b",",
    b";",
    b"/",
    b"*",
    b"%",
    b"?",
    b"[",
    b"]",
    b"@",
    b"+5",
    b"-1",
    b"0x5",
    b"GET",
    b"HEAD",
    b"CONNECT",
    b"OPTIONS",
    b"PRI",
    b"http://",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"Host: x\r\n",
    b"\r\nHost: y",
    b"\r\n folded",
    b"Content-Length: 5\r\n",
    b"Content-Length: 6\r\n",
    b"content-length:5,5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding: identity\r\n",
    b"chunked",
    b"gzip",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"Expect: x\r\n",
    b" :",
    b"99999999999999999999",
    b"18446744073709551616",
];

/// A head that is fine.
fn sound_head(random: &mut fastrand::Rng) -> Vec<u8> {
    let method = pick(random, &["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "FOO"]);
    let target = pick(
        random,
        &["/", "/api/mem/set?size=5", "/api/mem%2Fgetact", "http://x/a?b", "http://[::1]:80", "/\u{e9}", "//a/../b"],
    );
    let version = pick(random, &["HTTP/1.1", "HTTP/1.0"]);
    let mut head = format!("{method} {target} {version}\r\n");
    let mut fields: Vec<&str> = vec![pick(random, &["Host: x", "host:\tx:80 ", "HOST: [::1]", "Host:"])];
    match random.u8(..6) {
        0 => fields.push("Content-Length: 5"),
        1 => fields.extend(["Content-Length: 7", "content-length: 7"]),
        2 if version == "HTTP/1.1" => {
            fields.push(pick(random, &["Transfer-Encoding: chunked", "transfer-encoding:CHUNKED "]))
        }
        3 => fields.push("Content-Length: 0"),
        _ => {}
    }
    for _ in 0..random.usize(..3) {
        fields.push(pick(
            random,
            &[
                "Accept: */*",
                "X-Y: \u{e9} z",
                "Connection: close",
                "Connection: a, Keep-Alive",
                "Expect: 100-continue",
                "E:",
            ],
        ));
    }
    random.shuffle(&mut fields);
    fields.dedup();
    for field in fields {
        let _ = write!(head, "{field}\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn mutated_head(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut head = sound_head(random);
    mutate(random, &mut head, HEAD_WORDS, 3);
    match random.u16(..1000) {
        // Now and then one at the bounds.
        0 => {
            let many = random.usize(HEAD_FIELDS - 6..HEAD_FIELDS + 4);
            let at = head.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
            head.splice(at..at, b"A: b\r\n".repeat(many));
        }
        1 => {
            let long = random.usize(TARGET_BYTES - 40..TARGET_BYTES + 40);
            let at = head.iter().position(|&b| b == b'/').map_or(0, |at| at + 1);
            head.splice(at..at, vec![b'x'; long]);
        }
        2 => {
            let long = random.usize(HEAD_BYTES - 200..HEAD_BYTES + 40);
            let at = head.windows(3).position(|three| three == b"\r\n\r").map_or(0, |at| at + 2);
            head.splice(at..at, [b"L: ".as_slice(), &vec![b'x'; long], b"\r\n"].concat());
        }
        3 => drop(head.splice(0..0, b"\r\n".repeat(random.usize(..5)))),
        4..14 => head = (0..random.usize(..60)).map(|_| random.u8(..)).collect(),
        14..24 => head = (0..random.usize(..30)).flat_map(|_| pick(random, HEAD_WORDS).to_vec()).collect(),
        _ => {}
    }
    if random.u8(..4) == 0 {
        head.extend_from_slice(pick(random, &[&b"x"[..], b"\r\n", b"GET / HTTP/1.1\r\n", b"\0\n"]));
    }
    head
}

/// Feeds the bytes in random pieces.
fn look_in_pieces(random: &mut fastrand::Rng, bytes: &[u8]) -> Result<Option<usize>, Rejection> {
    let mut finder = EndFinder::default();
    let step = 1 + random.usize(..bytes.len().max(1));
    let mut end = 0;
    loop {
        end = (end + random.usize(1..=step)).min(bytes.len());
        match finder.look(&bytes[..end]) {
            Ok(None) if end < bytes.len() => {}
            result => return result,
        }
    }
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| (b'!'..=b'~').contains(b) && !b"\"(),/:;<=>?@[\\]{}".contains(b))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn values<'a>(fields: &[(&[u8], &'a [u8])], name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|&(_, value)| value).collect()
}

fn lists(values: &[&[u8]], token: &str) -> bool {
    values.iter().flat_map(|v| v.split(|&b| b == b',')).any(|item| trim(item).eq_ignore_ascii_case(token.as_bytes()))
}

/// Reads an accepted head again, in another way, and compares.
fn check_accepted(bytes: &[u8], head: &Head<'_>) {
    let text = bytes.strip_suffix(b"\r\n\r\n").expect("an accepted head ends with an empty line");
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            0 => panic!("NUL in an accepted head"),
            b'\r' => assert_eq!(bytes.get(at + 1), Some(&b'\n'), "bare CR"),
            b'\n' => assert!(at > 0 && bytes[at - 1] == b'\r', "bare LF"),
            _ => {}
        }
    }
    let mut lines = text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.by_ref().find(|line| !line.is_empty()).expect("a request line");
    let words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
    let [method, target, version] = words[..] else { panic!("the request line has {} words", words.len()) };
    assert!(is_token(method) && method != b"CONNECT");
    assert_eq!(method, head.method.as_str().as_bytes());
    assert!(target.len() <= TARGET_BYTES && !target.is_empty() && target.iter().all(|&b| b > b' ' && b != 0x7f));
    assert_eq!(version, if head.version == HttpVersion::Http11 { b"HTTP/1.1" } else { b"HTTP/1.0" });
    assert!(head.target[0] == b'/' || (head.target == b"*" && head.method == Method::Options));
    assert!(target.ends_with(head.target) || (head.target == b"/" && target[..4].eq_ignore_ascii_case(b"http")));
    if target[0] == b'/' {
        assert_eq!(target, head.target);
    }
    let fields: Vec<(&[u8], &[u8])> = lines
        .map(|line| {
            let colon = line.iter().position(|&b| b == b':').expect("a field line has a colon");
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            assert!(is_token(name), "a field name is a token");
            assert!(value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f)), "no control character in a value");
            (name, trim(value))
        })
        .collect();
    assert!(fields.len() <= HEAD_FIELDS);
    for (name, _) in &fields {
        let name = std::str::from_utf8(name).expect("a token is ASCII");
        assert!(head.fields.all(name).eq(values(&fields, name)), "the values of {name}");
    }
    let hosts = values(&fields, "host").len();
    assert!(hosts == 1 || (hosts == 0 && head.version == HttpVersion::Http10), "{hosts} Host fields");
    let codings = values(&fields, "transfer-encoding");
    let lengths = values(&fields, "content-length");
    assert!(codings.is_empty() || lengths.is_empty(), "both framings");
    let framing = match (&codings[..], &lengths[..]) {
        ([], []) => Framing::Empty,
        ([coding], []) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && head.version == HttpVersion::Http11);
            Framing::Chunked
        }
        ([], [length, others @ ..]) => {
            assert!(others.iter().all(|other| other == length), "lengths that differ");
            assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit), "a length that is no number");
            match length.iter().try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b - b'0'))) {
                Some(0) => Framing::Empty,
                length => Framing::Length(length.unwrap_or(u64::MAX)),
            }
        }
        _ => panic!("more than one Transfer-Encoding"),
    };
    assert_eq!(head.framing, framing);
    let connection = values(&fields, "connection");
    let close = lists(&connection, "close");
    let keep = head.version == HttpVersion::Http11 || lists(&connection, "keep-alive");
    assert_eq!(head.keep_alive, keep && !close);
    if head.expects_continue {
        assert!(lists(&values(&fields, "expect"), "100-continue") && framing != Framing::Empty);
    }
}

fn check_head(random: &mut fastrand::Rng, bytes: &[u8]) -> bool {
    const STATUSES: [u16; 7] = [400, 413, 414, 417, 431, 501, 505];
    let found = EndFinder::default().look(bytes);
    assert_eq!(look_in_pieces(random, bytes), found, "pieces make no difference");
    // The parser stands on its own, too: whatever it is given.
    if random.u8(..8) == 0 {
        let _ = Head::parse(bytes, &mut FieldSlots::default()).is_ok();
    }
    match found {
        Ok(Some(length)) => {
            assert!(length <= bytes.len() && length <= HEAD_BYTES);
            let start = bytes.chunks(2).take_while(|pair| pair == b"\r\n").count() * 2;
            let end = bytes[start..].windows(4).position(|four| four == b"\r\n\r\n");
            assert_eq!(end.map(|at| start + at + 4), Some(length), "it ends with the first empty line");
            match Head::parse(&bytes[..length], &mut FieldSlots::default()) {
                Ok(head) => {
                    check_accepted(&bytes[..length], &head);
                    return true;
                }
                Err(rejection) => assert!(STATUSES.contains(&rejection.status.0), "{rejection:?}"),
            }
        }
        Ok(None) => assert!(bytes.len() < HEAD_BYTES, "a head too long is told at once"),
        Err(rejection) => assert!(STATUSES.contains(&rejection.status.0), "{rejection:?}"),
    }
    false
}

#[test]
fn a_million_mutated_heads_are_refused_or_sound() {
    fuzz(1_000_000, mutated_head, check_head);
}

#[test]
fn a_sound_head_is_accepted() {
    for _ in 0..50_000 {
        let mut random = fastrand::Rng::new();
        let bytes = sound_head(&mut random);
        assert_eq!(look_in_pieces(&mut random, &bytes), Ok(Some(bytes.len())), "{}", bytes.escape_ascii());
        match Head::parse(&bytes, &mut FieldSlots::default()) {
            Ok(head) => check_accepted(&bytes, &head),
            Err(rejection) => panic!("{rejection:?}: {}", bytes.escape_ascii()),
        }
    }
}

const URL_WORDS: &[&[u8]] = &[
    b"%",
    b"%2",
    b"%zz",
    b"%41",
    b"%00",
    b"%fF",
    b"%2F",
    b"%26",
    b"%3D",
    b"%25",
    b"&",
    b"&&",
    b"=",
    b";",
    b"+",
    b"%2B",
    b"size",
    b"s%69ze",
    b"time",
    b"id",
    b"5",
    b"\xff",
    b"\0",
    b"\xc3\xa9",
    b"/",
    b"//",
    b".",
    b"..",
    b"...",
    b"/./",
    b"/../",
    b"a",
    b" ",
    b"?",
];

fn words(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes: Vec<u8> = match random.u8(..3) {
        0 => b"size=5&time=%33&size=6".to_vec(),
        _ => (0..random.usize(..8)).flat_map(|_| pick(random, URL_WORDS).to_vec()).collect(),
    };
    mutate(random, &mut bytes, URL_WORDS, 2);
    bytes
}

/// Percent-decoding from the far end.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let Some(first) = text.iter().position(|&b| b == b'%') else { return Some(text.to_vec()) };
    let digits = std::str::from_utf8(text.get(first + 1..first + 3)?).ok()?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let byte = u8::from_str_radix(digits, 16).ok()?;
    Some([&text[..first], &[byte], &decoded(&text[first + 3..])?].concat())
}

#[test]
fn six_hundred_thousand_queries_are_read_as_the_contract_says() {
    fuzz(600_000, words, |_, bytes| {
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for pair in bytes.split(|&b| b == b'&').filter(|pair| !pair.is_empty() && !pair.contains(&b';')) {
            let mut halves = pair.splitn(2, |&b| b == b'=').map(|half| {
                let spaced: Vec<u8> = half.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
                decoded(&spaced)
            });
            if let (Some(Some(key)), Some(value)) = (halves.next(), halves.next().unwrap_or(Some(Vec::new()))) {
                pairs.push((key, value));
            }
        }
        let read: Vec<(Vec<u8>, Vec<u8>)> =
            Query(bytes).pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        assert_eq!(read, pairs);
        for key in ["size", "time", "id", ""] {
            let value = pairs.iter().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value.clone());
            let value = value.filter(|value| !value.is_empty());
            assert_eq!(Query(bytes).value(key).map(std::borrow::Cow::into_owned), value, "{key}");
        }
        Query(bytes).value("size").is_some()
    });
}

#[test]
fn two_hundred_thousand_paths_are_decoded_and_cleaned() {
    fuzz(200_000, words, |_, bytes| {
        assert_eq!(percent_decode(bytes).map(std::borrow::Cow::into_owned), decoded(bytes));
        let encoded = percent_encode(bytes);
        assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(percent_decode(encoded.as_bytes()).expect("sound").as_ref(), bytes);
        let mut path = b"/".to_vec();
        path.extend_from_slice(bytes);
        let mut names: Vec<Vec<u8>> = Vec::new();
        for name in path.split(|&b| b == b'/').map(<[u8]>::to_vec) {
            if name == b".." {
                names.pop();
            } else if !name.is_empty() && name != b"." {
                names.push(name);
            }
        }
        let mut expected: Vec<u8> = names.iter().flat_map(|name| [b"/".as_slice(), name].concat()).collect();
        if names.is_empty() || path.last() == Some(&b'/') {
            expected.push(b'/');
        }
        match cleaned(&path) {
            None => assert_eq!(path, expected),
            Some(clean) => {
                assert_eq!(clean, expected);
                assert_ne!(clean, path, "a redirect to itself");
                assert_eq!(cleaned(&clean), None, "a redirect to a redirect");
            }
        }
        percent_decode(bytes).is_some()
    });
}

const CHUNK_WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r",
    b"\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"1\r\nx\r\n",
    b"a\r\n0123456789\r\n",
    b"00",
    b"F",
    b"g",
    b"+",
    b"-",
    b"0x",
    b" ",
    b"\t",
    b";",
    b";a=b",
    b";a=\"b\"",
    b"X: y\r\n",
    b":",
    b"\0",
    b"\xff",
    b"fffffffffffffff",
    b"7fffffff",
    b"ffffffffffffffff",
    b"GET / HTTP/1.1\r\n",
];

fn chunked_body(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..random.usize(..4) {
        let data: Vec<u8> = (0..random.usize(1..20)).map(|_| random.u8(..)).collect();
        let size = if random.bool() { format!("{:x}", data.len()) } else { format!("{:04X}", data.len()) };
        wire.extend_from_slice(size.as_bytes());
        wire.extend_from_slice(pick(random, &[&b""[..], b"", b";a", b";a=b;c"]));
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&data);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(pick(random, &[&b"0\r\n\r\n"[..], b"000\r\n\r\n", b"0;x\r\nA: b\r\nC:\r\n\r\n"]));
    mutate(random, &mut wire, CHUNK_WORDS, 2);
    wire
}

/// Reads a chunked body by whole lines: the data and how long it was on the wire.
fn chunks(wire: &[u8]) -> Option<(Vec<u8>, usize)> {
    fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let end = rest.iter().position(|&b| b == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r")?;
        *rest = &rest[end + 1..];
        (!line.iter().any(|&b| b < 32 && b != b'\t' || b == 127)).then_some(line)
    }
    let (mut rest, mut data) = (wire, Vec::new());
    loop {
        let size = line(&mut rest)?;
        let digits = size.split(|&b| b == b';').next()?;
        if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = &rest[size..];
        if !line(&mut rest)?.is_empty() {
            return None;
        }
    }
    loop {
        match line(&mut rest)? {
            b"" => return Some((data, wire.len() - rest.len())),
            field => {
                let name = field.split(|&b| b == b':').next()?;
                if name.len() == field.len()
                    || name.is_empty()
                    || !name.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
                {
                    return None;
                }
            }
        }
    }
}

#[test]
fn four_hundred_thousand_bodies_end_where_they_should() {
    fuzz(400_000, chunked_body, |random, wire| {
        let limit = if random.u8(..4) == 0 { random.usize(..30) } else { 10_000 };
        let keep = random.bool();
        let rule = if keep { BodyRule::Keep(limit) } else { BodyRule::Discard(limit) };
        // A window of any size onto the wire: pieces make no difference.
        let mut source = BufReader::with_capacity(random.usize(1..64), wire);
        let framing = match random.u8(..4) {
            0 => Framing::Length(random.u64(1..100)),
            1 if random.u8(..50) == 0 => Framing::Empty,
            _ => Framing::Chunked,
        };
        let expected = match framing {
            Framing::Empty => Some((Vec::new(), 0)),
            Framing::Length(length) => wire.get(..length as usize).map(|data| (data.to_vec(), data.len())),
            Framing::Chunked => chunks(wire),
            Framing::UntilClose => unreachable!("no request is delimited so"),
        };
        let read = body::read(&mut source, framing, rule);
        let buffered = source.buffer().len();
        let used = wire.len() - source.into_inner().len() - buffered;
        match (read, expected) {
            (Ok(body), Some((data, length))) => {
                assert!(data.len() <= limit);
                assert_eq!(used, length, "it ends where the next request begins");
                assert_eq!(body, if keep { data } else { Vec::new() });
                return true;
            }
            (Ok(body), None) => panic!("accepted: {}", body.escape_ascii()),
            (Err(ReceiveError::Rejected(Rejection { status: StatusCode(413), .. })), Some((data, _))) => {
                assert!(data.len() > limit || matches!(framing, Framing::Length(length) if length > limit as u64));
            }
            (Err(error), Some(_)) => panic!("refused: {error:?}"),
            (Err(ReceiveError::Rejected(rejection)), None) => assert!([400, 413].contains(&rejection.status.0)),
            (Err(ReceiveError::Io(error)), None) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
        }
        false
    });
}
