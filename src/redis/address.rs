//! Where a Redis is and who logs in, as URLs say it.
//!
//! ```text
//! redis://[[USER][:PASSWORD]@]HOST[:PORT][/DATABASE]     valkey:// as well
//! unix:///PATH[?db=DATABASE&user=USER&pass=PASSWORD]     redis+unix: and valkey+unix: as well
//! ```
//!
//! They are taken apart as URLs of a scheme that browsers do not know (<https://url.spec.whatwg.org/>): blanks around one,
//! tabs and ends of lines are left out, the last `@` ends the login, `.` and `..` in a path are followed.

use std::ffi::OsString;
use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Redis' own port.
pub const REDIS_PORT: u16 = 6379;

/// Where a Redis is.
#[derive(Clone)]
pub enum RedisAddress {
    /// A name or an IP address, without brackets, and a port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(out, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(out),
        }
    }
}

/// Who logs in, and which database is used. It has no `Debug`, which would show the password.
#[derive(Clone, Default)]
pub(super) struct RedisLogin {
    pub(super) user: Option<String>,
    /// Without one nobody logs in.
    pub(super) password: Option<String>,
    pub(super) database: i64,
}

/// What a URL says.
///
/// # Errors
/// What is wrong with it; no part of it, as there may be a password in each.
pub(super) fn read_url(url: &str) -> Result<(RedisAddress, RedisLogin), &'static str> {
    let mut url = url.trim_matches(|c| c <= ' ').to_owned();
    url.retain(|c| !matches!(c, '\t' | '\n' | '\r'));
    let (scheme, rest) = url.split_once(':').ok_or("it has no scheme, like redis://")?;
    let (rest, _) = cut(rest, '#');
    let (rest, query) = cut(rest, '?');
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let query = UrlQuery::read(query)?;
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" => tcp(authority, path),
        "unix" | "redis+unix" | "valkey+unix" => unix(authority, path, query),
        "rediss" | "valkeys" => Err("there is no TLS here: use redis://"),
        _ => Err("its scheme is none of redis://, unix:// and redis+unix://"),
    }
}

fn tcp(authority: &str, path: &str) -> Result<(RedisAddress, RedisLogin), &'static str> {
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = host_and_port(place)?;
    if host.is_empty() {
        return Err("it names no host");
    }
    if ["0.0.0.0", "::"].contains(&host.as_str()) {
        return Err("its host stands for any address, so nothing can connect to it");
    }
    let (user, password) = cut(login, ':');
    let text = |part: &str| match part {
        "" => Ok(None),
        part => String::from_utf8(percent_decoded(part)).map(Some).map_err(|_| "its user or password is not UTF-8"),
    };
    let (user, password) = (text(user)?, text(password)?);
    let database = match clean(path).trim_matches('/') {
        "" => 0,
        number => database(number)?,
    };
    Ok((RedisAddress::Tcp(host, port.unwrap_or(REDIS_PORT)), RedisLogin { user, password, database }))
}

fn unix(authority: &str, path: &str, query: UrlQuery) -> Result<(RedisAddress, RedisLogin), &'static str> {
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, _) = host_and_port(place)?;
    let is_here = host == "localhost" || authority.is_empty();
    if !is_here || !path.starts_with('/') {
        return Err("it has no path of a socket, like unix:///run/redis.sock");
    }
    let path = PathBuf::from(OsString::from_vec(percent_decoded(&clean(path))));
    let database = query.database.map_or(Ok(0), |number| database(&number))?;
    Ok((RedisAddress::Unix(path), RedisLogin { user: query.user, password: query.password, database }))
}

/// The parameters of a URL. Of a name that stands twice, the last one counts.
#[derive(Default)]
struct UrlQuery {
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
}

impl UrlQuery {
    fn read(text: &str) -> Result<Self, &'static str> {
        let mut query = Self::default();
        let mut protocol = None;
        for pair in text.split('&') {
            let (name, value) = cut(pair, '=');
            let place = match percent_decoded(name).as_slice() {
                b"user" => &mut query.user,
                b"pass" => &mut query.password,
                b"db" => &mut query.database,
                b"protocol" => &mut protocol,
                _ => continue,
            };
            // A blank may be written as a plus.
            let value = percent_decoded(&value.replace('+', " "));
            *place = Some(String::from_utf8_lossy(&value).into_owned());
        }
        // What is asked for here is the same in both.
        match protocol.as_deref() {
            None | Some("2" | "resp2" | "3" | "resp3") => Ok(query),
            Some(_) => Err("its protocol is none of resp2 and resp3"),
        }
    }
}

/// The host, which may be empty where no port follows, and the port, if there is one.
fn host_and_port(place: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, rest) = match place.strip_prefix('[') {
        Some(inside) => {
            let (ip, rest) = inside.split_once(']').ok_or("the bracket of its host does not end")?;
            let ip = ip.parse::<Ipv6Addr>().map_err(|_| "its host is no IPv6 address")?;
            (ip.to_string(), rest)
        }
        None => {
            let (name, rest) = place.split_at(place.find(':').unwrap_or(place.len()));
            if name.contains(|c: char| c.is_control() || " <>@[\\]^|".contains(c)) {
                return Err("its host has characters that none has");
            }
            (name.to_owned(), rest)
        }
    };
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let digits = digits.filter(|_| !host.is_empty()).ok_or("it has no HOST:PORT")?;
    match digits {
        "" => Ok((host, None)),
        digits => Ok((host, Some(digits.parse().map_err(|_| "its port is not one, 0 to 65535")?))),
    }
}

fn database(number: &str) -> Result<i64, &'static str> {
    number.parse().map_err(|_| "its database is no number")
}

/// The path with its `.` and `..` followed, still encoded.
fn clean(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        // One at the end leaves an empty segment: `/a/..` is `/`.
        if segments.last() == Some(&None) {
            segments.pop();
        }
        match percent_decoded(segment).as_slice() {
            b"." => segments.push(None),
            b".." => {
                segments.pop();
                segments.push(None);
            }
            _ => segments.push(Some(segment)),
        }
    }
    segments.into_iter().fold(String::new(), |clean, segment| clean + "/" + segment.unwrap_or_default())
}

/// The bytes that a text stands for. A percent sign without two digits stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (mut decoded, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        decoded.push(match (byte, behind) {
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => byte,
            },
            _ => byte,
        });
    }
    decoded
}

fn cut(text: &str, at: char) -> (&str, &str) {
    text.split_once(at).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every byte as an escape.
    fn escaped(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, word) in [
            ("db:6379", "scheme"),
            ("db", "scheme"),
            ("rediss://db", "no TLS"),
            ("redis:///1", "host"),
            ("redis://[::g]", "IPv6"),
            ("redis://db:70000", "port"),
            ("redis://db/first", "database"),
            ("redis://db?protocol=4", "protocol"),
            ("redis://u%ff:p@db", "UTF-8"),
            ("redis://0.0.0.0", "any address"),
            ("unix://run/redis.sock", "path"),
        ] {
            let why = read_url(url).err().unwrap_or_else(|| panic!("{url}"));
            assert!(why.contains(word), "{url}: {why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_none(text in "(redis|unix)(:|://|:/)?.{0,20}|.{0,20}") {
            let _ = read_url(&text);
        }

        #[test]
        fn what_is_escaped_comes_back(user in ".{1,9}", password in ".{1,9}", path in "[^\0]{1,9}", database: i64) {
            let [escaped_user, escaped_password] = [&user, &password].map(|text| escaped(text));
            // Dots alone would be followed.
            let path = format!("x{path}");
            let tcp = format!("redis://{escaped_user}:{escaped_password}@[::1]:7/{database}");
            let unix = format!(
                "unix:///{}?user={escaped_user}&pass={escaped_password}&db={database}",
                escaped(&path)
            );
            for (url, place) in [(tcp, String::from("::1:7")), (unix, format!("/{path}"))] {
                let Ok((address, login)) = read_url(&url) else { panic!("{url}") };
                prop_assert_eq!(address.to_string(), place);
                prop_assert_eq!((login.user.as_ref(), login.password.as_ref()), (Some(&user), Some(&password)));
                prop_assert_eq!(login.database, database);
            }
        }
    }
}
