//! The brake: at most half the places wait on us.

use super::*;

#[test]
fn braked_answers_hold_at_most_half_the_permits() {
    let delay = Duration::from_secs(600);
    let local = Local::start(16, move |request| {
        let delay = if request.path.as_ref() == b"/late" { delay } else { Duration::ZERO };
        Reply::from(text(200, "done")).after(delay)
    });
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..12).map(|_| Client::new(local.address)).collect();
    for client in &mut clients {
        client.send(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    let answered = |clients: &mut Vec<Client>| {
        let mut count = 0;
        for client in clients {
            client.stream.set_nonblocking(true).unwrap();
            let mut byte = [0];
            count += usize::from(client.stream.peek(&mut byte).is_ok());
            client.stream.set_nonblocking(false).unwrap();
        }
        count
    };
    eventually("those above half are answered at once", || answered(&mut clients) >= 4);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(answered(&mut clients), 4, "eight are held");
    // Others get in all the while, and the held ones do not have to give way to a crowd.
    let crowd: Vec<Client> = (0..100).map(|_| Client::new(local.address)).collect();
    assert_eq!(Client::new(local.address).ask(GET).body, "done");
    drop(crowd);
    assert_eq!(Client::new(local.address).ask(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n").body, "done");
    // When the service stops, they leave at once.
    local.stop.stop();
    let mut done = 0;
    for mut client in clients {
        done += usize::from(client.try_answer().is_ok_and(|answer| answer.body == "done"));
    }
    assert!(done >= 8, "the held ones were answered: {done}");
    assert!(start.elapsed() < delay);
}

#[test]
fn the_program_brakes_half_its_permits_and_no_more() {
    let testero = with_permits(16);
    // A loaded machine can make anybody late, so: within three tries.
    let late = (0..3).map(|_| {
        let counts = Mutex::new(0);
        thread::scope(|scope| {
            for _ in 0..14 {
                scope.spawn(|| {
                    let mut client = Client::new(testero.address);
                    let start = Instant::now();
                    assert_eq!(client.ask(b"GET /api/mem/set HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
                    *counts.lock().unwrap() += usize::from(start.elapsed() >= Duration::from_millis(990));
                });
            }
        });
        counts.into_inner().unwrap()
    });
    let late: Vec<usize> = late.collect();
    assert!(late.contains(&8), "{late:?} of 14 were late, with 16 permits");
}
