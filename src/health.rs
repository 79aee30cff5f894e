//! `testero health`: a probe for an image with no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::access::TokenSource;

/// How long the whole probe may take: less than the kubelet's patience where that is set to a few seconds.
const DEADLINE: Duration = Duration::from_secs(2);
/// How much of the answer is looked at: the status line.
const ENOUGH: usize = 12;

/// Asks `url`, with a token where the service may want one, and says whether it answers: any status below 500 but 401 is
/// an answer.
///
/// # Errors
/// When it does not, with what happened instead.
pub fn ask(url: &str, token: Option<&TokenSource>) -> io::Result<()> {
    let token = token.map(TokenSource::read).transpose()?;
    let deadline = Instant::now() + DEADLINE;
    let (authority, path) = parts(url)?;
    let address = if authority.ends_with(']') || !authority.contains(':') {
        format!("{authority}:80")
    } else {
        authority.to_owned()
    };
    let mut trouble = io::Error::other(format!("{authority} has no address"));
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return talk(stream, authority, path, token.as_deref(), deadline).map_err(in_words),
            Err(error) => trouble = error,
        }
    }
    Err(trouble)
}

/// `http://authority/path` into authority and path.
fn parts(url: &str) -> io::Result<(&str, &str)> {
    let wrong = |words| io::Error::new(io::ErrorKind::InvalidInput, words);
    if url.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(wrong("the URL has a space or control character in it"));
    }
    let rest = url.strip_prefix("http://").ok_or_else(|| wrong("the URL does not begin with http://"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return Err(wrong("the URL has no host"));
    }
    Ok((authority, path))
}

fn talk(mut stream: TcpStream, authority: &str, path: &str, token: Option<&str>, deadline: Instant) -> io::Result<()> {
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let slash = if path.starts_with('/') { "" } else { "/" };
    stream.set_write_timeout(Some(left(deadline)?))?;
    let request = format!(
        "GET {slash}{path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: testero-health\r\n{token}Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 256];
    while answer.len() < ENOUGH {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer)? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    match status {
        Some(401) => Err(io::Error::other("the service wants a token: set TOKEN or TOKENFILE")),
        Some(100..500) => Ok(()),
        Some(status) => Err(io::Error::other(format!("the answer is {status}"))),
        None => Err(io::Error::other("the answer is not HTTP")),
    }
}

/// The kernel's word for a time-out on a socket is "resource temporarily unavailable".
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => late(),
        _ => error,
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer within 2 seconds")
}

fn left(deadline: Instant) -> io::Result<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(answered(b"SSH-2.0-OpenSSH\r\n").is_err());
        assert!(answered(b"").is_err());
    }

    #[test]
    fn wrong_urls_are_told() {
        for url in ["", "https://x/", "http://", "http:///x", "http://a b/", "localhost:8080"] {
            assert_eq!(ask(url, None).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{url}");
        }
        assert_eq!(parts("http://[::1]:80?x").unwrap(), ("[::1]:80", "?x"));
    }

    #[test]
    fn nobody_there_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(ask(&format!("http://{free}/"), None).is_err());
    }
}
