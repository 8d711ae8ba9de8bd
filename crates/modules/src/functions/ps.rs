//! `ps` and `timezone`: processes by name, and the clock's place.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use regex::Regex;
use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::pattern;
use crate::processes::{self, Process};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "ps.get_pid_list",
        "",
        "The ids of all processes.",
        "ps.get_pid_list",
        |_, _| {
            Ok(processes::all()
                .iter()
                .map(|process| json!(process.pid))
                .collect())
        },
    ),
    Function::new(
        "ps.kill_pid",
        "pid, signal=15",
        "Send a signal to a process; false when it is not there or may not be signalled.",
        "ps.kill_pid 2000 signal=9",
        |args, _| {
            let pid = i32::try_from(args.integer("pid")?)
                .ok()
                .filter(|pid| *pid > 0);
            // 0 and negative numbers mean whole groups, or every process of the host.
            let pid = pid.ok_or_else(|| Failure::invocation("pid must be a positive number"))?;
            Ok(json!(kill(Pid::from_raw(pid), signal(args)?).is_ok()))
        },
    ),
    Function::new(
        "ps.pgrep",
        "pattern, user=None, full=False, pattern_is_regex=False",
        "The ids of processes whose name contains a text, or with full whose command line does; of one user only. \
         pattern_is_regex: the text is a regular expression. Nothing when none is found. The minion is left out.",
        "ps.pgrep httpd",
        |args, _| {
            let found: Vec<Value> = matching(args)?
                .iter()
                .map(|process| json!(process.pid))
                .collect();
            Ok(if found.is_empty() {
                Value::Null
            } else {
                Value::Array(found)
            })
        },
    ),
    Function::new(
        "ps.pkill",
        "pattern, user=None, signal=15, full=False",
        "Send a signal to the processes that ps.pgrep finds. Answers the ids of those that got it, nothing when none \
         was found.",
        "ps.pkill httpd signal=9",
        pkill,
    ),
    Function::new(
        "timezone.get_offset",
        "",
        "The offset of the local time from UTC, as +0200.",
        "timezone.get_offset",
        |_, _| Ok(json!(jiff::Zoned::now().strftime("%z").to_string())),
    ),
    Function::new(
        "timezone.get_zone",
        "",
        "The name of the host's time zone.",
        "timezone.get_zone",
        |_, _| Ok(json!(zone(Path::new("/"))?)),
    ),
    Function::new(
        "timezone.get_zonecode",
        "",
        "The short name of the time zone now, as CEST.",
        "timezone.get_zonecode",
        |_, _| Ok(json!(jiff::Zoned::now().strftime("%Z").to_string())),
    ),
];

fn signal(args: &Args) -> Result<Signal, Failure> {
    let number = args.integer("signal")?;
    let signal = i32::try_from(number)
        .ok()
        .and_then(|number| Signal::try_from(number).ok());
    signal.ok_or_else(|| Failure::invocation(format!("{number} is not the number of a signal")))
}

fn matching(args: &Args) -> Result<Vec<Process>, Failure> {
    let text = args.text("pattern")?;
    if text.is_empty() {
        return Err(Failure::invocation("the pattern is empty"));
    }
    let regex: Option<Regex> =
        match args.flag("pattern_is_regex") {
            true => Some(pattern::build(&text, false).ok_or_else(|| {
                Failure::invocation(format!("invalid regular expression '{text}'"))
            })?),
            false => None,
        };
    let (user, full) = (args.optional_text("user")?, args.flag("full"));
    let mut found = processes::all();
    found.retain(|process| {
        let shown = if full {
            &process.command
        } else {
            &process.name
        };
        let is_match = regex
            .as_ref()
            .map_or_else(|| shown.contains(&text), |regex| regex.is_match(shown));
        is_match
            && process.pid != std::process::id()
            && user.as_ref().is_none_or(|user| *user == process.user)
    });
    Ok(found)
}

fn pkill(args: &Args, _: &Env) -> Answer {
    let signal = signal(args)?;
    let got_it = |process: &Process| {
        i32::try_from(process.pid).is_ok_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
    };
    let killed: Vec<Value> = matching(args)?
        .into_iter()
        .filter(got_it)
        .map(|process| json!(process.pid))
        .collect();
    Ok(if killed.is_empty() {
        Value::Null
    } else {
        json!({"killed": killed})
    })
}

/// The name in `/etc/timezone`, else where `/etc/localtime` points to.
fn zone(root: &Path) -> Result<String, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn processes_are_found_and_ended() {
        let host = Host::new();
        let mut child = std::process::Command::new("sleep")
            .arg("604.25")
            .spawn()
            .unwrap();
        let pid = json!(child.id());
        let by = |fun: &str| Call::new(fun).arg("sleep 604[.]25").kwarg("full", true);
        assert_eq!(
            host.call(by("ps.pgrep").kwarg("pattern_is_regex", true))
                .value,
            json!([pid])
        );
        assert_eq!(host.call(by("ps.pgrep")).value, json!(null));
        let call = Call::new("ps.pkill")
            .arg("sleep 604.25")
            .kwarg("full", true)
            .kwarg("user", "no-such-user");
        assert_eq!(host.call(call).value, json!(null));
        let call = Call::new("ps.pkill")
            .arg("sleep 604.25")
            .kwarg("full", true);
        assert_eq!(host.call(call).value, json!({"killed": [pid]}));
        child.wait().unwrap();
        assert_eq!(
            host.call(Call::new("ps.kill_pid").arg(pid)).value,
            json!(false)
        );
        for bad in [0, -1] {
            assert!(!host.call(Call::new("ps.kill_pid").arg(bad)).success);
        }
        assert!(
            !host
                .call(Call::new("ps.pkill").arg("x").kwarg("signal", 999))
                .success
        );
        assert!(
            host.call(Call::new("ps.get_pid_list"))
                .value
                .as_array()
                .unwrap()
                .contains(&json!(std::process::id()))
        );
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
            assert_eq!(zone(root.path()).unwrap(), expected);
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
