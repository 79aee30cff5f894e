//! A running proxy, and members that do what a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use crate::edge::Client;
use crate::harness::{PATIENCE, Testero, binary, free_address};

/// A running proxy.
pub(super) struct Proxy {
    /// The process; its address is that of the metrics.
    pub(super) process: Testero,
    /// Where it listens for clients.
    pub(super) address: SocketAddr,
}

impl Proxy {
    /// One service for the host `h1`, with these members.
    pub(super) fn of(members: &[&Member]) -> Self {
        Self::start(&[("h1", members)], "", &[])
    }

    /// These services by their hosts, `more` lines for each service, and these flags.
    pub(super) fn start(services: &[(&str, &[&Member])], more: &str, flags: &[&str]) -> Self {
        let services: Vec<_> = services
            .iter()
            .map(|(domain, members)| (*domain, members.iter().map(|member| member.address).collect::<Vec<_>>()))
            .collect();
        Self::at(&services, more, flags)
    }

    pub(super) fn at(services: &[(&str, Vec<SocketAddr>)], more: &str, flags: &[&str]) -> Self {
        let listen = free_address();
        let mut file = format!("proxy:\n  listen: {{address: 127.0.0.1, port: {}}}\n  services:\n", listen.port());
        for (domain, members) in services {
            file += &format!("    - name: service-{domain}\n      domain: {domain}\n{more}      hosts:\n");
            for member in members {
                file += &format!("        - {{address: {}, port: {}}}\n", member.ip(), member.port());
            }
        }
        Self::with(&file, flags, "/dev/null")
    }

    /// What this file says, which listens on 127.0.0.1.
    pub(super) fn of_file(file: &str, flags: &[&str]) -> Self {
        Self::with(file, flags, "/dev/null")
    }

    /// With this file and these flags, and its stdout in a file or a pipe.
    pub(super) fn with(file: &str, flags: &[&str], stdout: impl AsRef<Path>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let path = folder.path().join("proxy.yaml");
        std::fs::write(&path, file).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"stdout=$1; shift; exec "$0" "$@" >"$stdout""#, binary()]).arg(stdout.as_ref());
        command.args(["proxy", "-n", "-p", "0", "-f"]).arg(path).args(flags);
        let process = Testero::spawn(command, folder);
        let log = process.log();
        let port = log.lines().find_map(|line| line.split_once("listening on 127.0.0.1, port ")).unwrap().1;
        Self { address: SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())), process }
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(super) fn metrics(&self) -> String {
        self.process.get("/metrics")
    }
}

/// What a member does with a connection: with its number, from 0.
type Script = dyn Fn(&mut Visit, usize) + Send + Sync;

/// A member.
pub(super) struct Member {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

/// A connection to a member.
pub(super) struct Visit {
    pub(super) stream: TcpStream,
    received: Vec<u8>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Member {
    pub(super) fn start(script: impl Fn(&mut Visit, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (script, heads) = (Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || script(&mut Visit { stream, received: Vec::new(), heads }, number));
            }
        });
        Self { address, heads }
    }

    /// One that gives this answer to each request without a body, on as many connections as there are.
    pub(super) fn answering(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::start(move |visit, _| {
            while visit.head().is_some() {
                visit.send(answer.as_ref());
            }
        })
    }

    /// The same, but each answer waits until it is released, or for very long.
    pub(super) fn holding(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> (Self, mpsc::Sender<()>) {
        let (release, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let member = Self::start(move |visit, _| {
            while visit.head().is_some() {
                let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
                visit.send(answer.as_ref());
            }
        });
        (member, release)
    }

    /// The heads that it got so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Visit {
    /// The next head, or nothing where the proxy has ended the connection.
    pub(super) fn head(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n")?;
        let head = head.iter().copied().map(char::from).collect::<String>();
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    /// Reads up to and including `mark`.
    pub(super) fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.received.windows(mark.len()).position(|window| window == mark) {
                return Some(self.received.drain(..at + mark.len()).collect());
            }
            self.more()?;
        }
    }

    pub(super) fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.received.len() < length {
            self.more()?;
        }
        Some(self.received.drain(..length).collect())
    }

    fn more(&mut self) -> Option<()> {
        let mut piece = [0; 65536];
        let count = self.stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        self.received.extend_from_slice(&piece[..count]);
        Some(())
    }

    /// Tells the test something, beside the heads.
    pub(super) fn heads_push(&mut self, word: &str) {
        self.heads.lock().unwrap().push(word.to_owned());
    }

    /// Where the proxy is gone, nobody minds.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }
}

/// A simple answer.
pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A simple request.
pub(super) fn get(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}
