//! `state.pause` and its kin: orders to state runs, and states that are switched off.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::apply::{Pauses, running};
use crate::call::Call;
use crate::python;

/// The grain that holds what is switched off, as in Salt.
const DISABLED: &str = "state_runs_disabled";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "state.running",
        "concurrent=False",
        "The state runs of this minion, as texts; empty when there are none.",
        "state.running",
        |args, env| {
            let is_concurrent = args.flag("concurrent");
            Ok(json!(if is_concurrent {
                Vec::new()
            } else {
                running(env)
            }))
        },
    ),
    Function::new(
        "state.pause",
        "jid, state_id=None, duration=None",
        "Have a state run wait before a state, or before its next one. duration: seconds after which it goes on by itself.",
        "state.pause 20240501123456123456 nginx 20",
        |args, env| {
            let mut order = Map::new();
            if let Some(seconds) = args
                .optional_integer("duration")?
                .filter(|seconds| *seconds > 0)
            {
                order.insert("duration".to_owned(), json!(seconds));
            }
            tell(args, env, Value::Object(order))
        },
    ),
    Function::new(
        "state.resume",
        "jid, state_id=None",
        "Have a state run that waits go on; without a state, whatever it waits for.",
        "state.resume 20240501123456123456 nginx",
        |args, env| tell(args, env, Value::Null),
    ),
    Function::new(
        "state.soft_kill",
        "jid, state_id=None",
        "Have a state run end before a state, or before its next one.",
        "state.soft_kill 20240501123456123456 nginx",
        |args, env| tell(args, env, json!({"kill": true})),
    ),
    Function::new(
        "state.get_pauses",
        "jid=None",
        "The orders to state runs that are under way, by job and id of the state.",
        "state.get_pauses",
        |args, env| {
            let cache = env.ctx.cache_dir();
            let jids = match args.value("jid") {
                Value::Null => Pauses::jids(cache),
                _ => args.texts("jid"),
            };
            let active = env.ctx.running();
            let mut found = Map::new();
            for jid in jids {
                let pauses = Pauses::of(cache, &jid)?;
                if active.iter().any(|job| job.jid == jid) {
                    found.insert(jid, Value::Object(pauses.read()));
                } else {
                    pauses.forget();
                }
            }
            Ok(Value::Object(found))
        },
    ),
    Function::new(
        "state.disable",
        "states",
        "Switch SLS, the highstate, or state functions off on this minion, until state.enable.",
        "state.disable highstate,bind.config",
        |args, env| switch(args, env, false),
    ),
    Function::new(
        "state.enable",
        "states",
        "Switch on again what state.disable switched off.",
        "state.enable highstate",
        |args, env| switch(args, env, true),
    ),
    Function::new(
        "state.list_disabled",
        "",
        "What state.disable switched off.",
        "state.list_disabled",
        |_, env| Ok(json!(all_disabled(env))),
    ),
];

fn tell(args: &Args, env: &Env, order: Value) -> Answer {
    let jid = args.text("jid")?;
    let state_id = args.optional_text("state_id")?;
    let state_id = state_id.as_deref().unwrap_or(crate::apply::ALL_STATES);
    Pauses::of(env.ctx.cache_dir(), &jid)?.order(state_id, order)?;
    Ok(Value::Null)
}

fn all_disabled(env: &Env) -> Vec<String> {
    let grains = env.ctx.grains();
    let disabled = grains.get(DISABLED).and_then(Value::as_array);
    disabled.into_iter().flatten().map(python::text).collect()
}

/// Why an SLS may not run, if it may not.
pub(super) fn disabled(env: &Env, sls: &str) -> Option<String> {
    all_disabled(env).into_iter().find_map(|entry| {
        if let Some((module, _)) = entry.split_once(".*") {
            let is_meant = sls.starts_with(&format!("{module}."));
            return is_meant.then(|| {
                format!("The state file \"{sls}\" is currently disabled by \"{entry}\", to re-enable, run state.enable {entry}.")
            });
        }
        (entry == sls).then(|| {
            format!("The state file \"{entry}\" is currently disabled, to re-enable, run state.enable {entry}.")
        })
    })
}

fn switch(args: &Args, env: &Env, is_on: bool) -> Answer {
    let mut disabled = all_disabled(env);
    let mut messages = Vec::new();
    let word = if is_on { "enabled" } else { "disabled" };
    for state in args.texts("states") {
        let place = disabled.iter().position(|entry| *entry == state);
        if place.is_some() != is_on {
            messages.push(format!("Info: {state} state already {word}."));
            continue;
        }
        messages.push(format!("Info: {state} state {word}."));
        match place {
            Some(place) => drop(disabled.remove(place)),
            None => disabled.push(state),
        }
    }
    let outcome = env.call(
        &Call::new("grains.setval")
            .arg(DISABLED)
            .arg(json!(disabled)),
    )?;
    if !outcome.success {
        return Err(Failure::command(python::text(&outcome.value)));
    }
    Ok(json!({"res": true, "msg": messages.join("\n")}))
}
