//! JSON, read strictly: what a log collector or `jq` would choke on is no JSON here either.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a value with nothing but space around it; anything else fails the test.
    pub fn parse(text: &str) -> Self {
        Self::try_parse(text).unwrap_or_else(|why| panic!("no JSON: {why}: {text}"))
    }

    pub fn try_parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(format!("more at {}", reader.at)) }
    }

    /// The value at a path, `groups.mem.held`; what is not there is null.
    pub fn at(&self, path: &str) -> &Self {
        path.split('.').fold(self, |value, name| match value {
            Self::Object(members) => {
                members.iter().find(|(key, _)| key == name).map_or(&Self::Null, |(_, value)| value)
            }
            _ => &Self::Null,
        })
    }

    /// The number at a path.
    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        self.at(path).float()
    }

    /// Whether an object has this member.
    pub fn has(&self, name: &str) -> bool {
        matches!(self, Self::Object(members) if members.iter().any(|(key, _)| key == name))
    }

    /// The number that this is.
    #[track_caller]
    pub fn float(&self) -> f64 {
        let Self::Number(number) = self else { panic!("no number: {self:?}") };
        *number
    }

    /// The whole number, not below 0, that this is.
    pub fn whole(&self) -> u64 {
        let number = self.float();
        assert!(number >= 0.0 && number.fract() == 0.0, "{number}");
        number as u64
    }

    /// The text that this is.
    #[track_caller]
    pub fn string(&self) -> &str {
        let Self::Text(text) = self else { panic!("no text: {self:?}") };
        text
    }

    /// The list that this is.
    pub fn list(&self) -> &[Self] {
        let Self::List(list) = self else { panic!("no list: {self:?}") };
        list
    }

    /// Whether it is true at a path.
    pub fn is(&self, path: &str) -> bool {
        match self.at(path) {
            Self::Bool(truth) => *truth,
            other => panic!("{path} is neither true nor false but {other:?}"),
        }
    }

    /// The text at a path.
    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        self.at(path).string()
    }
}

impl std::ops::Index<&str> for Json {
    type Output = Self;

    fn index(&self, name: &str) -> &Self {
        assert!(self.has(name), "no {name} in {self:?}");
        self.at(name)
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("{what} at {}", self.at))
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        self.space();
        match self.rest().bytes().next() {
            _ if depth > 64 => self.wrong("too deep"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.takes("null") => Ok(Json::Null),
            _ if self.takes("true") => Ok(Json::Bool(true)),
            _ if self.takes("false") => Ok(Json::Bool(false)),
            _ => self.wrong("no value"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        let mut members: Vec<(String, Json)> = Vec::new();
        self.at += 1;
        self.space();
        while !self.takes("}") {
            if !members.is_empty() && !self.takes(",") {
                return self.wrong("no comma");
            }
            self.space();
            let name = self.string()?;
            self.space();
            if members.iter().any(|(known, _)| *known == name) || !self.takes(":") {
                return self.wrong("a name twice, or no colon");
            }
            members.push((name, self.value(depth + 1)?));
            self.space();
        }
        Ok(Json::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        let mut values = Vec::new();
        self.at += 1;
        self.space();
        while !self.takes("]") {
            if !values.is_empty() && !self.takes(",") {
                return self.wrong("no comma");
            }
            values.push(self.value(depth + 1)?);
            self.space();
        }
        Ok(Json::List(values))
    }

    fn number(&mut self) -> Result<Json, String> {
        let end = self.rest().find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let text = self.rest()[..end.unwrap_or(self.rest().len())].to_owned();
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let zeros = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        self.at += text.len();
        match text.parse::<f64>() {
            Ok(number) if !zeros && digits.starts_with(|c: char| c.is_ascii_digit()) && !text.ends_with('.') => {
                Ok(Json::Number(number))
            }
            _ => self.wrong("no number"),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.takes("\"") {
            return self.wrong("no string");
        }
        let mut units: Vec<u16> = Vec::new();
        loop {
            let Some(letter) = self.rest().chars().next() else { return self.wrong("no end of a string") };
            self.at += letter.len_utf8();
            match letter {
                '"' => return String::from_utf16(&units).map_err(|_| format!("half a letter before {}", self.at)),
                '\\' => {
                    let unit = self.escape()?;
                    units.push(unit);
                }
                '\0'..='\x1f' => return self.wrong("a control character"),
                letter => units.extend_from_slice(letter.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, String> {
        let Some(letter) = self.rest().chars().next() else { return self.wrong("no escape") };
        self.at += letter.len_utf8();
        Ok(match letter {
            '"' | '\\' | '/' => letter as u16,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits = self.rest().get(..4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(unit) = digits.and_then(|text| u16::from_str_radix(text, 16).ok()) else {
                    return self.wrong("no escape");
                };
                self.at += 4;
                unit
            }
            _ => return self.wrong("no escape"),
        })
    }
}

#[test]
fn the_reader_of_json_is_strict() {
    let value = Json::parse(r#" {"a":[1,-2.5e3,true,null,{}],"b":{"c":"\u00e9\ud83d\ude00\n\"é"}} "#);
    assert_eq!(value.text("b.c"), "é😀\n\"é");
    let list = [Json::Number(1.0), Json::Number(-2500.0), Json::Bool(true), Json::Null, Json::Object(vec![])];
    assert_eq!(value.at("a"), &Json::List(list.to_vec()));
    for wrong in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "01",
        "1.",
        ".5",
        "+1",
        "NaN",
        "\"\n\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "{} {}",
        "'a'",
        "{a:1}",
        "nul",
    ] {
        assert!(Json::try_parse(wrong).is_err(), "{wrong}");
    }
}
