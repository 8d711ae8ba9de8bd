//! Kernel, init system, and the minion's own process.

use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User};
use serde_json::{Map, Value, json};

use super::Root;
use crate::cancel::Cancel;
use crate::process;

/// systemd must tell its version within this time, or the grain is left out.
const SYSTEMD_TIMEOUT: Duration = Duration::from_secs(5);

/// Grains from the kernel's files.
pub(super) fn of_kernel(root: &Root) -> Map<String, Value> {
    let line = |path: &str| root.line(path).unwrap_or_default();
    let mut grains = Map::new();
    let mut set = |name: &str, value: Value| grains.insert(name.to_owned(), value);
    set("kernel", json!("Linux"));
    set("nodename", json!(line("/proc/sys/kernel/hostname")));
    set("kernelrelease", json!(line("/proc/sys/kernel/osrelease")));
    set("kernelversion", json!(line("/proc/sys/kernel/version")));
    set("cpuarch", json!(cpuarch(root)));
    set("kernelparams", kernel_parameters(&line("/proc/cmdline")));
    set("init", json!(init(root)));
    set("ps", json!("ps -efHww"));
    if let Some(id) = root
        .line("/etc/machine-id")
        .or_else(|| root.line("/var/lib/dbus/machine-id"))
    {
        set("machine_id", json!(id));
    }
    if root.exists("/sys/fs/selinux/enforce") {
        let enforced = if line("/sys/fs/selinux/enforce") == "1" {
            "Enforcing"
        } else {
            "Permissive"
        };
        set("selinux", json!({"enabled": true, "enforced": enforced}));
    } else if root.exists("/etc/selinux/config") {
        set("selinux", json!({"enabled": false, "enforced": "Disabled"}));
    }
    grains
}

/// The processor as `uname -m` names it.
pub(super) fn cpuarch(root: &Root) -> String {
    // The kernel tells it since 6.1. Before, the build's own processor is the best guess: the two differ only where an
    // old 32-bit program runs on a 64-bit kernel.
    root.line("/proc/sys/kernel/arch").unwrap_or_else(|| {
        match std::env::consts::ARCH {
            "x86" => "i686",
            "arm" => "armv7l",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            arch => arch,
        }
        .to_owned()
    })
}

/// Pairs of name and value; null for a name alone.
fn kernel_parameters(line: &str) -> Value {
    let words =
        shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) => json!([name, value.trim_matches('"')]),
            None => json!([word, null]),
        })
        .collect()
}

fn init(root: &Root) -> String {
    if root.exists("/run/systemd/system") {
        return "systemd".to_owned();
    }
    if root.exists("/run/openrc") {
        return "openrc".to_owned();
    }
    let command = root.text("/proc/1/cmdline");
    let program = command.split('\0').next().unwrap_or_default();
    match program.rsplit('/').next().unwrap_or_default() {
        known @ ("supervisord" | "dumb-init" | "tini" | "systemd" | "upstart") => known.to_owned(),
        "runit" | "my_init" | "runit-init" => "runit".to_owned(),
        "init" if root.exists("/etc/inittab") => "sysvinit".to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Grains of this process and of programs, which have no fixture.
pub(super) fn of_process() -> Map<String, Value> {
    let path = std::env::var("PATH").unwrap_or_default();
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let mut grains = Map::new();
    let mut set = |name: &str, value: Value| grains.insert(name.to_owned(), value);
    set(
        "systempath",
        path.split(':').map(|dir| json!(dir)).collect(),
    );
    set("path", json!(path));
    set("pid", json!(std::process::id()));
    set(
        "shell",
        json!(std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned())),
    );
    set(
        "cwd",
        json!(
            std::env::current_dir()
                .unwrap_or_default()
                .to_string_lossy()
        ),
    );
    set("uid", json!(uid.as_raw()));
    set("gid", json!(gid.as_raw()));
    if let Ok(Some(user)) = User::from_uid(uid) {
        set("username", json!(user.name));
    }
    if let Ok(Some(group)) = Group::from_gid(gid) {
        set("groupname", json!(group.name));
    }
    set("locale_info", locale());
    if let Some(systemd) = systemd() {
        set("systemd", systemd);
    }
    grains
}

fn locale() -> Value {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let locale = locale.filter(|locale| locale != "C" && locale != "POSIX");
    let (language, encoding) = match locale.as_deref().map(|locale| locale.split_once('.')) {
        // Python reads C.UTF-8 so.
        Some(Some(("C", encoding))) => (json!("en_US"), json!(encoding)),
        Some(Some((language, encoding))) => (json!(language), json!(encoding)),
        Some(None) => (json!(locale), Value::Null),
        None => (Value::Null, Value::Null),
    };
    let timezone = jiff::Zoned::now().strftime("%Z").to_string();
    json!({
        "defaultlanguage": language,
        "defaultencoding": encoding,
        "detectedencoding": "utf-8",
        "timezone": timezone,
    })
}

fn systemd() -> Option<Value> {
    let mut spec =
        process::Spec::new(&[&process::which("systemctl")?.to_string_lossy(), "--version"]);
    spec.timeout = Some(SYSTEMD_TIMEOUT);
    let finished = process::run(spec, &Cancel::new())
        .ok()
        .filter(|finished| finished.retcode == 0)?;
    let mut lines = finished.stdout.lines();
    let version = lines.next()?.split_whitespace().nth(1)?;
    Some(json!({"version": version, "features": lines.next().unwrap_or_default()}))
}
