//! haproxy and nginx, as they are on this machine, in front of one member.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::harness::{PATIENCE, eventually, free_address, skip};
use crate::process::Reaped;

/// A proxy that is not ours. Killed by its own pid when dropped.
pub(super) struct OtherProxy {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    process: Reaped,
    _folder: tempfile::TempDir,
}

/// Whether there is such a program; a test without it says so.
pub(super) fn has(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = command.status().is_ok();
    if !is_there {
        skip(&format!("there is no {program} on this machine, so the proxy is NOT tested with it"));
    }
    is_there
}

impl OtherProxy {
    /// One that passes on each request as it reads it, and keeps the connections to the member; none where there is no
    /// haproxy.
    pub(super) fn haproxy(member: SocketAddr) -> Option<Self> {
        has("haproxy", "-v").then(|| {
            let address = free_address();
            let file = format!(
                "global\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 30s\n  timeout client 30s\n  timeout server 30s\n  \
                 retries 0\nfrontend f\n  bind {address}\n  default_backend b\nbackend b\n  http-reuse always\n  server s {member}\n"
            );
            Self::start("haproxy", &["-db", "-q", "-f"], &file, address)
        })
    }

    /// The same; none where there is no nginx.
    pub(super) fn nginx(member: SocketAddr) -> Option<Self> {
        has("nginx", "-v").then(|| {
            let address = free_address();
            let folder = tempfile::tempdir().unwrap();
            let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("  {kind}_temp_path {}/{kind};\n", folder.path().display()))
                .concat();
            let file = format!(
                "daemon off;\nmaster_process off;\npid {0}/pid;\nerror_log {0}/error.log;\nevents {{}}\nhttp {{\n{paths}  access_log off;\n  \
                 upstream m {{ server {member} max_fails=0; keepalive 4; }}\n  server {{\n    listen {address};\n    \
                 client_max_body_size 0;\n    location / {{\n      proxy_pass http://m;\n      proxy_http_version 1.1;\n      \
                 proxy_set_header Host $http_host;\n      proxy_set_header Connection \"\";\n      proxy_next_upstream off;\n      \
                 proxy_ignore_client_abort on;\n    }}\n  }}\n}}\n",
                folder.path().display()
            );
            Self::start_in(folder, "nginx", &["-c"], &file, address)
        })
    }

    fn start(name: &'static str, arguments: &[&str], file: &str, address: SocketAddr) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), name, arguments, file, address)
    }

    fn start_in(
        folder: tempfile::TempDir,
        name: &'static str,
        arguments: &[&str],
        file: &str,
        address: SocketAddr,
    ) -> Self {
        let path = folder.path().join("configuration");
        std::fs::write(&path, file).unwrap();
        let output = std::fs::File::create(folder.path().join("output")).unwrap();
        let mut command = Command::new(name);
        command.args(arguments).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let mut process = Reaped(command.spawn().unwrap());
        eventually(&format!("{name} listens"), || {
            if let Some(status) = process.0.try_wait().unwrap() {
                panic!("{name} ended with {status}: {:?}", std::fs::read_to_string(folder.path().join("output")));
            }
            TcpStream::connect(address).is_ok()
        });
        Self { name, address, process, _folder: folder }
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_none()
    }
}

/// Sends bytes, and says that there are no more of them where that `is_all`; what comes back until the other side closes.
pub(super) fn conversation(address: SocketAddr, bytes: &[u8], is_all: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who has refused the first of it may be gone before the last of it is sent.
    let _ = stream.write_all(bytes);
    if is_all {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answers = Vec::new();
    let mut piece = [0; 16384];
    loop {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => answers.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("{address} does not close"),
            _ => return answers,
        }
    }
}
