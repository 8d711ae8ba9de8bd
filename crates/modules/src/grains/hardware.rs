//! Processors, memory, disks, firmware.

use std::fs;

use serde_json::{Map, Value, json};

use super::Root;

/// Grain and file below `/sys/class/dmi/id`.
const FIRMWARE: [(&str, &str); 8] = [
    ("biosversion", "bios_version"),
    ("biosvendor", "bios_vendor"),
    ("boardname", "board_name"),
    ("productname", "product_name"),
    ("manufacturer", "sys_vendor"),
    ("biosreleasedate", "bios_date"),
    ("uuid", "product_uuid"),
    ("serialnumber", "product_serial"),
];

pub(super) fn of(root: &Root) -> Map<String, Value> {
    let mut grains = processors(root);
    let kilobytes = |name: &str| {
        let text = root.text("/proc/meminfo");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_default();
        value
            .split_whitespace()
            .next()
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or_default()
    };
    // Salt counts in MiB.
    grains.insert("mem_total".to_owned(), json!(kilobytes("MemTotal") / 1024));
    grains.insert(
        "swap_total".to_owned(),
        json!(kilobytes("SwapTotal") / 1024),
    );
    for (grain, file) in FIRMWARE {
        if let Some(value) = root.line(&format!("/sys/class/dmi/id/{file}")) {
            let value = if grain == "uuid" {
                value.to_lowercase()
            } else {
                value
            };
            grains.insert(grain.to_owned(), json!(value));
        }
    }
    grains.insert("efi".to_owned(), json!(root.exists("/sys/firmware/efi")));
    grains.extend(disks(root));
    grains
}

fn processors(root: &Root) -> Map<String, Value> {
    let (mut count, mut model, mut flags) = (0, "Unknown".to_owned(), Vec::new());
    for line in root.text("/proc/cpuinfo").lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "processor" => count += 1,
            "# processors" => count = value.parse().unwrap_or(count),
            "model name" | "cpu" | "Processor" => model = value.to_owned(),
            "vendor_id" if model == "Unknown" => model = value.to_owned(),
            "flags" | "Features" => flags = value.split_whitespace().map(str::to_owned).collect(),
            _ => {}
        }
    }
    let grains = json!({"num_cpus": count, "cpu_model": model, "cpu_flags": flags});
    grains.as_object().cloned().unwrap_or_default()
}

fn disks(root: &Root) -> Map<String, Value> {
    let (mut disks, mut ssds) = (Vec::new(), Vec::new());
    for name in root.names("/sys/block") {
        let target = fs::read_link(root.path(&format!("/sys/block/{name}"))).unwrap_or_default();
        if target.starts_with("../devices/virtual") {
            continue;
        }
        match root
            .line(&format!("/sys/block/{name}/queue/rotational"))
            .as_deref()
        {
            Some("0") => ssds.push(json!(name)),
            Some("1") => disks.push(json!(name)),
            _ => {}
        }
    }
    [
        ("disks".to_owned(), Value::Array(disks)),
        ("ssds".to_owned(), Value::Array(ssds)),
    ]
    .into_iter()
    .collect()
}
