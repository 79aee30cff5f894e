//! Whether a member gets requests, as metrics and the status show it.

use std::time::Instant;

use crate::proxy::members::{Availability, Member, clock};

/// How a member is.
pub(super) struct MemberCondition {
    /// In a word: `up`, `down` where active checks fail, `aside` where requests did.
    pub(super) state: &'static str,
    /// It gets requests.
    pub(super) is_up: bool,
    /// Why it gets none.
    pub(super) reason: Option<String>,
}

impl MemberCondition {
    /// What is known of a member.
    pub(super) fn of(member: &Member) -> Self {
        match member.availability(clock(Instant::now())) {
            Availability::Up => Self { state: "up", is_up: true, reason: None },
            Availability::Down => Self { state: "down", is_up: false, reason: Some("it fails its checks".into()) },
            Availability::Aside { failures, left } => {
                let seconds = left.as_secs() + 1;
                // It may have answered since, what it had been asked before.
                let why = match failures {
                    0 => String::from("it failed"),
                    _ => format!("{failures} failures one after the other"),
                };
                let reason = format!("{why}, is asked again in {seconds} s");
                Self { state: "aside", is_up: false, reason: Some(reason) }
            }
        }
    }
}
