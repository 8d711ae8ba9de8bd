//! Builds a tree from the parser's events: anchors, merge keys, tags, equal keys, limits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::catch_unwind;

use indexmap::IndexMap;
use libyaml_safer::{Encoding, Event, EventData, Mark, Parser, ScalarStyle};

use crate::scalar::{Sort, plain, short, sort, tagged, unknown};
use crate::spanned::Size;
use crate::{Error, Node, Spanned};

/// Most nodes of one document, the content of every alias counted again.
pub const NODES_MAX: usize = 1_000_000;

/// Most lists and maps around one scalar.
pub const DEPTH_MAX: usize = 64;

/// Most bytes of text that anchors and aliases may copy: one long string and many aliases would otherwise fill the memory.
pub const COPIED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Reads the one document of a text.
pub(crate) fn document(text: &str) -> Result<Spanned, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_characters(text)?;
    let (text, is_cut) = with_line_break(text);
    // The scanner panics on a comma right after a verbatim tag (`[!<x>, 1]`). The fence makes that an error like any other;
    // nothing outlives it, for the composer is inside.
    catch_unwind(|| Composer::new(&text, is_cut).document()).unwrap_or_else(|_| {
        Err(Error {
            line: 1,
            column: 1,
            message: "a verbatim tag stands before a comma".to_owned(),
        })
    })
}

/// Ends a text with a line break, since the scanner panics when the text ends inside a block scalar or an escape.
/// Says whether the last line of content was cut, for its block scalar must not gain the line break.
fn with_line_break(text: &str) -> (Cow<'_, str>, bool) {
    let last_line = text.rsplit(['\n', '\r']).next().unwrap_or_default();
    if last_line.is_empty() {
        (Cow::Borrowed(text), false)
    } else if last_line.trim_matches(' ').is_empty() {
        (Cow::Borrowed(&text[..text.len() - last_line.len()]), false)
    } else {
        (Cow::Owned(format!("{text}\n")), true)
    }
}

/// The parser reports a control character without its line, so they are looked for before.
fn check_characters(text: &str) -> Result<(), Error> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        None => Ok(()),
        Some((at, c)) => {
            let before = &text[..at];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            Err(Error {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message: format!(
                    "the control character {} is not allowed",
                    c.escape_unicode()
                ),
            })
        }
    }
}

fn at(mark: Mark, message: impl Into<String>) -> Error {
    let (line, column) = place(mark);
    Error {
        line,
        column,
        message: message.into(),
    }
}

/// A mark counted from 1.
fn place(mark: Mark) -> (usize, usize) {
    let from_one = |count: u64| {
        usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_add(1)
    };
    (from_one(mark.line), from_one(mark.column))
}

struct Composer<'t> {
    parser: Parser<&'t [u8]>,
    anchors: HashMap<String, Spanned>,
    nodes: usize,
    copied_bytes: usize,
    /// Bytes of the text when its last line break was added by us.
    cut_len: Option<u64>,
}

/// The entries of a mapping by the text of their keys.
type Entries = IndexMap<String, (Spanned, Spanned)>;

impl<'t> Composer<'t> {
    fn new(text: &'t str, is_cut: bool) -> Composer<'t> {
        let mut parser = Parser::new();
        // Left to guess, the reader takes some first letters for a broken byte order mark.
        parser.set_encoding(Encoding::Utf8);
        parser.set_input(text.as_bytes());
        Composer {
            parser,
            anchors: HashMap::new(),
            nodes: 0,
            copied_bytes: 0,
            cut_len: is_cut.then_some(text.len() as u64),
        }
    }

    fn document(&mut self) -> Result<Spanned, Error> {
        let mut root = None;
        loop {
            let event = self.event()?;
            match event.data {
                EventData::StreamStart { .. } | EventData::DocumentEnd { .. } => {}
                EventData::DocumentStart { .. } if root.is_some() => {
                    return Err(at(
                        event.start_mark,
                        "a second document begins here, and only one is allowed",
                    ));
                }
                EventData::DocumentStart { .. } => {
                    let first = self.event()?;
                    root = Some(self.node(first, 0)?);
                }
                _ => break,
            }
        }
        Ok(root.unwrap_or(Spanned {
            line: 1,
            column: 1,
            node: Node::Scalar(serde_json::Value::Null),
        }))
    }

    fn event(&mut self) -> Result<Event, Error> {
        self.parser.parse().map_err(|error| {
            let context = match (error.context(), error.context_mark()) {
                (Some(context), Some(mark)) => {
                    let (line, column) = place(mark);
                    format!(" {context} that begins at line {line}, column {column}")
                }
                _ => String::new(),
            };
            at(
                error.problem_mark().unwrap_or_default(),
                format!("{}{context}", error.problem()),
            )
        })
    }

    /// Composes the node that `event` begins, below `depth` lists and maps.
    fn node(&mut self, event: Event, depth: usize) -> Result<Spanned, Error> {
        let mark = event.start_mark;
        let (line, column) = place(mark);
        let is_container = matches!(
            event.data,
            EventData::SequenceStart { .. } | EventData::MappingStart { .. }
        );
        if is_container && depth >= DEPTH_MAX {
            return Err(at(
                mark,
                format!("lists and maps are nested deeper than {DEPTH_MAX}"),
            ));
        }
        self.charge_nodes(1, mark)?;
        let (anchor, node) = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, depth, mark),
            EventData::Scalar {
                anchor,
                tag,
                mut value,
                plain_implicit,
                style,
                ..
            } => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if is_block
                    && self.cut_len.is_some_and(|len| event.end_mark.index >= len)
                    && value.ends_with('\n')
                {
                    value.pop();
                }
                let value = match tag.as_deref() {
                    None | Some("" | "!") if plain_implicit && style == ScalarStyle::Plain => {
                        plain(&value)
                    }
                    None | Some("" | "!") => value.into(),
                    Some(tag) => tagged(tag, &value).map_err(|message| at(mark, message))?,
                };
                (anchor, Node::Scalar(value))
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                check_tag(tag.as_deref(), "seq", mark)?;
                (anchor, Node::List(self.list(depth + 1)?))
            }
            EventData::MappingStart { anchor, tag, .. } => {
                check_tag(tag.as_deref(), "map", mark)?;
                (anchor, Node::Map(self.map(depth + 1)?))
            }
            _ => return Err(at(mark, "a value is missing here")),
        };
        let node = Spanned { line, column, node };
        if let Some(anchor) = anchor {
            self.charge_copy(node.size(), mark)?;
            if let Some(first) = self.anchors.insert(anchor.clone(), node.clone()) {
                let message = format!(
                    "the anchor `{anchor}` is already used at line {}, column {}",
                    first.line, first.column
                );
                return Err(at(mark, message));
            }
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: &str, depth: usize, mark: Mark) -> Result<Spanned, Error> {
        let undefined = || {
            at(
                mark,
                format!("no anchor `{anchor}` is complete before this alias"),
            )
        };
        let size = self.anchors.get(anchor).ok_or_else(undefined)?.size();
        if depth + size.depth > DEPTH_MAX {
            return Err(at(
                mark,
                format!("the alias `{anchor}` nests lists and maps deeper than {DEPTH_MAX}"),
            ));
        }
        self.charge_copy(size, mark)?;
        let target = self.anchors.get(anchor).ok_or_else(undefined)?;
        let (line, column) = place(mark);
        Ok(Spanned {
            line,
            column,
            node: target.node.clone(),
        })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Spanned>, Error> {
        let mut items = Vec::new();
        loop {
            let event = self.event()?;
            if event.data == EventData::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, depth)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Spanned, Spanned)>, Error> {
        let mut own = Entries::new();
        let mut merged = Entries::new();
        loop {
            let event = self.event()?;
            if event.data == EventData::MappingEnd {
                break;
            }
            let mark = event.start_mark;
            let is_merge = is_merge_key(&event.data);
            let key = self.node(event, depth)?;
            let event = self.event()?;
            let value = self.node(event, depth)?;
            if is_merge {
                merge(&mut merged, value)?;
                continue;
            }
            let Some(text) = key.text() else {
                return Err(at(mark, "a list or a map cannot be a key"));
            };
            if let Some((first, _)) = own.get(text.as_ref()) {
                let message = format!(
                    "conflicting ID `{text}`: it is already given at line {}, column {}",
                    first.line, first.column
                );
                return Err(at(mark, message));
            }
            own.insert(text.into_owned(), (key, value));
        }
        // Merged entries stand first, and a key of the mapping itself hides the merged one.
        merged.retain(|key, _| !own.contains_key(key));
        Ok(merged.into_values().chain(own.into_values()).collect())
    }

    fn charge_nodes(&mut self, count: usize, mark: Mark) -> Result<(), Error> {
        self.nodes = self.nodes.saturating_add(count);
        if self.nodes > NODES_MAX {
            return Err(at(
                mark,
                format!("the document has more than {NODES_MAX} nodes"),
            ));
        }
        Ok(())
    }

    fn charge_copy(&mut self, size: Size, mark: Mark) -> Result<(), Error> {
        self.charge_nodes(size.nodes, mark)?;
        self.copied_bytes = self.copied_bytes.saturating_add(size.bytes);
        if self.copied_bytes > COPIED_BYTES_MAX {
            return Err(at(
                mark,
                format!("aliases repeat more than {COPIED_BYTES_MAX} bytes of text"),
            ));
        }
        Ok(())
    }
}

fn is_merge_key(data: &EventData) -> bool {
    matches!(data, EventData::Scalar { tag: None, plain_implicit: true, value, .. } if sort(value) == Sort::Merge)
}

/// Adds the entries of a mapping, or of a list of mappings of which the first wins.
fn merge(merged: &mut Entries, value: Spanned) -> Result<(), Error> {
    let (line, column) = (value.line, value.column);
    let fail = |line, column| Error {
        line,
        column,
        message: "only a map or a list of maps can be merged".to_owned(),
    };
    let maps = match value.node {
        Node::Map(entries) => vec![entries],
        Node::List(items) => items
            .into_iter()
            .rev()
            .map(|item| match item.node {
                Node::Map(entries) => Ok(entries),
                Node::Scalar(_) | Node::List(_) => Err(fail(item.line, item.column)),
            })
            .collect::<Result<_, _>>()?,
        Node::Scalar(_) => return Err(fail(line, column)),
    };
    for (key, value) in maps.into_iter().flatten() {
        if let Some(text) = key.text() {
            merged.insert(text.into_owned(), (key, value));
        }
    }
    Ok(())
}

/// Lists and maps bear their own tag or none.
fn check_tag(tag: Option<&str>, own: &str, mark: Mark) -> Result<(), Error> {
    let Some(tag) = tag.filter(|tag| !matches!(*tag, "" | "!")) else {
        return Ok(());
    };
    match tag.strip_prefix("tag:yaml.org,2002:") {
        Some(name) if name == own => Ok(()),
        Some(
            "str" | "int" | "float" | "bool" | "null" | "binary" | "timestamp" | "map" | "seq",
        ) => Err(at(
            mark,
            format!(
                "the tag `{}` does not fit a {}",
                short(tag),
                if own == "seq" { "list" } else { "map" }
            ),
        )),
        _ => Err(at(mark, unknown(tag))),
    }
}
