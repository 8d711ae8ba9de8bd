//! Owners, modes, times and sizes of files.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::unistd::{AccessFlags, Uid, access};
use serde_json::{Value, json};

use super::{
    Answer, Args, Env, FOUND_MAX, Failure, Function, absolute_path, check_cancelled, path,
};
use crate::digest::{self, Algorithm};
use crate::files::mode;
use crate::files::owner::{group_id, group_name, user_id, user_name};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.access",
        "path, mode",
        "Whether the minion may use a path: mode is f (it is there), r, w or x.",
        "file.access /path/to/file r",
        file_access,
    ),
    Function::new(
        "file.diskusage",
        "path",
        "The bytes of a file, or of all files below a directory; several names of one file count once.",
        "file.diskusage /path/to/check",
        |args, env| Ok(json!(disk_usage(&path(args, "path")?, env)?)),
    ),
    Function::new(
        "file.get_gid",
        "path, follow_symlinks=True",
        "The number of the group that owns a file.",
        "file.get_gid /etc/passwd",
        |args, _| part(args, "gid"),
    ),
    Function::new(
        "file.get_group",
        "path, follow_symlinks=True",
        "The group that owns a file.",
        "file.get_group /etc/passwd",
        |args, _| part(args, "group"),
    ),
    Function::new(
        "file.get_mode",
        "path, follow_symlinks=True",
        "The mode of a file, four octal digits.",
        "file.get_mode /etc/passwd",
        |args, _| part(args, "mode"),
    ),
    Function::new(
        "file.get_uid",
        "path, follow_symlinks=True",
        "The number of the user that owns a file.",
        "file.get_uid /etc/passwd",
        |args, _| part(args, "uid"),
    ),
    Function::new(
        "file.get_user",
        "path, follow_symlinks=True",
        "The user that owns a file.",
        "file.get_user /etc/passwd",
        |args, _| part(args, "user"),
    ),
    Function::new(
        "file.gid_to_group",
        "gid",
        "The name of a group, its number when it has none.",
        "file.gid_to_group 0",
        |args, _| Ok(group_name(u32_of(args, "gid")?)),
    ),
    Function::new(
        "file.group_to_gid",
        "group",
        "The number of a group, empty when there is none of this name.",
        "file.group_to_gid root",
        |args, _| {
            Ok(group_id(args.value("group")).map_or_else(|| json!(""), |id| json!(id.as_raw())))
        },
    ),
    Function::new(
        "file.lstat",
        "path",
        "The numbers that the system keeps of a path, a link itself and not its target. Empty when there is none.",
        "file.lstat /path/to/file",
        |args, _| {
            let found = fs::symlink_metadata(absolute_path(args, "path", "Path to file")?).ok();
            Ok(found.map_or_else(|| json!({}), |metadata| numbers(&metadata)))
        },
    ),
    Function::new(
        "file.stats",
        "path, hash_type=None, follow_symlinks=True",
        "Owner, mode, times, size, type and target of a path. hash_type: also the hash of the content (sum).",
        "file.stats /etc/passwd",
        |args, _| stats(args),
    ),
    Function::new(
        "file.uid_to_user",
        "uid",
        "The name of a user, its number when it has none.",
        "file.uid_to_user 0",
        |args, _| Ok(user_name(u32_of(args, "uid")?)),
    ),
    Function::new(
        "file.user_to_uid",
        "user=None",
        "The number of a user, by default the minion's; empty when there is none of this name.",
        "file.user_to_uid root",
        |args, _| {
            let id = match args.value("user") {
                Value::Null => Some(Uid::effective()),
                user => user_id(user),
            };
            Ok(id.map_or_else(|| json!(""), |id| json!(id.as_raw())))
        },
    ),
];

fn u32_of(args: &Args, name: &str) -> Result<u32, Failure> {
    let number = args.integer(name)?;
    u32::try_from(number).map_err(|_| Failure::invocation(format!("{number} is no id")))
}

fn file_access(args: &Args, _: &Env) -> Answer {
    let path = absolute_path(args, "path", "Path to link")?;
    let flags = match args.text("mode")?.as_str() {
        "f" | "0" => AccessFlags::F_OK,
        "r" | "4" => AccessFlags::R_OK,
        "w" | "2" => AccessFlags::W_OK,
        "x" | "1" => AccessFlags::X_OK,
        _ => return Err(Failure::invocation("Invalid mode specified.")),
    };
    Ok(json!(access(&path, flags).is_ok()))
}

fn part(args: &Args, name: &str) -> Answer {
    stats(args).map(|stats| stats[name].clone())
}

fn stats(args: &Args) -> Answer {
    let path = path(args, "path")?;
    let link = || fs::symlink_metadata(&path);
    // A link that leads nowhere still has an owner.
    let found = if args.flag("follow_symlinks") {
        fs::metadata(&path).or_else(|_| link())
    } else {
        link()
    };
    let metadata =
        found.map_err(|_| Failure::command(format!("Path not found: {}", path.display())))?;
    let target = match args.flag("follow_symlinks") {
        true => fs::canonicalize(&path).unwrap_or_else(|_| path.clone()),
        false => path.clone(),
    };
    let mut stats = json!({
        "inode": metadata.ino(),
        "uid": metadata.uid(),
        "gid": metadata.gid(),
        "group": group_name(metadata.gid()),
        "user": user_name(metadata.uid()),
        "atime": seconds(metadata.atime(), metadata.atime_nsec()),
        "mtime": seconds(metadata.mtime(), metadata.mtime_nsec()),
        "ctime": seconds(metadata.ctime(), metadata.ctime_nsec()),
        "size": metadata.size(),
        "mode": mode::of(&metadata),
    });
    if let Some(hash_type) = args
        .optional_text("hash_type")?
        .filter(|name| !name.is_empty())
    {
        stats["sum"] = json!(digest::of_file(
            Algorithm::named(&hash_type)?,
            &path,
            1 << 16
        )?);
    }
    stats["type"] = json!(type_name(&metadata));
    stats["target"] = json!(target.to_string_lossy());
    Ok(stats)
}

fn seconds(whole: i64, nanos: i64) -> f64 {
    whole as f64 + nanos as f64 / 1e9
}

fn type_name(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "dir"
    } else if kind.is_symlink() {
        "link"
    } else if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_char_device() {
        "char"
    } else if kind.is_block_device() {
        "block"
    } else {
        "file"
    }
}

fn numbers(metadata: &Metadata) -> Value {
    json!({
        "st_mode": metadata.mode(),
        "st_nlink": metadata.nlink(),
        "st_uid": metadata.uid(),
        "st_gid": metadata.gid(),
        "st_size": metadata.size(),
        "st_atime": seconds(metadata.atime(), metadata.atime_nsec()),
        "st_mtime": seconds(metadata.mtime(), metadata.mtime_nsec()),
        "st_ctime": seconds(metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn disk_usage(path: &Path, env: &Env) -> Result<u64, Failure> {
    let metadata = fs::metadata(path).map_err(|error| Failure::io(path, error))?;
    if metadata.is_file() {
        return Ok(metadata.size());
    }
    let mut total = 0;
    let mut seen = std::collections::HashSet::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        check_cancelled(env)?;
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                directories.push(entry.path());
            } else if let Ok(metadata) = fs::metadata(entry.path())
                && metadata.is_file()
                && seen.insert((metadata.dev(), metadata.ino()))
            {
                total += metadata.size();
            }
            if seen.len() + directories.len() > FOUND_MAX {
                return Err(Failure::command(format!(
                    "more than {FOUND_MAX} files below '{}'",
                    path.display()
                )));
            }
        }
    }
    Ok(total)
}
