//! The arguments of a call, taken by their names.

use data::python;
use serde_json::{Map, Value};

/// Arguments that are bound to the names of a function's parameters.
pub(super) struct Arguments {
    function: String,
    positional: Vec<Value>,
    named: Map<String, Value>,
}

impl Arguments {
    pub(super) fn new(function: &str, args: &[Value], kwargs: &Map<String, Value>) -> Arguments {
        let named = kwargs
            .iter()
            .filter(|(name, _)| !name.starts_with("__"))
            .map(|(name, value)| (name.clone(), value.clone()));
        Arguments {
            function: function.to_owned(),
            positional: args.to_vec(),
            named: named.collect(),
        }
    }

    /// All positional arguments, for functions that take any number of them.
    pub(super) fn positional(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.positional)
    }

    /// Whether an argument is given, even as `none`.
    pub(super) fn is_said(&self, at: usize, name: &str) -> bool {
        self.positional.len() > at || self.named.contains_key(name)
    }

    /// Binds the names; those beyond the first `required` may be missing, and are null then.
    pub(super) fn bind<const N: usize>(
        &mut self,
        names: [&str; N],
        required: usize,
    ) -> Result<[Value; N], String> {
        if self.positional.len() > N {
            return Err(format!(
                "{}() takes at most {N} positional arguments but {} were given",
                self.function,
                self.positional.len()
            ));
        }
        let mut positional = self.positional().into_iter();
        let mut bound = [const { Value::Null }; N];
        for (index, (name, place)) in names.iter().zip(&mut bound).enumerate() {
            let named = self.named.shift_remove(*name);
            *place = match (positional.next(), named) {
                (Some(_), Some(_)) => {
                    return Err(format!(
                        "{}() got multiple values for argument '{name}'",
                        self.function
                    ));
                }
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) if index < required => {
                    return Err(format!(
                        "{}() missing required argument: '{name}'",
                        self.function
                    ));
                }
                (None, None) => Value::Null,
            };
        }
        match self.named.iter().next() {
            None => Ok(bound),
            Some((name, _)) => Err(format!(
                "{}() got an unexpected keyword argument '{name}'",
                self.function
            )),
        }
    }

    /// All named arguments, for functions that take any.
    pub(super) fn named(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.named)
    }

    /// The error of an argument that is no map.
    pub(super) fn no_map(&self, name: &str) -> String {
        format!("{}(): '{name}' must be a dictionary", self.function)
    }
}

/// A text, or the one that stands for an argument that is missing.
pub(super) fn text_or(value: &Value, default: &str) -> String {
    match value {
        Value::Null => default.to_owned(),
        value => python::text(value),
    }
}
