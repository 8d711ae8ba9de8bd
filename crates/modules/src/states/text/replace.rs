//! `file.replace`.

use super::{Args, Return, StateEnv, Stop, edited, existing, returned};
use crate::functions::file::text::replace_text;

pub(super) fn replace(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    match existing(args, "file.replace") {
        Err(Stop::Return(refused))
            if args.flag("ignore_if_missing") && refused.comment.contains("file not found") =>
        {
            return Ok(returned(true, "No changes needed to be made"));
        }
        found => found?,
    };
    let changes = replace_text(args, env.is_test)?;
    Ok(edited(changes, env.is_test, "Changes would have been made"))
}
