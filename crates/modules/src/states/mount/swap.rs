//! `mount.swap`.

use std::path::Path;

use super::{Args, StateAnswer, StateEnv, config, fstab, returned};
use crate::functions::mount::active::swaps;
use crate::functions::mount::fstab::{Entry, Setting, entries, set};
use crate::functions::mount::swap_on;

pub(super) fn swap(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let mut done = returned(true, "");
    let mut active = swaps()?;
    let device = match std::fs::read_link(&name) {
        Ok(target) if target.is_absolute() => target.to_string_lossy().into_owned(),
        Ok(target) => {
            let base = target
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Path::new("/dev").join(base).to_string_lossy().into_owned()
        }
        Err(_) => name.clone(),
    };
    if active.contains_key(&device) {
        done.comment = format!("Swap {name} already active");
    } else if env.is_test {
        done.result = None;
        done.comment = format!("Swap {name} is set to be activated");
    } else {
        swap_on(env.env, &device, None)?;
        active = swaps()?;
        match active.get(&device).and_then(|stats| stats.as_object()) {
            Some(stats) => {
                done.comment = format!("Swap {name} activated");
                done.changes = stats.clone();
            }
            None => {
                done.comment = format!("Swap {name} failed to activate");
                done.result = Some(false);
            }
        }
    }
    if !args.flag("persist") {
        return Ok(done);
    }
    let (_, path) = config(args)?;
    let table = entries(&path)?;
    if env.is_test {
        let is_there =
            table.contains_key(&name) || table.values().any(|entry| entry["device"] == *name);
        if !is_there {
            done.result = None;
            if active.contains_key(&name) {
                done.comment =
                    format!("Swap {name} is set to be added to the fstab and to be activated");
            }
        }
        return Ok(done);
    }
    if table
        .get("none")
        .is_some_and(|entry| entry["device"] == *name && entry["fstype"] != "swap")
    {
        return Ok(done);
    }
    let entry = Entry {
        device: name,
        name: "none".to_owned(),
        fstype: "swap".to_owned(),
        opts: "defaults".to_owned(),
        dump: "0".to_owned(),
        pass: "0".to_owned(),
    };
    let setting = Setting {
        keys: &["device".to_owned()],
        keeps_old: false,
        is_test: false,
    };
    Ok(match set(&entry, &path, &setting)? {
        "present" => done,
        out => fstab::kept(out, done),
    })
}
