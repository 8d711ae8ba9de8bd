//! `service`: the service manager of the host.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::pattern;
use crate::services::{Action, How, ServiceManager, manager, systemd};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "service.available",
        "name",
        "Whether there is a service of this name.",
        "service.available sshd",
        |args, env| Ok(json!(manager()?.is_available(&name(args)?, env.cancel)?)),
    ),
    Function::new(
        "service.disable",
        "name, no_block=False, **kwargs",
        "Do not start a service at boot.",
        "service.disable sshd",
        |args, env| act(args, env, Action::Disable),
    ),
    Function::new(
        "service.disabled",
        "name",
        "Whether a service is not started at boot.",
        "service.disabled sshd",
        |args, env| Ok(json!(!manager()?.is_enabled(&name(args)?, env.cancel)?)),
    ),
    Function::new(
        "service.enable",
        "name, no_block=False, unmask=False, unmask_runtime=False, **kwargs",
        "Start a service at boot. unmask: unmask it first.",
        "service.enable sshd",
        |args, env| act(args, env, Action::Enable),
    ),
    Function::new(
        "service.enabled",
        "name, **kwargs",
        "Whether a service is started at boot.",
        "service.enabled sshd",
        |args, env| Ok(json!(manager()?.is_enabled(&name(args)?, env.cancel)?)),
    ),
    Function::new(
        "service.force_reload",
        "name, no_block=False, unmask=False, unmask_runtime=False",
        "Reload the configuration of a service, or restart it when it cannot reload.",
        "service.force_reload sshd",
        |args, env| act(args, env, Action::ForceReload),
    ),
    Function::new(
        "service.get_all",
        "",
        "The names of all services.",
        "service.get_all",
        |_, env| Ok(json!(manager()?.all(env.cancel)?)),
    ),
    Function::new(
        "service.get_disabled",
        "",
        "The names of services that are not started at boot.",
        "service.get_disabled",
        |_, env| Ok(json!(manager()?.by_enablement(false, env.cancel)?)),
    ),
    Function::new(
        "service.get_enabled",
        "",
        "The names of services that are started at boot.",
        "service.get_enabled",
        |_, env| Ok(json!(manager()?.by_enablement(true, env.cancel)?)),
    ),
    Function::new(
        "service.get_running",
        "",
        "The names of units that run (systemd only).",
        "service.get_running",
        |_, env| Ok(json!(systemd()?.running(env.cancel)?)),
    ),
    Function::new(
        "service.get_static",
        "",
        "The names of units that are started by others only (systemd only).",
        "service.get_static",
        |_, env| Ok(json!(systemd()?.by_state("static", env.cancel)?)),
    ),
    Function::new(
        "service.mask",
        "name, runtime=False",
        "Make a service impossible to start, with runtime until the next boot (systemd only).",
        "service.mask foo",
        |args, env| mask(args, env, true),
    ),
    Function::new(
        "service.masked",
        "name, runtime=False",
        "Whether a service is masked (systemd only).",
        "service.masked foo",
        |args, _| {
            Ok(json!(
                masks()?.is_masked(&name(args)?, args.flag("runtime"))
            ))
        },
    ),
    Function::new(
        "service.missing",
        "name",
        "Whether there is no service of this name.",
        "service.missing sshd",
        |args, env| Ok(json!(!manager()?.is_available(&name(args)?, env.cancel)?)),
    ),
    Function::new(
        "service.offline",
        "",
        "Whether systemd is installed on this host and does not run it, as in a chroot.",
        "service.offline",
        |_, _| Ok(json!(manager()?.is_offline())),
    ),
    Function::new(
        "service.reload",
        "name, no_block=False, unmask=False, unmask_runtime=False",
        "Reload the configuration of a service.",
        "service.reload sshd",
        |args, env| act(args, env, Action::Reload),
    ),
    Function::new(
        "service.restart",
        "name, no_block=False, unmask=False, unmask_runtime=False",
        "Restart a service. no_block: do not wait until it runs.",
        "service.restart sshd",
        |args, env| act(args, env, Action::Restart),
    ),
    Function::new(
        "service.show",
        "name",
        "The properties of a unit (systemd only).",
        "service.show sshd",
        |args, env| systemd()?.show(&name(args)?, env.cancel),
    ),
    Function::new(
        "service.start",
        "name, no_block=False, unmask=False, unmask_runtime=False",
        "Start a service. no_block: do not wait until it runs. unmask: unmask it first.",
        "service.start sshd",
        |args, env| act(args, env, Action::Start),
    ),
    Function::new(
        "service.status",
        "name, sig=None",
        "Whether a service runs. For a shell pattern: a dictionary of the services that match. sig: for SysV init, a part of the \
         command line of its process; systemd knows without looking for processes.",
        "service.status 'ssh*'",
        status,
    ),
    Function::new(
        "service.stop",
        "name, no_block=False",
        "Stop a service. no_block: do not wait until it has stopped.",
        "service.stop sshd",
        |args, env| act(args, env, Action::Stop),
    ),
    Function::new(
        "service.systemctl_reload",
        "",
        "Let systemd read its unit files again.",
        "service.systemctl_reload",
        |_, env| {
            systemd()?.daemon_reload(env.cancel)?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "service.unmask",
        "name, runtime=False",
        "Undo service.mask (systemd only).",
        "service.unmask foo",
        |args, env| mask(args, env, false),
    ),
];

/// The name of a service: no path and no option of the service manager.
fn name(args: &Args) -> Result<String, Failure> {
    let name = args.text("name")?;
    if name.is_empty() || name.starts_with('-') || name.contains('/') || name.contains("..") {
        return Err(Failure::invocation(format!(
            "'{name}' is not the name of a service"
        )));
    }
    Ok(name)
}

fn act(args: &Args, env: &Env, action: Action) -> Answer {
    let name = name(args)?;
    let manager = manager()?;
    let how = How {
        no_block: args.flag("no_block"),
        unmask: args.flag("unmask"),
        unmask_runtime: args.flag("unmask_runtime"),
    };
    manager
        .act(action, &name, &how, env.cancel)
        .map(|done| json!(done))
}

fn mask(args: &Args, env: &Env, is_masked: bool) -> Answer {
    let (name, runtime) = (name(args)?, args.flag("runtime"));
    masks()?.set_masked(&name, is_masked, runtime, env.cancel)?;
    Ok(json!(true))
}

/// The service manager, where it can mask.
fn masks() -> Result<Box<dyn ServiceManager>, Failure> {
    let manager = manager()?;
    if manager.can_mask() {
        Ok(manager)
    } else {
        Err(Failure::command("This host does not run systemd"))
    }
}

/// Whether a service runs, by a part of a command line where the service manager needs it.
fn is_running(
    manager: &dyn ServiceManager,
    name: &str,
    args: &Args,
    env: &Env,
) -> Result<bool, Failure> {
    match args.optional_text("sig")?.filter(|sig| !sig.is_empty()) {
        Some(sig) if !manager.can_mask() => {
            let pids = env.call(&Call::new("status.pid").arg(sig))?.value;
            Ok(pids.as_str().is_some_and(|pids| !pids.is_empty()))
        }
        _ => manager.is_running(name, env.cancel),
    }
}

fn status(args: &Args, env: &Env) -> Answer {
    let (manager, wanted) = (manager()?, name(args)?);
    if !wanted.contains(['*', '?', '[']) {
        return Ok(json!(is_running(manager.as_ref(), &wanted, args, env)?));
    }
    let glob = pattern::glob(&wanted, false);
    let mut found = Map::new();
    for name in manager
        .all(env.cancel)?
        .into_iter()
        .filter(|name| glob.as_ref().is_some_and(|glob| glob.is_match(name)))
    {
        let is_running = manager.is_running(&name, env.cancel)?;
        found.insert(name, json!(is_running));
    }
    Ok(Value::Object(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn names_cannot_be_options_or_paths() {
        let host = Host::new();
        for bad in ["", "--now", "../x", "a/b"] {
            let outcome = host.call(Call::new("service.start").arg(bad));
            assert_eq!(
                outcome.value,
                json!(format!(
                    "ERROR executing 'service.start': '{bad}' is not the name of a service"
                ))
            );
        }
    }
}
