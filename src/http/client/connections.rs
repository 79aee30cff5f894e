//! Connections that stay for the next request.

use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::sync::lock;

/// Most connections that are kept.
const MOST: usize = 8;
/// How long one is kept: less than servers do.
const IDLE: Duration = Duration::from_secs(30);

/// Connections that stay for the next request to the same address.
#[derive(Debug, Default)]
pub struct Connections(Mutex<Vec<Idle>>);

#[derive(Debug)]
struct Idle {
    address: SocketAddr,
    stream: TcpStream,
    since: Instant,
}

impl Connections {
    /// A connection to one of `addresses` that was kept, and that the server has not closed.
    pub(super) fn take(&self, addresses: &[SocketAddr]) -> Option<(SocketAddr, TcpStream)> {
        let mut idle = lock(&self.0);
        idle.retain(|one| one.since.elapsed() < IDLE);
        while let Some(index) = idle.iter().rposition(|one| addresses.contains(&one.address)) {
            let Idle { address, stream, .. } = idle.remove(index);
            if is_quiet(&stream) {
                return Some((address, stream));
            }
        }
        None
    }

    /// Keeps a connection on which nothing is left to be received; the oldest gives way to it.
    pub(super) fn keep(&self, address: SocketAddr, stream: TcpStream) {
        let mut idle = lock(&self.0);
        if idle.len() == MOST {
            idle.remove(0);
        }
        idle.push(Idle { address, stream, since: Instant::now() });
    }
}

/// Whether a connection is open, and nothing came that nobody asked for.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(recv(stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT), Err(Errno::AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client::{Exchange, Reply, Taker};
    use std::io::{self, Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::thread;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    /// A server that gives these answers, connection by connection and request by request; each request is told with the
    /// number of its connection.
    fn server(connections: Vec<Vec<&'static [u8]>>) -> (SocketAddr, mpsc::Receiver<(usize, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for (number, answers) in connections.into_iter().enumerate() {
                let (stream, _) = listener.accept().unwrap();
                let tell = tell.clone();
                thread::spawn(move || serve(stream, &answers, |request| tell.send((number, request)).unwrap()));
            }
        });
        (address, told)
    }

    fn serve(mut stream: TcpStream, answers: &[&[u8]], tell: impl Fn(String)) {
        for answer in answers {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            tell(String::from_utf8(request).unwrap());
            stream.write_all(answer).unwrap();
        }
    }

    fn ask(connections: &Connections, method: &str, address: SocketAddr) -> io::Result<Reply> {
        let patience = Duration::from_secs(20);
        let connections = Some(connections);
        Exchange { authority: "x", method, target: "/", token: None, connections, patience, deadline: None }
            .taken(&[address], Taker::Whole)
    }

    #[test]
    fn a_connection_stays_for_the_next_request_but_not_for_one_that_is_not_to_be_done_twice() {
        let (address, told) = server(vec![vec![ANSWER; 3], vec![ANSWER; 2]]);
        let connections = Connections::default();
        for (method, connection) in [("GET", 0), ("PUT", 0), ("POST", 1), ("GET", 1)] {
            assert_eq!(ask(&connections, method, address).unwrap().body, b"ok");
            let (number, request) = told.recv().unwrap();
            assert_eq!(number, connection, "{request}");
            assert!(request.starts_with(method) && !request.contains("Connection: close"), "{request}");
        }
    }

    #[test]
    fn a_connection_that_the_server_closes_is_no_trouble() {
        // Closed with its answer, closed by its answer, closed once it was asked again, or with more than was asked for.
        let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        let surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
        let (address, told) =
            server(vec![vec![ANSWER], vec![announced], vec![ANSWER, b""], vec![surplus], vec![ANSWER]]);
        let connections = Connections::default();
        let mut numbers = Vec::new();
        for _ in 0..5 {
            let reply = ask(&connections, "GET", address).unwrap();
            assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]));
            numbers.extend(told.try_iter().map(|(number, _)| number));
        }
        assert_eq!(numbers, [0, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn what_is_asked_once_is_not_sent_again_on_another_connection() {
        // The second request on a first connection is received, and the connection closed.
        for (kept, answers, connections_used) in [(2, [true, false, true], [0, 0, 1]), (1, [true; 3], [0, 1, 2])] {
            let (address, told) = server(vec![vec![ANSWER, b""], vec![ANSWER; 2], vec![ANSWER]]);
            let connections = Connections::default();
            for is_answered in answers {
                let (patience, connections) = (Duration::from_secs(20), Some(&connections));
                let ask = Exchange {
                    authority: "x",
                    method: "GET",
                    target: "/",
                    token: None,
                    connections,
                    patience,
                    deadline: None,
                };
                // Where more comes than is kept, the connection is not.
                match ask.taken_once(&[address], Taker::Beginning(kept)) {
                    Ok(reply) => assert_eq!((is_answered, reply.body.as_slice()), (true, &b"ok"[..kept])),
                    Err(error) => assert!(!is_answered, "{error}"),
                }
            }
            assert_eq!(told.try_iter().map(|(number, _)| number).collect::<Vec<_>>(), connections_used);
        }
    }

    #[test]
    fn few_are_kept_and_not_for_long() {
        let connections = Connections::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..MOST + 3 {
            connections.keep(address, TcpStream::connect(address).unwrap());
        }
        assert_eq!(lock(&connections.0).len(), MOST);
        lock(&connections.0).iter_mut().for_each(|one| one.since -= IDLE);
        assert!(connections.take(&[address]).is_none());
        assert_eq!(lock(&connections.0).len(), 0);
    }
}
