//! Whether a process is ready, asked as a file says.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::http::client::{Exchange, Url};
use crate::kernel::program::RunningProgram;
use crate::settings::crash::system::ProbeConfig;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How much of a log is looked through, in bytes, from the start of the process on.
const LOG_BYTES: u64 = 4 << 20;

/// How to ask; places are filled in.
#[derive(Debug)]
pub struct ReadyProbe(pub ProbeConfig);

impl ReadyProbe {
    /// Whether it looks for what is said once.
    pub fn is_of_log(&self) -> bool {
        matches!(self.0, ProbeConfig::Log(_))
    }

    /// Asks once; of the log what stands behind `log_start`.
    ///
    /// # Errors
    /// Why it is not ready.
    pub fn ask(&self, log: &Path, log_start: u64) -> Result<(), String> {
        match &self.0 {
            ProbeConfig::Http(url) => http(url).map_err(|error| error.to_string())?,
            ProbeConfig::Tcp(address) => tcp(address).map_err(|error| format!("{address}: {error}"))?,
            ProbeConfig::Command(words) => command(words)?,
            ProbeConfig::Log(text) => {
                if !says(log, log_start, text.as_bytes()).map_err(|error| format!("{}: {error}", log.display()))? {
                    return Err(format!("its log does not say {text:?}"));
                }
            }
        }
        Ok(())
    }
}

fn http(url: &str) -> io::Result<()> {
    let deadline = Instant::now() + ANSWER;
    let parsed = Url::parse(url)?;
    let ask = Exchange {
        authority: parsed.authority,
        method: "GET",
        target: parsed.path,
        token: None,
        connections: None,
        patience: ANSWER,
        deadline: Some(deadline),
    };
    let status = ask.status(&parsed.addresses(deadline)?)?;
    if (200..300).contains(&status) { Ok(()) } else { Err(io::Error::other(format!("{url} answers {status}"))) }
}

fn command(words: &[String]) -> Result<(), String> {
    let mut program = RunningProgram::start(words, 0).map_err(|error| error.to_string())?;
    match program.wait(Instant::now() + ANSWER) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{} ended with {status}", words[0])),
        None => Err(format!("{} does not end within {} s", words[0], ANSWER.as_secs())),
    }
}

fn tcp(address: &str) -> io::Result<()> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER) {
            Ok(_) => return Ok(()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn says(log: &Path, start: u64, text: &[u8]) -> io::Result<bool> {
    let mut file = File::open(log)?;
    // A log that became too long begins anew.
    let start = if file.metadata()?.len() < start { 0 } else { start };
    file.seek(SeekFrom::Start(start))?;
    let mut written = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut written)?;
    Ok(written.windows(text.len().max(1)).any(|window| window == text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn probe(config: ProbeConfig) -> Result<(), String> {
        ReadyProbe(config).ask(Path::new("/nowhere"), 0)
    }

    #[test]
    fn who_listens_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(probe(ProbeConfig::Tcp(address.clone())), Ok(()));
        drop(listener);
        assert!(probe(ProbeConfig::Tcp(address)).unwrap_err().contains("refused"));
    }

    #[test]
    fn what_a_url_answers_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            for status in ["204 x", "503 x"] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        assert_eq!(probe(ProbeConfig::Http(url.clone())), Ok(()));
        assert_eq!(probe(ProbeConfig::Http(url.clone())), Err(format!("{url} answers 503")));
        server.join().unwrap();
    }

    #[test]
    fn a_program_says_it_with_its_exit_code() {
        let ask = |script: &str| probe(ProbeConfig::Command(["sh", "-c", script].map(str::to_owned).to_vec()));
        assert_eq!(ask("exit 0"), Ok(()));
        assert_eq!(ask("exit 3"), Err(String::from("sh ended with exit status: 3")));
        assert!(probe(ProbeConfig::Command(vec![String::from("/no/such")])).unwrap_err().starts_with("/no/such: "));
    }

    #[test]
    fn a_log_is_looked_through_from_the_last_start_on() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        write!(log, "listening\nstopped\n").unwrap();
        let probe = ReadyProbe(ProbeConfig::Log(String::from("listening")));
        assert_eq!(probe.ask(log.path(), 0), Ok(()));
        assert_eq!(probe.ask(log.path(), 10), Err(String::from("its log does not say \"listening\"")));
    }
}
