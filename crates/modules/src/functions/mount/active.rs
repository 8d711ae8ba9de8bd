//! What is mounted, and which swap space is in use: from `/proc`.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value, json};

use super::{Env, Failure};
use crate::call::Call;
use crate::files::owner::{group_id, user_id};
use crate::process::query;
use crate::root;

/// A mounted file system.
#[derive(Debug, Default, Clone)]
pub(crate) struct Active {
    /// The mount point; blanks are `\040`.
    pub(crate) name: String,
    pub(crate) device: String,
    /// The device as the program names it.
    pub(crate) alt_device: Option<String>,
    pub(crate) fstype: String,
    pub(crate) opts: Vec<String>,
    pub(crate) superopts: Vec<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) label: Option<String>,
    /// Mount id, parent's id, major and minor number of the device, and root within the file system.
    ids: [String; 5],
}

impl Active {
    /// The mount point and what functions show of it.
    pub(super) fn report(&self, is_extended: bool) -> (String, Value) {
        let shown = if is_extended {
            let [id, parent, major, minor, root] = &self.ids;
            json!({
                "mountid": id, "parentid": parent, "major": major, "minor": minor, "root": root, "opts": self.opts, "fstype": self.fstype,
                "device": self.device, "alt_device": self.alt_device, "superopts": self.superopts, "device_uuid": self.uuid,
                "device_label": self.label,
            })
        } else {
            json!({"device": self.device, "alt_device": self.alt_device, "fstype": self.fstype, "opts": self.opts})
        };
        (self.name.clone(), shown)
    }
}

/// A path as the kernel writes it.
pub(crate) fn escaped(path: &str) -> String {
    path.replace(' ', "\\040")
}

fn read_proc(path: &str) -> Result<String, Failure> {
    let path = root::path(path);
    fs::read_to_string(&path).map_err(|error| Failure::io(&path, error))
}

/// Whether something is mounted on a path.
pub(crate) fn is_mounted(name: &str) -> Result<bool, Failure> {
    let name = escaped(name);
    let mounts = read_proc("/proc/self/mountinfo")?;
    Ok(mounts
        .lines()
        .any(|line| line.split_whitespace().nth(4) == Some(&name)))
}

/// All that is mounted; of several on one mount point the last. UUIDs and labels only with `is_extended`.
pub(crate) fn read(env: &Env, is_extended: bool) -> Result<Vec<Active>, Failure> {
    let listed = query(&["mount", "-l"], env.cancel).map(|done| done.stdout.to_string());
    let listed = listed.unwrap_or_default();
    let named: BTreeMap<&str, &str> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let device = words.next()?;
            Some((words.nth(1)?, device))
        })
        .collect();
    let attributes = match is_extended {
        true => env
            .call(&Call::new("disk.blkid"))
            .map(|outcome| outcome.value),
        false => Ok(Value::Null),
    };
    let attributes = attributes.unwrap_or_default();
    let mut all: Vec<Active> = Vec::new();
    for line in read_proc("/proc/self/mountinfo")?.lines() {
        let Some(mut mount) = parse(line) else {
            continue;
        };
        mount.alt_device = named
            .get(mount.name.as_str())
            .map(|&device| device.to_owned());
        let of_device = &attributes[mount.device.as_str()];
        mount.uuid = of_device["UUID"].as_str().map(str::to_lowercase);
        mount.label = of_device["LABEL"].as_str().map(str::to_owned);
        mount.device = mount.device.replace("\\040", "\\ ");
        match all.iter_mut().find(|known| known.name == mount.name) {
            Some(known) => *known = mount,
            None => all.push(mount),
        }
    }
    Ok(all)
}

fn parse(line: &str) -> Option<Active> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let separator = words.iter().position(|word| *word == "-")?;
    let word = |at: usize| words.get(at).map(|&word| word.to_owned());
    let (major, minor) = words.get(2)?.split_once(':')?;
    Some(Active {
        name: word(4)?,
        device: word(separator + 2)?,
        fstype: word(separator + 1)?,
        opts: options(&word(5)?),
        superopts: options(&word(separator + 3).unwrap_or_default()),
        ids: [
            word(0)?,
            word(1)?,
            major.to_owned(),
            minor.to_owned(),
            word(3)?,
        ],
        ..Active::default()
    })
}

fn options(text: &str) -> Vec<String> {
    text.split(',')
        .map(|option| by_number(option).replace("\\040", "\\ "))
        .collect()
}

/// An option with the number of the user or group that it names.
pub(crate) fn by_number(option: &str) -> String {
    let number = |name: &str, value: &str| match name {
        "uid" => user_id(&json!(value)).map(|id| id.as_raw()),
        "gid" => group_id(&json!(value)).map(|id| id.as_raw()),
        _ => None,
    };
    match option.split_once('=') {
        Some((name, value)) if !value.bytes().all(|byte| byte.is_ascii_digit()) => {
            match number(name, value) {
                Some(id) => format!("{name}={id}"),
                None => option.to_owned(),
            }
        }
        _ => option.to_owned(),
    }
}

/// The swap space in use by its path.
pub(crate) fn swaps() -> Result<Map<String, Value>, Failure> {
    let text = read_proc("/proc/swaps")?;
    let lines = text.lines().filter(|line| !line.starts_with("Filename"));
    Ok(lines
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, kind, size, used, priority] = words.as_slice() else {
                return None;
            };
            let stats = json!({"type": kind, "size": size, "used": used, "priority": priority});
            Some(((*name).to_owned(), stats))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mounts_are_read() {
        let line = "36 35 98:0 /sub /mnt\\040a rw,noatime,uid=root master:1 - ext3 /dev/root rw,errors=continue";
        let mount = parse(line).unwrap();
        assert_eq!(
            (mount.name.as_str(), mount.device.as_str()),
            ("/mnt\\040a", "/dev/root")
        );
        assert_eq!(mount.opts, ["rw", "noatime", "uid=0"]);
        assert_eq!(mount.superopts, ["rw", "errors=continue"]);
        assert!(parse("too short").is_none());
    }
}
