//! What files become, what is wrong with others, and that nothing makes it panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn tree(text: &str) -> Node {
    parse(text).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

fn wrong(text: &str) -> String {
    match parse(text) {
        Err(fault) => fault.to_string(),
        Ok(tree) => panic!("{tree}: {text}"),
    }
}

/// The tree without its places.
fn plain(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar { text, is_plain: true } => text.clone(),
        NodeKind::Scalar { text, is_plain: false } => format!("{text:?}"),
        NodeKind::Sequence(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        NodeKind::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", plain(key), plain(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn files_become_trees() {
    for (text, expected) in [
        ("a: 1\nb:\n  - x\n  - 'y'\nc: {d: \"e\", f: []}\n", "{a: 1, b: [x, \"y\"], c: {d: \"e\", f: []}}"),
        ("{\"a\":1,\"b\":[\"x\",null],\"c\":{}}", "{\"a\": 1, \"b\": [\"x\", null], \"c\": {}}"),
        ("{\n\t\"a\":\t[\n\t\t1,\n\t\t2\n\t]\n}\n", "{\"a\": [1, 2]}"),
        ("\u{feff}a: 1", "{a: 1}"),
        ("a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"),
        ("# nothing\n%YAML 1.2\n---\na: 1\n...\n# more\n", "{a: 1}"),
        ("--- [1]", "[1]"),
        ("word", "word"),
        ("---\n", ""),
        ("a:\nb: ~\n", "{a: , b: ~}"),
        ("a: ::1\nb: 10.0.0.1\nc: x:y\n", "{a: ::1, b: 10.0.0.1, c: x:y}"),
        ("{a: ::1, b: [::1]}", "{a: ::1, b: [::1]}"),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a: \"x\\ny\\n\", b: \"x y\"}"),
        ("a: \"\\ud83d\\ude00 \\\\ud83d\\\\ude00 \\u00e9\"", "{a: \"😀 \\\\ud83d\\\\ude00 é\"}"),
        ("a: \\ud83d\\ude00", "{a: \\ud83d\\ude00}"),
        ("a: !!str 1\nb: ! 2\nc: !!int \"3\"\nd: !<tag:yaml.org,2002:str> 4", "{a: \"1\", b: \"2\", c: 3, d: \"4\"}"),
        ("a: !!map {}\nb: !!seq []\nc: ! {}\n", "{a: {}, b: [], c: {}}"),
        ("a: &x [1]\nb: *x\n", "{a: [1], b: [1]}"),
        ("a: &x 1\n&y b: *x\nc: *y\n*x : d\n", "{a: 1, b: 1, c: b, 1: d}"),
    ] {
        assert_eq!(plain(&tree(text)), expected, "{text}");
    }
}

#[test]
fn a_merge_key_gives_what_the_mapping_has_not() {
    let text =
        "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na:\n  <<: *b\n  y: 5\nb: {<<: [*m, *b], w: 6}\nc: {'<<': 1}";
    let tree = tree(text);
    assert_eq!(plain(tree.get("a").unwrap()), "{y: 5, x: 1}");
    assert_eq!(plain(tree.get("b").unwrap()), "{w: 6, y: 3, z: 4, x: 1}");
    assert_eq!(plain(tree.get("c").unwrap()), "{\"<<\": 1}");
    assert!(wrong("a: {<<: 1}").starts_with("a (line 1, column 10): << takes a mapping"), "{}", wrong("a: {<<: 1}"));
}

#[test]
fn each_value_knows_where_it_stands() {
    let tree = tree("a: 1\nb:\n  - c\n  -   d: é\n      e: [f, g]\n");
    let at = |node: &Node| (node.line, node.column);
    let second = &tree.get("b").unwrap().as_sequence().unwrap()[1];
    assert_eq!(at(&tree), (1, 1));
    assert_eq!(at(tree.get("a").unwrap()), (1, 4));
    assert_eq!(at(second), (4, 7));
    assert_eq!(at(second.get("d").unwrap()), (4, 10));
    assert_eq!(at(&second.as_mapping().unwrap()[1].0), (5, 7));
    assert_eq!(at(&second.get("e").unwrap().as_sequence().unwrap()[1]), (5, 14));
}

#[test]
fn scalars_mean_what_the_core_schema_says() {
    let scalar =
        |text: &str| Node { line: 1, column: 1, kind: NodeKind::Scalar { text: text.to_owned(), is_plain: true } };
    for (text, number) in [
        ("0", 0),
        ("-12", -12),
        ("+7", 7),
        ("010", 10),
        ("0o17", 15),
        ("0xfF", 255),
        ("99999999999999999999", i64::MAX),
        ("-99999999999999999999", i64::MIN),
        ("0xffffffffffffffffff", i64::MAX),
    ] {
        assert_eq!((scalar(text).as_integer(), scalar(text).as_str()), (Some(number), None), "{text}");
    }
    for text in ["true", "True", "TRUE"] {
        assert_eq!((scalar(text).as_bool(), scalar(text).as_str()), (Some(true), None), "{text}");
    }
    assert_eq!(scalar("False").as_bool(), Some(false));
    for text in ["", "~", "null", "Null", "NULL"] {
        assert!(scalar(text).is_null() && scalar(text).as_str().is_none(), "{text}");
    }
    for text in ["1.5", "1.", ".5", "-1e3", "1E-3", "12e03", ".inf", "-.INF", "+.Inf", ".nan", "1.5e+10"] {
        let node = scalar(text);
        assert!(node.as_str().is_none() && node.as_integer().is_none() && !node.is_null(), "{text}");
    }
    let words = "yes on no off tRUE nULL 1_000 0b1 -0x1 0x 0o8 \
                  + - . 1.5.5 1e e5 10.0.0.1 8:80 -.nan 10s +-1 １ 2024-01-01";
    for text in words.split(' ') {
        assert_eq!((scalar(text).as_str(), scalar(text).as_integer()), (Some(text), None), "{text}");
    }
    let quoted = Node { line: 1, column: 1, kind: NodeKind::Scalar { text: String::from("1"), is_plain: false } };
    assert_eq!((quoted.as_str(), quoted.as_integer()), (Some("1"), None));
    assert!(tree("[]").as_str().is_none() && tree("{}").get("a").is_none() && tree("[1]").get("1").is_none());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, expected) in [
        ("", "line 1, column 1: it is empty"),
        ("# a comment\n\n", "line 1, column 1: it is empty"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key a is given twice, first in line 1"),
        ("a:\n  - {b: 1, 'b': 2}\n", "a[0] (line 2, column 12): the key b is given twice, first in line 2"),
        ("a:\n  ? [x, y]\n  : 1\n", "a (line 2, column 5): a key must be a scalar, instead got [x, y]"),
        ("a:\n - &x [1, *x]\n", "a[0][1] (line 2, column 11): an alias of what contains it"),
        ("a: !other 1", "a (line 1, column 4): the tag !other is not known here"),
        ("a: !!binary eA==", "a (line 1, column 4): the tag !!binary is not known here"),
        ("a: !!map 1", "a (line 1, column 4): the tag !!map is not that of a scalar"),
        ("a: !!seq {}", "a (line 1, column 4): the tag !!seq is not that of a !!map"),
        ("a: \"x\0y\"", "line 1, column 6: a control character, which must be escaped"),
        ("ä\n\n ä\u{1b}", "line 3, column 3: a control character, which must be escaped"),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
    for (text, place) in [
        ("a: [1, 2", "a[2] (line "),
        ("a: 1\n b: 2\n", "line 2, column "),
        ("x:\n  a: \"1\nb: 2\n", "x.a (line "),
        ("x:\n\ta: 1\n", "x (line 2, column 2)"),
        ("a: *x", "a (line 1, column 4)"),
        ("a: \"\\q\"", "a (line 1, column "),
        ("a: \"\\ud83d\"", "a (line 1, column "),
        ("a: @x", "a (line 1, column 4)"),
        ("}", "line 1, column 1"),
    ] {
        let fault = wrong(text);
        assert!(fault.contains(place), "{text}: {fault}");
    }
}

#[test]
fn nothing_is_larger_than_its_bounds() {
    let laughs = |times: usize| {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..times {
            let below = format!("*a{},", level - 1).repeat(9);
            text += &format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(','));
        }
        text
    };
    assert!(parse(&laughs(3)).is_ok());
    assert!(wrong(&laughs(12)).contains("more than 100000 values"));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(50));
    assert!(wrong(&long).contains("bytes of text"));
    let chain: String = (1..40).map(|level| format!("a{level}: &a{level} [[[[*a{}]]]]\n", level - 1)).collect();
    assert!(wrong(&format!("a0: &a0 x\n{chain}")).contains("within one another"));
    assert!(wrong(&format!("{}{}", "[".repeat(33), "]".repeat(33))).contains("more than 32 lists"));
    assert!(!wrong(&"[".repeat(MOST_BYTES)).is_empty());
    assert!(parse(&format!("{}{}", "[".repeat(32), "]".repeat(32))).is_ok());
    assert!(wrong(&format!("a: {}", "x".repeat(MOST_BYTES))).contains("longer than"));
    assert!(parse(&format!("a: {}", "x".repeat(MOST_BYTES - 3))).is_ok());
    assert!(wrong(&"-\n".repeat(200_000)).contains("values"));
}

#[test]
fn no_file_takes_long() {
    let start = Instant::now();
    for piece in [
        "[",
        "{",
        "- ",
        "? ",
        ": ",
        "a: ",
        "&a ",
        "!a ",
        "*a ",
        "'",
        "\"",
        "|\n",
        ">\n",
        "\n",
        " ",
        "\t",
        "#",
        "# x\n",
        "%TAG ! x\n",
        "---\n",
        "...\n",
        "-\n",
        "a: {b: c}\n",
        "[a, ",
        "{a: ",
        "a\n",
        "x ",
        "\\",
        "\"\\\n",
        "'\n",
        "{}",
        "[] ",
        "a,",
        ",",
        "?\n",
        "- a\n",
        "é",
        "\"a\": 1,",
        "{\"a\":\n",
        " - a\n",
        "\r",
        "\u{85}",
        "a:\n ",
        "-",
        "a: [\n",
        "x:y",
        ":",
        "? a\n: b\n",
        "! ",
        "& ",
        "|",
        "|+\n\n",
        "\" \"",
    ] {
        for before in ["", "[", "{", "a: ", "'", "\"", "- "] {
            let _ = parse(&format!("{before}{}", piece.repeat(MOST_BYTES / 8 / piece.len())));
        }
    }
    // 350 files of 128 KiB, a few seconds: what took time squared in its size would take an hour.
    assert!(start.elapsed() < Duration::from_secs(300), "{:?}", start.elapsed());
}

#[test]
fn a_message_shows_enough_of_a_value() {
    let shown = |text: &str| tree(text).to_string();
    assert_eq!(shown("{a: [1, 'x', {}], b: , c: []}"), "{a: [1, x, {}], b: null, c: []}");
    assert_eq!(shown("\"a\\nb\\x1b\\u0085\""), "a\\nb\\u{1b}\\u{85}");
    assert_eq!(shown(&format!("[{}]", "ä, ".repeat(5000))).chars().count(), 81);
    assert_eq!(shown(&"x".repeat(90)), format!("{}…", "x".repeat(80)));
}

#[test]
fn a_path_is_written_as_one_would_say_it() {
    let path = NodePath::default().key("proxy").key("services").index(1).key("hosts").index(0).key("port");
    assert_eq!(path.to_string(), "proxy.services[1].hosts[0].port");
    assert!(NodePath::default().is_root() && !path.is_root());
    assert_eq!(NodePath::default().key("a.b").key("").key("c\nd").to_string(), "[a.b][][c\\nd]");
    assert_eq!(NodePath::default().index(3).key("a-b_c").to_string(), "[3].a-b_c");
}

/// A value of JSON.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn is_same(node: &Node, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null => node.is_null(),
        Value::Bool(value) => node.as_bool() == Some(*value),
        Value::Number(number) => node.as_integer() == number.as_i64(),
        Value::String(text) => node.as_str() == Some(text),
        Value::Array(items) => node.as_sequence().is_some_and(|nodes| {
            nodes.len() == items.len() && nodes.iter().zip(items).all(|(node, item)| is_same(node, item))
        }),
        Value::Object(members) => node.as_mapping().is_some_and(|pairs| {
            pairs.len() == members.len() && members.iter().all(|(name, value)| is_same(node.get(name).unwrap(), value))
        }),
    }
}

const SAMPLE: &str = "# sample\nproxy:\n  listen: {address: \"127.0.0.1\", port: 8080}\n  services: &all\n    - name: a\n      \
                      domain: 'a.example'\n      hosts:\n      - address: ::1\n        port: 0x50\n    - *all\n  text: |\n    \
                      x\n   y: !!str >-\n    z\n...\n";

proptest! {
    #[test]
    fn json_is_read_as_what_it_is(value in json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert!(is_same(&tree(&text), &value), "{}", text);
            // As other programs escape it.
            let ascii: String = text.chars().flat_map(|c| match c {
                c if c.is_ascii() => vec![c],
                c => c.encode_utf16(&mut [0; 2]).iter().flat_map(|u| format!("\\u{u:04x}").chars().collect::<Vec<_>>())
                    .collect(),
            }).collect();
            prop_assert!(is_same(&tree(&ascii), &value), "{}", ascii);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), sparse in "[-\\[\\]{}:?,&*!|>'\"%@#`a~ \n\t\r\\\\.0<]{0,60}") {
        for text in [text, sparse] {
            match parse(&text) {
                Ok(tree) => { let _ = (tree.to_string(), tree.as_integer(), tree.as_bool(), tree.is_null()); }
                Err(fault) => prop_assert!(fault.text != "the parser failed on it" && !fault.text.is_empty(), "{}", fault),
            }
        }
    }

    #[test]
    fn no_mutation_makes_it_panic(
        changes in prop::collection::vec((0usize..300, 0usize..4, "[-\\[\\]{}:?,&*!|>'\"%#a \n\t\r\\\\<]{1,3}"), 1..6),
    ) {
        let mut text: Vec<char> = SAMPLE.chars().collect();
        for (at, removed, inserted) in changes {
            let at = at.min(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(fault) = parse(&text) {
            prop_assert!(fault.text != "the parser failed on it", "{}", fault);
            prop_assert!(fault.line >= 1 && fault.line as usize <= text.matches(['\n', '\r']).count() + 2, "{}", fault);
        }
    }
}
