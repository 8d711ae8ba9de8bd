//! `selinux`: the mode of SELinux, its booleans and modules, and its policies of files and ports.

pub(crate) mod policy;

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::process::{Finished, query};
use crate::python;
use crate::root;
use crate::source;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "selinux.fcontext_add_policy",
        "name, filetype=None, sel_type=None, sel_user=None, sel_level=None",
        "Add a policy of files; answers pid, retcode, stdout and stderr.",
        "selinux.fcontext_add_policy '/srv/www(/.*)?' sel_type=httpd_sys_content_t",
        |args, env| policy::change_files(env, "add", &policy::Files::of(args)?),
    ),
    Function::new(
        "selinux.fcontext_apply_policy",
        "name, recursive=False",
        "Give files the labels of their policy; answers retcode and what changed.",
        "selinux.fcontext_apply_policy /srv/www recursive=True",
        |args, env| policy::apply(env, &args.text("name")?, args.flag("recursive")),
    ),
    Function::new(
        "selinux.fcontext_delete_policy",
        "name, filetype=None, sel_type=None, sel_user=None, sel_level=None",
        "Delete a policy of files; answers pid, retcode, stdout and stderr.",
        "selinux.fcontext_delete_policy '/srv/www(/.*)?'",
        |args, env| policy::change_files(env, "delete", &policy::Files::of(args)?),
    ),
    Function::new(
        "selinux.fcontext_get_policy",
        "name, filetype=None, sel_type=None, sel_user=None, sel_level=None",
        "The policy of files of this name; nothing when there is none.",
        "selinux.fcontext_get_policy '/srv/www(/.*)?'",
        |args, env| Ok(policy::files(env, &policy::Files::of(args)?)?.unwrap_or_default()),
    ),
    Function::new(
        "selinux.fcontext_policy_is_applied",
        "name, recursive=False",
        "What applying the policy of files would change; empty when nothing.",
        "selinux.fcontext_policy_is_applied /srv/www recursive=True",
        |args, env| {
            Ok(json!(policy::unapplied(
                env,
                &args.text("name")?,
                args.flag("recursive")
            )?))
        },
    ),
    Function::new(
        "selinux.filetype_id_to_string",
        "filetype='a'",
        "The name of a kind of files by its letter.",
        "selinux.filetype_id_to_string f",
        |args, _| Ok(json!(policy::file_kind(&args.text("filetype")?)?)),
    ),
    Function::new(
        "selinux.getconfig",
        "",
        "The mode that the configuration names.",
        "selinux.getconfig",
        |_, _| Ok(json!(configured())),
    ),
    Function::new(
        "selinux.getenforce",
        "",
        "The mode: Enforcing, Permissive or Disabled.",
        "selinux.getenforce",
        |_, _| Ok(json!(mode())),
    ),
    Function::new(
        "selinux.getsebool",
        "boolean",
        "A boolean with its state, default and description.",
        "selinux.getsebool virt_use_usb",
        |args, env| {
            Ok(booleans(env)?
                .remove(&args.text("boolean")?)
                .unwrap_or_else(|| json!({})))
        },
    ),
    Function::new(
        "selinux.getsemod",
        "module",
        "A module: whether it is enabled.",
        "selinux.getsemod mysql",
        |args, env| {
            Ok(modules(env)?
                .remove(&args.text("module")?)
                .unwrap_or_else(|| json!({})))
        },
    ),
    Function::new(
        "selinux.install_semod",
        "module_path",
        "Install a module from a file; whether that went well.",
        "selinux.install_semod salt://mymodule.pp",
        |args, env| Ok(json!(install_module(env, &args.text("module_path")?)?)),
    ),
    Function::new(
        "selinux.list_sebool",
        "",
        "All booleans with their states, defaults and descriptions.",
        "selinux.list_sebool",
        |_, env| Ok(Value::Object(booleans(env)?)),
    ),
    Function::new(
        "selinux.list_semod",
        "",
        "All modules, and whether they are enabled.",
        "selinux.list_semod",
        |_, env| Ok(Value::Object(modules(env)?)),
    ),
    Function::new(
        "selinux.port_add_policy",
        "name, sel_type=None, protocol=None, port=None, sel_range=None",
        "Add a policy of ports; answers pid, retcode, stdout and stderr.",
        "selinux.port_add_policy tcp/8080 http_port_t",
        |args, env| policy::change_ports(env, "add", &policy::Ports::of(args)?),
    ),
    Function::new(
        "selinux.port_delete_policy",
        "name, protocol=None, port=None",
        "Delete a policy of ports; answers pid, retcode, stdout and stderr.",
        "selinux.port_delete_policy tcp/8080",
        |args, env| policy::change_ports(env, "delete", &policy::Ports::of(args)?),
    ),
    Function::new(
        "selinux.port_get_policy",
        "name, sel_type=None, protocol=None, port=None",
        "The policy of a port; nothing when there is none.",
        "selinux.port_get_policy tcp/80",
        |args, env| Ok(policy::ports(env, &policy::Ports::of(args)?)?.unwrap_or_default()),
    ),
    Function::new(
        "selinux.port_modify_policy",
        "name, sel_type=None, protocol=None, port=None, sel_range=None",
        "Change a policy of ports; answers pid, retcode, stdout and stderr.",
        "selinux.port_modify_policy tcp/8080 http_port_t",
        |args, env| policy::change_ports(env, "modify", &policy::Ports::of(args)?),
    ),
    Function::new(
        "selinux.remove_semod",
        "module",
        "Remove a module; whether that went well.",
        "selinux.remove_semod mymodule",
        |args, env| {
            Ok(json!(is_fine(
                env,
                &["semodule", "--remove", &args.text("module")?]
            )?))
        },
    ),
    Function::new(
        "selinux.selinux_fs_path",
        "",
        "Where the kernel shows SELinux; nothing where it does not.",
        "selinux.selinux_fs_path",
        |_, _| {
            Ok(json!(
                kernel_directory().map(|path| path.to_string_lossy().into_owned())
            ))
        },
    ),
    Function::new(
        "selinux.setenforce",
        "mode",
        "Set the mode now and in the configuration; answers the mode.",
        "selinux.setenforce enforcing",
        |args, _| Ok(json!(set_mode(&args.text("mode")?)?)),
    ),
    Function::new(
        "selinux.setsebool",
        "boolean, value, persist=False",
        "Set a boolean, with persist over a restart; whether that went well.",
        "selinux.setsebool virt_use_usb off",
        |args, env| {
            let pairs = [(args.text("boolean")?, python::text(args.value("value")))];
            Ok(json!(set_booleans(env, &pairs, args.flag("persist"))?))
        },
    ),
    Function::new(
        "selinux.setsebools",
        "pairs, persist=False",
        "Set several booleans; whether that went well.",
        "selinux.setsebools '{virt_use_usb: on, squid_use_tproxy: off}'",
        |args, env| {
            let pairs = args.value("pairs").as_object().cloned().unwrap_or_default();
            let pairs: Vec<(String, String)> = pairs
                .iter()
                .map(|(name, value)| (name.clone(), python::text(value)))
                .collect();
            Ok(json!(set_booleans(env, &pairs, args.flag("persist"))?))
        },
    ),
    Function::new(
        "selinux.setsemod",
        "module, state",
        "Enable or disable a module; whether that went well.",
        "selinux.setsemod nagios Enabled",
        |args, env| {
            Ok(json!(set_module(
                env,
                &args.text("module")?,
                &args.text("state")?
            )?))
        },
    ),
];

const CONFIG: &str = "/etc/selinux/config";

fn kernel_directory() -> Option<PathBuf> {
    let places = ["/sys/fs/selinux", "/selinux"];
    let mut paths = places.iter().map(|place| root::path(place));
    paths.find(|path| path.join("enforce").is_file())
}

/// The mode of the kernel.
pub(crate) fn mode() -> &'static str {
    let said = kernel_directory().and_then(|path| fs::read_to_string(path.join("enforce")).ok());
    match said.as_deref().map(str::trim) {
        None => "Disabled",
        Some("0") => "Permissive",
        Some(_) => "Enforcing",
    }
}

/// The mode that the configuration names.
pub(crate) fn configured() -> Option<String> {
    let text = fs::read_to_string(root::path(CONFIG)).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("SELINUX="))?;
    let mut letters = value.chars();
    let first = letters.next()?;
    Some(format!(
        "{}{}",
        first.to_uppercase(),
        letters.as_str().to_lowercase()
    ))
}

/// Sets the mode now, where the kernel has SELinux on, and in the configuration.
pub(crate) fn set_mode(wanted: &str) -> Result<&'static str, Failure> {
    let word = wanted.to_lowercase();
    let bit = match word.as_str() {
        "enforcing" => "1",
        "permissive" | "disabled" => "0",
        _ => return Err(Failure::invocation(format!("Invalid mode {wanted}"))),
    };
    if let Some(directory) = kernel_directory() {
        fs::write(directory.join("enforce"), bit).map_err(|error| {
            Failure::command(format!("Could not write SELinux enforce file: {error}"))
        })?;
    }
    let path = root::path(CONFIG);
    let text = fs::read_to_string(&path).map_err(|error| {
        Failure::command(format!("Could not read SELinux config file: {error}"))
    })?;
    let lines = text
        .lines()
        .map(|line| match line.strip_prefix("SELINUX=") {
            Some(_) => format!("SELINUX={word}\n"),
            None => format!("{line}\n"),
        });
    let new: String = lines.collect();
    replace(&path, new.as_bytes(), PUBLIC_MODE).map_err(|error| {
        Failure::command(format!("Could not write SELinux config file: {error}"))
    })?;
    Ok(mode())
}

fn is_fine(env: &Env, argv: &[&str]) -> Result<bool, Failure> {
    Ok(query(argv, env.cancel)?.retcode == 0)
}

/// A finished program as `cmd.run_all` shows it.
fn report(done: &Finished) -> Value {
    json!({
        "pid": done.pid, "retcode": done.retcode, "stdout": done.stdout.trim_end(), "stderr": done.stderr.trim_end(),
    })
}

/// All booleans.
pub(crate) fn booleans(env: &Env) -> Result<Map<String, Value>, Failure> {
    let done = query(&["semanage", "boolean", "--list"], env.cancel)?;
    let mut all = Map::new();
    for line in done.stdout.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, state, _, default, description @ ..] = words.as_slice() {
            let boolean = json!({
                "State": state.trim_start_matches('('), "Default": default.trim_end_matches(')'), "Description": description.join(" "),
            });
            all.insert((*name).to_owned(), boolean);
        }
    }
    Ok(all)
}

/// Sets booleans, with `persists` over a restart; whether that went well.
pub(crate) fn set_booleans(
    env: &Env,
    pairs: &[(String, String)],
    persists: bool,
) -> Result<bool, Failure> {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut argv = vec!["setsebool"];
    argv.extend(persists.then_some("-P"));
    argv.extend(pairs.iter().map(String::as_str));
    is_fine(env, &argv)
}

/// All modules.
pub(crate) fn modules(env: &Env) -> Result<Map<String, Value>, Failure> {
    let done = query(&["semodule", "--list-modules=full"], env.cancel)?;
    let mut all = Map::new();
    for line in done.stdout.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, name, ..] = words.as_slice() {
            // A fourth word says that it is disabled.
            let module = json!({"Enabled": words.len() != 4, "Version": null});
            all.insert((*name).to_owned(), module);
        }
    }
    Ok(all)
}

pub(crate) fn set_module(env: &Env, module: &str, state: &str) -> Result<bool, Failure> {
    let option = match state.to_lowercase().as_str() {
        "enabled" => "--enable",
        "disabled" => "--disable",
        _ => return Err(Failure::invocation(format!("Invalid state {state}"))),
    };
    is_fine(env, &["semodule", option, module])
}

pub(crate) fn install_module(env: &Env, path: &str) -> Result<bool, Failure> {
    let local = if path.starts_with("salt://") {
        source::fetch(env.ctx, path, None)?
            .to_string_lossy()
            .into_owned()
    } else {
        path.to_owned()
    };
    is_fine(env, &["semodule", "--install", &local])
}

pub(crate) fn remove_module(env: &Env, module: &str) -> Result<bool, Failure> {
    is_fine(env, &["semodule", "--remove", module])
}

/// A text parameter, none when it is empty.
fn filled(args: &Args, name: &str) -> Result<Option<String>, Failure> {
    Ok(args.optional_text(name)?.filter(|text| !text.is_empty()))
}

/// A call of a program whose failure is told in its answer.
fn answered(env: &Env, argv: &[&str]) -> Answer {
    Ok(report(&query(argv, env.cancel)?))
}
