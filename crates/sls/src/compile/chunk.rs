//! A low chunk: one call of one state function.

use serde_json::{Map, Value};

use super::value::text;

/// One call of one state function, with all that its state says. Keys are Salt's: `state`, `fun`, `name`, `__id__`, `__sls__`, `__env__`,
/// `order`, requisites, and the function's arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk(pub Map<String, Value>);

impl Chunk {
    /// What `state.single` and `state.low` run: a function on a name, outside of any SLS.
    ///
    /// Fails when the function is not of the form `state.function`.
    pub fn single(
        function: &str,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Chunk, String> {
        let mut parts = function.split('.');
        let (Some(state), Some(fun)) = (parts.next(), parts.next()) else {
            return Err(format!(
                "Invalid function passed: '{function}' is not of the form state.function"
            ));
        };
        let mut map = arguments;
        for (key, value) in [
            ("state", state),
            ("fun", fun),
            ("__id__", name),
            ("name", name),
        ] {
            map.insert(key.to_owned(), value.into());
        }
        Ok(Chunk(map))
    }

    /// What lacks for a call: the words of `state.low`'s answer.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = ["state", "fun", "name"]
            .iter()
            .filter(|key| !self.0.contains_key(**key))
            .map(|key| format!("Missing \"{key}\" data"))
            .collect();
        if let Some(name) = self.0.get("name")
            && !name.is_string()
            && super::value::is_truthy(name)
        {
            let place = self
                .0
                .get("__sls__")
                .map(|sls| format!("in SLS '{}' ", text(sls)))
                .unwrap_or_default();
            faults.push(format!(
                "ID '{}' {place}is not formed as a string, but is {}",
                text(name),
                super::value::kind(name)
            ));
        }
        faults
    }

    /// The state, as `file`.
    pub fn state(&self) -> String {
        self.text("state")
    }

    /// The function of the state, as `managed`.
    pub fn fun(&self) -> String {
        self.text("fun")
    }

    /// What the function works on.
    pub fn name(&self) -> String {
        self.text("name")
    }

    /// The id in its SLS.
    pub fn id(&self) -> String {
        self.text("__id__")
    }

    /// The SLS; empty when it is in none.
    pub fn sls(&self) -> String {
        self.0.get("__sls__").map(text).unwrap_or_default()
    }

    /// The key of its result: `state_|-id_|-name_|-fun`.
    pub fn tag(&self) -> String {
        format!(
            "{}_|-{}_|-{}_|-{}",
            self.state(),
            self.id(),
            self.name(),
            self.fun()
        )
    }

    /// Whether another state waits to hear what this one would change, and this one was not asked yet.
    pub(super) fn is_prereq(&self) -> bool {
        self.is_set("__prereq__")
    }

    pub(super) fn is_parallel(&self) -> bool {
        self.0.get("parallel").is_some_and(super::value::is_truthy)
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.0.get(key) == Some(&Value::Bool(true))
    }

    fn text(&self, key: &str) -> String {
        self.0.get(key).map_or_else(|| "None".to_owned(), text)
    }
}
