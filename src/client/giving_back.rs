//! `testero spread release`: all pods behind a name give back what they hold.

use crate::client::output::Output;
use crate::client::pods::{Pod, found, on_each};
use crate::client::reply::good_of;
use crate::client::{Remote, SILENCE, Trouble};
use crate::http::client::Taker;
use crate::object;
use crate::service::json::list;

/// Each pod gives back what it holds of a group, or everything where that is empty.
///
/// # Errors
/// When not all have done it.
pub(super) fn release(services: &[String], group: &str, token: Option<&str>, output: &Output) -> Result<(), Trouble> {
    let mut pods: Vec<(Pod, Result<(), Trouble>)> = Vec::new();
    for mut pod in found(services, token)? {
        let result = match pod.status.take() {
            Some(Err(why)) => Err(why),
            _ => Ok(()),
        };
        pods.push((pod, result));
    }
    let path = if group.is_empty() { String::from("/api") } else { format!("/api/{group}") };
    // A load that is stopped is over at once.
    let wait = if group == "cpu" { "" } else { "&wait=true" };
    on_each(&mut pods, &|(pod, result)| {
        if result.is_ok() {
            let url = pod.url();
            let service = Remote { url: &url, token, connections: None };
            let reply = service.reply("DELETE", &format!("{path}?format=json{wait}"), SILENCE, Taker::Whole);
            *result = reply.and_then(|reply| good_of(&reply, group)).map(drop);
        }
    });
    let names = pods.iter().map(|(pod, _)| pod.label().len()).max().unwrap_or(0);
    let (mut text, mut done, mut unreachable) = (String::new(), 0, 0);
    for (pod, result) in &pods {
        let said = match result {
            Ok(()) => String::from("released"),
            Err(Trouble::Refused(why)) => format!("refused: {why}"),
            Err(why) => format!("unreachable: {}", why.words()),
        };
        done += usize::from(result.is_ok());
        unreachable += usize::from(matches!(result, Err(Trouble::Unreachable(_))));
        text += &format!("{:<names$}  {said}\n", pod.label());
    }
    text += &format!("{:<names$}  released by {done} of {} pods\n", "sum", pods.len());
    if output.is_words() {
        output.say(&output.painted(&text))?;
    } else {
        let value = |(pod, result): &(Pod, Result<(), Trouble>)| {
            object! { "pod": pod.label(), "error": result.as_ref().err().map(Trouble::words) }
        };
        let mut names = String::new();
        pods.iter().for_each(|(pod, _)| names += &format!("pod/{}\n", pod.label()));
        output.data(list(&mut pods.iter().map(value)).to_string().as_bytes(), &names)?;
    }
    match pods.len() - done {
        0 => Ok(()),
        failed if failed == unreachable && failed == pods.len() => {
            Err(Trouble::Unreachable(String::from("no pod answers")))
        }
        failed => Err(Trouble::Refused(format!("{failed} of {} pods did not do it", pods.len()))),
    }
}
