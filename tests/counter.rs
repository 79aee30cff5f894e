//! `testero counter`: what it answers, how it is told where to count, and that no number is handed out twice, whoever is
//! killed.
//!
//! [`database`] runs a real Redis; without redis-server on the machine its tests skip loudly. [`crowd`] is many clients of
//! several instances.

mod away;
mod crowd;
mod database;
mod files;
mod kills;
mod rates;
mod replies;
mod wording;
mod words;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::harness::{Answer, PATIENCE, Testero, binary};

/// What it says when there is no total.
const AWAY: &str = "Increment Transaction Error\n";
/// Every variable it reads.
const VARIABLES: [&str; 11] = [
    "IP",
    "PORT",
    "SERVICE_HOST",
    "SERVICE_PORT",
    "DATADIR",
    "REDIS_URL",
    "ContainerDBhost",
    "CONTAINER_DB_HOST",
    "ContainerDBport",
    "CONTAINER_DB_PORT",
    "SHUTDOWNDELAY",
];

/// The program as a counter, in a folder where no `.env` of somebody else's is, with these variables and no others.
fn counter(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.arg("counter").args(arguments).envs(variables.iter().copied()).current_dir(folder);
    command
}

/// A counter with these variables that listens on a free port.
fn start(variables: &[(&str, &str)]) -> Testero {
    start_in(&Arc::new(tempfile::tempdir().unwrap()), variables)
}

/// The same, in this folder.
fn start_in(folder: &Arc<TempDir>, variables: &[(&str, &str)]) -> Testero {
    Testero::spawn(counter(folder.path(), &["--listen", "127.0.0.1:0"], variables), Arc::clone(folder))
}

/// What a request was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    instance: String,
    own: u64,
    total: u64,
}

impl Told {
    /// Takes the two lines apart, to the byte.
    fn read(body: &str) -> Self {
        let parts = || {
            let (instance, rest) = body.strip_prefix("You are talking to instance ")?.split_once(".\n")?;
            let rest = rest.strip_prefix("This is request ")?.strip_suffix(" to the cluster.\n")?;
            let (own, total) = rest.split_once(" to this instance and request ")?;
            Some(Self { instance: instance.to_owned(), own: own.parse().ok()?, total: total.parse().ok()? })
        };
        parts().unwrap_or_else(|| panic!("not the two lines: {body:?}"))
    }
}

/// Asks once.
fn told(testero: &Testero) -> Told {
    Told::read(&testero.get("/"))
}

/// L and T of one more request.
fn numbers(testero: &Testero) -> (u64, u64) {
    let told = told(testero);
    (told.own, told.total)
}

/// A connection that stays.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.0.get_mut().write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())?;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if self.0.read_until(b'\n', &mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = Answer::parse(&bytes);
        let mut body = vec![0; head.field("Content-Length").unwrap().parse().unwrap()];
        self.0.read_exact(&mut body)?;
        bytes.append(&mut body);
        Ok(Answer::parse(&bytes))
    }
}
