//! `service`: systemd first, scripts of SysV init as the fallback. Programs are started directly, never by a shell.

mod systemd;
mod sysv;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use self::systemd::Systemd;
use self::sysv::SysV;
use super::{Answer, Args, Env, Failure, Function};
use crate::cancel::Cancel;
use crate::process::{self, Finished, Spec};
use crate::{pattern, python};

/// Starting or stopping a service may take this long; systemd's own limit is 90 seconds for most units.
const ACTION_TIMEOUT: Duration = Duration::from_secs(900);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "service.available",
        "name",
        "Whether there is a service of this name.",
        "service.available sshd",
        |args, env| Ok(json!(manager()?.is_available(&name(args)?, env)?)),
    ),
    Function::new(
        "service.disable",
        "name, **kwargs",
        "Do not start a service at boot.",
        "service.disable sshd",
        |args, env| act(args, env, Action::Disable),
    ),
    Function::new(
        "service.disabled",
        "name",
        "Whether a service is not started at boot.",
        "service.disabled sshd",
        |args, env| Ok(json!(!manager()?.is_enabled(&name(args)?, env)?)),
    ),
    Function::new(
        "service.enable",
        "name, unmask=False, **kwargs",
        "Start a service at boot. unmask: unmask it first.",
        "service.enable sshd",
        |args, env| act(args, env, Action::Enable),
    ),
    Function::new(
        "service.enabled",
        "name, **kwargs",
        "Whether a service is started at boot.",
        "service.enabled sshd",
        |args, env| Ok(json!(manager()?.is_enabled(&name(args)?, env)?)),
    ),
    Function::new(
        "service.force_reload",
        "name, no_block=False, unmask=False",
        "Reload the configuration of a service, or restart it when it cannot reload.",
        "service.force_reload sshd",
        |args, env| act(args, env, Action::ForceReload),
    ),
    Function::new(
        "service.get_all",
        "",
        "The names of all services.",
        "service.get_all",
        |_, env| Ok(json!(manager()?.all(env)?)),
    ),
    Function::new(
        "service.get_disabled",
        "",
        "The names of services that are not started at boot.",
        "service.get_disabled",
        |_, env| Ok(json!(manager()?.by_enablement(false, env)?)),
    ),
    Function::new(
        "service.get_enabled",
        "",
        "The names of services that are started at boot.",
        "service.get_enabled",
        |_, env| Ok(json!(manager()?.by_enablement(true, env)?)),
    ),
    Function::new(
        "service.get_running",
        "",
        "The names of units that run (systemd only).",
        "service.get_running",
        |_, env| Ok(json!(systemd_only()?.running(env)?)),
    ),
    Function::new(
        "service.mask",
        "name, runtime=False",
        "Make a service impossible to start, with runtime until the next boot (systemd only).",
        "service.mask foo",
        |args, env| {
            systemd_only()?.mask("mask", &name(args)?, args.flag("runtime"), env)?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "service.masked",
        "name, runtime=False",
        "Whether a service is masked (systemd only).",
        "service.masked foo",
        |args, _| {
            systemd_only()?;
            Ok(json!(systemd::is_masked(
                Path::new("/"),
                &name(args)?,
                args.flag("runtime")
            )))
        },
    ),
    Function::new(
        "service.missing",
        "name",
        "Whether there is no service of this name.",
        "service.missing sshd",
        |args, env| Ok(json!(!manager()?.is_available(&name(args)?, env)?)),
    ),
    Function::new(
        "service.reload",
        "name, no_block=False, unmask=False",
        "Reload the configuration of a service.",
        "service.reload sshd",
        |args, env| act(args, env, Action::Reload),
    ),
    Function::new(
        "service.restart",
        "name, no_block=False, unmask=False",
        "Restart a service. no_block: do not wait until it runs.",
        "service.restart sshd",
        |args, env| act(args, env, Action::Restart),
    ),
    Function::new(
        "service.show",
        "name",
        "The properties of a unit (systemd only).",
        "service.show sshd",
        |args, env| systemd_only()?.show(&name(args)?, env),
    ),
    Function::new(
        "service.start",
        "name, no_block=False, unmask=False",
        "Start a service. no_block: do not wait until it runs. unmask: unmask it first.",
        "service.start sshd",
        |args, env| act(args, env, Action::Start),
    ),
    Function::new(
        "service.status",
        "name, sig=None",
        "Whether a service runs. For a shell pattern: a dictionary of the services that match. sig is accepted: the \
         service manager knows without looking for processes.",
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
            systemd_only()?.daemon_reload(env)?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "service.unmask",
        "name, runtime=False",
        "Undo service.mask (systemd only).",
        "service.unmask foo",
        |args, env| {
            systemd_only()?.mask("unmask", &name(args)?, args.flag("runtime"), env)?;
            Ok(json!(true))
        },
    ),
];

/// What can be done to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Start,
    Stop,
    Restart,
    Reload,
    ForceReload,
    Enable,
    Disable,
}

/// The service manager of this host.
enum Manager {
    Systemd(Systemd),
    SysV(SysV),
}

impl Manager {
    fn is_available(&self, name: &str, env: &Env) -> Result<bool, Failure> {
        match self {
            Manager::Systemd(systemd) => systemd.is_available(name, env.cancel),
            Manager::SysV(sysv) => Ok(sysv.is_available(name)),
        }
    }

    fn is_enabled(&self, name: &str, env: &Env) -> Result<bool, Failure> {
        match self {
            Manager::Systemd(systemd) => systemd.is_enabled(name, env.cancel),
            Manager::SysV(sysv) => Ok(sysv.is_enabled(name)),
        }
    }

    fn is_running(&self, name: &str, env: &Env) -> Result<bool, Failure> {
        match self {
            Manager::Systemd(systemd) => systemd.is_running(name, env.cancel),
            Manager::SysV(sysv) => sysv.is_running(name, env.cancel),
        }
    }

    fn all(&self, env: &Env) -> Result<Vec<String>, Failure> {
        match self {
            Manager::Systemd(systemd) => systemd.all(env.cancel),
            Manager::SysV(sysv) => Ok(sysv.all()),
        }
    }

    fn by_enablement(&self, enabled: bool, env: &Env) -> Result<Vec<String>, Failure> {
        match self {
            Manager::Systemd(systemd) => {
                systemd.by_state(if enabled { "enabled" } else { "disabled" }, env.cancel)
            }
            Manager::SysV(sysv) => Ok(sysv
                .all()
                .into_iter()
                .filter(|name| sysv.is_enabled(name) == enabled)
                .collect()),
        }
    }
}

/// Finds the service manager that runs this host.
fn manager() -> Result<Manager, Failure> {
    if Path::new("/run/systemd/system").exists()
        && let Some(systemctl) = process::which("systemctl")
    {
        return Ok(Manager::Systemd(Systemd { systemctl }));
    }
    let scripts = PathBuf::from("/etc/init.d");
    if scripts.is_dir() {
        return Ok(Manager::SysV(SysV {
            etc: PathBuf::from("/etc"),
        }));
    }
    Err(Failure::command(
        "This host runs neither systemd nor scripts in /etc/init.d",
    ))
}

fn systemd_only() -> Result<Systemd, Failure> {
    match manager()? {
        Manager::Systemd(systemd) => Ok(systemd),
        Manager::SysV(_) => Err(Failure::command("This host does not run systemd")),
    }
}

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
    match manager()? {
        Manager::Systemd(systemd) => {
            if args.flag("unmask") {
                systemd.mask("unmask", &name, false, env)?;
            }
            systemd.act(action, &name, args.flag("no_block"), env.cancel)
        }
        Manager::SysV(sysv) => sysv.act(action, &name, env.cancel),
    }
    .map(|done| json!(done))
}

fn status(args: &Args, env: &Env) -> Answer {
    let (manager, wanted) = (manager()?, name(args)?);
    if !wanted.contains(['*', '?', '[']) {
        return Ok(json!(manager.is_running(&wanted, env)?));
    }
    let glob = pattern::glob(&wanted, false);
    let mut found = Map::new();
    for name in manager
        .all(env)?
        .into_iter()
        .filter(|name| glob.as_ref().is_some_and(|glob| glob.is_match(name)))
    {
        let is_running = manager.is_running(&name, env)?;
        found.insert(name, json!(is_running));
    }
    Ok(Value::Object(found))
}

/// Runs a program of the service manager with English messages.
fn ask(program: &Path, args: &[&str], cancel: &Cancel) -> Result<Finished, Failure> {
    let mut spec = Spec::new(args);
    spec.argv.insert(0, program.to_string_lossy().into_owned());
    spec.env = vec![("LC_ALL".to_owned(), "C".to_owned())];
    spec.timeout = Some(ACTION_TIMEOUT);
    let finished = process::run(spec, cancel).map_err(|error| Failure::io(program, error))?;
    if finished.timed_out {
        let words = python::repr(&Value::from(args));
        return Err(Failure::command(format!(
            "{} {words} : Timed out",
            program.display()
        )));
    }
    Ok(finished)
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
