//! `testero status`, and `get` of a group.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use crate::client::reply::{good, printable, stranger};
use crate::client::{Remote, Trouble, has_reader};

/// How often a watched status is drawn.
const PERIOD: Duration = Duration::from_secs(1);
/// Clears the terminal from its top.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub struct Show {
    /// A group alone, by the name that the status gives it.
    pub group: Option<&'static str>,
    /// As it came, for programs.
    pub json: bool,
    /// Again and again.
    pub watch: bool,
}

impl Show {
    pub(super) fn run(&self, service: &Remote<'_>) -> Result<(), Trouble> {
        loop {
            let text = self.ask(service);
            // Who watches wants to see what comes after a restart, too.
            let is_seen = match text {
                Err(trouble) if !self.watch => return Err(trouble),
                Err(trouble) => self.draw(&format!("{}\n", trouble.words()))?,
                Ok(text) => self.draw(&text)?,
            };
            if !self.watch || !is_seen {
                return Ok(());
            }
            thread::sleep(PERIOD);
        }
    }

    /// Says whether somebody still looks.
    fn draw(&self, text: &str) -> Result<bool, Trouble> {
        let clear = if self.watch && io::stdout().is_terminal() { CLEAR } else { "" };
        has_reader(&format!("{clear}{text}"))
    }

    fn ask(&self, service: &Remote<'_>) -> Result<String, Trouble> {
        let target = match self.group {
            Some(group) if self.json => format!("/api/{group}?format=json"),
            _ if self.json => String::from("/api/status?format=json"),
            _ => String::from("/api/status?format=text"),
        };
        let reply = service.ask("GET", &target)?;
        if reply.status >= 400 {
            // Errors are asked for in JSON, which has the reason by itself.
            return match good(&service.ask("GET", "/api/status?format=json")?) {
                Err(trouble) => Err(trouble),
                Ok(_) => Err(Trouble::Refused(format!("the answer is {}", reply.status))),
            };
        }
        let text = printable(&String::from_utf8_lossy(&reply.body));
        if self.json {
            good(&reply)?;
        } else if reply.status != 200 || !text.starts_with("testero ") {
            return Err(stranger(reply.status));
        }
        Ok(match self.group {
            Some(group) if !self.json => rows(&text, group),
            _ => text,
        })
    }
}

/// The rows of the status that tell of a group, below their heading.
fn rows(status: &str, group: &str) -> String {
    let mut rows = String::new();
    for line in status.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if first == group || (first == "GROUP" && !matches!(group, "cpu" | "io")) {
            rows.push_str(line);
            rows.push('\n');
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_rows_are_found() {
        let status =
            "testero 0.1.0  up 1 s\n\nGROUP  STATE  HELD\nmem    idle   0 B\ndisk   idle   0 B\n\ncpu       idle\n";
        assert_eq!(rows(status, "mem"), "GROUP  STATE  HELD\nmem    idle   0 B\n");
        assert_eq!(rows(status, "cpu"), "cpu       idle\n");
    }
}
