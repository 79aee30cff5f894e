//! Places in the texts of a file: what stands in braces, and is filled in when the run begins.

/// What stands in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextPlace<'t> {
    /// `{dir}`: the run folder.
    Dir,
    /// `{testero}`: this program.
    Program,
    /// `{port}`: the port of the process that the text is for.
    Port,
    /// `{n}`: its number, from 0.
    Number,
    /// `{log}`: its log.
    Log,
    /// `{port.NAME}`, `{port.NAME.2}`: the port of a copy of a part.
    PortOf {
        /// The part's name.
        part: &'t str,
        /// The copy's number, from 0.
        copy: u32,
    },
}

impl<'t> TextPlace<'t> {
    fn of(name: &'t str) -> Option<Self> {
        Some(match name {
            "dir" => Self::Dir,
            "testero" => Self::Program,
            "port" => Self::Port,
            "n" => Self::Number,
            "log" => Self::Log,
            _ => {
                let part = name.strip_prefix("port.")?;
                let (part, copy) = match part.rsplit_once('.') {
                    Some((part, copy)) => (part, copy.parse().ok()?),
                    None => (part, 0),
                };
                Self::PortOf { part, copy }
            }
        })
    }
}

/// A piece of a text.
enum TextPiece<'t> {
    Text(&'t str),
    Place(TextPlace<'t>),
}

/// The pieces of a text, one after the other. Braces around anything else are text.
fn pieces<'t>(mut text: &'t str, take: &mut dyn FnMut(TextPiece<'t>)) {
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|open| from + open) {
        let place = text[open + 1..].split_once('}').and_then(|(name, rest)| Some((TextPlace::of(name)?, rest)));
        let Some((place, rest)) = place else {
            from = open + 1;
            continue;
        };
        take(TextPiece::Text(&text[..open]));
        take(TextPiece::Place(place));
        (text, from) = (rest, 0);
    }
    take(TextPiece::Text(text));
}

/// The places in a text, in its order.
pub fn places(text: &str) -> Vec<TextPlace<'_>> {
    let mut all = Vec::new();
    pieces(text, &mut |piece| {
        if let TextPiece::Place(place) = piece {
            all.push(place);
        }
    });
    all
}

/// The text with its places filled in.
pub fn filled(text: &str, value: &dyn Fn(TextPlace<'_>) -> String) -> String {
    let mut out = String::new();
    pieces(text, &mut |piece| match piece {
        TextPiece::Text(text) => out.push_str(text),
        TextPiece::Place(place) => out.push_str(&value(place)),
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_found_and_other_braces_left_alone() {
        let shown = |place: TextPlace<'_>| format!("<{place:?}>");
        for (text, expected) in [
            ("", ""),
            ("{dir}/sent {n}", "<Dir>/sent <Number>"),
            ("{\"a\":{\"port\":1}} {}", "{\"a\":{\"port\":1}} {}"),
            ("{{port}}", "{<Port>}"),
            ("{port.db}{port.db.2}", "<PortOf { part: \"db\", copy: 0 }><PortOf { part: \"db\", copy: 2 }>"),
            ("{port.a-b.x}{port} {", "{port.a-b.x}<Port> {"),
        ] {
            assert_eq!(filled(text, &shown), expected);
        }
        assert_eq!(places("a{testero}{log}"), [TextPlace::Program, TextPlace::Log]);
    }

    proptest! {
        #[test]
        fn a_text_without_places_stays(text in "[{}a-z.é]{0,20}") {
            prop_assume!(places(&text).is_empty());
            prop_assert_eq!(filled(&text, &|_| String::new()), text);
        }
    }
}
