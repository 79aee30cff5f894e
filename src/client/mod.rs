//! The command line: the program asks a running one, because in its image there is no curl.
//!
//! ```text
//! words        the arguments become a job
//! place        a command after its flags
//! call         a change is asked for, and its progress told
//! show         what there is to know
//! pods         all pods behind a name
//! spread       one amount over all pods behind a name
//! scenario     a file that pods play; a feature
//! http         any request
//! recorder     what a service holds and uses becomes a recording
//! completions  what a shell offers while one types
//! reply        what came back, in JSON
//! ```

pub mod args;
pub mod call;
pub mod commands;
pub mod completions;
pub mod http;
pub mod place;
mod pods;
#[cfg(feature = "scenario")]
pub mod recorder;
mod reply;
#[cfg(feature = "scenario")]
pub mod scenario;
pub mod spread;
pub mod status;

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
    /// A file that is played, or what is asked of it.
    #[cfg(feature = "scenario")]
    Scenario(scenario::words::ScenarioCall),
    /// Any request.
    Http(http::Http),
    /// The script for a shell.
    Completions(completions::Shell),
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
    let token = || job.token.as_ref().map(TokenSource::read).transpose();
    let token = token().map_err(|error| Trouble::Refused(format!("the token cannot be read: {error}")))?;
    let connections = Connections::default();
    let mut service = Remote { url: &job.url, token: token.as_deref(), connections: None };
    match &job.what {
        Action::Show(show) => {
            // Who watches asks again and again.
            service.connections = show.watch.then_some(&connections);
            show.run(&service)
        }
        Action::Call(call) => call.run(&service),
        Action::Spread(spread) => spread.run(token.as_deref()),
        #[cfg(feature = "scenario")]
        Action::Scenario(call) => scenario::run(call, &service),
        Action::Http(http) => http.run(&service),
        Action::Completions(shell) => print(&shell.script()),
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
        let asked = || -> io::Result<Reply> {
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
        asked().map_err(|error| Trouble::Unreachable(format!("{}: {error}", self.url)))
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
