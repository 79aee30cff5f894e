//! The file `.env`, as godotenv 1.5 reads it, which the original uses.
//!
//! ```text
//! # a comment
//! NAME=My App            # blanks are part of a value, and end where a comment begins
//! export NAME="$OTHER\n" # or NAME: value; `$NAME` and `${NAME}` are replaced, and a backslash escapes
//! NAME='as it $tands'    # quoted values may have several lines
//! ```
//!
//! A byte order mark and CRLF mean nothing. Of a name that stands twice, the last value counts. Where godotenv would guess
//! (text behind a closing quote, blanks in a name), it is an error here. What it reads differently: a comment behind blanks
//! is one even where the value is empty; after the file's own names, `${NAME}` is looked up in the environment.

/// Names and values, in the order of the file.
pub(crate) type Variables = Vec<(String, String)>;

/// Reads a file of variables; `environment` is asked for names that the file does not have.
///
/// # Errors
/// The names before the line that is no `NAME=value`, or whose quote does not end.
pub(crate) fn read(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Variables, Variables> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut known = Variables::new();
    let mut rest = text.as_str();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(known);
        }
        if rest.starts_with('#') {
            rest = line(rest).1;
            continue;
        }
        let look = |name: &str| value_of(&known, name).cloned().or_else(|| environment(name)).unwrap_or_default();
        match statement(rest, &look) {
            Some((name, value, after)) => {
                known.push((name.to_owned(), value));
                rest = after;
            }
            None => return Err(known),
        }
    }
}

/// What counts of a name: its last value.
pub(crate) fn value_of<'v>(known: &'v Variables, name: &str) -> Option<&'v String> {
    known.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The first line, and what is behind it.
fn line(text: &str) -> (&str, &str) {
    text.split_once(['\n', '\r']).unwrap_or((text, ""))
}

/// A name, its value, and what is behind them.
fn statement<'a>(text: &'a str, look: &dyn Fn(&str) -> String) -> Option<(&'a str, String, &'a str)> {
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with(is_blank));
    let text = exported.unwrap_or(text).trim_start_matches(is_blank);
    let end = text.find(|byte: char| !(byte.is_ascii_alphanumeric() || byte == '_' || byte == '.'))?;
    let (name, rest) = text.split_at(end);
    let value = rest.trim_start_matches(is_blank).strip_prefix(['=', ':'])?.trim_start_matches(is_blank);
    if name.is_empty() {
        return None;
    }
    let Some(quote) = value.chars().next().filter(|&first| first == '\'' || first == '"') else {
        let (line, after) = line(value);
        let comment =
            line.match_indices('#').find(|(place, _)| line[..*place].chars().next_back().is_none_or(is_blank));
        // A `#` at once behind the `=` is a value.
        let glued = !rest.trim_start_matches(is_blank)[1..].starts_with(is_blank);
        let end = comment.filter(|(place, _)| *place > 0 || !glued).map_or(line.len(), |(place, _)| place);
        return Some((name, expand(line[..end].trim_matches(is_blank), false, look), after));
    };
    let inside = &value[1..];
    let mut escaped = false;
    let end = inside.find(|byte| {
        let is_end = byte == quote && !escaped;
        escaped = byte == '\\' && !escaped;
        is_end
    })?;
    let (behind, after) = line(&inside[end + 1..]);
    let behind = behind.trim_matches(is_blank);
    if !behind.is_empty() && !behind.starts_with('#') {
        return None;
    }
    let value = if quote == '"' { expand(&inside[..end], true, look) } else { inside[..end].to_owned() };
    Some((name, value, after))
}

/// A value with its variables replaced, and its escapes, if there are any: without, a backslash escapes `$` alone.
fn expand(text: &str, escapes: bool, look: &dyn Fn(&str) -> String) -> String {
    let mut value = String::new();
    let mut rest = text;
    while let Some(place) = rest.find(['\\', '$']) {
        value.push_str(&rest[..place]);
        let (special, behind) = rest[place..].split_at(1);
        rest = behind;
        if special == "\\" {
            match behind.chars().next().filter(|&next| escapes || next == '$') {
                Some(next) => {
                    value.push(match next {
                        'n' => '\n',
                        'r' => '\r',
                        next => next,
                    });
                    rest = &behind[next.len_utf8()..];
                }
                None => value.push('\\'),
            }
            continue;
        }
        let is_upper = |byte: char| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == '_';
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| is_upper(c) || c.is_ascii_lowercase());
        let braced = behind.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        if let Some((name, after)) = braced.filter(|(name, _)| is_name(name)) {
            value.push_str(&look(name));
            rest = after;
            continue;
        }
        let end = behind.find(|byte| !is_upper(byte)).unwrap_or(behind.len());
        if end > 0 {
            value.push_str(&look(&behind[..end]));
            rest = &behind[end..];
        } else {
            value.push('$');
        }
    }
    value + rest
}

/// Whether it is a blank within a line.
fn is_blank(byte: char) -> bool {
    byte.is_whitespace() && byte != '\n' && byte != '\r'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<String> {
        let environment = |name: &str| (name == "OUTER").then(|| String::from("from outside"));
        value_of(&read(text, &environment).ok()?, "A").cloned()
    }

    #[test]
    fn values_are_as_godotenv_reads_them() {
        for (text, expected) in [
            ("A=My App", "My App"),
            ("A=My App\r\nB=1\r\n", "My App"),
            ("\u{feff}A=1\r\n", "1"),
            ("\u{feff}# comment\n\n  A = 1  \n", "1"),
            ("export A=1", "1"),
            ("export\tA=1", "1"),
            ("A: yaml", "yaml"),
            ("A=", ""),
            ("A=\nB=1", ""),
            ("A=1\nA=2", "2"),
            ("A=x # comment", "x"),
            ("A=x#y", "x#y"),
            ("A=#x", "#x"),
            ("A= # comment", ""),
            ("A=it's \"so\"", "it's \"so\""),
            ("A='it $B \\n' # comment", "it $B \\n"),
            ("A=\"x # y\" # comment\r\n", "x # y"),
            ("A=\"two\r\nlines\"\r\nB=1", "two\nlines"),
            ("A='two\nlines'", "two\nlines"),
            ("A=\"a\\nb\\\"c\\\\d\"", "a\nb\"c\\d"),
            ("A=a\\nb\\c", "a\\nb\\c"),
            ("B=1\nA=${B}$B", "11"),
            ("B=1\nA=\"x${B}y\"", "x1y"),
            ("A=${OUTER}!", "from outside!"),
            ("OUTER=in file\nA=$OUTER", "in file"),
            ("A=$NOWHERE.", "."),
            ("A=pa$word", "pa$word"),
            ("A=\\$B", "$B"),
            ("A=\"\\$B\"", "$B"),
            ("A=100$", "100$"),
            ("A=ü $ü \\ü", "ü $ü \\ü"),
            ("A=x=y:z", "x=y:z"),
            ("A=1\rB=2", "1"),
        ] {
            assert_eq!(value(text).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_variable_is_an_error_after_those_before_it() {
        for text in
            ["words", "A B=1", "=1", "A=\"x", "A='x\nB=1\n", "A='x' y", "Ä=1", "A", "export", "\"A\"=1", "A-B=1"]
        {
            let before = read(&format!("B=1\n{text}"), &|_| None).unwrap_err();
            assert_eq!(before, [(String::from("B"), String::from("1"))], "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[AB=:$\\\\{}'\"# \n\r\u{feff}ü-]{0,40}") {
            let _ = read(&text, &|_| None);
        }
    }
}
