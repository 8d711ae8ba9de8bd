//! How one entry of `mine_functions` is written: a list of arguments and maps of named ones, or one map.

use serde_json::{Map, Value, json};

use crate::python;

/// What is to be called, and who may read what comes out.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Definition {
    /// Where it is not the entry's own name.
    pub(super) function: Option<String>,
    pub(super) args: Vec<Value>,
    pub(super) kwargs: Map<String, Value>,
    allow_tgt: Option<Value>,
    allow_tgt_type: Option<Value>,
    export: bool,
}

impl Definition {
    /// Reads an entry; what is neither a list nor a map has no arguments.
    pub(super) fn read(said: &Value) -> Definition {
        let mut read = Definition::default();
        match said {
            Value::Object(named) => read.kwargs = named.clone(),
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::Object(named) => read.kwargs.extend(named.clone()),
                        item => read.args.push(item.clone()),
                    }
                }
            }
            _ => {}
        }
        let mut take = |key: &str| read.kwargs.remove(key).filter(python::truthy);
        read.function = take("mine_function").map(|name| python::text(&name));
        (read.allow_tgt, read.allow_tgt_type) = (take("allow_tgt"), take("allow_tgt_type"));
        read.export = take("export").is_some();
        read
    }

    /// What goes into the mine.
    pub(super) fn entry(self, data: Value) -> Value {
        let mut entry = json!({"data": data});
        if let Some(allow_tgt) = self.allow_tgt {
            entry["allow_tgt"] = allow_tgt;
            if let Some(kind) = self.allow_tgt_type {
                entry["allow_tgt_type"] = kind;
            }
        }
        if self.export {
            entry["export"] = json!(true);
        }
        entry
    }
}
