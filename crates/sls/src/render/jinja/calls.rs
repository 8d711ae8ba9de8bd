//! Calls: macros, methods, execution functions and the functions that every template has.

use std::cell::Cell;
use std::rc::Rc;

use super::arguments::{Args, integer, required, text};
use super::fault::{Fault, Result};
use super::machine::{Frame, Machine, inside};
use super::operators::equal;
use super::print::string;
use super::value::{Cycler, Key, Loop, Macro, Map, SequenceKind, Value};
use super::{containers, strings};

/// The functions that every template has.
pub(super) const BUILTINS: &[&str] = &[
    "range",
    "dict",
    "odict",
    "cycler",
    "joiner",
    "namespace",
    "raise",
    "show_full_context",
    "ifelse",
];

/// Longest range, as Jinja's sandbox has it.
const RANGE_MAX: i128 = 100_000;

impl Machine<'_> {
    pub(crate) fn call(&mut self, frame: &Frame, callee: &Value, args: Args) -> Result<Value> {
        match callee {
            Value::Undefined(message) => Err(Fault::undefined(&**message)),
            Value::Macro(one) => self.call_macro(one, args),
            Value::Method(method) => self.call_method(frame, &method.0, &method.1, args),
            Value::SaltFunction(name) => self.salt(name, args),
            Value::Builtin(name) => self.call_builtin(frame, name, args),
            Value::Joiner(joiner) => {
                args.none("joiner")?;
                let is_first = !joiner.1.replace(true);
                Ok(if is_first {
                    Value::str("")
                } else {
                    Value::Str(joiner.0.clone())
                })
            }
            Value::Block(block) => {
                args.none("block")?;
                self.run_block(block)
            }
            Value::Loop(state) => {
                let Some((node, outer)) = &state.recursion else {
                    return Err(Fault::value(
                        "The loop must have the 'recursive' marker to be called recursively.",
                    ));
                };
                let iter = args.one("loop", "iterable")?;
                let mut out = String::new();
                self.calling(|machine| {
                    machine.for_loop(&inside(outer), node, &iter, state.depth + 1, &mut out)
                })?;
                Ok(Value::str(out))
            }
            other => Err(Fault::value(format!(
                "'{}' object is not callable",
                other.type_name()
            ))),
        }
    }

    fn call_macro(&mut self, one: &Rc<Macro>, args: Args) -> Result<Value> {
        let node = &one.node;
        let frame = inside(&Frame {
            unit: one.unit.clone(),
            scope: one.scope.clone(),
            file: node.file.clone(),
        });
        let Args { positional, named } = args;
        let mut caller = None;
        let mut extra = Map::new();
        let mut values: Vec<Option<Value>> = vec![None; node.parameters.len()];
        let mut varargs = Vec::new();
        for (index, value) in positional.into_iter().enumerate() {
            match values.get_mut(index) {
                Some(slot) => *slot = Some(value),
                None => varargs.push(value),
            }
        }
        for (name, value) in named {
            match node.parameters.iter().position(|(known, _)| *known == name) {
                Some(index) if values[index].is_some() => {
                    return Err(Fault::value(format!(
                        "macro '{}' got multiple values for argument '{name}'",
                        node.name
                    )));
                }
                Some(index) => values[index] = Some(value),
                None if &*name == "caller" && node.takes.caller => caller = Some(value),
                None if node.takes.kwargs => {
                    extra.insert(Key::text(name), value);
                }
                None => {
                    return Err(Fault::value(format!(
                        "macro '{}' takes no keyword argument '{name}'",
                        node.name
                    )));
                }
            }
        }
        if !varargs.is_empty() && !node.takes.varargs {
            return Err(Fault::value(format!(
                "macro '{}' takes not more than {} argument(s)",
                node.name,
                node.parameters.len()
            )));
        }
        self.calling(|machine| {
            for ((name, default), value) in node.parameters.iter().zip(values) {
                let value = match (value, default) {
                    (Some(value), _) => value,
                    (None, Some(default)) => machine.eval(&frame, default)?,
                    (None, None) => {
                        Value::undefined(format!("parameter '{name}' was not provided"))
                    }
                };
                frame.scope.set(name, value);
            }
            if node.takes.caller && &*node.name != "caller" {
                let caller = caller.unwrap_or_else(|| Value::undefined("No caller defined"));
                frame.scope.set(&"caller".into(), caller);
            }
            if node.takes.kwargs {
                frame.scope.set(&"kwargs".into(), Value::dict(extra));
            }
            if node.takes.varargs {
                frame.scope.set(&"varargs".into(), Value::tuple(varargs));
            }
            machine.capture(&frame, &node.body)
        })
    }

    pub(super) fn call_method(
        &mut self,
        frame: &Frame,
        owner: &Value,
        name: &str,
        args: Args,
    ) -> Result<Value> {
        match owner {
            Value::Str(text) => strings::call(text, name, args),
            Value::List(list) => containers::list(self, frame, list, name, args),
            Value::Tuple(list) => containers::tuple(&list.0.borrow(), name, args),
            Value::Dict(dict) => containers::dict(dict, name, args),
            Value::Sequence(sequence) => containers::tuple(&sequence.items, name, args),
            Value::Cycler(cycler) => {
                args.none(name)?;
                let at = cycler.at.get();
                let (value, next) = match name {
                    "reset" => (Value::None, 0),
                    _ => (cycler.items[at].clone(), (at + 1) % cycler.items.len()),
                };
                cycler.at.set(next);
                Ok(value)
            }
            Value::Loop(state) => loop_method(state, name, args),
            Value::Salt => {
                let [function, default] = args.bind("get", ["key", "default"])?;
                let function = text(&required(function, "get", "key")?, "get")?;
                Ok(if self.functions.has(&function) {
                    Value::SaltFunction(function)
                } else {
                    default.unwrap_or(Value::None)
                })
            }
            other => Err(Fault::value(format!(
                "'{}' object has no attribute '{name}'",
                other.type_name()
            ))),
        }
    }

    fn call_builtin(&mut self, frame: &Frame, name: &str, args: Args) -> Result<Value> {
        match name {
            "range" => range(args),
            "dict" | "odict" => dict(args),
            "namespace" => match dict(args)? {
                Value::Dict(dict) => Ok(Value::Namespace(dict)),
                other => Ok(other),
            },
            "cycler" => {
                if args.positional.is_empty() {
                    return Err(Fault::value("at least one item has to be provided"));
                }
                Ok(Value::Cycler(Rc::new(Cycler {
                    items: args.positional,
                    at: Cell::new(0),
                })))
            }
            "joiner" => {
                let [separator] = args.bind("joiner", ["sep"])?;
                let separator = match separator {
                    Some(separator) => string(&separator)?.into(),
                    None => ", ".into(),
                };
                Ok(Value::Joiner(Rc::new((separator, Cell::new(false)))))
            }
            "raise" => Err(Fault::value(string(&args.one("raise", "msg")?)?)),
            "show_full_context" => Ok(self.context(frame)),
            // It matches minions as a top file does, so the caller's functions know it.
            _ => self.salt("match.ifelse", args),
        }
    }
}

fn range(args: Args) -> Result<Value> {
    let [a, b, step] = args.bind("range", ["start", "stop", "step"])?;
    let a = integer(&required(a, "range", "stop")?, "range")?;
    let (start, stop) = match b {
        Some(b) => (a, integer(&b, "range")?),
        None => (0, a),
    };
    let step = step.map_or(Ok(1), |step| integer(&step, "range"))?;
    if step == 0 {
        return Err(Fault::value("range() arg 3 must not be zero"));
    }
    let distance = stop.saturating_sub(start);
    let count = if (distance > 0) == (step > 0) {
        (distance.saturating_abs() - 1) / step.saturating_abs() + 1
    } else {
        0
    };
    if count > RANGE_MAX {
        return Err(Fault::value(format!(
            "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({RANGE_MAX})."
        )));
    }
    let items = (0..count)
        .map(|index| Value::Int(start + index * step))
        .collect();
    Ok(Value::sequence(SequenceKind::Range, items))
}

fn dict(args: Args) -> Result<Value> {
    let mut map = Map::new();
    if args.positional.len() > 1 {
        return Err(Fault::value(format!(
            "dict expected at most 1 argument, got {}",
            args.positional.len()
        )));
    }
    if let Some(source) = args.positional.first() {
        containers::merge(&mut map, source)?;
    }
    for (name, value) in args.named {
        map.insert(Key::text(name), value);
    }
    Ok(Value::dict(map))
}

fn loop_method(state: &Loop, name: &str, args: Args) -> Result<Value> {
    if name == "cycle" {
        let count = args.positional.len();
        if count == 0 {
            return Err(Fault::value("no items for cycling given"));
        }
        return Ok(args.positional[state.index % count].clone());
    }
    let before = state.seen.replace(Some(args.positional.clone()));
    let is_same = match before {
        Some(before) => equal(&Value::list(before), &Value::list(args.positional))?,
        None => false,
    };
    Ok(Value::Bool(!is_same))
}

impl Loop {
    pub(super) fn attribute(&self, name: &str) -> Option<Value> {
        let count = self.items.len();
        let number = |number: usize| Some(Value::Int(number as i128));
        match name {
            "index" => number(self.index + 1),
            "index0" => number(self.index),
            "revindex" => number(count - self.index),
            "revindex0" => number(count - self.index - 1),
            "first" => Some(Value::Bool(self.index == 0)),
            "last" => Some(Value::Bool(self.index + 1 == count)),
            "length" => number(count),
            "depth" => number(self.depth + 1),
            "depth0" => number(self.depth),
            "previtem" => Some(match self.index.checked_sub(1) {
                Some(index) => self.items[index].clone(),
                None => Value::undefined("there is no previous item"),
            }),
            "nextitem" => {
                let next = self.items.get(self.index + 1).cloned();
                Some(next.unwrap_or_else(|| Value::undefined("there is no next item")))
            }
            _ => None,
        }
    }
}

/// What a macro says about itself.
pub(super) fn arguments_of_macro(one: &Macro, name: &str) -> Option<Value> {
    match name {
        "name" => Some(Value::Str(one.node.name.clone())),
        "arguments" => {
            let names = one
                .node
                .parameters
                .iter()
                .map(|(name, _)| Value::Str(name.clone()));
            Some(Value::tuple(names.collect()))
        }
        "catch_kwargs" => Some(Value::Bool(one.node.takes.kwargs)),
        "catch_varargs" => Some(Value::Bool(one.node.takes.varargs)),
        "caller" => Some(Value::Bool(one.node.takes.caller)),
        _ => None,
    }
}
