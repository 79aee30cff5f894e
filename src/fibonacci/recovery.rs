//! What a start makes of the files that it finds.
//!
//! The journal of the highest generation counts, unless another file proves that it lacks steps: an older journal with more
//! of them than the newer one began with, or `fibo.csv`, which is only written with what is in the journal already. Then
//! whatever knows of the most steps counts. Files that do not count, and that this service did not leave behind in its own
//! course, are kept under another name and told of.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::csv;
use super::export::Export;
use super::files::{StateFolder, keep_aside};
use super::journal::{self, End};
use super::sequence::{Position, last_index};
use super::state_store::{CSV, JOURNAL, NEW, StateStore};
use crate::settings::fibonacci::MOST_DIGITS;
use crate::sorting::sort_by;

/// What was found in a folder.
pub struct Found {
    /// The ledger, ready for more.
    pub store: StateStore,
    /// Where the sequence stands.
    pub at: Position,
    /// Who writes `fibo.csv`.
    pub export: Export,
    /// Files that are damaged, by the paths they now have.
    pub damaged: Vec<PathBuf>,
    /// Files that are whole and do not count, by the paths they now have, and what is wrong with them.
    pub refused: Vec<(PathBuf, &'static str)>,
    /// Whether the state was the original's.
    pub taken_over: bool,
}

/// A journal with a valid header.
struct Candidate {
    name: String,
    at: Position,
    is_whole: bool,
    /// Steps when it began.
    start: u64,
    /// Steps before its last batch, which may be one that nobody was told of.
    confirmed: u64,
}

impl StateStore {
    /// Reads what is there, and begins a new journal. Where that cannot be (the disk is full), the ledger is there all the
    /// same, and tries again with the next step.
    ///
    /// # Errors
    /// When the folder, or a file in it, cannot be read.
    pub fn open(folder: Arc<dyn StateFolder>) -> io::Result<Found> {
        let names = folder.names()?;
        for name in names.iter().filter(|name| is_unfinished(name)) {
            // Never became whole; if it cannot be removed now, the next one of that name takes its place.
            let _ = folder.remove(name);
        }
        let mut journals: Vec<(u64, &String)> =
            names.iter().filter_map(|name| Some((generation(name)?, name))).collect();
        sort_by(&mut journals, &|one, other| other.cmp(one));

        let (mut best, mut damaged, mut stale) = (None::<Candidate>, Vec::new(), Vec::new());
        let mut behind = Vec::new();
        // What the file system says comes first, so that a change in between is noticed later.
        let stamp = folder.stamp(CSV)?;
        let csv_bytes = stamp.map(|_| folder.read(CSV)).transpose()?;
        let said = csv_bytes.as_deref().and_then(csv::at);
        let mut is_ours = false;
        for (generation, name) in &journals {
            let bytes = folder.read(name)?;
            let found = read(&bytes, *generation, name);
            is_ours = is_ours || said.is_some_and(|said| found.is_some() && journal::knows(&bytes, said));
            let is_whole = found.as_ref().is_some_and(|found| found.is_whole);
            if is_whole { &mut stale } else { &mut damaged }.push((*name).clone());
            best = match (best, found) {
                (Some(newer), Some(older)) if !newer.is_whole || older.confirmed > newer.start => {
                    let (more, less) = if older.at.hits > newer.at.hits { (older, newer) } else { (newer, older) };
                    if less.is_whole && more.is_whole {
                        behind.push(less.name);
                    }
                    Some(more)
                }
                (newer, older) => newer.or(older),
            };
        }
        let mut at = best.as_ref().map(|best| best.at);
        let (mut taken_over, mut refused, mut bad_csv) = (false, Vec::new(), None);
        if csv_bytes.is_some() {
            match judge_csv(said, is_ours, best.as_ref().map(|best| best.at)) {
                Csv::Behind => {}
                Csv::Counts(said) => {
                    taken_over = at.map_or(journals.is_empty(), |at| at.hits == 0);
                    at = Some(said);
                    behind.extend(best.filter(|best| best.is_whole && !taken_over).map(|best| best.name));
                }
                verdict => bad_csv = Some(verdict),
            }
        }
        // Nothing that counts is in these, so they may go first: new ones are to come under their names.
        let mut aside = Vec::new();
        let mut export = Export::new(Arc::clone(&folder));
        match (bad_csv, stamp, csv_bytes) {
            (None, Some(stamp), Some(bytes)) => export.has_read(stamp, &bytes),
            (None, ..) => {}
            (Some(Csv::Foreign), ..) => refused.push((keep_aside(&*folder, CSV)?, "does not belong to the journal")),
            (Some(_), ..) => aside.push(keep_aside(&*folder, CSV)?),
        }
        for name in &behind {
            refused.push((keep_aside(&*folder, name)?, "lacks steps that another file has"));
        }
        stale.retain(|name| !behind.contains(name));
        let at = at.unwrap_or_default();
        let generation = journals.first().map_or(0, |(generation, _)| *generation);
        let mut store = Self::new(Arc::clone(&folder), generation, at, stale, said.unwrap_or(at));
        match store.begin(at) {
            Ok(()) => {
                for name in &damaged {
                    aside.push(keep_aside(&*folder, name)?);
                }
            }
            Err(error) => {
                log::error!("Cannot begin a new journal, steps are refused: {error}");
                aside.extend(damaged.iter().map(|name| folder.path(name)));
            }
        }
        Ok(Found { store, at, export, damaged: aside, refused, taken_over })
    }
}

/// The generation of a journal of this name.
fn generation(name: &str) -> Option<u64> {
    let number = name.strip_prefix(JOURNAL)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
}

/// Whether a file of this name is one of ours that was never finished.
fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(NEW).is_some_and(|name| name == CSV || generation(name).is_some())
}

fn read(bytes: &[u8], generation: u64, name: &str) -> Option<Candidate> {
    let (mut start, mut confirmed) = (None, None);
    let read = journal::walk(bytes, &mut |at, _| {
        start.get_or_insert(at.hits);
        confirmed = Some(at.hits);
    });
    // Nothing that was ever written is beyond the last index.
    let read = read.filter(|read| read.generation == generation && read.at.index <= last_index(MOST_DIGITS));
    read.map(|read| {
        let hits = read.at.hits;
        let (start, confirmed) = (start.unwrap_or(hits), confirmed.unwrap_or(hits));
        let is_whole = read.end != End::Damaged;
        Candidate { name: name.to_owned(), at: read.at, is_whole, start, confirmed }
    })
}

/// What `fibo.csv` is beside the journal.
enum Csv {
    /// The journal has what it says.
    Behind,
    /// It says more than the journal.
    Counts(Position),
    /// No journal was ever there.
    Foreign,
    /// It is no state.
    Damaged,
}

fn judge_csv(said: Option<Position>, is_ours: bool, journal: Option<Position>) -> Csv {
    let Some(said) = said else { return Csv::Damaged };
    match journal {
        Some(journal) if said.hits <= journal.hits && (journal.hits > 0 || said == journal) => {
            if is_ours {
                Csv::Behind
            } else {
                Csv::Foreign
            }
        }
        _ => Csv::Counts(said),
    }
}
