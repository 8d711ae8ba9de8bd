//! The beacon inotify: changes of files and directories, from the kernel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use serde_json::{Value, json};

use super::kinds::{item, only, told};
use super::{Caller, Memory, Told};

/// Directories and files of one beacon.
const WATCHES_MAX: usize = 8_192;
/// Changes in one look; the kernel keeps the others until the next.
const CHANGES_MAX: usize = 1_024;
/// Directories in one another.
const DEPTH_MAX: usize = 64;

/// Names of what can be watched, as in `mask`, and of what the kernel says.
const FLAGS: [(&str, AddWatchFlags); 12] = [
    ("access", AddWatchFlags::IN_ACCESS),
    ("attrib", AddWatchFlags::IN_ATTRIB),
    ("close_nowrite", AddWatchFlags::IN_CLOSE_NOWRITE),
    ("close_write", AddWatchFlags::IN_CLOSE_WRITE),
    ("create", AddWatchFlags::IN_CREATE),
    ("delete", AddWatchFlags::IN_DELETE),
    ("delete_self", AddWatchFlags::IN_DELETE_SELF),
    ("modify", AddWatchFlags::IN_MODIFY),
    ("moved_from", AddWatchFlags::IN_MOVED_FROM),
    ("moved_to", AddWatchFlags::IN_MOVED_TO),
    ("move_self", AddWatchFlags::IN_MOVE_SELF),
    ("open", AddWatchFlags::IN_OPEN),
];
const KEYS: [&str; 4] = ["auto_add", "exclude", "mask", "recurse"];

/// What is watched.
pub(super) struct Files {
    kernel: Inotify,
    watches: BTreeMap<WatchDescriptor, (PathBuf, Wish)>,
}

/// How a path is to be watched.
#[derive(Clone)]
struct Wish {
    mask: AddWatchFlags,
    recurse: bool,
    auto_add: bool,
    exclude: Vec<fancy_regex::Regex>,
}

impl Wish {
    fn read(path: &str, said: &Value) -> Result<Wish, String> {
        let said: Vec<(String, Value)> = match said {
            Value::Null => Vec::new(),
            Value::Object(said) => said.clone().into_iter().collect(),
            _ => {
                return Err(
                    "Configuration for inotify beacon must be a list of dictionaries.".to_owned(),
                );
            }
        };
        only(&said, &format!("inotify for {path}"), &KEYS)?;
        let flag = |key: &str| match item(&said, key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!(
                "Configuration for inotify beacon {key} must be boolean."
            )),
        };
        let mut mask = AddWatchFlags::empty();
        for name in list(item(&said, "mask")) {
            let name = name.as_str().unwrap_or_default();
            let found = FLAGS.iter().find(|(known, _)| *known == name);
            let (_, bit) = found.ok_or_else(|| {
                format!("Configuration for inotify beacon invalid mask option {name}.")
            })?;
            mask |= *bit;
        }
        if mask.is_empty() {
            mask = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MODIFY;
        }
        let mut exclude = Vec::new();
        for pattern in list(item(&said, "exclude")) {
            let (text, is_regex) = match pattern {
                Value::Object(map) => match map.iter().next() {
                    Some((text, said)) => (text.clone(), said["regex"] == true),
                    None => continue,
                },
                other => (other.as_str().unwrap_or_default().to_owned(), false),
            };
            let text = if is_regex {
                text
            } else {
                format!("^{}$", fancy_regex::escape(&text))
            };
            let regex = fancy_regex::Regex::new(&text);
            exclude.push(regex.map_err(|error| format!("inotify: exclude: {error}"))?);
        }
        Ok(Wish {
            mask,
            recurse: flag("recurse")?,
            auto_add: flag("auto_add")?,
            exclude,
        })
    }

    fn leaves_out(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.exclude
            .iter()
            .any(|regex| regex.is_match(&path).unwrap_or(false))
    }
}

fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    }
}

fn wishes(items: &[(String, Value)]) -> Result<Vec<(PathBuf, Wish)>, String> {
    let files = item(items, "files").and_then(Value::as_object);
    let files = files.ok_or("Configuration for inotify beacon must include files.")?;
    files
        .iter()
        .map(|(path, said)| Ok((PathBuf::from(path), Wish::read(path, said)?)))
        .collect()
}

pub(super) fn check(items: &[(String, Value)]) -> Result<(), String> {
    only(items, "inotify", &["coalesce", "files"])?;
    wishes(items).map(|_| ())
}

pub(super) fn look(
    items: &[(String, Value)],
    memory: &mut Memory,
    _: &Caller,
) -> Result<Vec<Told>, String> {
    let files = match &mut memory.files {
        Some(files) => files,
        none => {
            let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
            let kernel = Inotify::init(flags).map_err(|error| format!("inotify: {error}"))?;
            none.insert(Files {
                kernel,
                watches: BTreeMap::new(),
            })
        }
    };
    // A path that comes into being later is watched from then on.
    for (path, wish) in wishes(items)? {
        if !files.watches.values().any(|(watched, _)| *watched == path) {
            files.watch(&path, &wish, 0)?;
        }
    }
    let mut all: Vec<Told> = Vec::new();
    while all.len() < CHANGES_MAX {
        let events = match files.kernel.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN) => break,
            Err(error) => return Err(format!("inotify: {error}")),
        };
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                return Err(
                    "inotify: more changed than the kernel keeps, and some is lost".to_owned(),
                );
            }
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                files.watches.remove(&event.wd);
                continue;
            }
            let Some((watched, wish)) = files.watches.get(&event.wd).cloned() else {
                continue;
            };
            let path = event
                .name
                .map_or(watched.clone(), |name| watched.join(name));
            if wish.leaves_out(&path) {
                continue;
            }
            let is_new = event
                .mask
                .intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
            if is_new && wish.auto_add && wish.recurse && path.is_dir() {
                files.watch(&path, &wish, 0)?;
            }
            let change = told(
                &watched.to_string_lossy(),
                json!({"path": path.to_string_lossy(), "change": change(event.mask)}),
            );
            // The same change twice in one look is one.
            if !all.contains(&change) {
                all.push(change);
            }
        }
    }
    Ok(all)
}

/// The kernel's names of what happened.
fn change(mask: AddWatchFlags) -> String {
    let known = FLAGS.iter().filter(|(_, flag)| mask.contains(*flag));
    let mut names: Vec<String> = known
        .map(|(name, _)| format!("IN_{}", name.to_ascii_uppercase()))
        .collect();
    if mask.contains(AddWatchFlags::IN_ISDIR) {
        names.push("IN_ISDIR".to_owned());
    }
    names.join("|")
}

impl Files {
    fn watch(&mut self, path: &Path, wish: &Wish, depth: usize) -> Result<(), String> {
        if self.watches.len() >= WATCHES_MAX || depth > DEPTH_MAX {
            return Err(format!(
                "inotify: more than {WATCHES_MAX} paths, or more than {DEPTH_MAX} directories in one another"
            ));
        }
        match self.kernel.add_watch(path, wish.mask) {
            Ok(watch) => {
                self.watches.insert(watch, (path.to_owned(), wish.clone()));
            }
            Err(Errno::ENOENT) => return Ok(()),
            Err(error) => return Err(format!("inotify: {}: {error}", path.display())),
        }
        if wish.recurse {
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                // Links are not followed: they may lead in a circle.
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_dir && !wish.leaves_out(&entry.path()) {
                    self.watch(&entry.path(), wish, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}
