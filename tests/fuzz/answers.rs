//! Heads of answers, and bodies taken apart wherever the network has split them.

use testero::http::message::answer::AnswerHead;
use testero::http::message::body::{BodyDecoder, Piece};
use testero::http::message::fields::FieldSlots;
use testero::http::message::head::{EndFinder, Framing};

use super::{chunked_body, chunks, fuzz, is_token, lists, look_in_pieces, mutate, pick, trim, values};

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b" ",
    b":",
    b"\t",
    b"\0",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0",
    b"HTTP/2",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"X : y\r\n",
    b" z\r\n",
    b"1",
    b"\xe9",
];

fn head(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend_from_slice(pick(random, &[&b"HTTP/1.1 "[..], b"HTTP/1.1 ", b"HTTP/1.0 "]));
    head.extend_from_slice(pick(
        random,
        &[&b"200 OK"[..], b"204 No Content", b"304 ", b"100 Continue", b"101", b"599 \xe9"],
    ));
    head.extend_from_slice(b"\r\n");
    for _ in 0..random.usize(..4) {
        head.extend_from_slice(pick(
            random,
            &[
                &b"Content-Length: 5\r\n"[..],
                b"content-length:0\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Connection: close\r\n",
                b"Connection: keep-alive, x\r\n",
                b"X: \xe9\r\n",
                b"Server:\r\n",
            ],
        ));
    }
    head.extend_from_slice(b"\r\n");
    mutate(random, &mut head, WORDS, 2);
    head
}

/// Reads an accepted head again, in another way, and compares.
fn check_accepted(bytes: &[u8], head: &AnswerHead<'_>, to_head: bool) {
    let text = bytes.strip_suffix(b"\r\n\r\n").expect("an accepted head ends with an empty line");
    let mut lines = text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().expect("a status line");
    let is_new = line.starts_with(b"HTTP/1.1 ");
    assert!(is_new || line.starts_with(b"HTTP/1.0 "));
    let status: u16 = std::str::from_utf8(&line[9..12]).unwrap().parse().unwrap();
    assert_eq!(status, head.status.0);
    assert!((100..1000).contains(&status) && matches!(line.get(12), None | Some(b' ')));
    let fields: Vec<(&[u8], &[u8])> = lines
        .map(|line| {
            let colon = line.iter().position(|&b| b == b':').expect("a field line has a colon");
            assert!(is_token(&line[..colon]), "a field name is a token");
            (&line[..colon], trim(&line[colon + 1..]))
        })
        .collect();
    let (codings, lengths) = (values(&fields, "transfer-encoding"), values(&fields, "content-length"));
    let declared = match (&codings[..], &lengths[..]) {
        ([], []) => Framing::UntilClose,
        ([coding], []) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && is_new);
            Framing::Chunked
        }
        ([], [length, others @ ..]) => {
            assert!(others.iter().all(|other| other == length) && length.iter().all(u8::is_ascii_digit));
            match std::str::from_utf8(length).unwrap().parse() {
                Ok(0) => Framing::Empty,
                length => Framing::Length(length.unwrap_or(u64::MAX)),
            }
        }
        _ => panic!("more than one framing"),
    };
    let has_no_body = to_head || status < 200 || status == 204 || status == 304;
    assert_eq!(head.framing, if has_no_body { Framing::Empty } else { declared });
    let connection = values(&fields, "connection");
    let lives_on = (is_new || lists(&connection, "keep-alive")) && !lists(&connection, "close");
    assert_eq!(head.keep_alive, lives_on && head.framing != Framing::UntilClose);
}

#[test]
fn four_hundred_thousand_answers_are_read_as_they_should() {
    fuzz(400_000, head, |random, bytes| {
        let found = EndFinder::default().look(bytes);
        assert_eq!(look_in_pieces(random, bytes), found, "pieces make no difference");
        let to_head = random.u8(..4) == 0;
        // The parser stands on its own, too: whatever it is given.
        if random.u8(..8) == 0 {
            let _ = AnswerHead::parse(bytes, to_head, &mut FieldSlots::default()).is_ok();
        }
        let Ok(Some(length)) = found else { return false };
        match AnswerHead::parse(&bytes[..length], to_head, &mut FieldSlots::default()) {
            Ok(head) => check_accepted(&bytes[..length], &head, to_head),
            Err(_) => return false,
        }
        true
    });
}

#[test]
fn two_hundred_thousand_streams_of_chunks_give_the_same_in_any_pieces() {
    fuzz(200_000, chunked_body, |random, wire| {
        let mut decoder = BodyDecoder::streaming(Framing::Chunked, u64::MAX);
        let (mut data, mut at) = (Vec::new(), 0);
        let step = random.usize(1..40);
        let decoded = loop {
            if decoder.is_done() || at == wire.len() {
                break Ok(());
            }
            // Data may be received past the decoder.
            let ahead = decoder.data_ahead();
            if ahead > 0 && random.bool() {
                let count = (ahead as usize).min(wire.len() - at).min(step);
                data.extend_from_slice(&wire[at..at + count]);
                decoder.passed(count as u64);
                at += count;
                continue;
            }
            let piece = &wire[at..(at + random.usize(1..=step)).min(wire.len())];
            let mut rest = piece;
            match decoder.next(&mut rest) {
                Ok(Some(Piece::Data(found))) => data.extend_from_slice(found),
                Ok(_) => {}
                Err(rejection) => break Err(rejection),
            }
            at += piece.len() - rest.len();
        };
        match (decoded, chunks(wire)) {
            (Ok(()), Some((expected, length))) => {
                assert!(decoder.is_done() && data == expected);
                assert_eq!(at, length, "it ends where what follows begins");
                true
            }
            (Ok(()), None) => {
                assert!(!decoder.is_done(), "accepted");
                false
            }
            (Err(rejection), Some(_)) => panic!("refused: {rejection:?}"),
            (Err(_), None) => false,
        }
    });
}
