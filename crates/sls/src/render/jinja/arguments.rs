//! Arguments of calls, and their way into parameters.

use std::rc::Rc;

use super::fault::{Fault, Result};
use super::value::Value;

#[derive(Clone, Default)]
pub(crate) struct Args {
    pub(crate) positional: Vec<Value>,
    pub(crate) named: Vec<(Rc<str>, Value)>,
}

impl Args {
    pub(crate) fn of(positional: Vec<Value>) -> Args {
        Args {
            positional,
            named: Vec::new(),
        }
    }

    /// Gives each parameter its argument. Too many arguments, or one with another name, are an error.
    pub(crate) fn bind<const N: usize>(
        self,
        function: &str,
        names: [&str; N],
    ) -> Result<[Option<Value>; N]> {
        let given = self.positional.len();
        if given > N {
            return Err(Fault::value(format!(
                "{function}() takes {N} positional arguments but {given} were given"
            )));
        }
        let mut bound = [const { None }; N];
        for (slot, value) in bound.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        for (name, value) in self.named {
            let Some(index) = names.iter().position(|known| **known == *name) else {
                return Err(Fault::value(format!(
                    "{function}() got an unexpected keyword argument '{name}'"
                )));
            };
            if bound[index].replace(value).is_some() {
                return Err(Fault::value(format!(
                    "{function}() got multiple values for argument '{name}'"
                )));
            }
        }
        Ok(bound)
    }

    pub(crate) fn none(self, function: &str) -> Result<()> {
        self.bind(function, []).map(|_| ())
    }

    pub(crate) fn one(self, function: &str, name: &str) -> Result<Value> {
        let [value] = self.bind(function, [name])?;
        required(value, function, name)
    }
}

pub(crate) fn required(value: Option<Value>, function: &str, name: &str) -> Result<Value> {
    value.ok_or_else(|| {
        Fault::value(format!(
            "{function}() missing 1 required positional argument: '{name}'"
        ))
    })
}

pub(crate) fn text(value: &Value, function: &str) -> Result<Rc<str>> {
    value.check_defined()?;
    value.as_str().cloned().ok_or_else(|| {
        Fault::value(format!(
            "{function}() argument must be str, not {}",
            value.type_name()
        ))
    })
}

/// An optional text; None counts as not given.
pub(crate) fn optional_text(value: Option<Value>, function: &str) -> Result<Option<Rc<str>>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => text(&value, function).map(Some),
    }
}

pub(crate) fn integer(value: &Value, function: &str) -> Result<i128> {
    value.check_defined()?;
    value.as_index().ok_or_else(|| {
        Fault::value(format!(
            "{function}(): '{}' object cannot be interpreted as an integer",
            value.type_name()
        ))
    })
}

/// An optional number; None counts as not given.
pub(crate) fn optional_integer(value: Option<Value>, function: &str) -> Result<Option<i128>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => integer(&value, function).map(Some),
    }
}

pub(crate) fn flag(value: Option<Value>, default: bool) -> Result<bool> {
    value.map_or(Ok(default), |value| value.truth())
}
