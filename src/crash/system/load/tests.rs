//! The load against servers that answer, break off, and go away.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicU64;

use super::*;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: ";

/// A server that says for each request what is sent; it closes a connection after what is not whole.
fn server(answer: impl Fn(u64) -> Option<String> + Send + Sync + 'static) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/next", listener.local_addr().unwrap());
    let (count, answer) = (Arc::new(AtomicU64::new(0)), Arc::new(answer));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
            std::thread::spawn(move || serve(&stream, &count, answer.as_ref()));
        }
    });
    (url, counted)
}

fn serve(stream: &TcpStream, count: &AtomicU64, answer: &dyn Fn(u64) -> Option<String>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let Some(text) = answer(number) else { return };
        if (&mut &*stream).write_all(text.as_bytes()).is_err() || text.ends_with("part") {
            return;
        }
    }
}

fn plain(body: &str) -> String {
    format!("{ANSWER}{}\r\n\r\n{body}", body.len())
}

fn config(url: &str, clients: u32, rate: Option<u64>, folder: &tempfile::TempDir) -> HttpLoadConfig {
    let out = folder.path().join("requests").display().to_string();
    HttpLoadConfig { url: url.to_owned(), clients, out, rate, timeout: Duration::from_secs(30) }
}

/// Runs a load until it has made so many requests; its lines.
fn run(config: &HttpLoadConfig, requests: u64) -> Vec<String> {
    let stop = Stop::new().unwrap();
    let load = HttpLoad::new(config.clone(), stop.clone());
    let running = load.clone();
    let thread = std::thread::spawn(move || running.run().unwrap());
    while load.counts().requests < requests {
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.stop();
    thread.join().unwrap();
    let mut text = Vec::new();
    File::open(&config.out).unwrap().read_to_end(&mut text).unwrap();
    let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    let counts = load.counts();
    let answered = lines.iter().filter(|line| line.split('\t').nth(2) != Some("-")).count();
    assert_eq!((counts.requests, counts.answers), (lines.len() as u64, answered as u64));
    lines
}

fn fields(line: &str) -> [&str; 4] {
    let all: Vec<&str> = line.split('\t').collect();
    all.try_into().unwrap()
}

#[test]
fn each_request_of_each_client_has_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let (url, count) = server(|number| Some(plain(&format!("{number}\r\n"))));
    let lines = run(&config(&url, 4, None, &folder), 200);
    assert_eq!(lines.len() as u64, count.load(Ordering::SeqCst));
    let mut last = [0; 4];
    let mut numbers = Vec::new();
    for line in &lines {
        let [at, client, status, body] = fields(line);
        let (at, client): (u64, usize) = (at.parse().unwrap(), client.parse().unwrap());
        assert!(at >= last[client]);
        last[client] = at;
        assert_eq!(status, "200");
        numbers.push(body.trim_end().parse::<usize>().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..lines.len()).collect::<Vec<_>>());
}

#[test]
fn what_breaks_off_is_not_asked_again_and_has_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    // Each third is received, and not answered; each seventh is answered in part.
    let (url, count) = server(|number| match number {
        n if n % 3 == 1 => None,
        n if n % 7 == 2 => Some(format!("{ANSWER}100\r\n\r\npart")),
        n => Some(plain(&n.to_string())),
    });
    let lines = run(&config(&url, 1, None, &folder), 12);
    assert_eq!(lines.len() as u64, count.load(Ordering::SeqCst), "each was received once");
    for (number, line) in lines.iter().enumerate() {
        let [_, _, status, body] = fields(line);
        match number {
            n if n % 3 == 1 || n % 7 == 2 => assert!(status == "-" && !body.is_empty(), "{line}"),
            n => assert_eq!((status, body), ("200", n.to_string().as_str())),
        }
    }
}

#[test]
fn long_answers_are_cut_and_others_than_2xx_are_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = server(|number| {
        Some(if number == 0 {
            plain(&"x".repeat(1_000_000))
        } else {
            String::from("HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\na\tb\nc")
        })
    });
    let lines = run(&config(&url, 1, None, &folder), 3);
    let [_, _, status, body] = fields(&lines[0]);
    assert_eq!((status, body.len()), ("200", request_line::BODY_BYTES));
    assert_eq!(&fields(&lines[1])[2..], ["503", "a b c"]);
}

#[test]
fn nobody_there_is_asked_with_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = Instant::now();
    let lines = run(&config(&format!("http://{free}"), 2, None, &folder), 20);
    let took = began.elapsed();
    assert!(lines.len() as u128 <= 2 * (took.as_millis() / PAUSE.as_millis() + 1), "{} in {took:?}", lines.len());
    assert!(lines.iter().all(|line| line.contains("\t-\t") && line.contains("refused")), "{lines:?}");
}

#[test]
fn all_clients_share_the_rate() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = server(|_| Some(plain("")));
    let began = Instant::now();
    let lines = run(&config(&url, 3, Some(50), &folder), 11);
    // The first begins at once, and the eleventh ten distances later.
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(lines.len() >= 11);
}

#[test]
fn a_file_that_cannot_be_written_ends_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = server(|_| Some(plain("")));
    let stop = Stop::new().unwrap();
    let good = config(&url, 2, None, &folder);
    let error = |config: HttpLoadConfig| HttpLoad::new(config, stop.clone()).run().unwrap_err();
    let nowhere = HttpLoadConfig { out: String::from("/nowhere/requests"), ..good.clone() };
    assert!(error(nowhere).to_string().starts_with("/nowhere/requests: "));
    assert_eq!(error(HttpLoadConfig { url: String::from("x"), ..good.clone() }).kind(), ErrorKind::InvalidInput);
    let full = HttpLoadConfig { out: String::from("/dev/full"), ..good };
    let load = HttpLoad::new(full, stop.clone());
    load.0.out.set(File::options().append(true).open("/dev/full").unwrap()).unwrap();
    let mut client = LoadClient::new(&load.0, 0);
    client.run();
    let error = lock(&load.0.failure).take().unwrap();
    assert_eq!((error.kind(), error.to_string().starts_with("/dev/full: ")), (ErrorKind::StorageFull, true));
}
