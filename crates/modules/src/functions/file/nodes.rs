//! Devices, pipes and second names of files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};
use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function, absolute_path, path};
use crate::failure::python_text;
use crate::files::node::{self, Kind};
use crate::files::permissions::{self, Wanted};
use crate::files::{directories, mode};
use crate::states::Return;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.get_devmm",
        "name",
        "The major and minor number of a device; zeros for what is none.",
        "file.get_devmm /dev/null",
        |args, _| {
            let found = path(args, "name")?.metadata().ok();
            let is_device =
                |found: &fs::Metadata| Kind::Character.is_of(found) || Kind::Block.is_of(found);
            let number = found.filter(is_device).map_or(0, |found| found.rdev());
            Ok(json!([major(number), minor(number)]))
        },
    ),
    Function::new(
        "file.is_blkdev",
        "name",
        "Whether a path is a block device.",
        "file.is_blkdev /dev/sda",
        |args, _| is_of(Kind::Block, args),
    ),
    Function::new(
        "file.is_chrdev",
        "name",
        "Whether a path is a character device.",
        "file.is_chrdev /dev/null",
        |args, _| is_of(Kind::Character, args),
    ),
    Function::new(
        "file.is_fifo",
        "name",
        "Whether a path is a pipe.",
        "file.is_fifo /dev/fifo",
        |args, _| is_of(Kind::Pipe, args),
    ),
    Function::new(
        "file.is_hardlink",
        "path",
        "Whether a file has other names too.",
        "file.is_hardlink /path/to/link",
        |args, _| {
            let found = absolute_path(args, "path", "Path to file")?.symlink_metadata();
            Ok(json!(found.is_ok_and(|found| found.nlink() > 1)))
        },
    ),
    Function::new(
        "file.link",
        "src, path",
        "Give a file a second name.",
        "file.link /path/to/file /path/to/link",
        |args, _| {
            let (src, link) = (
                absolute_path(args, "src", "File path")?,
                path(args, "path")?,
            );
            fs::hard_link(&src, &link).map_err(|error| {
                let error = python_text(&src, &error);
                Failure::command(format!("Could not create '{}': {error}", link.display()))
            })?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "file.mknod",
        "name, ntype, major=0, minor=0, user=None, group=None, mode='0600'",
        "Make a character device (ntype c), block device (b) or pipe (p), with missing directories.",
        "file.mknod /dev/chr c 180 31",
        |args, env| {
            let letter = args.text("ntype")?;
            let kind = Kind::of_letter(&letter).ok_or_else(|| {
                Failure::invocation(format!(
                    "Node type unavailable: '{letter}'. Available node types are character ('c'), block ('b'), and pipe ('p')."
                ))
            })?;
            let name = path(args, "name")?;
            directories::make_parents(&name, args.value("user"), args.value("group"), None)?;
            make(&name, kind, args, env)
        },
    ),
    Function::new(
        "file.mknod_blkdev",
        "name, major, minor, user=None, group=None, mode='0660'",
        "Make a block device.",
        "file.mknod_blkdev /dev/blk 8 999",
        |args, env| make(&path(args, "name")?, Kind::Block, args, env),
    ),
    Function::new(
        "file.mknod_chrdev",
        "name, major, minor, user=None, group=None, mode='0660'",
        "Make a character device.",
        "file.mknod_chrdev /dev/chr 180 31",
        |args, env| make(&path(args, "name")?, Kind::Character, args, env),
    ),
    Function::new(
        "file.mknod_fifo",
        "name, user=None, group=None, mode='0660'",
        "Make a pipe.",
        "file.mknod_fifo /dev/fifo",
        |args, env| make(&path(args, "name")?, Kind::Pipe, args, env),
    ),
];

fn is_of(kind: Kind, args: &Args) -> Answer {
    let found = path(args, "name")?.metadata();
    Ok(json!(found.is_ok_and(|found| kind.is_of(&found))))
}

fn make(name: &Path, kind: Kind, args: &Args, env: &Env) -> Answer {
    let number = |name: &str| match (kind, args.value(name)) {
        (Kind::Pipe, Value::Null) => Ok(0),
        _ => u64::try_from(args.integer(name)?)
            .map_err(|_| Failure::invocation("a device has numbers from 0")),
    };
    let wanted = Wanted {
        user: args.value("user").clone(),
        group: args.value("group").clone(),
        mode: mode::normalized(args.value("mode")),
        attrs: None,
    };
    let bits = wanted.mode.as_deref().and_then(mode::bits);
    let bits = bits.ok_or_else(|| Failure::invocation("Invalid Mode"))?;
    let shown = name.display();
    if !node::make(name, kind, bits, (number("major")?, number("minor")?))? {
        return Ok(json!({
            "name": shown.to_string(), "changes": {}, "result": false,
            "comment": format!("File {shown} exists and cannot be overwritten"),
        }));
    }
    // The mask of the process took bits away.
    permissions::settle(name, &mut Return::default(), &wanted, false, false, env)?;
    Ok(json!({
        "name": shown.to_string(), "comment": "", "result": true,
        "changes": {"new": format!("{} {shown} created.", kind.title())},
    }))
}
