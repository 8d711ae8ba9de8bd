//! `beacons`: what this minion looks at again and again, to tell of it.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function, is_test};
use crate::beacons::{Beacon, Beacons, available};
use crate::timetable::Part;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "beacons.add",
        "name, beacon_data, **kwargs",
        "Add a beacon until the minion is restarted; beacons.save keeps it.",
        "beacons.add ps \"[{'processes': {'nginx': stopped}}]\"",
        |args, env| {
            let (name, desk) = (args.text("name")?, desk(env)?);
            if desk.list(Part::All).contains_key(&name) {
                return answer(false, format!("Beacon {name} is already configured."));
            }
            let data = args.value("beacon_data");
            if let Err(why) = Beacon::read(&name, data) {
                let text = format!("Beacon {name} configuration invalid, not adding.\n{why}");
                return answer(false, text);
            }
            if is_test(args, env) {
                return answer(true, format!("Beacon: {name} would be added."));
            }
            match desk.set(&name, Some(data.clone())) {
                Ok(()) => answer(true, format!("Added beacon: {name}.")),
                Err(why) => answer(false, format!("Failed to add beacon {name}. {why}")),
            }
        },
    ),
    Function::new(
        "beacons.delete",
        "name, **kwargs",
        "Remove a beacon until the minion is restarted; beacons.save keeps it so.",
        "beacons.delete ps",
        |args, env| {
            let (name, desk) = (args.text("name")?, desk(env)?);
            if is_test(args, env) {
                return answer(true, format!("Beacon: {name} would be deleted."));
            }
            if desk.list(Part::Pillar).contains_key(&name) {
                return answer(
                    false,
                    format!("Cannot delete beacon {name}, it is in the pillar."),
                );
            }
            match desk.set(&name, None) {
                Ok(()) => answer(true, format!("Deleted beacon: {name}.")),
                Err(why) => answer(false, format!("Failed to delete beacon {name}. {why}")),
            }
        },
    ),
    Function::new(
        "beacons.disable",
        "**kwargs",
        "Let no beacon look.",
        "beacons.disable",
        |args, env| switch_all(args, env, false),
    ),
    Function::new(
        "beacons.disable_beacon",
        "name, **kwargs",
        "Do not let a beacon look.",
        "beacons.disable_beacon ps",
        |args, env| switch(args, env, false),
    ),
    Function::new(
        "beacons.enable",
        "**kwargs",
        "Let beacons look.",
        "beacons.enable",
        |args, env| switch_all(args, env, true),
    ),
    Function::new(
        "beacons.enable_beacon",
        "name, **kwargs",
        "Let a beacon look.",
        "beacons.enable_beacon ps",
        |args, env| switch(args, env, true),
    ),
    Function::new(
        "beacons.list",
        "return_yaml=True, include_pillar=True, include_opts=True, **kwargs",
        "The beacons, as YAML or with return_yaml=False as they are. include_pillar, include_opts: those of the pillar, those of the settings and of \
         beacons.add.",
        "beacons.list",
        |args, env| {
            let desk = desk(env)?;
            let mut beacons = match (args.flag("include_pillar"), args.flag("include_opts")) {
                (true, true) => desk.list(Part::All),
                (true, false) => desk.list(Part::Pillar),
                (false, true) => desk.list(Part::Own),
                (false, false) => Map::new(),
            };
            if beacons.get("enabled") == Some(&Value::Null) {
                beacons.remove("enabled");
            }
            Ok(if args.flag("return_yaml") {
                yaml::emit(&json!({"beacons": beacons})).into()
            } else {
                beacons.into()
            })
        },
    ),
    Function::new(
        "beacons.list_available",
        "return_yaml=True, **kwargs",
        "The kinds of beacons that this minion has.",
        "beacons.list_available",
        |args, _| {
            let names: Vec<&str> = available().collect();
            Ok(if args.flag("return_yaml") {
                yaml::emit(&json!({"beacons": names})).into()
            } else {
                json!(names)
            })
        },
    ),
    Function::new(
        "beacons.modify",
        "name, beacon_data, **kwargs",
        "Replace a beacon until the minion is restarted; beacons.save keeps it so.",
        "beacons.modify ps \"[{'processes': {'nginx': running}}]\"",
        modify,
    ),
    Function::new(
        "beacons.reset",
        "**kwargs",
        "Remove all beacons but those of the pillar.",
        "beacons.reset",
        |args, env| {
            if is_test(args, env) {
                return answer(true, "Beacons would be reset.".to_owned());
            }
            match desk(env)?.reset() {
                Ok(()) => answer(true, "Beacon configuration reset.".to_owned()),
                Err(why) => answer(false, format!("Beacon reset failed. {why}")),
            }
        },
    ),
    Function::new(
        "beacons.save",
        "**kwargs",
        "Write down what beacons.* changed, so that a restart leaves it.",
        "beacons.save",
        |_, env| match desk(env)?.save() {
            Ok(()) => answer(true, "Beacons saved.".to_owned()),
            Err(why) => answer(false, format!("Unable to write to beacons file. {why}")),
        },
    ),
];

fn desk<'a>(env: &Env<'a>) -> Result<&'a dyn Beacons, Failure> {
    env.ctx.beacons().ok_or_else(|| {
        Failure::command("a call without a hub has no beacons: order it from the running minion")
    })
}

fn answer(result: bool, comment: String) -> Answer {
    Ok(json!({"comment": comment, "result": result}))
}

fn modify(args: &Args, env: &Env) -> Answer {
    let (name, desk) = (args.text("name")?, desk(env)?);
    let data = args.value("beacon_data");
    let Some(current) = desk.list(Part::Own).get(&name).cloned() else {
        return answer(false, format!("Beacon {name} is not configured."));
    };
    if let Err(why) = Beacon::read(&name, data) {
        let text = format!("Beacon {name} configuration invalid, not modifying.\n{why}");
        return answer(false, text);
    }
    if *data == current {
        return answer(true, format!("Job {name} in correct state"));
    }
    if is_test(args, env) {
        return answer(true, format!("Beacon: {name} would be modified."));
    }
    match desk.set(&name, Some(data.clone())) {
        Ok(()) => Ok(json!({
            "comment": format!("Modified beacon: {name}."),
            "result": true,
            "changes": {"old": current, "new": data},
        })),
        Err(why) => answer(false, format!("Failed to modify beacon {name}. {why}")),
    }
}

fn switch_all(args: &Args, env: &Env, enabled: bool) -> Answer {
    let done = if enabled { "nabled" } else { "isabled" };
    let first = if enabled { ("E", "e") } else { ("D", "d") };
    if is_test(args, env) {
        return answer(true, format!("Beacons would be {}{done}.", first.1));
    }
    desk(env)?.set_enabled(enabled);
    answer(true, format!("{}{done} beacons on minion.", first.0))
}

fn switch(args: &Args, env: &Env, enabled: bool) -> Answer {
    let (name, desk) = (args.text("name")?, desk(env)?);
    let (verb, done) = if enabled {
        ("enable", "Enabled")
    } else {
        ("disable", "Disabled")
    };
    let changed = match desk.list(Part::Own).get(&name) {
        Some(Value::Object(map)) => {
            let mut map = map.clone();
            map.insert("enabled".to_owned(), json!(enabled));
            Value::Object(map)
        }
        Some(Value::Array(items)) => {
            let others = items.iter().filter(|item| item.get("enabled").is_none());
            others
                .cloned()
                .chain([json!({"enabled": enabled})])
                .collect()
        }
        _ if desk.list(Part::Pillar).contains_key(&name) => {
            return answer(
                false,
                format!("Cannot {verb} beacon {name}, it is in the pillar."),
            );
        }
        _ => return answer(false, format!("Beacon {name} is not currently configured.")),
    };
    if is_test(args, env) {
        return answer(
            true,
            format!("Beacon {name} would be {}.", done.to_lowercase()),
        );
    }
    match desk.set(&name, Some(changed)) {
        Ok(()) => answer(true, format!("{done} beacon {name} on minion.")),
        Err(why) => answer(
            false,
            format!("Failed to {verb} beacon {name} on minion. {why}"),
        ),
    }
}
