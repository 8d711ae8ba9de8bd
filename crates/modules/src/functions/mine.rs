//! `mine`: what this minion gives for others to read, and what others gave.

mod definition;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::mine::Mine;
use crate::python;
use definition::Definition;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "mine.delete",
        "fun",
        "Take back what this minion gave under this name.",
        "mine.delete network.interfaces",
        |args, env| {
            let (mine, fun) = (mine(env)?, args.text("fun")?);
            let mut entries = mine.own();
            match entries.remove(&fun) {
                Some(_) => given(mine, entries),
                None => Ok(json!(true)),
            }
        },
    ),
    Function::new(
        "mine.flush",
        "",
        "Take back all that this minion gave.",
        "mine.flush",
        |_, env| given(mine(env)?, Map::new()),
    ),
    Function::new(
        "mine.get",
        "tgt, fun, tgt_type='glob', exclude_minion=False",
        "What minions gave to the mine: values by minion. fun: one name, or several as a list or with commas between; then values by name and minion. \
         tgt_type: glob, pcre, list, grain, grain_pcre, ipcidr, compound, nodegroup. exclude_minion: without this minion. Of other sites only what is \
         exported.",
        "mine.get '*' network.interfaces",
        get,
    ),
    Function::new(
        "mine.send",
        "name, *args, **kwargs",
        "Call a function with these arguments, and give what it answers under this name. mine_function: the function, where the name is another one. \
         allow_tgt, allow_tgt_type: the minions that may read it. export=True: also minions of other sites.",
        "mine.send network.ip_addrs interface=eth0",
        send,
    ),
    Function::new(
        "mine.update",
        "clear=False, mine_functions=None",
        "Call the functions that mine_functions of settings and pillar name, and give what they answer. clear: in the place of all that was given \
         before. mine_functions: these functions instead, a map as in the settings or a list of names.",
        "mine.update",
        update,
    ),
    Function::new(
        "mine.valid",
        "",
        "The functions of mine_functions that this minion has, with their arguments.",
        "mine.valid",
        valid,
    ),
];

fn mine<'a>(env: &Env<'a>) -> Result<&'a dyn Mine, Failure> {
    env.ctx.mine().ok_or_else(|| {
        Failure::command("a call without a hub has no mine: order it from the running minion")
    })
}

fn given(mine: &dyn Mine, entries: Map<String, Value>) -> Answer {
    mine.give(entries).map_err(Failure::Command)?;
    Ok(json!(true))
}

/// `mine_functions` of settings and pillar, the pillar's over the others.
fn configured(env: &Env) -> Result<Map<String, Value>, Failure> {
    let mut functions = Map::new();
    let pillar = env.ctx.pillar().map_err(Failure::Command)?;
    let of_pillar = pillar.get("mine_functions").cloned();
    for found in [env.ctx.config("mine_functions"), of_pillar] {
        match found {
            None | Some(Value::Null) => {}
            Some(Value::Object(found)) => functions.extend(found),
            Some(_) => {
                let text = "mine_functions has to be a map of names to arguments";
                return Err(Failure::command(text));
            }
        }
    }
    Ok(functions)
}

/// What a definition gives; none when its function is not there, or fails.
fn entry(env: &Env, name: &str, definition: Definition) -> Option<Value> {
    let fun = definition.function.as_deref().unwrap_or(name);
    if !env.has(fun) {
        tracing::warn!(name, "the mine has no function {fun} to call");
        return None;
    }
    let call = Call {
        fun: fun.to_owned(),
        args: definition.args.clone(),
        kwargs: definition.kwargs.clone(),
    };
    match env.call(&call) {
        Ok(outcome) if outcome.success => Some(definition.entry(outcome.value)),
        Ok(outcome) => {
            tracing::error!(name, "a function of the mine failed: {}", outcome.value);
            None
        }
        Err(failure) => {
            tracing::error!(name, "a function of the mine failed: {failure}");
            None
        }
    }
}

fn update(args: &Args, env: &Env) -> Answer {
    let mine = mine(env)?;
    let functions = match args.value("mine_functions") {
        functions if !python::truthy(functions) => configured(env)?,
        Value::Object(functions) => functions.clone(),
        Value::Array(names) => {
            let names = names.iter().map(python::text);
            names.map(|name| (name, json!({}))).collect()
        }
        _ => return Ok(Value::Null),
    };
    if functions.is_empty() {
        return Ok(Value::Null);
    }
    let mut entries = if args.flag("clear") {
        Map::new()
    } else {
        mine.own()
    };
    for (name, said) in functions {
        let definition = Definition::read(&said);
        entries.extend(entry(env, &name, definition).map(|entry| (name, entry)));
    }
    given(mine, entries)
}

fn send(args: &Args, env: &Env) -> Answer {
    let (mine, name) = (mine(env)?, args.text("name")?);
    let mut said = args.extra_kwargs.clone();
    said.retain(|key, _| !key.starts_with("__"));
    let mut definition = Definition::read(&said.into());
    definition.args.clone_from(&args.extra_args);
    let Some(entry) = entry(env, &name, definition) else {
        return Ok(json!(false));
    };
    let mut entries = mine.own();
    entries.insert(name, entry);
    given(mine, entries)
}

fn valid(_: &Args, env: &Env) -> Answer {
    let functions = configured(env)?;
    if functions.is_empty() {
        return Ok(Value::Null);
    }
    let mut valid = Map::new();
    for (name, said) in functions {
        let definition = Definition::read(&said);
        match &definition.function {
            Some(fun) if env.has(fun) => {
                let named = definition
                    .kwargs
                    .iter()
                    .map(|(key, value)| json!({key: value}));
                let args: Vec<Value> = definition.args.iter().cloned().chain(named).collect();
                valid.insert(name, json!({fun: args}));
            }
            None if env.has(&name) => {
                valid.insert(name, said);
            }
            _ => {}
        }
    }
    Ok(valid.into())
}

fn get(args: &Args, env: &Env) -> Answer {
    let tgt = match args.value("tgt") {
        Value::Array(ids) => ids.iter().map(python::text).collect::<Vec<_>>().join(","),
        _ => args.text("tgt")?,
    };
    let is_list = args.value("fun").is_array();
    let mut funs = args.texts("fun");
    funs.dedup();
    let found = mine(env)?.get(&tgt, &args.text("tgt_type")?, &funs);
    let mut found = found.map_err(Failure::Command)?;
    if args.flag("exclude_minion") {
        for values in found.values_mut().filter_map(Value::as_object_mut) {
            values.remove(env.ctx.minion_id());
        }
    }
    Ok(match &funs[..] {
        [fun] if !is_list => found.remove(fun).unwrap_or_else(|| json!({})),
        _ => found.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    fn call(host: &Host, fun: &str, args: Value, kwargs: Value) -> Value {
        let outcome = host.call(Call {
            fun: format!("mine.{fun}"),
            args: args.as_array().cloned().unwrap(),
            kwargs: kwargs.as_object().cloned().unwrap(),
        });
        outcome.value
    }

    #[test]
    fn functions_of_settings_and_pillar_are_given() {
        let host = Host::new();
        let call = |fun: &str, args: Value, kwargs: Value| call(&host, fun, args, kwargs);
        assert_eq!(call("update", json!([]), json!({})), Value::Null);
        host.set("mine_functions", json!({"test.ping": [], "gone.fun": []}));
        *host.pillar.lock().unwrap() = std::sync::Arc::new(json!({"mine_functions": {
            "said": [{"mine_function": "test.echo"}, "hello", {"allow_tgt": "web*"}, {"export": true}],
            "named": {"mine_function": "test.arg", "x": 1},
        }}));
        assert_eq!(call("update", json!([]), json!({})), json!(true));
        let own = host.mine.own();
        assert_eq!(own["test.ping"], json!({"data": true}));
        assert_eq!(
            own["said"],
            json!({"data": "hello", "allow_tgt": "web*", "export": true})
        );
        assert_eq!(own["named"]["data"]["kwargs"]["x"], 1);
        assert!(!own.contains_key("gone.fun"));
        let valid = call("valid", json!([]), json!({}));
        assert_eq!(valid["said"], json!({"test.echo": ["hello"]}));
        assert_eq!(valid["test.ping"], json!([]));
        assert_eq!(valid.get("gone.fun"), None);
        assert_eq!(
            call(
                "send",
                json!(["mine", "x"]),
                json!({"mine_function": "test.echo"})
            ),
            true
        );
        assert_eq!(host.mine.own()["mine"], json!({"data": "x"}));
        assert_eq!(call("send", json!(["no.such"]), json!({})), false);
        call("delete", json!(["said"]), json!({}));
        assert!(!host.mine.own().contains_key("said"));
        call(
            "update",
            json!([]),
            json!({"mine_functions": ["test.ping"], "clear": true}),
        );
        assert_eq!(host.mine.own().len(), 1);
        call("flush", json!([]), json!({}));
        assert!(host.mine.own().is_empty());
    }

    #[test]
    fn answers_have_salts_shape() {
        let host = Host::new();
        let call = |args: Value, kwargs: Value| call(&host, "get", args, kwargs);
        call(json!(["*", "x"]), json!({}));
        assert_eq!(
            call(json!(["*", "a"]), json!({})),
            json!({"m1": "*", "m2": "*"})
        );
        assert_eq!(
            call(json!(["*", "a"]), json!({"exclude_minion": true})),
            json!({"m2": "*"})
        );
        let both = call(json!([["m1", "m2"], "a,b"]), json!({"tgt_type": "list"}));
        assert_eq!(both["b"], json!({"m1": "m1,m2", "m2": "m1,m2"}));
        assert_eq!(call(json!(["*", ["a"]]), json!({}))["a"]["m1"], "*");
    }
}
