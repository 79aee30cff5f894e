//! Who starts processes for all threads of a run.
//!
//! The kernel kills them when the thread ends that started them, so all are started by one that lives to the end.

use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;

/// Starts processes for others.
#[derive(Debug, Default)]
pub struct Starter(Arc<OrderBook>);

/// Orders processes from the starter.
#[derive(Clone, Debug)]
pub struct StartOrders(Arc<OrderBook>);

#[derive(Debug, Default)]
struct OrderBook {
    entries: Mutex<OrderEntries>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct OrderEntries {
    /// The number of the last order.
    last: u64,
    ordered: Vec<(u64, Command)>,
    started: Vec<(u64, io::Result<Child>)>,
    /// There is no starter any more.
    is_closed: bool,
}

impl Starter {
    /// Who orders from this one.
    pub fn orders(&self) -> StartOrders {
        StartOrders(Arc::clone(&self.0))
    }

    /// Starts what is ordered first within `patience`.
    pub fn serve(&self, patience: Duration) {
        let waited = self.0.changed.wait_timeout_while(lock(&self.0.entries), patience, |book| book.ordered.is_empty());
        let (mut book, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if book.ordered.is_empty() {
            return;
        }
        let (number, mut command) = book.ordered.remove(0);
        drop(book);
        let child = command.spawn();
        lock(&self.0.entries).started.push((number, child));
        self.0.changed.notify_all();
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        lock(&self.0.entries).is_closed = true;
        self.0.changed.notify_all();
    }
}

impl StartOrders {
    /// Has a process started, and waits until it is.
    ///
    /// # Errors
    /// When it cannot be started, or nobody starts any.
    pub fn start(&self, command: Command) -> io::Result<Child> {
        let mut book = lock(&self.0.entries);
        book.last += 1;
        let number = book.last;
        book.ordered.push((number, command));
        self.0.changed.notify_all();
        let place = |book: &OrderEntries| book.started.iter().position(|(one, _)| *one == number);
        let waited = self.0.changed.wait_while(book, |book| !book.is_closed && place(book).is_none());
        let mut book = waited.unwrap_or_else(PoisonError::into_inner);
        match place(&book) {
            Some(place) => book.started.remove(place).1,
            None => Err(io::Error::other("nobody starts processes any more")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const SHORT: Duration = Duration::from_millis(10);

    #[test]
    fn each_gets_its_own_process() {
        let starter = Starter::default();
        let codes = thread::scope(|scope| {
            let exit = |code: i32| {
                let orders = starter.orders();
                let mut command = Command::new("sh");
                command.args(["-c", &format!("exit {code}")]);
                scope.spawn(move || orders.start(command).unwrap().wait().unwrap().code())
            };
            let threads: Vec<_> = (0..8).map(exit).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                starter.serve(SHORT);
            }
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(codes, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        let starter = Starter::default();
        let orders = starter.orders();
        let thread = thread::spawn(move || orders.start(Command::new("/no/such/program")).map(drop));
        while !thread.is_finished() {
            starter.serve(SHORT);
        }
        assert_eq!(thread.join().unwrap().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn without_a_starter_nobody_waits() {
        let starter = Starter::default();
        let orders = starter.orders();
        let thread = thread::spawn(move || orders.start(Command::new("true")).map(drop));
        drop(starter);
        assert!(thread.join().unwrap().unwrap_err().to_string().contains("nobody starts"));
    }
}
