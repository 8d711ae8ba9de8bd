//! Memory, processors, file systems and the network of the host, as numbers.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::sys::statvfs::statvfs;
use nix::unistd::{SysconfVar, sysconf};
use serde_json::{Map, Value, json};

use super::super::{Answer, Args, Env, Failure};

/// Bytes of a page that the kernel counts swapping in.
const SWAP_PAGE: u64 = 4096;

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::io(path, error))
}

/// The numbers of meminfo in bytes.
struct Memory(String);

impl Memory {
    fn read() -> Result<Memory, Failure> {
        read("/proc/meminfo").map(Memory)
    }

    fn of(&self, name: &str) -> Option<u64> {
        let rest = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kilobytes: u64 = rest.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    fn or_zero(&self, name: &str) -> u64 {
        self.of(name).unwrap_or(0)
    }
}

/// A share of a whole in percent, with one digit behind the point.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 * 1000.0 / whole as f64).round() / 10.0
}

fn virtual_memory_of(memory: &Memory) -> Value {
    let (total, free) = (memory.or_zero("MemTotal"), memory.or_zero("MemFree"));
    let available = memory.of("MemAvailable").unwrap_or(free);
    let available = if available > total { free } else { available };
    let used = total - available;
    json!({
        "total": total, "available": available, "percent": percent(used, total), "used": used, "free": free,
        "active": memory.or_zero("Active"), "inactive": memory.or_zero("Inactive"),
        "buffers": memory.or_zero("Buffers"), "cached": memory.or_zero("Cached") + memory.or_zero("SReclaimable"),
        "shared": memory.or_zero("Shmem"), "slab": memory.or_zero("Slab"),
    })
}

/// `ps.virtual_memory`
pub(super) fn virtual_memory(_: &Args, _: &Env) -> Answer {
    Ok(virtual_memory_of(&Memory::read()?))
}

/// `ps.total_physical_memory`
pub(super) fn total_memory(_: &Args, _: &Env) -> Answer {
    Ok(json!(Memory::read()?.or_zero("MemTotal")))
}

/// `ps.swap_memory`
pub(super) fn swap_memory(_: &Args, _: &Env) -> Answer {
    let memory = Memory::read()?;
    let (total, free) = (memory.or_zero("SwapTotal"), memory.or_zero("SwapFree"));
    let used = total.saturating_sub(free);
    let counts = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let swapped = |name: &str| {
        let line = counts.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|count| count.trim().parse::<u64>().ok())
            .map_or(0, |pages| pages * SWAP_PAGE)
    };
    Ok(json!({
        "total": total, "used": used, "free": free, "percent": percent(used, total),
        "sin": swapped("pswpin "), "sout": swapped("pswpout "),
    }))
}

/// Seconds that processors spent, by what for; the first line is of all together.
fn times(text: &str, ticks: f64) -> Vec<Value> {
    const NAMES: [&str; 10] = [
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guest_nice",
    ];
    let processor = |line: &str| {
        let counts = line.split_whitespace().skip(1);
        let counts = NAMES.iter().zip(counts).map(|(name, count)| {
            let count: f64 = count.parse().unwrap_or_default();
            ((*name).to_owned(), json!(count / ticks))
        });
        Value::Object(counts.collect())
    };
    text.lines()
        .filter(|line| line.starts_with("cpu"))
        .map(processor)
        .collect()
}

/// `ps.cpu_times`
pub(super) fn cpu_times(args: &Args, _: &Env) -> Answer {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let mut times = times(&read("/proc/stat")?, ticks as f64).into_iter();
    let all = times.next().unwrap_or_default();
    Ok(if args.flag("per_cpu") {
        times.collect()
    } else {
        all
    })
}

/// `ps.num_cpus`
pub(super) fn processors(_: &Args, _: &Env) -> Answer {
    let count = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    Ok(json!(count))
}

/// `ps.boot_time`: seconds since 1970, or text by a format of `strftime`.
pub(super) fn boot_time(args: &Args, _: &Env) -> Answer {
    let stat = read("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    let seconds: i64 = line
        .and_then(|seconds| seconds.trim().parse().ok())
        .ok_or_else(|| Failure::command("/proc/stat tells no boot time"))?;
    let Some(format) = args
        .optional_text("time_format")?
        .filter(|format| !format.is_empty())
    else {
        return Ok(json!(seconds));
    };
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    let time = time.to_zoned(TimeZone::system());
    let text = jiff::fmt::strtime::format(&format, &time)
        .map_err(|error| Failure::invocation(format!("Invalid format string: {error}")))?;
    Ok(json!(text))
}

/// Devices with their mounts. All, or only those of file systems that stand on devices.
fn mounts(all: bool) -> Result<Vec<Map<String, Value>>, Failure> {
    let known = read("/proc/filesystems")?;
    let on_devices: Vec<&str> = known
        .lines()
        .filter(|line| !line.starts_with("nodev"))
        .map(str::trim)
        .chain(["zfs"])
        .collect();
    let mounts = read("/proc/self/mounts")?;
    let mount = |line: &str| {
        let words: Vec<String> = line.split(' ').map(unescaped).collect();
        let [device, point, kind, options, ..] = words.as_slice() else {
            return None;
        };
        let device = if device == "none" { "" } else { device };
        let counts = all || !device.is_empty() && on_devices.contains(&kind.as_str());
        let told = json!({"device": device, "mountpoint": point, "fstype": kind, "opts": options});
        told.as_object().cloned().filter(|_| counts)
    };
    Ok(mounts.lines().filter_map(mount).collect())
}

/// A word of the list of mounts, where blanks and such are octal numbers.
fn unescaped(word: &str) -> String {
    let codes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    codes
        .iter()
        .fold(word.to_owned(), |word, (code, c)| word.replace(code, c))
}

/// `ps.disk_partitions`
pub(super) fn partitions(args: &Args, _: &Env) -> Answer {
    Ok(json!(mounts(args.flag("all"))?))
}

/// How full a file system is. `percent` is of what users can fill.
fn usage(path: &str) -> Result<Map<String, Value>, Failure> {
    let told =
        statvfs(Path::new(path)).map_err(|errno| Failure::io(path, std::io::Error::from(errno)))?;
    let size = told.fragment_size();
    let used = (told.blocks() - told.blocks_free()) * size;
    let free = told.blocks_available() * size;
    let usage = json!({
        "total": told.blocks() * size, "used": used, "free": free, "percent": percent(used, used + free),
    });
    Ok(usage.as_object().cloned().unwrap_or_default())
}

/// `ps.disk_usage`
pub(super) fn disk_usage(args: &Args, _: &Env) -> Answer {
    usage(&args.text("path")?).map(Value::Object)
}

/// `ps.disk_partition_usage`
pub(super) fn partition_usage(args: &Args, _: &Env) -> Answer {
    let mut mounts = mounts(args.flag("all"))?;
    for mount in &mut mounts {
        let point = mount["mountpoint"].as_str().unwrap_or_default().to_owned();
        mount.extend(usage(&point)?);
    }
    Ok(json!(mounts))
}

/// What the interfaces have sent and received.
fn traffic(text: &str) -> Map<String, Value> {
    const COLUMNS: [(&str, usize); 8] = [
        ("bytes_sent", 8),
        ("bytes_recv", 0),
        ("packets_sent", 9),
        ("packets_recv", 1),
        ("errin", 2),
        ("errout", 10),
        ("dropin", 3),
        ("dropout", 11),
    ];
    let interface = |line: &str| {
        let (name, counts) = line.rsplit_once(':')?;
        let counts: Vec<u64> = counts
            .split_whitespace()
            .map_while(|count| count.parse().ok())
            .collect();
        let column =
            |(name, at): &(&str, usize)| Some(((*name).to_owned(), json!(counts.get(*at)?)));
        let counts: Option<Map<String, Value>> = COLUMNS.iter().map(column).collect();
        Some((name.trim().to_owned(), Value::Object(counts?)))
    };
    text.lines().skip(2).filter_map(interface).collect()
}

/// `ps.network_io_counters`: of one interface, or of all together.
pub(super) fn network(args: &Args, _: &Env) -> Answer {
    let traffic = traffic(&read("/proc/net/dev")?);
    if args.flag("interface") {
        let name = args.text("interface")?;
        return Ok(traffic.get(&name).cloned().unwrap_or(json!(false)));
    }
    let mut sums = Map::new();
    for (name, count) in traffic.values().filter_map(Value::as_object).flatten() {
        let sum = sums.get(name).and_then(Value::as_u64).unwrap_or(0);
        sums.insert(name.clone(), json!(sum + count.as_u64().unwrap_or(0)));
    }
    Ok(Value::Object(sums))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn memory_is_counted() {
        let text = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nCached: 50 kB\nSReclaimable: 5 kB\nActive: 7 kB\nActive(anon): 9 kB\n";
        let memory = virtual_memory_of(&Memory(text.to_owned()));
        assert_eq!(memory["used"], json!(600 * 1024));
        assert_eq!(memory["percent"], json!(60.0));
        assert_eq!(memory["cached"], json!(55 * 1024));
        assert_eq!(memory["active"], json!(7 * 1024));
    }

    #[test]
    fn counters_are_read() {
        let text = "cpu  100 0 200 300 0 0 0 0 0 0\ncpu0 100 0 200 300 0 0 0 0 0 0\nintr 5\n";
        let times = times(text, 100.0);
        assert_eq!(times.len(), 2);
        assert_eq!(
            (&times[0]["user"], &times[0]["system"]),
            (&json!(1.0), &json!(2.0))
        );
        let text = "Inter-|\n face |\n  lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n";
        assert_eq!(
            json!(traffic(text)),
            json!({"lo": {
                "bytes_sent": 5, "bytes_recv": 1, "packets_sent": 6, "packets_recv": 2, "errin": 3, "errout": 7,
                "dropin": 4, "dropout": 8,
            }})
        );
        assert_eq!(unescaped("/a\\040b"), "/a b");
    }

    #[test]
    fn this_host_is_told_of() {
        let host = Host::new();
        let call = |call: Call| host.call(call).value;
        let memory = call(Call::new("ps.virtual_memory"));
        assert_eq!(memory["total"], call(Call::new("ps.total_physical_memory")));
        assert!(call(Call::new("ps.num_cpus")).as_u64().unwrap() > 0);
        let boot = call(Call::new("ps.boot_time")).as_i64().unwrap();
        assert!(boot < Timestamp::now().as_second());
        let year = call(Call::new("ps.boot_time").arg("%Y"));
        assert_eq!(year.as_str().map(str::len), Some(4));
        assert!(call(Call::new("ps.disk_usage").arg("/"))["total"].as_u64() > Some(0));
        assert!(
            !host
                .call(Call::new("ps.disk_usage").arg("/no/such"))
                .success
        );
        assert_eq!(
            call(Call::new("ps.network_io_counters").arg("none0")),
            json!(false)
        );
        assert!(call(Call::new("ps.cpu_times"))["idle"].as_f64() > Some(0.0));
        let all = call(Call::new("ps.disk_partitions").arg(true));
        assert!(
            all.as_array()
                .unwrap()
                .iter()
                .any(|mount| mount["mountpoint"] == "/proc")
        );
    }
}
