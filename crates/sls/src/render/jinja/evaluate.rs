//! Evaluates expressions.

use std::rc::Rc;

use super::arguments::Args;
use super::calls::arguments_of_macro;
use super::fault::{Fault, Result};
use super::machine::{Frame, Machine};
use super::operators::{binary, compare, negative, positive, slice};
use super::syntax::{Arguments, Comparison, Expr};
use super::value::{Key, Map, Value, position};
use super::{checks, containers, filters, print, strings};

impl Machine<'_> {
    pub(crate) fn eval(&mut self, frame: &Frame, expr: &Expr) -> Result<Value> {
        self.spend(1)?;
        self.deeper(|machine| machine.eval_node(frame, expr))
    }

    fn eval_node(&mut self, frame: &Frame, expr: &Expr) -> Result<Value> {
        Ok(match expr {
            Expr::None => Value::None,
            Expr::Bool(value) => Value::Bool(*value),
            Expr::Int(number) => Value::Int(*number),
            Expr::Float(number) => Value::Float(*number),
            Expr::Str(text) => Value::Str(text.clone()),
            Expr::Name(name) => self.lookup(frame, name),
            Expr::Captured => self.captured.last().cloned().unwrap_or(Value::None),
            Expr::List(items) => Value::list(self.all(frame, items)?),
            Expr::Tuple(items) => Value::tuple(self.all(frame, items)?),
            Expr::Dict(items) => {
                let mut map = Map::new();
                for (key, value) in items {
                    let key = Key::new(&self.eval(frame, key)?)?;
                    map.insert(key, self.eval(frame, value)?);
                }
                Value::dict(map)
            }
            Expr::Attribute(owner, name) => {
                let owner = self.eval(frame, owner)?;
                self.attribute(&owner, name)?
            }
            Expr::Item(owner, key) => {
                let owner = self.eval(frame, owner)?;
                let key = self.eval(frame, key)?;
                self.item(&owner, &key)?
            }
            Expr::Slice(owner, bounds) => {
                let owner = self.eval(frame, owner)?;
                let mut numbers = [None; 3];
                for (number, bound) in numbers.iter_mut().zip(bounds.iter()) {
                    if let Some(bound) = bound {
                        let bound = self.eval(frame, bound)?.defined()?;
                        *number = match &bound {
                            Value::None => None,
                            other => Some(other.as_index().ok_or_else(|| {
                                Fault::value("slice indices must be integers or None or have an __index__ method")
                            })?),
                        };
                    }
                }
                let value = slice(&owner, numbers)?;
                self.weigh(&value)?;
                value
            }
            Expr::Call(callee, arguments) => {
                let callee = self.eval(frame, callee)?;
                let args = self.arguments(frame, arguments)?;
                let value = self.call(frame, &callee, args)?;
                self.weigh(&value)?;
                value
            }
            Expr::Filter(operand, name, arguments) => {
                let operand = self.eval(frame, operand)?;
                let args = self.arguments(frame, arguments)?;
                let value = filters::apply(self, frame, name, operand, args)?;
                self.weigh(&value)?;
                value
            }
            Expr::Test(operand, name, arguments) => {
                let operand = self.eval(frame, operand)?;
                let args = self.arguments(frame, arguments)?;
                Value::Bool(checks::check(name, &operand, args)?)
            }
            Expr::Negative(operand) => negative(&self.eval(frame, operand)?)?,
            Expr::Positive(operand) => positive(&self.eval(frame, operand)?)?,
            Expr::Not(operand) => Value::Bool(!self.eval(frame, operand)?.truth()?),
            Expr::And(left, right) => {
                let left = self.eval(frame, left)?;
                if left.truth()? {
                    self.eval(frame, right)?
                } else {
                    left
                }
            }
            Expr::Or(left, right) => {
                let left = self.eval(frame, left)?;
                if left.truth()? {
                    left
                } else {
                    self.eval(frame, right)?
                }
            }
            Expr::Binary(operator, left, right) => {
                let left = self.eval(frame, left)?;
                let right = self.eval(frame, right)?;
                let value = binary(*operator, &left, &right)?;
                self.weigh(&value)?;
                value
            }
            Expr::Compare(first, rest) => {
                let mut left = self.eval(frame, first)?;
                for (operator, right) in rest {
                    let right = self.eval(frame, right)?;
                    if !self.compare(*operator, &left, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Value::Bool(true)
            }
            Expr::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&print::string(&self.eval(frame, part)?)?);
                }
                self.build(text.len())?;
                Value::str(text)
            }
            Expr::If(condition, then, otherwise) => {
                if self.eval(frame, condition)?.truth()? {
                    self.eval(frame, then)?
                } else if let Some(otherwise) = otherwise {
                    self.eval(frame, otherwise)?
                } else {
                    Value::Nothing
                }
            }
        })
    }

    fn compare(&self, operator: Comparison, left: &Value, right: &Value) -> Result<bool> {
        if matches!(right, Value::Salt) && matches!(operator, Comparison::In | Comparison::NotIn) {
            let is_known = left.as_str().is_some_and(|name| self.functions.has(name));
            return Ok(is_known == (operator == Comparison::In));
        }
        compare(operator, left, right)
    }

    fn all(&mut self, frame: &Frame, exprs: &[Expr]) -> Result<Vec<Value>> {
        exprs.iter().map(|expr| self.eval(frame, expr)).collect()
    }

    pub(super) fn arguments(&mut self, frame: &Frame, arguments: &Arguments) -> Result<Args> {
        let mut args = Args::of(self.all(frame, &arguments.positional)?);
        for (name, expr) in &arguments.named {
            args.named.push((name.clone(), self.eval(frame, expr)?));
        }
        if let Some(star) = &arguments.star {
            args.positional.extend(self.eval(frame, star)?.iterate()?);
        }
        if let Some(double_star) = &arguments.double_star {
            let Value::Dict(dict) = self.eval(frame, double_star)?.defined()? else {
                return Err(Fault::value("argument after ** must be a mapping"));
            };
            for (key, value) in dict.0.borrow().iter() {
                let Some(name) = key.value().as_str() else {
                    return Err(Fault::value("keywords must be strings"));
                };
                args.named.push((name.clone(), value.clone()));
            }
        }
        self.spend(args.positional.len() + args.named.len())?;
        Ok(args)
    }

    /// `owner.name`: a method or an attribute, else an entry.
    pub(crate) fn attribute(&self, owner: &Value, name: &Rc<str>) -> Result<Value> {
        check_owner(owner)?;
        if let Some(found) = self.own_attribute(owner, name) {
            return Ok(found);
        }
        if let Value::Dict(dict) | Value::Namespace(dict) = owner
            && let Some(value) = dict.0.borrow().get(&Key::text(name.clone()))
        {
            return Ok(value.clone());
        }
        Ok(self.no_attribute(owner, name))
    }

    fn no_attribute(&self, owner: &Value, name: &str) -> Value {
        let absence = match owner {
            Value::Salt => self.functions.absence(name),
            Value::SaltModule(module) => self.functions.absence(&format!("{module}.{name}")),
            _ => None,
        };
        Value::undefined(
            absence.unwrap_or_else(|| {
                format!("'{} object' has no attribute '{name}'", owner.type_name())
            }),
        )
    }

    fn own_attribute(&self, owner: &Value, name: &Rc<str>) -> Option<Value> {
        let methods: &[&str] = match owner {
            Value::Str(_) => strings::METHODS,
            Value::List(_) => containers::LIST_METHODS,
            Value::Tuple(_) => containers::TUPLE_METHODS,
            Value::Dict(_) => containers::DICT_METHODS,
            Value::Sequence(_) => containers::SEQUENCE_METHODS,
            Value::Cycler(_) => &["next", "reset"],
            Value::Loop(_) => &["cycle", "changed"],
            Value::Salt => &["get"],
            _ => &[],
        };
        if methods.contains(&&**name) {
            return Some(Value::Method(Rc::new((owner.clone(), name.clone()))));
        }
        match owner {
            Value::Loop(state) => state.attribute(name),
            Value::Module(module) if !name.starts_with('_') => {
                module.unit.top.names.borrow().get(name).cloned()
            }
            Value::Cycler(cycler) if &**name == "current" => {
                cycler.items.get(cycler.at.get()).cloned()
            }
            Value::Macro(one) => arguments_of_macro(one, name),
            Value::Salt if !name.starts_with('_') => Some(Value::SaltModule(name.clone())),
            Value::SaltModule(module) => {
                let full = format!("{module}.{name}");
                self.functions
                    .has(&full)
                    .then(|| Value::SaltFunction(full.into()))
            }
            Value::Blocks(unit) => {
                let node = unit
                    .blocks
                    .borrow()
                    .get(name)
                    .and_then(|list| list.first().cloned())?;
                Some(Value::Block(Rc::new(super::value::BlockRef {
                    unit: unit.clone(),
                    name: name.clone(),
                    level: 0,
                    node,
                    scope: unit.top.clone(),
                })))
            }
            _ => None,
        }
    }

    /// `owner[key]`: an entry, else an attribute.
    pub(crate) fn item(&self, owner: &Value, key: &Value) -> Result<Value> {
        check_owner(owner)?;
        key.check_defined()?;
        let found = match owner {
            Value::Dict(dict) => match Key::new(key) {
                Ok(key) => dict.0.borrow().get(&key).cloned(),
                Err(_) => None,
            },
            Value::List(list) | Value::Tuple(list) => {
                let list = list.0.borrow();
                key.as_index()
                    .and_then(|index| position(index, list.len()))
                    .map(|at| list[at].clone())
            }
            Value::Sequence(sequence) if sequence.kind == super::value::SequenceKind::Range => key
                .as_index()
                .and_then(|index| position(index, sequence.items.len()))
                .map(|at| sequence.items[at].clone()),
            Value::Str(text) => key.as_index().and_then(|index| {
                let chars: Vec<char> = text.chars().collect();
                position(index, chars.len()).map(|at| Value::str(chars[at].to_string()))
            }),
            Value::Salt => key
                .as_str()
                .filter(|name| self.functions.has(name))
                .map(|name| Value::SaltFunction(name.clone())),
            _ => None,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        if let Value::Str(name) = key {
            if !matches!(owner, Value::Salt)
                && let Some(found) = self.own_attribute(owner, name)
            {
                return Ok(found);
            }
            if let Value::Namespace(dict) = owner
                && let Some(value) = dict.0.borrow().get(&Key::text(name.clone()))
            {
                return Ok(value.clone());
            }
            return Ok(self.no_attribute(owner, name));
        }
        Ok(Value::undefined(format!(
            "{} object has no element {}",
            owner.type_name(),
            print::repr(key)?
        )))
    }
}

/// Nothing that is undefined has attributes or entries, not even what prints as nothing.
fn check_owner(owner: &Value) -> Result<()> {
    match owner {
        Value::Nothing => Err(Fault::undefined(
            "the inline if-expression evaluated to false and no else section was defined.",
        )),
        owner => owner.check_defined(),
    }
}
