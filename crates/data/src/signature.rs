//! Signatures of functions, and how arguments bind to them: as in Python, with Python's messages.
//!
//! A signature is written once, in the table of the function, in Python's notation: `"path, mode=None, *args, **kwargs"`.

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::python;

/// Why arguments do not fit a signature, in Python's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Misfit {
    /// Too many, too few, or one twice.
    #[error("{0}")]
    Arguments(String),
    /// Names that no parameter has.
    #[error("{0}")]
    Keywords(String),
    /// What a state has to say and does not, a line for each.
    #[error("{0}")]
    Missing(String),
}

/// A parsed signature.
#[derive(Debug, Default)]
pub struct Signature {
    params: Vec<Param>,
    /// How many parameters take positional arguments: those before `*args`; all without it.
    positional: usize,
    /// The name of `*args`.
    extra_args: Option<String>,
    /// The name of `**kwargs`.
    extra_kwargs: Option<String>,
}

#[derive(Debug)]
struct Param {
    name: String,
    default: Option<Value>,
}

impl Signature {
    /// Reads Python's notation. `None` when the text is no signature, which a test excludes for all tables.
    pub fn parse(text: &str) -> Option<Signature> {
        let mut signature = Signature::default();
        for item in split_items(text) {
            if let Some(name) = item.strip_prefix("**") {
                signature.extra_kwargs = Some(name.to_owned());
            } else if let Some(name) = item.strip_prefix('*') {
                signature.extra_args = Some(name.to_owned());
                signature.positional = signature.params.len();
            } else {
                let (name, default) = match item.split_once('=') {
                    Some((name, literal)) => (name, Some(parse_literal(literal)?)),
                    None => (item, None),
                };
                signature.params.push(Param {
                    name: name.to_owned(),
                    default,
                });
            }
        }
        if signature.extra_args.is_none() {
            signature.positional = signature.params.len();
        }
        Some(signature)
    }

    /// Reads what [`Signature::report`] writes.
    pub fn of_report(report: &Value) -> Signature {
        let list = |key: &str| {
            let items = report.get(key).and_then(Value::as_array);
            items.into_iter().flatten()
        };
        let extra = |key: &str, name: &str| {
            let is_set = report.get(key).is_some_and(python::truthy);
            is_set.then(|| name.to_owned())
        };
        let (args, defaults) = (list("args").count(), list("defaults").count());
        let without = args.saturating_sub(defaults);
        let defaults =
            std::iter::repeat_n(None, without).chain(list("defaults").cloned().map(Some));
        let params = list("args").zip(defaults).map(|(name, default)| Param {
            name: python::text(name),
            default,
        });
        Signature {
            params: params.collect(),
            positional: args,
            extra_args: extra("varargs", "args"),
            extra_kwargs: extra("kwargs", "kwargs"),
        }
    }

    /// What `sys.argspec` shows.
    pub fn report(&self) -> Value {
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
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.params
            .iter()
            .map(|param| (param.name.as_str(), param.default.as_ref()))
    }

    /// The names of `*args` and `**kwargs`, where there are such.
    pub fn extras(&self) -> (Option<&str>, Option<&str>) {
        (self.extra_args.as_deref(), self.extra_kwargs.as_deref())
    }

    /// Binds the arguments of a call of `fun`.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn bind(
        &self,
        fun: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<Bound<'_>, Misfit> {
        let fun = fun.rsplit('.').next().unwrap_or_default();
        let mut values: Vec<Option<Value>> = args
            .iter()
            .take(self.positional)
            .cloned()
            .map(Some)
            .collect();
        values.resize(self.params.len(), None);
        let extra_args = args.get(self.positional..).unwrap_or_default().to_vec();
        let mut extra_kwargs = Map::new();
        let mut twice = None;
        self.refuse_strange_keywords(kwargs)?;
        for (name, value) in keywords(kwargs) {
            match self.params.iter().position(|param| &param.name == name) {
                Some(at) if values[at].is_some() => twice = Some(name),
                Some(at) => values[at] = Some(value.clone()),
                None => drop(extra_kwargs.insert(name.clone(), value.clone())),
            }
        }
        if let Some(name) = twice {
            return Err(Misfit::Arguments(format!(
                "{fun}() got multiple values for argument '{name}'"
            )));
        }
        if !extra_args.is_empty() && self.extra_args.is_none() {
            return Err(Misfit::Arguments(self.too_many(fun, args.len())));
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
            return Err(Misfit::Arguments(text));
        }
        Ok(Bound {
            signature: self,
            values: bound,
            extra_args,
            extra_kwargs,
        })
    }

    /// Fails when a call has keywords that no parameter takes.
    ///
    /// # Errors
    /// [`Misfit::Keywords`].
    pub fn refuse_strange_keywords(&self, kwargs: &Map<String, Value>) -> Result<(), Misfit> {
        let is_strange = |name: &str| self.extra_kwargs.is_none() && !self.has(name);
        let strange: Vec<String> = keywords(kwargs)
            .filter(|(name, _)| is_strange(name))
            .map(|(name, value)| format!("{name}={}", python::text(value)))
            .collect();
        if strange.is_empty() {
            return Ok(());
        }
        let names = strange.join(", ");
        let text = format!("The following keyword arguments are not valid: {names}");
        Err(Misfit::Keywords(text))
    }

    /// Whether there is a parameter of this name.
    pub fn has(&self, name: &str) -> bool {
        self.params.iter().any(|param| param.name == name)
    }

    /// The parameters that a state has to name and does not, a line for each; none when it names all.
    pub fn missing_in_state(&self, fun: &str, said: &Map<String, Value>) -> Option<String> {
        let missing = self
            .params
            .iter()
            .filter(|param| param.default.is_none() && !said.contains_key(&param.name));
        let lines: String = missing
            .map(|param| format!("Missing parameter {} for state {fun}\n", param.name))
            .collect();
        (!lines.is_empty()).then_some(lines)
    }

    /// Binds what a state says. `is_engine` tells the names that are for who calls the function: no parameter takes them by chance, but one
    /// of that very name does.
    pub fn bind_state(
        &self,
        fun: &str,
        said: &Map<String, Value>,
        is_engine: impl Fn(&str) -> bool,
    ) -> Result<Bound<'_>, Misfit> {
        if let Some(missing) = self.missing_in_state(fun, said) {
            return Err(Misfit::Missing(missing));
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
            return Err(Misfit::Keywords(text));
        }
        let bound = self.params.iter().map(|param| {
            let value = said.get(&param.name).or(param.default.as_ref());
            value.cloned().unwrap_or(Value::Null)
        });
        Ok(Bound {
            signature: self,
            values: bound.collect(),
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

/// The keywords of a call that are for the function; names that begin with `__` are bookkeeping of who calls.
fn keywords(kwargs: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    kwargs.iter().filter(|(name, _)| !name.starts_with("__"))
}

/// `a`, `a and b`, `a, b, and c`.
fn enumerate(items: &[String]) -> String {
    match items {
        [rest @ .., last] if rest.len() > 1 => format!("{}, and {last}", rest.join(", ")),
        items => items.join(" and "),
    }
}

/// Splits at commas outside of quotes.
fn split_items(text: &str) -> impl Iterator<Item = &str> {
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

/// Arguments, each under the name of its parameter, with defaults filled in.
#[derive(Debug, Clone)]
pub struct Bound<'a> {
    signature: &'a Signature,
    values: Vec<Value>,
    /// Positional arguments beyond the parameters (`*args`).
    pub extra_args: Vec<Value>,
    /// Keyword arguments that are no parameters (`**kwargs`).
    pub extra_kwargs: Map<String, Value>,
}

impl Bound<'_> {
    /// The value of a parameter; null for a name that the signature lacks.
    pub fn value(&self, name: &str) -> &Value {
        let at = self
            .signature
            .params
            .iter()
            .position(|param| param.name == name);
        at.and_then(|at| self.values.get(at))
            .unwrap_or(&Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positional arguments and named ones.
    #[derive(Default)]
    struct Call(Vec<Value>, Map<String, Value>);

    impl Call {
        fn arg(mut self, value: impl Into<Value>) -> Call {
            self.0.push(value.into());
            self
        }

        fn kwarg(mut self, name: &str, value: impl Into<Value>) -> Call {
            self.1.insert(name.to_owned(), value.into());
            self
        }
    }

    fn bound(signature: &'static str, call: Call) -> String {
        let signature = Signature::parse(signature).unwrap();
        match signature.bind("m.f", &call.0, &call.1) {
            Ok(args) => format!(
                "{:?} {:?} {:?}",
                args.values, args.extra_args, args.extra_kwargs
            ),
            Err(misfit) => misfit.to_string(),
        }
    }

    #[test]
    fn arguments_bind_as_in_python() {
        let call = || Call::default();
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
        assert_eq!(Signature::of_report(&report).report(), report);
        assert!(Signature::parse("a=what").is_none());
    }
}
