//! The parameters of a request, and the wish they make.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::{Duration, Instant};

use super::burn::Target;
use super::group::Refused;
use super::id::Id;
use super::load::LoadRefused;
use super::number::parse_unsigned;
use super::order::{Caller, How, Kind, Pace, Wish};
use super::quantity::{Amount, Unit, quantity};
use super::span::span;
use crate::audit;
use crate::http::Request;
use crate::http::query::Query;

/// What CPU load is at least: less would be lost in measuring it.
const FEWEST_MILLICORES: u64 = 10;
/// Longest part of a target that is kept for the log.
const WORDS_BYTES: usize = 200;

/// The parameters of a request: those of the form in its body, then those of its query.
pub struct Asked<'r, 'b> {
    request: &'r Request<'b>,
    query: Query<'b>,
    form: Query<'b>,
    /// Since when it is being answered.
    pub began: Instant,
    /// Whether the log has a line on it already.
    logged: Cell<bool>,
    /// Asked for in JSON: then old names take new values, and unknown ones are refused.
    pub json: bool,
}

/// The names a set of memory takes.
pub const MEMORY: [&str; 11] =
    ["size", "amount", "exact", "kind", "touch", "force", "ttl", "rate", "over", "wait", "follow"];
/// Those of files.
pub const FILES: [&str; 10] = ["size", "amount", "exact", "fsync", "force", "ttl", "rate", "over", "wait", "follow"];
/// Those of what is counted.
pub const COUNTED: [&str; 9] = ["size", "amount", "count", "force", "ttl", "rate", "over", "wait", "follow"];
/// Those of a release.
pub const RELEASE: [&str; 4] = ["rate", "over", "wait", "follow"];
/// Those of a CPU load.
pub const CPU: [&str; 9] = ["time", "duration", "ttl", "cpu", "millicores", "over", "replace", "wait", "follow"];
/// Those of an io load.
pub const IO: [&str; 7] = ["time", "duration", "ttl", "rate", "replace", "wait", "follow"];

impl<'r, 'b> Asked<'r, 'b> {
    /// The parameters of `request`.
    pub fn of(request: &'r Request<'b>, json: bool) -> Self {
        let (query, form) = (request.query, Query(request.body));
        Self { request, query, form, began: Instant::now(), logged: Cell::new(false), json }
    }

    /// Has the log tell what came of it, under this id.
    pub fn log(&self, id: Id, outcome: &str) {
        self.logged.set(true);
        audit::answered(id, &words(self.request), &caller(self.request), outcome, self.began.elapsed());
    }

    /// It was accepted: whoever works for it has the log tell what comes of it.
    pub fn is_accepted(&self) {
        self.logged.set(true);
    }

    /// Whether the log has told.
    pub fn is_logged(&self) -> bool {
        self.logged.get()
    }

    /// The value of a parameter; an empty one counts as absent.
    pub fn bytes(&self, name: &str) -> Option<Cow<'b, [u8]>> {
        self.form.value(name).or_else(|| self.query.value(name))
    }

    /// The value of a parameter as text; what is not UTF-8 shows as such.
    pub fn text(&self, name: &str) -> Option<String> {
        self.bytes(name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// The value of a switch.
    ///
    /// # Errors
    /// When it is neither on nor off.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(format!("{name}={other:?} is neither true nor false")),
        }
    }

    /// The value of a duration.
    ///
    /// # Errors
    /// When it is none.
    pub fn span(&self, name: &str) -> Result<Option<Duration>, String> {
        self.text(name).map(|text| span(&text).map_err(|why| format!("{name}: {why}"))).transpose()
    }

    /// The value of a duration that must be longer than nothing.
    fn length(&self, name: &str) -> Result<Option<Duration>, String> {
        match self.span(name)? {
            Some(length) if length.is_zero() => Err(format!("{name} must be longer than 0")),
            length => Ok(length),
        }
    }

    /// The value of a whole number within bounds.
    ///
    /// # Errors
    /// When it is none, or out of bounds.
    pub fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, String> {
        let Some(text) = self.bytes(name) else { return Ok(None) };
        match parse_unsigned(&text) {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(format!("{name}={:?} is no number from {least} to {most}", String::from_utf8_lossy(&text))),
        }
    }

    /// Refuses what would be passed over: names that mean nothing here, names without a value or said twice, and pairs
    /// that cannot be read. A misspelt `ttl` would hold for ever, and so would an empty one. The text contract passes
    /// them all over.
    ///
    /// # Errors
    /// Which one that is.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        if !self.json {
            return Ok(());
        }
        let shown = String::from_utf8_lossy;
        for part in [self.form, self.query] {
            if let Some(pair) = part.unsound() {
                return Err(format!("{:?} cannot be read: a malformed escape, or a ; in it", shown(pair)));
            }
            for (place, (name, value)) in part.pairs().enumerate() {
                if !known.iter().chain(&["format", "dry_run"]).any(|known| known.as_bytes() == name.as_ref()) {
                    return Err(format!("unknown parameter {:?}; there are {}", shown(&name), known.join(", ")));
                }
                if value.is_empty() {
                    let known = known.join(", ");
                    return Err(format!(
                        "{} has no value: leave it out, or give it one; there are {known}",
                        shown(&name)
                    ));
                }
                if part.pairs().take(place).any(|(other, _)| other == name) {
                    return Err(format!("{} is given twice: which one counts?", shown(&name)));
                }
            }
        }
        Ok(())
    }

    /// What a set asks of a group that counts `unit`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn wish(&self, unit: Unit, known: &[&str], caller: Caller, words: String) -> Result<Wish, Refused> {
        self.only(known).map_err(Refused::Invalid)?;
        let wish = Wish { words, ..Wish::of(self.amount(unit)?, caller) };
        self.options(unit, wish).map_err(Refused::Invalid)
    }

    fn amount(&self, unit: Unit) -> Result<Amount, Refused> {
        let size = self.bytes("size");
        let newer = ["amount", "count"].into_iter().find_map(|name| self.text(name));
        match (size, newer) {
            (Some(_), Some(_)) => {
                Err(Refused::Invalid(String::from("size and amount are both given: which one counts?")))
            }
            (None, None) => Err(Refused::Absent),
            // What the contract has, as it has it.
            (Some(size), None) if !self.json => parse_unsigned(&size).map(Amount::Exactly).map_err(Refused::Number),
            (Some(size), None) => Amount::parse(&String::from_utf8_lossy(&size), unit).map_err(Refused::Invalid),
            (None, Some(amount)) => Amount::parse(&amount, unit).map_err(Refused::Invalid),
        }
    }

    /// The options of a release: it may take its time.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn release(&self, unit: Unit, caller: Caller, words: String) -> Result<Wish, Refused> {
        self.only(&RELEASE).map_err(Refused::Invalid)?;
        let wish = Wish { words, ..Wish::of(Amount::Exactly(0), caller) };
        self.options(unit, wish).map_err(Refused::Invalid)
    }

    fn options(&self, unit: Unit, mut wish: Wish) -> Result<Wish, String> {
        let kind = match self.text("kind").as_deref() {
            None | Some("anon") => Kind::Anon,
            Some("file") => Kind::File,
            Some("shm") => Kind::Shm,
            Some(other) => return Err(format!("kind={other:?} is none of anon, file and shm")),
        };
        wish.how = How {
            exact: self.flag("exact")?,
            kind,
            touch: self.length("touch")?,
            fsync: self.flag("fsync")?,
            force: self.flag("force")?,
        };
        wish.ttl = self.length("ttl")?;
        let rate = self.text("rate").map(|text| quantity(&text, unit).map_err(|why| format!("rate={text:?}: {why}")));
        wish.pace = match (rate.transpose()?, self.span("over")?) {
            (Some(_), Some(_)) => return Err(String::from("rate and over are both given: which one counts?")),
            (Some(0), None) => return Err(String::from("rate must be more than 0 a second")),
            (Some(rate), None) => Some(Pace::Rate(rate)),
            (None, over) => over.map(Pace::Over),
        };
        Ok(wish)
    }

    /// For how long a load is to be.
    fn time(&self) -> Result<Option<Duration>, LoadRefused> {
        match (self.bytes("time"), self.text("duration").or_else(|| self.text("ttl"))) {
            (Some(_), Some(_)) => {
                Err(LoadRefused::Invalid(String::from("time and duration are both given: which one counts?")))
            }
            (None, None) => Err(LoadRefused::Absent),
            (Some(time), None) if !self.json => {
                parse_unsigned(&time).map(|seconds| Some(Duration::from_secs(seconds))).map_err(LoadRefused::Number)
            }
            (Some(time), None) => span(&String::from_utf8_lossy(&time)).map(Some).map_err(LoadRefused::Invalid),
            (None, Some(time)) => span(&time).map(Some).map_err(LoadRefused::Invalid),
        }
    }

    /// What a CPU load asks for: millicores (one core flat out without), reached in so much time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn cpu(&self) -> Result<(Option<Amount>, Duration), LoadRefused> {
        let wrong = LoadRefused::Invalid;
        let amount = match (self.text("cpu"), self.number("millicores", 0, u64::MAX).map_err(wrong)?) {
            (Some(_), Some(_)) => {
                return Err(wrong(String::from("cpu and millicores are both given: which one counts?")));
            }
            (Some(cpu), None) => Some(Amount::parse(&cpu, Unit::Millicores).map_err(wrong)?),
            (None, millicores) => millicores.map(Amount::Exactly),
        };
        Ok((amount, self.span("over").map_err(wrong)?.unwrap_or_default()))
    }

    /// For how long a load is to be, and whether it may take the place of another.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self, known: &[&str]) -> Result<(Option<Duration>, bool), LoadRefused> {
        self.only(known).map_err(LoadRefused::Invalid)?;
        let length = self.time()?;
        Ok((length, self.flag("replace").map_err(LoadRefused::Invalid)?))
    }

    /// How many bytes a second an io load is to move.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn rate(&self) -> Result<Option<u64>, LoadRefused> {
        match self.text("rate").map(|text| (quantity(&text, Unit::Bytes), text)) {
            Some((Ok(0), _)) => Err(LoadRefused::Invalid(String::from("rate must be more than 0 a second"))),
            Some((Err(why), text)) => Err(LoadRefused::Invalid(format!("rate={text:?}: {why}"))),
            Some((Ok(rate), _)) => Ok(Some(rate)),
            None => Ok(None),
        }
    }
}

/// The target for `amount`, where there are `cores` and a limit of so many millicores: one core flat out without.
///
/// # Errors
/// When it is less than can be measured, or more than all cores.
pub fn cpu_target(amount: Option<Amount>, over: Duration, cores: u64, limit: u64) -> Result<Target, LoadRefused> {
    let millicores = amount.map_or(1000, |amount| amount.resolve(limit, limit));
    if millicores < FEWEST_MILLICORES {
        return Err(LoadRefused::Invalid(format!(
            "{millicores}m is too little: a load is {FEWEST_MILLICORES}m at least"
        )));
    }
    if millicores > cores * 1000 {
        return Err(LoadRefused::TooMuch(format!(
            "{millicores}m is more than the {cores} cores there are, {}m",
            cores * 1000
        )));
    }
    Ok(Target { from: if over.is_zero() { millicores } else { 0 }, to: millicores, over })
}

/// Who sent `request`.
pub fn caller(request: &Request<'_>) -> Caller {
    Caller::client(request.peer, request.fields.first("User-Agent"))
}

/// What `request` asked for, as it is told in the log: one line of printable ASCII.
pub fn words(request: &Request<'_>) -> String {
    let mut line = format!("{} ", request.method).into_bytes();
    line.extend_from_slice(&request.path);
    for part in [request.query.0, request.body] {
        if !part.is_empty() {
            line.push(b'?');
            line.extend_from_slice(part);
        }
    }
    line.truncate(WORDS_BYTES);
    line.iter().map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '?' }).collect()
}
