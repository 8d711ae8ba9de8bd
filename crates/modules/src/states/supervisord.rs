//! `supervisord`: programs that supervisor keeps running.

use serde_json::{Map, Value};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, returned};
use crate::call::Call;
use crate::functions::supervisord::groups;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "supervisord.dead",
        "name, user=None, conf_file=None, bin_env=None, **kwargs",
        "Keep a program or a group (`name:`) stopped.",
        dead,
    ),
    StateFunction::new(
        "supervisord.mod_watch",
        "name, restart=True, update=False, user=None, conf_file=None, bin_env=None, **kwargs",
        "What watching states of supervisord do when what they watch has changed.",
        running,
    ),
    StateFunction::new(
        "supervisord.running",
        "name, restart=False, update=False, user=None, conf_file=None, bin_env=None, **kwargs",
        "Keep a program or a group (`name:`) running. restart: restart it in any case; update: bring all in line with the configuration first.",
        running,
    ),
];

/// A call with the state's own user, configuration and program.
fn call(args: &Args, fun: &str) -> Call {
    let mut call = Call::new(format!("supervisord.{fun}"));
    for name in ["user", "conf_file", "bin_env"] {
        call = call.kwarg(name, args.value(name).clone());
    }
    call
}

fn ask(args: &Args, env: &StateEnv, fun: &str, name: Option<&str>) -> Result<String, Failure> {
    let mut call = call(args, fun);
    call.args.extend(name.map(Value::from));
    Ok(python::text(&env.call(&call)?))
}

fn programs(args: &Args, env: &StateEnv) -> Result<Map<String, Value>, Failure> {
    let status = env.call(&call(args, "status"))?;
    Ok(status.as_object().cloned().unwrap_or_default())
}

/// Notes what came of a step. Errors that say that there was nothing to do are none.
fn note(done: &mut Return, said: &str, comment: &str) {
    const HARMLESS: [&str; 3] = [
        "already started",
        "not running",
        "process group already active",
    ];
    if said.contains("ERROR") && !HARMLESS.iter().any(|text| said.contains(text)) {
        done.comment = said.to_owned();
        done.result = Some(false);
    } else {
        done.comment = comment.to_owned();
    }
}

fn is_stopped(program: &Value) -> bool {
    const STOPPED: [&str; 5] = ["STOPPED", "STOPPING", "EXITED", "FATAL", "BACKOFF"];
    program["state"]
        .as_str()
        .is_some_and(|state| STOPPED.contains(&state))
}

/// What a name stands for: its kind, and the programs; none when there is nothing of the name.
fn meant<'a>(
    name: &str,
    programs: &'a Map<String, Value>,
) -> Option<(&'static str, Vec<(&'a String, &'a Value)>)> {
    if groups(programs).iter().any(|group| group == name) {
        let of_group = programs
            .iter()
            .filter(|(program, _)| program.starts_with(name));
        return Some(("group", of_group.collect()));
    }
    programs
        .get_key_value(name)
        .map(|one| ("service", vec![one]))
}

fn running(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let name = match name.strip_suffix('*') {
        Some(group) if group.ends_with(':') => group,
        _ => name.as_str(),
    };
    let programs = programs(args, env)?;
    let meant = meant(name, &programs);
    if env.is_test {
        return Ok(foretold(name, meant.map(|(_, programs)| programs)));
    }
    let mut done = returned(true, "");
    let mut changes = Vec::new();
    let mut is_updated = false;
    if args.flag("update") {
        let said = ask(args, env, "update", None)?;
        note(&mut done, &said, "Updating supervisor");
        is_updated = said.contains(&format!("{name}: updated"));
    } else if meant.is_none() {
        ask(args, env, "reread", None)?;
        let comment = format!("Adding service: {name}");
        note(&mut done, &ask(args, env, "add", Some(name))?, &comment);
        changes.push(comment);
    }
    let kind = meant
        .as_ref()
        .map_or(String::new(), |(kind, _)| format!(" {kind}"));
    let runs =
        meant.is_some_and(|(_, programs)| !programs.iter().any(|(_, program)| is_stopped(program)));
    if runs && is_updated {
        done.comment = format!("Not starting updated{kind}: {name}");
    } else if runs && args.flag("restart") {
        let comment = format!("Restarting{kind}: {name}");
        note(&mut done, &ask(args, env, "restart", Some(name))?, &comment);
        changes.push(comment);
    } else if runs {
        done.comment = format!("Not starting already running{kind}: {name}");
    } else if !is_updated {
        let comment = format!("Starting{kind}: {name}");
        note(&mut done, &ask(args, env, "start", Some(name))?, &comment);
        changes.push(comment);
    }
    if done.result == Some(true) && !changes.is_empty() {
        let changes = Value::from(changes.join(" "));
        done.changes.insert(name.to_owned(), changes);
    }
    Ok(done)
}

fn foretold(name: &str, programs: Option<Vec<(&String, &Value)>>) -> Return {
    let is_group = name.ends_with(':');
    let Some(programs) = programs else {
        let what = if is_group {
            format!("Group '{name}'")
        } else {
            format!("Service {name}")
        };
        return returned(None, format!("{what} will be added and started"));
    };
    let runs = |program: &Value| {
        let state = program["state"].as_str().unwrap_or_default();
        state.eq_ignore_ascii_case("running")
    };
    let to_start: Vec<&str> = programs
        .iter()
        .filter(|(_, program)| !runs(program))
        .map(|(name, _)| name.as_str())
        .collect();
    let comment = match (to_start.len(), is_group) {
        (0, true) => format!("All services in group '{name}' are already running"),
        (0, false) => format!("Service {name} is already running"),
        (count, true) if count == programs.len() => {
            format!("All services in group '{name}' will be started")
        }
        (_, true) => {
            let names = to_start.join(" ");
            format!("The following services will be started: {names}")
        }
        (_, false) => format!("Service {name} will be started"),
    };
    returned(to_start.is_empty().then_some(true), comment)
}

fn dead(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if env.is_test {
        let comment = format!("Service {name} is set to be stopped");
        return Ok(returned(None, comment));
    }
    let programs = programs(args, env)?;
    let Some((_, programs)) = meant(&name, &programs) else {
        return Ok(returned(true, format!("Service {name} doesn't exist")));
    };
    if programs.iter().all(|(_, program)| is_stopped(program)) {
        return Ok(returned(true, format!("Service {name} is not running")));
    }
    let comment = format!("Stopping service: {name}");
    let mut done = returned(true, "");
    note(&mut done, &ask(args, env, "stop", Some(&name))?, &comment);
    if done.result == Some(true) {
        done.changes.insert(name, Value::from(comment));
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::supervisord::tests::fake;
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn programs_are_kept() {
        let host = Host::new();
        fake(&host);
        let check = |fun: &str,
                     name: &str,
                     is_test: bool,
                     result: Option<bool>,
                     comment: &str,
                     change: Option<&str>| {
            let mut args = json!({"name": name, "bin_env": host.path("env")});
            if fun == "supervisord.mod_watch" {
                args["sfun"] = json!("running");
            }
            let done = host.state(fun, args, is_test);
            assert_eq!(
                (done.result, done.comment.as_str()),
                (result, comment),
                "{name}"
            );
            let told = done.changes.values().next().and_then(Value::as_str);
            assert_eq!(told, change, "{name}");
        };
        let running = "supervisord.running";
        check(
            running,
            "web",
            true,
            Some(true),
            "Service web is already running",
            None,
        );
        let comment = "Not starting already running service: web";
        check(running, "web", false, Some(true), comment, None);
        check(
            running,
            "jobs:*",
            true,
            None,
            "All services in group 'jobs:' will be started",
            None,
        );
        check(
            running,
            "jobs:a",
            true,
            None,
            "Service jobs:a will be started",
            None,
        );
        let comment = "Starting service: jobs:a";
        check(running, "jobs:a", false, Some(true), comment, Some(comment));
        let comment = "The following services will be started: jobs:b";
        check(running, "jobs:", true, None, comment, None);
        let comment = "Starting group: jobs:";
        check(running, "jobs:", false, Some(true), comment, Some(comment));
        check(
            running,
            "new",
            true,
            None,
            "Service new will be added and started",
            None,
        );
        let change = "Adding service: new Starting: new";
        check(
            running,
            "new",
            false,
            Some(true),
            "Starting: new",
            Some(change),
        );
        let comment = "Restarting service: web";
        check(
            "supervisord.mod_watch",
            "web",
            false,
            Some(true),
            comment,
            Some(comment),
        );
        let dead = "supervisord.dead";
        check(
            dead,
            "web",
            true,
            None,
            "Service web is set to be stopped",
            None,
        );
        let comment = "Stopping service: web";
        check(dead, "web", false, Some(true), comment, Some(comment));
        check(
            dead,
            "web",
            false,
            Some(true),
            "Service web is not running",
            None,
        );
        check(
            dead,
            "none",
            false,
            Some(true),
            "Service none doesn't exist",
            None,
        );
    }
}
