//! `testero top` and `testero spread status`: a row for each pod behind a name.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::client::output::{AnswerForm, Output};
use crate::client::pods::{Pod, Services, behind, found, on_each, one_each};
use crate::client::reply::{Object, printable};
use crate::client::status::{cpu_seconds, held_memory, millicores_since};
use crate::client::table::{row, table};
use crate::client::watch::{PERIOD, steadily};
use crate::client::{PATIENCE, Trouble, has_reader};
use crate::kernel::terminal::WholeScreen;
use crate::object;
use crate::service::json::{Value, list};
use crate::sorting::sort_by;
use crate::sync::lock;
use crate::units::quantity::{Unit, in_words};

/// The order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// Who holds most memory is first.
    Memory,
    /// Who holds most files is.
    Disk,
    /// Who uses most CPU is.
    Cpu,
    /// By name.
    Name,
}

impl RowOrder {
    /// As it is written.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "disk" => Self::Disk,
            "cpu" => Self::Cpu,
            "name" => Self::Name,
            _ => Self::Memory,
        }
    }
}

/// What is to be told of all pods.
#[derive(Debug, PartialEq, Eq)]
pub struct Overview {
    /// Names with ports; without any it is the one service that other commands ask.
    pub services: Vec<String>,
    /// The order of rows.
    pub order: RowOrder,
    /// Again and again.
    pub watch: bool,
    /// Whether it tells how much CPU is used, which takes a second, or how much is wanted.
    pub measures: bool,
}

/// Seconds of CPU of each pod, and when they were that many.
type CpuSeconds = Mutex<Vec<(SocketAddr, f64, Instant)>>;

/// What is told of a pod.
struct PodRow {
    label: String,
    address: SocketAddr,
    /// Why nothing else is told.
    trouble: Option<String>,
    is_unreachable: bool,
    is_ready: bool,
    memory: u64,
    working_set: Option<u64>,
    disk: u64,
    millicores: u64,
}

impl Overview {
    pub(super) fn run(&self, url: &str, token: Option<&str>, output: &Output) -> Result<(), Trouble> {
        let services = if self.services.is_empty() { Services::Url(url) } else { Services::Named(&self.services) };
        let before = CpuSeconds::default();
        let again = || {
            let mut pods = behind(&services, false)?;
            on_each(&mut pods, &|pod| pod.look(token, PATIENCE));
            one_each(&mut pods);
            Ok(self.rows(&pods, &before))
        };
        if self.watch
            && output.is_words()
            && !output.quiet
            && let Some(screen) = WholeScreen::open()
        {
            return steadily(&screen, output, &|| Ok(self.told(&again()?, output)));
        }
        // Says where one address may have several pods.
        let mut rows = self.rows(&found(&services, token)?, &before);
        if self.measures {
            thread::sleep(PERIOD);
            rows = again()?;
        }
        loop {
            if !output.quiet && !has_reader(&output_of(&self.told(&rows, output), output))? {
                return Ok(());
            }
            if !self.watch {
                return verdict(&rows);
            }
            thread::sleep(PERIOD);
            // Who watches wants to see what comes after a restart, too.
            match again() {
                Ok(now) => rows = now,
                Err(why) => _ = has_reader(&format!("{}\n", why.words()))?,
            }
        }
    }

    /// What each of them tells, in order.
    fn rows(&self, pods: &[Pod], before: &CpuSeconds) -> Vec<PodRow> {
        let mut rows = Vec::with_capacity(pods.len());
        for pod in pods {
            rows.push(self.row(pod, before));
        }
        sort_by(&mut rows, &|one, other| {
            let size = |row: &PodRow| match self.order {
                RowOrder::Memory => row.memory,
                RowOrder::Disk => row.disk,
                RowOrder::Cpu => row.millicores,
                RowOrder::Name => 0,
            };
            size(other).cmp(&size(one)).then_with(|| one.label.cmp(&other.label))
        });
        rows
    }

    fn row(&self, pod: &Pod, before: &CpuSeconds) -> PodRow {
        let none = Object::read(b"");
        let (status, trouble) = match &pod.status {
            Some(Ok(status)) => (status, None),
            Some(Err(why)) => (&none, Some(why)),
            None => (&none, None),
        };
        let wanted = status.whole(&["groups", "cpu", "wanted_millicores"]);
        let seconds = cpu_seconds(status);
        // Who says nothing has no figure to count from the next time.
        let used = used_since(before, pod.address, Some(seconds).filter(|_| matches!(pod.status, Some(Ok(_)))));
        PodRow {
            label: pod.name.clone().unwrap_or_else(|| pod.address.to_string()),
            address: pod.address,
            trouble: trouble.map(|why| why.words().to_owned()),
            is_unreachable: matches!(trouble, Some(Trouble::Unreachable(_))),
            is_ready: status.is(&["ready"]),
            memory: held_memory(status),
            working_set: status.number(&["container", "memory_working_set"]).map(|bytes| bytes as u64),
            disk: status.whole(&["groups", "disk", "held"]),
            millicores: if self.measures {
                used
            } else {
                wanted.max(status.whole(&["groups", "cpu", "target_millicores"]))
                    + status.whole(&["groups", "cpu", "jobs_millicores"])
            },
        }
    }

    /// All of them, as they are printed.
    fn told(&self, rows: &[PodRow], output: &Output) -> String {
        match output.form {
            AnswerForm::Json | AnswerForm::Yaml => {
                let all = list(&mut rows.iter().map(PodRow::value)).to_string();
                return output.shown(all.as_bytes(), "");
            }
            AnswerForm::Name => {
                let mut names = String::new();
                rows.iter().for_each(|row| names += &format!("pod/{}\n", printable(&row.label)));
                return names;
            }
            _ => {}
        }
        let is_wide = output.form == AnswerForm::Wide;
        let bytes = |bytes| in_words(bytes, Unit::Bytes);
        let mut lines = vec![row(&["POD", "STATE", "MEMORY", "WORKING SET", "DISK", "CPU"])];
        let (mut memory, mut set, mut disk, mut millicores, mut there) = (0_u64, 0_u64, 0_u64, 0_u64, 0);
        for one in rows {
            let mut line = vec![one.label.clone()];
            if let Some(why) = &one.trouble {
                line.push(format!("{} {why}", if one.is_unreachable { "unreachable:" } else { "refused:" }));
                lines.push(line);
                continue;
            }
            there += 1;
            memory = memory.saturating_add(one.memory);
            set = set.saturating_add(one.working_set.unwrap_or(0));
            disk = disk.saturating_add(one.disk);
            millicores = millicores.saturating_add(one.millicores);
            line.push(String::from(if one.is_ready { "ready" } else { "not ready" }));
            let working_set = one.working_set.map_or_else(|| String::from("-"), bytes);
            line.extend([bytes(one.memory), working_set, bytes(one.disk), format!("{}m", one.millicores)]);
            if is_wide {
                line.push(one.address.to_string());
            }
            lines.push(line);
        }
        if is_wide {
            lines[0].push(String::from("ADDRESS"));
        }
        let sum = format!("{there} of {}", rows.len());
        lines.push(vec![String::from("sum"), sum, bytes(memory), bytes(set), bytes(disk), format!("{millicores}m")]);
        // A long reason must not move the columns of others.
        let (mut short, mut reasons) = (Vec::new(), Vec::new());
        for line in &mut lines {
            let is_reason = line.len() == 2;
            reasons.push(if is_reason { line.pop() } else { None });
            short.push(std::mem::take(line));
        }
        let width = short.iter().map(|line| line[0].chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (line, reason) in table(&short, "llrrrrl").lines().zip(reasons) {
            let reason = reason.map(|reason| format!("{line:<width$}  {reason}"));
            text += &format!("{}\n", reason.as_deref().unwrap_or(line));
        }
        text
    }
}

/// What is printed where there is no steady screen.
fn output_of(text: &str, output: &Output) -> String {
    if output.is_words() { output.painted(text) } else { text.to_owned() }
}

/// Millicores that a pod has used since it was last asked.
fn used_since(before: &CpuSeconds, address: SocketAddr, seconds: Option<f64>) -> u64 {
    let mut all = lock(before);
    let Some(seconds) = seconds else {
        all.retain(|(known, ..)| *known != address);
        return 0;
    };
    let now = Instant::now();
    match all.iter_mut().find(|(known, ..)| *known == address) {
        Some((_, last, then)) => {
            let used = millicores_since((*last, *then), (seconds, now));
            (*last, *then) = (seconds, now);
            used.round() as u64
        }
        None => {
            all.push((address, seconds, now));
            0
        }
    }
}

impl PodRow {
    fn value(&self) -> Value {
        object! {
            "pod": self.label.as_str(),
            "address": self.address.to_string(),
            "ready": self.is_ready,
            "error": self.trouble.as_deref(),
            "memory_held": self.memory,
            "memory_working_set": self.working_set,
            "disk_held": self.disk,
            "cpu_millicores": self.millicores,
        }
    }
}

/// For the exit code.
fn verdict(rows: &[PodRow]) -> Result<(), Trouble> {
    let failed = rows.iter().filter(|row| row.trouble.is_some()).count();
    if failed > 0 && rows.iter().all(|row| row.is_unreachable) {
        return Err(Trouble::Unreachable(String::from("no pod answers")));
    }
    match failed {
        0 => Ok(()),
        failed => Err(Trouble::Refused(format!("{failed} of {} pods tell nothing", rows.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_was_lost_has_used_nothing_when_it_is_back() {
        let (before, address) = (CpuSeconds::default(), SocketAddr::from(([127, 0, 0, 1], 1)));
        assert_eq!(used_since(&before, address, Some(1000.0)), 0);
        assert!(used_since(&before, address, Some(1001.0)) > 0);
        assert_eq!(used_since(&before, address, None), 0);
        assert!(lock(&before).is_empty());
        assert_eq!(used_since(&before, address, Some(1002.0)), 0);
    }
}
