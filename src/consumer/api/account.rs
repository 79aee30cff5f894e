//! `getdef` and `getact`: what was planned, and what is held.

use crate::consumer::Consumer;
use crate::consumer::api::refusals::refused;
use crate::consumer::api::table::Holder;
use crate::consumer::api::text;
use crate::consumer::control::group::Refused;
use crate::http::Answer;
use crate::object;
use crate::service::json::{Value, list};
use crate::service::problem::{Problem, json};
use crate::units::quantity::Unit;

impl Consumer {
    /// `getdef`.
    pub(super) fn planned(&self, holder: Holder, as_json: bool) -> Answer {
        let group = self.group(holder);
        match group.account() {
            account if !as_json => text::planned(holder, account),
            Ok(account) => json(
                200,
                &object! {
                    "group": group.store().name(),
                    "planned": account.goal.total(),
                    "parts": parts(&account.goal.parts()),
                },
            ),
            Err(conflict) => refused(&Refused::Conflict(conflict), Unit::Count).answer(true),
        }
    }

    /// `getact`.
    pub(super) fn held(&self, holder: Holder, as_json: bool) -> Answer {
        let group = self.group(holder);
        match group.report() {
            Ok((account, Ok(held))) if as_json => json(
                200,
                &object! {
                    "group": group.store().name(),
                    "id": (account.last.0 > 0).then(|| account.last.to_string()),
                    "held": held.total(),
                    "parts": parts(&held.parts()),
                    "error": account.trouble,
                },
            ),
            Ok((_, Err(why))) if as_json => Problem::new(503, "unavailable", why).answer(true),
            Err(conflict) if as_json => refused(&Refused::Conflict(conflict), Unit::Count).answer(true),
            Ok((account, Ok(held))) => text::held(holder, &account, &held),
            Ok((_, Err(why))) => text::not_told(holder, &why),
            Err(conflict) => text::conflict_text(conflict),
        }
    }
}

pub(super) fn parts(parts: &[(u64, u64)]) -> Value {
    let part = |&(size, count): &(u64, u64)| object! { "size": size, "count": count };
    list(&mut parts.iter().filter(|(_, count)| *count > 0).map(part))
}
