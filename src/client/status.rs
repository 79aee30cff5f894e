//! `testero status`, `get` of a group, and what else only tells: probes and faults.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::output::{AnswerForm, Output};
use crate::client::reply::{Object, good, good_of, printable, stranger};
use crate::client::said::unit_of;
use crate::client::table::{row, table};
use crate::client::watch::{PERIOD, sparkline, steadily};
use crate::client::{Remote, Trouble, has_reader};
use crate::http::client::Taker;
use crate::kernel::terminal::WholeScreen;
use crate::object;
use crate::service::json::{Value, list};
use crate::sync::lock;
use crate::units::duration;
use crate::units::quantity::{Unit, in_words as amount};

/// Groups, as the status calls them.
const GROUPS: [&str; 7] = ["mem", "disk", "inode", "pid", "fd", "cpu", "io"];
/// How many seconds back a sparkline goes.
const MINUTE: usize = 60;

/// Where faults are told, also while one has all else answered wrongly or not at all.
const FAULTS: &str = "/fault?format=json";
/// How long who types waits for what is offered.
const AT_ONCE: Duration = Duration::from_millis(500);

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub struct Show {
    /// A group alone, by the name that the status gives it.
    pub group: Option<&'static str>,
    /// Again and again.
    pub watch: bool,
}

impl Show {
    pub(super) fn run(&self, service: &Remote<'_>, output: &Output) -> Result<(), Trouble> {
        if self.watch
            && output.is_words()
            && !output.quiet
            && let Some(screen) = WholeScreen::open()
        {
            let history = Mutex::new(LastMinute::default());
            return steadily(&screen, output, &|| {
                let text = self.ask(service, output)?;
                let object = good(&service.ask("GET", "/api/status?format=json")?)?;
                let mut history = lock(&history);
                if history.cpu.is_none() {
                    // One that remembers nothing says so in other words.
                    history.remember(&String::from_utf8_lossy(&service.ask("GET", "/api/history")?.body));
                }
                Ok(text + &history.drawn(&object))
            });
        }
        loop {
            let text = self.ask(service, output);
            // Who watches wants to see what comes after a restart, too.
            let is_seen = match text {
                Err(trouble) if !self.watch => return Err(trouble),
                Err(trouble) => has_reader(&format!("{}\n", trouble.words()))?,
                Ok(_) if output.quiet => true,
                Ok(text) if output.is_words() => has_reader(&output.painted(&text))?,
                Ok(text) => has_reader(&text)?,
            };
            if !self.watch || !is_seen {
                return Ok(());
            }
            thread::sleep(PERIOD);
        }
    }

    fn ask(&self, service: &Remote<'_>, output: &Output) -> Result<String, Trouble> {
        let target = match (output.form, self.group) {
            (AnswerForm::Words, _) => String::from("/api/status?format=text"),
            (AnswerForm::Json | AnswerForm::Yaml, Some(group)) => format!("/api/{group}?format=json"),
            _ => String::from("/api/status?format=json"),
        };
        let reply = service.ask("GET", &target)?;
        if output.form == AnswerForm::Words {
            let text = printable(&String::from_utf8_lossy(&reply.body));
            if reply.status >= 400 {
                // Errors are asked for in JSON, which has the reason by itself.
                good(&service.ask("GET", "/api/status?format=json")?)?;
                return Err(Trouble::Refused(format!("the answer is {}", reply.status)));
            }
            if reply.status != 200 || !text.starts_with("testero ") {
                return Err(stranger(reply.status));
            }
            return Ok(self.group.map_or(text.clone(), |group| rows(&text, group)));
        }
        let object = good(&reply)?;
        Ok(match output.form {
            AnswerForm::Wide => wide(&object, self.group),
            _ => output.shown(&reply.body, &self.group.map_or_else(|| GROUPS.join("\n"), str::to_owned)),
        })
    }
}

/// The rows of the status that tell of a group, below their heading.
fn rows(status: &str, group: &str) -> String {
    let mut rows = String::new();
    for line in status.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if first == group || (first == "GROUP" && !matches!(group, "cpu" | "io")) {
            rows.push_str(line);
            rows.push('\n');
        }
    }
    rows
}

/// All groups, or one, with who asked for what.
fn wide(status: &Object, one: Option<&str>) -> String {
    let mut rows = vec![row(&["GROUP", "STATE", "HELD", "PLANNED", "LIMIT", "AVAILABLE", "EXPIRES", "ASKED", "BY"])];
    for group in GROUPS.into_iter().filter(|group| one.is_none_or(|one| one == *group)) {
        let text = |name| status.text(&["groups", group, name]).map_or_else(|| String::from("-"), printable);
        let number = |name| {
            let number = status.number(&["groups", group, name]);
            number.map_or_else(|| String::from("-"), |number| amount(number as u64, unit_of(group)))
        };
        // A load ends when its time is over; what is on its way to be held does not.
        let end = if matches!(group, "cpu" | "io") { "seconds_left" } else { "expires_in_seconds" };
        let left = status.number(&["groups", group, end]).map_or_else(
            || String::from("-"),
            |left| duration::in_words(std::time::Duration::from_secs_f64(left.clamp(0.0, 1e9))),
        );
        let millicores = |name| {
            let used = status.number(&["groups", group, name]).filter(|_| group == "cpu");
            used.map_or_else(|| number("held"), |used| format!("{}m", used as u64))
        };
        let (held, planned) = match group {
            "cpu" => (millicores("achieved_millicores"), millicores("target_millicores")),
            _ => (number("held"), number("planned")),
        };
        let limit = number("limit");
        let (available, asked, by) = (number("available"), text("asked"), text("by"));
        rows.push(vec![group.to_owned(), text("state"), held, planned, limit, available, left, asked, by]);
    }
    table(&rows, "llrrrrrll")
}

/// Bytes of memory that are held, by the group and by jobs.
pub(super) fn held_memory(status: &Object) -> u64 {
    status.whole(&["groups", "mem", "held"]) + status.whole(&["groups", "mem", "jobs_held"])
}

/// Seconds of CPU that the container, or else the process, has used.
pub(super) fn cpu_seconds(status: &Object) -> f64 {
    let seconds = status.number(&["container", "cpu_usage_seconds"]);
    seconds.or_else(|| status.number(&["process", "cpu_seconds"])).unwrap_or(0.0)
}

/// Millicores used between two moments, each with the seconds of CPU that were used by then.
pub(super) fn millicores_since((before, then): (f64, Instant), (seconds, now): (f64, Instant)) -> f64 {
    ((seconds - before) / now.duration_since(then).as_secs_f64().max(0.001) * 1000.0).max(0.0)
}

/// What was held and used in the last minute.
#[derive(Default)]
struct LastMinute {
    /// Memory, disk and millicores, a second each.
    values: [Vec<f64>; 3],
    /// Seconds of CPU, and when they were that many.
    cpu: Option<(f64, Instant)>,
}

impl LastMinute {
    /// Takes what the service remembers, which is a table with a line a second.
    fn remember(&mut self, table: &str) {
        let mut lines = table.lines();
        if !lines.next().is_some_and(|names| names.starts_with("seconds,memory_bytes,cpu_cores,disk_bytes")) {
            return;
        }
        for line in lines {
            let mut cells = line.split(',').skip(1).map(|cell| cell.parse::<f64>().unwrap_or(0.0));
            let mut cell = || cells.next().unwrap_or(0.0);
            let (memory, cores, disk) = (cell(), cell(), cell());
            self.put([memory, disk, cores * 1000.0]);
        }
    }

    fn put(&mut self, seconds: [f64; 3]) {
        for (values, value) in self.values.iter_mut().zip(seconds) {
            if values.len() == MINUTE {
                values.remove(0);
            }
            values.push(value);
        }
    }

    /// Takes a status, and draws what is known then.
    fn drawn(&mut self, status: &Object) -> String {
        let (memory, disk) = (held_memory(status), status.number(&["groups", "disk", "held"]));
        let seconds = cpu_seconds(status);
        let now = Instant::now();
        let last = self.values[2].last().copied().unwrap_or(0.0);
        let used = self.cpu.replace((seconds, now)).map_or(last, |before| millicores_since(before, (seconds, now)));
        let told = [memory as f64, disk.unwrap_or(0.0), used];
        self.put(told);
        let mut text = String::from("\n");
        for ((name, value), values) in ["memory", "disk", "cpu"].into_iter().zip(told).zip(&self.values) {
            let now = if name == "cpu" { format!("{}m", value as u64) } else { amount(value as u64, Unit::Bytes) };
            text += &format!("{name:<6}  {now:>10}  {}\n", sparkline(values));
        }
        text
    }
}

/// Whether a probe is well.
pub(super) fn probe(path: &str, service: &Remote<'_>, output: &Output) -> Result<(), Trouble> {
    let reply = service.ask("GET", &format!("{path}?format=json"))?;
    if !output.is_words() {
        output.data(&reply.body, path)?;
    }
    let (good_word, bad_word) = if path == "/readyz" { ("ready", "not ready") } else { ("healthy", "not healthy") };
    match good_of(&reply, "") {
        Ok(object) if object.text(&["status"]) != Some("ok") => Err(stranger(reply.status)),
        Ok(_) if output.is_words() => output.say(&output.painted(&format!("{good_word}\n"))),
        Ok(_) => Ok(()),
        Err(why) if reply.status == 503 => Err(Trouble::Refused(format!("{bad_word}: {}", why.words()))),
        Err(why) => Err(why),
    }
}

/// The faults that are active.
pub(super) fn faults(service: &Remote<'_>, output: &Output) -> Result<(), Trouble> {
    let reply = service.ask("GET", FAULTS)?;
    let object = good(&reply)?;
    let (active, are_on) = (object.texts(&["faults"]), object.is(&["faults_on"]));
    match output.form {
        AnswerForm::Words | AnswerForm::Wide => {}
        AnswerForm::Name => {
            let names = object.texts_of(&["active_faults"], "fault");
            return if names.is_empty() { Ok(()) } else { output.data(&reply.body, &names.join("\n")) };
        }
        _ => {
            let list = list(&mut active.iter().map(|fault| Value::of(fault)));
            let told = object! { "faults_on": are_on, "faults": list };
            return output.data(told.to_string().as_bytes(), "");
        }
    }
    let mut text = String::new();
    active.iter().for_each(|fault| text += &format!("{fault}\n"));
    if active.is_empty() {
        text +=
            if are_on { "no fault is active\n" } else { "faults are off: --faults on, or FAULTS=on, turns them on\n" };
    }
    output.say(&text)
}

/// Names of faults that are active, with what each is in words, where the service tells that at once.
pub(super) fn active_faults(service: &Remote<'_>) -> Option<Vec<(String, String)>> {
    let reply = service.reply("GET", FAULTS, AT_ONCE, Taker::Whole);
    let object = good(&reply.ok()?).ok()?;
    let names = object.texts_of(&["active_faults"], "fault");
    Some(names.into_iter().zip(object.texts(&["faults"])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_rows_are_found() {
        let status =
            "testero 0.1.0  up 1 s\n\nGROUP  STATE  HELD\nmem    idle   0 B\ndisk   idle   0 B\n\ncpu       idle\n";
        assert_eq!(rows(status, "mem"), "GROUP  STATE  HELD\nmem    idle   0 B\n");
        assert_eq!(rows(status, "cpu"), "cpu       idle\n");
    }

    #[test]
    fn a_wide_row_has_who_asked() {
        let status = Object::read(
            br#"{"groups":{"mem":{"state":"holding","held":1048576,"planned":1048576,"limit":2097152,"available":5,
                "expires_in_seconds":8.4,"asked":"amount=1Mi","by":"10.0.0.1:5"}}}"#,
        );
        let text = wide(&status, Some("mem"));
        let (_, row) = text.trim_end().split_once('\n').unwrap();
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(
            cells,
            ["mem", "holding", "1.0 MiB", "1.0 MiB", "2.0 MiB", "5 B", "8 s", "amount=1Mi", "10.0.0.1:5"]
        );
    }

    #[test]
    fn what_the_service_remembers_is_the_beginning() {
        let mut history = LastMinute::default();
        history.remember("404 page not found\n");
        assert_eq!(history.values, [const { Vec::<f64>::new() }; 3]);
        let names = "seconds,memory_bytes,cpu_cores,disk_bytes,io_bytes_per_second,inodes,pids,fds";
        history.remember(&format!("{names}\n0,5,,7,0,0,0,0\n1,6,0.25,8,0,0,0,0\n"));
        assert_eq!(history.values, [vec![5.0, 6.0], vec![7.0, 8.0], vec![0.0, 250.0]]);
    }

    #[test]
    fn what_jobs_hold_is_held() {
        let status = br#"{"groups":{"mem":{"held":5,"jobs_held":7}},"process":{"cpu_seconds":1.5}}"#;
        let status = Object::read(status);
        assert_eq!((held_memory(&status), cpu_seconds(&status)), (12, 1.5));
    }

    #[test]
    fn a_minute_is_remembered() {
        let mut history = LastMinute::default();
        let status = |held: usize| Object::read(format!(r#"{{"groups":{{"mem":{{"held":{held}}}}}}}"#).as_bytes());
        for held in 0..100 {
            history.drawn(&status(held << 20));
        }
        let text = history.drawn(&status(0));
        let line = text.lines().find(|line| line.starts_with("memory")).unwrap();
        assert_eq!(line.chars().filter(|c| ('\u{2581}'..='\u{2588}').contains(c)).count(), MINUTE, "{line}");
        assert!(line.ends_with("▁") && line.contains("  0 B  "), "{line}");
    }
}
