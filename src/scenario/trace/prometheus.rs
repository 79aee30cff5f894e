//! A series of what Prometheus answers to `query_range`: of `data.result` the one with the wanted labels, and of that
//! `values`, which are pairs of a second and a number in quotes.
//!
//! The answer is read as it comes and not kept, for it is ten times as large as what is wanted of it.

use crate::scenario::trace::choice::TraceChoice;
use crate::scenario::trace::number::number;
use crate::scenario::trace::points::{PointBuilder, TracePoints};
use crate::scenario::trace::source::{TraceFault, TraceSource};

/// The longest text, in bytes.
const MOST_TEXT: usize = 1024;
/// How deep values may stand within one another where they are passed over.
const MOST_DEPTH: u32 = 64;
/// The most labels of a series.
const MOST_LABELS: usize = 64;

/// Reads the points of a series, one value a step.
pub(super) fn read(source: &mut TraceSource<'_>, choice: &TraceChoice<'_>) -> Result<TracePoints, TraceFault> {
    let found = found(source, choice, false)?;
    found.finish().map_err(|why| source.fault(why))
}

/// Reads all points of a series, as they stand there.
pub(super) fn points(source: &mut TraceSource<'_>, choice: &TraceChoice<'_>) -> Result<Vec<(f64, f64)>, TraceFault> {
    let found = found(source, choice, true)?;
    found.finish_all().map_err(|why| source.fault(why))
}

/// The wanted series.
fn found(source: &mut TraceSource<'_>, choice: &TraceChoice<'_>, keeps_all: bool) -> Result<PointBuilder, TraceFault> {
    let mut answer = AnswerReader { source, choice, keeps_all, text: String::new(), found: None };
    answer.object(&mut |answer, key| {
        if key == "data" { answer.object(&mut |answer, key| answer.data(key)) } else { answer.pass() }
    })?;
    if answer.blank()?.is_some() {
        return Err(answer.source.fault("something follows the answer"));
    }
    match answer.found {
        Some((_, builder)) => Ok(builder),
        None if choice.series.is_empty() => {
            Err(answer.source.fault("there is no data.result with values: is it an answer of query_range?"))
        }
        None => Err(answer.source.fault("no series has these labels and values")),
    }
}

/// Reads an answer of Prometheus.
struct AnswerReader<'a, 's, 'r> {
    source: &'s mut TraceSource<'r>,
    choice: &'a TraceChoice<'a>,
    /// Whether all points are kept, and no steps made of them.
    keeps_all: bool,
    /// The text that was read last.
    text: String,
    /// The series that was found, and its labels.
    found: Option<(String, PointBuilder)>,
}

impl AnswerReader<'_, '_, '_> {
    /// The members of `data`.
    fn data(&mut self, key: &str) -> Result<(), TraceFault> {
        if key != "result" {
            return self.pass();
        }
        self.list(&mut |answer| answer.series())
    }

    /// One series. It is kept when it is the wanted one.
    fn series(&mut self) -> Result<(), TraceFault> {
        let (mut labels, mut is_wanted) = (None, true);
        let mut builder = None;
        self.object(&mut |answer, key| {
            match key {
                "metric" => {
                    let (shown, wanted) = answer.labels()?;
                    (labels, is_wanted) = (Some(shown), wanted);
                }
                // Of a series that is known to be another, nothing is read.
                "values" if is_wanted => builder = Some(answer.values()?),
                _ => answer.pass()?,
            }
            Ok(())
        })?;
        // Without labels it has none of the wanted ones.
        let is_wanted = is_wanted && (labels.is_some() || self.choice.series.is_empty());
        let (Some(builder), true) = (builder, is_wanted) else { return Ok(()) };
        let labels = labels.unwrap_or_default();
        if let Some((first, _)) = &self.found {
            let text = format!("two series fit, {{{first}}} and {{{labels}}}: labels under series choose one");
            return Err(self.source.fault(text));
        }
        self.found = Some((labels, builder));
        Ok(())
    }

    /// The labels of a series for a person, and whether the wanted ones are among them.
    fn labels(&mut self) -> Result<(String, bool), TraceFault> {
        let (mut shown, mut fit, mut number) = (String::new(), 0, 0);
        self.object(&mut |answer, key| {
            number += 1;
            if number > MOST_LABELS {
                return Err(answer.source.fault(format!("a series has more than {MOST_LABELS} labels")));
            }
            answer.string()?;
            let wanted = answer.choice.series.iter().find(|(name, _)| name == key);
            fit += usize::from(wanted.is_some_and(|(_, value)| *value == answer.text));
            if shown.len() < MOST_TEXT {
                let comma = if shown.is_empty() { "" } else { ", " };
                shown.push_str(&format!("{comma}{key}={:?}", answer.text));
            }
            Ok(())
        })?;
        Ok((shown, fit == self.choice.series.len()))
    }

    /// Pairs of a second and a value.
    fn values(&mut self) -> Result<PointBuilder, TraceFault> {
        let mut builder = PointBuilder::new(self.choice.every, self.choice.gaps);
        if self.keeps_all {
            builder = builder.keeping_all();
        }
        let mut which = 0u64;
        self.list(&mut |answer| {
            which += 1;
            let (mut second, mut place) = (0.0, 0);
            answer.list(&mut |answer| {
                place += 1;
                let what = match place {
                    1 => answer.plain(),
                    _ => answer.string(),
                };
                what?;
                let number = number(&answer.text).and_then(|number| match place {
                    1 => {
                        second = number;
                        Ok(())
                    }
                    2 => builder.push(second, number * answer.choice.unit),
                    _ => Err(String::from("there is more than a second and a value")),
                });
                number.map_err(|why| answer.source.fault(format!("value {which}: {why}")))
            })?;
            if place == 2 { Ok(()) } else { Err(answer.source.fault(format!("value {which}: it is no pair"))) }
        })?;
        Ok(builder)
    }

    /// An object, with what is done for each key.
    fn object(&mut self, member: &mut dyn FnMut(&mut Self, &str) -> Result<(), TraceFault>) -> Result<(), TraceFault> {
        self.all(b'{', b'}', &mut |answer| {
            answer.string()?;
            let key = std::mem::take(&mut answer.text);
            answer.expect(b':')?;
            member(answer, &key)
        })
    }

    /// A list, with what is done for each member.
    fn list(&mut self, item: &mut dyn FnMut(&mut Self) -> Result<(), TraceFault>) -> Result<(), TraceFault> {
        self.all(b'[', b']', item)
    }

    fn all(
        &mut self,
        begin: u8,
        end: u8,
        item: &mut dyn FnMut(&mut Self) -> Result<(), TraceFault>,
    ) -> Result<(), TraceFault> {
        self.expect(begin)?;
        if self.blank()? == Some(end) {
            self.source.next()?;
            return Ok(());
        }
        loop {
            item(self)?;
            match self.blank()? {
                Some(b',') => _ = self.source.next()?,
                _ => return self.expect(end),
            }
        }
    }

    /// The next byte that is no blank, which stays the next.
    fn blank(&mut self) -> Result<Option<u8>, TraceFault> {
        while let Some(byte) = self.source.peek()? {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(Some(byte));
            }
            self.source.next()?;
        }
        Ok(None)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), TraceFault> {
        match self.blank()? {
            Some(byte) if byte == wanted => self.source.next().map(|_| ()),
            Some(byte) => {
                let (wanted, found) = (char::from(wanted), char::from(byte).escape_debug().to_string());
                Err(self.source.fault(format!("expected '{wanted}', instead got '{found}'")))
            }
            None => Err(self.source.fault("it ends too early")),
        }
    }

    /// A number as it stands there.
    fn plain(&mut self) -> Result<(), TraceFault> {
        self.blank()?;
        self.text.clear();
        while let Some(byte) = self.source.peek()? {
            if !byte.is_ascii_alphanumeric() && !b"+-.".contains(&byte) || self.text.len() == MOST_TEXT {
                break;
            }
            self.text.push(char::from(byte));
            self.source.next()?;
        }
        Ok(())
    }

    /// A text in quotes.
    fn string(&mut self) -> Result<(), TraceFault> {
        self.expect(b'"')?;
        let mut bytes = Vec::new();
        loop {
            match self.some()? {
                b'"' => break,
                b'\\' => match self.some()? {
                    b'u' => {
                        let mut code = 0;
                        for _ in 0..4 {
                            let digit = char::from(self.some()?).to_digit(16);
                            let digit = digit.ok_or_else(|| self.source.fault("after \\u come four digits"))?;
                            code = code * 16 + digit;
                        }
                        let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                        bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    b'n' => bytes.push(b'\n'),
                    b't' => bytes.push(b'\t'),
                    byte => bytes.push(byte),
                },
                byte => bytes.push(byte),
            }
            if bytes.len() > MOST_TEXT {
                return Err(self.source.fault(format!("a text is longer than {MOST_TEXT} bytes")));
            }
        }
        self.text.clear();
        self.text.push_str(&String::from_utf8_lossy(&bytes));
        Ok(())
    }

    /// The next byte, which must be there.
    fn some(&mut self) -> Result<u8, TraceFault> {
        let next = self.source.next()?;
        next.ok_or_else(|| self.source.fault("it ends too early"))
    }

    /// Passes over a value, whatever it is.
    fn pass(&mut self) -> Result<(), TraceFault> {
        let mut depth = 0;
        loop {
            match self.blank()? {
                None => return Err(self.source.fault("it ends too early")),
                Some(b'"') => self.pass_string()?,
                Some(b'{' | b'[') => {
                    depth += 1;
                    if depth > MOST_DEPTH {
                        return Err(self.source.fault("values stand too deep within one another"));
                    }
                    self.source.next()?;
                    continue;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.source.next()?;
                }
                Some(b',' | b':') if depth > 0 => {
                    self.source.next()?;
                    continue;
                }
                Some(_) => {
                    self.plain()?;
                    if self.text.is_empty() {
                        return Err(self.source.fault("it is no JSON"));
                    }
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Passes over a text, however long.
    fn pass_string(&mut self) -> Result<(), TraceFault> {
        self.expect(b'"')?;
        loop {
            match self.some()? {
                b'"' => return Ok(()),
                b'\\' => _ = self.some()?,
                _ => {}
            }
        }
    }
}
