//! Backups that `backup: minion` of states has made.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function, path};
use crate::edit::backup;
use crate::failure::python_text;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.delete_backup",
        "path, backup_id",
        "Remove a backup of a file; the id is that of file.list_backups.",
        "file.delete_backup /var/cache/salt/minion/file_backup/home/foo/bar.txt 0",
        delete,
    ),
    Function::new(
        "file.list_backups",
        "path, limit=None",
        "The backups of a file by their ids, the newest first: time, size and location.",
        "file.list_backups /foo/bar/baz.txt",
        |args, env| {
            let found = of_file(&path(args, "path")?, env);
            Ok(numbered(found, limit(args)))
        },
    ),
    Function::new(
        "file.list_backups_dir",
        "path, limit=None",
        "The backups of all files in a directory, by the names of the files and by their ids.",
        "file.list_backups_dir /foo/bar/baz/",
        |args, env| {
            let directory = place(&path(args, "path")?.join("x"), env);
            let names = fs::read_dir(directory).into_iter().flatten().flatten();
            let mut files: Vec<String> = names
                .filter_map(|entry| {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    split(&name).map(|(file, _)| file.to_owned())
                })
                .collect();
            files.sort();
            files.dedup();
            let directory = path(args, "path")?;
            let limit = limit(args);
            let each = files.into_iter().map(|file| {
                let found = of_file(&directory.join(&file), env);
                (file, numbered(found, limit))
            });
            Ok(Value::Object(each.collect()))
        },
    ),
    Function::new(
        "file.restore_backup",
        "path, backup_id",
        "Put a backup of a file back, and keep what is there as a backup too; the id is that of file.list_backups.",
        "file.restore_backup /foo/bar/baz.txt 0",
        restore,
    ),
];

/// A copy of a file.
struct Copy {
    time: DateTime,
    size: u64,
    location: PathBuf,
}

/// The directory in which copies of a file are kept.
fn place(path: &Path, env: &Env) -> PathBuf {
    let below = path.parent().unwrap_or(Path::new("/"));
    backup::root(env.ctx.cache_dir()).join(below.strip_prefix("/").unwrap_or(below))
}

/// The file of a copy, and its time: `NAME_Sat_Nov_28_02:03:04_005006_2026`.
fn split(name: &str) -> Option<(&str, DateTime)> {
    let (at, _) = name.rmatch_indices('_').nth(5)?;
    let time = DateTime::strptime("%a_%b_%d_%H:%M:%S_%f_%Y", &name[at + 1..]).ok()?;
    Some((&name[..at], time))
}

/// The copies of a file, the newest first.
fn of_file(path: &Path, env: &Env) -> Vec<Copy> {
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    let entries = fs::read_dir(place(path, env))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<Copy> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let (file, time) = split(&name)?;
            let metadata = entry.metadata().ok().filter(|found| found.is_file())?;
            (file == wanted).then(|| Copy {
                time,
                size: metadata.size(),
                location: entry.path(),
            })
        })
        .collect();
    found.sort_by_key(|copy| std::cmp::Reverse(copy.time));
    found
}

fn limit(args: &Args) -> Option<usize> {
    let limit = args.optional_integer("limit").ok().flatten()?;
    usize::try_from(limit).ok()
}

fn numbered(copies: Vec<Copy>, limit: Option<usize>) -> Value {
    let kept = copies.into_iter().take(limit.unwrap_or(usize::MAX));
    let each = kept.enumerate().map(|(id, copy)| {
        let shown = json!({
            "Backup Time": copy.time.strftime("%a %b %d %Y %H:%M:%S.%6f").to_string(),
            "Size": copy.size,
            "Location": copy.location.to_string_lossy(),
        });
        (id.to_string(), shown)
    });
    Value::Object(each.collect::<Map<String, Value>>())
}

/// The copy of an id, or why there is none.
fn chosen(args: &Args, path: &Path, env: &Env) -> Result<Copy, String> {
    let id = python::text(args.value("backup_id"));
    let number: usize = match id.parse::<usize>() {
        Ok(number) if number.to_string() == id => number,
        _ => return Err(format!("Invalid backup_id '{id}'")),
    };
    let found = of_file(path, env).into_iter().nth(number);
    found.ok_or_else(|| format!("backup_id '{id}' does not exist for {}", path.display()))
}

fn told(is_done: bool, comment: String) -> Value {
    json!({"result": is_done, "comment": comment})
}

fn delete(args: &Args, env: &Env) -> Answer {
    let path = path(args, "path")?;
    let copy = match chosen(args, &path, env) {
        Ok(copy) => copy.location,
        Err(comment) => return Ok(told(false, comment)),
    };
    let shown = copy.display();
    Ok(match fs::remove_file(&copy) {
        Ok(()) => told(true, format!("Successfully removed {shown}")),
        Err(error) => {
            let error = python_text(&copy, &error);
            told(false, format!("Unable to remove {shown}: {error}"))
        }
    })
}

fn restore(args: &Args, env: &Env) -> Answer {
    let path = path(args, "path")?;
    let copy = match chosen(args, &path, env) {
        Ok(copy) => copy.location,
        Err(comment) => return Ok(told(false, comment)),
    };
    if path.exists() {
        backup::keep(env.ctx.cache_dir(), &path).map_err(|error| Failure::io(&path, error))?;
    }
    let (from, to) = (copy.display(), path.display());
    let put = || -> std::io::Result<()> {
        let before = fs::metadata(&path).or_else(|_| fs::metadata(&copy))?;
        fs::copy(&copy, &path)?;
        // Copying gave it the mode of the copy, which is that of the file then; the owner is the one that it has now.
        chown(&path, Some(before.uid()), Some(before.gid()))
    };
    Ok(match put() {
        Ok(()) => told(true, format!("Successfully restored {from} to {to}")),
        Err(error) => {
            let error = python_text(&path, &error);
            told(false, format!("Unable to restore {from} to {to}: {error}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn backups_are_listed_restored_and_deleted() {
        let host = Host::new();
        let file = host.write("d/a_b", "one");
        host.state(
            "file.managed",
            json!({"name": file, "contents": "two", "backup": "minion"}),
            false,
        );
        host.state(
            "file.managed",
            json!({"name": file, "contents": "three", "backup": "minion"}),
            false,
        );
        let list = || {
            host.call(Call::new("file.list_backups").arg(file.as_str()))
                .value
        };
        assert_eq!(list().as_object().unwrap().len(), 2);
        assert_eq!(
            (&list()["0"]["Size"], &list()["1"]["Size"]),
            (&json!(4), &json!(3))
        );
        let limited = Call::new("file.list_backups").arg(file.as_str()).arg(1);
        assert_eq!(host.call(limited).value.as_object().unwrap().len(), 1);
        let dir = host
            .call(Call::new("file.list_backups_dir").arg(host.path("d")))
            .value;
        assert_eq!(dir["a_b"].as_object().unwrap().len(), 2);
        let restored = host.call(Call::new("file.restore_backup").arg(file.as_str()).arg(1));
        assert!(restored.success, "{restored:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        assert_eq!(list().as_object().unwrap().len(), 3);
        assert!(
            host.call(Call::new("file.delete_backup").arg(file.as_str()).arg(0))
                .success
        );
        assert_eq!(list().as_object().unwrap().len(), 2);
        let none = host
            .call(Call::new("file.delete_backup").arg(file.as_str()).arg(7))
            .value;
        assert_eq!(
            none["comment"],
            json!(format!("backup_id '7' does not exist for {file}"))
        );
        let none = host
            .call(Call::new("file.restore_backup").arg(file.as_str()).arg("x"))
            .value;
        assert_eq!(none["comment"], json!("Invalid backup_id 'x'"));
    }
}
