//! The console blocks of the documents: each runs as it stands, one after the other, in one bash a document, or says in a
//! comment before it why it is not run here: `<!-- not run: needs a cluster -->`.
//!
//! What differs from a reader's terminal: ports are free ones, `/tmp` is a folder of the test's own, and `cargo build` puts
//! the program under test where it would be built. The recipes, and what is in tests/kubernetes, need a cluster and are
//! run there.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testero::units::duration::span;

use crate::harness::{binary, skip};
use crate::json::Json;

/// The ports that the documents name.
const PORTS: [&str; 9] = ["8080", "8081", "8083", "8084", "8085", "8090", "8091", "8092", "8098"];
/// How long all blocks of a document may take: a bound for a hang.
const DOCUMENT: Duration = Duration::from_secs(300);
/// Folders whose documents need a cluster, and are run on one or not at all.
const ELSEWHERE: [&str; 4] = ["target", ".git", "k8s/recipes", "tests/kubernetes"];
/// Behind them a number is a measure and no count.
const UNITS: [&str; 9] = ["h", "m", "s", "%", "B", "KiB", "MiB", "GiB", "TiB"];
/// How an answer begins that a reader does not want, whatever the exit code.
const REFUSALS: [&str; 4] = ["Server busy", "Server contains", "Server is", "Could not"];

/// A command of a document, and what is shown of its output.
#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// The commands of all blocks that are to be run, and how many blocks are not.
fn steps(document: &str) -> Result<(Vec<Step>, usize), String> {
    let (mut steps, mut not_run) = (Vec::<Step>::new(), 0);
    let lines: Vec<&str> = document.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].trim().starts_with("```console") {
            at += 1;
            continue;
        }
        let before = lines[..at].iter().rev().find(|line| !line.trim().is_empty()).unwrap_or(&"");
        let reason = before.trim().strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
        let end = (at..lines.len()).find(|&end| lines[end].trim() == "```").ok_or("a block without an end")?;
        let block = at + 1..end;
        at = end + 1;
        if let Some(reason) = reason {
            assert!(!reason.trim().is_empty(), "line {at}: why is it not run?");
            not_run += 1;
            continue;
        }
        let mut continued = false;
        for number in block.clone() {
            let line = lines[number];
            if continued {
                let command = &mut steps.last_mut().ok_or("a continuation of nothing")?.command;
                let _ = write!(command, "\n{line}");
            } else if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step { line: number + 1, command: command.to_owned(), shown: Vec::new() });
            } else if number == block.start {
                return Err(format!("line {}: a block that does not begin with a command", number + 1));
            } else if let Some(step) = steps.last_mut() {
                step.shown.push(line.to_owned());
            }
            continued = line.ends_with('\\');
        }
    }
    Ok((steps, not_run))
}

/// The processes of a session. All are in one process group, which is killed when this is dropped.
struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: kill takes no pointers; the group is that of our own child, which is not reaped yet.
        unsafe { libc::kill(-(self.0.id() as i32), libc::SIGKILL) };
        let _ = self.0.wait();
    }
}

/// Ports that nobody has, and nobody is given for a connection of his own.
fn free_ports() -> Vec<String> {
    let first = 15_000 + (std::process::id() % 1000) as u16 * 16;
    let is_free = |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok();
    (first..32_000).filter(is_free).take(PORTS.len()).map(|port| port.to_string()).collect()
}

/// A script that can be executed.
fn write_script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs them all in one bash. What is wrong, if anything is.
fn run(steps: &[Step]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let ports = free_ports();
    ["bin", "tmp"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    write_script(
        &at("program"),
        &format!(
            "#!/bin/sh\ncase $1 in fibonacci) PORT={} ;; counter) PORT={} ;; *) PORT={} ;; esac\nexport PORT\n\
             exec '{}' \"$@\"\n",
            ports[1],
            ports[2],
            ports[0],
            binary()
        ),
    );
    write_script(
        &at("bin/cargo"),
        "#!/bin/sh\n[ \"$*\" = 'build --release' ] && mkdir -p target/release && cp program target/release/testero\n",
    );
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        let mut command = step.command.replace("/tmp", at("tmp").to_str().unwrap());
        for (port, own) in PORTS.iter().zip(&ports) {
            command = command.replace(port, own);
        }
        let _ = writeln!(script, "printf '\\001{number}\\n'\n{command}\nprintf '\\002%d\\n' $?");
    }
    fs::write(at("script"), script).unwrap();
    let output = fs::File::create(at("output")).unwrap();
    let log = fs::File::create(at("log")).unwrap();
    let mut bash = Command::new("bash");
    bash.arg("script").current_dir(folder.path()).process_group(0).stdin(Stdio::null()).stdout(output).stderr(log);
    let path = std::env::var("PATH").unwrap_or_default();
    bash.env("PATH", format!("{}:{path}", at("bin").display()));
    for name in ["TESTERO_URL", "TOKEN", "TOKENFILE", "DATADIR", "IP", "PORT", "REDIS_URL"] {
        bash.env_remove(name);
    }
    let mut session = Session(bash.spawn().unwrap());
    let start = Instant::now();
    while session.0.try_wait().unwrap().is_none() && start.elapsed() < DOCUMENT {
        thread::sleep(Duration::from_millis(20));
    }
    let output = String::from_utf8_lossy(&fs::read(at("output")).unwrap()).into_owned();
    let answers: Vec<&str> = output.split('\u{1}').skip(1).collect();
    let mut wrong = String::new();
    for (number, step) in steps.iter().enumerate() {
        let answer = answers.get(number).and_then(|answer| answer.split_once('\n')).map_or("", |(_, answer)| answer);
        let (answer, code) = answer.split_once('\u{2}').unwrap_or((answer, "none: it did not end"));
        if let Err(why) = check(step, answer, code.trim()) {
            let _ = writeln!(wrong, "line {}: {}\n{why}\n--- it answered:\n{answer}", step.line, step.command);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let log = fs::read(at("log")).unwrap();
    Err(format!("{wrong}\n--- on stderr, of all:\n{}", String::from_utf8_lossy(&log)))
}

/// Whether it did what the document says.
fn check(step: &Step, answer: &str, code: &str) -> Result<(), String> {
    if code != "0" {
        return Err(format!("exit code {code}"));
    }
    if step.shown.iter().any(|line| lasts_too_long(&step.command, line)) {
        return Err(String::from("it cannot have so much time left behind its ramp"));
    }
    let lines: Vec<&str> = answer.lines().collect();
    let is_shown = |refusal: &str| step.shown.iter().any(|shown| shown.starts_with(refusal));
    if REFUSALS.iter().any(|refusal| !is_shown(refusal) && lines.iter().any(|line| line.starts_with(refusal))) {
        return Err(String::from("it is refused"));
    }
    if step.shown.is_empty() || has_shape(&step.shown, &lines) {
        return Ok(());
    }
    Err(format!("--- it is said to answer:\n{}", step.shown.join("\n")))
}

/// Whether the lines are those shown, but for numbers, times and hosts. A line `…` stands for any.
fn has_shape(shown: &[String], lines: &[&str]) -> bool {
    match (shown.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            (0..=lines.len()).any(|skipped| has_shape(rest, &lines[skipped..]))
        }
        (Some((first, rest)), Some((line, others))) => shape(first) == shape(line) && has_shape(rest, others),
        _ => false,
    }
}

/// Whether more is said to be left of a time to live than the ramp can leave that is waited for: it counts from the request.
fn lasts_too_long(command: &str, line: &str) -> bool {
    let said = |name: &str| {
        let (_, rest) = command.split_once(&format!("{name} ")).or_else(|| command.split_once(&format!("{name}=")))?;
        span(rest.split([' ', '&', ';', '\'']).next()?).ok()
    };
    let left = line.split_once("expires in ").map(|(_, rest)| {
        let is_part = |word: &&str| ["h", "m", "s"].contains(word) || word.bytes().all(|byte| byte.is_ascii_digit());
        rest.split(' ').take_while(|word| !word.is_empty()).take_while(is_part).collect::<Vec<_>>().join(" ")
    });
    let (Some(ttl), Some(ramp), Some(left)) = (said("ttl"), said("over"), left) else { return false };
    span(&left).is_ok_and(|left| left > ttl.saturating_sub(ramp))
}

/// What of a line does not differ from run to run: the members of JSON, the first word of a row in a table; otherwise all
/// words, without their units and hosts, and of their numbers the small counts.
fn shape(line: &str) -> String {
    match Json::try_parse(line) {
        Ok(json @ Json::Object(_)) => return members(&json),
        // An answer in a string is a role's that counts: the same each time.
        Ok(Json::Text(text)) => return text,
        _ => {}
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    if line.trim().contains("  ") {
        return words.first().map_or_else(String::new, |word| word_shape(word));
    }
    let counts = |at: usize| {
        let is_count = words[at].len() <= 2 && words[at].bytes().all(|byte| byte.is_ascii_digit());
        is_count && words.get(at + 1).is_none_or(|unit| !UNITS.contains(unit))
    };
    let shapes = words.iter().enumerate();
    shapes
        .map(|(at, word)| if counts(at) { (*word).to_owned() } else { word_shape(word) })
        .collect::<Vec<_>>()
        .join(" ")
}

fn members(value: &Json) -> String {
    match value {
        Json::Object(all) => all.iter().map(|(name, value)| format!("{name}{{{}}}", members(value))).collect(),
        _ => String::new(),
    }
}

fn word_shape(word: &str) -> String {
    if UNITS[4..].contains(&word) {
        return String::from("bytes");
    }
    let bare = word.trim_end_matches(['.', ',']);
    let is_host = bare.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    if is_host {
        return String::from("host:port");
    }
    crate::harness::shape(word).replace("#.#", "#")
}

/// All documents below the folder, but for those in folders that are left out.
fn documents(folder: &Path, left_out: &[&str], found: &mut Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let inside = path.strip_prefix(root).unwrap();
        if path.is_dir() && !left_out.iter().any(|folder| inside == Path::new(folder)) {
            documents(&path, left_out, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_console_block_works_as_it_stands_or_says_why_it_is_not_run() {
    let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_curl {
        skip("there is no curl on this machine, so the blocks of the documents are NOT run");
        return;
    }
    let mut found = Vec::new();
    documents(Path::new(env!("CARGO_MANIFEST_DIR")), &ELSEWHERE, &mut found);
    let mut ran = 0;
    for path in found {
        let (steps, _) =
            steps(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        run(&steps).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        ran += steps.len();
    }
    assert!(ran > 20, "{ran} commands: where are they?");
}

/// What a heading is linked by.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The targets of a document's links and pictures.
fn targets(document: &str) -> impl Iterator<Item = &str> {
    document.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// What a link leads to is not there.
fn is_dead(from: &Path, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return false;
    }
    let (file, part) = target.split_once('#').unwrap_or((target, ""));
    let to = if file.is_empty() { from.to_owned() } else { from.parent().unwrap().join(file) };
    let has = |text: String| {
        text.lines().any(|line| line.starts_with('#') && anchor(line.trim_start_matches(['#', ' '])) == part)
    };
    !to.exists() || !part.is_empty() && !fs::read_to_string(to).is_ok_and(has)
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let (mut found, mut dead, mut alive) = (Vec::new(), Vec::new(), 0);
    documents(Path::new(env!("CARGO_MANIFEST_DIR")), &["target", ".git"], &mut found);
    for path in &found {
        let text = fs::read_to_string(path).unwrap();
        for target in targets(&text) {
            if is_dead(path, target) { dead.push(format!("{}: {target}", path.display())) } else { alive += 1 }
        }
    }
    assert!(dead.is_empty() && alive > 100, "{alive} lead somewhere, and these do not: {dead:#?}");
}

#[test]
fn a_block_that_does_not_work_is_found() {
    for (block, works) in [
        ("$ echo 5 apples\n7 apples", false),
        ("$ echo 512 apples\n712 apples", true),
        ("$ echo 5 s\n7 s", true),
        ("$ echo '\"{\\\"Hits\\\":7}\"'\n\"{\\\"Hits\\\":7}\"", true),
        ("$ echo '\"{\\\"Hits\\\":7}\"'\n\"{\\\"Hits\\\":5}\"", false),
        ("$ : ttl=5m\\&over=10s; echo expires in 4 m 50 s\nexpires in 4 m 50 s", true),
        ("$ : --ttl 5m --over 10s; echo a, expires in 4 m 50 s\na, expires in 4 m 51 s", false),
        ("$ echo 5 apples", true),
        ("$ echo 5 apples\n5 pears", false),
        ("$ echo 5 apples\n5 apples\n6 apples", false),
        ("$ printf '1\\n2\\n3\\nend\\n'\n1\n…\nend", true),
        ("$ false", false),
        ("$ echo Server busy, try again later", false),
        ("$ echo \\\n    5 apples\n5 apples", true),
        ("$ cd tmp; x=1\n$ pwd; echo $x apples; cd ..\n…\n1 apples", true),
        ("$ echo '{\"a\":1,\"b\":{\"c\":\"x\"}}'\n{\"a\":2,\"b\":{\"c\":\"y\"}}", true),
        ("$ echo '{\"a\":1,\"b\":{\"c\":\"x\"}}'\n{\"a\":2,\"b\":{\"d\":\"y\"}}", false),
        ("$ echo 'talking to instance here:8084.'\ntalking to instance vm:80.", true),
        ("$ exit 0\n$ echo never", false),
    ] {
        let (steps, not_run) = steps(&format!("# Title\n\n```console\n{block}\n```\n")).unwrap();
        assert_eq!((run(&steps).is_ok(), not_run), (works, 0), "{block}");
    }
    assert!(steps("```console\nwhat is this\n```\n").is_err() && steps("```console x\n$ true\n").is_err());
    let (steps, not_run) = steps("<!-- not run: needs a cluster -->\n\n```console\n$ false\n```\n").unwrap();
    assert!(steps.is_empty() && not_run == 1);
}
