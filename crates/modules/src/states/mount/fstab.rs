//! Lines of the table of file systems: `mount.fstab_present`, `mount.fstab_absent`, and those of other states.

use serde_json::{Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, changed, config, list, returned};
use crate::call::Call;
use crate::functions::mount::fstab::{self, Entry, Setting};
use crate::functions::mount::{self, Mount};
use crate::python;

/// The device by another of its names: `device`, `uuid`, `label`, `partuuid`, `partlabel`; none when it has no such name.
fn device_by(env: &StateEnv, device: &str, by: Option<&str>) -> Result<Option<String>, Failure> {
    let Some(by) = by.filter(|by| !by.is_empty()) else {
        return Ok(Some(device.to_owned()));
    };
    let key = by.to_uppercase();
    if (by == "device" && device.starts_with('/')) || device.starts_with(&format!("{key}=")) {
        return Ok(Some(device.to_owned()));
    }
    let call = if device.starts_with('/') {
        Call::new("disk.blkid").arg(device)
    } else {
        Call::new("disk.blkid").kwarg("token", device)
    };
    let found = env.call(&call)?;
    let Some((path, attributes)) = found
        .as_object()
        .filter(|all| all.len() == 1)
        .and_then(|all| all.iter().next())
    else {
        return Ok(None);
    };
    if by == "device" {
        return Ok(Some(path.clone()));
    }
    Ok(attributes
        .get(&key)
        .map(|value| format!("{key}={}", python::text(value))))
}

fn mount_point(args: &Args) -> Result<String, Failure> {
    let name = args.text("fs_file")?;
    let bare = name.trim_end_matches('/');
    Ok(if name == "/" { name } else { bare.to_owned() })
}

pub(super) fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, fs_file) = (args.text("name")?, mount_point(args)?);
    let (config, path) = config(args)?;
    let by = args.optional_text("mount_by")?;
    let Some(device) = device_by(env, &name, by.as_deref())? else {
        let by = by.unwrap_or_default();
        return Ok(returned(
            false,
            format!("Device {name} cannot be converted to {by}"),
        ));
    };
    let entry = Entry {
        device,
        name: fs_file.clone(),
        fstype: args.text("fs_vfstype")?,
        opts: list(args.value("fs_mntops")).join(","),
        dump: args.text("fs_freq")?,
        pass: args.text("fs_passno")?,
    };
    let keys = fstab::keys(args.value("match_on"), &entry.fstype)?;
    let setting = Setting {
        keys: &keys,
        keeps_old: args.flag("not_change"),
        is_test: env.is_test,
    };
    let out = fstab::set(&entry, &path, &setting)?;
    let mounts = args.flag("mount");
    let persisted = json!({"persist": out});
    Ok(match (out, env.is_test) {
        ("present", true) => returned(true, format!("{fs_file} entry is already in {config}.")),
        ("present", false) => returned(true, format!("{fs_file} entry was already in {config}.")),
        ("change", true) => returned(
            None,
            format!("{fs_file} entry will be updated in {config}."),
        ),
        ("change", false) => changed(
            true,
            format!("{fs_file} entry updated in {config}."),
            persisted,
        ),
        (_, true) => {
            let mut comment = format!("{fs_file} entry will be written in {config}.");
            if mounts {
                comment.push_str(&format!("\nWill mount {name} on {fs_file}"));
            }
            returned(None, comment)
        }
        (_, false) => {
            let mut done = changed(
                true,
                format!("{fs_file} entry added in {config}."),
                persisted,
            );
            if mounts {
                let wanted = Mount {
                    name: fs_file.clone(),
                    device: None,
                    makes_directory: false,
                    fstype: String::new(),
                    opts: Vec::new(),
                    user: None,
                };
                let line = match mount::mount(env.env, &wanted)? {
                    Value::String(error) => {
                        done.result = Some(false);
                        let error = error
                            .split_once(':')
                            .map_or(error.as_str(), |(_, after)| after);
                        format!("Error while mounting {error}")
                    }
                    _ => format!("Mounted {name} on {fs_file}"),
                };
                done.comment.push_str(&format!("\n{line}"));
            }
            done
        }
    })
}

pub(super) fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, fs_file) = (args.text("name")?, mount_point(args)?);
    let (config, path) = config(args)?;
    let device = device_by(env, &name, args.optional_text("mount_by")?.as_deref())?;
    let is_there = fstab::entries(&path)?.contains_key(&fs_file);
    if !is_there {
        let result = if env.is_test { None } else { Some(true) };
        return Ok(returned(
            result,
            format!("{fs_file} entry is already missing in {config}."),
        ));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("{fs_file} entry will be removed from {config}."),
        ));
    }
    fstab::remove(&fs_file, device.as_deref(), &path)?;
    let comment = format!("{fs_file} entry removed from {config}.");
    Ok(changed(true, comment, json!({"persist": "removed"})))
}

/// Ends `mount.unmounted` with the removal of the line.
pub(super) fn purged(
    args: &Args,
    env: &StateEnv,
    name: &str,
    device: Option<&str>,
    mut done: Return,
) -> StateAnswer {
    let (config, path) = config(args)?;
    let entries = fstab::entries(&path)?;
    let Some(entry) = entries.get(name) else {
        done.comment.push_str(". fstab entry not found");
        return Ok(done);
    };
    if let Some(device) = device.filter(|device| entry["device"] != **device) {
        done.comment
            .push_str(&format!(". fstab entry for device {device} not found"));
        return Ok(done);
    }
    if env.is_test {
        let comment = format!(
            "Mount point {name} is unmounted but needs to be purged from {config} to be made persistent"
        );
        return Ok(Return {
            result: None,
            comment,
            ..done
        });
    }
    fstab::remove(name, device, &path)?;
    done.comment.push_str(". Removed target from fstab");
    done.changes.insert("persist".to_owned(), json!("purged"));
    Ok(done)
}

/// Ends `mount.mounted` or `mount.swap` with the keeping of the line.
pub(super) fn kept(out: &str, mut done: Return) -> Return {
    let (persist, comment) = match out {
        "new" => (Some("new"), ". Added new entry to the fstab."),
        "change" => (Some("update"), ". Updated the entry in the fstab."),
        _ => (None, ". Entry already exists in the fstab."),
    };
    done.comment.push_str(comment);
    done.changes
        .extend(persist.map(|persist| ("persist".to_owned(), json!(persist))));
    done
}
