//! Small changes of files: making, moving, removing, owners and modes.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function, absolute_path, check_cancelled, path};
use crate::failure::{os_text, python_text};
use crate::files::owner::{group_id, user_id};
use crate::files::{directories, mode};
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.append",
        "path, *args, **kwargs",
        "Append lines to a file; a last line without an end gets one first. args: the lines as a list.",
        "file.append /etc/motd 'With all thine offerings' 'thou shalt offer salt.'",
        append,
    ),
    Function::new(
        "file.chgrp",
        "path, group",
        "Change the group of a file.",
        "file.chgrp /etc/passwd root",
        |args, _| change_owner(args, false, true),
    ),
    Function::new(
        "file.chown",
        "path, user, group",
        "Change user and group of a file. An empty user or group stays as it is.",
        "file.chown /etc/passwd root root",
        |args, _| change_owner(args, true, true),
    ),
    Function::new(
        "file.copy",
        "src, dst, recurse=False, remove_existing=False",
        "Copy a file, or with recurse a directory, keeping modes and owners. remove_existing: empty the destination \
         first.",
        "file.copy /path/to/src /path/to/dst",
        copy,
    ),
    Function::new(
        "file.lchown",
        "path, user, group",
        "Change user and group of a file, of a link itself.",
        "file.lchown /path/to/link root root",
        |args, _| change_owner(args, true, false),
    ),
    Function::new(
        "file.makedirs",
        "path, user=None, group=None, mode=None",
        "Make the missing directories above a path. To make the path itself too, end it with a slash.",
        "file.makedirs /opt/code/",
        makedirs,
    ),
    Function::new(
        "file.mkdir",
        "dir_path, user=None, group=None, mode=None",
        "Make a directory with those above it that are missing. Owner and mode go to the new ones.",
        "file.mkdir /opt/code mode=755",
        |args, _| make_directories(&path(args, "dir_path")?, args).map(|()| json!(true)),
    ),
    Function::new(
        "file.makedirs_perms",
        "name, user=None, group=None, mode='0755'",
        "Make a directory with those above it that are missing. Owner and mode go to the new ones.",
        "file.makedirs_perms /opt/code",
        |args, _| make_directories(&path(args, "name")?, args).map(|()| Value::Null),
    ),
    Function::new(
        "file.move",
        "src, dst, disallow_copy_and_unlink=False",
        "Move a file or directory, over file systems too, unless disallow_copy_and_unlink. Into dst when that is a \
         directory.",
        "file.move /path/to/src /path/to/dst",
        move_there,
    ),
    Function::new(
        "file.remove",
        "path, **kwargs",
        "Remove a file, a link, or a directory with all in it. Answers false when there is none. More keywords have no \
         meaning here.",
        "file.remove /tmp/foo",
        remove,
    ),
    Function::new(
        "file.rename",
        "src, dst",
        "Rename a file or directory.",
        "file.rename /path/to/src /path/to/dst",
        |args, _| {
            let (src, dst) = (absolute_path(args, "src", "File path")?, path(args, "dst")?);
            fs::rename(&src, &dst).map_err(|error| could_not("rename", &src, &dst, &error))?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "file.rmdir",
        "path, recurse=False, verbose=False, older_than=None",
        "Remove an empty directory; false when it is not empty. recurse: the empty directories below it too. older_than: \
         only those whose content was changed more days ago. verbose: what was removed, and what not and why.",
        "file.rmdir /tmp/foo",
        rmdir,
    ),
    Function::new(
        "file.set_mode",
        "path, mode",
        "Set the mode of a file, octal, and answer it.",
        "file.set_mode /etc/passwd 0644",
        set_mode,
    ),
    Function::new(
        "file.symlink",
        "src, path, force=False, atomic=False, follow_symlinks=True",
        "Make a symbolic link at path that points to src. force: replace a file that is there. atomic: replace it \
         without a moment in which there is none.",
        "file.symlink /path/to/file /path/to/link",
        make_symlink,
    ),
    Function::new(
        "file.touch",
        "name, atime=None, mtime=None",
        "Make a file if it is missing and set its times, in seconds since 1970, by default to now.",
        "file.touch /var/log/emptyfile",
        touch,
    ),
    Function::new(
        "file.write",
        "path, *args, **kwargs",
        "Replace the content of a file by lines. args: the lines as a list.",
        "file.write /etc/motd 'With all thine offerings thou shalt offer salt.'",
        |args, _| {
            let path = path(args, "path")?;
            let lines = lines(args);
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            fs::write(&path, text).map_err(|error| Failure::io(&path, error))?;
            Ok(wrote(&lines, &path))
        },
    ),
];

pub(super) fn lines(args: &Args) -> Vec<String> {
    match args.extra_kwargs.get("args") {
        Some(Value::Array(items)) => items.iter().map(python::text).collect(),
        Some(one) => vec![python::text(one)],
        None => args.extra_args.iter().map(python::text).collect(),
    }
}

fn wrote(lines: &[String], path: &Path) -> Value {
    json!(format!(
        "Wrote {} lines to \"{}\"",
        lines.len(),
        path.display()
    ))
}

fn append(args: &Args, _: &Env) -> Answer {
    let path = path(args, "path")?;
    let lines = lines(args);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
        let mut text = String::new();
        if file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.push('\n');
            }
        }
        text.extend(lines.iter().flat_map(|line| [line.as_str(), "\n"]));
        file.write_all(text.as_bytes())
    };
    write().map_err(|error| Failure::io(&path, error))?;
    Ok(wrote(&lines, &path))
}

fn change_owner(args: &Args, with_user: bool, follows_links: bool) -> Answer {
    let path = path(args, "path")?;
    let is_given = |name: &str| python::truthy(args.value(name)) || args.value(name).is_number();
    let mut errors = String::new();
    let mut uid = None;
    if with_user && is_given("user") {
        uid = user_id(args.value("user")).map(|id| id.as_raw());
        errors.push_str(if uid.is_none() {
            "User does not exist\n"
        } else {
            ""
        });
    }
    let mut gid = None;
    if is_given("group") {
        gid = group_id(args.value("group")).map(|id| id.as_raw());
        errors.push_str(if gid.is_none() {
            "Group does not exist\n"
        } else {
            ""
        });
    }
    if path.symlink_metadata().is_err() {
        errors.push_str("File not found");
    }
    if !errors.is_empty() {
        return Ok(json!(errors));
    }
    // A link that leads nowhere can still get an owner itself.
    let changed = if follows_links && path.exists() {
        chown(&path, uid, gid)
    } else {
        lchown(&path, uid, gid)
    };
    changed.map_err(|error| Failure::io(&path, error))?;
    Ok(Value::Null)
}

fn copy(args: &Args, env: &Env) -> Answer {
    let (src, dst) = (absolute_path(args, "src", "File path")?, path(args, "dst")?);
    if !src.exists() {
        return Err(Failure::command(format!(
            "No such file or directory '{}'",
            src.display()
        )));
    }
    if src.is_dir() || dst.is_dir() {
        if !args.flag("recurse") {
            let text = "Cannot copy overwriting a directory without recurse flag set to true!";
            return Err(Failure::invocation(text));
        }
        if dst.starts_with(&src) {
            return Err(Failure::invocation("Cannot copy a directory into itself"));
        }
        if args.flag("remove_existing") && dst.exists() {
            remove_tree(&dst).map_err(|error| Failure::io(&dst, error))?;
        }
    }
    copy_tree(&src, &dst, env)?;
    Ok(json!(true))
}

fn copy_tree(src: &Path, dst: &Path, env: &Env) -> Result<(), Failure> {
    let mut waiting: Vec<(PathBuf, PathBuf)> = vec![(src.to_owned(), dst.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        check_cancelled(env)?;
        let failed = |error| could_not("copy", &from, &to, &error);
        // The first source may be a link to what is meant; below it links are copied as links.
        let metadata = if from == src {
            fs::metadata(&from)
        } else {
            fs::symlink_metadata(&from)
        }
        .map_err(failed)?;
        if metadata.is_symlink() {
            let target = fs::read_link(&from).map_err(failed)?;
            symlink(target, &to).map_err(failed)?;
            continue;
        }
        if metadata.is_dir() {
            fs::create_dir_all(&to).map_err(failed)?;
            for entry in fs::read_dir(&from).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                waiting.push((entry.path(), to.join(entry.file_name())));
            }
        } else {
            fs::copy(&from, &to).map_err(failed)?;
        }
        chown(&to, Some(metadata.uid()), Some(metadata.gid())).map_err(failed)?;
        // After the owner: changing that clears the bits of setuid and setgid.
        fs::set_permissions(&to, metadata.permissions()).map_err(failed)?;
    }
    Ok(())
}

fn could_not(verb: &str, src: &Path, dst: &Path, error: &std::io::Error) -> Failure {
    Failure::command(format!(
        "Could not {verb} '{}' to '{}': {}",
        src.display(),
        dst.display(),
        os_text(error)
    ))
}

fn makedirs(args: &Args, _: &Env) -> Answer {
    let text = args.text("path")?;
    // Python's dirname: what stands before the last slash.
    let head = text.rsplit_once('/').map_or("", |(head, _)| head);
    let directory = super::paths::expand_user(if head.is_empty() { "/" } else { head });
    if !text.starts_with(['/', '~']) {
        return Err(Failure::invocation(format!(
            "Please use an absolute path: {text}"
        )));
    }
    if directory.is_dir() {
        return Ok(json!(format!(
            "Directory '{}' already exists",
            directory.display()
        )));
    }
    if directory.exists() {
        return Ok(json!(format!(
            "The path '{}' already exists and is not a directory",
            directory.display()
        )));
    }
    make_directories(&directory, args)?;
    Ok(Value::Null)
}

/// Makes a directory and those above it; owner and mode of the arguments go to each new one.
fn make_directories(directory: &Path, args: &Args) -> Result<(), Failure> {
    let mode = mode::normalized(args.value("mode"));
    directories::make(
        directory,
        args.value("user"),
        args.value("group"),
        mode.as_deref(),
    )
}

fn remove(args: &Args, _: &Env) -> Answer {
    let path = absolute_path(args, "path", "File path")?;
    if path.symlink_metadata().is_err() {
        return Ok(json!(false));
    }
    if path.parent().is_none() {
        return Err(Failure::invocation("the root directory is not removed"));
    }
    remove_tree(&path).map_err(|error| {
        Failure::command(format!(
            "Could not remove '{}': {}",
            path.display(),
            os_text(&error)
        ))
    })?;
    Ok(json!(true))
}

fn remove_tree(path: &Path) -> std::io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

fn move_there(args: &Args, env: &Env) -> Answer {
    let (src, mut dst) = (path(args, "src")?, path(args, "dst")?);
    if args.flag("disallow_copy_and_unlink") {
        fs::rename(&src, &dst).map_err(|error| could_not("rename", &src, &dst, &error))?;
        return Ok(json!(true));
    }
    for (what, path) in [("Source", &src), ("Destination", &dst)] {
        if !path.is_absolute() {
            return Err(Failure::invocation(format!(
                "{what} path must be absolute."
            )));
        }
    }
    let told = format!("'{}' moved to '{}'", src.display(), dst.display());
    if dst.is_dir()
        && let Some(name) = src.file_name()
    {
        dst.push(name);
    }
    let unable = |text: String| {
        let (src, dst) = (src.display(), dst.display());
        Failure::command(format!("Unable to move '{src}' to '{dst}': {text}"))
    };
    if let Err(error) = fs::rename(&src, &dst) {
        if error.kind() != std::io::ErrorKind::CrossesDevices {
            return Err(unable(python_text(&src, &error)));
        }
        copy_tree(&src, &dst, env).map_err(|failure| unable(failure.to_string()))?;
        remove_tree(&src).map_err(|error| unable(python_text(&src, &error)))?;
    }
    Ok(json!({"result": true, "comment": told}))
}

fn rmdir(args: &Args, env: &Env) -> Answer {
    let top = absolute_path(args, "path", "File path")?;
    if !top.is_dir() {
        return Err(Failure::invocation(format!(
            "A valid directory was not specified: {}",
            top.display()
        )));
    }
    let age = args.seconds("older_than")?.filter(|days| !days.is_zero());
    let limit = age.and_then(|days| SystemTime::now().checked_sub(days * 86_400));
    let is_old = |path: &Path| match limit {
        Some(limit) => path
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(|time| time < limit),
        None => true,
    };
    let mut directories = vec![top.clone()];
    let mut at = 0;
    // Those above stand before those below, so they are removed from the end.
    while args.flag("recurse") && at < directories.len() {
        check_cancelled(env)?;
        let entries = fs::read_dir(&directories[at])
            .into_iter()
            .flatten()
            .flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories.extend(below.map(|entry| entry.path()));
        at += 1;
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for directory in directories.iter().rev().filter(|path| is_old(path)) {
        match fs::remove_dir(directory) {
            Ok(()) => deleted.push(json!(directory.to_string_lossy())),
            Err(error) => errors.push(json!([
                directory.to_string_lossy(),
                python_text(directory, &error)
            ])),
        }
    }
    let is_done = errors.is_empty() && (args.flag("recurse") || !deleted.is_empty());
    Ok(match args.flag("verbose") {
        true => json!({"deleted": deleted, "errors": errors, "result": is_done}),
        false => json!(is_done),
    })
}

fn set_mode(args: &Args, _: &Env) -> Answer {
    let path = path(args, "path")?;
    if !path.exists() {
        return Err(Failure::command(format!(
            "{}: File not found",
            path.display()
        )));
    }
    let Some(bits) = mode::normalized(args.value("mode")).and_then(|mode| mode::bits(&mode)) else {
        return Ok(json!(format!(
            "Invalid Mode {}",
            python::text(args.value("mode"))
        )));
    };
    let failed = |error| Failure::io(&path, error);
    fs::set_permissions(&path, Permissions::from_mode(bits)).map_err(failed)?;
    Ok(json!(mode::of(&fs::metadata(&path).map_err(failed)?)))
}

fn make_symlink(args: &Args, _: &Env) -> Answer {
    let path = absolute_path(args, "path", "Link path")?;
    let src = path_of_target(args)?;
    let (force, atomic) = (args.flag("force"), args.flag("atomic"));
    let is_there = if args.flag("follow_symlinks") {
        path.exists()
    } else {
        path.symlink_metadata().is_ok()
    };
    if path.is_symlink() {
        if fs::read_link(&path).is_ok_and(|target| target == src) {
            return Ok(json!(true));
        }
        if !force && !atomic {
            return Err(Failure::command(format!(
                "Found existing symlink: {}",
                path.display()
            )));
        }
    } else if is_there && !force && !atomic {
        return Err(Failure::command(format!(
            "Existing path is not a symlink: {}",
            path.display()
        )));
    }
    let failed = |error: std::io::Error| {
        Failure::command(format!(
            "Could not create '{}': {}",
            path.display(),
            os_text(&error)
        ))
    };
    if atomic {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let link = tempfile::Builder::new()
            .prefix(".link")
            .make_in(directory, |at| symlink(&src, at))
            .map_err(failed)?;
        let (_, link) = link.into_parts();
        link.persist(&path).map_err(|error| failed(error.error))?;
        return Ok(json!(true));
    }
    if force && path.symlink_metadata().is_ok() {
        fs::remove_file(&path).map_err(failed)?;
    }
    symlink(&src, &path).map_err(failed)?;
    Ok(json!(true))
}

/// What a link shall hold: exactly the text, as a relative target is relative to the link.
fn path_of_target(args: &Args) -> Result<PathBuf, Failure> {
    args.text("src").map(PathBuf::from)
}

fn touch(args: &Args, _: &Env) -> Answer {
    let path = path(args, "name")?;
    let time = |name: &str| -> Result<SystemTime, Failure> {
        match args.value(name) {
            Value::Null => Ok(SystemTime::now()),
            _ => match u64::try_from(args.integer(name)?)
                .ok()
                .and_then(|s| UNIX_EPOCH.checked_add(Duration::from_secs(s)))
            {
                Some(time) => Ok(time),
                None => Err(Failure::invocation("atime and mtime must be integers")),
            },
        }
    };
    let times = fs::FileTimes::new()
        .set_accessed(time("atime")?)
        .set_modified(time("mtime")?);
    let failed = |error| Failure::io(&path, error);
    let file = match path.is_dir() {
        true => File::open(&path),
        false => OpenOptions::new().append(true).create(true).open(&path),
    };
    file.map_err(failed)?.set_times(times).map_err(failed)?;
    Ok(json!(path.exists()))
}
