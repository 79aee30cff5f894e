//! Who may: a bearer token for what changes state, and no browser on somebody else's behalf.

use std::fs;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::http::Request;
use crate::sync::lock;

/// Longest token.
const TOKEN_BYTES: u64 = 4096;

/// Where the token comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Said in a variable.
    Value(String),
    /// In a file, which may change: a mounted secret does.
    File(PathBuf),
}

impl TokenSource {
    /// The token.
    ///
    /// # Errors
    /// When its file cannot be read, or holds what no header field can.
    pub fn read(&self) -> io::Result<String> {
        let token = match self {
            Self::Value(token) => token.clone(),
            Self::File(path) => fs::read_to_string(path)?.trim().to_owned(),
        };
        let sound = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then_some(token).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the token is not printable"))
    }
}

/// Never shows the token.
impl std::fmt::Debug for TokenSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(_) => out.write_str("a token"),
            Self::File(path) => write!(out, "a token in {}", path.display()),
        }
    }
}

/// Who may do what.
pub struct Access {
    token: Option<Token>,
    /// Reads need the token, too.
    reads: bool,
}

struct Token {
    source: TokenSource,
    known: Mutex<Known>,
}

/// The token as it was last read, and the file it was read from.
#[derive(Default)]
struct Known {
    /// Empty is none: then nobody may.
    token: Vec<u8>,
    /// Device, inode, and the times of its last change and of the last change of its content.
    file: Option<[i64; 6]>,
}

impl Access {
    /// With this token, if there is one.
    ///
    /// # Errors
    /// When the file of the token cannot be read, or is empty.
    pub fn new(source: Option<TokenSource>, reads: bool) -> io::Result<Self> {
        let Some(source) = source else { return Ok(Self { token: None, reads }) };
        let token = Token { source, known: Mutex::default() };
        if token.refresh()?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the token is empty"));
        }
        Ok(Self { token: Some(token), reads })
    }

    /// Whether the request may do what it asks for.
    pub fn allows(&self, request: &Request<'_>, changes: bool) -> bool {
        let Some(token) = self.token.as_ref().filter(|_| changes || self.reads) else { return true };
        let given = request.fields.first("Authorization").unwrap_or_default();
        let bearer = given.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Bearer "));
        bearer && token.is(given[7..].trim_ascii())
    }
}

impl Token {
    fn is(&self, given: &[u8]) -> bool {
        match self.refresh() {
            Ok(token) => !token.is_empty() && same(given, &token),
            Err(error) => {
                log::warn!("Nobody may change anything, the token cannot be read: {error}");
                false
            }
        }
    }

    /// The token, read again if its file has changed.
    fn refresh(&self) -> io::Result<Vec<u8>> {
        let path = match &self.source {
            TokenSource::Value(token) => return Ok(token.clone().into_bytes()),
            TokenSource::File(path) => path,
        };
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let now = fs::metadata(path).map_err(at)?;
        // The kernel sets ctime, whatever the mtime is made to be.
        let times = [now.ctime(), now.ctime_nsec(), now.mtime(), now.mtime_nsec()];
        let file = Some([now.dev() as i64, now.ino() as i64, times[0], times[1], times[2], times[3]]);
        let mut known = lock(&self.known);
        if known.file != file {
            if now.len() > TOKEN_BYTES {
                return Err(at(io::Error::new(io::ErrorKind::InvalidData, "it is too long for a token")));
            }
            let token = fs::read(path).map_err(at)?.trim_ascii().to_vec();
            *known = Known { token, file };
        }
        Ok(known.token.clone())
    }
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
        let token = Token { source: TokenSource::File(path.clone()), known: Mutex::default() };
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
