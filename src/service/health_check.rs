//! `testero health`: a probe for an image with no shell and no curl.

use std::io;
use std::time::{Duration, Instant};

use crate::http::client::{Exchange, Url};
use crate::settings::token::TokenSource;

/// How long the whole probe may take: less than the kubelet's patience where that is set to a few seconds.
const DEADLINE: Duration = Duration::from_secs(2);

/// Asks `url`, with a token where the service may want one, and says whether it answers: any status below 500 but 401 is
/// an answer.
///
/// # Errors
/// When it does not, with what happened instead.
pub fn ask(url: &str, token: Option<&TokenSource>) -> io::Result<()> {
    let token = token.map(TokenSource::read).transpose()?;
    let deadline = Instant::now() + DEADLINE;
    let url = Url::parse(url)?;
    let (authority, target) = (url.authority, url.path);
    let ask = Exchange {
        authority,
        method: "GET",
        target,
        token: token.as_deref(),
        connections: None,
        patience: DEADLINE,
        deadline: Some(deadline),
    };
    let in_words = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => {
            io::Error::new(error.kind(), format!("no answer within {} seconds", DEADLINE.as_secs()))
        }
        _ => error,
    };
    match ask.status(&url.addresses(deadline)?).map_err(in_words)? {
        401 => Err(io::Error::other("the service wants a token: set TOKEN or TOKENFILE")),
        100..500 => Ok(()),
        status => Err(io::Error::other(format!("the answer is {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn answered(answer: &'static [u8]) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let count = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            request[..count].to_vec()
        });
        let result = ask(&url, None);
        assert!(server.join().unwrap().starts_with(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:"));
        result
    }

    #[test]
    fn an_answer_is_an_answer() {
        assert!(answered(b"HTTP/1.1 200 OK\r\n\r\n").is_ok());
        assert!(answered(b"HTTP/1.0 404 Not Found\r\n\r\n").is_ok());
        assert!(answered(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err().to_string().contains("503"));
        assert!(answered(b"HTTP/1.1 401 Unauthorized\r\n\r\n").unwrap_err().to_string().contains("TOKEN"));
        assert!(answered(b"SSH-2.0-OpenSSH\r\n").is_err());
        assert!(answered(b"").is_err());
    }
}
