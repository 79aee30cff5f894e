//! The commands that ask a service: the one table that arguments are read by, and that help and completions are made of.

use crate::client::flags::*;

/// What stands behind a command.
pub struct Verb {
    /// The second word; empty is none.
    pub word: &'static str,
    /// What follows it, as help shows it.
    pub operand: &'static str,
    /// What it does, in a line.
    pub purpose: &'static str,
    /// Its own flags.
    pub flags: &'static [&'static Flag],
    /// Those it shares with others.
    pub common: &'static [&'static Flag],
    /// What may follow it, in two examples.
    pub examples: [&'static str; 2],
}

/// A command, and what stands behind it.
pub struct Topic {
    /// The first word.
    pub name: &'static str,
    /// What it is about, in a line.
    pub purpose: &'static str,
    /// Its second words.
    pub verbs: &'static [Verb],
}

/// What an amount is called, where one must follow.
pub const AMOUNT: &str = "AMOUNT";

impl Verb {
    /// All its flags.
    pub fn flags(&self) -> std::vec::IntoIter<&'static Flag> {
        [self.flags, self.common].concat().into_iter()
    }

    /// One of them.
    pub fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.name == name)
    }

    /// Whether an amount must follow.
    pub fn takes_amount(&self) -> bool {
        self.operand == AMOUNT
    }
}

const fn verb(
    word: &'static str,
    operand: &'static str,
    purpose: &'static str,
    flags: &'static [&'static Flag],
    examples: [&'static str; 2],
) -> Verb {
    Verb { word, operand, purpose, flags, common: &FORMS, examples }
}

const fn topic(name: &'static str, purpose: &'static str, verbs: &'static [Verb]) -> Topic {
    Topic { name, purpose, verbs }
}

static SET_MEMORY: [&Flag; 10] = [&TTL, &OVER, &RATE, &KIND, &TOUCH, &ROUNDED, &EXACT, &FORCE, &DRY_RUN, &WAIT];
static SET_DISK: [&Flag; 9] = [&TTL, &OVER, &RATE, &FSYNC, &ROUNDED, &EXACT, &FORCE, &DRY_RUN, &WAIT];
static SET_COUNT: [&Flag; 6] = [&TTL, &OVER, &RATE, &FORCE, &DRY_RUN, &WAIT];
static RELEASE: [&Flag; 3] = [&OVER, &RATE, &WAIT];
static SPREAD_MEMORY: [&Flag; 9] = [&SERVICE, &BY, &TTL, &OVER, &RATE, &ROUNDED, &EXACT, &FORCE, &WAITED];
static SPREAD_CPU: [&Flag; 6] = [&SERVICE, &BY, &TIME, &OVER, &REPLACE, &WAIT];

const GET: Verb = verb("get", "", "what is held, and what there is room for", &[], ["", "-o json"]);
const RUNS: Verb = verb("get", "", "the load that runs", &[], ["", "-o json"]);
const RELEASES: Verb = verb("release", "", "give back all that set took", &RELEASE, ["--wait", "--over 30s --wait"]);
const STOPS: Verb = verb("stop", "", "end the load that runs", &[], ["", "--quiet"]);
const COUNTED: [&str; 2] = ["500 --ttl 5m", "max-100 --over 30s --wait"];
const ENABLE: Verb = verb("enable", "", "the probe tells the truth again", &[], ["", "--quiet"]);
const DISABLE: [&str; 2] = ["--for 30s", ""];

/// All commands that ask a service.
pub static COMMANDS: &[Topic] = &[
    topic(
        "status",
        "what is held, and what there is",
        &[verb("", "", "what is held, and what there is", &[&WATCH], ["--watch", "-o json"])],
    ),
    topic(
        "top",
        "what each pod behind a name holds and uses",
        &[verb(
            "",
            "",
            "what each pod behind a name holds and uses",
            &[&SERVICE, &SORT, &WATCH],
            ["--service testero-headless", "--service testero-headless --sort-by cpu --watch"],
        )],
    ),
    topic(
        "mem",
        "memory",
        &[
            verb("set", AMOUNT, "hold so much memory in all", &SET_MEMORY, ["512Mi --ttl 5m --wait", "50% --over 30s"]),
            GET,
            RELEASES,
        ],
    ),
    topic(
        "disk",
        "files",
        &[
            verb(
                "set",
                AMOUNT,
                "hold files of so many bytes in all",
                &SET_DISK,
                ["1Gi --wait", "max-64Mi --rate 50Mi --ttl 10m"],
            ),
            GET,
            RELEASES,
        ],
    ),
    topic(
        "inode",
        "empty files",
        &[verb("set", AMOUNT, "hold so many empty files in all", &SET_COUNT, COUNTED), GET, RELEASES],
    ),
    topic(
        "pid",
        "parked threads",
        &[verb("set", AMOUNT, "hold so many parked threads in all", &SET_COUNT, COUNTED), GET, RELEASES],
    ),
    topic(
        "fd",
        "open descriptors",
        &[verb("set", AMOUNT, "hold so many open descriptors in all", &SET_COUNT, COUNTED), GET, RELEASES],
    ),
    topic(
        "cpu",
        "CPU time",
        &[
            verb(
                "load",
                "[AMOUNT]",
                "use CPU for a time",
                &[&CPU, &TIME, &OVER, &REPLACE, &DRY_RUN, &WAIT],
                ["500m --time 90s", "2 --over 30s --time 5m --wait"],
            ),
            STOPS,
            RUNS,
        ],
    ),
    topic(
        "io",
        "reading and writing of what disk holds",
        &[
            verb(
                "load",
                "[AMOUNT]",
                "read and write what disk holds, for a time",
                &[&IO_RATE, &TIME, &REPLACE, &DRY_RUN, &WAIT],
                ["20Mi --time 90s", "--time 5m --wait"],
            ),
            STOPS,
            RUNS,
        ],
    ),
    topic(
        "release",
        "give everything back, and end all loads",
        &[verb("", "", "give everything back, and end all loads", &[&WAIT_FOR_ALL], ["", "--wait"])],
    ),
    topic(
        "ready",
        "the readiness probe",
        &[
            verb("", "", "whether it is ready; exit code 1 where not", &[], ["", "-o json"]),
            verb("disable", "", "/readyz fails", &[&PROBE_FOR], DISABLE),
            ENABLE,
        ],
    ),
    topic(
        "health",
        "the liveness probe; alone it asks as a kubelet does",
        &[
            verb("show", "", "whether it is healthy; exit code 1 where not", &[], ["", "-o json"]),
            verb("disable", "", "/healthz fails", &[&PROBE_FOR], DISABLE),
            ENABLE,
        ],
    ),
    topic(
        "fault",
        "what goes wrong on request; needs --faults on",
        &[
            verb("", "", "the faults that are active", &[], ["", "-o json"]),
            verb("delay", "TIME", "answers come later by TIME", &[&FAULT_FOR], ["200ms --for 1m", "2s"]),
            verb(
                "status",
                "CODE",
                "answers have this status, 400 to 599",
                &[&PERCENT, &FAULT_FOR],
                ["503 --percent 10 --for 1m", "500"],
            ),
            verb("hang", "", "nothing is answered", &[&FAULT_FOR], ["--for 30s", ""]),
            verb("exit", "", "the process ends", &[&CODE, &AFTER], ["--code 3", "--after 30s"]),
            verb("abort", "", "the process crashes", &[&AFTER], ["", "--after 30s"]),
            verb("log", "LINES", "log so many lines", &[&LOG_RATE], ["1000 --rate 500", "100"]),
            verb("term", "", "what SIGTERM does", &[&IGNORE, &DELAY], ["--ignore", "--delay 10s"]),
            verb("end", "[NAME]", "end one fault, or all of them", &[], ["", "delay"]),
        ],
    ),
    topic(
        "spread",
        "one amount over all pods behind a name",
        &[
            verb(
                "mem",
                AMOUNT,
                "divide memory among all pods",
                &SPREAD_MEMORY,
                ["10Gi --service testero-headless:8080", "50% --service testero-headless --ttl 5m"],
            ),
            verb(
                "disk",
                AMOUNT,
                "divide files among all pods",
                &SPREAD_MEMORY,
                ["10Gi --service testero-headless", "10Gi --service testero-headless --by available"],
            ),
            verb(
                "cpu",
                AMOUNT,
                "divide a load among all pods",
                &SPREAD_CPU,
                ["6 --service testero-headless --time 5m", "1500m --service testero-headless --wait"],
            ),
            verb(
                "status",
                "",
                "what each pod holds, and the sum",
                &[&SERVICE],
                ["--service testero-headless", "--service testero-headless -o wide"],
            ),
            verb(
                "release",
                "[mem|disk|cpu]",
                "each pod gives back that, or everything",
                &[&SERVICE],
                ["--service testero-headless", "mem --service testero-headless"],
            ),
        ],
    ),
    topic(
        "http",
        "any request, for what has no command",
        &[Verb {
            word: "",
            operand: "[METHOD] PATH",
            purpose: "any request, for what has no command; prints the body as it comes",
            flags: &[&TIMEOUT],
            common: &CONNECTION,
            examples: ["/metrics", "POST '/fault/term?ignore=true'"],
        }],
    ),
];

/// What stands behind `scenario`, where it asks a service.
#[cfg(feature = "scenario")]
pub static SCENARIO: [Verb; 3] = [
    Verb {
        word: "run",
        operand: "FILE",
        purpose: "a service, or all pods behind a name, play a scenario",
        flags: &[&SERVICE, &DIVIDE, &PLAY_INSTEAD, &PLAY_WAIT, &PLAY_TIMEOUT],
        common: &CONNECTION,
        examples: ["day.yaml --wait", "day.yaml --service testero-headless --divide"],
    },
    Verb {
        word: "stop",
        operand: "",
        purpose: "end the scenario that is played",
        flags: &[&SERVICE],
        common: &CONNECTION,
        examples: ["", "--service testero-headless"],
    },
    Verb {
        word: "status",
        operand: "",
        purpose: "where the scenario is",
        flags: &[&SERVICE],
        common: &CONNECTION,
        examples: ["", "--service testero-headless"],
    },
];

/// What stands behind a command.
pub fn verbs_of(command: &str) -> &'static [Verb] {
    #[cfg(feature = "scenario")]
    if command == "scenario" {
        return &SCENARIO;
    }
    COMMANDS.iter().find(|known| known.name == command).map_or(&[][..], |known| known.verbs)
}

/// Whether a word is one of a command's second words.
pub fn is_verb(command: &str, word: &str) -> bool {
    verbs_of(command).iter().any(|verb| verb.word == word)
}

/// The flags of these verbs, as often as they are there.
pub fn flags_of(verbs: &[Verb]) -> Vec<&'static Flag> {
    let mut all = Vec::new();
    verbs.iter().for_each(|verb| all.extend(verb.flags()));
    all
}

/// All flags there are.
pub fn all_flags() -> Vec<&'static Flag> {
    let mut all = Vec::new();
    COMMANDS.iter().for_each(|command| all.extend(flags_of(command.verbs)));
    all
}

/// Whether the words behind `scenario` ask a service: the first that is no flag, or the first verb behind flags.
#[cfg(feature = "scenario")]
pub fn asks_of_scenario(words: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    let mut is_behind_flags = false;
    for word in words {
        if SCENARIO.iter().any(|verb| word == *verb.word) {
            return true;
        }
        is_behind_flags |= word.to_string_lossy().starts_with('-');
        if !is_behind_flags || word == "check" || word == "record" {
            return false;
        }
    }
    false
}

/// Methods that are offered for `testero http`; it takes others as well.
pub const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// The shells there is a script for.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// What a script for a shell asks with.
pub const COMPLETE: &str = "__complete";

/// Whether a first word is a command of this kind.
pub fn is_command(word: &str) -> bool {
    word == "completions" || word == COMPLETE || COMMANDS.iter().any(|command| command.name == word)
}

#[cfg(test)]
mod tests;
