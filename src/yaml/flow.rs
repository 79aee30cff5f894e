//! A tree as text again, in the one form that JSON and YAML share: brackets, and quotes around whatever is text.

use std::fmt::Write;

use super::node::{Node, NodeKind};

/// Writes a tree. Reading what is written gives the same tree, but for where its values stand.
///
/// A scalar that means a number, a truth value or nothing is written as it stands, since its spelling may matter to who
/// reads it. Keys are text.
pub fn flow(node: &Node) -> String {
    let mut out = String::new();
    add(node, &mut out);
    out
}

fn add(node: &Node, out: &mut String) {
    match &node.kind {
        NodeKind::Scalar { text, .. } if node.as_str().is_some() => quoted(text, out),
        // Nothing at all cannot stand everywhere.
        NodeKind::Scalar { text, .. } => out.push_str(if text.is_empty() { "null" } else { text }),
        NodeKind::Sequence(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                add(item, out);
            }
            out.push(']');
        }
        NodeKind::Mapping(pairs) => {
            out.push('{');
            for (place, (key, value)) in pairs.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                quoted(key.text().unwrap_or_default(), out);
                out.push_str(": ");
                add(value, out);
            }
            out.push('}');
        }
    }
}

/// Appends a text as JSON has it. What YAML lets nobody write, or takes for the end of a line, is escaped as well.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                _ = write!(out, "\\u{:04x}", u32::from(c))
            }
            c if c.is_control() => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;
    use proptest::prelude::*;

    /// A tree without places.
    fn bare(node: &Node) -> Node {
        let kind = match &node.kind {
            NodeKind::Sequence(items) => NodeKind::Sequence(items.iter().map(bare).collect()),
            NodeKind::Mapping(pairs) => {
                let key = |key: &Node| NodeKind::Scalar { text: key.text().unwrap().to_owned(), is_plain: false };
                let pair = |(of, value): &(Node, Node)| (Node { line: 0, column: 0, kind: key(of) }, bare(value));
                NodeKind::Mapping(pairs.iter().map(pair).collect())
            }
            NodeKind::Scalar { text, .. } => {
                let is_text = node.as_str().is_some();
                let text = if node.is_null() && text.is_empty() { String::from("null") } else { text.clone() };
                NodeKind::Scalar { text, is_plain: !is_text }
            }
        };
        Node { line: 0, column: 0, kind }
    }

    fn is_kept(text: &str) {
        let tree = parse(text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
        let written = flow(&tree);
        let again = parse(&written).unwrap_or_else(|fault| panic!("{fault}: {written}"));
        assert_eq!(bare(&again), bare(&tree), "{written}");
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in [
            "a: 1\nb: [x, 'y', \"z\\n\", 08:00, 5m, 50%]\nc: {d: yes, e: no, f: true, g: ~, h: }\n",
            "- .5\n- 1.\n- +7\n- 0x1F\n- 0o17\n- .inf\n- -.INF\n- .nan\n- 1e3\n- '1'\n- !!str 5\n- null\n",
            "a: |\n  seconds,cpu\n  0,1\n\n  1,2\nb: >-\n  folded\n  text\nc: ''\n",
            "a: &x {b: [1, 2]}\nc: *x\nd: {<<: *x, e: 5}\n",
            "'a: b': '#c'\n'- d': '[e'\n1: one\ntrue: '{'\n",
            "a: \"\\x01 \\u2028 \\ufeff \\U0001F600 \\\\ \\\" \\t \\r\\n\"\n",
            "[]",
            "{}",
            "just text",
        ] {
            is_kept(text);
        }
        assert_eq!(
            flow(&parse("a: [1, x, ~]\nb: {c: \"q\\\"\"}").unwrap()),
            r#"{"a": [1, "x", ~], "b": {"c": "q\""}}"#
        );
    }

    fn tree() -> impl Strategy<Value = Node> {
        let place = |kind| Node { line: 0, column: 0, kind };
        let scalar = prop_oneof![
            any::<String>().prop_map(|text| NodeKind::Scalar { text, is_plain: false }),
            "[a-z0-9.:+-]{0,5}".prop_map(|text| NodeKind::Scalar { text, is_plain: true }),
        ];
        scalar.prop_map(place).prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(move |items| place(NodeKind::Sequence(items))),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(move |pairs| {
                    let mut kept: Vec<(Node, Node)> = Vec::new();
                    for (text, value) in pairs {
                        // A key stands once, and one of YAML 1.1 means something else.
                        let is_new = kept.iter().all(|(known, _)| known.text() != Some(&text)) && text != "<<";
                        if is_new && text.len() < 200 {
                            kept.push((place(NodeKind::Scalar { text, is_plain: false }), value));
                        }
                    }
                    place(NodeKind::Mapping(kept))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_tree_is_written_and_read(tree in tree()) {
            let written = flow(&tree);
            let again = parse(&written).unwrap_or_else(|fault| panic!("{fault}: {written}"));
            prop_assert_eq!(bare(&again), bare(&tree), "{}", written);
        }
    }
}
