//! The commands that ask a service, and their flags: the one table that arguments are read by, and completions made of.

/// A flag: its name, the parameter it becomes, and what it takes.
pub struct Flag {
    /// Without its dashes.
    pub name: &'static str,
    /// The parameter it becomes; none where it is empty.
    pub parameter: &'static str,
    /// What its value is.
    pub takes: Takes,
}

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It has none.
    Nothing,
    /// A duration: `90s`.
    Span,
    /// An amount a second, or in all.
    Amount,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Anything.
    Text,
}

const fn flag(name: &'static str, parameter: &'static str, takes: Takes) -> Flag {
    Flag { name, parameter, takes }
}

/// The flags of every command that asks a service.
pub const COMMON: [Flag; 3] =
    [flag("url", "", Takes::Text), flag("token", "", Takes::Text), flag("token-file", "", Takes::Text)];
const OVER: Flag = flag("over", "over", Takes::Span);
const RATE: Flag = flag("rate", "rate", Takes::Amount);
const WAIT: Flag = flag("wait", "", Takes::Nothing);
const DRY_RUN: Flag = flag("dry-run", "dry_run", Takes::Nothing);
const TTL: Flag = flag("ttl", "ttl", Takes::Span);
const EXACT: Flag = flag("exact", "exact", Takes::Nothing);
const FORCE: Flag = flag("force", "force", Takes::Nothing);
/// For how long.
pub const TIME: Flag = flag("time", "duration", Takes::Span);
const REPLACE: Flag = flag("replace", "replace", Takes::Nothing);
const JSON: Flag = flag("json", "", Takes::Nothing);
const FOR: Flag = flag("for", "for", Takes::Span);
/// Which service it is for: `spread` may name several.
pub const SERVICE: Flag = flag("service", "", Takes::Text);
const BY: Flag = flag("by", "", Takes::OneOf(&["even", "available"]));

const SET_MEMORY: [Flag; 9] = [
    TTL,
    OVER,
    RATE,
    EXACT,
    FORCE,
    flag("kind", "kind", Takes::OneOf(&["anon", "file", "shm"])),
    flag("touch", "touch", Takes::Span),
    DRY_RUN,
    WAIT,
];
const SET_DISK: [Flag; 8] = [TTL, OVER, RATE, EXACT, FORCE, flag("fsync", "fsync", Takes::Nothing), DRY_RUN, WAIT];
const SET_COUNT: [Flag; 6] = [TTL, OVER, RATE, FORCE, DRY_RUN, WAIT];
const CPU_LOAD: [Flag; 6] = [flag("cpu", "cpu", Takes::Amount), TIME, OVER, REPLACE, DRY_RUN, WAIT];
const IO_LOAD: [Flag; 5] = [RATE, TIME, REPLACE, DRY_RUN, WAIT];
const RELEASE: [Flag; 3] = [OVER, RATE, WAIT];
const SPREAD_MEMORY: [Flag; 7] = [SERVICE, BY, TTL, OVER, RATE, EXACT, FORCE];
const SPREAD_CPU: [Flag; 6] = [SERVICE, BY, TIME, OVER, REPLACE, WAIT];

/// What stands behind a command: its second word, whether an amount follows, and its flags.
pub type Verb = (&'static str, bool, &'static [Flag]);

/// All commands that ask a service, and what stands behind them. An empty second word is none.
pub const COMMANDS: &[(&str, &[Verb])] = &[
    ("status", &[("", false, &[flag("watch", "", Takes::Nothing), JSON])]),
    ("mem", &[("set", true, &SET_MEMORY), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("disk", &[("set", true, &SET_DISK), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("inode", &[("set", true, &SET_COUNT), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("pid", &[("set", true, &SET_COUNT), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("fd", &[("set", true, &SET_COUNT), ("get", false, &[JSON]), ("release", false, &RELEASE)]),
    ("cpu", &[("load", false, &CPU_LOAD), ("stop", false, &[]), ("get", false, &[JSON])]),
    ("io", &[("load", false, &IO_LOAD), ("stop", false, &[]), ("get", false, &[JSON])]),
    ("release", &[("", false, &[])]),
    ("ready", &[("disable", false, &[FOR]), ("enable", false, &[])]),
    ("health", &[("disable", false, &[FOR]), ("enable", false, &[])]),
    ("http", &[("", false, &[flag("timeout", "", Takes::Span)])]),
    ("spread", &[("mem", true, &SPREAD_MEMORY), ("disk", true, &SPREAD_MEMORY), ("cpu", true, &SPREAD_CPU)]),
];

/// Methods that are offered for `testero http`; it takes others as well.
pub const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// The shells there is a script for.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Whether a first word is a command of this kind.
pub fn is_command(word: &str) -> bool {
    word == "completions" || COMMANDS.iter().any(|(command, _)| *command == word)
}
