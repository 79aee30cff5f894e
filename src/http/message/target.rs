//! Request targets: what path was meant, and what its clean form is.

use std::borrow::Cow;

/// Splits a target in origin form into path and raw query, at the first `?`.
pub fn split(target: &[u8]) -> (&[u8], &[u8]) {
    match target.iter().position(|&b| b == b'?') {
        Some(mark) => (&target[..mark], &target[mark + 1..]),
        None => (target, b""),
    }
}

/// Undoes percent-encoding.
///
/// Returns `None` when a `%` is not followed by two hexadecimal digits.
pub fn percent_decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !text.contains(&b'%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            decoded.push(hex_digit(digits[0])? << 4 | hex_digit(digits[1])?);
            rest = tail;
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    Some(Cow::Owned(decoded))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The clean form of a decoded path that has empty, `.` or `..` segments; `None` when it is clean already.
///
/// A trailing slash stays: `/a//` becomes `/a/`, which is another path than `/a`.
pub fn cleaned(path: &[u8]) -> Option<Vec<u8>> {
    // Most paths are clean, and that is seen without memory.
    let (inner, is_rooted) = path.strip_prefix(b"/").map_or((path, false), |inner| (inner, true));
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    if is_rooted && inner.split(|&b| b == b'/').all(|segment| !matches!(segment, b"" | b"." | b"..")) {
        return None;
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|&b| b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut clean = Vec::with_capacity(path.len() + 1);
    for segment in &segments {
        clean.push(b'/');
        clean.extend_from_slice(segment);
    }
    if clean.is_empty() || path.ends_with(b"/") {
        clean.push(b'/');
    }
    (clean != path).then_some(clean)
}

/// Writes a decoded path as it stands in a URL: what is not allowed in a path is percent-encoded.
pub fn percent_encode(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            push_escape(&mut text, byte, b"0123456789ABCDEF");
        }
    }
    text
}

/// Percent-encodes what must not stand in a header field's value: everything but printable ASCII. In lower case, as the
/// original's clients saw it.
pub fn field_safe(text: &[u8]) -> String {
    let mut safe = String::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_graphic() {
            safe.push(char::from(byte));
        } else {
            push_escape(&mut safe, byte, b"0123456789abcdef");
        }
    }
    safe
}

pub(in crate::http) fn push_escape(text: &mut String, byte: u8, digits: &[u8; 16]) {
    text.push('%');
    text.push(char::from(digits[usize::from(byte >> 4)]));
    text.push(char::from(digits[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding_is_exact() {
        assert_eq!(percent_decode(b"/api/mem%2Fgetact").unwrap().as_ref(), b"/api/mem/getact");
        assert_eq!(percent_decode(b"%00%fF").unwrap().as_ref(), b"\x00\xff");
        for bad in [&b"%"[..], b"a%2", b"%zz", b"50%", b"%+1", b"%%41"] {
            assert!(percent_decode(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn unclean_paths_have_a_clean_form() {
        for (path, clean) in [
            ("//api/mem/getact", "/api/mem/getact"),
            ("/api//mem/./getact", "/api/mem/getact"),
            ("/api/disk/../mem/getact", "/api/mem/getact"),
            ("/../../a", "/a"),
            ("/a//", "/a/"),
            ("/a/.", "/a"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("//", "/"),
        ] {
            assert_eq!(cleaned(path.as_bytes()).as_deref(), Some(clean.as_bytes()), "{path}");
        }
        for path in ["/", "/a", "/a/", "/a/b", "/.../x", "/a/..b"] {
            assert_eq!(cleaned(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn nothing_that_ends_a_line_survives_encoding() {
        assert_eq!(percent_encode(b"/a\r\nX: y/\xc3\xa9!"), "/a%0D%0AX:%20y/%C3%A9%21");
        assert_eq!(field_safe(b"a=\xff&b=\"\r\n"), "a=%ff&b=\"%0d%0a");
    }

    proptest::proptest! {
        #[test]
        fn a_cleaned_path_is_clean(path in "/[a./%]{0,20}") {
            if let Some(clean) = cleaned(path.as_bytes()) {
                proptest::prop_assert_eq!(cleaned(&clean), None);
            }
        }

        #[test]
        fn encoding_and_decoding_are_inverse(path in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let encoded = percent_encode(&path);
            proptest::prop_assert_eq!(percent_decode(encoded.as_bytes()).unwrap().into_owned(), path);
        }
    }
}
