//! Values by their kind.

use serde_json::Value as Json;
use yaml::{Node, Spanned};

use super::keys::{Key, Kind};
use super::problem::{Place, Problem};
use super::settings::Given;

/// A value that fits its key.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    Texts(Vec<Given<String>>),
    TextMap(Vec<(String, Given<Vec<String>>)>),
    Map(serde_json::Map<String, Json>),
    List(Vec<Json>),
    Any(Json),
    /// Keys and values, still to be read by their own table.
    Block(Vec<(Spanned, Spanned)>),
    /// Checked by the reader of remotes.
    Node(Spanned),
}

/// Reads a node as the value of a key.
pub(super) fn read(
    key: &Key,
    node: &Spanned,
    at: &dyn Fn(usize) -> Place,
) -> Result<Value, Problem> {
    let problem = |node: &Spanned, message: String| Problem {
        place: at(node.line),
        message,
    };
    let wrong = |node: &Spanned, needed: &str| {
        let found = if matches!(key.kind, Kind::Secret) {
            kind_of(node).to_owned()
        } else {
            shown(node)
        };
        problem(
            node,
            format!("`{}` has to be {needed}, not {found}", key.name),
        )
    };
    let is_empty = match &node.node {
        Node::Scalar(Json::Null) => true,
        Node::List(items) => items.is_empty(),
        Node::Scalar(_) | Node::Map(_) => false,
    };
    if is_empty {
        return Err(problem(
            node,
            format!("`{}` has no value: give one, or remove the line", key.name),
        ));
    }
    let text = |node: &Spanned| match &node.node {
        Node::Scalar(Json::String(text)) if !text.is_empty() => Ok(text.clone()),
        Node::Scalar(Json::Number(_) | Json::Bool(_)) => {
            Err(wrong(node, "text (put it in quotes)"))
        }
        _ => Err(wrong(node, "text")),
    };
    Ok(match key.kind {
        Kind::Text | Kind::Secret => Value::Text(text(node)?),
        Kind::Number { min, max } => match &node.node {
            Node::Scalar(Json::Number(number)) => match number.as_u64() {
                Some(number) if (min..=max).contains(&number) => Value::Number(number),
                _ => return Err(wrong(node, &format!("a whole number from {min} to {max}"))),
            },
            _ => return Err(wrong(node, &format!("a whole number from {min} to {max}"))),
        },
        Kind::Flag => match &node.node {
            Node::Scalar(Json::Bool(flag)) => Value::Flag(*flag),
            _ => return Err(wrong(node, "true or false")),
        },
        Kind::Word(words) => match &node.node {
            Node::Scalar(Json::String(text)) if words.contains(&text.as_str()) => {
                Value::Text(text.clone())
            }
            _ => {
                let hint = node
                    .text()
                    .and_then(|text| nearest(&text, words.iter().copied()));
                let hint = hint.map_or(String::new(), |word| format!("; did you mean `{word}`?"));
                let needed = format!("one of {}", words.join(", "));
                return Err(problem(
                    node,
                    format!(
                        "`{}` has to be {needed}, not {}{hint}",
                        key.name,
                        shown(node)
                    ),
                ));
            }
        },
        Kind::Texts => match &node.node {
            Node::List(items) => Value::Texts(
                items
                    .iter()
                    .map(|item| {
                        Ok(Given {
                            value: text(item)?,
                            place: at(item.line),
                        })
                    })
                    .collect::<Result<_, Problem>>()?,
            ),
            _ => Value::Texts(vec![Given {
                value: text(node)?,
                place: at(node.line),
            }]),
        },
        Kind::TextMap => match &node.node {
            Node::Map(entries) => Value::TextMap(
                entries
                    .iter()
                    .map(|(name, value)| {
                        let texts = match &value.node {
                            Node::List(items) => {
                                items.iter().map(text).collect::<Result<_, _>>()?
                            }
                            _ => vec![text(value)?],
                        };
                        Ok((
                            name.text().unwrap_or_default().into_owned(),
                            Given {
                                value: texts,
                                place: at(name.line),
                            },
                        ))
                    })
                    .collect::<Result<_, Problem>>()?,
            ),
            _ => return Err(wrong(node, "a map of names to a text or a list of texts")),
        },
        Kind::Map => match node.to_value() {
            Json::Object(map) => Value::Map(map),
            _ => return Err(wrong(node, "a map")),
        },
        Kind::List => match node.to_value() {
            Json::Array(items) => Value::List(items),
            _ => return Err(wrong(node, "a list")),
        },
        Kind::Any => Value::Any(node.to_value()),
        Kind::Block(_) => match &node.node {
            Node::Map(entries) => Value::Block(entries.clone()),
            _ => return Err(wrong(node, "a map")),
        },
        Kind::GitRemotes => Value::Node(node.clone()),
    })
}

/// Reads what was typed on the command line or stands in the environment: text as it is, lists with commas between, other
/// values as YAML.
pub(super) fn parse_typed(kind: Kind, typed: &str) -> Result<Spanned, String> {
    let scalar = |text: &str| Spanned {
        line: 0,
        column: 0,
        node: Node::Scalar(Json::String(text.to_owned())),
    };
    match kind {
        Kind::Text | Kind::Secret | Kind::Word(_) => Ok(scalar(typed)),
        Kind::Texts if !typed.trim_start().starts_with('[') => Ok(Spanned {
            line: 0,
            column: 0,
            node: Node::List(typed.split(',').map(|part| scalar(part.trim())).collect()),
        }),
        _ => yaml::parse_spanned(typed).map_err(|e| e.message),
    }
}

/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;

fn shown(node: &Spanned) -> String {
    match node.text() {
        Some(text) if text.chars().count() <= SHOWN_CHARS_MAX => format!("{text:?}"),
        Some(_) => "a longer text".to_owned(),
        None => kind_of(node).to_owned(),
    }
}

fn kind_of(node: &Spanned) -> &'static str {
    match &node.node {
        Node::Scalar(Json::Null) => "nothing",
        Node::Scalar(Json::Bool(_)) => "yes or no",
        Node::Scalar(Json::Number(_)) => "a number",
        Node::Scalar(_) => "this text",
        Node::List(_) => "a list",
        Node::Map(_) => "a map",
    }
}

/// How alike two words have to be for a guess; 1 for equal ones.
const ALIKE_MIN: f64 = 0.7;

/// The word that was probably meant.
pub(super) fn nearest<'w>(typed: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    words
        .map(|word| (strsim::normalized_damerau_levenshtein(typed, word), word))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}
