//! The events of saphyr-parser become a tree, within bounds.

use std::collections::HashMap;
use std::fmt;
use std::panic::catch_unwind;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use crate::yaml::node::{Node, NodeKind, NodePath};

/// The longest file, in bytes: a ConfigMap holds half of it, and a day's recording at a point a second is as long.
pub const MOST_BYTES: usize = 2 << 20;
/// The most collections that stand within one another: deeper than any configuration, and far from the end of a stack.
const MOST_DEPTH: usize = 32;
/// The most values with those that aliases repeat, so that the tree stays below some 10 MiB.
const MOST_NODES: usize = 100_000;
/// The most bytes of text with those that aliases repeat. An escape in the file may be shorter than its character.
const MOST_TEXT: usize = 2 * MOST_BYTES;
/// What the tags of the core schema begin with.
const CORE_TAG: &str = "tag:yaml.org,2002:";

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlFault {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// How far the tree was built.
    pub path: NodePath,
    /// What is wrong.
    pub text: String,
}

/// `proxy.listen (line 3, column 5): TEXT`.
impl fmt::Display for YamlFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, path, text } = self;
        if path.is_root() {
            return write!(out, "line {line}, column {column}: {text}");
        }
        write!(out, "{path} (line {line}, column {column}): {text}")
    }
}

/// Reads a file of one document.
///
/// # Errors
/// When it is not YAML, is empty, has more than one document, is out of bounds, gives a key twice, has a key that is no
/// scalar, or a tag beyond the core schema.
pub fn parse(text: &str) -> Result<Node, YamlFault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MOST_BYTES {
        return Err(fault((1, 1), NodePath::default(), format!("it is longer than {MOST_BYTES} bytes")));
    }
    // The parser takes a NUL for the end of the file; YAML has none of these characters.
    if let Some(place) = text.find(|c: char| c < ' ' && !['\t', '\n', '\r'].contains(&c)) {
        let before = &text[..place];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let text = String::from("a control character, which must be escaped");
        return Err(fault((line, column), NodePath::default(), text));
    }
    match read(text) {
        Err(fault) => joined_surrogates(text).map_or(Err(fault), |joined| read(&joined)),
        tree => tree,
    }
}

/// Reads a text that has no control characters.
fn read(text: &str) -> Result<Node, YamlFault> {
    // The parser is not ours, and states some of its beliefs with `unwrap`.
    catch_unwind(|| Builder::default().read(text))
        .unwrap_or_else(|_| Err(fault((1, 1), NodePath::default(), String::from("the parser failed on it"))))
}

/// With JSON's pairs of escapes (`\ud83d\ude00`) as the one escape that YAML has for the same character; `None` where
/// there are none.
fn joined_surrogates(text: &str) -> Option<String> {
    let (mut joined, mut rest) = (String::new(), text);
    let mut are_any = false;
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        joined.push_str(before);
        let unit = |at: usize| {
            let digits = escape.get(at..at + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        let pair = unit(0).zip(unit(6)).filter(|(high, _)| (0xd800..0xdc00).contains(high));
        let character = pair.and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
        let length = match character {
            Some(character) => {
                are_any = true;
                joined.push_str(&format!("\\U{:08X}", u32::from(character)));
                12
            }
            // The backslash, and what it escapes: that may be another backslash.
            None => {
                let length = escape.chars().take(2).map(char::len_utf8).sum();
                joined.push_str(&escape[..length]);
                length
            }
        };
        rest = &escape[length..];
    }
    joined.push_str(rest);
    are_any.then_some(joined)
}

/// What is wrong with an event, and where, unless that is where the event is.
struct Wrong {
    place: Option<(usize, usize)>,
    text: String,
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self { place: None, text }
    }
}

fn fault((line, column): (usize, usize), path: NodePath, text: String) -> YamlFault {
    // A file has at most MOST_BYTES of each.
    YamlFault { line: line as u32, column: column as u32, path, text }
}

/// A collection whose end has not come.
struct Frame {
    line: u32,
    column: u32,
    anchor: usize,
    is_mapping: bool,
    /// Of a mapping, keys and values in turn.
    items: Vec<Node>,
}

impl Frame {
    /// The path of what comes next in it.
    fn next(&self, own: &NodePath) -> NodePath {
        match (self.is_mapping, self.items.len()) {
            (false, place) => own.index(place),
            (true, place) if place % 2 == 1 => own.key(self.items[place - 1].text().unwrap_or_default()),
            (true, _) => own.clone(),
        }
    }
}

#[derive(Default)]
struct Builder {
    open: Vec<Frame>,
    /// What has an anchor, in the place of the number that the parser gives it. A collection is added at its end.
    anchors: Vec<Option<Node>>,
    root: Option<Node>,
    size: Size,
}

impl Builder {
    fn read(mut self, text: &str) -> Result<Node, YamlFault> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.scan_fault(&error))?;
            self.take(event, &span.start)
                .map_err(|wrong| fault(wrong.place.unwrap_or(place(&span.start)), self.path(), wrong.text))?;
        }
        self.root.ok_or_else(|| fault((1, 1), NodePath::default(), String::from("it is empty")))
    }

    fn scan_fault(&self, error: &ScanError) -> YamlFault {
        fault(place(error.marker()), self.path(), error.info().to_owned())
    }

    /// The path of what comes next.
    fn path(&self) -> NodePath {
        self.open.iter().fold(NodePath::default(), |path, frame| frame.next(&path))
    }

    fn take(&mut self, event: Event<'_>, start: &Marker) -> Result<(), Wrong> {
        let (line, column) = place(start);
        let (line, column) = (line as u32, column as u32);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                return Err(String::from("a second document begins").into());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = match core_tag(tag.as_deref())? {
                    None => style == ScalarStyle::Plain,
                    Some("str") => false,
                    Some("int" | "float" | "bool" | "null") => true,
                    Some(tag) => return Err(format!("the tag !!{tag} is not that of a scalar").into()),
                };
                let node = Node { line, column, kind: NodeKind::Scalar { text: text.into_owned(), is_plain } };
                self.add(node, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq")?;
                self.begin(Frame { line, column, anchor, is_mapping: false, items: Vec::new() })?;
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map")?;
                self.begin(Frame { line, column, anchor, is_mapping: true, items: Vec::new() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Frame { line, column, anchor, is_mapping, items }) = self.open.pop() else { return Ok(()) };
                let kind = if is_mapping { NodeKind::Mapping(pairs(items)?) } else { NodeKind::Sequence(items) };
                self.add(Node { line, column, kind }, anchor)?;
            }
            Event::Alias(anchor) => {
                let Some(Some(node)) = self.anchors.get(anchor) else {
                    return Err(String::from("an alias of what contains it").into());
                };
                // It is measured before it is copied.
                let (mut nodes, mut text) = (0, 0);
                let depth = measure(node, &mut nodes, &mut text);
                self.size.add(nodes, text)?;
                check_depth(self.open.len() + depth)?;
                let node = node.clone();
                self.place(node)?;
            }
            Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(())
    }

    fn begin(&mut self, frame: Frame) -> Result<(), String> {
        check_depth(self.open.len() + 1)?;
        self.open.push(frame);
        Ok(())
    }

    /// Adds what the file says, and keeps it for the aliases of its anchor.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Wrong> {
        self.size.add(1, node.text().map_or(0, str::len))?;
        if anchor > 0 {
            let (mut nodes, mut text) = (0, 0);
            measure(&node, &mut nodes, &mut text);
            self.size.add(nodes, text)?;
            // The parser counts them.
            if self.anchors.len() <= anchor {
                self.anchors.resize_with(anchor + 1, || None);
            }
            self.anchors[anchor] = Some(node.clone());
        }
        self.place(node)
    }

    fn place(&mut self, node: Node) -> Result<(), Wrong> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(frame) => {
                if frame.is_mapping && frame.items.len() % 2 == 0 && node.text().is_none() {
                    let text = format!("a key must be a scalar, instead got {node}");
                    return Err(Wrong { place: Some((node.line as usize, node.column as usize)), text });
                }
                frame.items.push(node);
            }
        }
        Ok(())
    }
}

/// What was read, with what aliases repeat.
#[derive(Default)]
struct Size {
    nodes: usize,
    /// In bytes.
    text: usize,
}

impl Size {
    fn add(&mut self, nodes: usize, text: usize) -> Result<(), String> {
        self.nodes += nodes;
        self.text += text;
        if self.nodes > MOST_NODES {
            return Err(format!("there are more than {MOST_NODES} values, those of aliases included"));
        }
        if self.text > MOST_TEXT {
            return Err(format!("there are more than {MOST_TEXT} bytes of text, those of aliases included"));
        }
        Ok(())
    }
}

fn check_depth(depth: usize) -> Result<(), String> {
    if depth > MOST_DEPTH {
        return Err(format!("more than {MOST_DEPTH} lists and mappings stand within one another"));
    }
    Ok(())
}

/// Line and column, from 1. The parser counts columns from 0.
fn place(marker: &Marker) -> (usize, usize) {
    (marker.line(), marker.col() + 1)
}

/// Adds up values and bytes of text; how many collections stand within one another.
fn measure(node: &Node, nodes: &mut usize, text: &mut usize) -> usize {
    *nodes += 1;
    match &node.kind {
        NodeKind::Scalar { text: own, .. } => {
            *text += own.len();
            0
        }
        NodeKind::Sequence(items) => 1 + items.iter().map(|item| measure(item, nodes, text)).max().unwrap_or(0),
        NodeKind::Mapping(pairs) => {
            let both = pairs.iter().flat_map(|(key, value)| [key, value]);
            1 + both.map(|item| measure(item, nodes, text)).max().unwrap_or(0)
        }
    }
}

/// The name of a tag of the core schema; `str` for `!`, which says no more than that a scalar means its text.
fn core_tag(tag: Option<&Tag>) -> Result<Option<&str>, String> {
    let Some(tag) = tag else { return Ok(None) };
    let name = match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("", "!") | ("!", "") => Some("str"),
        (CORE_TAG, name) => Some(name),
        (_, whole) => whole.strip_prefix(CORE_TAG),
    };
    match name {
        Some("str" | "int" | "float" | "bool" | "null" | "seq" | "map") => Ok(name),
        Some(name) => Err(format!("the tag !!{name} is not known here")),
        None => Err(format!("the tag {tag} is not known here")),
    }
}

/// Whether a collection may have this tag.
fn check_tag(tag: Option<&Tag>, own: &str) -> Result<(), String> {
    match core_tag(tag)? {
        None => Ok(()),
        Some(name) if name == own => Ok(()),
        Some("str") if tag.is_some_and(|tag| tag.handle.len() + tag.suffix.len() == 1) => Ok(()),
        Some(name) => Err(format!("the tag !!{name} is not that of a !!{own}")),
    }
}

/// Keys and values in turn become pairs; those of merge keys come last, unless the mapping has them itself.
fn pairs(items: Vec<Node>) -> Result<Vec<(Node, Node)>, Wrong> {
    let mut items = items.into_iter();
    let (mut pairs, mut merged) = (Vec::with_capacity(items.len() / 2), Vec::new());
    let mut lines = HashMap::new();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let text = key.text().unwrap_or_default().to_owned();
        if let Some(line) = lines.insert(text, key.line) {
            let text = format!("the key {key} is given twice, first in line {line}");
            return Err(Wrong { place: Some((key.line as usize, key.column as usize)), text });
        }
        match &key.kind {
            NodeKind::Scalar { text, is_plain: true } if text == "<<" => merged.push(value),
            _ => pairs.push((key, value)),
        }
    }
    if merged.is_empty() {
        return Ok(pairs);
    }
    for value in merged {
        let further = match value.kind {
            NodeKind::Sequence(items) => items,
            _ => vec![value],
        };
        for mapping in further {
            let NodeKind::Mapping(further) = mapping.kind else {
                return Err(format!("<< takes a mapping or a list of them, instead got {mapping}").into());
            };
            let mut is_new = |key: &Node| lines.insert(key.text().unwrap_or_default().to_owned(), key.line).is_none();
            pairs.extend(further.into_iter().filter(|(key, _)| is_new(key)));
        }
    }
    Ok(pairs)
}
