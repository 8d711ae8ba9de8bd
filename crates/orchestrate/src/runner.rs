//! `salt.runner` and `salt.wheel`: functions of the hub itself.

use serde_json::{Map, Value, json};
use sls::compile::Return;

use crate::outcome::is_success;
use crate::{Deed, State, returned};

/// Which kind of function of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// A runner.
    Runner,
    /// A wheel function.
    Wheel,
}

impl Client {
    fn as_str(self) -> &'static str {
        match self {
            Client::Runner => "Runner",
            Client::Wheel => "Wheel",
        }
    }
}

/// A call of a function of the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// What kind.
    pub client: Client,
    /// Its name.
    pub fun: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Named arguments.
    pub kwargs: Map<String, Value>,
}

/// What a function of the hub answered: its value and its return code, or why there is none.
pub type Answer = Result<(Value, i32), String>;

pub(crate) fn invoke(state: &State<'_>, client: Client) -> Deed {
    let fun = state.name();
    if state.is_test {
        let kind = client.as_str();
        let comment = format!("{kind} function '{fun}' would be executed.");
        return Deed::None(returned(None, comment));
    }
    let mut named = state.args.extra_kwargs.clone();
    // Positional arguments and named ones that have other names than states can give.
    let args = match named.shift_remove("arg") {
        Some(Value::Array(args)) => args,
        Some(Value::Null) | None => Vec::new(),
        Some(single) => vec![single],
    };
    let mut kwargs = match named.shift_remove("kwarg") {
        Some(Value::Object(kwargs)) => kwargs,
        _ => Map::new(),
    };
    kwargs.extend(named);
    Deed::Invoke(Invocation {
        client,
        fun,
        args,
        kwargs,
    })
}

/// The return for what a function of the hub answered.
pub fn returned_by(invocation: &Invocation, answer: Answer) -> Return {
    let (value, is_ok) = judged(answer);
    let done = if is_ok { "executed" } else { "failed" };
    let (kind, fun) = (invocation.client.as_str(), &invocation.fun);
    Return {
        changes: Map::from_iter([("return".to_owned(), value)]),
        ..returned(is_ok, format!("{kind} function '{fun}' {done}."))
    }
}

/// The value to be shown, and whether all is well.
pub(crate) fn judged(answer: Answer) -> (Value, bool) {
    match answer {
        Err(text) => (json!(text), false),
        Ok((value, retcode)) => {
            let says_error = value.get("Error").is_some();
            let is_well = value.get("data").is_none_or(|data| {
                // Values of runs are judged by their records.
                value.get("outputter") != Some(&json!("highstate")) || is_success(data)
            });
            (value, retcode == 0 && !says_error && is_well)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sls::compile::Chunk;

    fn read(said: Value, is_test: bool) -> Deed {
        let chunk = Chunk(said.as_object().cloned().unwrap());
        crate::deed(&chunk, is_test, false).unwrap()
    }

    fn said() -> Value {
        json!({
            "state": "salt", "fun": "wheel", "name": "key.accept", "__id__": "x", "__sls__": "s", "__env__": "base", "order": 1,
            "require": [{"salt": "y"}], "match": "frank", "arg": [1], "kwarg": {"name": "z"},
        })
    }

    #[test]
    fn what_is_no_word_of_the_engine_goes_to_the_function() {
        let Deed::Invoke(invocation) = read(said(), false) else {
            panic!("a call");
        };
        assert_eq!(
            invocation,
            Invocation {
                client: Client::Wheel,
                fun: "key.accept".to_owned(),
                args: vec![json!(1)],
                kwargs: Map::from_iter([
                    ("name".to_owned(), json!("z")),
                    ("match".to_owned(), json!("frank"))
                ]),
            }
        );
        let Deed::None(told) = read(said(), true) else {
            panic!("a return");
        };
        assert_eq!(
            told.comment,
            "Wheel function 'key.accept' would be executed."
        );
        assert_eq!(told.result, None);
    }

    #[test]
    fn answers_become_returns() {
        let invocation = Invocation {
            client: Client::Runner,
            fun: "manage.up".to_owned(),
            args: vec![],
            kwargs: Map::new(),
        };
        let run = |result: bool| json!({"data": {"top_master": {"a": {"result": result}}}, "outputter": "highstate", "retcode": 0});
        for (answer, value, is_ok) in [
            (Ok((json!(["a"]), 0)), json!(["a"]), true),
            (Ok((json!(["a"]), 1)), json!(["a"]), false),
            (Ok((json!({"Error": "x"}), 0)), json!({"Error": "x"}), false),
            (Ok((run(true), 0)), run(true), true),
            (Ok((run(false), 0)), run(false), false),
            (Err("no".to_owned()), json!("no"), false),
        ] {
            let told = returned_by(&invocation, answer);
            assert_eq!(told.changes["return"], value);
            assert_eq!(told.result, Some(is_ok), "{value}");
            let done = if is_ok { "executed" } else { "failed" };
            assert_eq!(told.comment, format!("Runner function 'manage.up' {done}."));
        }
    }
}
