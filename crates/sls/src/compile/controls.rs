//! Arguments that are for whoever calls the function: conditions, checks, users, refreshes.

use serde_json::{Map, Value};

use super::chunk::Chunk;
use super::record::Return;
use super::retry::Retry;
use super::value::{is_truthy, text};

/// One condition of `onlyif` or `unless`.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A shell command: it holds when the command exits with 0.
    Command(String),
    /// An execution function with its arguments (`args`, `get_return` and keywords): it holds when the answer is true.
    Function(String, Map<String, Value>),
    /// Neither; it never holds, and never keeps a state from running.
    Malformed(Value),
}

impl Condition {
    fn all(value: Option<&Value>) -> Vec<Condition> {
        list(value).map(Condition::of).collect()
    }

    fn of(value: &Value) -> Condition {
        match value {
            Value::String(command) => Condition::Command(command.clone()),
            Value::Object(map) => match map.get("fun").and_then(Value::as_str) {
                Some(function) => {
                    let mut arguments = map.clone();
                    arguments.shift_remove("fun");
                    Condition::Function(function.to_owned(), arguments)
                }
                None => Condition::Malformed(value.clone()),
            },
            _ => Condition::Malformed(value.clone()),
        }
    }
}

/// A function that a condition asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Named ones.
    pub kwargs: Map<String, Value>,
    /// The part of its answer that counts; none: all of it.
    part: Option<String>,
}

impl Asked {
    /// Reads the arguments of a [`Condition::Function`].
    pub fn of(arguments: &Map<String, Value>) -> Asked {
        let mut asked = Asked::default();
        for (name, value) in arguments {
            match (name.as_str(), value) {
                ("args", Value::Array(args)) => asked.args.clone_from(args),
                ("args", arg) => asked.args = vec![arg.clone()],
                ("get_return", path) => asked.part = Some(text(path)),
                _ => drop(asked.kwargs.insert(name.clone(), value.clone())),
            }
        }
        asked
    }

    /// Whether the condition holds with this answer.
    pub fn holds(&self, answer: &Value) -> bool {
        match &self.part {
            None => is_truthy(answer),
            Some(path) => {
                data::traverse(answer, path, data::DEFAULT_DELIMITER).is_some_and(is_truthy)
            }
        }
    }
}

/// Paths that make a call needless when they exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creates {
    /// One path.
    One(String),
    /// All of these.
    All(Vec<String>),
}

/// What surrounds the call of a state function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controls {
    /// The function is called only if all of these hold.
    pub onlyif: Vec<Condition>,
    /// The function is not called if all of these hold.
    pub unless: Vec<Condition>,
    /// The function is not called if these paths exist.
    pub creates: Option<Creates>,
    /// Commands that decide, after the call, whether it succeeded: all have to exit with 0.
    pub check_cmd: Vec<String>,
    /// The user for the conditions, and for functions that ask.
    pub runas: Option<String>,
    /// That user's password.
    pub runas_password: Option<String>,
    /// The umask during the call.
    pub umask: Option<u32>,
    /// Whether others may run beside it.
    pub is_parallel: bool,
    /// `fire_event`: true, or the end of the event's tag.
    pub fire_event: Option<Value>,
    /// Whether modules are looked for again after the call.
    pub reload_modules: bool,
    /// Whether grains are made again after the call.
    pub reload_grains: bool,
    /// Whether the pillar is fetched again after the call.
    pub reload_pillar: bool,
    /// Whether the return is kept out of logs.
    pub no_log: bool,
    /// How often it is tried; the machine does that.
    pub retry: Option<Retry>,
    /// Whether its failure ends the run; none for the minion's setting.
    pub failhard: Option<bool>,
    /// The environment for files of the call.
    pub saltenv: String,
}

impl Controls {
    /// Reads them from a chunk. Fails on an umask that is none.
    pub fn of(chunk: &Chunk) -> Result<Controls, String> {
        let map = &chunk.0;
        let is_set = |key: &str| map.get(key).is_some_and(is_truthy);
        let word = |key: &str| map.get(key).filter(|value| !value.is_null()).map(text);
        let umask = match word("umask") {
            None => None,
            Some(digits) => Some(
                u32::from_str_radix(digits.trim_start_matches("0o"), 8)
                    .map_err(|_| format!("Invalid umask: {digits}"))?,
            ),
        };
        let creates = match map.get("creates") {
            Some(Value::String(path)) => Some(Creates::One(path.clone())),
            Some(Value::Array(paths)) => Some(Creates::All(paths.iter().map(text).collect())),
            _ => None,
        };
        Ok(Controls {
            onlyif: Condition::all(map.get("onlyif")),
            unless: Condition::all(map.get("unless")),
            creates,
            check_cmd: list(map.get("check_cmd")).map(text).collect(),
            runas: word("runas"),
            // A state of `cmd` has its own argument for it.
            runas_password: word(if chunk.state() == "cmd" && map.contains_key("password") {
                "password"
            } else {
                "runas_password"
            }),
            umask,
            is_parallel: chunk.is_parallel(),
            fire_event: map
                .get("fire_event")
                .filter(|value| is_truthy(value))
                .cloned(),
            reload_modules: is_set("reload_modules"),
            reload_grains: is_set("reload_grains"),
            reload_pillar: is_set("reload_pillar"),
            no_log: is_set("no_log"),
            retry: map.get("retry").map(Retry::of),
            failhard: map.get("failhard").map(is_truthy),
            saltenv: word("saltenv")
                .or_else(|| word("__env__"))
                .unwrap_or_else(|| "base".to_owned()),
        })
    }

    /// What is returned in place of a call that the conditions make needless; none when the function is to be called.
    pub fn skip(&self, findings: &Findings) -> Option<Return> {
        let mut comments = Vec::new();
        let mut is_needless = false;
        let mut hear = |found: Option<bool>, needless: bool, comment: [&str; 2]| {
            if let Some(found) = found {
                is_needless |= found == needless;
                comments.push(comment[usize::from(found)].to_owned());
            }
        };
        hear(
            findings.onlyif,
            false,
            ["onlyif condition is false", "onlyif condition is true"],
        );
        hear(
            findings.unless,
            true,
            ["unless condition is false", "unless condition is true"],
        );
        let exist = match &self.creates {
            Some(Creates::One(path)) => format!("{path} exists"),
            _ => "All files in creates exist".to_owned(),
        };
        hear(findings.creates, true, ["Creates files not found", &exist]);
        is_needless.then(|| Return {
            result: Some(true),
            comment: comments.join("\n"),
            others: Map::from_iter([("skip_watch".to_owned(), Value::Bool(true))]),
            ..Return::default()
        })
    }
}

/// What the conditions of a call were found to be; none for those that it has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Whether all of `onlyif` hold.
    pub onlyif: Option<bool>,
    /// Whether all of `unless` hold.
    pub unless: Option<bool>,
    /// Whether all of `creates` exist.
    pub creates: Option<bool>,
}

/// The items of a list, or the one value that stands for a list.
fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    items.iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn controls(value: Value) -> Result<Controls, String> {
        Controls::of(&Chunk(value.as_object().cloned().unwrap_or_default()))
    }

    #[test]
    fn reads() {
        let read = controls(json!({
            "state": "cmd", "onlyif": "a", "unless": ["b", {"fun": "test.true", "x": 1}, 5], "creates": ["/c"], "umask": "027",
            "check_cmd": ["d"], "retry": {"attempts": 3, "interval": "no"}, "failhard": false, "password": "p", "__env__": "dev",
        }))
        .unwrap();
        assert_eq!(read.onlyif, [Condition::Command("a".to_owned())]);
        assert_eq!(read.unless.len(), 3);
        assert_eq!(
            read.unless[1],
            Condition::Function(
                "test.true".to_owned(),
                Map::from_iter([("x".to_owned(), json!(1))])
            )
        );
        assert_eq!(read.unless[2], Condition::Malformed(json!(5)));
        assert_eq!(read.creates, Some(Creates::All(vec!["/c".to_owned()])));
        assert_eq!(read.umask, Some(0o027));
        assert_eq!(
            read.retry,
            Some(Retry {
                attempts: 3,
                ..Retry::default()
            })
        );
        assert_eq!(
            (
                read.failhard,
                read.runas_password.as_deref(),
                &*read.saltenv
            ),
            (Some(false), Some("p"), "dev")
        );
        assert_eq!(
            controls(json!({"umask": "9"})).unwrap_err(),
            "Invalid umask: 9"
        );
    }

    #[test]
    fn conditions_that_skip() {
        let read = controls(json!({"creates": "/c"})).unwrap();
        let found = Findings {
            onlyif: Some(true),
            unless: Some(true),
            creates: Some(false),
        };
        let skipped = read.skip(&found).unwrap();
        assert_eq!(
            skipped.comment,
            "onlyif condition is true\nunless condition is true\nCreates files not found"
        );
        assert!(
            read.skip(&Findings {
                onlyif: Some(true),
                unless: Some(false),
                creates: None
            })
            .is_none()
        );
        assert_eq!(
            read.skip(&Findings {
                creates: Some(true),
                ..Findings::default()
            })
            .unwrap()
            .comment,
            "/c exists"
        );
    }
}
