//! JSON that came, as YAML: members stay in their order.

/// The same in YAML. It is JSON that has been read already, so that it is whole and not too deep.
pub(super) fn of_json(json: &str) -> String {
    let mut rest = json.trim();
    let mut text = String::new();
    value(&mut rest, 0, &mut text);
    text.trim_start_matches(['\n', ' ']).to_owned()
}

/// Takes a value off the front, and writes it behind a key: on the same line, or below it.
fn value(rest: &mut &str, indent: usize, out: &mut String) {
    *rest = rest.trim_start();
    let (open, close) = match rest.as_bytes().first() {
        Some(b'{') => ('{', '}'),
        Some(b'[') => ('[', ']'),
        _ => {
            let text = scalar(rest);
            *out += &format!(" {}\n", if is_plain(text) { text.trim_matches('"') } else { text });
            return;
        }
    };
    *rest = rest[1..].trim_start();
    if let Some(behind) = rest.strip_prefix(close) {
        *rest = behind;
        *out += &format!(" {open}{close}\n");
        return;
    }
    out.push('\n');
    while !rest.is_empty() {
        if open == '{' {
            let key = scalar(rest);
            *out += &format!("{:indent$}{}:", "", if is_plain(key) { key.trim_matches('"') } else { key });
            *rest = rest.trim_start().trim_start_matches(':');
            value(rest, indent + 2, out);
        } else {
            let mut item = String::new();
            value(rest, indent + 2, &mut item);
            // What has several lines begins on that of its dash.
            let item = if item.starts_with('\n') { item.trim_start().to_owned() } else { item[1..].to_owned() };
            *out += &format!("{:indent$}- {item}", "");
        }
        *rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix(close) {
            *rest = behind;
            return;
        }
        *rest = rest.trim_start_matches([',', ' ', '\n']);
    }
}

/// Takes a text, number or word off the front.
fn scalar<'t>(rest: &mut &'t str) -> &'t str {
    *rest = rest.trim_start();
    let mut is_escaped = false;
    let is_text = rest.starts_with('"');
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends =
            if is_text { *c == '"' && !is_escaped } else { matches!(c, ',' | '}' | ']' | ':') || c.is_whitespace() };
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    let end = end.map_or(rest.len(), |(place, _)| place + usize::from(is_text));
    let (text, behind) = rest.split_at(end);
    *rest = behind;
    text
}

/// Whether a text in quotes means the same without them.
fn is_plain(text: &str) -> bool {
    let Some(bare) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return false };
    let is_word = bare.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    let means_else = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    is_word && !means_else.iter().any(|word| bare.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_texts_their_quotes_where_they_need_them() {
        let json = r#"{"b":"word","a":{"x":1.5,"y":[],"z":{}},"list":["one",{"k":true,"l":null},[1,2]],"t":"a: \"b\" ü","s":"true","e":""}"#;
        let yaml = "b: word\na:\n  x: 1.5\n  \"y\": []\n  z: {}\nlist:\n  - one\n  - k: true\n    l: null\n  - - 1\n    - 2\n\
                    t: \"a: \\\"b\\\" ü\"\ns: \"true\"\ne: \"\"\n";
        assert_eq!(of_json(json), yaml);
        assert_eq!(of_json("[]"), "[]\n");
        assert_eq!(of_json(" { \"a\" : [ 1 , 2 ] , \"b\" : \"x\\\\\" } "), "a:\n  - 1\n  - 2\nb: \"x\\\\\"\n");
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]{}\",:a-c0-9 \\\\ü]{0,40}") {
            of_json(&text);
        }
    }
}
