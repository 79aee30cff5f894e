//! Who may: a bearer token for what changes state, and no browser on somebody else's behalf.
//!
//! The token's file is looked at for each request, by one thread: a file system that does not answer holds up that thread
//! alone, and requests go by the token that was read last.

use std::fs::{self, File, Metadata};
use std::hint::black_box;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::Request;
use crate::http::message::fields::Fields;
use crate::settings::token::TokenSource;
use crate::sync::{lock, spawn};

/// Longest file of a token, in bytes.
const TOKEN_BYTES: u64 = 64 * 1024;
/// How long requests wait for the token's file.
const PATIENCE: Duration = Duration::from_secs(2);
/// The stack of the thread that reads it, in bytes.
const STACK_BYTES: usize = 64 * 1024;

/// Who may do what.
pub struct Access {
    token: Option<Arc<Token>>,
    /// Reads need the token, too.
    reads: bool,
}

struct Token {
    /// Whether there is a thread that reads it.
    in_file: bool,
    known: Mutex<Known>,
    /// Something was asked for, or read.
    changed: Condvar,
}

/// The token as it was last read.
#[derive(Default)]
struct Known {
    /// Empty is none: then nobody may.
    token: Vec<u8>,
    /// Why the last look at the file found none.
    trouble: Option<String>,
    /// How many looks were asked for.
    asked: u64,
    /// How many of these are done: each saw the file after it was asked for.
    done: u64,
    /// Since when the thread has been looking.
    looking: Option<Instant>,
    /// That the file system does not answer was logged.
    warned: bool,
}

/// Looks at the file again: its token, if it may have changed.
type Look = Box<dyn FnMut() -> io::Result<Option<Vec<u8>>> + Send>;

impl Access {
    /// With this token, if there is one.
    ///
    /// # Errors
    /// When the file of the token cannot be read, or is empty.
    pub fn new(source: Option<TokenSource>, reads: bool) -> io::Result<Self> {
        let token = match source {
            None => return Ok(Self { token: None, reads }),
            Some(TokenSource::Value(token)) => {
                let known = Known { token: token.into_bytes(), ..Known::default() };
                Arc::new(Token { in_file: false, known: Mutex::new(known), changed: Condvar::new() })
            }
            Some(TokenSource::File(path)) => Token::looked_at(look_at(path))?,
        };
        let told = |why: &str| io::Error::other(format!("the token cannot be read (TOKENFILE, --token-file): {why}"));
        if token.now().map_err(|why| told(&why))?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the token is empty"));
        }
        Ok(Self { token: Some(token), reads })
    }

    /// Whether there is a token that changes need.
    #[cfg(feature = "openapi")]
    pub fn wants_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a request with these fields may do what it asks for.
    pub fn allows(&self, fields: &Fields<'_>, changes: bool) -> bool {
        let Some(token) = self.token.as_ref().filter(|_| changes || self.reads) else { return true };
        let given = fields.first("Authorization").unwrap_or_default();
        let bearer = given.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Bearer "));
        bearer && token.is(given[7..].trim_ascii())
    }
}

impl Token {
    /// One that a thread looks for each time it is asked for.
    fn looked_at(mut look: Look) -> io::Result<Arc<Self>> {
        let token = Arc::new(Self { in_file: true, known: Mutex::default(), changed: Condvar::new() });
        let for_reader = Arc::clone(&token);
        spawn("token", STACK_BYTES, Box::new(move || for_reader.read(&mut look)))?;
        Ok(token)
    }

    fn is(&self, given: &[u8]) -> bool {
        match self.now() {
            Ok(token) => !token.is_empty() && same(given, &token),
            Err(error) => {
                log::warn!("Nobody may change anything, the token cannot be read: {error}");
                false
            }
        }
    }

    /// The token as it is now, or as it was last read where its file system does not answer in time.
    fn now(&self) -> Result<Vec<u8>, String> {
        let mut known = lock(&self.known);
        if self.in_file {
            known.asked += 1;
            let asked = known.asked;
            self.changed.notify_all();
            // Once one request has waited in vain, further ones do not wait.
            let deadline = known.looking.unwrap_or_else(Instant::now) + PATIENCE;
            while known.done < asked {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    if known.done == 0 {
                        return Err(String::from("its file system does not answer"));
                    }
                    if !known.warned {
                        log::warn!("The file system of TOKENFILE does not answer: the token is the one read last");
                    }
                    known.warned = true;
                    break;
                }
                known = self.changed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        known.trouble.clone().map_or_else(|| Ok(known.token.clone()), Err)
    }

    /// Looks at the file whenever that is asked for, for as long as the process lives. Nothing is locked meanwhile.
    fn read(&self, look: &mut Look) {
        let mut known = lock(&self.known);
        loop {
            while known.asked == known.done {
                known = self.changed.wait(known).unwrap_or_else(PoisonError::into_inner);
            }
            let asked = known.asked;
            known.looking = Some(Instant::now());
            drop(known);
            let seen = look();
            known = lock(&self.known);
            known.trouble = match seen {
                Ok(Some(token)) => {
                    known.token = token;
                    None
                }
                Ok(None) => None,
                Err(error) => Some(error.to_string()),
            };
            (known.done, known.looking, known.warned) = (asked, None, false);
            self.changed.notify_all();
        }
    }
}

/// Looks at this file.
fn look_at(path: PathBuf) -> Look {
    // What tells one content from another: device, inode, and the times of the last change of the file and its content. The
    // kernel sets ctime, whatever the mtime is made to be.
    let mut last = None;
    Box::new(move || {
        let mut look = || {
            let now = regular(fs::metadata(&path)?)?;
            let this = Some([
                now.dev() as i64,
                now.ino() as i64,
                now.ctime(),
                now.ctime_nsec(),
                now.mtime(),
                now.mtime_nsec(),
            ]);
            if this == last {
                return Ok(None);
            }
            let token = read_file(&path)?;
            last = this;
            Ok(Some(token))
        };
        look().map_err(|error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    })
}

/// Reads a token from a regular file; whatever else has its name is not waited for.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    regular(file.metadata()?)?;
    let mut text = Vec::new();
    file.take(TOKEN_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > TOKEN_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long for a token"));
    }
    Ok(text.trim_ascii().to_vec())
}

fn regular(file: Metadata) -> io::Result<Metadata> {
    let is_regular = file.is_file();
    is_regular.then_some(file).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

/// Whether both are the same, in a time that depends on the length of `given` alone.
fn same(given: &[u8], token: &[u8]) -> bool {
    let mut difference = usize::from(given.len() != token.len());
    for (place, &byte) in given.iter().enumerate() {
        difference |= usize::from(black_box(byte ^ token[place % token.len()]));
    }
    black_box(difference) == 0
}

/// Whether a browser sends this on behalf of another site. Browsers say so in `Sec-Fetch-Site`; older ones in `Origin`
/// or `Referer`. What is no browser sends none of them.
pub fn is_from_another_site(request: &Request<'_>) -> bool {
    if let Some(site) = request.fields.first("Sec-Fetch-Site") {
        return !matches!(site, b"same-origin" | b"none");
    }
    let host = request.fields.first("Host").unwrap_or_default();
    match request.fields.first("Origin").or_else(|| request.fields.first("Referer")) {
        None => false,
        Some(origin) => !is_origin_of(origin, host),
    }
}

/// Whether a URL's authority is `host`, as the Host field has it.
fn is_origin_of(url: &[u8], host: &[u8]) -> bool {
    let (rest, port) = match (url.strip_prefix(b"http://"), url.strip_prefix(b"https://")) {
        (Some(rest), _) => (rest, &b":80"[..]),
        (_, Some(rest)) => (rest, &b":443"[..]),
        // `null` among them: an origin that does not want to be told.
        _ => return false,
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let bare = |authority: &[u8]| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    bare(&rest[..end]) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_same_or_not() {
        assert!(same(b"secret", b"secret"));
        for other in [&b""[..], b"s", b"secreT", b"secretsecret", b"secret\0", b"xsecret"] {
            assert!(!same(other, b"secret"), "{other:?}");
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_fails_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(Access::new(Some(TokenSource::File(path.clone())), false).is_err());
        fs::write(&path, " \n").unwrap();
        assert!(Access::new(Some(TokenSource::File(path.clone())), false).is_err());
        fs::write(&path, "one\n").unwrap();
        let token = Token::looked_at(look_at(path.clone())).unwrap();
        assert!(token.is(b"one") && !token.is(b"two"));
        // As a mounted secret changes: another file under the same name.
        fs::write(folder.path().join("next"), "two").unwrap();
        fs::rename(folder.path().join("next"), &path).unwrap();
        assert!(token.is(b"two") && !token.is(b"one"));
        fs::write(&path, "").unwrap();
        assert!(!token.is(b"") && !token.is(b"two"));
        fs::remove_file(&path).unwrap();
        assert!(!token.is(b"two"));
    }

    #[test]
    fn a_file_system_that_does_not_answer_holds_nobody_up_for_long() {
        let (allow, allowed) = std::sync::mpsc::channel::<io::Result<Option<Vec<u8>>>>();
        let token = Token::looked_at(Box::new(move || allowed.recv().unwrap_or(Ok(None)))).unwrap();
        // Nothing was ever read.
        assert!(token.now().unwrap_err().contains("does not answer"));
        allow.send(Ok(Some(b"one".to_vec()))).unwrap();
        while token.now() != Ok(b"one".to_vec()) {
            allow.send(Ok(None)).unwrap();
        }
        // One waits, and all that come later do not.
        assert!(token.is(b"one") && !token.is(b"two"));
        let start = Instant::now();
        for _ in 0..10_000 {
            assert!(token.is(b"one") && !token.is(b"two"));
        }
        assert!(start.elapsed() < PATIENCE * 5, "{:?}", start.elapsed());
        // It answers again, and what it says counts.
        allow.send(Ok(Some(b"two".to_vec()))).unwrap();
        drop(allow);
        while !token.is(b"two") {
            assert!(start.elapsed() < PATIENCE * 10);
        }
        assert!(!token.is(b"one"));
    }

    #[test]
    fn a_token_is_never_shown() {
        assert_eq!(format!("{:?}", TokenSource::Value("secret".into())), "a token");
    }

    #[test]
    fn origins_are_hosts_with_a_scheme() {
        for (url, host, ours) in [
            ("http://testero:8080", "testero:8080", true),
            ("http://testero", "testero:80", true),
            ("https://Testero:443/page?x", "testero", true),
            ("http://testero:8080/a#b", "TESTERO:8080", true),
            ("http://testero", "testero:8080", false),
            ("https://evil/testero:8080", "testero:8080", false),
            ("http://testero:8080@evil", "testero:8080", false),
            ("null", "testero", false),
            ("testero", "testero", false),
            ("http://", "", true),
        ] {
            assert_eq!(is_origin_of(url.as_bytes(), host.as_bytes()), ours, "{url} {host}");
        }
    }
}
