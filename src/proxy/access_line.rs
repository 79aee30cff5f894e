//! A line of the access log.
//!
//! As text it is the combined log format, which tools for web servers read, and behind that `name=value` of ours:
//!
//! ```text
//! 127.0.0.1 - - [31/Jan/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 2 "-" "curl/8.5.0" host="h1" id="-" in=0
//!   service="shop" member="10.0.0.1:80" retries=0 connected=0.210 first=1.300 total=1.320 end=ok
//! ```
//!
//! What a client sends is printable ASCII in it, whatever it was: other bytes are `\xHH`, or as JSON has them.

use std::fmt::{self, Display, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::http::message::fields::FieldSlots;
use crate::http::message::head::RawHead;
use crate::kernel::clock::utc_stamp;
use crate::proxy::passage::ExchangeReport;
use crate::proxy::services::Balancer;
use crate::service::json::ToJson;
use crate::settings::proxy::config::AccessLog;

/// Most bytes of a target, and of a line that is no request's.
const TARGET_BYTES: usize = 2048;
/// Most bytes of a field's value, and of a method.
const VALUE_BYTES: usize = 256;
/// The status of a request whose client left before there was one, as nginx has it: tools expect three digits.
const CLIENT_LEFT: u16 = 499;

/// What a request says of itself, until its line is written.
pub(super) struct AccessEntry {
    time: SystemTime,
    began: Instant,
    client: Option<IpAddr>,
    method: Vec<u8>,
    /// The whole first line, where it is no request's.
    target: Vec<u8>,
    version: Vec<u8>,
    host: Vec<u8>,
    id: Vec<u8>,
    referer: Vec<u8>,
    agent: Vec<u8>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestEnd {
    /// The client has the member's answer.
    Whole,
    /// The client has a page of the proxy's own, of this status and so many bytes.
    Page(u16, usize),
    /// The answer broke off.
    BrokenOff,
    /// The client left.
    ClientGone,
}

impl Display for RequestEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole | Self::Page(200, _) => out.write_str("ok"),
            Self::Page(status, _) => write!(out, "{status}"),
            Self::BrokenOff => out.write_str("broken-off"),
            Self::ClientGone => out.write_str("client-gone"),
        }
    }
}

/// What became of a request.
pub(super) struct RequestOutcome<'o> {
    pub(super) end: RequestEnd,
    /// Where a member was asked.
    pub(super) report: Option<ExchangeReport<'o>>,
    /// Where none was, and yet it is known who was meant.
    pub(super) service: Option<&'o Balancer>,
    pub(super) now: Instant,
}

impl AccessEntry {
    /// What `head` says, which may be none, or a part of one.
    pub(super) fn of(head: &[u8], peer: Option<SocketAddr>, now: Instant) -> Self {
        let client = peer.map(|peer| peer.ip().to_canonical());
        let nothing = Vec::new;
        let mut entry = Self {
            time: SystemTime::now(),
            began: now,
            client,
            method: nothing(),
            target: nothing(),
            version: nothing(),
            host: nothing(),
            id: nothing(),
            referer: nothing(),
            agent: nothing(),
        };
        let start = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
        let line = head[start..].split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let mut slots = FieldSlots::default();
        let Ok(head) = RawHead::parse(head, &mut slots) else {
            entry.target = cut(line, TARGET_BYTES);
            return entry;
        };
        let field = |name: &str| cut(head.fields.first(name).unwrap_or_default(), VALUE_BYTES);
        entry.method = cut(head.method.as_bytes(), VALUE_BYTES);
        entry.target = cut(head.target, TARGET_BYTES);
        entry.version = cut(line.rsplit(|byte| *byte == b' ').next().unwrap_or_default(), VALUE_BYTES);
        (entry.host, entry.id) = (field("host"), field("x-request-id"));
        (entry.referer, entry.agent) = (field("referer"), field("user-agent"));
        entry
    }

    /// The Host, as it was sent.
    pub(super) fn host(&self) -> &[u8] {
        &self.host
    }

    /// Its line, with the line's end.
    pub(super) fn line(&self, format: AccessLog, outcome: &RequestOutcome<'_>) -> String {
        let line = if format == AccessLog::Json { self.json(outcome) } else { self.text(outcome) };
        line + "\n"
    }

    fn text(&self, outcome: &RequestOutcome<'_>) -> String {
        let mut out = String::with_capacity(512);
        match self.client {
            Some(client) => _ = write!(out, "{client}"),
            None => out.push('-'),
        }
        _ = write!(out, " - - [{}] \"", combined_stamp(self.time));
        for (place, part) in [&self.method, &self.target, &self.version].into_iter().enumerate() {
            out.push_str(if place > 0 && !part.is_empty() && !self.method.is_empty() { " " } else { "" });
            push_escaped(&mut out, part);
        }
        let sent = outcome.sent();
        _ = write!(out, "\" {} ", outcome.status().unwrap_or(CLIENT_LEFT));
        _ = if sent == 0 { write!(out, "-") } else { write!(out, "{sent}") };
        push_quoted(&mut out, " ", &self.referer);
        push_quoted(&mut out, " ", &self.agent);
        push_quoted(&mut out, " host=", &self.host);
        push_quoted(&mut out, " id=", &self.id);
        _ = write!(out, " in={}", outcome.received());
        push_quoted(&mut out, " service=", outcome.service_name().as_bytes());
        push_quoted(&mut out, " member=", outcome.member_name().as_bytes());
        _ = write!(out, " retries={}", outcome.retries());
        let [connected, first, total] = self.times(outcome);
        for (name, time) in [("connected", connected), ("first", first), ("total", total)] {
            match time {
                Some(time) => _ = write!(out, " {name}={time}"),
                None => _ = write!(out, " {name}=-"),
            }
        }
        _ = write!(out, " end={}", outcome.end);
        out
    }

    fn json(&self, outcome: &RequestOutcome<'_>) -> String {
        let bytes = |bytes: &[u8]| (!bytes.is_empty()).then(|| PrintableText(String::from_utf8_lossy(bytes).into()));
        let text = |text: String| (!text.is_empty()).then_some(PrintableText(text));
        let [connected, first, total] = self.times(outcome);
        crate::object! {
            "time": json_stamp(self.time),
            "client": self.client.map(|client| client.to_string()),
            "id": bytes(&self.id),
            "method": bytes(&self.method),
            "host": bytes(&self.host),
            "target": bytes(&self.target),
            "version": bytes(&self.version),
            "referer": bytes(&self.referer),
            "user_agent": bytes(&self.agent),
            "status": u64::from(outcome.status().unwrap_or(CLIENT_LEFT)),
            "bytes_in": outcome.received(),
            "bytes_out": outcome.sent(),
            "service": text(outcome.service_name().to_owned()),
            "member": text(outcome.member_name()),
            "retries": outcome.retries(),
            "connected_ms": connected,
            "first_byte_ms": first,
            "total_ms": total,
            "end": outcome.end.to_string(),
        }
        .to_string()
    }

    /// From the head until the member was connected, until its first byte came, and in all.
    fn times(&self, outcome: &RequestOutcome<'_>) -> [Option<Milliseconds>; 3] {
        let passage = outcome.report.map(|report| report.passage);
        let times = [
            passage.and_then(|passage| passage.connected),
            passage.and_then(|passage| passage.first_byte),
            Some(outcome.now),
        ];
        times.map(|time| time.map(|time| Milliseconds(time.saturating_duration_since(self.began))))
    }
}

impl RequestOutcome<'_> {
    fn status(&self) -> Option<u16> {
        match self.end {
            RequestEnd::Page(status, _) => Some(status),
            _ => self.report.map(|report| report.passage.status).filter(|status| *status > 0),
        }
    }

    fn sent(&self) -> u64 {
        match self.end {
            RequestEnd::Page(_, bytes) => bytes as u64,
            _ => self.report.map_or(0, |report| report.sent),
        }
    }

    fn received(&self) -> u64 {
        self.report.map_or(0, |report| report.received)
    }

    fn retries(&self) -> usize {
        self.report.map_or(0, |report| report.retries)
    }

    fn service_name(&self) -> &str {
        self.report.map(|report| report.service).or(self.service).map_or("", |service| &service.name)
    }

    fn member_name(&self) -> String {
        self.report.map_or_else(String::new, |report| report.member.address.to_string())
    }
}

/// At most so many bytes, with a mark where some are missing.
fn cut(bytes: &[u8], most: usize) -> Vec<u8> {
    if bytes.len() <= most { bytes.to_vec() } else { [&bytes[..most], b"..."].concat() }
}

fn push_quoted(out: &mut String, name: &str, value: &[u8]) {
    out.push_str(name);
    out.push('"');
    push_escaped(out, if value.is_empty() { b"-" } else { value });
    out.push('"');
}

fn push_escaped(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | ..=0x1f | 0x7f.. => _ = write!(out, "\\x{byte:02x}"),
            _ => out.push(char::from(byte)),
        }
    }
}

/// `31/Jan/2026:12:00:00 +0000`
fn combined_stamp(time: SystemTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let stamp = utc_stamp(time);
    let month = stamp[5..7].parse().ok().and_then(|month: usize| MONTHS.get(month.wrapping_sub(1)));
    format!("{}/{}/{}:{} +0000", &stamp[8..10], month.unwrap_or(&"Jan"), &stamp[..4], &stamp[11..19])
}

/// `2026-01-31T12:00:00.123Z`
fn json_stamp(time: SystemTime) -> String {
    let millis = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_millis());
    format!("{}.{millis:03}Z", utc_stamp(time).trim_end_matches('Z'))
}

/// A time in milliseconds, to the thousandth.
#[derive(Clone, Copy)]
struct Milliseconds(Duration);

impl Display for Milliseconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(out, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

impl ToJson for Milliseconds {
    fn write(&self, out: &mut String) {
        _ = write!(out, "{self}");
    }
}

/// Text that is written in ASCII: other characters may do something to a terminal.
struct PrintableText(String);

impl ToJson for PrintableText {
    fn write(&self, out: &mut String) {
        let mut text = String::new();
        self.0.as_str().write(&mut text);
        for character in text.chars() {
            if character.is_ascii() {
                out.push(character);
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(head: &[u8], end: RequestEnd) -> [String; 2] {
        let now = Instant::now();
        let peer = Some(SocketAddr::from(([127, 0, 0, 1], 5)));
        let mut entry = AccessEntry::of(head, peer, now);
        entry.time = UNIX_EPOCH + Duration::from_millis(1_769_860_800_007);
        let now = now + Duration::from_micros(1_234_567);
        let outcome = RequestOutcome { end, report: None, service: None, now };
        [AccessLog::Text, AccessLog::Json].map(|format| entry.line(format, &outcome))
    }

    #[test]
    fn a_line_is_the_combined_format_and_more() {
        let head = b"GET /a?b HTTP/1.1\r\nHost: h1:80\r\nX-Request-Id: 7\r\nReferer: r\r\nUser-Agent: curl\r\n\r\n";
        let [text, json] = lines(head, RequestEnd::Page(502, 31));
        assert_eq!(
            text,
            "127.0.0.1 - - [31/Jan/2026:12:00:00 +0000] \"GET /a?b HTTP/1.1\" 502 31 \"r\" \"curl\" host=\"h1:80\" \
             id=\"7\" in=0 service=\"-\" member=\"-\" retries=0 connected=- first=- total=1234.567 end=502\n"
        );
        assert_eq!(
            json,
            "{\"time\":\"2026-01-31T12:00:00.007Z\",\"client\":\"127.0.0.1\",\"id\":\"7\",\"method\":\"GET\",\
             \"host\":\"h1:80\",\"target\":\"/a?b\",\"version\":\"HTTP/1.1\",\"referer\":\"r\",\"user_agent\":\"curl\",\
             \"status\":502,\"bytes_in\":0,\"bytes_out\":31,\"service\":null,\"member\":null,\"retries\":0,\
             \"connected_ms\":null,\"first_byte_ms\":null,\"total_ms\":1234.567,\"end\":\"502\"}\n"
        );
        let [text, json] = lines(head, RequestEnd::ClientGone);
        assert!(text.contains("\" 499 - \"") && text.ends_with(" end=client-gone\n"), "{text}");
        assert!(json.contains("\"status\":499,"), "{json}");
    }

    #[test]
    fn what_is_no_head_is_a_line_all_the_same() {
        for (head, request) in [
            (&b""[..], "\"\""),
            (b"\r\n\r\n", "\"\""),
            (b"\x16\x03\x01\"\\\n", "\"\\x16\\x03\\x01\\x22\\x5c\""),
            (b"GET / HTTP/1.1\nHost: x\n\n", "\"GET / HTTP/1.1\""),
            (b"GET /", "\"GET /\""),
        ] {
            let [text, _] = lines(head, RequestEnd::Page(400, 31));
            assert!(text.contains(&format!("] {request} 400 31 \"-\" \"-\" host=\"-\"")), "{text}");
        }
    }

    #[test]
    fn nothing_that_a_client_sends_is_more_than_printable_or_without_bounds() {
        let long = [b"\xff".repeat(9000), "\u{1b}[2J\u{9b}\u{202e}\u{1f600}\u{2028}".into()].concat();
        let value = |name: &str| [name.as_bytes(), &long].concat();
        let heads = [
            [&b"GET /"[..], &long, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat(),
            [&b"GET / HTTP/1.1\r\nHost: h\r\n"[..], &value("User-Agent: "), b"\r\n\r\n"].concat(),
            [&b"GET / HTTP/1.1\r\n"[..], &value("Host: "), b"\r\n", &value("X-Request-Id: "), b"\r\n\r\n"].concat(),
            [&b"GET / HTTP/1.1\r\nHost: h\r\nReferer: \xe2\x80\xae\xc2\x9b\xf0\x9f\x98\x80\"\\\r\n\r\n"[..]].concat(),
            long.clone(),
        ];
        for head in &heads {
            for line in lines(head, RequestEnd::Page(400, 31)) {
                let line = line.strip_suffix('\n').unwrap();
                assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line:?}");
                assert!(line.len() < 6 * TARGET_BYTES + 12 * VALUE_BYTES + 1000, "{}", line.len());
            }
        }
        let [text, json] = lines(&heads[3], RequestEnd::Whole);
        assert!(text.contains("\"\\xe2\\x80\\xae\\xc2\\x9b\\xf0\\x9f\\x98\\x80\\x22\\x5c\" \"-\""), "{text}");
        assert!(json.contains(r#""referer":"\u202e\u009b\ud83d\ude00\"\\""#), "{json}");
    }
}
