//! Lines of a file that may be larger than memory: which one a byte is in, and where else a line stands.

use std::fs::File;
use std::io;
use std::ops::Range;

use crate::crash::input::LINE_BYTES;
use crate::crash::pipeline::store::Offset;
use crate::crash::verify::compare::{CHUNK_BYTES, read_at};

/// As much of a line is kept to compare others with; longer ones are told apart by this much and their length.
const HEAD_BYTES: usize = 64 * 1024;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileLine {
    /// Where it begins.
    pub(super) start: Offset,
    /// How long it is, its end included, in bytes.
    pub(super) length: u64,
    /// Its first [`HEAD_BYTES`] bytes, its end included.
    pub(super) head: Vec<u8>,
    /// Whether it has an end. One without it is alike to every line that begins like it.
    pub(super) has_end: bool,
}

impl FileLine {
    /// The line that begins at an offset; `None` where the file has no byte there.
    pub(super) fn at(file: &File, start: Offset) -> io::Result<Option<Self>> {
        let mut line = Self { start, length: 0, head: Vec::new(), has_end: false };
        each_chunk(file, start..Offset::MAX, |_, chunk| {
            let part = chunk.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            let room = HEAD_BYTES - line.head.len();
            line.head.extend_from_slice(&part[..part.len().min(room)]);
            line.length += part.len() as u64;
            line.has_end = part.ends_with(b"\n");
            !line.has_end
        })?;
        Ok((line.length > 0).then_some(line))
    }

    /// What it says, without its end, as far as it is kept.
    pub(super) fn text(&self) -> &[u8] {
        self.head.strip_suffix(b"\n").unwrap_or(&self.head)
    }

    /// The offset behind it.
    pub(super) fn end(&self) -> Offset {
        self.start + self.length
    }
}

/// Where a line stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinePlace {
    /// The offset of its first byte.
    pub(super) start: Offset,
    /// Its number, from 1.
    pub(super) number: u64,
}

/// Where the line begins that the byte at an offset is in.
pub(super) fn line_of(file: &File, at: Offset) -> io::Result<LinePlace> {
    let mut place = LinePlace { start: 0, number: 1 };
    each_chunk(file, 0..at, |begin, chunk| {
        for (index, _) in chunk.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            place = LinePlace { start: begin + index as u64 + 1, number: place.number + 1 };
        }
        true
    })?;
    Ok(place)
}

/// Where a file has a line like this one, but not at `except`: of several, the one that is nearest to it.
pub(super) fn find_line(file: &File, line: &FileLine, except: Offset) -> io::Result<Option<LinePlace>> {
    if let Some(place) = find_by_number(file, line)?.filter(|place| place.start != except) {
        return Ok(Some(place));
    }
    let mut search = LineSearch::new(line);
    let mut nearest: Option<LinePlace> = None;
    each_chunk(file, 0..Offset::MAX, |_, chunk| {
        search.feed(chunk, &mut |place| {
            let is_nearer = |other: LinePlace| place.start.abs_diff(except) < other.start.abs_diff(except);
            if place.start != except && nearest.is_none_or(is_nearer) {
                nearest = Some(place);
            }
        });
        // What comes is farther away than what was found.
        nearest.is_none_or(|place| place.start < except)
    })?;
    Ok(nearest)
}

/// Looks where the number in a line says that it stands.
fn find_by_number(file: &File, line: &FileLine) -> io::Result<Option<LinePlace>> {
    let digits = line.head.get(1..8).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let Some(digits) = digits.filter(|_| line.length == LINE_BYTES as u64 && line.has_end) else { return Ok(None) };
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let start = number * LINE_BYTES as u64;
    // The byte before shows whether a line begins there.
    let from = start.saturating_sub(1);
    let mut bytes = [0; LINE_BYTES + 1];
    let read = read_at(file, &mut bytes, from)?;
    let (before, there) = bytes[..read].split_at(((start - from) as usize).min(read));
    let begins = start == 0 || before == b"\n";
    if !begins || there.get(..LINE_BYTES) != Some(line.head.as_slice()) {
        return Ok(None);
    }
    // In an input that was made by hand, the number need not be that of the line.
    Ok(Some(LinePlace { start, number: line_of(file, start)?.number }))
}

/// Whether a line like this one begins in a range of a file that begins with a line.
pub(super) fn has_line(file: &File, line: &FileLine, range: Range<Offset>) -> io::Result<bool> {
    let mut search = LineSearch::new(line);
    let mut found = false;
    each_chunk(file, range, |_, chunk| {
        search.feed(chunk, &mut |_| found = true);
        !found
    })?;
    Ok(found)
}

/// Looks for a line in bytes that come in pieces, of which none is kept.
pub(super) struct LineSearch<'l> {
    line: &'l FileLine,
    /// The line that the next byte is in.
    place: LinePlace,
    /// How much of it was seen.
    seen: u64,
    /// Whether that is alike.
    alike: bool,
}

impl<'l> LineSearch<'l> {
    /// A search that begins with a line.
    pub(super) fn new(line: &'l FileLine) -> Self {
        Self { line, place: LinePlace { start: 0, number: 1 }, seen: 0, alike: true }
    }

    /// Looks through the next bytes, and says where the line stands, counted from where the search began.
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut dyn FnMut(LinePlace)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let before = self.seen;
            self.seen += part.len() as u64;
            self.alike = self.alike && self.is_alike(before, part);
            // One that has an end matches where it ends, the other one where there is enough.
            let ends = part.ends_with(b"\n");
            let is_enough = before < self.line.length && self.seen >= self.line.length;
            if self.alike && is_enough && (ends || !self.line.has_end) {
                found(self.place);
            }
            if ends {
                self.place = LinePlace { start: self.place.start + self.seen, number: self.place.number + 1 };
                (self.seen, self.alike) = (0, true);
            }
        }
    }

    fn is_alike(&self, before: u64, part: &[u8]) -> bool {
        if self.line.has_end && self.seen > self.line.length {
            return false;
        }
        let kept = usize::try_from(before).ok().and_then(|before| self.line.head.get(before..)).unwrap_or_default();
        let both = kept.len().min(part.len());
        kept[..both] == part[..both]
    }
}

/// Reads a range of a file in pieces, with where each begins, for as long as more is wanted.
fn each_chunk(file: &File, range: Range<Offset>, mut each: impl FnMut(Offset, &[u8]) -> bool) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut at = range.start;
    while at < range.end {
        let want = (range.end - at).min(CHUNK_BYTES as u64) as usize;
        let read = read_at(file, &mut buffer[..want], at)?;
        if read == 0 || !each(at, &buffer[..read]) {
            break;
        }
        at += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::input::{StreamKey, line};
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn find(bytes: &[u8], wanted: &[u8], except: Offset) -> Option<(Offset, u64)> {
        let line = FileLine::at(&file(wanted), 0).unwrap().unwrap();
        find_line(&file(bytes), &line, except).unwrap().map(|place| (place.start, place.number))
    }

    #[test]
    fn a_byte_is_in_the_line_that_ends_behind_it() {
        let file = file(b"ab\n\ncd");
        let places: Vec<_> = (0..7).map(|at| line_of(&file, at).unwrap()).map(|p| (p.start, p.number)).collect();
        assert_eq!(places, [(0, 1), (0, 1), (0, 1), (3, 2), (4, 3), (4, 3), (4, 3)]);
    }

    #[test]
    fn a_line_is_found_whole_and_at_the_beginning_of_one() {
        assert_eq!(find(b"xab\nabx\nab\n", b"ab\n", 0), Some((8, 3)));
        assert_eq!(find(b"xab\nabx\n", b"ab\n", 0), None);
        assert_eq!(find(b"xab\nabx\nab\n", b"ab", 0), Some((4, 2)), "without an end, one that begins alike");
        assert_eq!(find(b"x\nab", b"ab\n", 0), None);
        assert_eq!(find(b"\n\n", b"\n", 0), Some((1, 2)));
        assert_eq!(find(b"", b"a", 0), None);
    }

    #[test]
    fn of_several_the_nearest_is_found_and_not_the_one_itself() {
        assert_eq!(find(b"a\nb\na\nc\na\n", b"a\n", 8), Some((4, 3)));
        assert_eq!(find(b"a\nb\nc\nd\na\n", b"a\n", 6), Some((8, 5)));
        assert_eq!(find(b"b\na\n", b"a\n", 2), None);
    }

    #[test]
    fn a_number_in_a_line_is_only_a_hint() {
        let lines: Vec<u8> = (0..100).flat_map(|n| line(1, StreamKey(b'A'), n)).collect();
        let wanted = line(1, StreamKey(b'A'), 70);
        assert_eq!(find(&lines, &wanted, 0), Some((70 * 49, 71)));
        assert_eq!(find(&lines[49 * 3..], &wanted, 0), Some((67 * 49, 68)), "it stands elsewhere");
        assert_eq!(find(&lines[1..], &wanted, 0), Some((70 * 49 - 1, 71)), "no line begins there");
        assert_eq!(find(&lines, &line(2, StreamKey(b'A'), 70), 0), None);
    }

    #[test]
    fn lines_longer_than_what_is_kept_are_told_apart_by_their_length() {
        let long = |length: usize| [vec![b'x'; length], vec![b'\n']].concat();
        let lines = [long(200_000), long(200_001)].concat();
        assert_eq!(find(&lines, &long(200_001), 0), Some((200_001, 2)));
        assert_eq!(find(&lines, &long(199_999), 0), None);
        let line = FileLine::at(&file(&lines), 200_001).unwrap().unwrap();
        assert_eq!((line.head.len(), line.length, line.end()), (HEAD_BYTES, 200_002, 400_003));
    }

    proptest::proptest! {
        #[test]
        fn a_search_does_not_depend_on_where_pieces_end(
            text in "[ab\n]{0,60}", wanted in "[ab]{0,3}\n?", cuts in proptest::collection::vec(0usize..60, 0..5),
        ) {
            let Some(line) = FileLine::at(&file(wanted.as_bytes()), 0).unwrap() else { return Ok(()) };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let (mut search, mut found) = (LineSearch::new(&line), Vec::new());
            for pair in cuts.windows(2) {
                search.feed(&text.as_bytes()[pair[0]..pair[1]], &mut |place| found.push(place.start as usize));
            }
            let starts = (0..text.len()).filter(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n');
            let expected: Vec<usize> = starts.filter(|at| text[*at..].starts_with(&wanted)).collect();
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
