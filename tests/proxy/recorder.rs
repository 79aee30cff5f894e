//! A member that writes down what it was asked, read by the letter of RFC 9112: a head of lines that end in CR LF, and a
//! body that is as long as its one framing field says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::PATIENCE;

/// A whole request, as far as it says where it goes and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: String,
    /// In origin form.
    pub(super) target: String,
    pub(super) host: String,
    pub(super) body: Vec<u8>,
}

/// A member that answers each request with `METHOD TARGET BYTES`.
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

/// What came since the last look.
#[derive(Default)]
struct Record {
    seen: Vec<Seen>,
    /// The bytes of each connection, by its number.
    received: Vec<Vec<u8>>,
    /// What was no request.
    malformed: Vec<String>,
}

impl Recorder {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Mutex::new(Record::default()));
        let kept = Arc::clone(&record);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let record = Arc::clone(&kept);
                thread::spawn(move || serve(stream, &record));
            }
        });
        Self { address, record }
    }

    /// The whole requests that came since the last call, and what was wrong with what was none.
    pub(super) fn take(&self) -> (Vec<Seen>, Vec<String>) {
        let mut record = self.record.lock().unwrap();
        (std::mem::take(&mut record.seen), std::mem::take(&mut record.malformed))
    }

    /// The bytes of each connection on which any came since the last call.
    pub(super) fn take_bytes(&self) -> Vec<Vec<u8>> {
        let mut record = self.record.lock().unwrap();
        record.received.iter_mut().map(std::mem::take).filter(|bytes| !bytes.is_empty()).collect()
    }
}

/// The bytes of a connection, which are written down as they are read.
struct Tapped {
    stream: TcpStream,
    record: Arc<Mutex<Record>>,
    number: usize,
}

impl Read for Tapped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.record.lock().unwrap().received[self.number].extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

fn serve(stream: TcpStream, record: &Arc<Mutex<Record>>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let number = {
        let mut record = record.lock().unwrap();
        record.received.push(Vec::new());
        record.received.len() - 1
    };
    let mut source = BufReader::new(Tapped { stream, record: Arc::clone(record), number });
    loop {
        match read_request(&mut source, &mut answers) {
            Ok(Some(seen)) => {
                let body = format!("{} {} {}", seen.method, seen.target, seen.body.len());
                let shown = if seen.method == "HEAD" { "" } else { &body };
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{shown}", body.len());
                record.lock().unwrap().seen.push(seen);
                if answers.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            // The other side has ended, after a whole request or in the middle of one.
            Ok(None) => return,
            Err(why) => return record.lock().unwrap().malformed.push(why),
        }
    }
}

/// The next request: none where the connection ends before it is whole, an error where it is not by the letter.
fn read_request(source: &mut impl BufRead, answers: &mut TcpStream) -> Result<Option<Seen>, String> {
    let Some(first) = line(source)? else { return Ok(None) };
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("request line {first:?}"));
    };
    let (mut host, mut length, mut is_chunked, mut waits) = (None, None, false, false);
    loop {
        let Some(field) = line(source)? else { return Ok(None) };
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':').ok_or_else(|| format!("field {field:?}"))?;
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(format!("field name {name:?}"));
        }
        let value = value.trim_matches([' ', '\t']);
        let is_second = match name.to_ascii_lowercase().as_str() {
            "host" => host.replace(value.to_owned()).is_some(),
            "content-length" if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) => true,
            "content-length" => length.replace(value.parse::<u64>().map_err(|why| why.to_string())?).is_some(),
            "transfer-encoding" => std::mem::replace(&mut is_chunked, true) || !value.eq_ignore_ascii_case("chunked"),
            "expect" => {
                waits |= value.eq_ignore_ascii_case("100-continue");
                false
            }
            _ => false,
        };
        if is_second {
            return Err(format!("twice, or not by the letter: {field:?}"));
        }
    }
    if is_chunked && length.is_some() {
        return Err("both ways to frame a body".into());
    }
    if waits {
        let _ = answers.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut body = Vec::new();
    if !is_chunked {
        if !exactly(source, length.unwrap_or(0), &mut body) {
            return Ok(None);
        }
    } else if !chunks(source, &mut body)? {
        return Ok(None);
    }
    let host = host.unwrap_or_default();
    // The absolute form names the host once more.
    let (scheme, rest) = target.split_at_checked(7).unwrap_or(("", target));
    let (named, path) = rest.split_at_checked(host.len()).unwrap_or(("", rest));
    let is_absolute = scheme.eq_ignore_ascii_case("http://") && named.eq_ignore_ascii_case(&host);
    let target = if is_absolute { path } else { target }.to_owned();
    Ok(Some(Seen { method: method.to_owned(), target, host, body }))
}

/// A line without its CR LF, or nothing where the connection has ended.
pub(super) fn line(source: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    // An end that is a reset or a wait in vain is an end as well.
    if source.read_until(b'\n', &mut bytes).is_err() || !bytes.ends_with(b"\n") {
        return Ok(None);
    }
    let line: String = bytes.iter().copied().map(char::from).collect();
    let line = line.strip_suffix("\r\n").filter(|line| !line.contains(['\r', '\0']));
    line.map(|line| Some(line.to_owned())).ok_or_else(|| format!("line end in {}", bytes.escape_ascii()))
}

/// Reads so many bytes; says whether they are there.
pub(super) fn exactly(source: &mut impl BufRead, count: u64, body: &mut Vec<u8>) -> bool {
    source.take(count).read_to_end(body).is_ok_and(|read| read as u64 == count)
}

/// Reads a chunked body, and its trailers; says whether it is whole.
pub(super) fn chunks(source: &mut impl BufRead, body: &mut Vec<u8>) -> Result<bool, String> {
    loop {
        let Some(size) = line(source)? else { return Ok(false) };
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("chunk size {size:?}"));
        }
        let size = u64::from_str_radix(&size, 16).map_err(|why| why.to_string())?;
        if size == 0 {
            break;
        }
        if !exactly(source, size, body) {
            return Ok(false);
        }
        match line(source)? {
            None => return Ok(false),
            Some(end) if end.is_empty() => {}
            Some(end) => return Err(format!("behind a chunk: {end:?}")),
        }
    }
    loop {
        match line(source)? {
            None => return Ok(false),
            Some(end) if end.is_empty() => return Ok(true),
            Some(trailer) if trailer.contains(':') => {}
            Some(trailer) => return Err(format!("trailer {trailer:?}")),
        }
    }
}
