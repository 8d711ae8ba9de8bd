//! `file.line`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde_json::Value;

use super::{Args, Failure, Return, StateEnv, Stop, edited, missing, name, returned};
use crate::edit::replace::{self, PUBLIC_MODE};
use crate::files::mode;
use crate::files::owner::{group_id, user_id};
use crate::functions::file::text::line as edit_line;

pub(super) fn line(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let path = name(args, "file.line")?;
    if !env.is_test && path.is_absolute() {
        keep_file(args, &path)?;
    }
    if let Some(comment) = missing(&path) {
        return Ok(returned(false, comment));
    }
    let mode = args.optional_text("mode")?.map(|mode| mode.to_lowercase());
    match mode.as_deref() {
        None => {
            let comment = "Mode was not defined. How to process the file?";
            return Ok(returned(false, comment));
        }
        Some(mode) if mode != "delete" && args.value("content").is_null() => {
            let comment = "Content can only be empty if mode is ['delete']";
            return Ok(returned(false, comment));
        }
        _ => {}
    }
    let changes = edit_line(args, env.is_test)?;
    Ok(edited(changes, env.is_test, "Changes would be made"))
}

/// Makes the file when it is missing and shall be made, and gives it the owner and mode that the state names.
fn keep_file(args: &Args, path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::io(path, error);
    if !path.exists() {
        if !args.flag("create") {
            return Ok(());
        }
        replace::replace(path, b"", PUBLIC_MODE).map_err(failed)?;
    }
    let owner = |name: &str, id: Option<u32>| match args.value(name) {
        Value::Null => Ok(None),
        _ if id.is_some() => Ok(id),
        value => Err(Failure::command(format!(
            "{name} {} is not available",
            crate::python::text(value)
        ))),
    };
    let uid = owner("user", user_id(args.value("user")).map(|id| id.as_raw()))?;
    let gid = owner("group", group_id(args.value("group")).map(|id| id.as_raw()))?;
    if uid.is_some() || gid.is_some() {
        chown(path, uid, gid).map_err(failed)?;
    }
    if !args.value("file_mode").is_null() {
        let mode = mode::normalized(args.value("file_mode"))
            .and_then(|text| mode::bits(&text))
            .ok_or_else(|| Failure::invocation("Invalid Mode"))?;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(())
}
