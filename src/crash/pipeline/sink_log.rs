//! The sink's record of its transactions: one JSON array a line.
//!
//! ```text
//! [time, "1-ok", "K:epoch:n", [[1, start, end]], crc, [[start, end, worker, epoch], …]]
//! [time, "2-ok", "K:epoch:n", end]
//! [time, "1-rollback", "K:epoch:n", [[1, start, end]], crc]
//! [time, "2-rollback", "K:epoch:n", start]
//! [time, "list-uncommitted", "", ["K:epoch:n", …]]
//! ```
//!
//! Phase 1 says that the bytes from `start` to `end` are on disk (crc: their CRC-32, IEEE), and which entries of the outbox
//! they are; phase 2, that they count, or that they do not. The time is in seconds since the epoch.

use std::fmt;

use tinyjson::JsonValue;

use crate::crash::input::StreamKey;
use crate::crash::pipeline::store::Offset;
use crate::service::json::{Value, list};

/// Records have lists in lists in lists.
const MOST_DEPTH: usize = 3;

/// The name of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId {
    /// Of which key.
    pub key: StreamKey,
    /// Of which sink.
    pub epoch: u64,
    /// Which one of that sink and key, from 1.
    pub number: u64,
}

/// A piece of a transaction: an entry of the outbox, or the part of one that was not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxPiece {
    /// Where it begins.
    pub start: Offset,
    /// Where it ends.
    pub end: Offset,
    /// Who put it out.
    pub worker: u32,
    /// In which epoch.
    pub epoch: u64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Seconds since the epoch.
    pub time: f64,
    /// What it says.
    pub said: Said,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `1-ok`: the bytes are on disk.
    Prepared {
        /// Whose.
        id: TransactionId,
        /// From where.
        start: Offset,
        /// Up to where.
        end: Offset,
        /// Their CRC-32 (IEEE).
        crc: u32,
        /// What they are made of.
        pieces: Vec<OutboxPiece>,
    },
    /// `2-ok`: the bytes before `end` count.
    Committed {
        /// Whose.
        id: TransactionId,
        /// Up to where.
        end: Offset,
    },
    /// `1-rollback`: the bytes are on disk, and are not to count.
    Refused {
        /// Whose.
        id: TransactionId,
        /// From where.
        start: Offset,
        /// Up to where.
        end: Offset,
        /// Their CRC-32 (IEEE).
        crc: u32,
    },
    /// `2-rollback`: the bytes from `start` on do not count.
    RolledBack {
        /// Whose.
        id: TransactionId,
        /// From where.
        start: Offset,
    },
    /// `list-uncommitted`: which transactions were open when the sink started.
    Uncommitted(Vec<TransactionId>),
}

impl Record {
    /// Its line, with its end.
    pub fn line(&self) -> String {
        let range = |start: &Offset, end: &Offset| row([row([Value::of(&1u64), Value::of(start), Value::of(end)])]);
        let (kind, id, rest) = match &self.said {
            Said::Prepared { id, start, end, crc, pieces } => {
                let pieces = pieces.iter().map(|piece| {
                    row([piece.start, piece.end, u64::from(piece.worker), piece.epoch].map(|number| Value::of(&number)))
                });
                ("1-ok", id.to_string(), vec![range(start, end), Value::of(crc), list(&mut { pieces })])
            }
            Said::Committed { id, end } => ("2-ok", id.to_string(), vec![Value::of(end)]),
            Said::Refused { id, start, end, crc } => {
                ("1-rollback", id.to_string(), vec![range(start, end), Value::of(crc)])
            }
            Said::RolledBack { id, start } => ("2-rollback", id.to_string(), vec![Value::of(start)]),
            Said::Uncommitted(open) => {
                let open = list(&mut open.iter().map(|id| Value::of(&id.to_string())));
                ("list-uncommitted", String::new(), vec![open])
            }
        };
        let mut all = vec![Value::of(&self.time), Value::of(&kind), Value::of(&id)];
        all.extend(rest);
        format!("{}\n", list(&mut all.into_iter()))
    }

    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|_| String::from("a line is not UTF-8"))?;
        let wrong = |why: &str| format!("{why}: {}", text.trim_end());
        // The parser goes down a level for each bracket; what was damaged may have any number of them.
        if depth(text) > MOST_DEPTH {
            return Err(wrong("a line is no record"));
        }
        let json: JsonValue = text.parse().map_err(|_| wrong("a line is no JSON"))?;
        let fields: &Vec<JsonValue> = json.get().ok_or_else(|| wrong("a line is no array"))?;
        let short = || wrong("a line lacks a field");
        let [time, kind, id, rest @ ..] = fields.as_slice() else { return Err(short()) };
        let time = *time.get::<f64>().ok_or_else(|| wrong("the time is no number"))?;
        let kind: &String = kind.get().ok_or_else(|| wrong("the kind is no text"))?;
        let id = id.get::<String>().ok_or_else(|| wrong("the transaction is no text"))?;
        let id = || TransactionId::parse(id).ok_or_else(|| wrong("the transaction has no name"));
        let at = |place: usize| rest.get(place).ok_or_else(short);
        let offset = |place: usize| at(place).and_then(|value| whole(value).ok_or_else(short));
        let range = || {
            let ranges = at(0)?.get::<Vec<JsonValue>>().ok_or_else(short)?;
            match numbers(ranges.first().ok_or_else(short)?).as_deref() {
                Some([_, start, end]) if start <= end => Ok((*start, *end)),
                _ => Err(wrong("the range is none")),
            }
        };
        let crc = || u32::try_from(offset(1)?).map_err(|_| wrong("the CRC is too long"));
        let said = match kind.as_str() {
            "1-ok" => {
                let (start, end) = range()?;
                // Other sinks may not tell.
                let pieces = rest.get(2).and_then(|pieces| pieces.get::<Vec<JsonValue>>());
                let pieces = pieces.into_iter().flatten().map(|piece| {
                    let numbers = numbers(piece).ok_or_else(short)?;
                    let [start, end, worker, epoch] = numbers[..] else { return Err(short()) };
                    Ok(OutboxPiece { start, end, worker: u32::try_from(worker).map_err(|_| short())?, epoch })
                });
                Said::Prepared { id: id()?, start, end, crc: crc()?, pieces: pieces.collect::<Result<_, _>>()? }
            }
            "2-ok" => Said::Committed { id: id()?, end: offset(0)? },
            "1-rollback" => {
                let (start, end) = range()?;
                Said::Refused { id: id()?, start, end, crc: crc()? }
            }
            "2-rollback" => Said::RolledBack { id: id()?, start: offset(0)? },
            "list-uncommitted" => {
                let open = at(0)?.get::<Vec<JsonValue>>().ok_or_else(short)?;
                let open = open.iter().map(|id| id.get::<String>().and_then(|id| TransactionId::parse(id)));
                Said::Uncommitted(open.collect::<Option<_>>().ok_or_else(short)?)
            }
            _ => return Err(wrong("the kind is unknown")),
        };
        Ok(Self { time, said })
    }
}

/// How many brackets are open at most, those in texts aside.
fn depth(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    let mut bytes = text.bytes();
    let mut in_text = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => drop(bytes.next()),
            b'[' | b'{' if !in_text => open += 1,
            b']' | b'}' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

fn row<const N: usize>(values: [Value; N]) -> Value {
    list(&mut values.into_iter())
}

fn whole(value: &JsonValue) -> Option<u64> {
    // Exact up to 2^53, which is more than any file is long.
    let number = *value.get::<f64>()?;
    (number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number)).then_some(number as u64)
}

fn numbers(value: &JsonValue) -> Option<Vec<u64>> {
    value.get::<Vec<JsonValue>>()?.iter().map(whole).collect()
}

impl TransactionId {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let key = match parts.next()?.as_bytes() {
            [key] => StreamKey(*key),
            _ => return None,
        };
        let (epoch, number) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { key, epoch, number })
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.key, self.epoch, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let id = TransactionId { key: StreamKey(b'A'), epoch: 3, number: 12 };
        let pieces = vec![
            OutboxPiece { start: 5, end: 7, worker: 1, epoch: 4 },
            OutboxPiece { start: 7, end: 9, worker: 2, epoch: 5 },
        ];
        for (said, text) in [
            (
                Said::Prepared { id, start: 5, end: 9, crc: u32::MAX, pieces },
                r#"[1.5,"1-ok","A:3:12",[[1,5,9]],4294967295,[[5,7,1,4],[7,9,2,5]]]"#,
            ),
            (Said::Committed { id, end: 9 }, r#"[1.5,"2-ok","A:3:12",9]"#),
            (Said::Refused { id, start: 5, end: 9, crc: 0 }, r#"[1.5,"1-rollback","A:3:12",[[1,5,9]],0]"#),
            (Said::RolledBack { id, start: 5 }, r#"[1.5,"2-rollback","A:3:12",5]"#),
            (Said::Uncommitted(vec![id]), r#"[1.5,"list-uncommitted","",["A:3:12"]]"#),
        ] {
            let record = Record { time: 1.5, said };
            assert_eq!(record.line(), format!("{text}\n"));
            assert_eq!(Record::parse(text.as_bytes()).unwrap(), record);
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            "[",
            "{}",
            "[1]",
            r#"[1,"2-ok","A:3",9]"#,
            r#"[1,"2-ok","A:3:1"]"#,
            r#"[1,"2-ok","A:3:1",-1]"#,
            r#"[1,"2-ok","A:3:1",1.5]"#,
            r#"[1,"1-ok","A:3:1",[[1,9,5]],0]"#,
            r#"[1,"1-ok","A:3:1",[],0]"#,
            r#"[1,"3-ok","A:3:1",9]"#,
        ] {
            assert!(Record::parse(text.as_bytes()).is_err(), "{text}");
        }
        // Many levels, which would need a stack of that height.
        for (open, close) in [("[", "]"), ("{\"\":", "}"), ("[\"]\",", "")] {
            let text = format!("{}{}", open.repeat(200_000), close.repeat(200_000));
            assert!(Record::parse(text.as_bytes()).is_err(), "{open}");
        }
    }
}
