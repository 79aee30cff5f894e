//! The PROXY protocol (haproxy.org, `proxy-protocol.txt`): before anything else, a connection says whose it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::settings::proxy::config::ProxyProtocolVersion;

/// Longest header of version 1, its line end included.
const MOST_V1: usize = 107;
/// Longest header of version 2 that is taken: what a sender can count on to arrive in one piece.
const MOST_V2: usize = 536;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8; 6] = b"PROXY ";
/// Length of a header of version 2 without what its last two bytes count.
const FIXED: usize = 16;
/// Length of two addresses of the family UNIX.
const UNIX: usize = 216;

/// A client's address, and the one that it connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct ConnectionEnds {
    pub(in crate::proxy) client: SocketAddr,
    pub(in crate::proxy) local: SocketAddr,
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct ProxyHeader {
    /// Its length in bytes.
    pub(in crate::proxy) length: usize,
    /// Whose the connection is; `None` where it is that of whom it comes from.
    pub(in crate::proxy) ends: Option<ConnectionEnds>,
}

/// These bytes begin with no header, whatever comes behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct NoProxyHeader;

/// Reads a header of either version. `None` until it is whole.
pub(in crate::proxy) fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let begins = |mark: &[u8]| bytes.iter().zip(mark).all(|(one, other)| one == other);
    match (begins(V1), begins(SIGNATURE)) {
        // Nothing yet.
        (true, true) => Ok(None),
        (true, false) => read_v1(bytes),
        (false, true) => read_v2(bytes),
        (false, false) => Err(NoProxyHeader),
    }
}

fn read_v1(bytes: &[u8]) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let window = &bytes[..bytes.len().min(MOST_V1)];
    let whole = window.len() == MOST_V1;
    let Some(end) = window.iter().position(|&byte| byte == b'\r' || byte == b'\n') else {
        return if whole { Err(NoProxyHeader) } else { Ok(None) };
    };
    match window[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if !whole => return Ok(None),
        _ => return Err(NoProxyHeader),
    }
    let line = window.get(V1.len()..end).and_then(|line| std::str::from_utf8(line).ok());
    let length = end + 2;
    // What a sender that knows nothing says behind that does not count, and need not be text.
    if window[..end].strip_prefix(b"PROXY UNKNOWN").is_some_and(|rest| matches!(rest, [] | [b' ', ..])) {
        return Ok(Some(ProxyHeader { length, ends: None }));
    }
    let ends = line.and_then(v1_ends).ok_or(NoProxyHeader)?;
    Ok(Some(ProxyHeader { length, ends: Some(ends) }))
}

/// `TCP4 192.168.0.1 192.168.0.11 56324 443`
fn v1_ends(line: &str) -> Option<ConnectionEnds> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let (family, client, local) = (word()?, word()?, word()?);
    let (client_port, local_port) = (port(word()?)?, port(word()?)?);
    let address = |text: &str| match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    let (client, local) = (address(client)?, address(local)?);
    let ends = ConnectionEnds { client: (client, client_port).into(), local: (local, local_port).into() };
    word().is_none().then_some(ends)
}

/// A port without leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

fn read_v2(bytes: &[u8]) -> Result<Option<ProxyHeader>, NoProxyHeader> {
    let Some((head, rest)) = bytes.split_at_checked(FIXED) else { return Ok(None) };
    let (command, family) = (head[12], head[13]);
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    // What is behind the addresses, and what a connection of the sender's own (LOCAL) says of them, does not count.
    let least = match (command, family) {
        (0x20, _) | (0x21, 0x00) => 0,
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        (0x21, 0x31) => UNIX,
        // Another version, or what no stream can be.
        _ => return Err(NoProxyHeader),
    };
    if length < least || FIXED + length > MOST_V2 {
        return Err(NoProxyHeader);
    }
    if rest.len() < length {
        return Ok(None);
    }
    let u16_at = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    let ends = match least {
        12 => {
            let ip = |at: usize| Ipv4Addr::new(rest[at], rest[at + 1], rest[at + 2], rest[at + 3]);
            Some(ConnectionEnds { client: (ip(0), u16_at(8)).into(), local: (ip(4), u16_at(10)).into() })
        }
        36 => {
            let ip = |at: usize| Ipv6Addr::from(std::array::from_fn::<u16, 8, _>(|word| u16_at(at + 2 * word)));
            Some(ConnectionEnds { client: (ip(0), u16_at(32)).into(), local: (ip(16), u16_at(34)).into() })
        }
        _ => None,
    };
    Ok(Some(ProxyHeader { length: FIXED + length, ends }))
}

/// Writes a header; without `ends`, one that says that the connection is the proxy's own.
pub(in crate::proxy) fn write(version: ProxyProtocolVersion, ends: Option<ConnectionEnds>) -> Vec<u8> {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let ends = ends.map(|ends| (canonical(ends.client), canonical(ends.local)));
    let v6 = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    match (version, ends) {
        (ProxyProtocolVersion::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyProtocolVersion::V1, Some((client, local))) => {
            let (client_port, local_port) = (client.port(), local.port());
            match (client.ip(), local.ip()) {
                (IpAddr::V4(client), IpAddr::V4(local)) => {
                    format!("PROXY TCP4 {client} {local} {client_port} {local_port}\r\n")
                }
                _ => format!("PROXY TCP6 {} {} {client_port} {local_port}\r\n", v6(client), v6(local)),
            }
            .into_bytes()
        }
        (ProxyProtocolVersion::V2, None) => [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat(),
        (ProxyProtocolVersion::V2, Some((client, local))) => {
            let ports = [client.port().to_be_bytes(), local.port().to_be_bytes()].concat();
            match (client.ip(), local.ip()) {
                (IpAddr::V4(client), IpAddr::V4(local)) => {
                    [SIGNATURE, &[0x21, 0x11, 0, 12][..], &client.octets(), &local.octets(), &ports].concat()
                }
                _ => {
                    let (client, local) = (v6(client).octets(), v6(local).octets());
                    [SIGNATURE, &[0x21, 0x21, 0, 36][..], &client, &local, &ports].concat()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(client: &str, local: &str) -> ConnectionEnds {
        ConnectionEnds { client: client.parse().unwrap(), local: local.parse().unwrap() }
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[test]
    fn lines_of_version_1_are_read_as_its_document_has_them() {
        let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        let ffff = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        let worst = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        assert_eq!(worst.len(), MOST_V1);
        for (line, expected) in [
            ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", Some(ends("192.168.0.1:56324", "192.168.0.11:443"))),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                Some(ends("255.255.255.255:65535", "255.255.255.255:65535")),
            ),
            (longest, Some(ends(ffff, ffff))),
            ("PROXY UNKNOWN\r\n", None),
            (worst, None),
            ("PROXY UNKNOWN \0\u{ff} anything\r\n", None),
        ] {
            let header = ProxyHeader { length: line.len(), ends: expected };
            let followed = [line.as_bytes(), b"GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n"].concat();
            assert_eq!(read(&followed), Ok(Some(header)), "{line:?}");
            for end in 0..line.len() {
                assert_eq!(read(&line.as_bytes()[..end]), Ok(None), "{:?}", &line.as_bytes()[..end]);
            }
        }
    }

    #[test]
    fn what_is_nearly_a_line_of_version_1_is_none() {
        for line in [
            "GET / HTTP/1.1\r\n",
            "proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rx",
            "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
            "PROXY TCP4 1.1.1.01 1.1.1.1 1 1\r\n",
            "PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP4 ::1 ::1 1 1\r\n",
            "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP6 [::1] ::1 1 1\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n",
            "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY tcp4 1.1.1.1 1.1.1.1 1 1\r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Err(NoProxyHeader), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
        assert_eq!(read(&long.as_bytes()[..MOST_V1 - 1]), Ok(None));
        assert_eq!(read(&long.as_bytes()[..MOST_V1]), Err(NoProxyHeader));
        let one_more = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MOST_V1 - 15));
        assert_eq!((one_more.len(), read(one_more.as_bytes())), (MOST_V1 + 1, Err(NoProxyHeader)));
    }

    #[test]
    fn headers_of_version_2_are_read_whatever_is_behind_their_addresses() {
        let v4 = [192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];
        let v6: Vec<u8> = [&Ipv6Addr::LOCALHOST.octets()[..], &[0xfd; 16], &[0, 1, 0, 2]].concat();
        let fd = "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:2";
        // A TLV of type NOOP.
        let with_tlv = [&v4[..], &[4, 0, 2, 9, 9]].concat();
        let filled = [&v4[..], &[0; MOST_V2 - FIXED - 12]].concat();
        for (bytes, expected) in [
            (v2(0x21, 0x11, &v4), Some(ends("192.168.0.1:56324", "192.168.0.11:443"))),
            (v2(0x21, 0x11, &with_tlv), Some(ends("192.168.0.1:56324", "192.168.0.11:443"))),
            (v2(0x21, 0x11, &filled), Some(ends("192.168.0.1:56324", "192.168.0.11:443"))),
            (v2(0x21, 0x21, &v6), Some(ends("[::1]:1", fd))),
            (v2(0x21, 0x31, &[7; UNIX]), None),
            (v2(0x21, 0, &[1, 2]), None),
            (v2(0x20, 0, &[]), None),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x20, 0xff, &[1]), None),
        ] {
            let header = ProxyHeader { length: bytes.len(), ends: expected };
            assert_eq!(read(&[&bytes[..], b"GET /"].concat()), Ok(Some(header)));
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Ok(None));
            }
        }
        for bytes in [
            v2(0x11, 0x11, &v4),
            v2(0x31, 0x11, &v4),
            v2(0x22, 0x11, &v4),
            v2(0x21, 0x12, &v4),
            v2(0x21, 0x22, &v6),
            v2(0x21, 0x32, &[7; UNIX]),
            v2(0x21, 0x10, &v4),
            v2(0x21, 0x41, &v6),
            v2(0x21, 0x11, &v4[..11]),
            v2(0x21, 0x21, &v6[..35]),
            v2(0x21, 0x31, &v6),
            v2(0x20, 0, &[0; MOST_V2 - FIXED + 1]),
        ] {
            // It is told from the fixed part.
            assert_eq!(read(&bytes[..FIXED]), Err(NoProxyHeader), "{bytes:x?}");
        }
        assert_eq!(read(b"\r\n\r\n\0\r\nQUIT\r"), Err(NoProxyHeader));
    }

    #[test]
    fn what_is_written_is_what_the_document_has() {
        let v4 = ends("192.168.0.1:56324", "192.168.0.11:443");
        let text = |ends| String::from_utf8(write(ProxyProtocolVersion::V1, ends)).unwrap();
        assert_eq!(text(Some(v4)), "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
        assert_eq!(text(Some(ends("[::ffff:10.0.0.1]:1", "10.0.0.2:2"))), "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
        assert_eq!(text(Some(ends("[2001:db8::1]:1", "10.0.0.2:2"))), "PROXY TCP6 2001:db8::1 ::ffff:10.0.0.2 1 2\r\n");
        assert_eq!(text(None), "PROXY UNKNOWN\r\n");
        assert_eq!(
            write(ProxyProtocolVersion::V2, Some(v4)),
            b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb"
        );
        assert_eq!(write(ProxyProtocolVersion::V2, None), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }

    /// Bytes that often are a header, or nearly one.
    fn likely() -> impl Strategy<Value = Vec<u8>> {
        let word = proptest::sample::select(vec![
            "PROXY ", "TCP4", "TCP6", "UNKNOWN", " ", "1.2.3.4", "::1", "80", "65536", "\r\n", "\r", "\n", "x", "0",
        ]);
        let lines = proptest::collection::vec(word, 0..12).prop_map(|words| words.concat().into_bytes());
        let command = proptest::sample::select(vec![0x20, 0x21, 0x21, 0x21, 0x11]);
        let family = proptest::sample::select(vec![0x11, 0x21, 0x31, 0, 0x12]);
        let rest = proptest::collection::vec(any::<u8>(), 0..600);
        let binary = (command, family, rest, any::<u16>()).prop_map(|(command, family, rest, cut)| {
            let mut bytes = v2(command, family, &rest);
            bytes.truncate(usize::from(cut) % (bytes.len() + 1) + bytes.len() / 2);
            bytes
        });
        let line =
            (any::<[u8; 4]>(), any::<u16>(), any::<[u16; 8]>(), any::<bool>()).prop_map(|(v4, port, v6, is_v4)| {
                let ip = if is_v4 { IpAddr::from(v4) } else { IpAddr::from(v6) };
                let address = SocketAddr::new(ip, port);
                write(ProxyProtocolVersion::V1, Some(ConnectionEnds { client: address, local: address }))
            });
        prop_oneof![lines, binary, line, proptest::collection::vec(any::<u8>(), 0..40)]
    }

    proptest! {
        #[test]
        fn the_verdict_is_the_same_however_bytes_come(bytes in likely(), behind in proptest::collection::vec(any::<u8>(), 0..9)) {
            let all = [bytes, behind].concat();
            let whole = read(&all);
            let first = (0..=all.len()).map(|end| read(&all[..end])).find(|verdict| *verdict != Ok(None));
            prop_assert_eq!(first.unwrap_or(Ok(None)), whole);
            if let Ok(Some(header)) = whole {
                prop_assert!(header.length <= all.len().min(MOST_V2));
            }
            if whole == Ok(None) {
                prop_assert!(all.len() < MOST_V2);
            }
        }

        #[test]
        fn what_is_written_is_read(client in any::<(u128, u16, bool)>(), local in any::<(u128, u16, bool)>()) {
            let address = |(bits, port, is_v4): (u128, u16, bool)| {
                let ip = if is_v4 { IpAddr::from(Ipv4Addr::from(bits as u32)) } else { Ipv6Addr::from(bits).into() };
                SocketAddr::new(ip, port)
            };
            let ends = ConnectionEnds { client: address(client), local: address(local) };
            let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
            for version in [ProxyProtocolVersion::V1, ProxyProtocolVersion::V2] {
                let bytes = write(version, Some(ends));
                let header = read(&bytes).unwrap().unwrap();
                let read = header.ends.unwrap();
                prop_assert_eq!(header.length, bytes.len());
                prop_assert_eq!(canonical(read.client), canonical(ends.client));
                prop_assert_eq!(canonical(read.local), canonical(ends.local));
            }
        }
    }
}
