//! `selinux`: the mode of SELinux, its booleans and modules, and its policies of files and ports.

mod policies;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::selinux::{
    booleans, configured, install_module, mode as current_mode, modules, remove_module,
    set_booleans, set_mode, set_module,
};
use crate::process::which;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "selinux.boolean",
        "name, value=None, booleans=None, persist=False",
        "Keep booleans, with persist over a restart.",
        |args, env| loaded(env, "boolean", || boolean(args, env)),
    ),
    StateFunction::new(
        "selinux.fcontext_policy_absent",
        "name, filetype='a', sel_type=None, sel_user=None, sel_level=None",
        "Keep a policy of files away.",
        |args, env| {
            loaded(env, "fcontext_policy_absent", || {
                policies::files_absent(args, env)
            })
        },
    ),
    StateFunction::new(
        "selinux.fcontext_policy_applied",
        "name, recursive=False",
        "Keep the labels of files as their policy says.",
        |args, env| {
            loaded(env, "fcontext_policy_applied", || {
                policies::files_applied(args, env)
            })
        },
    ),
    StateFunction::new(
        "selinux.fcontext_policy_present",
        "name, sel_type, filetype='a', sel_user=None, sel_level=None",
        "Keep a policy of files.",
        |args, env| {
            loaded(env, "fcontext_policy_present", || {
                policies::files_present(args, env)
            })
        },
    ),
    StateFunction::new("selinux.mode", "name", "Keep the mode.", |args, env| {
        loaded(env, "mode", || mode(args, env))
    }),
    StateFunction::new(
        "selinux.module",
        "name, module_state='Enabled', version='any', install=False, remove=False, source=None",
        "Keep a module enabled or disabled; install or remove it.",
        |args, env| loaded(env, "module", || module(args, env)),
    ),
    StateFunction::new(
        "selinux.module_install",
        "name",
        "Install a module from a file.",
        |args, env| {
            loaded(env, "module_install", || {
                installed(&args.text("name")?, env)
            })
        },
    ),
    StateFunction::new(
        "selinux.module_remove",
        "name",
        "Remove a module.",
        |args, env| loaded(env, "module_remove", || removed(&args.text("name")?, env)),
    ),
    StateFunction::new(
        "selinux.port_policy_absent",
        "name, sel_type=None, protocol=None, port=None",
        "Keep a policy of ports away.",
        |args, env| {
            loaded(env, "port_policy_absent", || {
                policies::ports_absent(args, env)
            })
        },
    ),
    StateFunction::new(
        "selinux.port_policy_present",
        "name, sel_type, protocol=None, port=None, sel_range=None",
        "Keep a policy of ports.",
        |args, env| {
            loaded(env, "port_policy_present", || {
                policies::ports_present(args, env)
            })
        },
    ),
];

/// Runs a state where the tools of SELinux are installed.
fn loaded(env: &StateEnv, function: &str, run: impl FnOnce() -> StateAnswer) -> StateAnswer {
    let tools = ["semanage", "setsebool", "semodule"];
    if tools.iter().all(|tool| which(tool).is_some()) {
        return run();
    }
    let reason = "'selinux' __virtual__ returned False: selinux module could not be loaded";
    Ok(env.not_loaded(&format!("selinux.{function}"), reason))
}

/// The full name of a mode.
fn mode_named(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    match name.as_str() {
        "1" | "on" | "true" => Some("Enforcing"),
        "0" | "off" | "false" => Some("Permissive"),
        name if name.starts_with('e') => Some("Enforcing"),
        name if name.starts_with('p') => Some("Permissive"),
        name if name.starts_with('d') => Some("Disabled"),
        _ => None,
    }
}

fn mode(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let Some(wanted) = mode_named(&name) else {
        return Ok(returned(false, format!("{name} is not an accepted mode")));
    };
    let (running, config) = (current_mode(), configured());
    // What runs is right, and what comes with the next start is not.
    let is_half = running == wanted && config.as_deref() != Some(wanted);
    let old = if is_half {
        json!(config)
    } else {
        json!(running)
    };
    if old == json!(wanted) {
        return Ok(returned(
            true,
            format!("SELinux is already in {wanted} mode"),
        ));
    }
    if env.is_test {
        let comment = format!("SELinux mode is set to be changed to {wanted}");
        return Ok(changed(None, comment, json!({"old": old, "new": wanted})));
    }
    let now = set_mode(wanted)?;
    if now == wanted || (wanted == "Disabled" && configured().as_deref() == Some(wanted)) {
        let comment = format!("SELinux has been set to {wanted} mode");
        return Ok(changed(true, comment, json!({"old": old, "new": now})));
    }
    Ok(returned(
        false,
        format!("Failed to set SELinux to {wanted} mode"),
    ))
}

/// `on` or `off` for a value that means it.
fn switch(value: &Value) -> Option<&'static str> {
    match python::text(value).to_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some("on"),
        "0" | "off" | "no" | "false" => Some("off"),
        _ => None,
    }
}

fn boolean(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, value, persists) = (
        args.text("name")?,
        args.value("value"),
        args.flag("persist"),
    );
    let mut wanted: Map<String, Value> = Map::new();
    match args.value("booleans") {
        Value::Object(all) if !all.is_empty() => wanted.extend(all.clone()),
        Value::Array(all) if !all.is_empty() => {
            for one in all {
                match one {
                    Value::Object(pairs) => wanted.extend(pairs.clone()),
                    name => {
                        wanted.insert(python::text(name), value.clone());
                    }
                }
            }
        }
        _ => {
            wanted.insert(name, value.clone());
        }
    }
    let there = booleans(env.env)?;
    let (mut correct, mut changes, mut pairs) = (Vec::new(), Map::new(), Vec::new());
    for (name, value) in &wanted {
        let Some(known) = there.get(name) else {
            return Ok(returned(false, format!("Boolean {name} is not available")));
        };
        let Some(switch) = switch(value) else {
            let shown = python::text(value);
            let comment = format!("{shown} is not a valid value for the boolean {name}");
            return Ok(returned(false, comment));
        };
        if known["State"] == switch && (known["Default"] == switch || !persists) {
            correct.push(name.clone());
            continue;
        }
        let change = if persists {
            json!({"old": [known["State"], known["Default"]], "new": [switch, switch]})
        } else {
            json!({"old": known["State"], "new": switch})
        };
        changes.insert(name.clone(), change);
        pairs.push((name.clone(), switch.to_owned()));
    }
    let mut comments = Vec::new();
    if !correct.is_empty() {
        correct.sort();
        comments.push(format!(
            "The following booleans were in the correct state: {}",
            correct.join(", ")
        ));
    }
    if pairs.is_empty() {
        return Ok(returned(true, comments.join("\n")));
    }
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let names = names.join(", ");
    if env.is_test {
        comments.push(format!("The following booleans would be changed: {names}"));
        return Ok(changed(None, comments.join("\n"), changes));
    }
    if !set_booleans(env.env, &pairs, persists)? {
        let comment = format!(
            "Failed to set the following booleans: {}",
            python::map_repr(&wanted)
        );
        return Ok(returned(false, comment));
    }
    comments.push(format!("The following booleans have been changed: {names}"));
    Ok(changed(true, comments.join("\n"), changes))
}

fn installed(path: &str, env: &StateEnv) -> StateAnswer {
    let done = if install_module(env.env, path)? {
        returned(true, format!("Module {path} has been installed"))
    } else {
        returned(false, format!("Failed to install module {path}"))
    };
    Ok(Return {
        name: Some(path.to_owned()),
        ..done
    })
}

fn removed(name: &str, env: &StateEnv) -> StateAnswer {
    if !modules(env.env)?.contains_key(name) {
        return Ok(returned(false, format!("Module {name} is not available")));
    }
    Ok(if remove_module(env.env, name)? {
        returned(true, format!("Module {name} has been removed"))
    } else {
        returned(false, format!("Failed to remove module {name}"))
    })
}

fn module(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let (installs, removes) = (args.flag("install"), args.flag("remove"));
    if installs && removes {
        return Ok(returned(
            false,
            "Cannot install and remove at the same time",
        ));
    }
    if (installs || removes) && env.is_test {
        let verb = if installs { "installed" } else { "removed" };
        return Ok(returned(None, format!("Module {name} is set to be {verb}")));
    }
    if installs {
        let path = args
            .optional_text("source")?
            .unwrap_or_else(|| name.clone());
        let done = installed(&path, env)?;
        if done.result != Some(true) {
            return Ok(done);
        }
    } else if removes {
        return removed(&name, env);
    }
    let there = modules(env.env)?;
    let Some(known) = there.get(&name) else {
        return Ok(returned(false, format!("Module {name} is not available")));
    };
    let state = args.text("module_state")?;
    let wanted = match state.to_lowercase().as_str() {
        "1" | "on" | "yes" | "true" | "enabled" => "enabled",
        "0" | "off" | "no" | "false" | "disabled" => "disabled",
        _ => {
            let comment = format!("{state} is not a valid state for the {name} module.");
            return Ok(returned(false, comment));
        }
    };
    let version = args.text("version")?;
    if version != "any" && known["Version"] != *version {
        let found = python::text(&known["Version"]);
        let comment = format!(
            "Module version is {found} and does not match the desired version of {version} or you are using semodule >= 2.4"
        );
        return Ok(returned(false, comment));
    }
    let is_enabled = known["Enabled"] == json!(true);
    if is_enabled == (wanted == "enabled") {
        return Ok(returned(
            true,
            format!("Module {name} is in the desired state"),
        ));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("Module {name} is set to be toggled to {state}"),
        ));
    }
    Ok(if set_module(env.env, &name, wanted)? {
        returned(true, format!("Module {name} has been set to {state}"))
    } else {
        returned(false, format!("Failed to set the Module {name} to {state}"))
    })
}

#[cfg(test)]
mod tests;
