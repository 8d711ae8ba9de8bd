//! What rules say of what is to be called: the function, and its arguments where a rule names them.

use serde_json::Value;
use wire::Called;

use crate::pattern::Pattern;

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

impl Functions {
    /// Those with a name, whatever their arguments.
    pub(crate) fn named(name: Pattern) -> Functions {
        Functions {
            name,
            arguments: Vec::new(),
        }
    }

    pub(crate) fn cover(&self, call: Called<'_>) -> bool {
        self.name.matches(call.fun)
            && (self.arguments.is_empty() || self.arguments.iter().any(|asked| asked.fit(call)))
    }
}

impl Arguments {
    fn fit(&self, call: Called<'_>) -> bool {
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
