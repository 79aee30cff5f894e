//! The parameters of the consumer's requests: the one table that requests are checked by, that the command line's flags and
//! completions are made of, and that build.rs writes the contract for machines from.
//!
//! Everything here is a constant, and uses nothing of the rest, so that the build script can read it, too. Texts and types
//! are for the document and the command line; a request is checked by a [`NameSet`], which the compiler makes of them, so that
//! no text ends up in a program that does not tell it.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// An amount in all: a quantity, a share, or `max`.
    Amount,
    /// An amount a second, more than 0.
    Rate,
    /// Cores, or thousandths of one.
    Cores,
    /// A duration.
    Span,
    /// A duration longer than 0.
    Length,
    /// True or false; true as a bare word.
    Switch,
    /// One of these, the first where it is not given.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Whole(Whole),
    /// The id of a load.
    LoadId,
    /// A whole number as the resource-consumer reads one.
    JobNumber,
    /// The name of a gauge.
    MetricName,
    /// A decimal number.
    Decimal,
}

/// The bounds of a whole number, and what it is where it is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// As the parameter is called.
    pub name: &'static str,
    /// Least that is accepted.
    pub least: u64,
    /// Most that is accepted.
    pub most: u64,
    /// Without it; it must be given where there is none.
    pub default: Option<u64>,
}

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in a query or a form.
    pub name: &'static str,
    /// What its value is.
    pub kind: ParameterKind,
    /// What it is for, in a sentence; empty where its name and the operation's summary say it.
    pub text: &'static str,
}

use ParameterKind::{
    Amount, Cores, Decimal, JobNumber, Length, LoadId, MetricName, OneOf, Rate, Span, Switch, Whole as Number,
};

macro_rules! parameters {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $kind:expr, $text:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "` ", $text)]
            $(#[$doc])*
            pub const $constant: Parameter = Parameter { name: $name, kind: $kind, text: $text };
        )*
        const ALL: &[Parameter] = &[$($constant),*];
    };
}

const fn number(name: &'static str, least: u64, most: u64, default: Option<u64>) -> ParameterKind {
    Number(Whole { name, least, most, default })
}

// Errors list names in this order.
parameters! {
    /// is the total of the contract: bytes in text, any amount in JSON.
    SIZE = "size", Amount, "";
    /// is the seconds of a load in the contract; any duration in JSON.
    TIME = "time", Span, "";
    AMOUNT = "amount", Amount, "How much in total; 0 releases. `size` and `count` are other names of it.";
    /// is the total of what is counted.
    COUNT = "count", Amount, "";
    DURATION = "duration", Span, "For how long. `time` and `ttl` are other names of it.";
    EXACT = "exact", Switch, "To the page or byte, instead of in round parts.";
    KIND = "kind", OneOf(&["anon", "file", "shm"]), "Private pages, pages of a mapped file, or shared memory.";
    TOUCH = "touch", Length, "How often all pages are written again.";
    FSYNC = "fsync", Switch, "Files are synced to the disk.";
    FORCE = "force", Switch, "Past the live guard and the default limit, never past one that was set.";
    TTL = "ttl", Length, "Released by itself after so long.";
    CPU = "cpu", Cores,
        "Cores, or thousandths of one (`m`); one core flat out without. `millicores` is another way to say it.";
    /// is what a CPU load, or a job, is to use.
    MILLICORES = "millicores", JobNumber, "";
    /// is how many lines are logged.
    LINES = "lines", number("lines", 1, 10_000_000, None), "";
    RATE = "rate", Rate, "So much a second. Not together with `over`.";
    LOG_RATE = "rate", number("rate", 1, 100_000, Some(100)), "Lines a second.";
    OVER = "over", Span, "In so much time, steadily.";
    REPLACE = "replace", Switch, "In place of the load that runs.";
    WAIT = "wait", Switch, "The answer comes when the work is done.";
    FOLLOW = "follow", Switch, "Progress as it goes, a JSON object a line.";
    DRY_RUN = "dry_run", Switch, "What would become of it; nothing happens.";
    ID = "id", LoadId, "The id of the load.";
    /// is the exit code of the process.
    EXIT_CODE = "code", number("code", 0, 255, Some(1)), "";
    /// is the status of wrong answers.
    STATUS_CODE = "code", number("code", 400, 599, None), "";
    /// is how many of a hundred answers are wrong.
    PERCENT = "percent", number("percent", 0, 100, Some(100)), "";
    /// is by how much answers are late.
    MS = "ms", number("ms", 1, 60_000, None), "";
    AFTER = "after", Span, "When; at once without.";
    FOR = "for", Span, "For how long.";
    /// has SIGTERM do nothing.
    IGNORE = "ignore", Switch, "";
    /// is how long after SIGTERM it is obeyed.
    DELAY = "delay", Span, "";
    FROM = "from", number("from", 0, u64::MAX, Some(0)),
        "The first second that is told, counted from the beginning of the process. One that is still to come is taken for that of \
         another process, and all is told.";
    POINTS = "points", number("points", 1, 600, Some(120)), "At about how many times each curve is told.";
    /// is how long after its beginning a scenario goes on, all rounds counted.
    TO = "to", Span, "";
    /// is the MiB of a job.
    MEGABYTES = "megabytes", JobNumber, "";
    /// is the gauge that is raised.
    METRIC = "metric", MetricName, "";
    /// is by how much.
    DELTA = "delta", Decimal, "";
    /// is the seconds of a job.
    DURATION_SEC = "durationSec", JobNumber, "";
    /// is understood by every path: the answer's format.
    FORMAT = "format", OneOf(&["text", "json"]), "";
}

impl Parameter {
    /// The bounds of a parameter that is a whole number. Only for constants: the build fails where it is none.
    pub const fn whole(self) -> Whole {
        match self.kind {
            Number(whole) => whole,
            _ => panic!("it is no whole number"),
        }
    }
}

/// How an operation takes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be given.
    Required,
    /// It may be.
    Optional,
    /// Another name of one that is required or optional. The contract for machines has one name for everything.
    OtherName,
}

/// A parameter of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The parameter.
    pub parameter: Parameter,
    /// How it is taken.
    pub presence: Presence,
}

const fn required(parameter: Parameter) -> Use {
    Use { parameter, presence: Presence::Required }
}

const fn optional(parameter: Parameter) -> Use {
    Use { parameter, presence: Presence::Optional }
}

const fn other(parameter: Parameter) -> Use {
    Use { parameter, presence: Presence::OtherName }
}

/// The names of [`ALL`], which are linked without the texts.
static NAMES: [&str; ALL.len()] = {
    let (mut names, mut place) = ([""; ALL.len()], 0);
    while place < names.len() {
        names[place] = ALL[place].name;
        place += 1;
    }
    names
};

/// Names that are switches, a bit each: the first of [`NAMES`] is the lowest.
const SWITCHES: u64 = {
    let (mut bits, mut place) = (0, 0);
    while place < ALL.len() {
        if matches!(ALL[place].kind, Switch) {
            bits |= 1 << place;
        }
        place += 1;
    }
    bits
};

/// Those of parameters that are used.
const fn bits(uses: &[Use]) -> u64 {
    let (mut bits, mut at) = (0, 0);
    while at < uses.len() {
        bits |= 1 << place_of(uses[at].parameter.name.as_bytes());
        at += 1;
    }
    bits
}

/// The first place of a name; two parameters of one name have one place. Only for constants.
const fn place_of(name: &[u8]) -> usize {
    let mut place = 0;
    loop {
        let other = ALL[place].name.as_bytes();
        let mut same = 0;
        while same < name.len() && same < other.len() && name[same] == other[same] {
            same += 1;
        }
        if same == name.len() && same == other.len() {
            return place;
        }
        place += 1;
    }
}

/// A set of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameSet(u64);

impl NameSet {
    /// All of them, in the order of the table.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(place, _)| self.0 >> place & 1 == 1).map(|(_, name)| *name)
    }

    /// This name, and whether it is a switch.
    pub fn find(self, name: &[u8]) -> Option<(&'static str, bool)> {
        let place = NAMES.iter().position(|known| known.as_bytes() == name).filter(|place| self.0 >> place & 1 == 1)?;
        Some((NAMES[place], SWITCHES >> place & 1 == 1))
    }
}

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident: [$($own:expr),*] + [$($new:expr),* $(,)?];)*) => {
        /// What an operation takes: see `Route::parameters` for which one takes which.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ParameterList { $($(#[$doc])* $name),* }

        impl ParameterList {
            /// With texts and types.
            pub const fn uses(self) -> &'static [Use] {
                match self { $(Self::$name => const { &[$($own,)* $($new),*] }),* }
            }

            /// What a request is checked by: these names, and the one that is understood everywhere.
            pub const fn names(self) -> NameSet {
                match self {
                    $(Self::$name => const { NameSet(bits(Self::$name.uses()) | bits(&[optional(FORMAT)])) }),*
                }
            }

            /// Names that the contract did not have: next to one of them, text is read as strictly as JSON.
            pub const fn new_names(self) -> NameSet {
                match self { $(Self::$name => const { NameSet(bits(&[$($new),*])) }),* }
            }
        }
    };
}

// What the contract, or the resource-consumer, has had from the start, and what is new.
lists! {
    /// None.
    Nothing: [] + [];
    /// A set of memory.
    SetMemory: [other(SIZE)] + [
        required(AMOUNT), optional(EXACT), optional(KIND), optional(TOUCH), optional(FORCE), optional(TTL),
        optional(RATE), optional(OVER), optional(WAIT), optional(FOLLOW), optional(DRY_RUN),
    ];
    /// A set of files.
    SetFiles: [other(SIZE)] + [
        required(AMOUNT), optional(EXACT), optional(FSYNC), optional(FORCE), optional(TTL), optional(RATE),
        optional(OVER), optional(WAIT), optional(FOLLOW), optional(DRY_RUN),
    ];
    /// A set of what is counted.
    SetCounted: [] + [
        other(SIZE), required(AMOUNT), other(COUNT), optional(FORCE), optional(TTL), optional(RATE), optional(OVER),
        optional(WAIT), optional(FOLLOW), optional(DRY_RUN),
    ];
    /// The release of a group.
    Release: [] + [optional(RATE), optional(OVER), optional(WAIT), optional(FOLLOW), optional(DRY_RUN)];
    /// The release of everything.
    ReleaseAll: [] + [optional(WAIT)];
    /// A CPU load.
    CpuLoad: [other(TIME)] + [
        required(DURATION), other(TTL), optional(CPU), other(MILLICORES), optional(OVER), optional(REPLACE),
        optional(WAIT), optional(FOLLOW), optional(DRY_RUN),
    ];
    /// An io load.
    IoLoad: [] + [
        other(TIME), required(DURATION), other(TTL), optional(RATE), optional(REPLACE), optional(WAIT),
        optional(FOLLOW), optional(DRY_RUN),
    ];
    /// The end of a load.
    Stop: [required(ID)] + [];
    /// A probe that is to fail.
    Disable: [] + [optional(FOR)];
    /// `/fault/exit`
    FaultExit: [] + [optional(EXIT_CODE), optional(AFTER)];
    /// `/fault/abort`
    FaultAbort: [] + [optional(AFTER)];
    /// `/fault/hang`
    FaultHang: [] + [optional(FOR)];
    /// `/fault/delay`
    FaultDelay: [] + [required(MS), optional(FOR)];
    /// `/fault/status`
    FaultStatus: [] + [required(STATUS_CODE), optional(PERCENT), optional(FOR)];
    /// `/fault/log`
    FaultLog: [] + [required(LINES), optional(LOG_RATE)];
    /// `/fault/term`
    FaultTerm: [] + [optional(IGNORE), optional(DELAY)];
    /// `/api/history`
    History: [] + [optional(FROM)];
    /// `/api/scenario/curves`
    Curves: [] + [optional(POINTS)];
    /// `/api/scenario/seek`
    Seek: [] + [required(TO)];
    /// `/ConsumeCPU`
    ConsumeCpu: [required(MILLICORES), required(DURATION_SEC)] + [];
    /// `/ConsumeMem`
    ConsumeMem: [required(MEGABYTES), required(DURATION_SEC)] + [];
    /// `/BumpMetric`
    BumpMetric: [required(METRIC), required(DELTA), required(DURATION_SEC)] + [];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_switches_are_those_of_the_parameters() {
        for list in [
            ParameterList::Nothing,
            ParameterList::SetMemory,
            ParameterList::SetFiles,
            ParameterList::SetCounted,
            ParameterList::Release,
            ParameterList::CpuLoad,
            ParameterList::IoLoad,
            ParameterList::Stop,
            ParameterList::FaultExit,
            ParameterList::FaultStatus,
            ParameterList::FaultLog,
            ParameterList::FaultTerm,
            ParameterList::ConsumeCpu,
            ParameterList::BumpMetric,
        ] {
            let told: Vec<&str> = list.uses().iter().map(|one| one.parameter.name).chain([FORMAT.name]).collect();
            assert_eq!(list.names().names().collect::<Vec<_>>(), told, "{list:?}");
            for one in list.uses() {
                let is_switch = one.parameter.kind == Switch;
                assert_eq!(list.names().find(one.parameter.name.as_bytes()), Some((one.parameter.name, is_switch)));
            }
            assert_eq!(list.names().find(b"tll"), None);
        }
        assert_eq!(ParameterList::Stop.names().find(b"ttl"), None);
        let new: Vec<&str> = ParameterList::CpuLoad.new_names().names().collect();
        assert!(!new.contains(&TIME.name) && new.contains(&DURATION.name), "{new:?}");
        assert_eq!(ParameterList::Stop.new_names().names().count(), 0);
    }
}
