//! The command line: the program asks a running one, because in its image there is no curl.
//!
//! ```text
//! commands     the table of commands, with their flags in `flags`: `help` and `completions` are made of it
//! args, said   the arguments become a job
//! place        a command after its flags
//! call         a change is asked for, and its `progress` told; `interrupt` where nobody waits any longer
//! status       what there is to know; `watch` again and again
//! pods         all pods behind a name, which `names` asks name servers for, in the words of `dns`
//! spread       one amount over all of them, with rows that are `live`; `giving_back` ends it, and
//!              `outcomes` tell what became of each
//! top          what each of them holds and uses, in a `table`
//! scenario     a file that pods play; a feature
//! http         any request
//! recorder     what a service holds and uses becomes a recording
//! reply        what came back, in JSON
//! output       how it is printed: in words, as JSON, as `yaml`
//! ```

pub mod args;
pub mod call;
pub mod commands;
pub mod completions;
mod dns;
pub mod flags;
mod giving_back;
pub mod help;
pub mod http;
mod interrupt;
mod live;
mod names;
mod outcomes;
pub mod output;
pub mod place;
mod pods;
mod progress;
#[cfg(feature = "scenario")]
pub mod recorder;
mod reply;
mod said;
#[cfg(feature = "scenario")]
pub mod scenario;
pub mod spread;
pub mod status;
mod table;
pub mod top;
mod watch;
mod yaml;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::http::client::{Connections, Exchange, Reply, Taker, Url};
use crate::settings::token::TokenSource;

/// How long anything may take where nobody asked to wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a service may be silent while it tells how far it is: it says something twice a second.
const SILENCE: Duration = Duration::from_secs(30);

/// What the user wants done, and of whom.
#[derive(Debug)]
pub struct ClientCommand {
    /// What.
    pub what: Action,
    /// The service's URL.
    pub url: String,
    /// The token it may want.
    pub token: Option<TokenSource>,
    /// How the answer is printed.
    pub output: output::Output,
    /// What a further command needs to reach the same service: nothing, or ` --url …`.
    pub remedy: String,
}

/// What the user wants done.
#[derive(Debug)]
pub enum Action {
    /// To be told.
    Show(status::Show),
    /// A change.
    Call(call::Call),
    /// A change of many.
    Spread(spread::Spread),
    /// All pods behind these names give back a group, or everything where it is empty.
    SpreadRelease(Vec<String>, &'static str),
    /// To be told of all pods.
    Top(top::Overview),
    /// To be told whether the probe of this path is well.
    Probe(&'static str),
    /// To be told of faults.
    Faults,
    /// A file that is played, or what is asked of it.
    #[cfg(feature = "scenario")]
    Scenario(scenario::words::ScenarioCall),
    /// Any request.
    Http(http::Http),
    /// The script for a shell.
    Completions(completions::Shell),
    /// What such a script asks for: what may stand where the last of these words does.
    Complete(Vec<String>),
}

/// Why it was not done. The exit code tells scripts.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The service refused it, or it failed: 1.
    Refused(String),
    /// Nobody answered: 3.
    Unreachable(String),
    /// A file has these mistakes, a line each, and nothing was asked: 2.
    Mistakes(String),
}

impl Trouble {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Mistakes(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }

    /// What to say.
    pub fn words(&self) -> &str {
        match self {
            Self::Refused(words) | Self::Unreachable(words) | Self::Mistakes(words) => words,
        }
    }
}

/// Does it.
///
/// # Errors
/// When it could not be done.
pub fn run(job: &ClientCommand) -> Result<(), Trouble> {
    let token = job.token.as_ref().map(TokenSource::read).transpose();
    let token = match token {
        // Who types is offered what there is without one.
        Err(_) if matches!(job.what, Action::Complete(_)) => None,
        token => token.map_err(|error| Trouble::Refused(format!("the token cannot be read: {error}")))?,
    };
    let connections = Connections::default();
    let mut service = Remote { url: &job.url, token: token.as_deref(), connections: None };
    match &job.what {
        Action::Show(show) => {
            // Who watches asks again and again.
            service.connections = show.watch.then_some(&connections);
            show.run(&service, &job.output)
        }
        Action::Call(call) => call.run(&service, &job.output, &job.remedy),
        Action::Spread(spread) => spread.run(token.as_deref(), &job.output),
        Action::SpreadRelease(services, group) => giving_back::release(services, group, token.as_deref(), &job.output),
        Action::Top(overview) => overview.run(&job.url, token.as_deref(), &job.output),
        Action::Probe(path) => status::probe(path, &service, &job.output),
        Action::Faults => status::faults(&service, &job.output),
        #[cfg(feature = "scenario")]
        Action::Scenario(call) => scenario::run(call, &service),
        Action::Http(http) => http.run(&service),
        Action::Completions(shell) => print(shell.script()),
        Action::Complete(words) => print(&completions::offered(words, &|| status::active_faults(&service))),
    }
}

/// The service that is asked.
struct Remote<'s> {
    url: &'s str,
    token: Option<&'s str>,
    connections: Option<&'s Connections>,
}

impl Remote<'_> {
    /// Asks for a path and query, below the URL's own path.
    fn ask(&self, method: &str, target: &str) -> Result<Reply, Trouble> {
        self.reply(method, target, PATIENCE, Taker::Whole)
    }

    /// A reply. Who takes lines waits for what comes in them, as long as something does; all else is there in time, or not
    /// at all: no drop by drop.
    fn reply(&self, method: &str, target: &str, patience: Duration, taker: Taker<'_>) -> Result<Reply, Trouble> {
        self.exchanged(method, target, &[], patience, taker)
    }

    /// The reply to a body.
    #[cfg(feature = "scenario")]
    fn give(&self, method: &str, target: &str, body: &[u8]) -> Result<Reply, Trouble> {
        self.exchanged(method, target, body, PATIENCE, Taker::Whole)
    }

    fn exchanged(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        patience: Duration,
        taker: Taker<'_>,
    ) -> Result<Reply, Trouble> {
        let asked = |taker: Taker<'_>| -> io::Result<Reply> {
            let url = Url::parse(self.url)?;
            let target = format!("{}{target}", url.path.trim_end_matches('/'));
            let (authority, token) = (url.authority, self.token);
            let waits = matches!(taker, Taker::Lines(_));
            let deadline = Instant::now() + patience;
            let addresses = url.addresses(if waits { Instant::now() + PATIENCE } else { deadline })?;
            let deadline = (!waits).then_some(deadline);
            let connections = self.connections;
            let exchange = Exchange { authority, method, target: &target, token, connections, patience, deadline };
            if body.is_empty() { exchange.taken(&addresses, taker) } else { exchange.given(&addresses, body, taker) }
        };
        let is_raw = matches!(taker, Taker::BodyPieces(_));
        let reply = asked(taker).map_err(|error| Trouble::Unreachable(format!("{}: {error}", self.url)))?;
        // Who asks for any request is told the status, too.
        if reply.status == 401 && !is_raw {
            return Err(Trouble::Refused(String::from(reply::token_trouble(self.token))));
        }
        Ok(reply)
    }
}

/// Writes to stdout. A reader that has gone away is no failure.
fn print(text: &str) -> Result<(), Trouble> {
    has_reader(text).map(drop)
}

/// Writes to stdout, and says whether somebody still reads it.
fn has_reader(text: &str) -> Result<bool, Trouble> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Trouble::Refused(format!("cannot write: {error}"))),
    }
}

/// Writes a line to stderr, where nobody may be to read it.
fn complain(words: &str) {
    let _ = writeln!(io::stderr(), "testero: {words}");
}
