//! `event`: what happened on this minion, for whoever subscribed to it on a hub.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "event.fire",
        "data, tag",
        "Fire an event on this minion alone, where nothing listens: data must be a dictionary. Use event.send to tell hubs.",
        "event.fire '{data: my event data}' tag",
        |args, _| match args.value("data") {
            Value::Object(_) => args.text("tag").map(|_| json!(true)),
            _ => Err(Failure::exception(
                "ValueError",
                "Dict object expected, not something else",
            )),
        },
    ),
    Function::new(
        "event.fire_master",
        "data, tag, preload=None",
        "Send an event with this tag and these data to the hubs above. False when there is no hub, as in a call without one. preload: is not \
         needed, as the job is named in each event.",
        "event.fire_master '{data: my event data}' my/tag",
        |args, env| fire(env, &args.text("tag")?, args.value("data")),
    ),
    Function::new(
        "event.send",
        "tag, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, with_env_opts=False, **kwargs",
        "Send an event with this tag to the hubs above; its data are the named arguments, with those of the dictionary data over them. with_env, \
         with_grains, with_pillar: also the environment, the grains, the pillar, or those of a list of names. with_env_opts: also saltenv and pillarenv.",
        "event.send myco/build/done status=ok",
        send,
    ),
];

fn send(args: &Args, env: &Env) -> Answer {
    let mut data = Map::new();
    let mut with = |name: &str, key: &str, all: &dyn Fn() -> Result<Value, Failure>| {
        let wanted = match args.value(name) {
            Value::Array(names) => Some(names.iter().map(python::text).collect::<Vec<_>>()),
            flag if python::truthy(flag) => None,
            _ => return Ok(()),
        };
        let mut values = match all()? {
            Value::Object(values) => values,
            _ => Map::new(),
        };
        if let Some(names) = wanted {
            values.retain(|key, _| names.contains(key));
        }
        data.insert(key.to_owned(), values.into());
        Ok::<(), Failure>(())
    };
    with("with_env", "environ", &|| {
        let all = std::env::vars_os().map(|(name, value)| {
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (text(name), Value::String(text(value)))
        });
        Ok(Value::Object(all.collect()))
    })?;
    with("with_grains", "grains", &|| Ok((*env.ctx.grains()).clone()))?;
    with("with_pillar", "pillar", &|| {
        env.ctx
            .pillar()
            .map(|pillar| (*pillar).clone())
            .map_err(|error| Failure::exception("CommandExecutionError", error))
    })?;
    if args.flag("with_env_opts") {
        let saltenv = env.ctx.config("saltenv").filter(|env| !env.is_null());
        data.insert(
            "saltenv".to_owned(),
            saltenv.unwrap_or_else(|| json!("base")),
        );
        let pillarenv = env.ctx.config("pillarenv").unwrap_or_default();
        data.insert("pillarenv".to_owned(), pillarenv);
    }
    data.extend(args.extra_kwargs.clone());
    if let Value::Object(over) = args.value("data") {
        data.extend(over.clone());
    }
    fire(env, &args.text("tag")?, &Value::Object(data))?;
    // Without a hub it is an event of this minion alone, as with event.fire.
    Ok(json!(true))
}

fn fire(env: &Env, tag: &str, data: &Value) -> Answer {
    match env.ctx.fire(tag, data) {
        Ok(has_hub) => Ok(json!(has_hub)),
        Err(error) => Err(Failure::exception("CommandExecutionError", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Call, Outcome};
    use crate::testing::Host;

    fn call(host: &Host, fun: &str, args: Value, kwargs: Value) -> Outcome {
        host.call(Call {
            fun: fun.to_owned(),
            args: args.as_array().cloned().unwrap(),
            kwargs: kwargs.as_object().cloned().unwrap(),
        })
    }

    #[test]
    fn data_come_from_many_places_and_the_dictionary_wins() {
        let host = Host::new();
        let send = |args: Value, kwargs: Value| call(&host, "event.send", args, kwargs).value;
        assert_eq!(send(json!(["a/b"]), json!({})), json!(true));
        send(
            json!(["a/b", {"x": 2}]),
            json!({"x": 1, "y": "z", "with_env_opts": true}),
        );
        send(json!(["a/b"]), json!({"with_grains": ["os", "none"]}));
        let fired = host.fired.lock().unwrap();
        assert_eq!(fired[0], ("a/b".to_owned(), json!({})));
        assert_eq!(
            fired[1].1,
            json!({"x": 2, "y": "z", "saltenv": "base", "pillarenv": null})
        );
        assert_eq!(fired[2].1, json!({"grains": {"os": "Debian"}}));
    }

    #[test]
    fn fire_master_sends_any_data_and_fire_needs_a_dictionary() {
        let host = Host::new();
        let call = |fun: &str, args: Value| call(&host, fun, args, json!({}));
        let told = call("event.fire_master", json!(["text", "t"]));
        assert_eq!(told.value, json!(true));
        let expected = ("t".to_owned(), json!("text"));
        assert_eq!(*host.fired.lock().unwrap(), [expected]);
        assert_eq!(
            call("event.fire", json!([{"a": 1}, "t"])).value,
            json!(true)
        );
        assert!(!call("event.fire", json!(["text", "t"])).success);
        assert_eq!(host.fired.lock().unwrap().len(), 1);
    }
}
