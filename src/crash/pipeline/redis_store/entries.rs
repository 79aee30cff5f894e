//! Entries of a stream, as `XRANGE` answers them: `[[ID, [field, value, …]], …]`.

use crate::crash::pipeline::redis_store::calls::number;
use crate::crash::pipeline::store::{OutboxEntry, StoreFault};
use crate::redis::value::RedisValue;

/// Reads them, the oldest first. Those of input are by no worker and of no epoch: 0.
///
/// # Errors
/// [`StoreFault::Broken`] when one of them was not written by a store, or does not begin where the one before ends.
pub(super) fn read(answer: RedisValue) -> Result<Vec<OutboxEntry>, StoreFault> {
    let broken = || StoreFault::Broken(String::from("the stream has an entry of somebody else"));
    let RedisValue::Array(entries) = answer else { return Err(broken()) };
    let entries = entries.into_iter().map(|entry| one(entry).ok_or_else(broken)).collect::<Result<Vec<_>, _>>()?;
    match entries.windows(2).find(|pair| pair[0].end() != pair[1].start) {
        Some(pair) => {
            Err(StoreFault::Broken(format!("an entry ends at {}, the next begins at {}", pair[0].end(), pair[1].start)))
        }
        None => Ok(entries),
    }
}

fn one(entry: RedisValue) -> Option<OutboxEntry> {
    let RedisValue::Array(entry) = entry else { return None };
    let [RedisValue::BulkString(id), RedisValue::Array(fields)] = <[RedisValue; 2]>::try_from(entry).ok()? else {
        return None;
    };
    let mut read = OutboxEntry { start: 0, worker: 0, epoch: 0, bytes: Vec::new() };
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let RedisValue::BulkString(name) = name else { return None };
        match (name.as_slice(), value) {
            (b"start", value) => read.start = number(&value)?,
            (b"worker", value) => read.worker = u32::try_from(number(&value)?).ok()?,
            (b"epoch", value) => read.epoch = number(&value)?,
            (b"bytes", RedisValue::BulkString(bytes)) => read.bytes = bytes,
            _ => return None,
        }
    }
    // The ID is the end; what follows the hyphen is always 0.
    let end = str::from_utf8(&id).ok()?.strip_suffix("-0")?.parse::<u64>().ok()?;
    (!read.bytes.is_empty() && read.start.checked_add(read.bytes.len() as u64) == Some(end)).then_some(read)
}
