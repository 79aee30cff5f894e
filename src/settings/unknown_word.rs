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

/// The name that somebody may have meant: one with few letters put in, left out, changed or swapped, capital or not.
#[cfg(any(feature = "client", feature = "openapi"))]
pub fn meant<'n>(word: &str, names: &mut dyn Iterator<Item = &'n str>) -> Option<&'n str> {
    let (mut nearest, mut letters) = (None, 3);
    let word = word.to_ascii_lowercase();
    for known in names {
        let name = known.to_ascii_lowercase();
        let distance = distance(&name, &word);
        // What both begin with says nothing, up to the last part of a path.
        let same = name.bytes().zip(word.bytes()).take_while(|(one, other)| one == other).count();
        let last = name[..same].rfind('/').map_or(0, |place| place + 1);
        let length = (name.len() - last).min(word.len().saturating_sub(last));
        if distance < letters && distance * 3 <= length.max(3) {
            (nearest, letters) = (Some(known), distance);
        }
    }
    nearest
}

/// How many letters are to be put in, left out, changed, or swapped with the next (Damerau and Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    // A word of a megabyte is like none; looking closer would take a while.
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    // The row before the last one, and the letter before this one.
    let (mut above, mut before) = (row.clone(), None);
    for (at, letter) in one.chars().enumerate() {
        let last = row.clone();
        row[0] = at + 1;
        for (place, wanted) in other.iter().enumerate() {
            let changed = last[place] + usize::from(letter != *wanted);
            row[place + 1] = changed.min(row[place] + 1).min(last[place + 1] + 1);
            if place > 0 && before == Some(*wanted) && other[place - 1] == letter {
                row[place + 1] = row[place + 1].min(above[place - 1] + 1);
            }
        }
        (above, before) = (last, Some(letter));
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted() {
        for (one, other, letters) in [
            ("disk", "dsik", 1),
            ("set", "ste", 1),
            ("load", "laod", 1),
            ("ab", "ba", 1),
            ("mem", "memo", 1),
            ("", "ab", 2),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (letters, letters), "{one} {other}");
        }
    }

    #[cfg(any(feature = "client", feature = "openapi"))]
    #[test]
    fn what_is_meant_is_near() {
        let names = ["mem", "disk", "--wait", "/ConsumeCPU", "/api/mem/set"];
        for (word, name) in [("MEM", "mem"), ("dsik", "disk"), ("--wiat", "--wait"), ("/consumecpu", "/ConsumeCPU")] {
            assert_eq!(meant(word, &mut names.into_iter()), Some(name), "{word}");
        }
        assert_eq!(meant("xyz", &mut names.into_iter()), None);
    }

    proptest::proptest! {
        #[test]
        fn it_is_a_distance(one in "[a-dü]{0,8}", other in "[a-dü]{0,8}") {
            let letters = distance(&one, &other);
            proptest::prop_assert_eq!(letters, distance(&other, &one));
            proptest::prop_assert_eq!(letters == 0, one == other);
            proptest::prop_assert!(letters <= one.chars().count().max(other.chars().count()));
        }
    }
}
