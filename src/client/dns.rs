//! Questions to a name server over TCP (RFC 1035, RFC 7766), which has no bound of the C library's: its resolver takes what
//! fits a datagram, 48 addresses at most.
//!
//! What a server answers may be anything. Its length is bounded by the protocol (64 KiB), it is waited for until a deadline,
//! and nothing in it is followed: names are passed over.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest name, and its longest part (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;
/// The head of a message.
const HEAD_BYTES: usize = 12;
/// How long one server may take to take a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// The kinds of addresses that are asked for: A and AAAA.
pub(super) const KINDS: [u16; 2] = [1, 28];
const INTERNET: u16 = 1;
/// The name does not exist.
const NO_SUCH_NAME: u8 = 3;

/// Asks a server for the addresses of a name. Without any where there are none.
///
/// # Errors
/// When it does not answer in time, or not to this question.
pub(super) fn ask(server: SocketAddr, name: &str, kind: u16, deadline: Instant) -> io::Result<Vec<IpAddr>> {
    // Nobody else can answer on this connection: the id guards against mix-ups alone.
    let id = std::process::id() as u16 ^ kind;
    let question = question(id, name, kind).ok_or_else(|| wrong("it is no name"))?;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let mut stream = TcpStream::connect_timeout(&server, left()?.min(CONNECT))?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(&[&(question.len() as u16).to_be_bytes()[..], &question].concat())?;
    let mut receive = |bytes: &mut [u8]| -> io::Result<()> {
        let mut have = 0;
        while have < bytes.len() {
            stream.set_read_timeout(Some(left()?))?;
            match stream.read(&mut bytes[have..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => have += count,
            }
        }
        Ok(())
    };
    let mut length = [0; 2];
    receive(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    receive(&mut answer)?;
    addresses(&answer, &question).ok_or_else(|| wrong("the name server's answer is none"))
}

fn wrong(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

/// A message that asks for one kind of addresses; `None` where it is no name.
fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > NAME_BYTES {
        return None;
    }
    // Recursion is desired; one question.
    let [high, low] = id.to_be_bytes();
    let mut message = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        if label.is_empty() || label.len() > LABEL_BYTES {
            return None;
        }
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&INTERNET.to_be_bytes());
    Some(message)
}

/// The addresses in the answer to a question: all of its kind, whatever names lead to them. `None` where it is no answer
/// to it.
fn addresses(answer: &[u8], question: &[u8]) -> Option<Vec<IpAddr>> {
    let (head, question_part) = question.split_at_checked(HEAD_BYTES)?;
    let kind = u16_at(question, question.len().checked_sub(4)?)?;
    let (flags, code) = (*answer.get(2)?, answer.get(3)? & 15);
    // An answer to this question, whole, of a server that recurses or knows.
    let is_ours = answer.get(..2)? == &head[..2] && flags & 0x80 != 0 && flags & 0x02 == 0;
    if !is_ours || u16_at(answer, 4)? != 1 {
        return None;
    }
    let asked = answer.get(HEAD_BYTES..HEAD_BYTES + question_part.len())?;
    if !asked.eq_ignore_ascii_case(question_part) || (code != 0 && code != NO_SUCH_NAME) {
        return None;
    }
    let (mut place, mut found) = (HEAD_BYTES + question_part.len(), Vec::new());
    for _ in 0..u16_at(answer, 6)? {
        place = behind_name(answer, place)?;
        let (is, class) = (u16_at(answer, place)?, u16_at(answer, place + 2)?);
        let length = usize::from(u16_at(answer, place + 8)?);
        let data = answer.get(place + 10..place + 10 + length)?;
        place += 10 + length;
        if is != kind || class != INTERNET {
            continue;
        }
        found.push(match data.len() {
            4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
            16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
            _ => return None,
        });
    }
    Some(found)
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(place)?, *bytes.get(place + 1)?]))
}

/// The place behind a name, which ends with nothing or a pointer to the rest of it.
fn behind_name(bytes: &[u8], mut place: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(place)?);
        match length {
            0 => return Some(place + 1),
            1..=LABEL_BYTES => place += 1 + length,
            0xc0.. => return Some(place + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a server answers to a question, with these records: kind, class, data.
    fn answer(question: &[u8], flags: [u8; 2], records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = question.to_vec();
        bytes[2..4].copy_from_slice(&flags);
        bytes[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        for (kind, data) in records {
            bytes.extend([0xc0, 12]);
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 5]);
            bytes.extend((data.len() as u16).to_be_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn a_question_is_that_of_rfc_1035() {
        let message = question(0x1234, "a.bc.", 1).unwrap();
        assert_eq!(message, b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01");
        let long = "a".repeat(64);
        for name in ["", ".", "a..b", &long, &"a.".repeat(128)] {
            assert_eq!(question(1, name, 1), None, "{name}");
        }
    }

    #[test]
    fn addresses_of_the_kind_that_was_asked_for_are_found() {
        let asked = question(7, "pods.svc", 1).unwrap();
        // A name that stands for another, as a headless Service of another name has it.
        let records: [(u16, &[u8]); 4] = [(5, b"\x01x\0"), (1, &[10, 0, 0, 1]), (28, &[0; 16]), (1, &[10, 0, 0, 2])];
        let found = addresses(&answer(&asked, [0x81, 0x80], &records), &asked).unwrap();
        assert_eq!(found, [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])]);
        let none = answer(&asked, [0x81, 0x83], &[]);
        assert_eq!(addresses(&none, &asked), Some(Vec::new()));
        let six = question(7, "pods.svc", 28).unwrap();
        let one = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            addresses(&answer(&six, [0x81, 0x80], &[(28, &one)]), &six).unwrap(),
            [IpAddr::V6(Ipv6Addr::LOCALHOST)]
        );
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_none() {
        let asked = question(7, "pods.svc", 1).unwrap();
        let good = answer(&asked, [0x81, 0x80], &[(1, &[10, 0, 0, 1])]);
        let other = question(8, "pods.svc", 1).unwrap();
        let name = question(7, "pods.svx", 1).unwrap();
        for wrong in [
            answer(&other, [0x81, 0x80], &[]),
            answer(&name, [0x81, 0x80], &[]),
            // A question, an answer that is cut, and a refusal.
            answer(&asked, [0x01, 0x80], &[]),
            answer(&asked, [0x83, 0x80], &[]),
            answer(&asked, [0x81, 0x85], &[]),
            answer(&asked, [0x81, 0x80], &[(1, &[10, 0, 0])]),
        ] {
            assert_eq!(addresses(&wrong, &asked), None);
        }
        for end in 0..good.len() {
            assert_eq!(addresses(&good[..end], &asked), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), count in any::<u16>()) {
            let asked = question(7, "pods.svc", 1).unwrap();
            let mut bytes = answer(&asked, [0x81, 0x80], &[]);
            bytes[6..8].copy_from_slice(&count.to_be_bytes());
            bytes.extend(&tail);
            let _ = addresses(&bytes, &asked);
            let _ = addresses(&tail, &asked);
        }

        #[test]
        fn every_address_is_found(all in proptest::collection::vec(any::<[u8; 4]>(), 0..2000)) {
            let asked = question(7, "pods.svc", 1).unwrap();
            let records: Vec<(u16, &[u8])> = all.iter().map(|ip| (1, &ip[..])).collect();
            let found = addresses(&answer(&asked, [0x81, 0x80], &records), &asked).unwrap();
            prop_assert_eq!(found, all.iter().map(|ip| IpAddr::from(*ip)).collect::<Vec<_>>());
        }
    }
}
