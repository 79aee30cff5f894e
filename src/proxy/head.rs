//! Heads, written anew for the other side from what was understood of them.

use std::cell::Cell;

use crate::http::message::answer::AnswerHead;
use crate::http::message::fields::Fields;
use crate::http::message::head::{Framing, HttpVersion, RawHead, absolute_form};
use crate::proxy::identity::forwarded::{OwnFields, names_request, tells_of_client};
use crate::proxy::identity::request_id::RequestId;

/// Fields that are of one connection alone (RFC 9110, 7.6.1), beside those that `Connection` names.
const OF_THE_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
/// Fields that `Connection` cannot make fields of one connection: the next server would find another end, or another host.
const NOT_NAMED_AWAY: [&str; 2] = ["content-length", "host"];
/// Fields that say where a message goes or ends, which its end cannot change (RFC 9110, 6.5.1).
const NOT_IN_TRAILERS: [&str; 7] =
    ["content-length", "host", "trailer", "content-encoding", "content-type", "content-range", "authorization"];

/// Whether a field may stand behind a body.
pub(super) fn is_passed_on_in_trailers(name: &str) -> bool {
    !is_one_of(&OF_THE_CONNECTION, name) && !is_one_of(&NOT_IN_TRAILERS, name) && !tells_of_client(name)
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Writes all fields that are for whoever comes next. Of those that the proxy writes itself, `stays` says which are.
fn push_fields(out: &mut Vec<u8>, fields: &Fields<'_>, stays: impl Fn(&str) -> Option<bool>) {
    let named = fields.first("connection").is_some();
    let has_length = Cell::new(false);
    fields.write(out, |name| {
        // Lengths that agree are one: there are members that refuse two, and clients.
        if name.eq_ignore_ascii_case("content-length") && has_length.replace(true) {
            return false;
        }
        // Whom `Connection` names is left out; what frames the message, or says where it is from and where it goes, cannot
        // be named away.
        !is_one_of(&OF_THE_CONNECTION, name)
            && stays(name)
                .unwrap_or_else(|| !named || is_one_of(&NOT_NAMED_AWAY, name) || !fields.lists("connection", name))
    });
}

/// Writes the head of a request for a member, with the proxy's `own` fields. Where it `upgrades`, that is asked of the member as
/// well.
pub(super) fn for_member(out: &mut Vec<u8>, head: &RawHead<'_>, framing: Framing, upgrades: bool, own: &OwnFields<'_>) {
    for part in [head.method.as_bytes(), b" ", origin_form(head.target), b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    push_fields(out, &head.fields, |name| own.keeps(name));
    own.push(out, &head.fields);
    if framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if head.fields.lists("te", "trailers") {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    if upgrades {
        push_upgrade(out, &head.fields);
    }
    out.extend_from_slice(b"\r\n");
}

/// How an answer's body goes on, and whether its connection does.
#[derive(Clone, Copy)]
pub(super) struct AnswerManner {
    pub(super) version: HttpVersion,
    pub(super) is_chunked: bool,
    pub(super) keep_alive: bool,
}

/// Writes the head of an answer for a client, with the request's name, if it has one, in the place of the member's.
pub(super) fn for_client(
    out: &mut Vec<u8>,
    head: &AnswerHead<'_>,
    manner: AnswerManner,
    request_id: Option<&RequestId>,
) {
    let version: &[u8] = if manner.version == HttpVersion::Http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
    // It has three digits.
    let status = [100, 10, 1].map(|place| b'0' + (head.status.0 / place % 10) as u8);
    for part in [version, &status, b" ", head.reason, b"\r\n"] {
        out.extend_from_slice(part);
    }
    // Who has no body has no length (RFC 9110, 8.6): there are clients that wait for it.
    let has_no_length = matches!(head.status.0, 100..200 | 204);
    push_fields(out, &head.fields, |name| {
        let is_left_out = has_no_length && name.eq_ignore_ascii_case("content-length");
        (is_left_out || request_id.is_some() && names_request(name)).then_some(false)
    });
    if let Some(id) = request_id {
        id.push(out);
    }
    if head.status.0 == 101 {
        push_upgrade(out, &head.fields);
    } else {
        if manner.is_chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        match (manner.keep_alive, manner.version) {
            _ if head.is_interim() => {}
            (false, HttpVersion::Http11) => out.extend_from_slice(b"Connection: close\r\n"),
            (true, HttpVersion::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn push_upgrade(out: &mut Vec<u8>, fields: &Fields<'_>) {
    out.extend_from_slice(b"Connection: Upgrade\r\n");
    for value in fields.all("upgrade") {
        for part in [b"Upgrade: ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

/// Path and query of a target that may name its host as well.
fn origin_form(target: &[u8]) -> &[u8] {
    match absolute_form(target) {
        None => target,
        Some((_, [])) => b"/",
        Some((_, path)) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::fields::FieldSlots;
    use crate::http::message::head::framing;
    use crate::settings::proxy::config::ForwardedStyle;

    fn request(text: &str) -> String {
        let mut slots = FieldSlots::default();
        let head = RawHead::parse(text.as_bytes(), &mut slots).unwrap();
        let framing = framing(&head.fields, head.version).unwrap();
        let upgrades = head.fields.lists("connection", "upgrade");
        let own =
            OwnFields { style: ForwardedStyle::Off, is_trusted: false, client: None, host: b"h", request_id: None };
        let mut out = Vec::new();
        for_member(&mut out, &head, framing, upgrades, &own);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_of_the_connection_stays_there() {
        assert_eq!(
            request(
                "GET /a?b=%20 HTTP/1.0\r\nX-Two: 2\r\nhost: h:80\r\nConnection: x-one, keep-alive, content-length\r\n\
                 X-One: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Two: 3\r\nContent-Length: 4\r\nProxy-Connection: a\r\n\r\n"
            ),
            "GET /a?b=%20 HTTP/1.1\r\nX-Two: 2\r\nhost: h:80\r\nX-Two: 3\r\nContent-Length: 4\r\n\r\n"
        );
        assert_eq!(
            request("POST http://h HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
        );
        assert_eq!(
            request("GET HTTP://h/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            "GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
    }

    #[test]
    fn the_next_one_finds_the_same_host_and_the_same_end() {
        assert_eq!(
            request(
                "PUT / HTTP/1.1\r\nConnection: host, x, content-length\r\nHost: h\r\nX: 1\r\nContent-Length: 4\r\ncontent-length: 4\r\n\r\n"
            ),
            "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_says_how_it_ends() {
        let answer = |text: &str, version, is_chunked, keep_alive| {
            let mut slots = FieldSlots::default();
            let head = AnswerHead::parse(text.as_bytes(), false, &mut slots).unwrap();
            let mut out = Vec::new();
            for_client(&mut out, &head, AnswerManner { version, is_chunked, keep_alive }, None);
            String::from_utf8(out).unwrap()
        };
        let (old, new) = (HttpVersion::Http10, HttpVersion::Http11);
        assert_eq!(
            answer("HTTP/1.0 200 F\u{fc}r\r\nServer: x\r\nConnection: close\r\nDate: y\r\n\r\n", new, true, true),
            "HTTP/1.1 200 F\u{fc}r\r\nServer: x\r\nDate: y\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        assert_eq!(
            answer("HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n", old, false, true),
            "HTTP/1.0 200 \r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"
        );
        assert_eq!(
            answer("HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\n", new, false, false),
            "HTTP/1.1 404 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            answer("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", new, false, false),
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        );
    }

    #[test]
    fn what_says_where_a_request_is_from_is_in_no_trailer() {
        for name in ["X-Forwarded-For", "x_forwarded_host", "Forwarded", "Host", "Connection"] {
            assert!(!is_passed_on_in_trailers(name), "{name}");
        }
        assert!(is_passed_on_in_trailers("X-Sum"));
    }

    #[test]
    fn the_name_of_a_request_is_in_every_answer_that_is_its_last_one() {
        let id = RequestId::Passed((*b"a").into());
        let mut slots = FieldSlots::default();
        let bytes = b"HTTP/1.1 204 \r\nX-A: 1\r\nConnection: X-A\r\nx-request-id: b\r\n\r\n";
        let head = AnswerHead::parse(bytes, false, &mut slots);
        let manner = AnswerManner { version: HttpVersion::Http11, is_chunked: false, keep_alive: true };
        let mut out = Vec::new();
        for_client(&mut out, &head.unwrap(), manner, Some(&id));
        assert_eq!(String::from_utf8(out).unwrap(), "HTTP/1.1 204 \r\nX-Request-Id: a\r\n\r\n");
    }
}
