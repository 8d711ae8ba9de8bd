//! `mount`: file systems and swap space in use, and the table of those to use at boot.

pub(crate) mod active;
pub(crate) mod fstab;
pub(crate) mod remembered;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process::query;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "mount.active",
        "extended=False",
        "The mounted file systems by mount point.",
        "mount.active",
        |args, env| {
            let is_extended = args.flag("extended");
            Ok(active::read(env, is_extended)?
                .iter()
                .map(|mount| mount.report(is_extended))
                .collect::<Map<_, _>>()
                .into())
        },
    ),
    Function::new(
        "mount.fstab",
        "config='/etc/fstab'",
        "The table of file systems by mount point.",
        "mount.fstab",
        |args, _| {
            Ok(Value::Object(fstab::entries(Path::new(
                &args.text("config")?,
            ))?))
        },
    ),
    Function::new(
        "mount.is_mounted",
        "name",
        "Whether something is mounted on a path.",
        "mount.is_mounted /mnt/share",
        |args, _| Ok(json!(active::is_mounted(&args.text("name")?)?)),
    ),
    Function::new(
        "mount.mount",
        "name, device=False, mkmnt=False, fstype='', opts='defaults', user=None, util='mount'",
        "Mount a device, or without one what the table says of the path; answers true or what went wrong.",
        "mount.mount /mnt/foo /dev/sdz1 True",
        |args, env| {
            check_util(args)?;
            mount(env, &Mount::of(args)?)
        },
    ),
    Function::new(
        "mount.remount",
        "name, device, mkmnt=False, fstype='', opts='defaults', user=None",
        "Mount a device again with other options; answers true or what went wrong.",
        "mount.remount /mnt/foo /dev/sdz1 True",
        |args, env| remount(env, &Mount::of(args)?),
    ),
    Function::new(
        "mount.rm_fstab",
        "name, device, config='/etc/fstab'",
        "Remove the lines of a mount point, of one device where it is named, from the table.",
        "mount.rm_fstab /mnt/foo /dev/sdg",
        |args, _| {
            let device = args.optional_text("device")?;
            fstab::remove(
                &args.text("name")?,
                device.as_deref(),
                Path::new(&args.text("config")?),
            )?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "mount.set_fstab",
        "name, device, fstype, opts='defaults', dump=0, pass_num=0, config='/etc/fstab', test=False, match_on='auto', not_change=False, **kwargs",
        "Keep a line in the table; answers new, change or present.",
        "mount.set_fstab /mnt/foo /dev/sdz1 ext4",
        |args, _| {
            let entry = fstab::Entry {
                device: args.text("device")?,
                name: args.text("name")?,
                fstype: args.text("fstype")?,
                opts: list(args.value("opts")).join(","),
                dump: args.text("dump")?,
                pass: args.text("pass_num")?,
            };
            let keys = fstab::keys(args.value("match_on"), &entry.fstype)?;
            let set = fstab::Setting {
                keys: &keys,
                keeps_old: args.flag("not_change"),
                is_test: args.flag("test"),
            };
            Ok(json!(fstab::set(
                &entry,
                Path::new(&args.text("config")?),
                &set
            )?))
        },
    ),
    Function::new(
        "mount.swapoff",
        "name",
        "Stop the use of swap space; nothing when it is not in use.",
        "mount.swapoff /srv/swapfile",
        |args, env| {
            let name = args.text("name")?;
            if !active::swaps()?.contains_key(&name) {
                return Ok(Value::Null);
            }
            query(&["swapoff", &name], env.cancel)?;
            Ok(json!(!active::swaps()?.contains_key(&name)))
        },
    ),
    Function::new(
        "mount.swapon",
        "name, priority=None",
        "Use swap space.",
        "mount.swapon /srv/swapfile",
        |args, env| {
            swap_on(
                env,
                &args.text("name")?,
                args.optional_text("priority")?.as_deref(),
            )
        },
    ),
    Function::new(
        "mount.swaps",
        "",
        "The swap space in use.",
        "mount.swaps",
        |_, _| Ok(Value::Object(active::swaps()?)),
    ),
    Function::new(
        "mount.umount",
        "name, device=None, user=None, util='mount', lazy=False",
        "Unmount a path, or a device; answers true or what went wrong.",
        "mount.umount /mnt/foo",
        |args, env| {
            check_util(args)?;
            let (device, user) = (args.optional_text("device")?, args.optional_text("user")?);
            unmount(
                env,
                &args.text("name")?,
                device.as_deref(),
                user.as_deref(),
                args.flag("lazy"),
            )
        },
    ),
];

fn check_util(args: &Args) -> Result<(), Failure> {
    match args.text("util")?.as_str() {
        "mount" => Ok(()),
        other => Err(Failure::invocation(format!(
            "util '{other}' is not served: mount is"
        ))),
    }
}

/// Options as a list, from one or from text with commas.
pub(crate) fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        one => python::text(one).split(',').map(str::to_owned).collect(),
    }
}

/// What is to be mounted where.
pub(crate) struct Mount {
    pub(crate) name: String,
    pub(crate) device: Option<String>,
    pub(crate) makes_directory: bool,
    pub(crate) fstype: String,
    pub(crate) opts: Vec<String>,
    pub(crate) user: Option<String>,
}

impl Mount {
    fn of(args: &Args) -> Result<Mount, Failure> {
        let device = args.value("device");
        Ok(Mount {
            name: args.text("name")?,
            device: python::truthy(device).then(|| python::text(device)),
            makes_directory: args.flag("mkmnt"),
            fstype: args.text("fstype")?,
            opts: list(args.value("opts")),
            user: args.optional_text("user")?,
        })
    }
}

/// Runs a program, as a user if one is named; answers true or what it says against it.
fn run(env: &Env, argv: &[&str], user: Option<&str>) -> Answer {
    let (retcode, error) = match user {
        None => {
            let done = query(argv, env.cancel)?;
            (done.retcode, done.stderr.trim_end().to_owned())
        }
        Some(user) => {
            let call = Call::new("cmd.run_all")
                .arg(json!(argv))
                .kwarg("python_shell", false);
            let done = env.call(&call.kwarg("runas", user))?.value;
            let retcode = done["retcode"]
                .as_i64()
                .and_then(|code| i32::try_from(code).ok());
            (retcode.unwrap_or(1), python::text(&done["stderr"]))
        }
    };
    Ok(if retcode == 0 {
        json!(true)
    } else {
        json!(error)
    })
}

pub(crate) fn mount(env: &Env, wanted: &Mount) -> Answer {
    if wanted.makes_directory && !Path::new(&wanted.name).exists() {
        let call = Call::new("file.mkdir").arg(wanted.name.as_str());
        env.call(&call.kwarg("user", wanted.user.clone()))?;
    }
    let opts = wanted.opts.join(",");
    let mut argv = vec!["mount"];
    if let Some(device) = &wanted.device {
        argv.extend(["-o", &opts]);
        if !wanted.fstype.is_empty() {
            argv.extend(["-t", &wanted.fstype]);
        }
        argv.push(device);
    }
    argv.push(&wanted.name);
    run(env, &argv, wanted.user.as_deref())
}

/// Mounts again what is mounted, else for the first time.
pub(crate) fn remount(env: &Env, wanted: &Mount) -> Answer {
    let mut opts = wanted.opts.clone();
    let is_mounted = active::is_mounted(&wanted.name)?;
    if is_mounted && !opts.iter().any(|opt| opt == "remount") {
        opts.push("remount".to_owned());
    }
    let again = Mount {
        name: wanted.name.clone(),
        device: wanted.device.clone(),
        makes_directory: wanted.makes_directory && !is_mounted,
        fstype: wanted.fstype.clone(),
        opts,
        user: wanted.user.clone(),
    };
    mount(env, &again)
}

pub(crate) fn unmount(
    env: &Env,
    name: &str,
    device: Option<&str>,
    user: Option<&str>,
    is_lazy: bool,
) -> Answer {
    if !active::is_mounted(name)? {
        return Ok(json!(format!("{name} does not have anything mounted")));
    }
    let mut argv = vec!["umount"];
    if is_lazy {
        argv.push("-l");
    }
    argv.push(device.unwrap_or(name));
    run(env, &argv, user)
}

pub(crate) fn swap_on(env: &Env, name: &str, priority: Option<&str>) -> Answer {
    if let Some(stats) = active::swaps()?.get(name) {
        return Ok(json!({"stats": stats, "new": false}));
    }
    let mut argv = vec!["swapon", name];
    if let Some(priority) = priority {
        argv.extend(["-p", priority]);
    }
    query(&argv, env.cancel)?;
    Ok(match active::swaps()?.get(name) {
        Some(stats) => json!({"stats": stats, "new": true}),
        None => json!({}),
    })
}
