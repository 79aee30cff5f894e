//! How members can spell answers, and what is to come of each. A character stands for the byte of its number.

/// What the member does behind the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It waits for the next request.
    Waits,
    /// It closes the connection.
    Closes,
}

use Then::{Closes, Waits};

/// The answer to a GET, what the member does behind it, and what the client hears: the statuses, and the body, with `…`
/// where it breaks off.
pub(super) const ANSWERS: [(&str, Then, &str); 88] = [
    // Sound ones.
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "200 hello"),
    ("HTTP/1.1 200 OK\r\ncontent-length:5\r\nConnection: close\r\n\r\nhello", Closes, "200 hello"),
    ("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", Waits, "200 hello"),
    ("HTTP/1.1 200 \r\nContent-Length: 005\r\n\r\nhello", Waits, "200 hello"),
    ("HTTP/1.1 200 \u{e9}\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Waits, "200 hello"),
    ("HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", Waits, "200 hello"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Waits, "200 "),
    ("HTTP/1.1 200 OK\r\n\r\nhello", Closes, "200 hello"),
    ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0\r\n\r\n", Closes, "200 0\r\n\r\n"),
    ("HTTP/1.0 200 OK\r\n\r\nhello", Closes, "200 hello"),
    ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Closes, "200 hello"),
    ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", Waits, "200 hello"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Waits, "200 hello"),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding:CHUNKED\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
        Waits,
        "200 hello",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
        Waits,
        "200 hello",
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Waits, "200 "),
    ("HTTP/1.1 200 OK\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", Waits, "200 hello"),
    ("HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nhello", Waits, "404 hello"),
    // More than an answer.
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world", Waits, "200 hello"),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra",
        Waits,
        "200 hello",
    ),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra", Waits, "200 "),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra",
        Waits,
        "200 ",
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\r\n0\r\n\r\n", Waits, "200 x"),
    // Answers without a body, whatever they say.
    ("HTTP/1.1 204 No\r\n\r\n", Waits, "204 "),
    ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", Waits, "204 "),
    ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Waits, "204 "),
    ("HTTP/1.1 304 No\r\n\r\n", Waits, "304 "),
    ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", Waits, "304 "),
    ("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Waits, "304 "),
    // Answers that only say that another one follows.
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "100 200 hello"),
    ("HTTP/1.1 102\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", Waits, "102 103 204 "),
    (
        "HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Waits,
        "103 200 hello",
    ),
    (
        "HTTP/1.1 103 H\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Waits,
        "103 200 hello",
    ),
    ("HTTP/1.1 103 Hints\r\n\r\n", Closes, "103 502"),
    ("HTTP/1.1 103 Hints\r\n\r\nhello\r\n\r\n", Waits, "103 502"),
    ("HTTP/1.1 101 Unasked\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello", Waits, "502"),
    // Status lines that are none.
    ("", Closes, "502"),
    ("hello", Closes, "502"),
    ("HTTP/1.1 200 OK\r\n", Closes, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Closes, "502"),
    ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", Waits, "502"),
    ("\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    (" HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1\t200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 +20 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 O\u{0}K\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    // Framing fields that are none, or of which not all know what they mean.
    ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", Closes, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nX: y\nContent-Length: 5\r\n\r\nhello", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello", Waits, "502"),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Waits,
        "502",
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", Closes, "502"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Waits, "502"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Waits, "502"),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Closes, "502"),
    // Bodies that break off, and chunks that are none.
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", Closes, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Closes, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", Closes, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\n", Waits, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX : y\r\n\r\n", Waits, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", Waits, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", Waits, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x0\r\n\r\n", Waits, "200 hello…"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", Waits, "200 …"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", Waits, "200 …"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", Waits, "200 …"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n", Waits, "200 …"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", Waits, "200 …"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello", Closes, "200 …"),
];

/// The same for a HEAD: nothing is behind its head, whatever it says and whatever comes.
pub(super) const ANSWERS_TO_HEAD: [(&str, Then, &str); 6] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Waits, "200 "),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Waits, "200 "),
    ("HTTP/1.1 200 OK\r\n\r\n", Waits, "200 "),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Waits, "200 "),
    ("HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra", Waits, "200 "),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Waits, "200 "),
];
