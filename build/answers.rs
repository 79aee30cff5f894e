//! What answers are made of, and which errors there are: the tables that `schemas` makes JSON Schema of.
//!
//! A member's type is one of
//!
//! ```text
//! string, boolean         those
//! Name                    what `schemas::typed` knows under it, else the schema of that name
//! Name or null            it, or null
//! =value                  this text; =true is the boolean
//! one|other|null          one of these texts, or null
//! ```
//!
//! and the name of a member that may be absent ends with `?`.

/// The members of an object: name and type.
pub(crate) type Members = [(&'static str, &'static str)];

pub(crate) const HOLDERS: &str = "mem|disk|inode|pid|fd";
pub(crate) const PARTS: &Members = &[("size", "Whole"), ("count", "Positive")];
pub(crate) const RECEIPT: &Members = &[
    ("group", "Holder"),
    ("id", "Id"),
    ("requested", "Whole"),
    ("planned", "Whole"),
    ("parts", "Parts"),
    ("limit", "MaybeWhole"),
    ("expires", "Time"),
    ("status", "=/api/status"),
    ("note?", "string"),
];
pub(crate) const PREVIEW: &Members = &[
    ("dry_run", "=true"),
    ("group", "Holder"),
    ("fits", "boolean"),
    ("reason", "Words"),
    ("requested", "Whole"),
    ("planned", "Whole"),
    ("parts", "Parts"),
    ("limit", "MaybeWhole"),
    ("limit_source", "string"),
    ("most", "Whole"),
    ("note?", "string"),
];
pub(crate) const GROUP: &Members = &[
    ("group", "Holder"),
    ("state", "idle|pending|working|holding|failed|expired"),
    ("id", "Id or null"),
    ("asked", "Words"),
    ("by", "Words"),
    ("requested", "Whole"),
    ("planned", "Whole"),
    ("held", "Whole"),
    ("progress", "Share"),
    ("rate", "Whole"),
    ("seconds_left", "MaybeReal"),
    ("kind", "anon|file|shm|null"),
    ("exact", "boolean"),
    ("touch_seconds", "MaybeReal"),
    ("expires", "Time"),
    ("expires_in_seconds", "MaybeReal"),
    ("error", "Words"),
    ("limit", "MaybeWhole"),
    ("limit_source", "string"),
    ("available", "Whole"),
    ("available_exact", "Whole"),
    ("note?", "string"),
    ("jobs?", "Whole"),
    ("jobs_held?", "Whole"),
    ("jobs_planned?", "Whole"),
];
/// What both loads tell of themselves, next to what each does.
pub(crate) const LOAD: &Members = &[
    ("id", "Id"),
    ("asked", "string"),
    ("by", "string"),
    ("seconds", "MaybeReal"),
    ("seconds_left", "MaybeReal"),
    ("ends", "Time"),
];
pub(crate) const CPU_FIGURES: &Members =
    &[("target_millicores", "Whole"), ("wanted_millicores", "Real"), ("achieved_millicores", "Real")];
pub(crate) const IO_FIGURES: &Members = &[
    ("target_bytes_per_second", "MaybeWhole"),
    ("achieved_bytes_per_second", "Whole"),
    ("written_bytes_per_second", "Whole"),
    ("read_bytes_per_second", "Whole"),
    ("written", "Whole"),
    ("read", "Whole"),
    ("operations", "Whole"),
    ("mean_milliseconds", "Real"),
    ("slowest_milliseconds", "Real"),
];
pub(crate) const LOAD_STATE: &Members = &[("state", "idle|pending|working|failed"), ("error", "Words")];
pub(crate) const CPU_STATE: &Members = &[
    ("cores", "Whole"),
    ("limit_millicores", "Whole"),
    ("capped", "boolean"),
    ("capped_millicores", "Whole"),
    ("jobs", "Whole"),
    ("jobs_millicores", "Whole"),
    ("jobs_left?", "Jobs"),
    ("jobs_achieved_millicores", "Real"),
];
pub(crate) const LOAD_PREVIEW: &Members = &[
    ("dry_run", "=true"),
    ("group", "cpu|io"),
    ("fits", "boolean"),
    ("reason", "Words"),
    ("seconds", "MaybeReal"),
    ("target_millicores?", "Whole"),
    ("over_seconds?", "MaybeReal"),
    ("target_bytes_per_second?", "MaybeWhole"),
];
pub(crate) const JOB: &Members = &[
    ("id", "Id"),
    ("kind", "cpu|mem"),
    ("asked", "string"),
    ("by", "string"),
    ("millicores?", "Whole"),
    ("achieved_millicores?", "Real"),
    ("bytes?", "Whole"),
    ("held?", "Whole"),
    ("expires", "Time"),
    ("expires_in_seconds", "MaybeReal"),
];
pub(crate) const SCENARIO: &Members = &[
    ("id", "ScenarioId"),
    ("state", "waiting|playing|paused|over|stopped"),
    ("reason", "Words"),
    ("begins_in_seconds", "MaybeReal"),
    ("second", "Real"),
    ("round", "Whole"),
    ("length", "MaybeReal"),
    ("speed", "Real"),
    ("tracks", "ScenarioTracks"),
];
pub(crate) const SCENARIO_TRACK: &Members = &[
    ("track", "memory|disk|cpu|inode|pid|fd|io"),
    ("wanted", "Real"),
    ("held", "MaybeReal"),
    ("limit", "MaybeReal"),
    ("clipped", "Whole"),
    ("note", "Words"),
];
pub(crate) const SCENARIO_CURVES: &Members = &[("from", "Moment"), ("step", "Real"), ("tracks", "TrackCurves")];
pub(crate) const TRACK_CURVE: &Members =
    &[("track", "memory|disk|cpu|inode|pid|fd|io"), ("planned", "Curve"), ("held", "Curve")];
/// A path in the list of them; one that does different things by its method is there once for each.
pub(crate) const ROW: &Members = &[("path", "string"), ("methods", "Methods"), ("summary", "string")];
pub(crate) const STATUS: &Members = &[
    ("version", "string"),
    ("now", "Now"),
    ("ready", "boolean"),
    ("healthy", "boolean"),
    ("ready_in_seconds", "MaybeReal"),
    ("healthy_in_seconds", "MaybeReal"),
    ("pod?", "string"),
    ("node?", "string"),
    ("namespace?", "string"),
    ("groups", "Groups"),
    ("scenario?", "waiting|playing|paused|over|stopped|null"),
    ("jobs", "Jobs"),
    ("container", "Container"),
    ("process", "Process"),
    ("faults_on", "boolean"),
    ("faults", "Lines"),
    ("active_faults", "ActiveFaults"),
    ("died_doing", "Lines"),
];
pub(crate) const FAULTS: &Members = &[("faults_on", "boolean"), ("faults", "Lines"), ("active_faults", "ActiveFaults")];
pub(crate) const ACTIVE_FAULT: &Members =
    &[("fault", "exit|abort|hang|delay|status|log|term"), ("words", "string"), ("seconds_left", "MaybeReal")];
pub(crate) const HISTORY: &Members =
    &[("from", "Whole"), ("next", "Whole"), ("curves", "HistoryCurves"), ("events", "HistoryEvents")];
pub(crate) const HISTORY_CURVES: &Members = &[
    ("mem", "HeldCurves"),
    ("disk", "HeldCurves"),
    ("cpu", "HeldCurves"),
    ("inode", "HeldCurves"),
    ("pid", "HeldCurves"),
    ("fd", "HeldCurves"),
    ("io", "HeldCurves"),
];
pub(crate) const HELD_CURVES: &Members =
    &[("held", "Curve"), ("target", "Curve"), ("own?", "Curve"), ("throttled?", "Curve")];
pub(crate) const HISTORY_EVENT: &Members = &[
    ("second", "Whole"),
    ("group", "mem|disk|cpu|inode|pid|fd|io|null"),
    (
        "what",
        "set|released|expired|failed|load|ended|jobs|limit|throttled|oom|fault|fault over|ready|not ready|healthy|not healthy|scenario",
    ),
    ("amount", "MaybeReal"),
    ("by", "string"),
];
pub(crate) const GROUPS: &Members = &[
    ("mem", "Group"),
    ("disk", "Group"),
    ("inode", "Group"),
    ("pid", "Group"),
    ("fd", "Group"),
    ("cpu", "CpuStatus"),
    ("io", "IoStatus"),
];
pub(crate) const CONTAINER: &Members = &[
    ("memory_current", "MaybeWhole"),
    ("memory_max", "MaybeWhole"),
    ("memory_high", "MaybeWhole"),
    ("memory_working_set", "MaybeWhole"),
    ("memory_anon", "MaybeWhole"),
    ("memory_file", "MaybeWhole"),
    ("memory_available", "Whole"),
    ("memory_bound_by", "string"),
    ("oom_kills", "MaybeWhole"),
    ("cpu_usage_seconds", "MaybeReal"),
    ("cpu_quota_millicores", "MaybeWhole"),
    ("cpu_period_ms", "MaybeReal"),
    ("cpu_periods", "MaybeWhole"),
    ("cpu_throttled_periods", "MaybeWhole"),
    ("cpu_throttled_seconds", "MaybeReal"),
    ("pids", "MaybeWhole"),
    ("pids_max", "MaybeWhole"),
    ("pressure", "Pressure"),
];
pub(crate) const PRESSURE: &Members =
    &[("of", "container|machine"), ("some_avg10", "Real"), ("some_seconds", "Real"), ("full_seconds", "MaybeReal")];
pub(crate) const PROCESS: &Members = &[
    ("rss", "Whole"),
    ("threads", "Whole"),
    ("descriptors", "MaybeWhole"),
    ("cpu_seconds", "Real"),
    ("uptime_seconds", "Real"),
    ("start_time_seconds", "Real"),
    ("pid", "Positive"),
];
pub(crate) const ERROR: &Members = &[
    ("status", "Code"),
    ("code", "ErrorCode"),
    ("message", "string"),
    ("requested?", "Whole"),
    ("limit?", "Whole"),
    ("limit_source?", "string"),
    ("bound_by?", "string"),
    ("most?", "Whole"),
];
pub(crate) const RELEASING: &Members = &[("ids", "Ids"), ("left?", "Left"), ("status", "=/api/status")];

/// Errors: the response, its statuses, the codes for programs, and what it is. One without a response comes anywhere.
pub(crate) const ERRORS: [(&str, &[u16], &str, &str); 13] = [
    (
        "400",
        &[400],
        "invalid|missing-amount|missing-time|missing-id|refused",
        "What is wrong, and what would be right.",
    ),
    ("401", &[401], "token-needed", "It needs the token."),
    ("403", &[403], "foreign-site", "A browser sent it on behalf of another site."),
    ("NoJob", &[404], "not-found", "No job of this id runs."),
    ("NoScenario", &[404], "not-found", "There is no scenario."),
    ("404", &[404], "faults-off", "Faults are off."),
    ("", &[405], "method-not-allowed", ""),
    (
        "409",
        &[409],
        "pending|busy|cancelled|expired|nothing-runs|other-id",
        "Something else is there, or took its place.",
    ),
    (
        "422",
        &[422],
        "over-limit|does-not-fit|nothing-there",
        "More than a limit, or than fits now; `most` would be accepted.",
    ),
    ("500", &[500], "failed|refused", "The work failed."),
    ("503", &[503], "unavailable|not-started|stopping|full", "Stopping, full, or out of what it needs."),
    ("", &[], "fault", ""),
    (
        "4XX",
        &[408, 413, 414, 415, 417, 431],
        "refused",
        "Refused before it was looked at: too late, too long, or not what is spoken here.",
    ),
];
