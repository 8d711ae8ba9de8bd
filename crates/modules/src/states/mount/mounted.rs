//! `mount.mounted`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};
use sls::python_regex::Flags;

use super::{Args, Failure, Return, StateAnswer, StateEnv, config, fstab, list, options, returned};
use crate::call::Call;
use crate::edit::substitution::{compile, found};
use crate::functions::mount::active::{Active, escaped, read};
use crate::functions::mount::fstab::{Entry, Setting, keys, set};
use crate::functions::mount::{self, Mount, remembered};
use crate::process::query;
use crate::python;

/// What a state says and what is found of it on the way.
struct Wanted<'a> {
    args: &'a Args<'a>,
    env: &'a StateEnv<'a>,
    name: String,
    /// The mount point behind links.
    real_name: String,
    device: String,
    /// The device as the kernel names it.
    real_device: String,
    fstype: String,
    opts: Vec<String>,
    /// Devices that are the one in use.
    in_use: Vec<String>,
}

pub(super) fn mounted(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, device) = (args.text("name")?, args.text("device")?);
    let fstype = args.text("fstype")?;
    for (value, what) in [(&name, "name"), (&device, "device"), (&fstype, "fstype")] {
        if value.is_empty() {
            return Ok(returned(
                false,
                format!("Must provide {what} to mount.mounted"),
            ));
        }
    }
    let bare = name.trim_end_matches('/');
    let name = if name == "/" { name } else { bare.to_owned() };
    let real_name = fs::canonicalize(&name)
        .map_or_else(|_| name.clone(), |path| path.to_string_lossy().into_owned());
    let mut active = read(env.env, true)?;
    let mut wanted = Wanted {
        args,
        env,
        real_name,
        real_device: device.clone(),
        device,
        fstype,
        opts: list(args.value("opts")),
        in_use: Vec::new(),
        name,
    };
    if let Some(refused) = wanted.find_device(&mut active)? {
        return Ok(refused);
    }
    let mut done = returned(true, "");
    let mut has_mounted = false;
    let mounts = args.flag("mount");
    let mut is_active = wanted.in_list(&active).is_some();
    if let Some(there) = wanted.in_list(&active).filter(|_| mounts) {
        match wanted.settle(there, &mut done)? {
            Settled::Ended => return Ok(done),
            Settled::Mounted {
                anew,
                is_active: now,
            } => {
                has_mounted |= anew;
                is_active = now;
            }
        }
    }
    if !is_active {
        if mounts {
            if !wanted.mount_first(&mut done)? {
                return Ok(done);
            }
            has_mounted = true;
        } else {
            wanted.leave_unmounted(&mut done)?;
        }
    }
    if args.flag("persist") {
        wanted.persist(&mut done, has_mounted)?;
    }
    Ok(done)
}

/// What came of a mount that was there.
enum Settled {
    /// The state ends.
    Ended,
    Mounted {
        anew: bool,
        is_active: bool,
    },
}

impl Wanted<'_> {
    fn in_list<'m>(&self, active: &'m [Active]) -> Option<&'m Active> {
        let name = escaped(&self.real_name);
        active.iter().find(|mount| mount.name == name)
    }

    /// Finds the device as the kernel names it; a return ends the state.
    fn find_device(&mut self, active: &mut [Active]) -> Result<Option<Return>, Failure> {
        let upper = self.device.to_uppercase();
        if self.device.starts_with('/') {
            if self.opts.iter().any(|opt| opt == "bind") && self.in_list(active).is_some() {
                self.find_bound_device(active);
            } else if let Ok(path) = fs::canonicalize(&self.device) {
                self.real_device = path.to_string_lossy().into_owned();
            }
        } else if upper.starts_with("UUID=") {
            let uuid = self.device.split('=').nth(1).unwrap_or_default();
            self.real_device = uuid.trim_matches('"').to_lowercase();
        } else if upper.starts_with("LABEL=") {
            let label = self.device.split('=').nth(1).unwrap_or_default().to_owned();
            let done = query(
                &["blkid", "-t", &format!("LABEL={label}")],
                self.env.env.cancel,
            )?;
            if done.retcode > 0 {
                let comment = format!("Unable to find device with label {label}.");
                return Ok(Some(returned(false, comment)));
            }
            let device = done.stdout.split(':').next().unwrap_or_default().to_owned();
            self.in_use.push(device.clone());
            self.real_device = device;
        }
        let shape = |pattern: &str| {
            Regex::new(pattern).map_err(|error| Failure::command(error.to_string()))
        };
        if let Some(found) = shape(r"^/dev/([^/]+)/([^/]+)$")?.captures(&self.device) {
            let mapper = format!(
                "/dev/mapper/{}-{}",
                found[1].replace('-', "--"),
                found[2].replace('-', "--")
            );
            if Path::new(&mapper).exists() {
                self.real_device = mapper;
            }
        }
        if let Some(found) = shape(r"^\w+#(.+)")?.captures(&self.device) {
            self.real_device = found[1].to_owned();
        }
        Ok(None)
    }

    /// A bound directory is on the device of the file system that it is in.
    fn find_bound_device(&mut self, active: &mut [Active]) {
        let Some(there) = self.in_list(active).cloned() else {
            return;
        };
        let mut source = None;
        if there.device.starts_with('/') {
            let mut directory = Some(Path::new(&self.device));
            while let (Some(path), None) = (directory, &source) {
                let name = escaped(&path.to_string_lossy());
                source = active.iter().find(|mount| mount.name == name).cloned();
                directory = path.parent();
            }
            self.real_device = source
                .as_ref()
                .map_or(there.device, |mount| mount.device.clone());
        } else {
            let name = escaped(&self.device);
            source = active.iter().find(|mount| mount.name == name).cloned();
            self.real_device = there.device;
        }
        let Some(source) = source else {
            return;
        };
        if self.args.flag("bind_mount_copy_active_opts") {
            let all: BTreeSet<String> = self
                .opts
                .drain(..)
                .chain(source.opts)
                .chain(source.superopts)
                .collect();
            self.opts = all.into_iter().collect();
        }
        let name = escaped(&self.real_name);
        if let Some(there) = active.iter_mut().find(|mount| mount.name == name) {
            there.opts.push("bind".to_owned());
        }
    }

    fn mount_of(&self, name: &str) -> Result<Mount, Failure> {
        Ok(Mount {
            name: name.to_owned(),
            device: Some(self.device.clone()),
            makes_directory: self.args.flag("mkmnt"),
            fstype: self.fstype.clone(),
            opts: self.opts.clone(),
            user: None,
        })
    }

    /// Brings a mount that is there in line: its options, then its device.
    fn settle(&mut self, there: &Active, done: &mut Return) -> Result<Settled, Failure> {
        self.in_use.push(there.device.clone());
        let real = fs::canonicalize(&self.in_use[0]);
        let real = real.map(|path| path.to_string_lossy().into_owned()).ok();
        let others = [
            real,
            there.alt_device.clone(),
            there.uuid.clone(),
            there.label.clone(),
        ];
        self.in_use.extend(others.into_iter().flatten());
        let mut anew = false;
        if !self.opts.is_empty() {
            match self.settle_options(there, done)? {
                Some(changed) => anew = changed,
                None => return Ok(Settled::Ended),
            }
        }
        if self.in_use.contains(&self.real_device) {
            done.comment = "Target was already mounted".to_owned();
            return Ok(Settled::Mounted {
                anew,
                is_active: true,
            });
        }
        for pattern in list(self.args.value("device_name_regex")) {
            let regex = compile(&pattern, Flags::default())?;
            for device in &self.in_use {
                if found(regex.find(device))?.is_some_and(|found| found.start() == 0) {
                    done.result = Some(true);
                    done.comment = format!(
                        "An umount will not be forced because device matched device_name_regex: {device}"
                    );
                    return Ok(Settled::Mounted {
                        anew,
                        is_active: true,
                    });
                }
            }
        }
        if self.env.is_test {
            done.result = None;
            let device = &self.device;
            done.comment = format!(
                "An umount would have been forced because devices do not match.  Watched: {device}"
            );
            return Ok(Settled::Mounted {
                anew,
                is_active: true,
            });
        }
        let mut change = format!(
            "Forced unmount because devices don't match. Wanted: {}",
            self.device
        );
        if self.real_device != self.device {
            change.push_str(&format!(" ({})", self.real_device));
        }
        change.push_str(&format!(", current: {}", self.in_use.join(", ")));
        done.changes.insert("umount".to_owned(), json!(change));
        let user = self.args.optional_text("user")?;
        mount::unmount(self.env.env, &self.real_name, None, user.as_deref(), false)?;
        if self.in_list(&read(self.env.env, true)?).is_some() {
            done.comment = "Unable to unmount".to_owned();
            done.result = Some(false);
            return Ok(Settled::Ended);
        }
        Ok(Settled::Mounted {
            anew: true,
            is_active: false,
        })
    }

    /// Mounts again where options are not in force, or went since the last time; whether it did, none when the state ends.
    fn settle_options(
        &mut self,
        there: &Active,
        done: &mut Return,
    ) -> Result<Option<bool>, Failure> {
        let mut anew = false;
        let (missing, last) = options::missing(self.args, &self.opts, &self.fstype, there);
        if !missing.is_empty() {
            let missing = missing.join(",");
            if self.env.is_test {
                done.result = None;
                done.comment =
                    format!("Remount would be forced because options ({missing}) changed");
                return Ok(None);
            }
            if !self.mount_again(done, &missing)? {
                return Ok(None);
            }
            anew = true;
        }
        let Some(before) = remembered::options(self.env.env, &self.real_name) else {
            return Ok(Some(true));
        };
        let gone: Vec<String> = before
            .into_iter()
            .filter(|opt| !self.opts.contains(opt))
            .collect();
        if !gone.is_empty() {
            if self.env.is_test {
                done.result = None;
                done.comment = format!(
                    "Remount would be forced because options ({})changed",
                    gone.join(",")
                );
                return Ok(None);
            }
            if !self.mount_again(done, &last)? {
                return Ok(None);
            }
            anew = true;
        }
        Ok(Some(anew))
    }

    /// Mounts again because of options; false when the state ends.
    fn mount_again(&mut self, done: &mut Return, because: &str) -> Result<bool, Failure> {
        let env = self.env.env;
        let wanted = self.mount_of(&self.real_name)?;
        let needs_unmount =
            matches!(self.fstype.as_str(), "nfs" | "cvfs") || self.fstype.starts_with("fuse");
        let out = if needs_unmount {
            let mut change =
                format!("Forced unmount and mount because options ({because}) changed");
            let mut out = mount::unmount(env, &self.real_name, None, None, false)?;
            if out != json!(true) {
                change = format!(
                    "Forced a lazy unmount and mount because the previous unmount failed and because the options ({because}) changed"
                );
                out = mount::unmount(env, &self.real_name, None, None, true)?;
            }
            done.changes.insert("umount".to_owned(), json!(change));
            if out != json!(true) {
                done.result = Some(false);
                done.comment = format!(
                    "Unable to unmount {}: {}.",
                    self.real_name,
                    python::text(&out)
                );
                return Ok(false);
            }
            mount::mount(env, &wanted)?
        } else {
            let change = format!("Forced remount because options ({because}) changed");
            done.changes.insert("umount".to_owned(), json!(change));
            self.opts.retain(|opt| opt != "remount");
            mount::remount(env, &wanted)?
        };
        if let Value::String(error) = out {
            done.result = Some(false);
            done.comment = error;
            return Ok(false);
        }
        Ok(true)
    }

    /// Mounts what is not mounted; false when the state ends.
    fn mount_first(&self, done: &mut Return) -> Result<bool, Failure> {
        let name = &self.name;
        let (exists, makes) = (Path::new(name).exists(), self.args.flag("mkmnt"));
        if self.env.is_test {
            done.result = None;
            done.comment = match (exists, makes) {
                (true, _) => format!("{name} would be mounted"),
                (false, true) => format!("{name} would be created and mounted"),
                (false, false) => format!("{name} does not exist and would not be created"),
            };
            return Ok(false);
        }
        if !exists && !makes {
            done.result = Some(false);
            done.comment = "Mount directory is not present".to_owned();
            return Ok(false);
        }
        let wanted = Mount {
            user: self.args.optional_text("user")?,
            ..self.mount_of(name)?
        };
        if let Value::String(error) = mount::mount(self.env.env, &wanted)? {
            done.result = Some(false);
            done.comment = error;
            return Ok(false);
        }
        if self.in_list(&read(self.env.env, true)?).is_some() {
            done.comment = "Target was successfully mounted".to_owned();
            done.changes.insert("mount".to_owned(), json!(true));
        }
        Ok(true)
    }

    /// What `mount: False` does about a path that nothing is mounted on.
    fn leave_unmounted(&self, done: &mut Return) -> Result<(), Failure> {
        let name = &self.name;
        let (exists, makes) = (Path::new(name).exists(), self.args.flag("mkmnt"));
        done.comment = match (exists, makes, self.env.is_test) {
            (true, _, true) => format!("{name} would not be mounted"),
            (true, _, false) => format!("{name} not mounted"),
            (false, true, true) => format!("{name} would be created, but not mounted"),
            (false, false, true) => {
                format!("{name} does not exist and would neither be created nor mounted")
            }
            (false, true, false) => {
                let call = Call::new("file.mkdir").arg(name.as_str());
                self.env
                    .call(&call.kwarg("user", self.args.value("user").clone()))?;
                format!("{name} was created, not mounted")
            }
            (false, false, false) => format!("{name} not present and not mounted"),
        };
        if self.env.is_test && !exists {
            done.result = None;
        }
        Ok(())
    }

    /// Keeps the line of the table.
    fn persist(&self, done: &mut Return, has_mounted: bool) -> Result<(), Failure> {
        let entry = Entry {
            device: self.device.clone(),
            name: self.name.clone(),
            fstype: self.fstype.clone(),
            opts: self.opts.join(","),
            dump: self.args.text("dump")?,
            pass: self.args.text("pass_num")?,
        };
        let keys = keys(self.args.value("match_on"), &self.fstype)?;
        let setting = Setting {
            keys: &keys,
            keeps_old: false,
            is_test: self.env.is_test,
        };
        let (_, path) = config(self.args)?;
        let out = set(&entry, &path, &setting)?;
        if !self.env.is_test {
            if has_mounted {
                remembered::keep(self.env.env, &self.real_name, &self.opts)?;
            }
            *done = fstab::kept(out, std::mem::take(done));
            return Ok(());
        }
        let (name, mounts) = (&self.name, self.args.flag("mount"));
        let comment = match (out, mounts) {
            ("present", _) => {
                *done = fstab::kept(out, std::mem::take(done));
                return Ok(());
            }
            ("new", true) => format!(
                "{name} is mounted, but needs to be written to the fstab in order to be made persistent."
            ),
            ("new", false) => {
                format!("{name} needs to be written to the fstab in order to be made persistent.")
            }
            (_, true) => format!("{name} is mounted, but its fstab entry must be updated."),
            (_, false) => format!("The {name} fstab entry must be updated."),
        };
        done.result = None;
        done.comment = format!("{}. {comment}", done.comment);
        Ok(())
    }
}
