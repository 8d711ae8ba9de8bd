//! Making directories with those above them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde_json::Value;

use super::{mode, owner};
use crate::failure::Failure;
use crate::python;

/// Makes a directory and those above it that are missing. Owner and mode go to each new one; without a mode they get the usual one.
pub(crate) fn make(
    directory: &Path,
    user: &Value,
    group: &Value,
    mode: Option<&str>,
) -> Result<(), Failure> {
    let id = |what: &str, value: &Value, id: Option<u32>| match value {
        Value::Null => Ok(None),
        _ if id.is_some() => Ok(id),
        value => Err(Failure::command(format!(
            "'{}' is not available ({what})",
            python::text(value)
        ))),
    };
    let uid = id("user", user, owner::user_id(user).map(|id| id.as_raw()))?;
    let gid = id("group", group, owner::group_id(group).map(|id| id.as_raw()))?;
    let mode = match mode {
        None => None,
        Some(mode) => Some(mode::bits(mode).ok_or_else(|| Failure::invocation("Invalid Mode"))?),
    };
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|dir| !dir.is_dir() && *dir != Path::new(""))
        .collect();
    for new in missing.iter().rev() {
        let failed = |error| Failure::io(new, error);
        fs::create_dir(new).map_err(failed)?;
        if uid.is_some() || gid.is_some() {
            chown(new, uid, gid).map_err(failed)?;
        }
        if let Some(mode) = mode {
            fs::set_permissions(new, Permissions::from_mode(mode)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes what is missing above a path.
pub(crate) fn make_parents(
    path: &Path,
    user: &Value,
    group: &Value,
    mode: Option<&str>,
) -> Result<(), Failure> {
    match path.parent() {
        Some(parent) => make(parent, user, group, mode),
        None => Ok(()),
    }
}

/// What stands before the last slash of a path, as Python's `dirname`.
pub(crate) fn above(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((head, _)) if head.trim_end_matches('/').is_empty() => "/",
        Some((head, _)) => head.trim_end_matches('/'),
        None => "",
    }
}
