//! `timezone`: the time zone of the host, and whether its clock runs in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::{Env, Failure, Function};
use crate::call::Call;
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::failure::os_text;
use crate::process::{query, which};
use crate::root;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "timezone.get_hwclock",
        "",
        "Whether the clock of the hardware runs in UTC or localtime.",
        "timezone.get_hwclock",
        |_, env| Ok(json!(clock(env)?)),
    ),
    Function::new(
        "timezone.get_offset",
        "",
        "The offset from UTC now, as +0200.",
        "timezone.get_offset",
        |_, env| {
            Ok(json!(
                query(&["date", "+%z"], env.cancel)?.stdout.trim_end()
            ))
        },
    ),
    Function::new(
        "timezone.get_zone",
        "",
        "The time zone, as Europe/Berlin.",
        "timezone.get_zone",
        |_, env| {
            Ok(json!(
                zone(env).or_else(|_| zone_of_files(&root::path("/")))?
            ))
        },
    ),
    Function::new(
        "timezone.get_zonecode",
        "",
        "The abbreviation of the time zone, as CET.",
        "timezone.get_zonecode",
        |_, env| {
            Ok(json!(
                query(&["date", "+%Z"], env.cancel)?.stdout.trim_end()
            ))
        },
    ),
    Function::new(
        "timezone.set_hwclock",
        "clock",
        "Let the clock of the hardware run in UTC or localtime.",
        "timezone.set_hwclock UTC",
        |args, env| Ok(json!(set_clock(env, &args.text("clock")?)?)),
    ),
    Function::new(
        "timezone.set_zone",
        "timezone",
        "Set the time zone; answers true, or that there is no such zone.",
        "timezone.set_zone Europe/Berlin",
        |args, env| {
            set_zone(env, &args.text("timezone")?)
                .map(|missing| missing.map_or(json!(true), Value::from))
        },
    ),
    Function::new(
        "timezone.zone_compare",
        "timezone",
        "Whether this is the time zone.",
        "timezone.zone_compare Europe/Berlin",
        |args, env| Ok(json!(is_zone(env, &args.text("timezone")?)?)),
    ),
];

const LOCALTIME: &str = "/etc/localtime";
const TIMEZONE: &str = "/etc/timezone";
const SYSCONFIG: &str = "/etc/sysconfig/clock";
const ZONES: &str = "/usr/share/zoneinfo";

fn family(env: &Env) -> String {
    let grains = env.ctx.grains();
    grains["os_family"].as_str().unwrap_or_default().to_owned()
}

/// What timedatectl says; none where it is not installed.
fn status(env: &Env) -> Result<Option<String>, Failure> {
    if which("timedatectl").is_none() {
        return Ok(None);
    }
    let done = query(&["timedatectl"], env.cancel)?;
    if done.retcode != 0 {
        let error = done.stderr.trim_end();
        return Err(Failure::command(format!("timedatectl failed: {error}")));
    }
    Ok(Some(done.stdout.to_string()))
}

fn unparsed(status: &str) -> Failure {
    Failure::command(format!(
        "Failed to parse timedatectl output: {}",
        status.trim_end()
    ))
}

/// The time zone.
pub(crate) fn zone(env: &Env) -> Result<String, Failure> {
    if let Some(status) = status(env)? {
        let named = status.lines().map(str::trim).find_map(|line| {
            let rest = line
                .strip_prefix("Time zone:")
                .or_else(|| line.strip_prefix("Timezone:"))?;
            rest.split_whitespace().next()
        });
        return named.map(str::to_owned).ok_or_else(|| unparsed(&status));
    }
    match family(env).as_str() {
        "Debian" | "Gentoo" => {
            let text = fs::read_to_string(root::path(TIMEZONE)).map_err(|error| {
                Failure::command(format!(
                    "Problem reading timezone file {TIMEZONE}: {}",
                    os_text(&error)
                ))
            })?;
            Ok(text.trim().to_owned())
        }
        "RedHat" | "Suse" => {
            let text = fs::read_to_string(root::path(SYSCONFIG)).unwrap_or_default();
            let line = text.lines().find(|line| {
                !line.trim_start().starts_with('#') && line.contains("ZONE") && line.contains('=')
            });
            let value = line
                .and_then(|line| line.rsplit('=').next())
                .map(|value| value.trim_matches(['"', '\'']));
            match value {
                Some("") => Ok("UTC".to_owned()),
                Some(value) => Ok(value.to_owned()),
                None => Err(Failure::command(format!(
                    "Unable to get timezone from {SYSCONFIG}"
                ))),
            }
        }
        _ => zone_of_files(&root::path("/")),
    }
}

/// Where `/etc/localtime` points to, else the name in `/etc/timezone`.
fn zone_of_files(root: &Path) -> Result<String, Failure> {
    let link = fs::canonicalize(root.join("etc/localtime")).unwrap_or_default();
    if let Some((_, name)) = link.to_string_lossy().split_once("/zoneinfo/") {
        return Ok(name.trim_start_matches("posix/").to_owned());
    }
    match fs::read_to_string(root.join("etc/timezone")) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ if !root.join("etc/localtime").exists() => Ok("UTC".to_owned()),
        _ => Err(Failure::command(
            "Unable to get timezone from /etc/localtime",
        )),
    }
}

/// Whether this is the time zone; where its name cannot be had the files are compared.
pub(crate) fn is_zone(env: &Env, wanted: &str) -> Result<bool, Failure> {
    if let Ok(zone) = zone(env) {
        return Ok(zone == wanted);
    }
    let local = fs::read(root::path(LOCALTIME)).map_err(|error| {
        Failure::command(format!(
            "Failed to read {LOCALTIME} to determine current timezone: {}",
            os_text(&error)
        ))
    });
    let file = root::path(&format!("{ZONES}/{wanted}"));
    let wanted = fs::read(file)
        .map_err(|_| Failure::invocation(format!("Can't find a local timezone \"{wanted}\"")));
    Ok(local? == wanted?)
}

/// Sets the time zone; answers what is missing.
pub(crate) fn set_zone(env: &Env, zone: &str) -> Result<Option<String>, Failure> {
    if which("timedatectl").is_some() {
        // Without systemd it fails, and the files below are all there is.
        query(&["timedatectl", "set-timezone", zone], env.cancel)?;
    }
    let target = format!("{ZONES}/{zone}");
    if !root::path(&target).exists() {
        return Ok(Some(format!("Zone does not exist: {target}")));
    }
    link_localtime(&target)?;
    match family(env).as_str() {
        "Debian" | "Gentoo" => {
            let path = root::path(TIMEZONE);
            replace(&path, format!("{}\n", zone.trim()).as_bytes(), PUBLIC_MODE)
                .map_err(|error| Failure::io(&path, error))?;
        }
        "RedHat" => set_line(env, SYSCONFIG, "^ZONE=.*", &format!("ZONE=\"{zone}\""))?,
        "Suse" => set_line(
            env,
            SYSCONFIG,
            "^TIMEZONE=.*",
            &format!("TIMEZONE=\"{zone}\""),
        )?,
        _ => {}
    }
    Ok(None)
}

fn link_localtime(target: &str) -> Result<(), Failure> {
    let path = root::path(LOCALTIME);
    let failed = |error| Failure::io(&path, error);
    if path.symlink_metadata().is_ok() {
        fs::remove_file(&path).map_err(failed)?;
    }
    symlink(target, &path).map_err(failed)
}

/// Replaces a line of a file that exists.
fn set_line(env: &Env, path: &str, pattern: &str, line: &str) -> Result<(), Failure> {
    let path = root::path(path);
    if !path.exists() {
        return Ok(());
    }
    let call = Call::new("file.replace").arg(path.to_string_lossy().into_owned());
    let call = call.arg(pattern).arg(line).kwarg("backslash_literal", true);
    env.call(&call).map(|_| ())
}

/// Whether the clock of the hardware runs in `UTC` or `localtime`; none where there is no clock.
pub(crate) fn clock(env: &Env) -> Result<Option<String>, Failure> {
    if let Some(status) = status(env)? {
        let line = status
            .lines()
            .map(str::trim)
            .find(|line| line.to_lowercase().contains("rtc in local tz"));
        let said = line
            .and_then(|line| line.rsplit(':').next())
            .ok_or_else(|| unparsed(&status))?;
        let clock = if said.trim().eq_ignore_ascii_case("yes") {
            "localtime"
        } else {
            "UTC"
        };
        return Ok(Some(clock.to_owned()));
    }
    if family(env) == "Debian" {
        let text = fs::read_to_string(root::path("/etc/default/rcS")).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| !line.trim_start().starts_with('#') && line.contains("UTC="));
        if let Some(said) = line.and_then(|line| line.rsplit('=').next()) {
            let clock = if said.eq_ignore_ascii_case("yes") {
                "UTC"
            } else {
                "localtime"
            };
            return Ok(Some(clock.to_owned()));
        }
    }
    match fs::read_to_string(root::path("/etc/adjtime")) {
        Ok(text) => Ok(text.lines().last().map(str::to_owned)),
        Err(_) if Path::new("/dev/rtc").exists() => Err(Failure::command(
            "Unable to get hwclock timezone from /etc/adjtime",
        )),
        Err(_) => Ok(None),
    }
}

/// Lets the clock of the hardware run in `UTC` or `localtime`; whether that went well.
pub(crate) fn set_clock(env: &Env, clock: &str) -> Result<bool, Failure> {
    if which("timedatectl").is_some() {
        let is_local = if clock == "localtime" {
            "true"
        } else {
            "false"
        };
        let done = query(&["timedatectl", "set-local-rtc", is_local], env.cancel)?;
        return Ok(done.retcode == 0);
    }
    let target = format!("{ZONES}/{}", zone(env)?);
    if !root::path(&target).exists() {
        return Err(Failure::command(format!("Zone '{target}' does not exist")));
    }
    link_localtime(&target)?;
    if family(env) == "Debian" {
        let line = if clock == "UTC" { "UTC=yes" } else { "UTC=no" };
        set_line(env, "/etc/default/rcS", "^UTC=.*", line)?;
    }
    Ok(true)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;

    /// A host without systemd's bus, and with two zones.
    pub(crate) fn fake(host: &Host) {
        host.program("timedatectl", "echo 'Failed to connect to bus' >&2; exit 1");
        host.write("root/usr/share/zoneinfo/Etc/UTC", "utc");
        host.write("root/usr/share/zoneinfo/Europe/Berlin", "berlin");
        host.write("root/etc/localtime", "utc");
    }

    /// A host where systemd answers.
    pub(crate) fn fake_systemd(host: &Host) {
        fake(host);
        let zone = host.write("zone", "Etc/UTC");
        host.program(
            "timedatectl",
            &format!(
                "case \"$1\" in\nset-timezone) echo $2 >{zone};;\nset-local-rtc) exit 0;;\n\
                 *) echo \"      Time zone: $(cat {zone}) (UTC, +0000)\"; echo 'RTC in local TZ: no';;\nesac"
            ),
        );
    }

    #[test]
    fn zones_are_told_and_set() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let check = |call: Call, expected: Value| {
            assert_eq!(host.call(call.clone()).value, expected, "{call:?}")
        };
        let compare = |zone: &str| Call::new("timezone.zone_compare").arg(zone);
        check(compare("Etc/UTC"), json!(true));
        check(compare("Europe/Berlin"), json!(false));
        check(
            Call::new("timezone.get_zone"),
            json!("ERROR: Unable to get timezone from /etc/localtime"),
        );
        check(
            Call::new("timezone.set_zone").arg("No/Where"),
            json!("Zone does not exist: /usr/share/zoneinfo/No/Where"),
        );
        check(
            Call::new("timezone.set_zone").arg("Europe/Berlin"),
            json!(true),
        );
        let link = fs::read_link(host.path("root/etc/localtime")).unwrap();
        assert_eq!(link, Path::new("/usr/share/zoneinfo/Europe/Berlin"));
        assert_eq!(
            fs::read_to_string(host.path("root/etc/timezone")).unwrap(),
            "Europe/Berlin\n"
        );
        fake_systemd(&host);
        check(Call::new("timezone.get_zone"), json!("Etc/UTC"));
        check(Call::new("timezone.get_hwclock"), json!("UTC"));
        check(Call::new("timezone.set_hwclock").arg("UTC"), json!(true));
    }

    #[test]
    fn zones_are_named() {
        let check = |files: &[&str], text: &str, expected: &str| {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("etc")).unwrap();
            let file = root.path().join("usr/share/zoneinfo/Europe/Berlin");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            if files.contains(&"localtime") {
                std::os::unix::fs::symlink(&file, root.path().join("etc/localtime")).unwrap();
            }
            if files.contains(&"timezone") {
                fs::write(root.path().join("etc/timezone"), text).unwrap();
            }
            assert_eq!(zone_of_files(root.path()).unwrap(), expected);
        };
        check(&["localtime", "timezone"], "Other/Place\n", "Europe/Berlin");
        check(&["timezone"], "Asia/Tokyo\n", "Asia/Tokyo");
        check(&[], "", "UTC");
        assert_eq!(
            Host::new()
                .call(Call::new("timezone.get_offset"))
                .value
                .as_str()
                .unwrap()
                .len(),
            5
        );
    }
}
