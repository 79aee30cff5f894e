//! The limit of bytes in files, HIGHFILELIM. Two groups write files: disk, and memory of `kind=file`, whose pages are those of
//! mapped files in the same folder. The limit binds their sum.

use std::sync::Mutex;

use crate::consumer::control::store::Limit;
use crate::sync::lock;

/// Who has files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The group disk.
    Disk,
    /// The group mem, of `kind=file`.
    Mapped,
}

/// What counts of an owner: what was accepted last, or what was there before as long as the work goes on.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    accepted: u64,
    settled: u64,
}

impl Share {
    fn bytes(self) -> u64 {
        self.accepted.max(self.settled)
    }
}

/// The limit, and what counts against it.
#[derive(Debug)]
pub struct FileLimit {
    bytes: u64,
    is_fixed: bool,
    /// What sets it.
    source: String,
    /// Of each [`Owner`].
    shares: Mutex<[Share; 2]>,
}

impl FileLimit {
    /// The user's limit, or `default`.
    pub fn new(fixed: Option<Limit>, default: impl FnOnce() -> Limit) -> Self {
        let is_fixed = fixed.is_some();
        let Limit { most: bytes, source } = fixed.unwrap_or_else(default);
        log::info!("HIGHFILELIM set to: {bytes} bytes.");
        Self { bytes, is_fixed, source, shares: Mutex::default() }
    }

    /// Whether the user set it, and means it whatever room there is.
    pub fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// The most bytes that `owner` may hold beside the other, past the limit that nobody set by `force`; and what the other
    /// holds.
    pub fn beside_the_other(&self, owner: Owner, force: bool) -> (Limit, u64) {
        let other = lock(&self.shares)[1 - owner as usize].bytes();
        let name = self.source.as_str();
        let (most, source) = match (force && !self.is_fixed, other, owner) {
            (true, _, _) => (u64::MAX, String::from("force")),
            (false, 0, _) => (self.bytes, name.into()),
            (false, _, Owner::Disk) => {
                (self.bytes.saturating_sub(other), format!("{name}, less {other} bytes of memory of kind=file"))
            }
            (false, _, Owner::Mapped) => {
                (self.bytes.saturating_sub(other), format!("{name}, less {other} bytes of the files of disk"))
            }
        };
        (Limit { most, source }, other)
    }

    /// Reserves `total` bytes for `owner`. They were found to be within the limit when the other held `seen` bytes.
    ///
    /// # Errors
    /// When it has taken more since: the most bytes that would be accepted.
    pub fn reserve(&self, owner: Owner, total: u64, seen: u64) -> Result<(), u64> {
        let mut shares = lock(&self.shares);
        let other = shares[1 - owner as usize].bytes();
        if other > seen {
            return Err(self.bytes.saturating_sub(other));
        }
        let own = &mut shares[owner as usize];
        own.accepted = own.accepted.max(total);
        Ok(())
    }

    /// `total` bytes were accepted for `owner`, and count from now on; while more is there, that does.
    pub fn accepted(&self, owner: Owner, total: u64) {
        lock(&self.shares)[owner as usize].accepted = total;
    }

    /// The work of `owner` has ended, with `held` bytes there.
    pub fn settled(&self, owner: Owner, held: u64) {
        lock(&self.shares)[owner as usize].settled = held;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_binds_the_sum() {
        let limit = FileLimit::new(Some(Limit { most: 100, source: "HIGHFILELIM".into() }), || unreachable!());
        let (seen, other) = limit.beside_the_other(Owner::Mapped, false);
        assert_eq!((seen.most, other), (100, 0));
        assert_eq!(limit.reserve(Owner::Disk, 60, 0), Ok(()));
        assert_eq!(limit.reserve(Owner::Mapped, 50, other), Err(40), "disk was quicker");
        let (seen, other) = limit.beside_the_other(Owner::Mapped, true);
        assert_eq!((seen.most, other), (40, 60), "force goes past no limit that is set");
        assert_eq!(limit.reserve(Owner::Mapped, 40, other), Ok(()));
        // What goes is there until it has gone.
        limit.settled(Owner::Disk, 60);
        limit.accepted(Owner::Disk, 10);
        assert_eq!(limit.beside_the_other(Owner::Mapped, false).0.most, 40);
        limit.settled(Owner::Disk, 10);
        assert_eq!(limit.beside_the_other(Owner::Mapped, false).0.most, 90);
    }

    #[test]
    fn force_goes_past_a_default() {
        let limit = FileLimit::new(None, || Limit { most: 100, source: String::new() });
        assert_eq!(limit.reserve(Owner::Disk, 200, 0), Ok(()));
        assert_eq!(limit.beside_the_other(Owner::Mapped, true).0.most, u64::MAX);
        assert_eq!(limit.beside_the_other(Owner::Mapped, false).0.most, 0);
    }
}
