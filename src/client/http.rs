//! `testero http`: any request, for what has no command of its own.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::client::commands::METHODS;
use crate::client::reply::{printable, token_trouble};
use crate::client::{Remote, Trouble};
use crate::http::client::Taker;

/// Most characters of an error's body that are told.
const MOST_TOLD: usize = 1000;
/// The longest method: longer than any that is registered.
const METHOD_BYTES: usize = 20;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub struct Http {
    /// The method.
    pub method: String,
    /// Path and query, as they are sent.
    pub path: String,
    /// How long it may take until the last byte is there.
    pub timeout: Duration,
}

impl Http {
    /// Reads `[METHOD] PATH`.
    ///
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub(super) fn parse(words: &[String], timeout: Duration) -> Result<Self, String> {
        let (method, path) = match words {
            [method] if METHODS.contains(&method.as_str()) => {
                return Err(format!("testero http: which path? testero http {method} /metrics"));
            }
            [path] => ("GET", path),
            [method, path] => (method.as_str(), path),
            [] => return Err(String::from("testero http: which path? testero http /metrics")),
            [_, _, more, ..] => return Err(format!("testero http: what is '{more}'?")),
        };
        if method.is_empty() || method.len() > METHOD_BYTES || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("testero http: {method:?} is no method, like GET, POST or DELETE"));
        }
        if !path.starts_with('/') {
            return Err(format!("testero http: the path {path:?} does not begin with /"));
        }
        if let Some(wrong) = path.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
            let mut bytes = [0; 4];
            let encoded: String = wrong.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
            return Err(format!("testero http: in a path {wrong:?} is written {encoded}"));
        }
        if timeout.is_zero() {
            return Err(String::from("--timeout 0: no answer can be there at once"));
        }
        Ok(Self { method: method.to_owned(), path: path.clone(), timeout })
    }

    pub(super) fn run(&self, service: &Remote<'_>) -> Result<(), Trouble> {
        let mut out = io::stdout().lock();
        let mut screen = out.is_terminal().then(Screen::default);
        let mut failed = None;
        let mut write = |piece: &[u8]| {
            let shown = screen.as_mut().map(|screen| screen.shown(piece));
            out.write_all(shown.as_deref().unwrap_or(piece)).and_then(|()| out.flush()).inspect_err(|error| {
                failed = Some(Err(Trouble::Refused(format!("cannot write: {error}"))));
                if error.kind() == io::ErrorKind::BrokenPipe {
                    // A reader that has gone away is no failure.
                    failed = Some(Ok(()));
                }
            })
        };
        let reply = service.reply(&self.method, &self.path, self.timeout, Taker::BodyPieces(&mut write));
        if let Some(end) = failed {
            return end;
        }
        let reply = reply?;
        if (200..300).contains(&reply.status) {
            return Ok(());
        }
        let mut told = format!("{}: {} {}", service.url, reply.status, printable(&reply.reason)).trim_end().to_owned();
        let body = String::from_utf8_lossy(&reply.body);
        let body = printable(&body.split_whitespace().collect::<Vec<_>>().join(" "));
        // A service that says its status in words has said it once.
        let body = body.strip_prefix(&format!("{} {}: ", reply.status, reply.reason)).unwrap_or(&body);
        let body: String = body.chars().take(MOST_TOLD).collect();
        if !body.is_empty() {
            told += &format!(": {body}");
        }
        if reply.status == 401 {
            told += &format!(": {}", token_trouble(service.token));
        }
        Err(Trouble::Refused(told))
    }
}

/// What is written to a terminal must not drive it.
#[derive(Default)]
struct Screen {
    /// The byte before: the control characters beyond ASCII are two bytes in UTF-8, C2 and one from 80 to 9F.
    before: u8,
}

impl Screen {
    fn shown(&mut self, piece: &[u8]) -> Vec<u8> {
        let shown = piece.iter().map(|&byte| {
            let drives = match byte {
                b'\n' | b'\t' => false,
                0x80..=0x9f => self.before == 0xc2,
                byte => byte.is_ascii_control(),
            };
            self.before = byte;
            if drives { b'?' } else { byte }
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Http, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Http::parse(&words, Duration::from_secs(1))
    }

    #[test]
    fn a_method_and_a_path_are_read() {
        for (words, method, path) in [
            (&["/metrics"][..], "GET", "/metrics"),
            (&["POST", "/readyz/disable?for=30s"], "POST", "/readyz/disable?for=30s"),
            (&["DELETE", "/"], "DELETE", "/"),
        ] {
            let http = parse(words).unwrap();
            assert_eq!((http.method.as_str(), http.path.as_str()), (method, path));
        }
        for (words, says) in [
            (&[][..], "which path"),
            (&["metrics"], "begin with /"),
            (&["POST"], "testero http POST /metrics"),
            (&["post", "/x"], "like GET"),
            (&["GET\r\n", "/x"], "like GET"),
            (&["", "/x"], "like GET"),
            (&["/x", "GET"], "like GET"),
            (&["GET", "/x", "/y"], "'/y'"),
            (&["/a b"], "%20"),
            (&["/a\r\nHost: x"], "%0D"),
            (&["/\u{e9}"], "%C3%A9"),
            (&["/x#y"], "%23"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(says) && error.lines().count() == 1, "{words:?}: {error}");
        }
        assert!(Http::parse(&[String::from("/")], Duration::ZERO).is_err());
    }

    #[test]
    fn a_terminal_is_not_driven() {
        let mut screen = Screen::default();
        assert_eq!(screen.shown(b"a\tb\n\x1b[31m\x07\x7f"), b"a\tb\n?[31m??");
        // Across two pieces; the letters beside them stay.
        assert_eq!([screen.shown(b"\xc2"), screen.shown(b"\x9b1m \xc3\x9f")].concat(), b"\xc2?1m \xc3\x9f");
    }
}
