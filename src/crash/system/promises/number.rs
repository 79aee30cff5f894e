//! Whole numbers in what services answer and programs print: any of 128 bits, which are more than JSON's readers keep.

/// The number that these bytes are, digits alone.
pub(super) fn whole_number(digits: &[u8]) -> Option<u128> {
    let mut number = (!digits.is_empty()).then_some(0u128)?;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?;
    }
    Some(number)
}

/// The number that a member of a JSON object (RFC 8259) has, bare or in quotes. Names are compared as they are written;
/// members of members are not looked at.
pub(super) fn member_number(json: &[u8], name: &str) -> Option<u128> {
    let mut rest = json.trim_ascii().strip_prefix(b"{")?;
    loop {
        let (key, behind) = string(rest.trim_ascii_start())?;
        let value = behind.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let end = value_end(value)?;
        if key == name.as_bytes() {
            let digits = value[..end].trim_ascii();
            return whole_number(
                digits.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(digits),
            );
        }
        rest = value[end..].strip_prefix(b",")?;
    }
}

/// The inside of the string that these bytes begin with, and what is behind it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut is_escaped = false;
    for (place, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some((&text[..place], &text[place + 1..])),
            _ => {}
        }
    }
    None
}

/// Where the value ends that these bytes begin with: at the comma or bracket behind it.
fn value_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut rest) = (0u32, text);
    while let Some((first, behind)) = rest.split_first() {
        match first {
            b'"' => {
                rest = string(rest)?.1;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b',' | b'}' if depth == 0 => return Some(text.len() - rest.len()),
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_alone_are_a_number() {
        assert_eq!(whole_number(b"0"), Some(0));
        assert_eq!(whole_number(b"340282366920938463463374607431768211455"), Some(u128::MAX));
        for text in ["", "340282366920938463463374607431768211456", "-1", "+1", "1.0", "1e3", " 1", "1\n", "x"] {
            assert_eq!(whole_number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_member_is_found_behind_whatever_others() {
        let number = |json: &str| member_number(json.as_bytes(), "n");
        assert_eq!(number("{\"n\":17}"), Some(17));
        assert_eq!(number(" { \"n\" : \"18\" , \"m\":1} "), Some(18));
        assert_eq!(number(r#"{"a":"\"n\":1,}","b":{"n":2,"c":["]",{}]},"d":[1,2],"n":3}"#), Some(3));
        assert_eq!(number(r#"{"\\":1,"n":4}"#), Some(4));
        for json in
            ["", "17", "{}", "{\"m\":1}", "{\"n\":1.5}", "{\"n\":null}", "{\"n\":{}}", "[{\"n\":1}]", "{\"n\":12"]
        {
            assert_eq!(number(json), None, "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_object_is_read_as_by_others(
            members in proptest::collection::vec(("[a-z\"\\\\]{0,3}", "[a-z{}\\[\\],:\"\\\\]{0,6}", 0u64.., 0usize..4), 0..6),
            wanted in "[a-c]{1}", cut in 0usize..200,
        ) {
            let mut object = serde_json::Map::new();
            for (name, text, number, kind) in members {
                object.insert(name, match kind {
                    0 => number.into(),
                    1 => text.into(),
                    2 => serde_json::json!({"n": number, "t": text}),
                    _ => serde_json::json!([number, text, {}, []]),
                });
            }
            let json = serde_json::to_string(&object).unwrap();
            let expected = object.get(&wanted).and_then(|value| match value {
                serde_json::Value::String(text) => whole_number(text.as_bytes()),
                value => value.as_u64().map(u128::from),
            });
            proptest::prop_assert_eq!(member_number(json.as_bytes(), &wanted), expected, "{}", json);
            let part = &json.as_bytes()[..cut.min(json.len())];
            proptest::prop_assert!(member_number(part, &wanted).is_none_or(|number| Some(number) == expected));
        }
    }
}
