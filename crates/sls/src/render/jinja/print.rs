//! Python's `str()` and `repr()`, and the form in which Salt prints maps so that YAML can read them.

use super::fault::{Fault, Result};
use super::fuel;
use super::value::{SequenceKind, Value};
use crate::render::limits::{TEXT_BYTES_MAX, VALUE_DEPTH_MAX};

/// `str(value)`.
pub(crate) fn string(value: &Value) -> Result<String> {
    let mut printer = Printer {
        out: String::new(),
        is_yaml_safe: false,
    };
    printer.string(value)?;
    Ok(printer.out)
}

/// `repr(value)`.
pub(crate) fn repr(value: &Value) -> Result<String> {
    let mut printer = Printer {
        out: String::new(),
        is_yaml_safe: false,
    };
    printer.repr(value, 0)?;
    Ok(printer.out)
}

/// What `{{ value }}` prints: `str()`, but texts with line breaks in maps are quoted as YAML does.
pub(crate) fn output(value: &Value) -> Result<String> {
    let mut printer = Printer {
        out: String::new(),
        is_yaml_safe: true,
    };
    printer.string(value)?;
    Ok(printer.out)
}

struct Printer {
    out: String,
    is_yaml_safe: bool,
}

impl Printer {
    fn string(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Str(text) => self.out.push_str(text),
            Value::Nothing => {}
            Value::Undefined(message) => return Err(Fault::undefined(&**message)),
            _ => self.repr(value, 0)?,
        }
        Ok(())
    }

    fn items<'a>(&mut self, items: impl Iterator<Item = &'a Value>, depth: usize) -> Result<()> {
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.repr(item, depth + 1)?;
        }
        Ok(())
    }

    fn repr(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > VALUE_DEPTH_MAX {
            return Err(Fault::limit("the depth of a value"));
        }
        if self.out.len() > TEXT_BYTES_MAX {
            return Err(Fault::limit("the length of a text"));
        }
        fuel::spend(1)?;
        match value {
            Value::Undefined(_) | Value::Nothing => self.out.push_str("Undefined"),
            Value::None => self.out.push_str("None"),
            Value::Bool(true) => self.out.push_str("True"),
            Value::Bool(false) => self.out.push_str("False"),
            Value::Int(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float(*number)),
            Value::Str(text) => self.out.push_str(&data::python::string_repr(text)),
            Value::List(list) => {
                self.out.push('[');
                self.items(list.0.borrow().iter(), depth)?;
                self.out.push(']');
            }
            Value::Tuple(list) => {
                let items = list.0.borrow();
                self.out.push('(');
                self.items(items.iter(), depth)?;
                self.out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Value::Dict(dict) => self.map(&dict.0.borrow(), depth)?,
            Value::Namespace(dict) => {
                self.out.push_str("<Namespace ");
                self.map(&dict.0.borrow(), depth)?;
                self.out.push('>');
            }
            Value::Sequence(sequence) => match sequence.kind {
                SequenceKind::Generator => self.out.push_str("<generator object>"),
                SequenceKind::Range => self.out.push_str(&range(&sequence.items)),
                SequenceKind::Set if sequence.items.is_empty() => self.out.push_str("set()"),
                SequenceKind::Set => {
                    self.out.push('{');
                    self.items(sequence.items.iter(), depth)?;
                    self.out.push('}');
                }
                _ => {
                    self.out.push_str(value.type_name());
                    self.out.push_str("([");
                    self.items(sequence.items.iter(), depth)?;
                    self.out.push_str("])");
                }
            },
            Value::Macro(one) => self.out.push_str(&format!("<Macro '{}'>", one.node.name)),
            Value::Module(module) => self.out.push_str(&module.text),
            Value::Loop(state) => {
                self.out.push_str(&format!(
                    "<LoopContext {}/{}>",
                    state.index + 1,
                    state.items.len()
                ));
            }
            _ => self
                .out
                .push_str(&format!("<{} object>", value.type_name())),
        }
        Ok(())
    }

    fn map(&mut self, map: &super::value::Map, depth: usize) -> Result<()> {
        self.out.push('{');
        for (index, (key, value)) in map.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.repr(key.value(), depth + 1)?;
            self.out.push_str(": ");
            match value {
                Value::Str(text) if self.is_yaml_safe && text.contains(['\n', '\r', '\t']) => {
                    self.out.push_str(&yaml::double_quoted(text, false));
                }
                Value::Undefined(message) if self.is_yaml_safe => {
                    return Err(Fault::undefined(&**message));
                }
                _ => self.repr(value, depth + 1)?,
            }
        }
        self.out.push('}');
        Ok(())
    }
}

/// `range(…)` as Python prints it, from its items.
fn range(items: &[Value]) -> String {
    let number = |index: usize| items.get(index).and_then(Value::as_index);
    let (Some(first), second) = (number(0), number(1)) else {
        return "range(0, 0)".to_owned();
    };
    let step = second.map_or(1, |second| second - first);
    let stop = first.saturating_add(step.saturating_mul(items.len() as i128));
    if step == 1 {
        format!("range({first}, {stop})")
    } else {
        format!("range({first}, {stop}, {step})")
    }
}

/// A float as Python's `repr` prints it.
pub(crate) fn float(number: f64) -> String {
    yaml::python_float(number)
}
