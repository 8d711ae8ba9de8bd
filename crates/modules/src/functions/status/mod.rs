//! `status`: what the host is doing, from `/proc`.

mod kernel;

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

use self::kernel::{
    cpuinfo, cpustats, diskstats, loadavg, login, meminfo, netdev, netstats, vmstats,
};
use super::{Answer, Env, Failure, Function};
use crate::processes::{self, Process};
use crate::{pattern, process, python};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "status.all_status",
        "",
        "Everything that the functions of this module tell, in one dictionary.",
        "status.all_status",
        |_, env| {
            Ok(json!({
                "cpuinfo": cpuinfo(&read("cpuinfo")),
                "cpustats": cpustats(&read("stat")),
                "diskstats": diskstats(&read("diskstats")),
                "diskusage": diskusage(&[]),
                "loadavg": loadavg(&read("loadavg")),
                "meminfo": meminfo(&read("meminfo")),
                "netdev": netdev(&read("net/dev")),
                "netstats": netstats(&read("net/netstat")),
                "uptime": uptime(env)?,
                "vmstats": vmstats(&read("vmstat")),
            }))
        },
    ),
    Function::new(
        "status.cpuinfo",
        "",
        "The description of the last processor, from /proc/cpuinfo.",
        "status.cpuinfo",
        |_, _| Ok(cpuinfo(&read("cpuinfo"))),
    ),
    Function::new(
        "status.cpustats",
        "",
        "Processor times, interrupts and context switches since boot, from /proc/stat.",
        "status.cpustats",
        |_, _| Ok(cpustats(&read("stat"))),
    ),
    Function::new(
        "status.diskstats",
        "",
        "Reads and writes of each block device since boot, from /proc/diskstats.",
        "status.diskstats",
        |_, _| Ok(diskstats(&read("diskstats"))),
    ),
    Function::new(
        "status.diskusage",
        "*args",
        "Total and available bytes of file systems: of all, of those at some paths, or of those whose type matches a \
         pattern.",
        "status.diskusage 'ext?' /tmp",
        |args, _| {
            Ok(diskusage(
                &args.extra_args.iter().map(python::text).collect::<Vec<_>>(),
            ))
        },
    ),
    Function::new(
        "status.loadavg",
        "",
        "The load averages of 1, 5 and 15 minutes.",
        "status.loadavg",
        |_, _| Ok(loadavg(&read("loadavg"))),
    ),
    Function::new(
        "status.meminfo",
        "",
        "The use of memory, from /proc/meminfo.",
        "status.meminfo",
        |_, _| Ok(meminfo(&read("meminfo"))),
    ),
    Function::new(
        "status.netdev",
        "",
        "Bytes, packets and errors of each network interface since boot.",
        "status.netdev",
        |_, _| Ok(netdev(&read("net/dev"))),
    ),
    Function::new(
        "status.netstats",
        "",
        "Counters of the network protocols, from /proc/net/netstat.",
        "status.netstats",
        |_, _| Ok(netstats(&read("net/netstat"))),
    ),
    Function::new(
        "status.nproc",
        "",
        "How many processors the minion may use.",
        "status.nproc",
        |_, _| {
            Ok(json!(
                std::thread::available_parallelism().map_or(0, usize::from)
            ))
        },
    ),
    Function::new(
        "status.pid",
        "sig",
        "The ids of processes whose command line matches a regular expression, one on a line. The minion itself is left \
         out.",
        "status.pid nginx",
        |args, _| {
            let signature = args.text("sig")?;
            let regex = pattern::build(&signature, false).ok_or_else(|| {
                Failure::invocation(format!("invalid regular expression '{signature}'"))
            })?;
            let is_other = |process: &Process| process.pid != std::process::id();
            let found = processes::all()
                .into_iter()
                .filter(is_other)
                .filter(|process| regex.is_match(&process.command));
            Ok(json!(
                found
                    .map(|process| process.pid.to_string())
                    .collect::<Vec<_>>()
                    .join("\n")
            ))
        },
    ),
    Function::new(
        "status.procs",
        "",
        "User and command of each process, by process id.",
        "status.procs",
        |_, _| {
            let entry = |process: Process| {
                (
                    process.pid.to_string(),
                    json!({"user": process.user, "cmd": process.command}),
                )
            };
            Ok(Value::Object(
                processes::all().into_iter().map(entry).collect(),
            ))
        },
    ),
    Function::new(
        "status.time",
        "format='%A, %d. %B %Y %I:%M%p'",
        "The local time in a format of strftime.",
        "status.time '%s'",
        |args, _| {
            let format = args.text("format")?;
            let text = jiff::fmt::strtime::format(&format, &jiff::Zoned::now());
            text.map(|text| json!(text))
                .map_err(|error| Failure::invocation(format!("format '{format}': {error}")))
        },
    ),
    Function::new(
        "status.uptime",
        "",
        "How long the host is up, since when, and how many users are logged in.",
        "status.uptime",
        |_, env| uptime(env),
    ),
    Function::new(
        "status.version",
        "",
        "The kernel's description of itself, from /proc/version.",
        "status.version",
        |_, _| Ok(json!(read("version").trim())),
    ),
    Function::new(
        "status.vmstats",
        "",
        "Counters of virtual memory, from /proc/vmstat.",
        "status.vmstats",
        |_, _| Ok(vmstats(&read("vmstat"))),
    ),
    Function::new(
        "status.w",
        "",
        "Who is logged in and what they do; needs the program w.",
        "status.w",
        |_, env| {
            let finished = process::query(&["w", "-fh"], env.cancel)?;
            Ok(finished.stdout.lines().filter_map(login).collect())
        },
    ),
];

fn read(name: &str) -> String {
    fs::read_to_string(format!("/proc/{name}")).unwrap_or_default()
}

fn diskusage(selected: &[String]) -> Value {
    let mut paths: Vec<String> = selected
        .iter()
        .filter(|wanted| wanted.starts_with('/'))
        .cloned()
        .collect();
    let mut types: Vec<&str> = selected
        .iter()
        .filter(|wanted| !wanted.starts_with('/'))
        .map(String::as_str)
        .collect();
    if selected.is_empty() {
        types.push("*");
    }
    let globs: Vec<_> = types
        .iter()
        .filter_map(|kind| pattern::glob(kind, false))
        .collect();
    for line in read("mounts").lines() {
        let mut words = line.split_whitespace().skip(1);
        if let (Some(path), Some(kind)) = (words.next(), words.next())
            && globs.iter().any(|glob| glob.is_match(kind))
        {
            // The kernel writes white space in paths as octal escapes.
            paths.push(path.replace("\\040", " ").replace("\\011", "\t"));
        }
    }
    let usage = |path: String| match statvfs(path.as_str()) {
        Ok(stats) => {
            let unit = stats.fragment_size();
            let bytes = |blocks: u64| blocks.saturating_mul(unit);
            (
                path,
                json!({"available": bytes(stats.blocks_available()), "total": bytes(stats.blocks())}),
            )
        }
        Err(_) => (path, json!({"available": null, "total": null})),
    };
    Value::Object(paths.into_iter().map(usage).collect())
}

fn uptime(env: &Env) -> Answer {
    let text = read("uptime");
    let seconds: f64 = text
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| Failure::command("File /proc/uptime was not found."))?;
    let seconds = seconds as i64;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let since = i64::try_from(now).unwrap_or(i64::MAX) - seconds;
    let boot = jiff::Timestamp::from_second(since)
        .map(|boot| boot.strftime("%Y-%m-%dT%H:%M:%S").to_string());
    let in_day = seconds % 86_400;
    let mut uptime = json!({
        "seconds": seconds,
        "since_iso": boot.unwrap_or_default(),
        "since_t": since,
        "days": seconds / 86_400,
        "time": format!("{}:{}", in_day / 3600, in_day % 3600 / 60),
    });
    if process::which("who").is_some() {
        let logins = process::query(&["who"], env.cancel)?.stdout;
        uptime["users"] = json!(
            logins
                .lines()
                .filter(|line| !line.trim().is_empty())
                .count()
        );
    }
    Ok(uptime)
}

#[cfg(test)]
mod tests;
