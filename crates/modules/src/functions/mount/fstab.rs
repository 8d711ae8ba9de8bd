//! The table of file systems: `/etc/fstab`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Failure;
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::edit::text::{Text, byte_lines};
use crate::python;

/// Kinds of file systems whose device says nothing: lines of them are told apart by their mount points.
const WITHOUT_DEVICE: [&str; 14] = [
    "none",
    "tmpfs",
    "sysfs",
    "proc",
    "fusectl",
    "debugfs",
    "securityfs",
    "devtmpfs",
    "cgroup",
    "nfs",
    "nfs4",
    "glusterfs",
    "btrfs",
    "ceph",
];

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) device: String,
    pub(crate) name: String,
    pub(crate) fstype: String,
    pub(crate) opts: String,
    pub(crate) dump: String,
    pub(crate) pass: String,
}

/// How a line is set.
pub(crate) struct Setting<'a> {
    /// The columns that make another line the same one.
    pub(crate) keys: &'a [String],
    pub(crate) keeps_old: bool,
    pub(crate) is_test: bool,
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with('#') || !(4..=6).contains(&words.len()) {
            return None;
        }
        let word = |at: usize| words.get(at).copied().unwrap_or("0").to_owned();
        Some(Entry {
            device: word(0),
            name: word(1),
            fstype: word(2),
            opts: word(3),
            dump: word(4),
            pass: word(5),
        })
    }

    fn line(&self) -> String {
        format!(
            "{}\t\t{}\t{}\t{}\t{} {}\n",
            self.device, self.name, self.fstype, self.opts, self.dump, self.pass
        )
    }

    fn column(&self, key: &str) -> Option<&str> {
        Some(match key {
            "device" => &self.device,
            "name" => &self.name,
            "fstype" => &self.fstype,
            "opts" => &self.opts,
            "dump" => &self.dump,
            "pass_num" => &self.pass,
            _ => return None,
        })
    }

    /// Whether another line has the same in some columns, options in any order.
    fn is(&self, other: &Entry, keys: &[&str]) -> bool {
        let sorted = |opts: &str| {
            let mut opts: Vec<String> = opts.split(',').map(str::to_owned).collect();
            opts.sort();
            opts
        };
        keys.iter().all(|key| match *key {
            "opts" => sorted(&self.opts) == sorted(&other.opts),
            key => self.column(key) == other.column(key),
        })
    }
}

/// The columns that `match_on` names: by default the device, or the mount point where devices say nothing.
pub(crate) fn keys(match_on: &Value, fstype: &str) -> Result<Vec<String>, Failure> {
    let keys = match match_on {
        Value::Array(keys) => keys.iter().map(python::text).collect(),
        Value::String(auto) if auto == "auto" => {
            let key = if WITHOUT_DEVICE.contains(&fstype) {
                "name"
            } else {
                "device"
            };
            vec![key.to_owned()]
        }
        Value::String(key) => vec![key.clone()],
        _ => {
            return Err(Failure::command(
                "match_on must be a string or list of strings",
            ));
        }
    };
    let known = ["device", "name", "fstype", "opts", "dump", "pass_num"];
    match keys.iter().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Failure::command(format!(
            "Unrecognized keys in match_on: \"{key}\""
        ))),
        None => Ok(keys),
    }
}

/// The lines by mount point; a mount point that stands again gets an underscore more.
pub(crate) fn entries(config: &Path) -> Result<Map<String, Value>, Failure> {
    let mut all = Map::new();
    if !config.is_file() {
        return Ok(all);
    }
    for line in byte_lines(Text::read(config)?.as_str()) {
        let Some(entry) = Entry::parse(line) else {
            continue;
        };
        let mut name = entry.name;
        while all.contains_key(&name) {
            name.push('_');
        }
        let opts: Vec<&str> = entry.opts.split(',').collect();
        let shown = json!({
            "device": entry.device, "fstype": entry.fstype, "opts": opts, "dump": entry.dump, "pass": entry.pass,
        });
        all.insert(name, shown);
    }
    Ok(all)
}

/// Keeps a line; answers `new`, `change` or `present`.
pub(crate) fn set(
    wanted: &Entry,
    config: &Path,
    setting: &Setting,
) -> Result<&'static str, Failure> {
    let wanted = Entry {
        device: wanted.device.replace("\\ ", "\\040"),
        opts: wanted.opts.replace("\\ ", "\\040"),
        ..wanted.clone()
    };
    if !config.is_file() {
        let text = format!("Bad config file \"{}\"", config.display());
        return Err(Failure::command(text));
    }
    let text = Text::read(config)?;
    let keys: Vec<&str> = setting.keys.iter().map(String::as_str).collect();
    let all = ["device", "name", "fstype", "opts", "dump", "pass_num"];
    let (mut new, mut done) = (String::new(), None);
    for line in byte_lines(text.as_str()) {
        match Entry::parse(line).filter(|entry| wanted.is(entry, &keys)) {
            Some(entry) if !setting.keeps_old && !wanted.is(&entry, &all) => {
                done = Some("change");
                new.push_str(&wanted.line());
            }
            Some(_) => {
                done = Some("present");
                new.push_str(line);
            }
            None => new.push_str(line),
        }
    }
    let done = done.unwrap_or_else(|| {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        new.push_str(&wanted.line());
        "new"
    });
    if done != "present" && !setting.is_test {
        write(config, &text, &new)?;
    }
    Ok(done)
}

/// Removes the lines of a mount point, of one device where it is named.
pub(crate) fn remove(name: &str, device: Option<&str>, config: &Path) -> Result<(), Failure> {
    let text = Text::read(config)?;
    let is_kept = |line: &&str| {
        let entry = Entry::parse(line);
        !entry.is_some_and(|entry| {
            entry.name == name && device.is_none_or(|device| device == entry.device)
        })
    };
    let new: String = byte_lines(text.as_str())
        .into_iter()
        .filter(is_kept)
        .collect();
    if new == text.as_str() {
        return Ok(());
    }
    write(config, &text, &new)
}

fn write(config: &Path, text: &Text, new: &str) -> Result<(), Failure> {
    replace(config, &text.bytes_of(new), PUBLIC_MODE)
        .map_err(|_| Failure::command(format!("File not writable {}", config.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_once() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("fstab");
        std::fs::write(&config, "# table\n/dev/a / ext4 rw,noatime 0 1\nodd\n").unwrap();
        let entry = |device: &str, name: &str, opts: &str| Entry {
            device: device.to_owned(),
            name: name.to_owned(),
            fstype: "ext4".to_owned(),
            opts: opts.to_owned(),
            dump: "0".to_owned(),
            pass: "1".to_owned(),
        };
        let check = |entry: Entry, is_test: bool, expected: &str| {
            let keys = keys(&json!("auto"), &entry.fstype).unwrap();
            let setting = Setting {
                keys: &keys,
                keeps_old: false,
                is_test,
            };
            assert_eq!(set(&entry, &config, &setting).unwrap(), expected);
        };
        check(entry("/dev/a", "/", "noatime,rw"), false, "present");
        check(entry("/dev/b", "/b", "ro"), true, "new");
        check(entry("/dev/b", "/b", "ro"), false, "new");
        check(entry("/dev/b", "/b", "rw"), false, "change");
        let text = std::fs::read_to_string(&config).unwrap();
        assert_eq!(
            text,
            "# table\n/dev/a / ext4 rw,noatime 0 1\nodd\n/dev/b\t\t/b\text4\trw\t0 1\n"
        );
        let shown =
            json!({"device": "/dev/b", "fstype": "ext4", "opts": ["rw"], "dump": "0", "pass": "1"});
        assert_eq!(entries(&config).unwrap()["/b"], shown);
        remove("/b", Some("/dev/x"), &config).unwrap();
        assert_eq!(entries(&config).unwrap().len(), 2);
        remove("/b", None, &config).unwrap();
        assert_eq!(entries(&config).unwrap().len(), 1);
        assert!(keys(&json!("what"), "ext4").is_err());
    }
}
