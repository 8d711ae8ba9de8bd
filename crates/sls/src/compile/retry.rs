//! The `retry` of a state.

use serde_json::Value;

/// How often, and how far apart, a state is tried until it has the result that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The result that ends it.
    pub until: bool,
    /// Most calls.
    pub attempts: u64,
    /// Seconds between two calls.
    pub interval_s: u64,
    /// Most seconds that are added by chance.
    pub splay_s: u64,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            until: true,
            attempts: 2,
            interval_s: 30,
            splay_s: 0,
        }
    }
}

impl Retry {
    /// Reads the value of `retry`. As in Salt, what is invalid has its default, and `false` means one attempt.
    pub(super) fn of(value: &Value) -> Retry {
        let default = Retry::default();
        match value {
            Value::Object(map) => {
                let number = |key: &str, default: u64| {
                    map.get(key).and_then(Value::as_u64).unwrap_or(default)
                };
                Retry {
                    until: map
                        .get("until")
                        .and_then(Value::as_bool)
                        .unwrap_or(default.until),
                    attempts: number("attempts", default.attempts),
                    interval_s: number("interval", default.interval_s),
                    splay_s: number("splay", default.splay_s),
                }
            }
            Value::Bool(false) => Retry {
                attempts: 0,
                ..default
            },
            _ => default,
        }
    }

    /// What is said in test mode, where nothing is tried again.
    pub(super) fn in_words(&self) -> String {
        let until = if self.until { "True" } else { "False" };
        format!(
            "The state would be retried every {} seconds (with a splay of up to {} seconds) a maximum of {} times or until a result of {until} is returned",
            self.interval_s, self.splay_s, self.attempts
        )
    }
}
