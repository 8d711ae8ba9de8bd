//! `selinux`: the mode of SELinux, its booleans and modules, and its policies of files and ports.

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::selinux::policy::{self, Files, Ports};
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
        |args, env| loaded(env, "fcontext_policy_absent", || files_absent(args, env)),
    ),
    StateFunction::new(
        "selinux.fcontext_policy_applied",
        "name, recursive=False",
        "Keep the labels of files as their policy says.",
        |args, env| loaded(env, "fcontext_policy_applied", || files_applied(args, env)),
    ),
    StateFunction::new(
        "selinux.fcontext_policy_present",
        "name, sel_type, filetype='a', sel_user=None, sel_level=None",
        "Keep a policy of files.",
        |args, env| loaded(env, "fcontext_policy_present", || files_present(args, env)),
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
        |args, env| loaded(env, "port_policy_absent", || ports_absent(args, env)),
    ),
    StateFunction::new(
        "selinux.port_policy_present",
        "name, sel_type, protocol=None, port=None, sel_range=None",
        "Keep a policy of ports.",
        |args, env| loaded(env, "port_policy_present", || ports_present(args, env)),
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

/// The failure that a program's answer tells, if it tells one.
fn error(answer: &Value, what: &str) -> Option<Return> {
    (answer["retcode"] != json!(0))
        .then(|| returned(false, format!("{what}: {}", python::text(answer))))
}

fn files_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Files::of(args)?;
    let label_type = args.text("sel_type")?;
    let kind = policy::file_kind(&args.text("filetype")?)?;
    let name = &wanted.name;
    if policy::files(env.env, &wanted)?.is_some() {
        let comment = format!(
            "SELinux policy for \"{name}\" already present with specified filetype \"{kind}\" and sel_type \"{label_type}\"."
        );
        return Ok(returned(true, comment));
    }
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let answer = policy::change_files(env.env, "add", &wanted)?;
    if let Some(failed) = error(&answer, "Error adding new rule") {
        return Ok(failed);
    }
    let new = json!({name.as_str(): {"filetype": kind, "sel_type": label_type}});
    Ok(changed(true, "", json!({"old": {}, "new": new})))
}

fn files_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut wanted = Files::of(args)?;
    let name = wanted.name.clone();
    let Some(there) = policy::files(env.env, &wanted)? else {
        let (kind, label_type) = (args.text("filetype")?, python::text(args.value("sel_type")));
        let comment = format!(
            "SELinux policy for \"{name}\" already absent with specified filetype \"{kind}\" and sel_type \"{label_type}\"."
        );
        return Ok(returned(true, comment));
    };
    let changes = json!({"old": {name.as_str(): there}, "new": {}});
    if env.is_test {
        return Ok(changed(None, "", changes));
    }
    wanted.label_type = wanted
        .label_type
        .or_else(|| Some(python::text(&there["sel_type"])));
    let answer = policy::change_files(env.env, "delete", &wanted)?;
    let failed = error(&answer, "Error removing policy");
    let (result, comment) = failed.map_or((true, String::new()), |failed| (false, failed.comment));
    Ok(changed(result, comment, changes))
}

fn files_applied(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, is_recursive) = (args.text("name")?, args.flag("recursive"));
    if policy::unapplied(env.env, &name, is_recursive)?.is_empty() {
        let comment = format!("SElinux policies are already applied for filespec \"{name}\"");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let answer = policy::apply(env.env, &name, is_recursive)?;
    if answer["retcode"] != json!(0) {
        return Ok(returned(false, python::text(&answer)));
    }
    Ok(changed(true, "", answer["changes"].clone()))
}

/// A policy of ports as a state shows it.
fn shown(args: &Args, word: &str) -> Result<String, Failure> {
    let text = |name: &str| python::text(args.value(name));
    Ok(format!(
        "SELinux policy for \"{}\" already {word} with specified sel_type \"{}\", protocol \"{}\" and port \"{}\".",
        args.text("name")?,
        text("sel_type"),
        text("protocol"),
        text("port")
    ))
}

fn ports_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Ports::of(args)?;
    if policy::ports(env.env, &wanted)?.is_some() {
        return Ok(returned(true, shown(args, "present")?));
    }
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let any = Ports {
        label_type: None,
        ..Ports::of(args)?
    };
    let old = policy::ports(env.env, &any)?;
    let action = if old.is_some() { "modify" } else { "add" };
    let answer = policy::change_ports(env.env, action, &wanted)?;
    if let Some(failed) = error(&answer, "Error adding new policy") {
        return Ok(failed);
    }
    let new = policy::ports(env.env, &wanted)?;
    Ok(changed(true, "", json!({"old": old, "new": new})))
}

fn ports_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Ports::of(args)?;
    let Some(old) = policy::ports(env.env, &wanted)? else {
        return Ok(returned(true, shown(args, "absent")?));
    };
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let named = Ports {
        label_type: None,
        ..Ports::of(args)?
    };
    let answer = policy::change_ports(env.env, "delete", &named)?;
    if let Some(failed) = error(&answer, "Error deleting policy") {
        return Ok(failed);
    }
    let new = policy::ports(env.env, &wanted)?;
    Ok(changed(true, "", json!({"old": old, "new": new})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    /// Tools whose lists are files.
    fn fake(host: &Host) {
        host.write("root/sys/fs/selinux/enforce", "1");
        host.write(
            "root/etc/selinux/config",
            "# head\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
        );
        let files = host.write(
            "files",
            "/srv(/.*)?   all files   system_u:object_r:var_t:s0 \n",
        );
        let ports = host.write("ports", "http_port_t   tcp   80, 443\n");
        host.write(
            "booleans",
            "SELinux boolean  State Default Description\n\nuse_nfs  (off  ,  off)  Allow nfs\n",
        );
        let booleans = host.path("booleans");
        host.program(
            "semanage",
            &format!(
                "case \"$1 $2\" in\n'boolean --list') cat {booleans};;\n'fcontext --list') cat {files};;\n'port --list') cat {ports};;\n\
                 'fcontext --add') echo \"$5   all files   system_u:object_r:$4:s0 \" >>{files};;\n\
                 'fcontext --delete') : >{files};;\n\
                 'port --add') echo \"$6   $4   $7\" >>{ports};;\n'port --delete') : >{ports};;\n*) exit 1;;\nesac"
            ),
        );
        host.program(
            "setsebool",
            &format!("sed -i 's/(off  ,  off)/(on   ,  off)/' {booleans}"),
        );
        host.program(
            "semodule",
            "case \"$1\" in --list*) echo '100 nagios pp disabled'; echo '100 mysql pp';; esac",
        );
    }

    #[test]
    fn selinux_is_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        let missing = host.state(
            "selinux.mode",
            json!({"name": "enforcing", "__sls__": "s"}),
            false,
        );
        assert!(
            missing
                .comment
                .starts_with("State 'selinux.mode' was not found in SLS 's'"),
            "{missing:?}"
        );
        fake(&host);
        let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
            let done = host.state(fun, args, is_test);
            assert_eq!(
                (done.result, done.comment.as_str()),
                (result, comment),
                "{fun}"
            );
            Value::Object(done.changes)
        };
        check(
            "selinux.mode",
            json!({"name": "what"}),
            false,
            Some(false),
            "what is not an accepted mode",
        );
        check(
            "selinux.mode",
            json!({"name": "enforcing"}),
            false,
            Some(true),
            "SELinux is already in Enforcing mode",
        );
        let args = json!({"name": "permissive"});
        check(
            "selinux.mode",
            args.clone(),
            true,
            None,
            "SELinux mode is set to be changed to Permissive",
        );
        let changes = check(
            "selinux.mode",
            args,
            false,
            Some(true),
            "SELinux has been set to Permissive mode",
        );
        assert_eq!(changes, json!({"old": "Enforcing", "new": "Permissive"}));
        let args = json!({"name": "use_nfs", "value": true});
        check(
            "selinux.boolean",
            args.clone(),
            true,
            None,
            "The following booleans would be changed: use_nfs",
        );
        let comment = "The following booleans have been changed: use_nfs";
        let changes = check("selinux.boolean", args.clone(), false, Some(true), comment);
        assert_eq!(changes, json!({"use_nfs": {"old": "off", "new": "on"}}));
        let comment = "The following booleans were in the correct state: use_nfs";
        check("selinux.boolean", args, false, Some(true), comment);
        check(
            "selinux.boolean",
            json!({"name": "no"}),
            false,
            Some(false),
            "Boolean no is not available",
        );
        check(
            "selinux.module",
            json!({"name": "mysql"}),
            false,
            Some(true),
            "Module mysql is in the desired state",
        );
        check(
            "selinux.module",
            json!({"name": "nagios"}),
            true,
            None,
            "Module nagios is set to be toggled to Enabled",
        );
        check(
            "selinux.module",
            json!({"name": "nagios"}),
            false,
            Some(true),
            "Module nagios has been set to Enabled",
        );
        let args = json!({"name": "/new(/.*)?", "sel_type": "web_t"});
        check(
            "selinux.fcontext_policy_present",
            args.clone(),
            true,
            None,
            "",
        );
        let changes = check(
            "selinux.fcontext_policy_present",
            args.clone(),
            false,
            Some(true),
            "",
        );
        assert_eq!(
            changes["new"],
            json!({"/new(/.*)?": {"filetype": "all files", "sel_type": "web_t"}})
        );
        let comment = "SELinux policy for \"/new(/.*)?\" already present with specified filetype \"all files\" and sel_type \"web_t\".";
        check(
            "selinux.fcontext_policy_present",
            args.clone(),
            false,
            Some(true),
            comment,
        );
        check(
            "selinux.fcontext_policy_absent",
            args.clone(),
            true,
            None,
            "",
        );
        check(
            "selinux.fcontext_policy_absent",
            args,
            false,
            Some(true),
            "",
        );
        let args = json!({"name": "tcp/8080", "sel_type": "http_port_t"});
        let changes = check(
            "selinux.port_policy_present",
            args.clone(),
            false,
            Some(true),
            "",
        );
        assert_eq!(changes["new"]["port"], json!("8080"));
        let comment = "SELinux policy for \"tcp/8080\" already present with specified sel_type \"http_port_t\", protocol \"None\" and port \"None\".";
        check(
            "selinux.port_policy_present",
            args.clone(),
            false,
            Some(true),
            comment,
        );
        check("selinux.port_policy_absent", args, false, Some(true), "");
    }
}
