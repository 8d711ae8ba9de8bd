//! `blockdev`: file systems on devices.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::process::{query, which};

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "blockdev.formatted",
    "name, fs_type='ext4', force=False, inode_size=None, lazy_itable_init=None, fat=None",
    "Keep a file system of a type on a device. One of another type is replaced, by programs that ask for it only with force.",
    formatted,
)];

/// How often a new file system is looked for, as a device may tell of it late.
const LOOKS: usize = 10;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(3);

/// The type of what is on a device; empty when there is nothing that is known.
fn kind(env: &StateEnv, device: &str) -> Result<String, Failure> {
    let line = ["blkid", "-o", "value", "-s", "TYPE", device];
    Ok(query(&line, env.env.cancel)?.stdout.trim().to_owned())
}

fn formatted(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, wanted) = (args.text("name")?, args.text("fs_type")?);
    if !Path::new(&name).exists() {
        return Ok(returned(false, format!("{name} does not exist")));
    }
    let old = kind(env, &name)?;
    if old == wanted {
        let comment = format!("{name} already formatted with {wanted}");
        return Ok(returned(true, comment));
    }
    if which(&format!("mkfs.{wanted}")).is_none() {
        return Ok(returned(false, format!("Invalid fs_type: {wanted}")));
    }
    if env.is_test {
        let comment = format!("Changes to {name} will be applied ");
        return Ok(returned(None, comment));
    }
    let mut format = Call::new("disk.format").arg(name.as_str());
    for parameter in ["fs_type", "force", "inode_size", "lazy_itable_init", "fat"] {
        format = format.kwarg(parameter, args.value(parameter).clone());
    }
    let is_done = env.call(&format)? == true;
    for look in 0..LOOKS {
        let new = kind(env, &name)?;
        if new == wanted {
            let comment = format!("{name} has been formatted with {wanted}");
            return Ok(changed(true, comment, json!({"new": new, "old": old})));
        }
        if !is_done || !new.is_empty() || look + 1 == LOOKS || env.env.cancel.sleep(PAUSE) {
            break;
        }
    }
    Ok(returned(false, format!("Failed to format {name}")))
}

#[cfg(test)]
mod tests {
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn devices_are_formatted() {
        let host = Host::new();
        let _root = host.lend_root();
        let device = host.write("device", "");
        host.program("blkid", "for path; do :; done; cat \"$path\"");
        host.program("mkfs.ext4", "exit 1");
        let mkfs = "kind=$2; for path; do :; done; [ \"$kind\" = xfs ] && exit 1; echo \"$kind\" > \"$path\"";
        host.program("mkfs", mkfs);
        let done = host.applies("blockdev.formatted", json!({"name": device}));
        assert_eq!(
            done.comment,
            format!("{device} has been formatted with ext4")
        );
        assert_eq!(
            (&done.changes["old"], &done.changes["new"]),
            (&json!(""), &json!("ext4"))
        );
        let unknown = json!({"name": device, "fs_type": "none"});
        let failed = host.state("blockdev.formatted", unknown, false);
        assert_eq!(failed.comment, "Invalid fs_type: none");
        host.program("mkfs.xfs", "exit 1");
        let refused = json!({"name": device, "fs_type": "xfs"});
        let failed = host.state("blockdev.formatted", refused, false);
        assert_eq!(failed.comment, format!("Failed to format {device}"));
        let gone = host.state(
            "blockdev.formatted",
            json!({"name": host.path("none")}),
            false,
        );
        assert_eq!(
            gone.comment,
            format!("{} does not exist", host.path("none"))
        );
    }
}
