//! The routes: a request becomes a call, and the result becomes the contract's words.

use std::fmt::Write;
use std::time::Duration;

use super::Consumer;
use super::cpu::LoadRefused;
use super::group::{Account, Refused};
use super::number::parse_signed;
use super::plan::Plan;
use super::ticket::Conflict;
use crate::clock::local_date;
use crate::http::target::{cleaned, percent_encode};
use crate::http::{Answer, Request, Response, Service, StatusCode, Text, redirect, text};

/// How late the answers come that brake a client in a loop.
const BRAKE: Duration = Duration::from_secs(1);

impl Service for Consumer {
    fn answer(&self, request: &Request<'_>) -> Answer {
        if request.path.as_ref() == b"*" {
            return text(200, "").into();
        }
        if let Some(clean) = cleaned(&request.path) {
            let mut location = percent_encode(&clean).into_bytes();
            if !request.query.0.is_empty() {
                location.push(b'?');
                location.extend_from_slice(request.query.0);
            }
            return redirect(&location).into();
        }
        match request.path.as_ref() {
            b"/api/mem/set" => self.set_memory(request, "set"),
            b"/api/mem/add" => self.set_memory(request, "add"),
            b"/api/mem/getdef" => plan_text(self.memory.account(), "Boxes"),
            b"/api/mem/getact" => self.memory_held(),
            b"/api/disk/set" | b"/api/disk/add" => self.set_disk(request),
            b"/api/disk/getdef" => plan_text(self.disk.account(), "Files"),
            b"/api/disk/getact" => self.disk_held(),
            b"/api/cpu/load" => self.load_cpu(request),
            b"/api/cpu/stop" => self.stop_cpu(request),
            b"/api/cpu/getact" => self.cpu_load(),
            _ => text(404, "404 page not found\n").into(),
        }
    }
}

impl Consumer {
    fn set_memory(&self, request: &Request<'_>, verb: &str) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        match self.memory.set(request.query.value("size").as_deref()) {
            Ok((bytes, id)) => {
                say(format!("Memory data request sent for {bytes} bytes, with id#: {id}, check /api/mem/getact"))
            }
            Err(Refused::Absent) => {
                say_late(format!("File size (in bytes) not specified: {verb}?size=<number of bytes>"))
            }
            Err(refused) => say_late(refusal(&refused, "memory parts")),
        }
    }

    fn set_disk(&self, request: &Request<'_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        match self.disk.set(request.query.value("size").as_deref()) {
            Ok((bytes, id)) => {
                say(format!("File data request sent for {bytes} bytes, with id#: {id}, check /api/disk/getact"))
            }
            Err(Refused::Absent) => say_late("No data size specified".into()),
            Err(refused) => say_late(refusal(&refused, "file distribution")),
        }
    }

    fn memory_held(&self) -> Answer {
        match self.memory.report() {
            Ok((account, Ok(held))) => held_text(&account, &held, "Parts"),
            Ok((_, Err(reason))) => say(format!("Error getting memory information: {reason}")),
            Err(conflict) => conflict_text(conflict),
        }
    }

    fn disk_held(&self) -> Answer {
        match self.disk.report() {
            Ok((account, Ok(held))) => held_text(&account, &held, "Files"),
            Ok((_, Err(reason))) => {
                log::error!("Error getting files information: {reason}");
                say("Error getting files information".into())
            }
            Err(conflict) => conflict_text(conflict),
        }
    }

    fn load_cpu(&self, request: &Request<'_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        match self.cpu.start(request.query.value("time").as_deref()) {
            Ok(load) => say(format!("CPU load requested for {} seconds with id: {}", load.seconds, load.id)),
            Err(LoadRefused::Absent) => say("No load time specified".into()),
            Err(LoadRefused::Number(error)) => say(format!("Invalid time specification: {error}")),
            Err(LoadRefused::Conflict(conflict)) => conflict_text(conflict),
            Err(LoadRefused::NotStarted(error)) => say(not_started(&error)),
        }
    }

    fn stop_cpu(&self, request: &Request<'_>) -> Answer {
        if request.changes_nothing() {
            return unsaid();
        }
        let Some(load) = self.cpu.load() else {
            return say_late("No load request being processed, nothing to do".into());
        };
        let Some(id) = request.query.value("id") else {
            return say_late("No request ID specified".into());
        };
        match parse_signed(&id) {
            Err(error) => say_late(format!("Invalid ID specification: {error}")),
            Ok(id) if u64::try_from(id) == Ok(load.id.0) => {
                self.cpu.cancel(&load);
                say("CPU load stopped".into())
            }
            Ok(id) => say_late(format!("Incorrect stop load request ID={id}")),
        }
    }

    fn cpu_load(&self) -> Answer {
        say_late(match self.cpu.load() {
            None => "No load request in progress".into(),
            Some(load) => format!(
                "Load request sent at: {}\nLoad time requested: {} seconds\nLoad request ends at: {}\nNumber to factor: {}",
                local_date(load.sent),
                load.seconds,
                local_date(load.ends),
                self.cpu.number(),
            ),
        })
    }
}

/// Says it at once. Every answer of the contract ends with a line feed.
fn say(mut words: String) -> Answer {
    words.push('\n');
    text(200, words).into()
}

/// Says it with the brake on.
fn say_late(words: String) -> Answer {
    say(words).after(BRAKE)
}

/// The answer to HEAD where GET would change something: its length is not known, since nothing is done.
fn unsaid() -> Answer {
    let nothing: Text = text(200, "");
    let types = nothing.headers().to_vec();
    Response::new(StatusCode(200), types, std::io::Cursor::new(Vec::new()), None, None).into()
}

fn conflict_text(conflict: Conflict) -> Answer {
    say_late(conflict_words(conflict).into())
}

fn conflict_words(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Pending => "Server contains pending request, try again later",
        Conflict::Busy => "Server busy, try again later",
    }
}

fn not_started(error: &std::io::Error) -> String {
    format!("Could not start the work, try again later: {error}")
}

fn refusal(refused: &Refused, what: &str) -> String {
    match refused {
        Refused::Conflict(conflict) => conflict_words(*conflict).into(),
        Refused::Absent => "No data size specified".into(),
        Refused::Number(error) => format!("Could not get size: {error}"),
        Refused::OverLimit { requested, limit } => format!(
            "Could not compute {what}: Size requested is over the limit: requested {requested} bytes, limit: {limit} bytes."
        ),
        Refused::DoesNotFit { requested, available } => format!(
            "Could not compute {what}: Size requested does not fit: requested {requested} bytes, available now: {available} bytes."
        ),
        Refused::Unavailable(reason) => format!("Could not compute {what}: {reason}"),
        Refused::NotStarted(error) => not_started(error),
    }
}

fn plan_text(account: Result<Account, Conflict>, parts: &str) -> Answer {
    let plan = match account {
        Ok(account) => account.plan,
        Err(conflict) => return conflict_text(conflict),
    };
    let mut lines = String::new();
    for (size, count) in plan.parts() {
        // Writing into a string cannot fail.
        let _ = writeln!(lines, "{parts} of size: {size}, count: {count}, total size: {}", size.saturating_mul(count));
    }
    say(format!("{lines}Total size reserved: {} bytes.", plan.total()))
}

fn held_text(account: &Account, held: &Plan, parts: &str) -> Answer {
    let mut lines = format!("Last request ID: {}\n", account.last);
    for (size, count) in held.parts() {
        let _ = writeln!(lines, "{parts} of size: {size}, Count: {count}");
    }
    let _ = write!(lines, "Total size: {} bytes.", held.total());
    // Only after work that failed, which the contract has no words for.
    if let Some(reason) = &account.trouble {
        let _ = write!(lines, "\nLast request failed: {reason}");
    }
    say(lines)
}
