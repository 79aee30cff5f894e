//! A flat JSON object (RFC 8259) as the form that says the same, so that both are read alike.

use super::target::push_escape;

/// The form for an object whose values are strings, numbers and booleans.
///
/// # Errors
/// What is wrong with it.
pub fn form_of_json(text: &[u8]) -> Result<Vec<u8>, String> {
    if std::str::from_utf8(text).is_err() {
        return Err(String::from("the JSON body is not UTF-8"));
    }
    let mut reader = Reader { text, at: 0, form: String::new() };
    match reader.object() {
        Some(()) => Ok(reader.form.into_bytes()),
        None => Err(format!(
            "the JSON body cannot be read at byte {}; it is one object of strings, numbers and booleans, like \
             {{\"amount\":\"100Mi\",\"ttl\":\"5m\"}}",
            reader.at
        )),
    }
}

/// Each method returns `None` where the text is not what it reads, `at` this byte or just before it.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    form: String,
}

impl Reader<'_> {
    fn object(&mut self) -> Option<()> {
        self.token(b'{').then_some(())?;
        if !self.token(b'}') {
            loop {
                self.token(b'"').then_some(())?;
                self.string()?;
                self.token(b':').then_some(())?;
                self.form.push('=');
                self.value()?;
                if !self.token(b',') {
                    break;
                }
                self.form.push('&');
            }
            self.token(b'}').then_some(())?;
        }
        self.skip_space();
        (self.at == self.text.len()).then_some(())
    }

    fn value(&mut self) -> Option<()> {
        if self.token(b'"') {
            return self.string();
        }
        let rest = &self.text[self.at..];
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let word = &rest[..rest.iter().position(|byte| !is_of_word(byte)).unwrap_or(rest.len())];
        let is_number = word.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-')
            && word.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte));
        (is_number || word == b"true" || word == b"false").then_some(())?;
        word.iter().for_each(|&byte| self.push(byte));
        self.at += word.len();
        Some(())
    }

    /// What follows a quotation mark, to the next one.
    fn string(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => {
                    let escaped = match self.next()? {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'u' => {
                            let c = self.unicode()?;
                            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.push(byte));
                            continue;
                        }
                        _ => return None,
                    };
                    self.push(escaped);
                }
                0..0x20 => return None,
                byte => self.push(byte),
            }
        }
    }

    /// The character after `\u`, with the second half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if first & 0xfc00 != 0xd800 {
            return char::from_u32(first);
        }
        (self.next()? == b'\\' && self.next()? == b'u').then_some(())?;
        let second = self.four_digits()?;
        (second & 0xfc00 == 0xdc00).then_some(())?;
        char::from_u32(0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff))
    }

    fn four_digits(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |number, _| Some(number << 4 | char::from(self.next()?).to_digit(16)?))
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Reads this byte, with what white space is around it, if it comes next.
    fn token(&mut self, wanted: u8) -> bool {
        self.skip_space();
        let is_there = self.text.get(self.at) == Some(&wanted);
        self.at += usize::from(is_there);
        // Within a string, white space counts.
        if is_there && wanted != b'"' {
            self.skip_space();
        }
        is_there
    }

    fn skip_space(&mut self) {
        self.at += self.text[self.at..].iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    }

    fn push(&mut self, byte: u8) {
        match byte.is_ascii_alphanumeric() {
            true => self.form.push(char::from(byte)),
            false => push_escape(&mut self.form, byte, b"0123456789ABCDEF"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_become_forms() {
        for (json, form) in [
            ("{}", ""),
            (" { } ", ""),
            (r#"{"a":"b"}"#, "a=b"),
            ("\t{ \"a\" : 5 ,\n\"b\" : true } ", "a=5&b=true"),
            (r#"{"a":-1.5e+3,"b":false}"#, "a=%2D1%2E5e%2B3&b=false"),
            (r#"{"a&b=":"c d+%é","\u0061":"\ud83d\ude00\n\/"}"#, "a%26b%3D=c%20d%2B%25%C3%A9&a=%F0%9F%98%80%0A%2F"),
            (r#"{"a":" x "}"#, "a=%20x%20"),
            (r#"{"a":""}"#, "a="),
        ] {
            assert_eq!(form_of_json(json.as_bytes()), Ok(form.as_bytes().to_vec()), "{json}");
        }
        for json in [
            "",
            "{",
            "}",
            "[]",
            "5",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1}x"#,
            r#"{"a":null}"#,
            r#"{"a":{}}"#,
            r#"{"a":[]}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\ud800\u0041"}"#,
            r#"{"a":"\udc00"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":"b}"#,
            r#"{a:1}"#,
            r#"{"a":1Mi}"#,
            r#"{"a":truex}"#,
            r#"{,"a":1}"#,
        ] {
            assert!(form_of_json(json.as_bytes()).is_err(), "{json}");
        }
        assert!(form_of_json(b"{\"a\":\"\xff\"}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}\":,\\\\ua0-9tre \u{e9}]{0,30}") {
            let _ = form_of_json(text.as_bytes());
        }
    }
}
