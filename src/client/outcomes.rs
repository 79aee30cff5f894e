//! What became of each of many pods: a line each, the sum, and the exit code.

use std::net::SocketAddr;

use crate::client::output::Output;
use crate::client::pods::Pod;
use crate::client::{Trouble, reply::printable};
use crate::object;
use crate::service::json::list;

/// What became of a pod.
pub(super) struct PodOutcome {
    label: String,
    /// Its name, or else its address.
    name: String,
    address: SocketAddr,
    said: String,
    /// What it holds or uses, where that is known.
    held: Option<u64>,
    trouble: Option<String>,
    is_unreachable: bool,
}

impl PodOutcome {
    /// What it did, in words, or why not; `kept` is what it holds all the same.
    pub(super) fn of(pod: &Pod, result: &Result<u64, Trouble>, done: String, kept: Option<(u64, String)>) -> Self {
        let (label, address) = (pod.label(), pod.address);
        let name = pod.name.clone().unwrap_or_else(|| address.to_string());
        match result {
            Ok(held) => {
                Self { label, name, address, said: done, held: Some(*held), trouble: None, is_unreachable: false }
            }
            Err(why) => {
                let is_unreachable = matches!(why, Trouble::Unreachable(_));
                let mut said = format!("{}: {}", if is_unreachable { "unreachable" } else { "refused" }, why.words());
                if let Some((_, in_words)) = &kept {
                    said += &format!("; {in_words}");
                }
                let trouble = Some(why.words().to_owned());
                Self { label, name, address, said, held: kept.map(|(held, _)| held), trouble, is_unreachable }
            }
        }
    }
}

/// Tells of all of them, with `sum` of so many pods below.
///
/// # Errors
/// When not all have done it.
pub(super) fn tell(all: &[PodOutcome], sum: &str, output: &Output) -> Result<(), Trouble> {
    let width = all.iter().map(|pod| pod.label.len()).max().unwrap_or(0);
    let (mut text, mut failed, mut unreachable) = (String::new(), 0, 0);
    let mut names = String::new();
    for pod in all {
        failed += usize::from(pod.trouble.is_some());
        unreachable += usize::from(pod.is_unreachable);
        text += &format!("{:<width$}  {}\n", pod.label, pod.said);
        names += &format!("pod/{}\n", printable(&pod.name));
    }
    text += &format!("{:<width$}  {sum} of {} pods\n", "sum", all.len());
    if output.is_words() {
        output.say(&output.painted(&text))?;
    } else {
        let value = |pod: &PodOutcome| {
            object! {
                "pod": pod.name.as_str(),
                "address": pod.address.to_string(),
                "held": pod.held,
                "error": pod.trouble.as_deref(),
            }
        };
        output.data(list(&mut all.iter().map(value)).to_string().as_bytes(), &names)?;
    }
    match failed {
        0 => Ok(()),
        _ if unreachable == all.len() => Err(Trouble::Unreachable(String::from("no pod answers"))),
        _ => Err(Trouble::Refused(format!("{failed} of {} pods did not do it", all.len()))),
    }
}
