//! Pods of a system, seen and deleted by the user's own kubectl.

use std::time::{Duration, Instant};

use crate::kernel::program::RunningProgram;
use crate::settings::crash::system::PodsConfig;

/// How long a kubectl may take.
const KUBECTL: Duration = Duration::from_secs(10);
/// How much of what it prints is read, in bytes: a line of some hundred for each pod.
const MOST_BYTES: usize = 1 << 20;
/// How much of what it says is told, in characters.
const TOLD: usize = 400;
/// What is asked of each pod, a line each: name, UID, whether it is being deleted, whether it is ready, and how often each
/// of its containers was restarted.
const COLUMNS: &str = "jsonpath={range .items[*]}{.metadata.name}{\"\\t\"}{.metadata.uid}{\"\\t\"}\
                       {.metadata.deletionTimestamp}{\"\\t\"}{.status.conditions[?(@.type==\"Ready\")].status}{\"\\t\"}\
                       {.status.containerStatuses[*].restartCount}{\"\\n\"}{end}";

/// A pod, as the API server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSight {
    /// Its name.
    pub name: String,
    /// What no other pod has had.
    pub uid: String,
    /// Whether it is being deleted.
    pub is_going: bool,
    /// Whether it is ready, and not being deleted.
    pub is_ready: bool,
    /// How often its containers were restarted, all together.
    pub restarts: u64,
}

impl PodSight {
    /// One line of what was asked for.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (name, uid, deleted, ready) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let is_ready = deleted.is_empty() && ready == "True";
        let restarts = fields.next()?.split(' ').filter(|count| !count.is_empty());
        let restarts = restarts.map(|count| count.parse::<u64>().ok()).sum::<Option<u64>>()?;
        let is_going = !deleted.is_empty();
        Some(Self { name: name.to_owned(), uid: uid.to_owned(), is_going, is_ready, restarts })
    }
}

impl PodsConfig {
    /// The pods, as they are now.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn sight(&self) -> Result<Vec<PodSight>, String> {
        let printed = self.kubectl(&["get", "pods", "-l", &self.selector, "-o", COLUMNS])?;
        let pods = printed.lines().filter(|line| !line.is_empty()).map(PodSight::parse);
        pods.collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("kubectl printed what is no list of pods: {}", told(&printed)))
    }

    /// Deletes a pod: without grace, and without waiting until it is gone.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn delete(&self, pod: &str) -> Result<(), String> {
        self.kubectl(&["delete", "pod", pod, "--grace-period=0", "--force", "--wait=false"]).map(drop)
    }

    /// Has so many replicas of what the pods belong to.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn scale(&self, resource: &str, replicas: u32) -> Result<(), String> {
        self.kubectl(&["scale", resource, &format!("--replicas={replicas}")]).map(drop)
    }

    /// Waits until a sight of the pods is as it should be: after what time. The last reason why not, where that takes longer
    /// than `patience`, or `is_over`.
    ///
    /// # Errors
    /// That reason.
    pub fn wait(
        &self,
        patience: Duration,
        is_over: &dyn Fn() -> bool,
        is_right: &dyn Fn(&[PodSight]) -> Result<(), String>,
    ) -> Result<Duration, String> {
        let start = Instant::now();
        loop {
            let why = match self.sight().and_then(|pods| is_right(&pods)) {
                Ok(()) => return Ok(start.elapsed()),
                Err(why) => why,
            };
            if start.elapsed() >= patience || is_over() {
                return Err(why);
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn kubectl(&self, words: &[&str]) -> Result<String, String> {
        let mut all = vec![String::from("kubectl"), String::from("--request-timeout=8s")];
        all.extend(self.context.iter().map(|context| format!("--context={context}")));
        all.extend(self.namespace.iter().map(|namespace| format!("--namespace={namespace}")));
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let mut program = RunningProgram::start(&all, MOST_BYTES).map_err(|error| error.to_string())?;
        let status = program.wait(Instant::now() + KUBECTL);
        let said = told(String::from_utf8_lossy(&program.printed().err).trim());
        match status {
            Some(_) if program.printed().is_cut => {
                Err(format!("kubectl {} printed more than {MOST_BYTES} bytes", words[0]))
            }
            Some(status) if status.success() => Ok(String::from_utf8_lossy(&program.printed().out).into_owned()),
            Some(status) => Err(format!("kubectl {} ended with {status}: {said}", words[0])),
            None => Err(format!("kubectl {} does not end within {} s: {said}", words[0], KUBECTL.as_secs())),
        }
    }
}

/// What kubectl said, for people: the beginning of it, in one line.
fn told(said: &str) -> String {
    said.chars().take(TOLD).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether all of some pods are ready, and there are so many of them.
///
/// # Errors
/// Which are not, or how many there are.
pub fn all_ready(pods: &[PodSight], count: usize) -> Result<(), String> {
    if let Some(late) = pods.iter().find(|pod| !pod.is_ready) {
        return Err(format!("pod {} is not ready", late.name));
    }
    if pods.len() == count { Ok(()) } else { Err(format!("there are {} pods, and not {count}", pods.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_pod() {
        let pod = |name: &str, is_ready, restarts| PodSight {
            name: name.to_owned(),
            uid: String::from("u-1"),
            is_going: false,
            is_ready,
            restarts,
        };
        assert_eq!(PodSight::parse("web-0\tu-1\t\tTrue\t0 2"), Some(pod("web-0", true, 2)));
        assert_eq!(
            PodSight::parse("web-1\tu-1\t2026-11-28T23:30:00Z\tTrue\t1"),
            Some(PodSight { is_going: true, ..pod("web-1", false, 1) })
        );
        assert_eq!(PodSight::parse("web-2\tu-1\t\t\t"), Some(pod("web-2", false, 0)));
        assert_eq!(PodSight::parse("error: no such thing"), None);
        assert_eq!(PodSight::parse("a\tb\t\tTrue\tx"), None);
    }

    #[test]
    fn all_are_ready_when_there_are_as_many_and_each_is() {
        let pod =
            |is_ready| PodSight { name: String::from("a"), uid: String::new(), is_going: false, is_ready, restarts: 0 };
        assert_eq!(all_ready(&[pod(true), pod(true)], 2), Ok(()));
        assert_eq!(all_ready(&[pod(true)], 2), Err(String::from("there are 1 pods, and not 2")));
        assert_eq!(all_ready(&[pod(true), pod(false)], 2), Err(String::from("pod a is not ready")));
    }
}
