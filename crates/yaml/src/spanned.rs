//! A tree of YAML nodes that know where they stand.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::number::python_float;

/// A node and the place where it begins.
///
/// The content of an alias keeps the places of the anchor's text; only the alias itself has its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What stands there.
    pub node: Node,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A value without parts: null, bool, number or string.
    Scalar(Value),
    /// A sequence.
    List(Vec<Spanned>),
    /// A mapping in the order of the text, merge keys applied. Keys are scalars, and no two have the same text.
    Map(Vec<(Spanned, Spanned)>),
}

impl Spanned {
    /// The value without its places; keys become text.
    pub fn to_value(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => Value::Array(items.iter().map(Spanned::to_value).collect()),
            Node::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| {
                        (
                            key.text().unwrap_or_default().into_owned(),
                            value.to_value(),
                        )
                    })
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// A scalar as Python's `str()` prints it, which is how it reads as a key; none for lists and maps.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match &self.node {
            Node::Scalar(Value::String(text)) => Some(Cow::Borrowed(text)),
            Node::Scalar(Value::Null) => Some(Cow::Borrowed("None")),
            Node::Scalar(Value::Bool(true)) => Some(Cow::Borrowed("True")),
            Node::Scalar(Value::Bool(false)) => Some(Cow::Borrowed("False")),
            Node::Scalar(Value::Number(number)) => Some(Cow::Owned(match number.as_f64() {
                Some(float) if number.is_f64() => python_float(float),
                _ => number.to_string(),
            })),
            Node::Scalar(_) | Node::List(_) | Node::Map(_) => None,
        }
    }

    /// How much a copy of this tree costs.
    pub(crate) fn size(&self) -> Size {
        let parts = match &self.node {
            Node::Scalar(value) => {
                return Size {
                    nodes: 1,
                    bytes: value.as_str().map_or(0, str::len),
                    depth: 0,
                };
            }
            Node::List(items) => items
                .iter()
                .fold(Size::default(), |sum, item| sum.with(item.size())),
            Node::Map(entries) => entries.iter().fold(Size::default(), |sum, (key, value)| {
                sum.with(key.size()).with(value.size())
            }),
        };
        Size {
            nodes: parts.nodes + 1,
            bytes: parts.bytes,
            depth: parts.depth + 1,
        }
    }
}

/// The extent of a tree.
#[derive(Clone, Copy, Default)]
pub(crate) struct Size {
    /// Scalars, lists and maps, keys included.
    pub(crate) nodes: usize,
    /// Bytes of text in the scalars.
    pub(crate) bytes: usize,
    /// Lists and maps around the deepest scalar.
    pub(crate) depth: usize,
}

impl Size {
    fn with(self, other: Size) -> Size {
        Size {
            nodes: self.nodes + other.nodes,
            bytes: self.bytes + other.bytes,
            depth: self.depth.max(other.depth),
        }
    }
}
