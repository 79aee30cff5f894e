//! What a start makes of the files that it finds.
//!
//! The journal of the highest generation counts, unless another file proves that it lacks steps: an older journal with more
//! of them than the newer one began with, or `fibo.csv`, which is only written with what is in the journal already. Then
//! whatever knows of the most steps counts. Files that do not count, and that this service did not leave behind in its own
//! course, are kept under another name and told of.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::fibonacci::csv;
use crate::fibonacci::files::Folder;
use crate::fibonacci::journal::{self, End};
use crate::fibonacci::ledger::{CSV, JOURNAL, Ledger, NEW};
use crate::fibonacci::sequence::Mark;

/// What is added to the name of a file that is kept aside, with a number.
const DAMAGED: &str = ".damaged.";

/// What was found in a folder.
pub struct Found {
    /// The ledger, ready for more.
    pub ledger: Ledger,
    /// Where the sequence stands.
    pub mark: Mark,
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
    bytes: Vec<u8>,
    mark: Mark,
    is_whole: bool,
    /// Steps when it began.
    start: u64,
    /// Steps before its last batch, which may be one that nobody was told of.
    confirmed: u64,
}

impl Ledger {
    /// Reads what is there, and begins a new journal. Where that cannot be (the disk is full), the ledger is there all the
    /// same, and tries again with the next step.
    ///
    /// # Errors
    /// When the folder, or a file in it, cannot be read.
    pub fn open(folder: Arc<dyn Folder>) -> io::Result<Found> {
        let names = folder.names()?;
        for name in names.iter().filter(|name| is_unfinished(name)) {
            // Never became whole; if it cannot be removed now, the next one of that name takes its place.
            let _ = folder.remove(name);
        }
        let mut journals: Vec<(u64, &String)> =
            names.iter().filter_map(|name| Some((generation(name)?, name))).collect();
        journals.sort_unstable_by(|one, other| other.cmp(one));

        let (mut best, mut damaged, mut stale) = (None::<Candidate>, Vec::new(), Vec::new());
        let mut behind = Vec::new();
        for (generation, name) in &journals {
            let found = read(&*folder, *generation, name)?;
            let is_whole = found.as_ref().is_some_and(|found| found.is_whole);
            if is_whole { &mut stale } else { &mut damaged }.push((*name).clone());
            best = match (best, found) {
                (Some(newer), Some(older)) if !newer.is_whole || older.confirmed > newer.start => {
                    let (more, less) = if older.mark.hits > newer.mark.hits { (older, newer) } else { (newer, older) };
                    if less.is_whole && more.is_whole {
                        behind.push(less.name);
                    }
                    Some(more)
                }
                (newer, older) => newer.or(older),
            };
        }
        let mut mark = best.as_ref().map(|best| best.mark);
        let (mut taken_over, mut refused, mut bad_csv) = (false, Vec::new(), None);
        if names.iter().any(|name| name == CSV) {
            match judge_csv(&folder.read(CSV)?, best.as_ref()) {
                Csv::Behind => {}
                Csv::Counts(said) => {
                    taken_over = mark.map_or(journals.is_empty(), |mark| mark.hits == 0);
                    mark = Some(said);
                    behind.extend(best.filter(|best| best.is_whole && !taken_over).map(|best| best.name));
                }
                verdict => bad_csv = Some(verdict),
            }
        }
        // Nothing that counts is in these, so they may go first: new ones are to come under their names.
        let mut aside = Vec::new();
        match bad_csv {
            None => {}
            Some(Csv::Foreign) => refused.push((keep_aside(&*folder, CSV, &names)?, "does not belong to the journal")),
            Some(_) => aside.push(keep_aside(&*folder, CSV, &names)?),
        }
        for name in &behind {
            refused.push((keep_aside(&*folder, name, &names)?, "lacks steps that another file has"));
        }
        stale.retain(|name| !behind.contains(name));
        let mark = mark.unwrap_or_default();
        let generation = journals.first().map_or(0, |(generation, _)| *generation);
        let mut ledger = Self::new(Arc::clone(&folder), generation, mark, stale);
        match ledger.begin(mark) {
            Ok(()) => {
                for name in &damaged {
                    aside.push(keep_aside(&*folder, name, &names)?);
                }
            }
            Err(error) => {
                log::error!("Cannot begin a new journal, steps are refused: {error}");
                aside.extend(damaged.iter().map(|name| folder.path(name)));
            }
        }
        Ok(Found { ledger, mark, damaged: aside, refused, taken_over })
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

fn read(folder: &dyn Folder, generation: u64, name: &str) -> io::Result<Option<Candidate>> {
    let bytes = folder.read(name)?;
    let (mut start, mut confirmed) = (None, None);
    let read = journal::walk(&bytes, &mut |mark, _| {
        start.get_or_insert(mark.hits);
        confirmed = Some(mark.hits);
    });
    Ok(read.filter(|read| read.generation == generation).map(|read| {
        let hits = read.mark.hits;
        let (start, confirmed) = (start.unwrap_or(hits), confirmed.unwrap_or(hits));
        let is_whole = read.end != End::Damaged;
        Candidate { name: name.to_owned(), mark: read.mark, is_whole, start, confirmed, bytes }
    }))
}

/// What `fibo.csv` is beside the journal.
enum Csv {
    /// The journal has what it says.
    Behind,
    /// It says more than the journal.
    Counts(Mark),
    /// The journal was never there.
    Foreign,
    /// It is no state.
    Damaged,
}

/// The numbers in it, which may be long, are only read where they count.
fn judge_csv(bytes: &[u8], journal: Option<&Candidate>) -> Csv {
    let Some((hits, position)) = csv::counts(bytes) else { return Csv::Damaged };
    let is_at = |mark: Mark| mark.position() == position.max(1);
    let counts = journal.is_none_or(|journal| {
        hits > journal.mark.hits || (hits == 0 && journal.mark.hits == 0 && !is_at(journal.mark))
    });
    match journal {
        _ if counts => csv::mark(bytes).map_or(Csv::Damaged, Csv::Counts),
        // Older than the journal's beginning, it may be of the one before.
        Some(journal) if journal::mark_after(&journal.bytes, hits).is_some_and(|mark| !is_at(mark)) => Csv::Foreign,
        _ => Csv::Behind,
    }
}

/// Gives a file a name that nothing else has, and never will have.
fn keep_aside(folder: &dyn Folder, name: &str, names: &[String]) -> io::Result<PathBuf> {
    let aside = (1..).map(|number| format!("{name}{DAMAGED}{number}")).find(|aside| !names.contains(aside));
    let aside = aside.unwrap_or_default();
    folder.rename(name, &aside)?;
    folder.sync()?;
    Ok(folder.path(&aside))
}
