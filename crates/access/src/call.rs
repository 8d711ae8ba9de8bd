//! What is to be called, and what rules say of it: the function, and its arguments where a rule names them.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::pattern::Pattern;

/// A function with its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// `pkg.install`
    pub fun: &'a str,
    /// Those without a name.
    pub args: &'a [Value],
    /// Those with one.
    pub kwargs: &'a Map<String, Value>,
}

/// Functions of a rule: a pattern over names, and what their arguments have to be.
#[derive(Debug, Clone)]
pub(crate) struct Functions {
    pub(crate) name: Pattern,
    /// One of these has to fit; empty: any arguments do.
    pub(crate) arguments: Vec<Arguments>,
}

/// What arguments have to be; None stands for anything. What is not named may be anything, as in Salt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arguments {
    /// By their place.
    pub(crate) args: Vec<Option<Pattern>>,
    /// By their names.
    pub(crate) kwargs: Vec<(String, Option<Pattern>)>,
}

/// What tells named arguments of one of several functions from a map that is an argument.
const KEYWORDS_MARK: &str = "__kwarg__";

impl<'a> Call<'a> {
    /// The calls one by one: several functions have commas between, and a list of arguments each, with the named ones in a marked
    /// map at its end.
    pub(crate) fn each(self) -> Vec<Call<'a>> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        if !self.fun.contains(',') {
            return vec![self];
        }
        let functions = self.fun.split(',').enumerate();
        let call = |(nth, fun): (usize, &'a str)| {
            let args = self.args.get(nth).and_then(Value::as_array);
            let args = args.map_or(&[][..], Vec::as_slice);
            match args.split_last() {
                Some((Value::Object(kwargs), args))
                    if kwargs.get(KEYWORDS_MARK) == Some(&Value::Bool(true)) =>
                {
                    Call { fun, args, kwargs }
                }
                _ => Call {
                    fun,
                    args,
                    kwargs: &NONE,
                },
            }
        };
        functions.map(call).collect()
    }
}

impl Functions {
    /// Those with a name, whatever their arguments.
    pub(crate) fn named(name: Pattern) -> Functions {
        Functions {
            name,
            arguments: Vec::new(),
        }
    }

    pub(crate) fn cover(&self, call: Call<'_>) -> bool {
        self.name.matches(call.fun)
            && (self.arguments.is_empty() || self.arguments.iter().any(|asked| asked.fit(call)))
    }
}

impl Arguments {
    fn fit(&self, call: Call<'_>) -> bool {
        let fits = |asked: &Option<Pattern>, given: Option<&Value>| match (asked, given) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(pattern), Some(given)) => pattern.matches(&text(given)),
        };
        let mut args = self.args.iter().enumerate();
        let mut kwargs = self.kwargs.iter();
        args.all(|(nth, asked)| fits(asked, call.args.get(nth)))
            && kwargs.all(|(name, asked)| fits(asked, call.kwargs.get(name)))
    }
}

/// A value as patterns see it: as Python would print it, but lists and maps as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}
