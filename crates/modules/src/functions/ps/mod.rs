//! `ps`: processes by name, and the numbers of the host.

mod host;
mod lines;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use regex::Regex;
use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::pattern;
use crate::processes::{self, Process};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "ps.boot_time",
        "time_format=None",
        "When the host was started, in seconds since 1970 or by a format of strftime.",
        "ps.boot_time",
        host::boot_time,
    ),
    Function::new(
        "ps.cpu_times",
        "per_cpu=False",
        "Seconds that the processors spent, by what for.",
        "ps.cpu_times",
        host::cpu_times,
    ),
    Function::new(
        "ps.disk_partition_usage",
        "all=False",
        "The mounts with how full they are. all: those without devices too.",
        "ps.disk_partition_usage",
        host::partition_usage,
    ),
    Function::new(
        "ps.disk_partitions",
        "all=False",
        "The mounts. all: those without devices too.",
        "ps.disk_partitions",
        host::partitions,
    ),
    Function::new(
        "ps.disk_usage",
        "path",
        "How full the file system of a path is, in bytes and percent.",
        "ps.disk_usage /home",
        host::disk_usage,
    ),
    Function::new(
        "ps.lsof",
        "name",
        "The open files of the programs of a name, by lsof.",
        "ps.lsof apache2",
        lines::lsof,
    ),
    Function::new(
        "ps.netstat",
        "name",
        "The lines of netstat that hold a text.",
        "ps.netstat apache2",
        |args, env| lines::holding(args, env, &["netstat", "-nap"]),
    ),
    Function::new(
        "ps.network_io_counters",
        "interface=None",
        "What an interface, or all together, sent and received; false for an unknown one.",
        "ps.network_io_counters interface=eth0",
        host::network,
    ),
    Function::new(
        "ps.num_cpus",
        "",
        "How many processors there are.",
        "ps.num_cpus",
        host::processors,
    ),
    Function::new(
        "ps.psaux",
        "name",
        "The lines of ps that a regular expression matches, and how many they are.",
        "ps.psaux www-data.+apache2",
        lines::psaux,
    ),
    Function::new(
        "ps.ss",
        "name",
        "The lines of ss that hold a text.",
        "ps.ss apache2",
        |args, env| lines::holding(args, env, &["ss", "-neap"]),
    ),
    Function::new(
        "ps.swap_memory",
        "",
        "Swap space in bytes and percent.",
        "ps.swap_memory",
        host::swap_memory,
    ),
    Function::new(
        "ps.total_physical_memory",
        "",
        "Bytes of memory.",
        "ps.total_physical_memory",
        host::total_memory,
    ),
    Function::new(
        "ps.virtual_memory",
        "",
        "Memory in bytes and percent.",
        "ps.virtual_memory",
        host::virtual_memory,
    ),
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
}
