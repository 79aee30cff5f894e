//! The original's words, byte for byte, and words in its manner for what it did not have.

use std::fmt::Write;

use crate::consumer::api::refusals::say_late;
use crate::consumer::api::table::Holder;
use crate::consumer::control::group::{Account, Refused};
use crate::consumer::control::store::Goal;
use crate::consumer::control::ticket::Conflict;
use crate::consumer::load::task::{Load, LoadRefused};
use crate::http::Answer;
use crate::kernel::clock::local_date;
use crate::service::problem::say;

/// How a group is spoken of.
pub(super) struct GroupTexts {
    /// `Memory data`
    pub(super) request: &'static str,
    /// `bytes`
    pub(super) noun: &'static str,
    /// `memory parts`
    pub(super) plan: &'static str,
    /// Where to look.
    pub(super) check: &'static str,
    /// What is said without an amount, before the verb.
    absent: &'static str,
    /// How planned parts are called.
    boxes: &'static str,
    /// How parts that are there are called.
    parts: &'static str,
    /// `size` or `count`.
    measure: &'static str,
}

pub(super) fn words(holder: Holder) -> GroupTexts {
    match holder {
        Holder::Memory => GroupTexts {
            request: "Memory data",
            noun: "bytes",
            plan: "memory parts",
            check: "/api/mem/getact",
            absent: "File size (in bytes) not specified",
            boxes: "Boxes",
            parts: "Parts",
            measure: "size",
        },
        Holder::Disk => GroupTexts {
            request: "File data",
            noun: "bytes",
            plan: "file distribution",
            check: "/api/disk/getact",
            absent: "No data size specified",
            boxes: "Files",
            parts: "Files",
            measure: "size",
        },
        Holder::Inode => GroupTexts {
            request: "Inode",
            noun: "files",
            plan: "inodes",
            check: "/api/inode/getact",
            absent: "No count specified",
            boxes: "",
            parts: "",
            measure: "count",
        },
        Holder::Pid => GroupTexts {
            request: "Pid",
            noun: "threads",
            plan: "pids",
            check: "/api/pid/getact",
            absent: "No count specified",
            boxes: "",
            parts: "",
            measure: "count",
        },
        Holder::Descriptor => GroupTexts {
            request: "Descriptor",
            noun: "descriptors",
            plan: "descriptors",
            check: "/api/fd/getact",
            absent: "No count specified",
            boxes: "",
            parts: "",
            measure: "count",
        },
    }
}

/// A set was accepted.
pub(super) fn accepted(holder: Holder, amount: u64, id: impl std::fmt::Display) -> String {
    let GroupTexts { request, noun, check, .. } = words(holder);
    format!("{request} request sent for {amount} {noun}, with id#: {id}, check {check}")
}

/// A set was refused. `verb` is the last part of its path.
pub(super) fn refusal(holder: Holder, verb: &str, refused: &Refused) -> String {
    let GroupTexts { plan, noun, absent, measure, .. } = words(holder);
    let measure = if measure == "size" { "Size" } else { "Count" };
    match refused {
        Refused::Conflict(conflict) => conflict_words(*conflict).into(),
        Refused::Absent => match holder {
            Holder::Memory => format!("{absent}: {verb}?size=<number of bytes>"),
            Holder::Disk => absent.into(),
            _ => format!("{absent}: {verb}?count=<number of {noun}>"),
        },
        Refused::Number(error) => format!("Could not get size: {error}"),
        Refused::Invalid(_) | Refused::BelowNothing(_) => format!("Invalid request: {refused}"),
        Refused::OverLimit { requested, limit, .. } => format!(
            "Could not compute {plan}: {measure} requested is over the limit: requested {requested} {noun}, limit: {} {noun}.",
            limit.most
        ),
        Refused::DoesNotFit { requested, available, .. } => format!(
            "Could not compute {plan}: {measure} requested does not fit: requested {requested} {noun}, available now: {available} {noun}."
        ),
        Refused::Unavailable(reason) => format!("Could not compute {plan}: {reason}"),
        Refused::NotStarted(error) => not_started(error),
        Refused::Stopping => String::from("The service stops"),
    }
}

/// A load was refused; late where the contract says so.
pub(super) fn load_refusal(refused: &LoadRefused) -> Answer {
    match refused {
        LoadRefused::Absent => say("No load time specified".into()),
        LoadRefused::Number(error) => say(format!("Invalid time specification: {error}")),
        LoadRefused::Invalid(why) => say(format!("Invalid load specification: {why}")),
        LoadRefused::TooMuch(why) => say(format!("Load requested is over the limit: {why}")),
        LoadRefused::Conflict(conflict) => conflict_text(*conflict),
        LoadRefused::NotStarted(error) => say(not_started(error)),
        LoadRefused::Stopping => say("The service stops".into()),
    }
}

pub(super) fn conflict_text(conflict: Conflict) -> Answer {
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

/// `getdef`.
pub(super) fn planned(holder: Holder, account: Result<Account, Conflict>) -> Answer {
    let goal = match account {
        Ok(account) => account.goal,
        Err(conflict) => return conflict_text(conflict),
    };
    let GroupTexts { boxes, noun, measure, .. } = words(holder);
    let mut lines = String::new();
    for (size, count) in goal.parts() {
        // Writing into a string cannot fail.
        let _ = writeln!(lines, "{boxes} of size: {size}, count: {count}, total size: {}", size.saturating_mul(count));
    }
    say(format!("{lines}Total {measure} reserved: {} {noun}.", goal.total()))
}

/// `getact`.
pub(super) fn held(holder: Holder, account: &Account, held: &Goal) -> Answer {
    let GroupTexts { parts, noun, measure, .. } = words(holder);
    let mut lines = String::with_capacity(256);
    let _ = writeln!(lines, "Last request ID: {}", account.last);
    for (size, count) in held.parts() {
        let _ = writeln!(lines, "{parts} of size: {size}, Count: {count}");
    }
    let _ = write!(lines, "Total {measure}: {} {noun}.", held.total());
    with_trouble(lines, account.trouble.as_deref())
}

/// `getact`, where that cannot be told.
pub(super) fn not_told(holder: Holder, reason: &str) -> Answer {
    if holder == Holder::Disk {
        log::error!("Error getting files information: {reason}");
        return say("Error getting files information".into());
    }
    say(format!("Error getting {} information: {reason}", words(holder).plan))
}

/// Only after work that failed, which the contract has no words for.
fn with_trouble(mut lines: String, trouble: Option<&str>) -> Answer {
    if let Some(reason) = trouble {
        let _ = write!(lines, "\nLast request failed: {reason}");
    }
    say(lines)
}

/// `cpu/getact`.
pub(super) fn cpu_text(load: Option<&Load>, number: u128) -> Answer {
    say_late(match load {
        None => "No load request in progress".into(),
        Some(load) => {
            let ends = load.ends.map_or_else(|| String::from("when it is stopped"), local_date);
            format!(
                "Load request sent at: {}\nLoad time requested: {} seconds\nLoad request ends at: {ends}\nNumber to factor: {number}",
                local_date(load.sent),
                load.seconds,
            )
        }
    })
}
