//! `status`: what the host is doing, from `/proc`.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::statvfs::statvfs;
use serde_json::{Map, Value, json};

use super::{Answer, Env, Failure, Function};
use crate::processes::{self, Process};
use crate::{pattern, process, python};

/// Fields of a line of `/proc/diskstats` after the device's numbers and name.
const DISK_FIELDS: [&str; 11] = [
    "reads_issued",
    "reads_merged",
    "sectors_read",
    "ms_spent_reading",
    "writes_completed",
    "writes_merged",
    "sectors_written",
    "ms_spent_writing",
    "io_in_progress",
    "ms_spent_in_io",
    "weighted_ms_spent_in_io",
];

/// Fields of a line of `/proc/net/dev` after the interface.
const NET_FIELDS: [&str; 16] = [
    "rx_bytes",
    "rx_packets",
    "rx_errs",
    "rx_drop",
    "rx_fifo",
    "rx_frame",
    "rx_compressed",
    "rx_multicast",
    "tx_bytes",
    "tx_packets",
    "tx_errs",
    "tx_drop",
    "tx_fifo",
    "tx_colls",
    "tx_carrier",
    "tx_compressed",
];

/// Fields of the first line of `/proc/stat`, in their order there.
const CPU_FIELDS: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];

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

/// A word as the number that it is, else as text.
fn number(word: &str) -> Value {
    match word.parse::<u64>() {
        Ok(number) => json!(number),
        Err(_) => word
            .parse::<f64>()
            .map_or_else(|_| json!(word), |number| json!(number)),
    }
}

fn cpuinfo(text: &str) -> Value {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let info = pairs.map(|(key, value)| {
        let value = match key.trim() {
            "flags" => json!(value.split_whitespace().collect::<Vec<_>>()),
            _ => json!(value.trim()),
        };
        (key.trim().to_owned(), value)
    });
    Value::Object(info.collect())
}

fn cpustats(text: &str) -> Value {
    let mut stats = Map::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, values @ ..] = words.as_slice() else {
            continue;
        };
        let value = match *name {
            "cpu" => Value::Object(named(&CPU_FIELDS, values)),
            "intr" => totals("irqs", values),
            "softirq" => totals("softirqs", values),
            _ => values.first().map_or(Value::Null, |word| number(word)),
        };
        stats.insert((*name).to_owned(), value);
    }
    Value::Object(stats)
}

fn totals(rest: &str, values: &[&str]) -> Value {
    let total = values.first().map_or(Value::Null, |word| number(word));
    let each: Vec<Value> = values.iter().skip(1).map(|word| number(word)).collect();
    json!({"total": total, rest: each})
}

fn named(fields: &[&str], values: &[&str]) -> Map<String, Value> {
    fields
        .iter()
        .zip(values)
        .map(|(field, value)| ((*field).to_owned(), number(value)))
        .collect()
}

fn diskstats(text: &str) -> Value {
    let device = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [major, minor, name, values @ ..] = words.as_slice() else {
            return None;
        };
        let mut stats = named(&["major", "minor"], &[major, minor]);
        stats.insert("device".to_owned(), json!(name));
        stats.extend(named(&DISK_FIELDS, values));
        Some(((*name).to_owned(), Value::Object(stats)))
    };
    Value::Object(text.lines().filter_map(device).collect())
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

fn loadavg(text: &str) -> Value {
    let mut loads = text
        .split_whitespace()
        .map(|word| word.parse::<f64>().unwrap_or_default());
    let mut next = || loads.next().unwrap_or_default();
    json!({"1-min": next(), "5-min": next(), "15-min": next()})
}

fn meminfo(text: &str) -> Value {
    let entry = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let mut words = rest.split_whitespace();
        let mut entry = Map::new();
        entry.insert("value".to_owned(), json!(words.next()?));
        if let Some(unit) = words.next() {
            entry.insert("unit".to_owned(), json!(unit));
        }
        Some((name.to_owned(), Value::Object(entry)))
    };
    Value::Object(text.lines().filter_map(entry).collect())
}

fn netdev(text: &str) -> Value {
    let device = |line: &str| {
        let (name, values) = line.rsplit_once(':')?;
        let values: Vec<&str> = values.split_whitespace().collect();
        let mut stats = named(&NET_FIELDS, &values);
        stats.insert("iface".to_owned(), json!(name.trim()));
        Some((name.trim().to_owned(), Value::Object(stats)))
    };
    Value::Object(text.lines().filter_map(device).collect())
}

fn netstats(text: &str) -> Value {
    let lines: Vec<&str> = text.lines().collect();
    let protocol = |pair: &[&str]| {
        let [names, values] = pair else { return None };
        let (protocol, names) = names.split_once(':')?;
        let values: Vec<&str> = values.split_whitespace().skip(1).collect();
        let names: Vec<&str> = names.split_whitespace().collect();
        Some((protocol.to_owned(), Value::Object(named(&names, &values))))
    };
    Value::Object(lines.chunks(2).filter_map(protocol).collect())
}

fn vmstats(text: &str) -> Value {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Value::Object(
        pairs
            .map(|(name, value)| (name.to_owned(), number(value.trim())))
            .collect(),
    )
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

fn login(line: &str) -> Option<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [user, tty, login, idle, jcpu, pcpu, what @ ..] = words.as_slice() else {
        return None;
    };
    let what = what.join(" ");
    Some(json!({
        "user": user, "tty": tty, "login": login, "idle": idle, "jcpu": jcpu, "pcpu": pcpu, "what": what,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn kernel_files_are_read() {
        let check = |found: Value, expected: Value| assert_eq!(found, expected);
        check(
            loadavg("0.10 0.20 1.5 1/200 4242\n"),
            json!({"1-min": 0.1, "5-min": 0.2, "15-min": 1.5}),
        );
        check(
            meminfo("MemTotal:  100 kB\nHugePages_Total:  0\n"),
            json!({"MemTotal": {"value": "100", "unit": "kB"}, "HugePages_Total": {"value": "0"}}),
        );
        let stat =
            cpustats("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2\nintr 9 1 2\nctxt 77\nsoftirq 5 4\n");
        check(stat["cpu"]["idle"].clone(), json!(4));
        check(stat["intr"].clone(), json!({"total": 9, "irqs": [1, 2]}));
        check(
            stat["softirq"].clone(),
            json!({"total": 5, "softirqs": [4]}),
        );
        check(stat["ctxt"].clone(), json!(77));
        let disks = diskstats(" 8 0 sda 1 2 3 4 5 6 7 8 9 10 11 0 0\n");
        check(disks["sda"]["weighted_ms_spent_in_io"].clone(), json!(11));
        let net = netdev(
            "Inter-| Receive\n face |bytes\n eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
        );
        check(net["eth0"]["tx_compressed"].clone(), json!(16));
        check(net["eth0"]["iface"].clone(), json!("eth0"));
        check(
            netstats("TcpExt: A B\nTcpExt: 1 2\n"),
            json!({"TcpExt": {"A": 1, "B": 2}}),
        );
        check(vmstats("nr_free_pages 5\n"), json!({"nr_free_pages": 5}));
        check(
            cpuinfo("processor\t: 0\nflags\t: a b\n"),
            json!({"processor": "0", "flags": ["a", "b"]}),
        );
        check(
            login("root tty1 10:00 1.00s 0.1s 0.0s vi x").unwrap()["what"].clone(),
            json!("vi x"),
        );
    }

    #[test]
    fn this_host_is_alive() {
        let host = Host::new();
        let call = |call: Call| {
            let outcome = host.call(call);
            assert!(outcome.success, "{:?}", outcome.value);
            outcome.value
        };
        assert!(
            call(Call::new("status.uptime"))["seconds"]
                .as_i64()
                .unwrap()
                > 0
        );
        assert!(call(Call::new("status.nproc")).as_u64().unwrap() > 0);
        let own = std::process::id().to_string();
        assert!(
            call(Call::new("status.procs"))[&own]["cmd"]
                .as_str()
                .unwrap()
                .contains("modules")
        );
        assert!(
            !call(Call::new("status.pid").arg("modules"))
                .as_str()
                .unwrap()
                .split('\n')
                .any(|pid| pid == own)
        );
        assert!(
            call(Call::new("status.diskusage").arg("/"))["/"]["total"]
                .as_u64()
                .unwrap()
                > 0
        );
        assert_eq!(call(Call::new("status.time").arg("x%%")), json!("x%"));
        assert!(call(Call::new("status.all_status"))["meminfo"]["MemTotal"].is_object());
        assert!(!host.call(Call::new("status.pid").arg("(")).success);
    }
}
