//! Paths as text, and patterns of paths.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::User;
use serde_json::{Value, json};

use super::{FOUND_MAX, Failure, Function, absolute_path, path};
use crate::{pattern, python};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.basename",
        "path",
        "The last part of a path.",
        "file.basename /path/to/file",
        |args, _| {
            let path = args.text("path")?;
            Ok(json!(path.rsplit('/').next().unwrap_or_default()))
        },
    )
    .quick(),
    Function::new(
        "file.dirname",
        "path",
        "A path without its last part.",
        "file.dirname /path/to/file",
        |args, _| {
            let path = args.text("path")?;
            let head = path.rsplit_once('/').map_or("", |(head, _)| head);
            let is_root = path.starts_with('/') && head.trim_end_matches('/').is_empty();
            Ok(json!(if is_root {
                "/"
            } else {
                head.trim_end_matches('/')
            }))
        },
    )
    .quick(),
    Function::new(
        "file.directory_exists",
        "path",
        "Whether a path is a directory (or a link to one).",
        "file.directory_exists /etc",
        |args, _| Ok(json!(path(args, "path")?.is_dir())),
    ),
    Function::new(
        "file.file_exists",
        "path",
        "Whether a path is a file (or a link to one).",
        "file.file_exists /etc/passwd",
        |args, _| Ok(json!(path(args, "path")?.is_file())),
    ),
    Function::new(
        "file.is_link",
        "path",
        "Whether a path is a symbolic link.",
        "file.is_link /path/to/link",
        |args, _| Ok(json!(path(args, "path")?.is_symlink())),
    ),
    Function::new(
        "file.join",
        "*args",
        "Join parts of a path. A part that begins with / starts anew.",
        "file.join '/' 'usr' 'local' 'bin'",
        |args, _| {
            let joined = args
                .extra_args
                .iter()
                .map(python::text)
                .reduce(|path, part| match part.as_str() {
                    part if part.starts_with('/') => part.to_owned(),
                    part if path.is_empty() || path.ends_with('/') => path + part,
                    part => path + "/" + part,
                });
            Ok(json!(joined.ok_or_else(|| Failure::invocation(
                "file.join needs at least one part"
            ))?))
        },
    )
    .quick(),
    Function::new(
        "file.normpath",
        "path",
        "A path without superfluous slashes, dots and ways up and down.",
        "file.normpath '/etc//foo/../bar'",
        |args, _| Ok(json!(normal(&args.text("path")?))),
    )
    .quick(),
    Function::new(
        "file.pardir",
        "",
        "The name of the directory above: two dots.",
        "file.pardir",
        |_, _| Ok(json!("..")),
    )
    .quick(),
    Function::new(
        "file.path_exists_glob",
        "path",
        "Whether any path matches a shell pattern.",
        "file.path_exists_glob '/etc/pam*/pass*'",
        |args, _| Ok(json!(!expand_glob(&path(args, "path")?)?.is_empty())),
    ),
    Function::new(
        "file.readdir",
        "path",
        "The names in a directory, with . and .. first.",
        "file.readdir /path/to/dir",
        |args, _| {
            let path = absolute_path(args, "path", "Dir path")?;
            if !path.is_dir() {
                return Err(Failure::invocation(format!(
                    "A valid directory was not specified: {}",
                    path.display()
                )));
            }
            let mut names = vec![json!("."), json!("..")];
            for entry in fs::read_dir(&path)
                .map_err(|error| Failure::io(&path, error))?
                .take(FOUND_MAX)
            {
                let entry = entry.map_err(|error| Failure::io(&path, error))?;
                names.push(json!(entry.file_name().to_string_lossy()));
            }
            Ok(Value::Array(names))
        },
    ),
    Function::new(
        "file.readlink",
        "path, canonicalize=False",
        "Where a symbolic link points to. canonicalize: the final path behind all links.",
        "file.readlink /path/to/link",
        |args, _| {
            let path = absolute_path(args, "path", "Path to link")?;
            if !path.is_symlink() {
                return Err(Failure::invocation(format!(
                    "A valid link was not specified: {}",
                    path.display()
                )));
            }
            let read = if args.flag("canonicalize") {
                fs::canonicalize(&path)
            } else {
                fs::read_link(&path)
            };
            Ok(json!(
                read.map_err(|error| Failure::io(&path, error))?
                    .to_string_lossy()
            ))
        },
    ),
];

/// A path as Python's `normpath` writes it: only its text counts.
pub(crate) fn normal(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    match (is_absolute, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

/// Replaces a leading `~` or `~user` by the home directory; a user that does not exist is left as it stands.
pub(crate) fn expand_user(text: &str) -> PathBuf {
    let Some(rest) = text.strip_prefix('~') else {
        return PathBuf::from(text);
    };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let home = match user {
        "" => std::env::var_os("HOME").map(PathBuf::from),
        user => User::from_name(user).ok().flatten().map(|user| user.dir),
    };
    match home {
        Some(home) if below.is_empty() => home,
        Some(home) => home.join(below),
        None => PathBuf::from(text),
    }
}

/// The paths that match a shell pattern, in order. As in a shell, a name that begins with a dot needs a pattern that
/// does too.
pub(crate) fn expand_glob(pattern: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let text = part.as_os_str().to_string_lossy();
        if !text.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|path| path.push(part));
            found.retain(|path| path.symlink_metadata().is_ok());
            continue;
        }
        let Some(glob) = pattern::glob(&text, false) else {
            return Ok(Vec::new());
        };
        let mut next = Vec::new();
        for directory in &found {
            let listed = if directory.as_os_str().is_empty() {
                Path::new(".")
            } else {
                directory
            };
            for entry in fs::read_dir(listed).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if glob.is_match(&name) && (!name.starts_with('.') || text.starts_with('.')) {
                    next.push(directory.join(entry.file_name()));
                }
                if next.len() > FOUND_MAX {
                    return Err(Failure::command(format!(
                        "more than {FOUND_MAX} paths match"
                    )));
                }
            }
        }
        next.sort();
        found = next;
    }
    Ok(found)
}
