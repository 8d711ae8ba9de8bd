//! `mount`: file systems, swap space, and the table of both.

mod fstab;
mod mounted;
mod options;
mod swap;

use serde_json::{Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::mount::active::{escaped, read};
use crate::functions::mount::{self, Mount, list, remembered};
use crate::python;
use crate::root;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "mount.fstab_absent",
        "name, fs_file, mount_by=None, config='/etc/fstab'",
        "Keep a line out of the table of file systems.",
        fstab::absent,
    ),
    StateFunction::new(
        "mount.fstab_present",
        "name, fs_file, fs_vfstype, fs_mntops='defaults', fs_freq=0, fs_passno=0, mount_by=None, config='/etc/fstab', mount=True, \
         match_on='auto', not_change=False, fs_mount=True",
        "Keep a line in the table of file systems.",
        fstab::present,
    ),
    StateFunction::new(
        "mount.mod_watch",
        "name, user=None, sfun=None, device=None, fstype='', opts='defaults', **kwargs",
        "Mount again when what is watched has changed.",
        mod_watch,
    ),
    StateFunction::new(
        "mount.mounted",
        "name, device, fstype, mkmnt=False, opts='defaults', dump=0, pass_num=0, config='/etc/fstab', persist=True, mount=True, user=None, \
         match_on='auto', device_name_regex=None, extra_mount_invisible_options=None, extra_mount_invisible_keys=None, \
         extra_mount_ignore_fs_keys=None, extra_mount_translate_options=None, hidden_opts=None, bind_mount_copy_active_opts=True, **kwargs",
        "Keep a file system mounted.",
        mounted::mounted,
    ),
    StateFunction::new(
        "mount.swap",
        "name, persist=True, config='/etc/fstab'",
        "Keep swap space in use.",
        swap::swap,
    ),
    StateFunction::new(
        "mount.unmounted",
        "name, device=None, config='/etc/fstab', persist=False, user=None, **kwargs",
        "Keep a file system unmounted.",
        unmounted,
    ),
];

/// The table: that of the host unless another is named.
fn config(args: &Args) -> Result<(String, std::path::PathBuf), Failure> {
    let config = args.text("config")?;
    let path = if config == "/etc/fstab" {
        root::path(&config)
    } else {
        config.clone().into()
    };
    Ok((config, path))
}

fn mod_watch(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, sfun) = (args.text("name")?, args.text("sfun")?);
    if sfun != "mounted" {
        return Ok(returned(
            true,
            format!("Watch not supported in {sfun} at this time"),
        ));
    }
    let wanted = Mount {
        name: name.clone(),
        device: args.optional_text("device")?,
        makes_directory: false,
        fstype: args.text("fstype")?,
        opts: list(args.value("opts")),
        user: args.optional_text("user")?,
    };
    let out = mount::remount(env.env, &wanted)?;
    Ok(if out == json!(true) {
        returned(true, format!("{name} remounted"))
    } else {
        returned(
            false,
            format!("{name} failed to remount: {}", python::text(&out)),
        )
    })
}

fn unmounted(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if name.is_empty() {
        return Ok(returned(false, "Must provide name to mount.unmounted"));
    }
    let (device, user) = (args.optional_text("device")?, args.optional_text("user")?);
    let active = read(env.env, true)?;
    let mut done = returned(true, "Target was already unmounted");
    if active.iter().any(|mount| mount.name == escaped(&name)) {
        if env.is_test {
            let comment = format!("Mount point {name} is mounted but should not be");
            return Ok(returned(None, comment));
        }
        let out = mount::unmount(env.env, &name, device.as_deref(), user.as_deref(), false)?;
        done = match out {
            Value::Bool(_) => changed(
                true,
                "Target was successfully unmounted",
                json!({"umount": true}),
            ),
            error => returned(false, python::text(&error)),
        };
        remembered::forget(env.env, &name)?;
    }
    if args.flag("persist") {
        return fstab::purged(args, env, &name, device.as_deref(), done);
    }
    Ok(done)
}

#[cfg(test)]
mod tests;
