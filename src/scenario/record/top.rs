//! What `kubectl top pod` prints, over and over: `NAME CPU(cores) MEMORY(bytes)`, with the names of columns or without,
//! of pods or of their containers.
//!
//! A line that `date +%s` prints begins a sample and has its time. Where there is none, a sample begins with the names of
//! columns, or with a pod (or container) that the sample has already.

use std::io::Read;

use crate::scenario::record::lines::RecordLines;
use crate::scenario::trace::TraceFault;
use crate::scenario::trace::number::number;
use crate::scenario::trace::source::TraceSource;
use crate::units::quantity::{Unit, quantity};

/// The columns that are recorded.
const COLUMNS: [&str; 2] = ["memory_bytes", "cpu_cores"];
/// The most rows of a sample.
const MOST_ROWS: usize = 1024;
/// The most pods that are told by name.
const MOST_NAMED: usize = 5;
/// A time that is later is none in seconds.
const MOST_SECONDS: f64 = 1e11;
/// What a line may be.
const EXPECTED: &str = "expected NAME CPU(cores) MEMORY(bytes) as kubectl top pod prints them, or a time of date +%s";
/// Seconds from a sample to the next where nothing says more.
const EVERY: f64 = 15.0;

/// What is read of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TopChoice<'c> {
    /// Seconds from a sample to the next, where they have no times.
    pub every: Option<f64>,
    /// The one pod that is recorded, as it is named there; the sum of all where none is named.
    pub pod: Option<&'c str>,
}

/// What was read.
#[derive(Debug)]
pub struct TopRecording {
    /// The table.
    pub text: String,
    /// What it comes to.
    pub lines: RecordLines,
    /// How many pods were in it.
    pub pods: usize,
}

/// Reads it.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn read(from: &mut dyn Read, choice: &TopChoice<'_>) -> Result<TopRecording, TraceFault> {
    let mut source = TraceSource::new(from);
    let mut reader = TopReader {
        pod: choice.pod,
        every: choice.every,
        layout: None,
        is_dated: None,
        is_sum: false,
        sample: None,
        samples: 0,
        pods: Vec::new(),
        text: String::new(),
        lines: RecordLines::new(&COLUMNS, None),
    };
    let mut bytes = Vec::new();
    loop {
        let line = source.line;
        let fault = |text: String| TraceFault { line, text };
        if !source.next_line(&mut bytes)? {
            break;
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| fault(String::from("it is not UTF-8")))?;
        reader.take(text).map_err(fault)?;
    }
    reader.end_sample().and_then(|()| reader.finish()).map_err(|why| source.fault(why))
}

/// Which fields of a row are what.
#[derive(Clone, Copy)]
struct TopLayout {
    fields: usize,
    /// Those before this one are names.
    names: usize,
    pod: usize,
    /// Where pods of several namespaces are.
    has_namespace: bool,
    cpu: usize,
    memory: usize,
}

impl TopLayout {
    /// Of the line with the names of columns.
    fn of_names(fields: &[&str]) -> Result<Self, String> {
        let place = |wanted: &str| fields.iter().position(|name| *name == wanted);
        let (Some(cpu), Some(memory), Some(pod)) =
            (place("CPU(cores)"), place("MEMORY(bytes)"), place("POD").or(place("NAME")))
        else {
            return Err(format!("it is no line with the names of columns: {EXPECTED}"));
        };
        Ok(Self {
            fields: fields.len(),
            names: cpu.min(memory),
            pod,
            has_namespace: pod > 0 && fields[0] == "NAMESPACE",
            cpu,
            memory,
        })
    }

    /// Of rows without one: `NAME`, `POD NAME` or `NAMESPACE POD NAME` before the two.
    fn of_row(fields: usize) -> Option<Self> {
        let names = fields.checked_sub(2).filter(|names| (1..=3).contains(names))?;
        let has_namespace = names == 3;
        let pod = usize::from(has_namespace);
        Some(Self { fields, names, pod, has_namespace, cpu: names, memory: names + 1 })
    }
}

/// The rows of one moment.
#[derive(Default)]
struct TopSample {
    second: f64,
    /// What tells one row from another.
    keys: Vec<String>,
    /// Whether an error stands in its place.
    is_failed: bool,
    /// Of the wanted ones: bytes, and millicores.
    sums: Option<(f64, f64)>,
}

/// Reads line after line.
struct TopReader<'c> {
    pod: Option<&'c str>,
    every: Option<f64>,
    layout: Option<TopLayout>,
    /// Whether samples have times, once that is known.
    is_dated: Option<bool>,
    /// The next row is the sum of all.
    is_sum: bool,
    sample: Option<TopSample>,
    /// How many samples there are without times.
    samples: u32,
    pods: Vec<String>,
    text: String,
    lines: RecordLines,
}

impl TopReader<'_> {
    fn take(&mut self, line: &str) -> Result<(), String> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_error =
            ["error:", "Error from server", "No resources found"].iter().any(|begin| line.starts_with(begin));
        match fields.as_slice() {
            [] => Ok(()),
            // Where it is written in between, the sample has failed.
            _ if is_error => self.failed(),
            [time] if time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => self.time(time),
            _ if fields.iter().all(|field| field.bytes().all(|byte| byte == b'_')) => {
                self.is_sum = true;
                Ok(())
            }
            [_, _] if std::mem::take(&mut self.is_sum) => Ok(()),
            _ if fields.contains(&"CPU(cores)") => self.names(&fields),
            _ => self.row(&fields),
        }
    }

    fn time(&mut self, time: &str) -> Result<(), String> {
        let second = number(time)?;
        if second > MOST_SECONDS {
            return Err(format!("{time} is no time in seconds, as date +%s prints it"));
        }
        if self.is_dated == Some(false) {
            return Err(String::from("it is a time, and the samples before it have none"));
        }
        if self.every.is_some() {
            return Err(String::from("it is a time: --every is for samples that have none"));
        }
        self.is_dated = Some(true);
        if let Some(sample) = &self.sample
            && second < sample.second
        {
            return Err(format!("time runs backwards, by {} s", crate::units::decimal::Plain(sample.second - second)));
        }
        self.end_sample()?;
        self.sample = Some(TopSample { second, ..TopSample::default() });
        Ok(())
    }

    fn names(&mut self, fields: &[&str]) -> Result<(), String> {
        self.layout = Some(TopLayout::of_names(fields)?);
        if self.is_dated != Some(true) { self.begin_undated() } else { Ok(()) }
    }

    /// A sample of which nothing is known but that it was to be taken.
    fn failed(&mut self) -> Result<(), String> {
        if self.is_dated != Some(true) {
            self.begin_undated()?;
            self.sample.get_or_insert_default().is_failed = true;
        }
        Ok(())
    }

    /// A sample begins, so long after the one before.
    fn begin_undated(&mut self) -> Result<(), String> {
        self.is_dated = Some(false);
        self.end_sample()?;
        let second = f64::from(self.samples) * self.every.unwrap_or(EVERY);
        self.samples += 1;
        self.sample = Some(TopSample { second, ..TopSample::default() });
        Ok(())
    }

    fn row(&mut self, fields: &[&str]) -> Result<(), String> {
        let layout = match self.layout {
            Some(layout) => layout,
            None => {
                let found = TopLayout::of_row(fields.len());
                *self.layout.insert(found.ok_or_else(|| format!("it has {} fields: {EXPECTED}", fields.len()))?)
            }
        };
        if fields.len() != layout.fields {
            let (found, before) = (fields.len(), layout.fields);
            return Err(format!("it has {found} fields, and lines before it {before}: {EXPECTED}"));
        }
        let of = |place: usize, what: &str, unit| {
            let told = |why| format!("{what} {}: {why}; it is written like 250m, or 128Mi", shown(fields[place]));
            quantity(fields[place], unit).map(|units| units as f64).map_err(told)
        };
        let millicores = of(layout.cpu, "CPU", Unit::Millicores)?;
        let memory = of(layout.memory, "memory", Unit::Bytes)?;
        let key = fields[..layout.names].join(" ");
        let is_there = |sample: &TopSample| sample.is_failed || sample.keys.contains(&key);
        if self.is_dated != Some(true) && self.sample.as_ref().is_none_or(is_there) {
            self.begin_undated()?;
        }
        let sample = self.sample.get_or_insert_default();
        if sample.keys.contains(&key) {
            let key = shown(&key);
            return Err(format!("{key} is there twice at one time: a line of date +%s is missing before it"));
        }
        if sample.keys.len() == MOST_ROWS {
            return Err(format!("a sample has more than {MOST_ROWS} rows: kubectl top pod NAME prints one"));
        }
        sample.keys.push(key);
        let mut pod = fields[layout.pod].to_owned();
        if layout.has_namespace {
            pod = format!("{}/{pod}", fields[0]);
        }
        if self.pod.is_none_or(|wanted| wanted == pod) {
            let (bytes, all) = sample.sums.unwrap_or_default();
            sample.sums = Some((bytes + memory, all + millicores));
        }
        if self.pods.len() < MOST_ROWS && !self.pods.contains(&pod) {
            self.pods.push(pod);
        }
        Ok(())
    }

    /// The sample that was read becomes a line.
    fn end_sample(&mut self) -> Result<(), String> {
        match self.sample.take() {
            Some(TopSample { second, sums: Some((bytes, millicores)), .. }) => {
                let line = self.lines.line(second, &[Some(bytes), Some(millicores / 1e3)])?;
                self.text.push_str(&line);
            }
            Some(_) => self.lines.missed(),
            None => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<TopRecording, String> {
        if self.lines.points() > 0 {
            return Ok(TopRecording { text: self.text, lines: self.lines, pods: self.pods.len() });
        }
        let Some(wanted) = self.pod.filter(|_| !self.pods.is_empty()) else {
            return Err(format!("there is no sample: {EXPECTED}"));
        };
        let more = if self.pods.len() > MOST_NAMED { ", …" } else { "" };
        let named: Vec<String> = self.pods.iter().take(MOST_NAMED).map(|pod| shown(pod)).collect();
        Err(format!("no pod is named {}; there are {}{more}", shown(wanted), named.join(", ")))
    }
}

/// A word of the input, for a message.
fn shown(word: &str) -> String {
    let short: String = word.chars().take(64).collect();
    short.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
