//! Service managers behind one trait: systemd, and scripts of SysV init where there is none. Programs are started directly, never by a shell.

mod offline;
pub(crate) mod systemd;
mod sysv;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use self::offline::Offline;
use self::systemd::Systemd;
use self::sysv::SysV;
use crate::cancel::Cancel;
use crate::failure::Failure;
use crate::process::{self, Finished, Spec};
use crate::python;

/// Starting or stopping a service may take this long; systemd's own limit is 90 seconds for most units.
const ACTION_TIMEOUT: Duration = Duration::from_secs(900);

/// What can be done to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
    Restart,
    Reload,
    ForceReload,
    Enable,
    Disable,
}

/// How it is done; systemd alone knows these.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Do not wait until it is done.
    pub(crate) no_block: bool,
    /// Undo a mask first.
    pub(crate) unmask: bool,
    /// Undo a mask first that lasts until the next boot.
    pub(crate) unmask_runtime: bool,
}

/// A service manager of this host.
pub(crate) trait ServiceManager {
    /// Whether it is installed and does not run the host.
    fn is_offline(&self) -> bool {
        false
    }

    /// Whether there is a service of this name.
    fn is_available(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure>;

    /// Whether a service is started at boot.
    fn is_enabled(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure>;

    /// Whether a service runs.
    fn is_running(&self, name: &str, cancel: &Cancel) -> Result<bool, Failure>;

    /// The names of all services.
    fn all(&self, cancel: &Cancel) -> Result<Vec<String>, Failure>;

    /// The names of those that are started at boot, or are not.
    fn by_enablement(&self, enabled: bool, cancel: &Cancel) -> Result<Vec<String>, Failure>;

    /// Does something to a service; false when it did not succeed.
    fn act(&self, action: Action, name: &str, how: &How, cancel: &Cancel) -> Result<bool, Failure>;

    /// Whether services can be made impossible to start.
    fn can_mask(&self) -> bool {
        false
    }

    /// Whether a service is masked, or is until the next boot.
    fn is_masked(&self, _name: &str, _runtime: bool) -> bool {
        false
    }

    /// Masks a service or undoes it.
    fn set_masked(&self, _: &str, _: bool, _: bool, _: &Cancel) -> Result<(), Failure> {
        Err(Failure::command(
            "Service masking not available on this minion",
        ))
    }
}

/// The service manager of this host.
pub(crate) fn manager() -> Result<Box<dyn ServiceManager>, Failure> {
    let etc = PathBuf::from("/etc");
    match systemd_here() {
        Some(systemd) if systemd.is_offline => {
            let sysv = SysV { etc };
            return Ok(Box::new(Offline { systemd, sysv }));
        }
        Some(systemd) => return Ok(Box::new(systemd)),
        None => {}
    }
    if etc.join("init.d").is_dir() {
        return Ok(Box::new(SysV { etc }));
    }
    Err(Failure::command(
        "This host runs neither systemd nor scripts in /etc/init.d",
    ))
}

/// Systemd, or a failure where there is none.
pub(crate) fn systemd() -> Result<Systemd, Failure> {
    systemd_here().ok_or_else(|| Failure::command("This host does not run systemd"))
}

fn systemd_here() -> Option<Systemd> {
    Some(Systemd {
        systemctl: process::which("systemctl")?,
        is_offline: !Path::new("/run/systemd/system").exists(),
    })
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
