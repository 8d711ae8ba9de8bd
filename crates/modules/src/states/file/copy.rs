//! `file.copy`: a file or directory of this host is there under another name too.

use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, expanded, fail,
    missing_owners, name_of, own_user, remove, user_of,
};
use crate::files::permissions::{self, Wanted};
use crate::files::{checksum::Sum, directories, mode, owner};

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.copy",
    "name, source, force=False, makedirs=False, preserve=False, user=None, group=None, mode=None, dir_mode=None, \
     subdir=False, **kwargs",
    "Copy a file or directory of this host to name, unless it is there. force: replace it. preserve: keep owner and \
     mode of the source. makedirs: make missing directories. subdir: copy into a directory of the name.",
    copy,
);

fn copy(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut name = name_of(args)?;
    let source = expanded(&args.text("source")?);
    let mut answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.copy"));
    }
    if !name.starts_with('/') {
        let comment = format!("Specified file {name} is not an absolute path");
        return Ok(fail(answer, comment));
    }
    let from = Path::new(&source);
    if !from.exists() {
        let comment = format!("Source file \"{source}\" is not present");
        return Ok(fail(answer, comment));
    }
    let is_preserved = args.flag("preserve");
    let mut wanted = Wanted::default();
    if !is_preserved {
        wanted.user = own_user(user_of(args), env);
        wanted.group = match args.value("group") {
            Value::Null => owner::main_group(&wanted.user),
            group => group.clone(),
        };
        let missing = missing_owners(&wanted.user, &wanted.group, env);
        if !missing.is_empty() {
            return Ok(fail(answer, missing));
        }
        wanted.mode = mode::normalized(args.value("mode"));
    }
    let found = permissions::found(from, true)?;
    if is_preserved {
        (wanted.user, wanted.group) = (found.user.clone(), found.group.clone());
    }
    wanted.mode.get_or_insert_with(|| found.mode.clone());
    let mut comment = format!("Copied \"{source}\" to \"{name}\"");
    if Path::new(&name).is_dir() && args.flag("subdir") {
        let last = source.rsplit('/').next().unwrap_or_default();
        name = format!("{}/{last}", name.trim_end_matches('/'));
    }
    let to = Path::new(&name);
    let is_there = to.symlink_metadata().is_ok();
    let is_forced = args.flag("force");
    if is_there && !is_forced {
        answer.comment = format!("The target file \"{name}\" exists and will not be overwritten");
        return Ok(answer);
    }
    if is_there
        && to.is_file()
        && from.is_file()
        && Sum::of_file("sha256", to)? == Sum::of_file("sha256", from)?
    {
        comment += " - files are identical but force flag is set";
    }
    if env.is_test {
        answer.result = None;
        answer.comment = format!("File \"{source}\" is set to be copied to \"{name}\"");
        return Ok(answer);
    }
    if is_there && remove(to).is_err() {
        let comment = format!("Failed to delete \"{name}\" in preparation for forced move");
        return Ok(fail(answer, comment));
    }
    let directory = directories::above(&name);
    if !Path::new(directory).is_dir() {
        if !args.flag("makedirs") {
            let comment = format!("The target directory {directory} is not present");
            return Ok(fail(answer, comment));
        }
        let dir_mode = mode::normalized(args.value("dir_mode"))
            .or_else(|| wanted.mode.as_deref().map(mode::with_search));
        directories::make(
            Path::new(directory),
            &wanted.user,
            &wanted.group,
            dir_mode.as_deref(),
        )?;
    }
    if copy_there(from, to, &wanted, env).is_err() {
        return Ok(fail(
            answer,
            format!("Failed to copy \"{source}\" to \"{name}\""),
        ));
    }
    answer.comment = comment;
    answer.changes = Map::from_iter([(name.clone(), json!(source))]);
    if !is_preserved {
        let mut settled = Return {
            comment: String::new(),
            ..begin(&name)
        };
        permissions::settle(to, &mut settled, &wanted, false, false, env.env)?;
        answer.changes.extend(settled.changes);
        if settled.result == Some(false) {
            answer.result = settled.result;
            answer.comment = format!("{}; {}", answer.comment, settled.comment);
        }
    }
    Ok(answer)
}

/// Copies a file with its mode, or a directory with all below, links as links, and the owner for what is below.
fn copy_there(from: &Path, to: &Path, wanted: &Wanted, env: &StateEnv) -> Result<(), Failure> {
    let failed = |error| Failure::io(to, error);
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(failed);
    }
    let uid = owner::user_id(&wanted.user).map(|id| id.as_raw());
    let gid = owner::group_id(&wanted.group).map(|id| id.as_raw());
    let mut waiting = vec![(from.to_owned(), to.to_owned())];
    // The directory itself gets its owner with its mode, from who asks for the copy.
    let mut is_top = true;
    while let Some((from, to)) = waiting.pop() {
        if env.env.cancel.is_cancelled() {
            return Err(Failure::command("the job was cancelled"));
        }
        fs::create_dir(&to).map_err(failed)?;
        for entry in fs::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, place) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                waiting.push((path, place));
                continue;
            }
            if kind.is_symlink() {
                symlink(fs::read_link(&path).map_err(failed)?, &place).map_err(failed)?;
            } else {
                fs::copy(&path, &place).map_err(failed)?;
            }
            lchown(&place, uid, gid).map_err(failed)?;
        }
        let permissions = fs::metadata(&from).map_err(failed)?.permissions();
        fs::set_permissions(&to, permissions).map_err(failed)?;
        if !is_top {
            lchown(&to, uid, gid).map_err(failed)?;
        }
        is_top = false;
    }
    Ok(())
}
