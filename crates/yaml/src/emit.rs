//! Prints values as YAML, the way PyYAML's `safe_dump(allow_unicode=True)` does: in block style, in flow style, or in both.
//!
//! Salt prints with that function, so scripts and eyes know its form: keys sorted, lists not indented below their key,
//! long strings folded past column 80, quotes only where a string would read back as something else.

use serde_json::{Map, Value};

use crate::number::python_float;
use crate::scalar::{Sort, sort};

/// A string is folded at the first single space past this column.
const WIDTH: usize = 80;

/// The longest text, in characters, of a key that stands on one line with its value.
const SIMPLE_KEY_LENGTH_MAX: usize = 122;

/// Each level of maps goes in by this many columns.
const INDENT: usize = 2;

/// Prints a value as one document that ends with a line break.
///
/// Reading it with [`crate::parse`] gives the value again. A bare scalar without quotes is followed by `...`.
pub fn emit(value: &Value) -> String {
    block(Printer::new(false), value)
}

/// Prints a value like [`emit`], and maps and lists that hold no others in flow style: PyYAML's `default_flow_style=None`.
pub fn emit_leaves_flow(value: &Value) -> String {
    let mut printer = Printer::new(false);
    printer.are_leaves_flow = true;
    block(printer, value)
}

fn block(mut printer: Printer, value: &Value) -> String {
    printer.node(value, 0, Context::Root);
    printer.out.push('\n');
    let is_open = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => Shape::of(text).style(false) == Style::Plain,
        Value::Array(_) | Value::Object(_) => false,
    };
    if is_open {
        printer.out.push_str("...\n");
    }
    printer.out
}

/// Prints a value as one document in flow style, without a line break at its end: `{a: 1, b: [x, y]}`.
pub fn emit_flow(value: &Value) -> String {
    let mut printer = Printer::new(true);
    printer.flow(value, INDENT, false);
    printer.out
}

/// A text in YAML's double quotes, in one line. `is_ascii` escapes all other characters.
pub fn double_quoted(text: &str, is_ascii: bool) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match escape(c) {
            Some(escape) => out.push_str(&escape),
            None if is_ascii && !c.is_ascii() => out.push_str(&code(c)),
            None => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Where a node stands, which decides how it begins.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    /// At the start of the document.
    Root,
    /// After `- `, `? ` or a `: ` on its own line: a list or map goes on in the same line.
    Indicator,
    /// After `key:`.
    Value,
    /// Before `:`.
    Key,
}

struct Printer {
    out: String,
    /// Characters in the current line.
    column: usize,
    /// Whether brackets stand around lists and maps; then more strings need quotes.
    is_flow: bool,
    /// Whether lists and maps of scalars stand between brackets.
    are_leaves_flow: bool,
}

impl Printer {
    fn new(is_flow: bool) -> Printer {
        Printer {
            out: String::new(),
            column: 0,
            is_flow,
            are_leaves_flow: false,
        }
    }

    /// Prints a node between brackets; `indent` is the column of lines that begin inside of it.
    fn flow(&mut self, value: &Value, indent: usize, is_key: bool) {
        match value {
            Value::Array(items) if !items.is_empty() => {
                self.write("[");
                for (index, item) in items.iter().enumerate() {
                    self.flow_separator(index, indent);
                    self.flow(item, indent + INDENT, false);
                }
                self.write("]");
            }
            Value::Object(entries) if !entries.is_empty() => {
                self.write("{");
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by_key(|(key, _)| *key);
                for (index, (key, value)) in sorted.into_iter().enumerate() {
                    self.flow_separator(index, indent);
                    let is_simple = is_simple_key(key);
                    if !is_simple {
                        self.write("? ");
                    }
                    self.string(key, indent, is_simple);
                    self.write(if is_simple { ": " } else { " : " });
                    self.flow(value, indent + INDENT, false);
                }
                self.write("}");
            }
            _ => self.scalar(value, indent, is_key),
        }
    }

    fn flow_separator(&mut self, index: usize, indent: usize) {
        if index > 0 {
            self.write(",");
        }
        if self.column > WIDTH {
            self.line(indent);
        } else if index > 0 {
            self.write(" ");
        }
    }

    fn write(&mut self, text: &str) {
        self.column += text.chars().count();
        self.out.push_str(text);
    }

    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.column = 0;
        self.write(&" ".repeat(indent));
    }

    /// Prints a node whose own entries stand at column `indent`.
    fn node(&mut self, value: &Value, indent: usize, context: Context) {
        match value {
            value if self.are_leaves_flow && is_leaf(value) => {
                let indent = match (context, value) {
                    (Context::Root, _) => INDENT,
                    (Context::Value, Value::Array(_)) => indent + INDENT,
                    _ => indent,
                };
                if context == Context::Value {
                    self.write(" ");
                }
                self.is_flow = true;
                self.flow(value, indent, false);
                self.is_flow = false;
            }
            Value::Array(items) if !items.is_empty() => self.list(items, indent, context),
            Value::Object(entries) if !entries.is_empty() => self.map(entries, indent, context),
            _ => {
                if context == Context::Value {
                    self.write(" ");
                }
                self.scalar(value, indent, context == Context::Key);
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize, context: Context) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || context == Context::Value {
                self.line(indent);
            }
            self.write("- ");
            self.node(item, indent + INDENT, Context::Indicator);
        }
    }

    fn map(&mut self, entries: &Map<String, Value>, indent: usize, context: Context) {
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by_key(|(key, _)| *key);
        for (index, (key, value)) in sorted.into_iter().enumerate() {
            if index > 0 || context == Context::Value {
                self.line(indent);
            }
            // A list stands at its key's column; a map and the rest of a folded string go in.
            if is_simple_key(key) {
                self.string(key, indent + INDENT, true);
                self.write(":");
                let indent = if value.is_array() {
                    indent
                } else {
                    indent + INDENT
                };
                self.node(value, indent, Context::Value);
            } else {
                self.write("? ");
                self.string(key, indent + INDENT, false);
                self.line(indent);
                self.write(": ");
                self.node(value, indent + INDENT, Context::Indicator);
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize, is_key: bool) {
        match value {
            Value::Null => self.write("null"),
            Value::Bool(true) => self.write("true"),
            Value::Bool(false) => self.write("false"),
            Value::Number(number) => {
                let text = match number.as_f64() {
                    Some(float) if number.is_f64() => yaml_float(float),
                    _ => number.to_string(),
                };
                self.write(&text);
            }
            Value::String(text) => self.string(text, indent.max(INDENT), is_key),
            Value::Array(_) => self.write("[]"),
            Value::Object(_) => self.write("{}"),
        }
    }

    /// Prints a string whose folded lines begin at column `indent`.
    fn string(&mut self, text: &str, indent: usize, is_key: bool) {
        match Shape::of(text).style(self.is_flow) {
            Style::Plain => self.folded(text, indent, is_key, false),
            Style::Single => {
                self.write("'");
                self.folded(&text.replace('\'', "''"), indent, is_key, true);
                self.write("'");
            }
            Style::Double => self.double_quoted(text, indent, is_key),
        }
    }

    /// Writes text in runs of spaces, line breaks and words; a line break is doubled, for a single one reads back as a space.
    fn folded(&mut self, text: &str, indent: usize, is_key: bool, is_quoted: bool) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let kind = Run::of(first);
            let end = rest.find(|c| Run::of(c) != kind).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            match kind {
                Run::Space => {
                    let at_edge = is_quoted && (rest.len() == text.len() || after.is_empty());
                    if run.len() == 1 && self.column > WIDTH && !is_key && !at_edge {
                        self.line(indent);
                    } else {
                        self.write(run);
                    }
                }
                Run::Break => {
                    self.out.push('\n');
                    self.out.push_str(run);
                    self.column = 0;
                    self.write(&" ".repeat(indent));
                }
                Run::Word => self.write(run),
            }
            rest = after;
        }
    }

    /// Writes text with escapes; a line is broken with a backslash past the width.
    fn double_quoted(&mut self, text: &str, indent: usize, is_key: bool) {
        self.write("\"");
        let chars: Vec<char> = text.chars().collect();
        let mut pending = String::new();
        for (index, &c) in chars.iter().enumerate() {
            let escape = escape(c);
            if let Some(escape) = &escape {
                self.write(&std::mem::take(&mut pending));
                self.write(escape);
            }
            let is_inside = index > 0 && index + 1 < chars.len();
            let may_break = c == ' ' || pending.is_empty();
            let width = if escape.is_some() { WIDTH + 1 } else { WIDTH };
            if is_inside && may_break && self.column + pending.chars().count() > width && !is_key {
                self.write(&std::mem::take(&mut pending));
                self.write("\\");
                self.line(indent);
                let next = if escape.is_some() {
                    chars[index + 1]
                } else {
                    c
                };
                if next == ' ' {
                    self.write("\\");
                }
            }
            if escape.is_none() {
                pending.push(c);
            }
        }
        self.write(&pending);
        self.write("\"");
    }
}

/// Whether a value is a list or map of scalars, and not an empty one.
fn is_leaf(value: &Value) -> bool {
    let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(is_scalar),
        Value::Object(map) => !map.is_empty() && map.values().all(is_scalar),
        _ => false,
    }
}

/// How a string is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Plain,
    Single,
    Double,
}

/// What of a string's form forbids which style.
#[derive(Default)]
struct Shape {
    is_multiline: bool,
    /// It would read back as another type.
    is_other_type: bool,
    /// An indicator stands where YAML would see it.
    has_indicator: bool,
    /// An indicator that only counts between brackets.
    has_flow_indicator: bool,
    has_edge_blank: bool,
    /// A space after a line break, which quotes would lose.
    has_break_space: bool,
    /// A space before a line break, or a character that needs an escape.
    needs_escape: bool,
}

impl Shape {
    fn of(text: &str) -> Shape {
        let is_blank = |c: char| matches!(c, '\0' | ' ' | '\t' | '\r' | '\n');
        let mut shape = Shape {
            is_other_type: sort(text) != Sort::Text,
            ..Shape::default()
        };
        shape.has_indicator = text.starts_with("---") || text.starts_with("...");
        shape.has_edge_blank = [text.chars().next(), text.chars().next_back()]
            .into_iter()
            .flatten()
            .any(|c| matches!(c, ' ' | '\n'));
        let mut previous = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let blank_follows = chars.peek().is_none_or(|next| is_blank(*next));
            shape.has_indicator |= match (previous, c) {
                (
                    None,
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                    | '%' | '@' | '`',
                ) => true,
                (None, '?' | ':' | '-') | (Some(_), ':') => blank_follows,
                (Some(before), '#') => is_blank(before),
                _ => false,
            };
            shape.has_flow_indicator |= matches!(c, ',' | '?' | '[' | ']' | '{' | '}' | ':');
            shape.is_multiline |= c == '\n';
            shape.needs_escape |=
                !(c == '\n' || is_printable(c)) || (c == '\n' && previous == Some(' '));
            shape.has_break_space |= c == ' ' && previous == Some('\n');
            previous = Some(c);
        }
        shape
    }

    fn style(&self, is_flow: bool) -> Style {
        let has_indicator = self.has_indicator || (is_flow && self.has_flow_indicator);
        let plain_fits =
            !(self.is_other_type || has_indicator || self.has_edge_blank || self.is_multiline);
        if plain_fits && !self.needs_escape {
            Style::Plain
        } else if !self.needs_escape && !self.has_break_space {
            Style::Single
        } else {
            Style::Double
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Run {
    Space,
    Break,
    Word,
}

impl Run {
    fn of(c: char) -> Run {
        match c {
            ' ' => Run::Space,
            '\n' => Run::Break,
            _ => Run::Word,
        }
    }
}

fn is_simple_key(key: &str) -> bool {
    !key.is_empty() && !key.contains('\n') && key.chars().count() <= SIMPLE_KEY_LENGTH_MAX
}

/// Whether a character may stand outside of double quotes. The line breaks of Unicode may not: reading would fold them to a space.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

/// The escape of a character in double quotes, if it needs one.
fn escape(c: char) -> Option<String> {
    let letter = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ if is_printable(c) && c < '\u{10000}' => return None,
        _ => return Some(code(c)),
    };
    Some(format!("\\{letter}"))
}

/// The escape of a character by its number.
fn code(c: char) -> String {
    match u32::from(c) {
        code @ ..=0xff => format!("\\x{code:02X}"),
        code @ ..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}

/// A float with the dot that YAML 1.1 demands.
fn yaml_float(value: f64) -> String {
    let text = python_float(value);
    if text.contains('.') {
        text
    } else {
        text.replacen('e', ".0e", 1)
    }
}
