//! Where a Redis is, and how a connection to it begins.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use crate::redis::address::{RedisAddress, RedisLogin, read_url};
use crate::redis::connection::RedisConnection;
use crate::redis::value::RedisValue;

/// Where a Redis is, and how a connection to it begins.
#[derive(Clone)]
pub struct RedisServer {
    address: RedisAddress,
    login: RedisLogin,
}

impl RedisServer {
    /// One for which no login is needed, at this host, which is a name or an address without brackets.
    pub fn at_host(host: String, port: u16) -> Self {
        Self { address: RedisAddress::Tcp(host, port), login: RedisLogin::default() }
    }

    /// `redis://[[USER][:PASSWORD]@]HOST[:PORT][/DATABASE]`, `unix:///PATH[?db=DATABASE&user=USER&pass=PASSWORD]`.
    ///
    /// # Errors
    /// What is wrong; it repeats no part of the URL, in which there may be a password.
    pub fn at_url(url: &str) -> Result<Self, &'static str> {
        let (address, login) = read_url(url)?;
        Ok(Self { address, login })
    }

    /// As [`RedisServer::at_url`], and `unix:PATH`, where the path is taken as it is.
    ///
    /// # Errors
    /// What is wrong, without any part of it.
    pub fn at(place: &str) -> Result<Self, String> {
        match place.strip_prefix("unix:") {
            Some(path) if !path.starts_with("//") => {
                Ok(Self { address: RedisAddress::Unix(PathBuf::from(path)), login: RedisLogin::default() })
            }
            _ => Self::at_url(place).map_err(|why| format!("this is no URL of a Redis: {why}")),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// Connects, logs in, and chooses the database: each step waits for its reply, so that the reason is known when a Redis
    /// turns a client away.
    ///
    /// # Errors
    /// When that is not done by the deadline, or the Redis refuses it.
    pub fn open(&self, deadline: Instant) -> io::Result<RedisConnection> {
        let mut open = RedisConnection::to(&self.address, deadline)?;
        if let Some(password) = &self.login.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(self.login.user.as_deref().map(str::as_bytes));
            words.push(password.as_bytes());
            let mut reply = open.ask(&words, deadline)?;
            // Before version 6 there are no users.
            if matches!(&reply, RedisValue::Error(error) if error.says("number of arguments")) {
                reply = open.ask(&[b"AUTH", password.as_bytes()], deadline)?;
            }
            reply.accepted()?;
        }
        if self.login.database != 0 {
            open.ask(&[b"SELECT", self.login.database.to_string().as_bytes()], deadline)?.accepted()?;
        }
        Ok(open)
    }
}

impl fmt::Display for RedisServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the Redis at {}, database {}", self.address, self.login.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    /// Who logs in: user, password, database.
    type Login<'s> = (Option<&'s str>, Option<&'s str>, i64);

    fn login(server: &RedisServer) -> Login<'_> {
        (server.login.user.as_deref(), server.login.password.as_deref(), server.login.database)
    }

    #[test]
    fn urls_say_where_a_redis_is_and_who_logs_in() {
        let nobody = (None, None, 0);
        let user = (Some("user"), Some("secret"), 0);
        let hard = "h:2@x/y?#%é";
        let places: [(&str, &str, Login<'_>); 46] = [
            ("redis://db", "db:6379", nobody),
            ("redis://db/", "db:6379", nobody),
            ("redis://db:/", "db:6379", nobody),
            ("redis://db:0", "db:0", nobody),
            ("redis://db:07000", "db:7000", nobody),
            ("redis://db:7000/2", "db:7000", (None, None, 2)),
            ("redis://db//2//", "db:6379", (None, None, 2)),
            ("redis://db/+2", "db:6379", (None, None, 2)),
            ("redis://db/-2", "db:6379", (None, None, -2)),
            ("redis://db/1/../2/.", "db:6379", (None, None, 2)),
            ("redis://db/1/%2E%2e/2", "db:6379", (None, None, 2)),
            ("redis://db?db=3#4", "db:6379", nobody),
            ("redis://db/2?protocol=resp3", "db:6379", (None, None, 2)),
            ("redis://db?protocol=2&&x", "db:6379", nobody),
            ("valkey://db", "db:6379", nobody),
            ("REDIS://Db", "Db:6379", nobody),
            (" \n redis://db\r\n", "db:6379", nobody),
            ("re\tdis:/\n/d\rb", "db:6379", nobody),
            ("redis://a_b-c.d~e!%20f", "a_b-c.d~e!%20f:6379", nobody),
            ("redis://127.0.0.1:1", "127.0.0.1:1", nobody),
            ("redis://127.1", "127.1:6379", nobody),
            ("redis://[::1]:7", "::1:7", nobody),
            ("redis://[0:0::AB]", "::ab:6379", nobody),
            ("redis://[::ffff:1.2.3.4]", "::ffff:1.2.3.4:6379", nobody),
            ("redis://user:secret@db", "db:6379", user),
            ("redis://:secret@db", "db:6379", (None, Some("secret"), 0)),
            ("redis://user@db", "db:6379", (Some("user"), None, 0)),
            ("redis://user:@db", "db:6379", (Some("user"), None, 0)),
            ("redis://:@db", "db:6379", nobody),
            ("redis://@db", "db:6379", nobody),
            ("redis://user:a:b@c@db", "db:6379", (Some("user"), Some("a:b@c"), 0)),
            ("redis://us%65r:h%3A2%40x%2Fy%3f%23%25%C3%A9@db", "db:6379", (Some("user"), Some(hard), 0)),
            ("redis://:é %zz%1%+@db", "db:6379", (None, Some("é %zz%1%+"), 0)),
            ("redis://us[]er:\\x@db", "db:6379", (Some("us[]er"), Some("\\x"), 0)),
            ("unix:///run/a%20b?db=3", "/run/a b", (None, None, 3)),
            ("unix:///run/a b/", "/run/a b/", nobody),
            ("unix:///run/x?user=user&pass=secret", "/run/x", user),
            ("unix:///run/x?pass=%23+%2B%26&db=1&db=2&d%62=3", "/run/x", (None, Some("# +&"), 3)),
            ("unix:///run/x?user&pass=", "/run/x", (Some(""), Some(""), 0)),
            ("unix://localhost/run/x", "/run/x", nobody),
            ("unix:///run/./y/../x#z", "/run/x", nobody),
            ("redis+unix:///run/x?db=2", "/run/x", (None, None, 2)),
            ("redis+unix:/run/x", "/run/x", nobody),
            ("valkey+unix:///run/x", "/run/x", nobody),
            ("unix:/run/a%20b", "/run/a%20b", nobody),
            ("unix:here/socket?db=3", "here/socket?db=3", nobody),
        ];
        for (url, place, who) in places {
            let server = RedisServer::at(url).unwrap_or_else(|why| panic!("{url}: {why}"));
            assert_eq!(server.to_string(), format!("the Redis at {place}, database {}", who.2), "{url}");
            assert_eq!(login(&server), who, "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_not_repeated() {
        for url in [
            "",
            "secret",
            "secret:6379",
            "http://user:secret@db",
            "rediss://user:secret@db",
            "valkeys://user:secret@db",
            "redis:secret",
            "redis:/secret",
            "redis://",
            "redis:///0?secret",
            "redis://user:secret@",
            "redis://user:secret@/0",
            "redis://user:secret@:6379",
            "redis://user:secret@db:port",
            "redis://user:secret@db:99999",
            "redis://user:secret@db:-1",
            "redis://user:secret@db:1:2",
            "redis://user:secret@db:1\\0",
            "redis://user:secret@db/x",
            "redis://user:secret@db/1/2",
            "redis://user:secret@db/1.0",
            "redis://user:secret@db/%31",
            "redis://user:secret@db/9223372036854775808",
            "redis://user:secret@db?protocol=4",
            "redis://user:%C3secret@db",
            "redis://%C3:secret@db",
            "redis://user:secret@d b",
            "redis://user:secret@d^b",
            "redis://user:secret@d|b",
            "redis://user:secret@<db>",
            "redis://user:secret@d\\b",
            "redis://user:secret@[::1",
            "redis://user:secret@::1",
            "redis://user:secret@[::g]",
            "redis://user:secret@[::1%25lo]",
            "redis://user:secret@[::1]x",
            "redis://user:secret@0.0.0.0",
            "redis://user:secret@[::]",
            "unix://",
            "unix://run/secret",
            "unix://user:secret@/run/x",
            "unix:///run/x?db=x&pass=secret",
            "unix:///run/x?db=&pass=secret",
            // A blank before the number.
            "unix:///run/x?db=+2&pass=secret",
            "unix:///run/x?protocol=4&pass=secret",
            "redis+unix:secret",
        ] {
            let why = RedisServer::at(url).err().unwrap_or_else(|| panic!("{url}"));
            assert!(!why.contains("secret"), "{why}");
        }
    }

    /// What a Redis is told that is asked for a connection by this URL, of which `PEER` is its address, and answers this.
    fn sent(url: &str, answers: &[&str]) -> (String, Result<(), String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = url.replace("PEER", &listener.local_addr().unwrap().to_string());
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut said, mut chunk) = (String::new(), [0; 1024]);
            let mut answers = answers.iter();
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                said += str::from_utf8(&chunk[..length]).unwrap();
                let Some(answer) = answers.next() else { break };
                stream.write_all(answer.as_bytes()).unwrap();
            }
            said
        });
        let open = RedisServer::at(&url).unwrap().open(Instant::now() + Duration::from_secs(60));
        let result = open.map(drop).map_err(|error| error.to_string());
        (peer.join().unwrap(), result)
    }

    #[test]
    fn a_connection_begins_with_a_login_and_a_database_and_nothing_else() {
        assert_eq!(sent("redis://PEER", &[]), (String::new(), Ok(())));
        assert_eq!(sent("redis://user@PEER/0?protocol=3", &[]), (String::new(), Ok(())));
        let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n";
        assert_eq!(sent("redis://PEER/5", &["+OK\r\n"]), (select.into(), Ok(())));
        let auth = "*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$4\r\na\r\nb\r\n";
        assert_eq!(sent("redis://user:a%0d%0ab@PEER", &["+OK\r\n"]), (auth.into(), Ok(())));
        let auth = "*2\r\n$4\r\nAUTH\r\n$2\r\n\u{e9}\r\n";
        assert_eq!(sent("redis://:%C3%a9@PEER/5", &["+OK\r\n", "+OK\r\n"]), ([auth, select].concat(), Ok(())));
        // Before version 6 there are no users.
        let (auth, again) = ("*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n", "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n");
        let refused = "-ERR wrong number of arguments for 'auth' command\r\n";
        assert_eq!(sent("redis://u:p@PEER", &[refused, "+OK\r\n"]), ([auth, again].concat(), Ok(())));
    }

    #[test]
    fn what_a_redis_refuses_a_connection_with_is_told() {
        for (answer, why) in [
            ("-WRONGPASS no such user\r\n", "\"WRONGPASS\": no such user"),
            ("-NOAUTH\r\n", "\"NOAUTH\""),
            ("-DENIED running in protected mode\r\n", "\"DENIED\": running in protected mode"),
            ("-ERR max number of clients reached\r\n", "ResponseError: max number of clients reached"),
            ("-ERR\r\n", "ResponseError"),
            ("-LOADING it is\r\n", "BusyLoading: it is"),
            ("-NOPERM this user\r\n", "NoPerm: this user"),
            ("-READONLY replica\r\n", "ReadOnly: replica"),
            ("-MASTERDOWN link\r\n", "MasterDown: link"),
            ("-CLUSTERDOWN hash slot\r\n", "ClusterDown: hash slot"),
            ("-MOVED 1 host:2\r\n", "Moved: 1 host:2"),
            ("-ASK 1 host:2\r\n", "Ask: 1 host:2"),
            ("-TRYAGAIN later\r\n", "TryAgain: later"),
            ("-CROSSSLOT keys\r\n", "CrossSlot: keys"),
            ("-NOTBUSY now\r\n", "NotBusy: now"),
            ("-NOSUB now\r\n", "NoSub: now"),
            ("-EXECABORT now\r\n", "ExecAbort: now"),
            ("-NOSCRIPT there\r\n", "NoScript: there"),
            ("$2\r\nOK\r\n", "the answer is no reply to the command"),
            ("*0\r\n", "the answer is no reply to the command"),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", "the answer is no reply to the command"),
            ("+OK\r\n+OK\r\n", "the answer is more than the reply"),
        ] {
            assert_eq!(sent("redis://user:hunter2@PEER/5", &[answer]).1, Err(String::from(why)), "{answer}");
        }
        // What follows was not asked for, so it is not sent.
        let (said, result) = sent("redis://:p@PEER/5", &["-WRONGPASS no\r\n"]);
        assert!(!said.contains("SELECT") && result.is_err(), "{said}");
        let (_, result) = sent("redis://:p@PEER/5", &[]);
        assert!(result.unwrap_err().contains("end of file"));
    }
}
