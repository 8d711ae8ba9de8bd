//! Signatures of functions, and how arguments bind to them: as in Python, with Python's messages.
//!
//! A signature is written once, in the table of the function, in Python's notation: `"path, mode=None, *args, **kwargs"`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::failure::Failure;
use crate::python;

/// The longest time that a function accepts, in seconds: ten years. Keeps arithmetic on times within range.
const SECONDS_MAX: f64 = 10.0 * 366.0 * 86400.0;

/// A parsed signature.
#[derive(Debug, Default)]
pub(crate) struct Signature {
    params: Vec<Param>,
    /// How many parameters take positional arguments: those before `*args`; all without it.
    positional: usize,
    /// The name of `*args`.
    extra_args: Option<&'static str>,
    /// The name of `**kwargs`.
    extra_kwargs: Option<&'static str>,
}

#[derive(Debug)]
struct Param {
    name: &'static str,
    default: Option<Value>,
}

impl Signature {
    /// Reads Python's notation. `None` when the text is no signature, which a test excludes for all tables.
    pub(crate) fn parse(text: &'static str) -> Option<Signature> {
        let mut signature = Signature::default();
        for item in split_items(text) {
            if let Some(name) = item.strip_prefix("**") {
                signature.extra_kwargs = Some(name);
            } else if let Some(name) = item.strip_prefix('*') {
                signature.extra_args = Some(name);
                signature.positional = signature.params.len();
            } else {
                let (name, default) = match item.split_once('=') {
                    Some((name, literal)) => (name, Some(parse_literal(literal)?)),
                    None => (item, None),
                };
                signature.params.push(Param { name, default });
            }
        }
        if signature.extra_args.is_none() {
            signature.positional = signature.params.len();
        }
        Some(signature)
    }

    /// What `sys.argspec` shows.
    pub(crate) fn report(&self) -> Value {
        let some = |list: Vec<Value>| {
            if list.is_empty() {
                Value::Null
            } else {
                Value::Array(list)
            }
        };
        let flag = |set: bool| if set { Value::Bool(true) } else { Value::Null };
        json!({
            "args": some(self.params.iter().map(|param| json!(param.name)).collect()),
            "defaults": some(self.params.iter().filter_map(|param| param.default.clone()).collect()),
            "varargs": flag(self.extra_args.is_some()),
            "kwargs": flag(self.extra_kwargs.is_some()),
        })
    }

    /// The names of the parameters with their defaults; those without one are needed.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, Option<&Value>)> {
        self.params
            .iter()
            .map(|param| (param.name, param.default.as_ref()))
    }

    /// The names of `*args` and `**kwargs`, where there are such.
    pub(crate) fn extras(&self) -> (Option<&'static str>, Option<&'static str>) {
        (self.extra_args, self.extra_kwargs)
    }

    /// Binds the arguments of a call.
    pub(crate) fn bind(&self, call: &Call) -> Result<Args<'_>, Failure> {
        let fun = call.fun.rsplit('.').next().unwrap_or_default();
        let mut values: Vec<Option<Value>> = call
            .args
            .iter()
            .take(self.positional)
            .cloned()
            .map(Some)
            .collect();
        values.resize(self.params.len(), None);
        let extra_args = call
            .args
            .get(self.positional..)
            .unwrap_or_default()
            .to_vec();
        let mut extra_kwargs = Map::new();
        let mut twice = None;
        let mut invalid = Vec::new();
        for (name, value) in call
            .kwargs
            .iter()
            .filter(|(name, _)| !name.starts_with("__"))
        {
            match self.params.iter().position(|param| param.name == name) {
                Some(at) if values[at].is_some() => twice = Some(name),
                Some(at) => values[at] = Some(value.clone()),
                None if self.extra_kwargs.is_some() => {
                    extra_kwargs.insert(name.clone(), value.clone());
                }
                None => invalid.push(format!("{name}={}", python::text(value))),
            }
        }
        if !invalid.is_empty() {
            let text = format!(
                "The following keyword arguments are not valid: {}",
                invalid.join(", ")
            );
            return Err(Failure::Invocation(text));
        }
        if let Some(name) = twice {
            return Err(Failure::Arguments(format!(
                "{fun}() got multiple values for argument '{name}'"
            )));
        }
        if !extra_args.is_empty() && self.extra_args.is_none() {
            return Err(Failure::Arguments(self.too_many(fun, call.args.len())));
        }
        let mut missing = Vec::new();
        let mut bound = Vec::with_capacity(values.len());
        for (param, value) in self.params.iter().zip(values) {
            match value.or_else(|| param.default.clone()) {
                Some(value) => bound.push(value),
                None => missing.push(format!("'{}'", param.name)),
            }
        }
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            let text = format!(
                "{fun}() missing {} required positional argument{plural}: {}",
                missing.len(),
                enumerate(&missing)
            );
            return Err(Failure::Arguments(text));
        }
        Ok(Args {
            signature: self,
            bound,
            extra_args,
            extra_kwargs,
        })
    }

    /// Whether there is a parameter of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.params.iter().any(|param| param.name == name)
    }

    /// The parameters that a state has to name and does not, a line for each; none when it names all.
    pub(crate) fn missing_in_state(&self, fun: &str, said: &Map<String, Value>) -> Option<String> {
        let missing = self
            .params
            .iter()
            .filter(|param| param.default.is_none() && !said.contains_key(param.name));
        let lines: String = missing
            .map(|param| format!("Missing parameter {} for state {fun}\n", param.name))
            .collect();
        (!lines.is_empty()).then_some(lines)
    }

    /// Binds what a state says. `is_engine` tells the names that are for who calls the function: no parameter takes them by chance, but one
    /// of that very name does.
    pub(crate) fn bind_state(
        &self,
        fun: &str,
        said: &Map<String, Value>,
        is_engine: impl Fn(&str) -> bool,
    ) -> Result<Args<'_>, Failure> {
        if let Some(missing) = self.missing_in_state(fun, said) {
            return Err(Failure::Command(missing));
        }
        let others: Map<String, Value> = said
            .iter()
            .filter(|(name, _)| !self.has(name) && !is_engine(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !others.is_empty() && self.extra_kwargs.is_none() {
            let mut names: Vec<String> = others.keys().map(|name| format!("'{name}'")).collect();
            let last = names.pop().unwrap_or_default();
            let text = if names.is_empty() {
                format!("{last} is an invalid keyword argument for '{fun}'")
            } else {
                let first = names.join(", ");
                format!("{first} and {last} are invalid keyword arguments for '{fun}'")
            };
            return Err(Failure::Invocation(text));
        }
        let bound = self.params.iter().map(|param| {
            let value = said.get(param.name).or(param.default.as_ref());
            value.cloned().unwrap_or(Value::Null)
        });
        Ok(Args {
            signature: self,
            bound: bound.collect(),
            extra_args: Vec::new(),
            extra_kwargs: others,
        })
    }

    fn too_many(&self, fun: &str, given: usize) -> String {
        let most = self.params.len();
        let least = self
            .params
            .iter()
            .filter(|param| param.default.is_none())
            .count();
        let takes = if least == most {
            format!("{most}")
        } else {
            format!("from {least} to {most}")
        };
        let plural = if most == 1 { "" } else { "s" };
        let verb = if given == 1 { "was" } else { "were" };
        format!("{fun}() takes {takes} positional argument{plural} but {given} {verb} given")
    }
}

/// `a`, `a and b`, `a, b, and c`.
fn enumerate(items: &[String]) -> String {
    match items {
        [rest @ .., last] if rest.len() > 1 => format!("{}, and {last}", rest.join(", ")),
        items => items.join(" and "),
    }
}

/// Splits at commas outside of quotes.
fn split_items(text: &'static str) -> impl Iterator<Item = &'static str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '\'';
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|item| !item.is_empty())
}

fn parse_literal(text: &str) -> Option<Value> {
    Some(match text {
        "None" => Value::Null,
        "True" => json!(true),
        "False" => json!(false),
        "[]" => json!([]),
        "{}" => json!({}),
        text => match text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
        {
            Some(text) => json!(text),
            None => json!(text.parse::<i64>().ok()?),
        },
    })
}

/// The arguments of a call, each under the name of its parameter, with defaults filled in.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    signature: &'a Signature,
    bound: Vec<Value>,
    /// Positional arguments beyond the parameters (`*args`).
    pub(crate) extra_args: Vec<Value>,
    /// Keyword arguments that are no parameters (`**kwargs`).
    pub(crate) extra_kwargs: Map<String, Value>,
}

impl Args<'_> {
    /// The value of a parameter; null for a name that the signature lacks.
    pub(crate) fn value(&self, name: &str) -> &Value {
        let at = self
            .signature
            .params
            .iter()
            .position(|param| param.name == name);
        at.and_then(|at| self.bound.get(at)).unwrap_or(&Value::Null)
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
    use super::*;

    fn bound(signature: &'static str, call: Call) -> String {
        match Signature::parse(signature).unwrap().bind(&call) {
            Ok(args) => format!(
                "{:?} {:?} {:?}",
                args.bound, args.extra_args, args.extra_kwargs
            ),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn arguments_bind_as_in_python() {
        let call = || Call::new("m.f");
        let check = |signature, call: Call, expected: &str| {
            let bound = bound(signature, call);
            assert!(bound.contains(expected), "{signature}: {bound}");
        };
        check(
            "a, b=':'",
            call().arg(1),
            r#"[Number(1), String(":")] [] {}"#,
        );
        check(
            "a, b=2",
            call().kwarg("b", 3).kwarg("a", 1),
            "[Number(1), Number(3)] [] {}",
        );
        check(
            "a",
            call().arg(1).kwarg("__pub_jid", "x"),
            "[Number(1)] [] {}",
        );
        check(
            "a, *args, **kw",
            call().arg(1).arg(2).kwarg("c", 3),
            r#"[Number(1)] [Number(2)] {"c": Number(3)}"#,
        );
        check(
            "a, *args, b=':', **kw",
            call().arg(1).arg(2).kwarg("b", 3),
            r#"[Number(1), Number(3)] [Number(2)] {}"#,
        );
        check(
            "a",
            call(),
            "f() missing 1 required positional argument: 'a'",
        );
        check(
            "a, b",
            call(),
            "f() missing 2 required positional arguments: 'a' and 'b'",
        );
        check(
            "a, b, c",
            call(),
            "f() missing 3 required positional arguments: 'a', 'b', and 'c'",
        );
        check(
            "",
            call().arg(1),
            "f() takes 0 positional arguments but 1 was given",
        );
        check(
            "a",
            call().arg(1).arg(2),
            "f() takes 1 positional argument but 2 were given",
        );
        check(
            "a, b=1",
            call().arg(1).arg(2).arg(3),
            "f() takes from 1 to 2 positional arguments but 3 were given",
        );
        check(
            "a",
            call().arg(1).kwarg("a", 2),
            "f() got multiple values for argument 'a'",
        );
        check(
            "a",
            call().arg(1).kwarg("z", true),
            "The following keyword arguments are not valid: z=True",
        );
    }

    #[test]
    fn report_shows_defaults() {
        let report = Signature::parse("a, b=None, c='x,y', **kw")
            .unwrap()
            .report();
        let expected = json!({"args": ["a", "b", "c"], "defaults": [null, "x,y"], "varargs": null, "kwargs": true});
        assert_eq!(report, expected);
        assert!(Signature::parse("a=what").is_none());
    }

    #[test]
    fn numbers_are_read_from_text_too() {
        let signature = Signature::parse("n").unwrap();
        let check = |value: Value, expected: Option<i64>| {
            let args = signature
                .bind(&Call::new("m.f").arg(value.clone()))
                .unwrap();
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
