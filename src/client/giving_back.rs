//! `testero spread release`: all pods behind a name give back what they hold.

use crate::client::outcomes::{self, PodOutcome};
use crate::client::output::Output;
use crate::client::pods::{Pod, Services, found, on_each};
use crate::client::reply::receipt_of;
use crate::client::{Remote, SILENCE, Trouble};
use crate::http::client::Taker;

/// Each pod gives back what it holds of a group, or everything where that is empty.
///
/// # Errors
/// When not all have done it.
pub(super) fn release(services: &[String], group: &str, token: Option<&str>, output: &Output) -> Result<(), Trouble> {
    let mut pods: Vec<(Pod, Result<u64, Trouble>)> = Vec::new();
    for mut pod in found(&Services::Named(services), token)? {
        let result = match pod.status.take() {
            Some(Err(why)) => Err(why),
            _ => Ok(0),
        };
        pods.push((pod, result));
    }
    let path = if group.is_empty() { String::from("/api") } else { format!("/api/{group}") };
    // A load that is stopped is over at once.
    let wait = if group == "cpu" { "" } else { "&wait=true" };
    on_each(&mut pods, &|(pod, result)| {
        if result.is_ok() {
            let service = Remote { url: pod.url(), token, connections: None };
            let reply = service.reply("DELETE", &format!("{path}?format=json{wait}"), SILENCE, Taker::Whole);
            *result = reply.and_then(|reply| receipt_of(&reply, group)).map(|_| 0);
        }
    });
    let (mut done, mut all) = (0, Vec::with_capacity(pods.len()));
    for (pod, result) in &pods {
        done += usize::from(result.is_ok());
        all.push(PodOutcome::of(pod, result, String::from("released"), None));
    }
    outcomes::tell(&all, &format!("released by {done}"), output)
}
