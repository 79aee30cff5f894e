//! What was said to the Fibonacci service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::Identity;
use crate::settings::given::{Given, Vocabulary};
use crate::settings::help::Help;

/// The port it listens on unless told otherwise.
const PORT: u16 = 8081;
/// How many digits a number has at most, unless told otherwise.
const LIMIT_DIGITS: u32 = 100_000;
/// What LIMITDIGITS may be at most: a step is then 100 microseconds of addition, and an answer a megabyte.
pub const MOST_DIGITS: u32 = 1_000_000;

/// The words it understands.
pub(crate) const VOCABULARY: Vocabulary = Vocabulary {
    names: &[("data-dir", "DATADIR"), ("limit-digits", "LIMITDIGITS"), ("durability", "DURABILITY")],
    serves: true,
    help: Help::Fibonacci,
};

/// When a step is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk.
    Step,
    /// At once; it is on disk within about a second.
    Interval,
}

/// How to run the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibonacciSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the state is kept.
    pub data_dir: PathBuf,
    /// How many digits a number has at most.
    pub limit_digits: u32,
    /// When a step is answered.
    pub durability: Durability,
    /// For how long the service goes on, unready, after SIGTERM.
    pub shutdown_delay: Duration,
    /// Whether log lines are JSON.
    pub json_log: bool,
    /// Which pod this is.
    pub identity: Identity,
}

impl FibonacciSettings {
    /// # Errors
    /// One line that says what is wrong and what would be right.
    pub(crate) fn mean(said: &Given) -> Result<Self, String> {
        let limit_digits = match said.said("limit-digits") {
            None => LIMIT_DIGITS,
            Some((name, text)) => text
                .parse()
                .ok()
                .filter(|digits| (1..=MOST_DIGITS).contains(digits))
                .ok_or_else(|| format!("{name} '{text}' is not a number of digits, 1 to {MOST_DIGITS}"))?,
        };
        let interval = said.switch("durability", "interval", "step")?;
        Ok(Self {
            listen: said.listen(PORT)?,
            data_dir: said.data_dir(),
            limit_digits,
            durability: if interval { Durability::Interval } else { Durability::Step },
            shutdown_delay: said.shutdown_delay()?,
            json_log: said.json_log()?,
            identity: said.identity(),
        })
    }
}
