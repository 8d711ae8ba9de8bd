//! Options of package functions beyond their parameters; each package manager reads those that it knows.

use serde_json::{Map, Value};

use crate::python;

/// Keyword arguments as they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options(Map<String, Value>);

impl Options {
    pub(crate) fn new(kwargs: &Map<String, Value>) -> Options {
        Options(kwargs.clone())
    }

    /// The same with one more.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Options {
        let value = value.into();
        if !value.is_null() {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    pub(crate) fn value(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Python's truth of an option.
    pub(crate) fn flag(&self, name: &str) -> bool {
        python::truthy(self.value(name))
    }

    /// Text of an option that says something.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = self.value(name);
        python::truthy(value).then(|| python::text(value))
    }

    /// A list, or text with commas.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        python::texts(self.value(name))
    }
}
