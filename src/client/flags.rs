//! The flags of the commands that ask a service: what each is called, takes, and is for.

use crate::parameters::{self, Parameter, ParameterKind};

/// A flag.
pub struct Flag {
    /// Without its dashes.
    pub name: &'static str,
    /// Its one letter; 0 where it has none.
    pub letter: u8,
    /// The parameter it becomes; none where it is empty.
    pub parameter: &'static str,
    /// What its value is.
    pub takes: Takes,
    /// What it is for, in a few words.
    pub text: &'static str,
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
    /// Anything, which help calls so.
    Text(&'static str),
}

impl Flag {
    /// A flag that is for the command itself.
    const fn own(name: &'static str, takes: Takes, text: &'static str) -> Self {
        Self { name, letter: 0, parameter: "", takes, text }
    }

    /// A flag that becomes a parameter, and takes what that takes.
    const fn of(name: &'static str, parameter: Parameter, text: &'static str) -> Self {
        let takes = match parameter.kind {
            ParameterKind::Switch => Takes::Nothing,
            ParameterKind::Span | ParameterKind::Length => Takes::Span,
            ParameterKind::Amount | ParameterKind::Rate | ParameterKind::Cores => Takes::Amount,
            ParameterKind::OneOf(values) => Takes::OneOf(values),
            _ => Takes::Text("N"),
        };
        Self { name, letter: 0, parameter: parameter.name, takes, text }
    }

    /// The same, with a letter.
    const fn short(mut self, letter: u8) -> Self {
        self.letter = letter;
        self
    }

    /// How its value is called in help; empty where it has none.
    pub fn value(&self) -> String {
        match self.takes {
            Takes::Nothing => String::new(),
            Takes::Span => String::from("TIME"),
            Takes::Amount => String::from("AMOUNT"),
            Takes::OneOf(words) => words.join("|"),
            Takes::Text(name) => name.to_owned(),
        }
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $flag:expr;)*) => {
        $($(#[$doc])* pub static $name: Flag = $flag;)*
    };
}

use Takes::{Nothing, OneOf, Span, Text};

flags! {
    /// Whom to ask.
    URL = Flag::own("url", Text("URL"), "whom to ask [http://127.0.0.1:8080, or TESTERO_URL]");
    /// The token.
    TOKEN = Flag::own("token", Text("TOKEN"), "the token it wants; or the variable TOKEN");
    /// Where the token is.
    TOKEN_FILE = Flag::own("token-file", Text("FILE"), "a file with the token; or TOKENFILE");
    /// How the answer is printed.
    OUTPUT = Flag::own("output", OneOf(&["json", "yaml", "name", "wide"]), "another form of the answer").short(b'o');
    /// The same as `-o json`.
    JSON = Flag::own("json", Nothing, "the same as -o json");
    /// Only errors are told.
    QUIET = Flag::own("quiet", Nothing, "print nothing but errors").short(b'q');
    /// When colours are used.
    COLOR = Flag::own("color", OneOf(&["auto", "always", "never"]), "colours; auto obeys NO_COLOR");

    /// In so much time.
    OVER = Flag::of("over", parameters::OVER, "steadily, in so much time");
    /// How much a second.
    RATE = Flag::of("rate", parameters::RATE, "so much a second, in place of --over");
    /// How much an io load moves.
    IO_RATE = Flag::of("rate", parameters::RATE, "bytes a second, written and read together");
    /// It becomes `follow`, which tells how far the work is.
    WAIT = Flag::own("wait", Nothing, "show how far it is until it is done").short(b'w');
    /// The default of what holds something, which may be said.
    WAITED = Flag::own("wait", Nothing, "until all have done it (this is the default)").short(b'w');
    /// The answer comes when it is done, and nothing before.
    WAIT_FOR_ALL = Flag::of("wait", parameters::WAIT, "until all of it is given back").short(b'w');
    /// Nothing is done.
    DRY_RUN = Flag::of("dry-run", parameters::DRY_RUN, "tell what would become of it; do nothing");
    /// For how long something is held.
    TTL = Flag::of("ttl", parameters::TTL, "released by itself after so long");
    /// The default, which may be said.
    EXACT = Flag::of("exact", parameters::EXACT, "to the page or byte (this is the default)");
    /// In round parts.
    ROUNDED = Flag::own("rounded", Nothing, "in the plan's round parts: it may be a bit more");
    /// Past the live guard.
    FORCE = Flag::of("force", parameters::FORCE, "past what is free now: it may be killed for it");
    /// What memory is made of.
    KIND = Flag::of("kind", parameters::KIND, "private pages, pages of a file, shared memory");
    /// How often pages are written again.
    TOUCH = Flag::of("touch", parameters::TOUCH, "write all pages again so often");
    /// Files are synced.
    FSYNC = Flag::of("fsync", parameters::FSYNC, "sync files to the disk");
    /// How much CPU a load uses.
    CPU = Flag::of("cpu", parameters::CPU, "cores, or thousandths like 500m [one core]");
    /// For how long.
    TIME = Flag::of("time", parameters::DURATION, "for how long [60s]");
    /// In place of the load that runs.
    REPLACE = Flag::of("replace", parameters::REPLACE, "in place of the load that runs");
    /// For how long a probe fails.
    PROBE_FOR = Flag::of("for", parameters::FOR, "for how long [until it is enabled]");
    /// Which service it is for: several may be named.
    SERVICE = Flag::own("service", Text("NAME[:PORT]"), "all pods behind this name; several, with commas");
    /// How an amount is divided.
    BY = Flag::own("by", OneOf(&["even", "available"]), "to all the same, or by the room they have");
    /// Again and again.
    WATCH = Flag::own("watch", Nothing, "again and again; q leaves").short(b'w');
    /// The order of rows.
    SORT = Flag::own("sort-by", OneOf(&["memory", "disk", "cpu", "name"]), "the order of the rows [memory]");
    /// How long any request may take.
    TIMEOUT = Flag::own("timeout", Span, "for all of it [10s]");

    /// For how long a fault lasts.
    FAULT_FOR = Flag::of("for", parameters::FOR, "for how long [60s]");
    /// When.
    AFTER = Flag::of("after", parameters::AFTER, "when [at once]");
    /// An exit code.
    CODE = Flag::of("code", parameters::EXIT_CODE, "the exit code [1]");
    /// How many answers.
    PERCENT = Flag::of("percent", parameters::PERCENT, "so many of 100 answers [100]");
    /// Lines a second.
    LOG_RATE = Flag::of("rate", parameters::LOG_RATE, "lines a second [100]");
    /// SIGTERM does nothing.
    IGNORE = Flag::of("ignore", parameters::IGNORE, "SIGTERM does nothing");
    /// SIGTERM is obeyed later.
    DELAY = Flag::of("delay", parameters::DELAY, "SIGTERM is obeyed so much later");

    /// Each pod has its part of a scenario.
    DIVIDE = Flag::own("divide", Nothing, "each pod plays its part of the amounts; waits");
    /// In place of another scenario.
    PLAY_INSTEAD = Flag::own("replace", Nothing, "in place of the one that is played");
    /// The end of a scenario.
    PLAY_WAIT = Flag::own("wait", Nothing, "until it is over everywhere").short(b'w');
    /// For how long that is waited for.
    PLAY_TIMEOUT = Flag::own("timeout", Span, "wait no longer than that");
}

/// Those of every command that asks a service.
pub static CONNECTION: [&Flag; 3] = [&URL, &TOKEN, &TOKEN_FILE];
/// Those of every command whose answer has several forms.
pub static FORMS: [&Flag; 7] = [&OUTPUT, &JSON, &QUIET, &COLOR, &URL, &TOKEN, &TOKEN_FILE];
