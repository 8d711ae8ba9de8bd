//! The arguments of a call as its function reads them, with the failures that operators of Salt know.

use std::ops::Deref;
use std::time::Duration;

use data::signature::{Bound, Misfit};
use serde_json::{Map, Value};

use crate::call::Call;
use crate::failure::Failure;
use crate::python;

pub(crate) use data::signature::Signature;

/// The longest time that a function accepts, in seconds: ten years. Keeps arithmetic on times within range.
const SECONDS_MAX: f64 = 10.0 * 366.0 * 86400.0;

impl From<Misfit> for Failure {
    fn from(misfit: Misfit) -> Failure {
        match misfit {
            Misfit::Arguments(text) => Failure::Arguments(text),
            Misfit::Keywords(text) => Failure::Invocation(text),
            Misfit::Missing(text) => Failure::Command(text),
        }
    }
}

/// The arguments of a call.
#[derive(Debug)]
pub(crate) struct Args<'a>(Bound<'a>);

impl<'a> Deref for Args<'a> {
    type Target = Bound<'a>;

    fn deref(&self) -> &Bound<'a> {
        &self.0
    }
}

impl<'a> Args<'a> {
    /// Binds the arguments of a call.
    pub(crate) fn of_call(signature: &'a Signature, call: &Call) -> Result<Args<'a>, Failure> {
        Ok(Args(signature.bind(&call.fun, &call.args, &call.kwargs)?))
    }

    /// Binds what a state says, as [`Signature::bind_state`] does.
    pub(crate) fn of_state(
        signature: &'a Signature,
        fun: &str,
        said: &Map<String, Value>,
        is_engine: impl Fn(&str) -> bool,
    ) -> Result<Args<'a>, Failure> {
        Ok(Args(signature.bind_state(fun, said, is_engine)?))
    }

    /// A parameter as text; scalars as Python's `str` writes them.
    pub(crate) fn text(&self, name: &str) -> Result<String, Failure> {
        match self.value(name) {
            Value::Array(_) | Value::Object(_) | Value::Null => Err(Failure::invocation(format!(
                "Argument '{name}' must be a string"
            ))),
            value => Ok(python::text(value)),
        }
    }

    /// A parameter as text, `None` when it is null.
    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<String>, Failure> {
        match self.value(name) {
            Value::Null => Ok(None),
            _ => self.text(name).map(Some),
        }
    }

    /// Python's truth of a parameter.
    pub(crate) fn flag(&self, name: &str) -> bool {
        python::truthy(self.value(name))
    }

    /// A parameter as a whole number; text that holds one counts.
    pub(crate) fn integer(&self, name: &str) -> Result<i64, Failure> {
        let value = self.value(name);
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Bool(truth) => Some(i64::from(*truth)),
            // Python's int() cuts the fraction off; beyond 2^53 a float is no count that anybody means.
            Value::Number(number) if number.is_f64() => number
                .as_f64()
                .filter(|float| float.abs() < 9.0e15)
                .map(|float| float as i64),
            value => value.as_i64(),
        };
        number.ok_or_else(|| {
            Failure::invocation(format!(
                "Argument '{name}' must be an integer, not {}",
                python::repr(value)
            ))
        })
    }

    /// A parameter as a whole number, `None` when it is null.
    pub(crate) fn optional_integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        match self.value(name) {
            Value::Null => Ok(None),
            _ => self.integer(name).map(Some),
        }
    }

    /// A parameter as a time in seconds, fractions allowed; `None` when it is null.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Failure> {
        let value = self.value(name);
        let seconds = match value {
            Value::Null => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_f64(),
        };
        match seconds.filter(|seconds: &f64| (0.0..=SECONDS_MAX).contains(seconds)) {
            Some(seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
            None => Err(Failure::invocation(format!(
                "Argument '{name}' must be a time in seconds"
            ))),
        }
    }

    /// A parameter as a list of texts: a list, one scalar, or text with commas.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().map(python::text).collect(),
            value => python::text(value)
                .split(',')
                .map(|item| item.trim().to_owned())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_from_text_too() {
        let signature = Signature::parse("n").unwrap();
        let check = |value: Value, expected: Option<i64>| {
            let args = Args::of_call(&signature, &Call::new("m.f").arg(value.clone())).unwrap();
            assert_eq!(args.integer("n").ok(), expected, "{value}");
        };
        check(json!(5), Some(5));
        check(json!("7"), Some(7));
        check(json!(2.9), Some(2));
        check(json!(1e300), None);
        check(json!("x"), None);
        check(json!([]), None);
    }
}
