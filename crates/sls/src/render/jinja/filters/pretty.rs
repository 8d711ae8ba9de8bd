//! `pprint` and `python`: Python's `pprint.pformat`, which breaks what is longer than a line.

use super::super::fault::{Fault, Result};
use super::super::operators::{check_length, sort_order};
use super::super::print::repr;
use super::super::strings;
use super::super::value::{Key, Value};
use super::super::{arguments::Args, fuel};
use crate::render::limits::VALUE_DEPTH_MAX;

pub(super) const NAMES: &[&str] = &["pprint", "python"];

/// Characters of a line.
const WIDTH: usize = 80;

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    args.none(name)?;
    let mut printer = Printer { out: String::new() };
    printer.value(&sorted(value, 0)?, 0, 0, 1)?;
    Ok(Value::str(if name == "python" {
        printer.out.trim()
    } else {
        &printer.out
    }))
}

/// The value with all maps in the order of their keys.
fn sorted(value: &Value, depth: usize) -> Result<Value> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Fault::limit("the depth of a value"));
    }
    fuel::spend(1)?;
    let all = |items: &[Value]| -> Result<Vec<Value>> {
        items.iter().map(|item| sorted(item, depth + 1)).collect()
    };
    Ok(match value {
        Value::List(list) => Value::list(all(&list.0.borrow())?),
        Value::Tuple(list) => Value::tuple(all(&list.0.borrow())?),
        Value::Dict(dict) => {
            let mut entries = Vec::new();
            for (key, value) in dict.0.borrow().iter() {
                entries.push((key.value().clone(), sorted(value, depth + 1)?));
            }
            entries.sort_by(|(a, _), (b, _)| {
                // Keys that have no order are in that of their types.
                sort_order(a, b).unwrap_or_else(|_| a.type_name().cmp(b.type_name()))
            });
            let mut map = super::super::value::Map::new();
            for (key, value) in entries {
                map.insert(Key::new(&key)?, value);
            }
            Value::dict(map)
        }
        other => other.clone(),
    })
}

struct Printer {
    out: String,
}

impl Printer {
    /// Prints a value that stands `indent` characters into a line, and that `after` characters follow. `level` is 1 for what is
    /// in nothing else.
    fn value(&mut self, value: &Value, indent: usize, after: usize, level: usize) -> Result<()> {
        let plain = repr(value)?;
        fuel::spend(plain.len() / 16)?;
        check_length(self.out.len() + plain.len())?;
        if length(&plain) <= WIDTH.saturating_sub(indent + after) {
            self.out.push_str(&plain);
            return Ok(());
        }
        match value {
            Value::Dict(dict) => {
                self.out.push('{');
                let dict = dict.0.borrow();
                for (index, (key, value)) in dict.iter().enumerate() {
                    self.separate(index, indent + 1);
                    let key = format!("{}: ", repr(key.value())?);
                    self.out.push_str(&key);
                    let after = if index + 1 == dict.len() {
                        after + 1
                    } else {
                        1
                    };
                    self.value(value, indent + 1 + length(&key), after, level + 1)?;
                }
                self.out.push('}');
            }
            Value::List(list) => {
                self.out.push('[');
                self.items(&list.0.borrow(), indent + 1, after + 1, level)?;
                self.out.push(']');
            }
            Value::Tuple(list) => {
                let list = list.0.borrow();
                let end = if list.len() == 1 { ",)" } else { ")" };
                self.out.push('(');
                self.items(&list, indent + 1, after + end.len(), level)?;
                self.out.push_str(end);
            }
            Value::Str(text) => self.text(text, indent, after, level)?,
            _ => self.out.push_str(&plain),
        }
        Ok(())
    }

    fn items(&mut self, items: &[Value], indent: usize, after: usize, level: usize) -> Result<()> {
        for (index, item) in items.iter().enumerate() {
            self.separate(index, indent);
            let after = if index + 1 == items.len() { after } else { 1 };
            self.value(item, indent, after, level + 1)?;
        }
        Ok(())
    }

    fn separate(&mut self, index: usize, indent: usize) {
        if index > 0 {
            self.out.push_str(",\n");
            self.out.push_str(&" ".repeat(indent));
        }
    }

    /// A long text in pieces: lines, and words of lines that are too long.
    fn text(&mut self, text: &str, indent: usize, after: usize, level: usize) -> Result<()> {
        let is_alone = level == 1;
        let (indent, after) = if is_alone {
            (indent + 1, after + 1)
        } else {
            (indent, after)
        };
        let width = WIDTH.saturating_sub(indent);
        let mut pieces = Vec::new();
        let lines = strings::lines(text, true);
        for (number, line) in lines.iter().enumerate() {
            let is_last_line = number + 1 == lines.len();
            let room = width.saturating_sub(if is_last_line { after } else { 0 });
            let whole = data::python::string_repr(line);
            if length(&whole) <= room {
                pieces.push(whole);
                continue;
            }
            let words = words(line);
            let mut current = String::new();
            for (index, word) in words.iter().enumerate() {
                let is_last = is_last_line && index + 1 == words.len();
                let room = width.saturating_sub(if is_last { after } else { 0 });
                let longer = format!("{current}{word}");
                fuel::spend(1 + longer.len() / 16)?;
                if length(&data::python::string_repr(&longer)) > room {
                    if !current.is_empty() {
                        pieces.push(data::python::string_repr(&current));
                    }
                    (*word).clone_into(&mut current);
                } else {
                    current = longer;
                }
            }
            if !current.is_empty() {
                pieces.push(data::python::string_repr(&current));
            }
        }
        if let [piece] = &pieces[..] {
            self.out.push_str(piece);
            return Ok(());
        }
        let between = format!("\n{}", " ".repeat(indent));
        let pieces = pieces.join(&between);
        if is_alone {
            self.out.push_str(&format!("({pieces})"));
        } else {
            self.out.push_str(&pieces);
        }
        Ok(())
    }
}

/// Words with the blanks behind them; blanks at the start are one by themselves.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut was_blank = false;
    for (at, c) in line.char_indices() {
        if was_blank && !c.is_whitespace() {
            words.push(&line[start..at]);
            start = at;
        }
        was_blank = c.is_whitespace();
    }
    words.push(&line[start..]);
    words
}

fn length(text: &str) -> usize {
    text.chars().count()
}
