//! The transactions of a key, as its log tells them: phase 1, then phase 2, one at a time.

use crate::crash::input::StreamKey;
use crate::crash::pipeline::sink_log::{OutboxPiece, Said, TransactionId};
use crate::crash::pipeline::store::Offset;

/// The transactions of a key, up to the last record that was followed.
#[derive(Clone, Debug, Default)]
pub(super) struct TransactionTrail {
    /// Where the last 2-ok ended.
    pub(super) end: Offset,
    /// How many 2-ok there were.
    pub(super) committed: u64,
    /// The one that is open.
    open: Option<PreparedRange>,
    /// The piece of the outbox that was put out last.
    last_piece: Option<OutboxPiece>,
}

/// A transaction between its phases.
#[derive(Clone, Debug)]
struct PreparedRange {
    id: TransactionId,
    start: Offset,
    end: Offset,
    crc: u32,
    pieces: Vec<OutboxPiece>,
    /// Whether phase 1 said that it is not to count.
    refused: bool,
}

/// What a record means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogEvent {
    /// Nothing that a reader of the output sees.
    Nothing,
    /// More bytes count.
    Commit(CommitEvent),
    /// It cannot follow what stands before it: why.
    Impossible(String),
}

/// A record says that more bytes count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommitEvent {
    /// Whose.
    pub(super) id: TransactionId,
    /// Up to where.
    pub(super) end: Offset,
    /// Where phase 1 began, and the CRC-32 (IEEE) that it told, if there was one.
    pub(super) prepared: Option<(Offset, u32)>,
    /// What is wrong with its range, if it is.
    pub(super) wrong: Option<String>,
    /// What is wrong with who put it out, if it is, and from which byte on.
    pub(super) fallen: Option<(OutboxPiece, String)>,
}

impl TransactionTrail {
    /// Follows the next record.
    pub(super) fn follow(&mut self, key: StreamKey, said: Said) -> LogEvent {
        let stranger = match &said {
            Said::Prepared { id, .. } | Said::Committed { id, .. } | Said::Refused { id, .. } => Some(*id),
            Said::RolledBack { id, .. } => Some(*id),
            Said::Uncommitted(_) => None,
        };
        if let Some(id) = stranger.filter(|id| id.key != key) {
            return LogEvent::Impossible(format!("transaction {id} is of another key"));
        }
        match said {
            Said::Prepared { id, start, end, crc, pieces } => {
                self.prepare(PreparedRange { id, start, end, crc, pieces, refused: false })
            }
            Said::Refused { id, start, end, crc } => {
                self.prepare(PreparedRange { id, start, end, crc, pieces: Vec::new(), refused: true })
            }
            Said::Committed { id, end } => LogEvent::Commit(self.commit(id, end)),
            Said::RolledBack { id, start } => self.roll_back(id, start),
            Said::Uncommitted(_) => LogEvent::Nothing,
        }
    }

    fn prepare(&mut self, next: PreparedRange) -> LogEvent {
        match self.open.replace(next) {
            None => LogEvent::Nothing,
            Some(open) => LogEvent::Impossible(format!("a transaction began while {} was open", open.id)),
        }
    }

    fn roll_back(&mut self, id: TransactionId, start: Offset) -> LogEvent {
        match self.open.take() {
            Some(open) if open.id == id && open.start == start => LogEvent::Nothing,
            Some(open) if open.id == id => LogEvent::Impossible(format!(
                "{id} was prepared from byte {}, and rolled back to byte {start}",
                open.start
            )),
            Some(open) => LogEvent::Impossible(format!("{id} was rolled back while {} was open", open.id)),
            None => LogEvent::Impossible(format!("{id} was rolled back and was not open")),
        }
    }

    fn commit(&mut self, id: TransactionId, end: Offset) -> CommitEvent {
        let before = std::mem::replace(&mut self.end, end);
        self.committed += 1;
        let Some(open) = self.open.take() else {
            let wrong = Some(format!("{id} was committed and was not open"));
            return CommitEvent { id, end, prepared: None, wrong, fallen: None };
        };
        let wrong = if open.id != id {
            Some(format!("{id} was committed while {} was open", open.id))
        } else if open.refused {
            Some(format!("{id} was committed although it was to be rolled back"))
        } else if open.start != before {
            Some(format!("{id} begins at byte {}, and what counts ended at byte {before}", open.start))
        } else if open.end != end {
            Some(format!("{id} was prepared up to byte {}, and committed up to byte {end}", open.end))
        } else {
            None
        };
        // What was rolled back is read from the outbox again: only what counts is in order.
        let fallen = open.pieces.into_iter().find_map(|piece| self.pass_piece(piece).map(|why| (piece, why)));
        CommitEvent { id, end, prepared: Some((open.start, open.crc)), wrong, fallen }
    }

    /// An epoch is of one owner, and the next owner has a higher one.
    fn pass_piece(&mut self, piece: OutboxPiece) -> Option<String> {
        let last = self.last_piece.replace(piece)?;
        let OutboxPiece { worker, epoch, .. } = piece;
        if epoch < last.epoch {
            return Some(format!(
                "worker {worker} put out with epoch {epoch} after worker {} had with epoch {}",
                last.worker, last.epoch
            ));
        }
        (epoch == last.epoch && worker != last.worker)
            .then(|| format!("worker {worker} put out with epoch {epoch}, which worker {} had before", last.worker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: StreamKey = StreamKey(b'A');

    fn id(number: u64) -> TransactionId {
        TransactionId { key: KEY, epoch: 1, number }
    }

    fn prepared(number: u64, start: Offset, end: Offset, owners: &[(u32, u64)]) -> Said {
        let pieces = owners.iter().map(|(worker, epoch)| OutboxPiece { start, end, worker: *worker, epoch: *epoch });
        Said::Prepared { id: id(number), start, end, crc: 9, pieces: pieces.collect() }
    }

    fn committed(number: u64, end: Offset) -> Said {
        Said::Committed { id: id(number), end }
    }

    /// What is wrong with the last of these records.
    fn wrong(said: impl IntoIterator<Item = Said>) -> Option<String> {
        let mut trail = TransactionTrail::default();
        let mut last = None;
        for said in said {
            assert_eq!(last, None);
            last = match trail.follow(KEY, said) {
                LogEvent::Nothing => None,
                LogEvent::Commit(commit) => commit.wrong.or(commit.fallen.map(|(_, why)| why)),
                LogEvent::Impossible(why) => Some(why),
            };
        }
        last
    }

    #[test]
    fn transactions_one_after_the_other_are_right() {
        let refused = Said::Refused { id: id(2), start: 5, end: 9, crc: 0 };
        let back = |number| Said::RolledBack { id: id(number), start: 5 };
        let listed = Said::Uncommitted(vec![id(3)]);
        let first = [prepared(1, 0, 5, &[]), committed(1, 5), refused, back(2)];
        let second = [prepared(3, 5, 8, &[(1, 4)]), listed, back(3), prepared(4, 5, 9, &[(2, 3)]), committed(4, 9)];
        assert_eq!(wrong(first.into_iter().chain(second)), None, "what was rolled back is not put out");
    }

    #[test]
    fn ranges_join() {
        for (said, why) in [
            (vec![committed(1, 5)], "was not open"),
            (vec![prepared(1, 0, 5, &[]), committed(2, 5)], "while A:1:1 was open"),
            (vec![prepared(1, 0, 5, &[]), prepared(2, 5, 6, &[])], "while A:1:1 was open"),
            (vec![prepared(1, 1, 5, &[]), committed(1, 5)], "begins at byte 1, and what counts ended at byte 0"),
            (vec![prepared(1, 0, 5, &[]), committed(1, 4)], "up to byte 5, and committed up to byte 4"),
            (vec![Said::RolledBack { id: id(1), start: 0 }], "was not open"),
            (vec![prepared(1, 0, 5, &[]), Said::RolledBack { id: id(1), start: 1 }], "rolled back to byte 1"),
            (vec![Said::Refused { id: id(1), start: 0, end: 5, crc: 0 }, committed(1, 5)], "although"),
            (vec![Said::Committed { id: TransactionId { key: StreamKey(b'B'), ..id(1) }, end: 5 }], "of another key"),
        ] {
            let wrong = wrong(said).unwrap();
            assert!(wrong.contains(why), "{wrong}");
        }
    }

    #[test]
    fn epochs_rise_and_are_of_one_worker_each() {
        let after = |owners: &[(u32, u64)]| {
            wrong([prepared(1, 0, 5, &[(1, 4)]), committed(1, 5), prepared(2, 5, 9, owners), committed(2, 9)])
        };
        assert_eq!(after(&[(1, 4), (2, 5), (1, 7)]), None);
        assert_eq!(
            after(&[(2, 5), (1, 4)]).as_deref(),
            Some("worker 1 put out with epoch 4 after worker 2 had with epoch 5")
        );
        assert!(after(&[(3, 3)]).unwrap().contains("after worker 1 had with epoch 4"));
        assert!(after(&[(2, 4)]).unwrap().contains("which worker 1 had before"));
    }
}
