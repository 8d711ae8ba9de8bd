//! Processor time and memory of processes that come and go, from `/proc`.

use std::time::Duration;

/// The unit of times in `/proc`; Linux tells programs the same on every machine.
const TICKS_PER_SECOND: u64 = 100;

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident; what processes share counts in each of them.
    pub resident: u64,
    /// What processes share counts in parts.
    pub proportional: u64,
}

/// A line of `/proc/PID/stat`, as far as it is used.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    group: u32,
    is_zombie: bool,
    /// Of its threads, those that ended too, in ticks.
    own: u64,
    /// Of its children that ended and were waited for, in ticks.
    children: u64,
}

impl Stat {
    fn of(process: &str) -> Option<Stat> {
        // It may have ended.
        Stat::parse(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Stat> {
        // The program's name stands in brackets and may hold anything.
        let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
        let sum = |from: usize| -> Option<u64> {
            let values = fields.get(from..from + 2)?.iter();
            values.map(|ticks| ticks.parse::<u64>().ok()).sum()
        };
        Some(Stat {
            group: fields.get(2)?.parse().ok()?,
            is_zombie: *fields.first()? == "Z",
            own: sum(11)?,
            children: sum(13)?,
        })
    }
}

/// The processes of a group that have not ended.
pub fn group(id: u32) -> anyhow::Result<Vec<u32>> {
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let is_in = |stat: Stat| stat.group == id && !stat.is_zombie;
        if Stat::of(&format!("{process}")).is_some_and(is_in) {
            processes.push(process);
        }
    }
    Ok(processes)
}

/// CPU time of these processes and of their children that have ended, to a hundredth of a second for each.
pub fn cpu(processes: &[u32]) -> Duration {
    let stats = processes
        .iter()
        .filter_map(|process| Stat::of(&process.to_string()));
    ticks(stats.map(|stat| stat.own + stat.children).sum())
}

/// CPU time of commands that this program has run and waited for.
pub fn commands() -> Duration {
    ticks(Stat::of("self").map_or(0, |stat| stat.children))
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1_000 / TICKS_PER_SECOND)
}

/// Memory of these processes.
pub fn memory(processes: &[u32]) -> Memory {
    let mut memory = Memory::default();
    for process in processes {
        // It may have ended.
        let path = format!("/proc/{process}/smaps_rollup");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        memory.resident += bytes(&text, "Rss:");
        memory.proportional += bytes(&text, "Pss:");
    }
    memory
}

fn bytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets() {
        let line = "7 (a) b) S 1 42 42 0 -1 0 5 6 7 8 100 20 3 4 20 0 1 0 9\n";
        let expected = Stat {
            group: 42,
            is_zombie: false,
            own: 120,
            children: 7,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("7 (a"), None);
    }

    #[test]
    fn this_process_is_measured() {
        let own = std::process::id();
        let memory = memory(&[own]);
        assert!(memory.resident >= memory.proportional && memory.proportional > 0);
        let before = cpu(&[own]);
        while cpu(&[own]) == before {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("Rss:        12 kB\nPss:   3 kB\n", "Pss:"), 3 << 10);
        assert_eq!(bytes("", "Pss:"), 0);
    }
}
