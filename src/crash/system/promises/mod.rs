//! What must hold of a user's own system, and what looks at it.
//!
//! ```text
//! judgement       what a look comes to
//! prefix          one file begins like another
//! ledger          what was acknowledged is there, and nothing that was not sent: from lines, which are hashed
//! numbers         answers that are numbers, each once: kept as ranges
//! answers         answers that have a status
//! requests        the lines that the load writes, for these two
//! command         a program that says so; program_words is what it said
//! progress        something that grows
//! number          numbers in texts
//! ```

mod answers;
mod command;
pub mod judgement;
mod ledger;
mod lines;
mod number;
mod numbers;
mod prefix;
mod program_words;
mod progress;
mod ranges;
mod requests;

use crate::crash::system::promises::judgement::PromiseKeeper;
use crate::settings::crash::system::Promise;

/// What looks at a promise, whose texts have their places filled in.
pub fn keeper_of(promise: &Promise) -> Box<dyn PromiseKeeper> {
    match promise {
        Promise::Prefix { input, output, revocable } => Box::new(prefix::PrefixKeeper::new(input, output, *revocable)),
        Promise::Ledger { sent, acked, got, order, duplicates } => {
            Box::new(ledger::LedgerKeeper::new([sent, acked, got], *order, *duplicates))
        }
        Promise::Numbers { file, member, missing } => {
            Box::new(numbers::NumbersKeeper::new(file, member.as_deref(), *missing))
        }
        Promise::Answers { file, status } => Box::new(answers::AnswersKeeper::new(file, *status)),
        Promise::Command { run, every, within } => Box::new(command::CommandKeeper::new(run, *every, *within)),
        Promise::Progress { source, within } => Box::new(progress::ProgressKeeper::new(source, *within)),
    }
}
