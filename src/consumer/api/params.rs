//! The parameters of a request, and the change that they ask for.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::consumer::api::table::Route;
use crate::consumer::control::audit;
use crate::consumer::control::group::Refused;
use crate::consumer::control::id::Id;
use crate::consumer::control::operation::{Caller, ChangeRequest, MemoryKind, Options, Pace};
use crate::consumer::load::cpu::Target;
use crate::consumer::load::task::LoadRefused;
use crate::http::message::query::Query;
use crate::http::{Method, Request};
use crate::parameters::{
    AMOUNT, COUNT, CPU, DURATION, EXACT, FORCE, FORMAT, FSYNC, KIND, MILLICORES, OVER, ParameterList, RATE, REPLACE,
    SIZE, TIME, TOUCH, TTL, Whole,
};
#[cfg(feature = "openapi")]
use crate::settings::unknown_word::meant;
use crate::units::duration::span;
use crate::units::quantity::{Amount, Unit, quantity, rate};
use crate::units::strconv::parse_unsigned;

/// What CPU load is at least: less would be lost in measuring it.
const FEWEST_MILLICORES: u64 = 10;
/// Longest part of a target that is kept for the log.
const WORDS_BYTES: usize = 200;

/// The parameters of a request: those of the form in its body, then those of its query.
pub struct Params<'r, 'b> {
    request: &'r Request<'b>,
    query: Query<'b>,
    form: Query<'b>,
    /// Since when it is being answered.
    pub began: Instant,
    /// Whether the log has a line on it already.
    logged: Cell<bool>,
    /// The parameters there are.
    list: ParameterList,
    /// Whether text passes over what it does not know, as long as there is nothing new next to it.
    passes_over: bool,
    /// Asked for in JSON: then old names take new values, and unknown ones are refused.
    pub json: bool,
}

/// A parameter that was given: its name, and its value.
type GivenParam<'b> = (&'static str, Cow<'b, [u8]>);

impl<'r, 'b> Params<'r, 'b> {
    /// The parameters of `request` with this `form`, and of a path that does this.
    pub fn of(request: &'r Request<'b>, form: &'b [u8], json: bool, route: Route) -> Self {
        Self {
            request,
            query: request.query,
            form: Query(form),
            began: Instant::now(),
            logged: Cell::new(false),
            list: route.parameters(*request.method == Method::Delete),
            passes_over: route.passes_over(),
            json,
        }
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

    /// Whether a parameter was sent, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.form.names(name) || self.query.names(name)
    }

    fn is_bare(&self, name: &str) -> bool {
        self.form.is_bare(name) || self.query.is_bare(name)
    }

    /// The value of a switch; as a bare word it is on.
    ///
    /// # Errors
    /// When it is neither on nor off.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.text(name).as_deref() {
            None => Ok(self.is_bare(name)),
            Some("false") => Ok(false),
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

    /// The value of a whole number within its bounds, or what it is without.
    ///
    /// # Errors
    /// When it is none, or out of bounds.
    pub fn number(&self, whole: &Whole) -> Result<Option<u64>, String> {
        let &Whole { name, least, most, default } = whole;
        let Some(text) = self.bytes(name) else { return Ok(default) };
        match parse_unsigned(&text) {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(format!("{name}={:?} is no number from {least} to {most}", String::from_utf8_lossy(&text))),
        }
    }

    /// Whether there is such a parameter.
    pub fn knows(&self, name: &str) -> bool {
        self.list.names().find(name.as_bytes()).is_some()
    }

    /// Refuses what would be passed over: names that mean nothing here, names without a value or said twice, and pairs
    /// that cannot be read. A misspelt `ttl` would hold for ever, and so would an empty one. The contract passes them all
    /// over, so text does beside the contract's own parameters, as long as there is no new one that is known.
    ///
    /// # Errors
    /// Which one that is.
    pub fn only(&self) -> Result<(), String> {
        let has_new = || self.list.new_names().names().any(|name| self.has(name)) || self.has(FORMAT.name);
        if !self.json && self.passes_over && !has_new() {
            return Ok(());
        }
        let shown = String::from_utf8_lossy;
        let all = || self.list.names().names().collect::<Vec<_>>().join(", ");
        for part in [self.form, self.query] {
            if let Some(pair) = part.unsound() {
                return Err(format!(
                    "{:?} cannot be read: a malformed escape, or a ; in it; % is written %25, or pct",
                    shown(pair)
                ));
            }
            for (place, (name, value)) in part.pairs().enumerate() {
                let Some((known, is_switch)) = self.list.names().find(&name) else {
                    let name = shown(&name);
                    return Err(format!("unknown parameter {name:?}{}; there are {}", self.near(&name), all()));
                };
                if value.is_empty() && !(is_switch && part.is_bare(known)) {
                    return Err(format!("{known} has no value: leave it out, or give it one; there are {}", all()));
                }
                if part.pairs().take(place).any(|(other, _)| other == name) {
                    return Err(format!("{known} is given twice: which one counts?"));
                }
                // Also where it has nothing to say: a dry run waits for nothing.
                if is_switch {
                    self.flag(known)?;
                }
            }
        }
        Ok(())
    }

    /// The parameter that may have been meant.
    #[cfg(feature = "openapi")]
    fn near(&self, name: &str) -> String {
        let near = meant(name, &mut self.list.names().names());
        near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"))
    }

    /// Nothing, in the consumer alone: it is to be as small as can be.
    #[cfg(not(feature = "openapi"))]
    fn near(&self, _: &str) -> &'static str {
        ""
    }

    /// What a set asks of a group that counts `unit`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn change(&self, unit: Unit, caller: Caller, words: String) -> Result<ChangeRequest, Refused> {
        self.only().map_err(Refused::Invalid)?;
        let change = ChangeRequest { words, ..ChangeRequest::of(self.amount(unit)?, caller) };
        self.options(unit, change).map_err(Refused::Invalid)
    }

    fn amount(&self, unit: Unit) -> Result<Amount, Refused> {
        match self.one_of(&[SIZE.name, AMOUNT.name, COUNT.name]).map_err(Refused::Invalid)? {
            None => Err(Refused::Absent),
            // What the contract has, as it has it.
            Some(("size", size)) if !self.json => parse_unsigned(&size).map(Amount::Exactly).map_err(Refused::Number),
            Some((name, amount)) => Amount::parse(&String::from_utf8_lossy(&amount), unit)
                .map_err(|why| Refused::Invalid(format!("{name}: {why}"))),
        }
    }

    /// The one of these names that has a value, and that.
    ///
    /// # Errors
    /// When more than one has.
    fn one_of(&self, names: &[&'static str]) -> Result<Option<GivenParam<'b>>, String> {
        let mut given = names.iter().filter_map(|name| Some((*name, self.bytes(name)?)));
        match (given.next(), given.next()) {
            (Some((one, _)), Some((other, _))) => Err(both(one, other)),
            (one, _) => Ok(one),
        }
    }

    /// The options of a release: it may take its time.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn release(&self, unit: Unit, caller: Caller, words: String) -> Result<ChangeRequest, Refused> {
        self.only().map_err(Refused::Invalid)?;
        let change = ChangeRequest { words, ..ChangeRequest::of(Amount::Exactly(0), caller) };
        self.options(unit, change).map_err(Refused::Invalid)
    }

    fn options(&self, unit: Unit, mut change: ChangeRequest) -> Result<ChangeRequest, String> {
        let kind = match self.text(KIND.name).as_deref() {
            None | Some("anon") => MemoryKind::Anon,
            Some("file") => MemoryKind::File,
            Some("shm") => MemoryKind::Shm,
            Some(other) => return Err(format!("kind={other:?} is none of anon, file and shm")),
        };
        change.options = Options {
            exact: self.flag(EXACT.name)?,
            kind,
            touch: self.length(TOUCH.name)?,
            fsync: self.flag(FSYNC.name)?,
            follows: false,
            within_limit: self.json || self.bytes(SIZE.name).is_none(),
            force: self.flag(FORCE.name)?,
        };
        change.ttl = self.length(TTL.name)?;
        let rate = self.text(RATE.name).map(|text| rate(&text, unit).map_err(|why| format!("rate={text:?}: {why}")));
        change.pace = match (rate.transpose()?, self.span(OVER.name)?) {
            (Some(_), Some(_)) => return Err(both(RATE.name, OVER.name)),
            (Some(0), None) => return Err(String::from("rate must be more than 0 a second")),
            (Some(rate), None) => Some(Pace::Rate(rate)),
            (None, over) => over.map(Pace::Over),
        };
        Ok(change)
    }

    /// For how long a load is to be.
    fn time(&self) -> Result<Option<Duration>, LoadRefused> {
        match self.one_of(&[TIME.name, DURATION.name, TTL.name]).map_err(LoadRefused::Invalid)? {
            None => Err(LoadRefused::Absent),
            Some(("time", time)) if !self.json => {
                parse_unsigned(&time).map(|seconds| Some(Duration::from_secs(seconds))).map_err(LoadRefused::Number)
            }
            Some((name, time)) => span(&String::from_utf8_lossy(&time))
                .map(Some)
                .map_err(|why| LoadRefused::Invalid(format!("{name}: {why}"))),
        }
    }

    /// What a CPU load asks for: millicores (one core flat out without), reached in so much time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn cpu(&self) -> Result<(Option<Amount>, Duration), LoadRefused> {
        let wrong = LoadRefused::Invalid;
        let amount = match self.one_of(&[CPU.name, MILLICORES.name]).map_err(wrong)? {
            None => None,
            Some(("cpu", cpu)) => {
                let cpu = String::from_utf8_lossy(&cpu);
                Some(Amount::parse(&cpu, Unit::Millicores).map_err(|why| wrong(format!("cpu: {why}")))?)
            }
            Some((_, text)) => match parse_unsigned(&text) {
                Ok(millicores) => Some(Amount::Exactly(millicores)),
                Err(_) => {
                    let text = String::from_utf8_lossy(&text);
                    let meant = quantity(&text, Unit::Millicores)
                        .map(|meant| format!("; cpu={text} is {meant}m, millicores={meant}"));
                    return Err(wrong(format!("millicores={text:?} is no whole number{}", meant.unwrap_or_default())));
                }
            },
        };
        Ok((amount, self.span(OVER.name).map_err(wrong)?.unwrap_or_default()))
    }

    /// For how long a load is to be, and whether it may take the place of another.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self) -> Result<(Option<Duration>, bool), LoadRefused> {
        self.only().map_err(LoadRefused::Invalid)?;
        let length = self.time()?;
        Ok((length, self.flag(REPLACE.name).map_err(LoadRefused::Invalid)?))
    }

    /// How many bytes a second an io load is to move.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn rate(&self) -> Result<Option<u64>, LoadRefused> {
        match self.text(RATE.name).map(|text| (rate(&text, Unit::Bytes), text)) {
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
    let millicores = amount
        .map_or(Ok(1000), |amount| amount.resolve(limit, limit))
        .map_err(|below| LoadRefused::TooMuch(below.in_words(&|units| format!("{units}m"))))?;
    if millicores < FEWEST_MILLICORES {
        return Err(LoadRefused::Invalid(format!(
            "{millicores}m is too little: a load is {FEWEST_MILLICORES}m at least"
        )));
    }
    if millicores > cores * 1000 {
        // Who writes millicores where cores are meant asks for a thousand times as much.
        let hint = match amount {
            Some(Amount::Exactly(params)) if params % 1000 == 0 && (1..=cores * 1000).contains(&(params / 1000)) => {
                format!("; {} millicores are written {0}m", params / 1000)
            }
            _ => String::new(),
        };
        return Err(LoadRefused::TooMuch(format!(
            "{millicores}m is more than the {cores} cores there are, {}m{hint}",
            cores * 1000
        )));
    }
    Ok(Target { from: if over.is_zero() { millicores } else { 0 }, to: millicores, over })
}

fn both(one: &str, other: &str) -> String {
    format!("{one} and {other} are both given: which one counts?")
}

/// Who sent `request`.
pub fn caller(request: &Request<'_>) -> Caller {
    Caller::client(request.peer, request.fields.first("User-Agent"))
}

/// What `request` asked for, as it is told in the log: one line of printable ASCII.
pub fn words(request: &Request<'_>) -> String {
    let mut line = format!("{} ", request.method).into_bytes();
    line.extend_from_slice(&request.path);
    // A scenario is no form, and too long to be told.
    let form = if request.path.starts_with(b"/api/scenario") { &[][..] } else { request.body };
    for part in [request.query.0, form] {
        if !part.is_empty() {
            line.push(b'?');
            line.extend_from_slice(part);
        }
    }
    line.truncate(WORDS_BYTES);
    line.iter().map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '?' }).collect()
}
