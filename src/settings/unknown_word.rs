//! Words that nothing knows, and the nearest ones that something does.

#[cfg(any(feature = "crash", feature = "scenario"))]
use std::fmt;

/// That a word is unknown, and the nearest that is known. It is looked for when it is shown: of what is wrong beyond all
/// measure, little is.
#[cfg(any(feature = "crash", feature = "scenario"))]
pub(super) struct UnknownWord<'w> {
    pub(super) kind: &'w str,
    pub(super) word: &'w str,
    pub(super) names: &'w [&'w str],
}

#[cfg(any(feature = "crash", feature = "scenario"))]
impl fmt::Display for UnknownWord<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::with_capacity(self.names.len());
        for name in self.names {
            names.push(shown(name));
        }
        out.write_str(&unknown(self.kind, &shown(self.word), &names))
    }
}

/// A text in a line that is not too long, for a message.
#[cfg(any(feature = "crash", feature = "scenario"))]
fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    short.escape_debug().to_string()
}

/// That nothing has this name, and what has nearly the same.
#[cfg(any(feature = "crash", feature = "scenario"))]
pub(super) fn unknown(kind: &str, word: &str, names: &[String]) -> String {
    let nearest = names.iter().min_by_key(|name| distance(name, word));
    match nearest {
        Some(name) => format!("unknown {kind} '{word}'; the nearest is '{name}'"),
        None => format!("unknown {kind} '{word}'"),
    }
}

/// The name that somebody may have meant: one with few letters put in, left out or changed.
#[cfg(any(feature = "client", feature = "openapi"))]
pub fn meant<'n>(word: &str, names: &mut dyn Iterator<Item = &'n str>) -> Option<&'n str> {
    let (mut nearest, mut letters) = (None, 3);
    for name in names {
        let distance = distance(name, word);
        // What both begin with says nothing, up to the last part of a path.
        let same = name.bytes().zip(word.bytes()).take_while(|(one, other)| one == other).count();
        let last = name[..same].rfind('/').map_or(0, |place| place + 1);
        let length = (name.len() - last).min(word.len().saturating_sub(last));
        if distance < letters && distance * 3 <= length.max(3) {
            (nearest, letters) = (Some(name), distance);
        }
    }
    nearest
}

/// How many letters are to be put in, left out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    // A word of a megabyte is like none; looking closer would take a while.
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut left_above = row[0];
        row[0] = at + 1;
        for (place, wanted) in other.iter().enumerate() {
            let changed = left_above + usize::from(letter != *wanted);
            left_above = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(left_above + 1);
        }
    }
    row[other.len()]
}
