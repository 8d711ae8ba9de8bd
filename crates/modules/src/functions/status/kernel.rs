//! Readers of the kernel's files, and of the program `w`.

use serde_json::{Map, Value, json};

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

/// A word as the number that it is, else as text.
fn number(word: &str) -> Value {
    match word.parse::<u64>() {
        Ok(number) => json!(number),
        Err(_) => word
            .parse::<f64>()
            .map_or_else(|_| json!(word), |number| json!(number)),
    }
}

pub(super) fn cpuinfo(text: &str) -> Value {
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

pub(super) fn cpustats(text: &str) -> Value {
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

pub(super) fn diskstats(text: &str) -> Value {
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

pub(super) fn loadavg(text: &str) -> Value {
    let mut loads = text
        .split_whitespace()
        .map(|word| word.parse::<f64>().unwrap_or_default());
    let mut next = || loads.next().unwrap_or_default();
    json!({"1-min": next(), "5-min": next(), "15-min": next()})
}

pub(super) fn meminfo(text: &str) -> Value {
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

pub(super) fn netdev(text: &str) -> Value {
    let device = |line: &str| {
        let (name, values) = line.rsplit_once(':')?;
        let values: Vec<&str> = values.split_whitespace().collect();
        let mut stats = named(&NET_FIELDS, &values);
        stats.insert("iface".to_owned(), json!(name.trim()));
        Some((name.trim().to_owned(), Value::Object(stats)))
    };
    Value::Object(text.lines().filter_map(device).collect())
}

pub(super) fn netstats(text: &str) -> Value {
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

pub(super) fn vmstats(text: &str) -> Value {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Value::Object(
        pairs
            .map(|(name, value)| (name.to_owned(), number(value.trim())))
            .collect(),
    )
}

pub(super) fn login(line: &str) -> Option<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [user, tty, login, idle, jcpu, pcpu, what @ ..] = words.as_slice() else {
        return None;
    };
    let what = what.join(" ");
    Some(json!({
        "user": user, "tty": tty, "login": login, "idle": idle, "jcpu": jcpu, "pcpu": pcpu, "what": what,
    }))
}
