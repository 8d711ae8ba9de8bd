//! `file.uncomment`.

use super::comment::{apply, search};
use super::{Args, Return, StateEnv, Stop, existing, returned};
use crate::edit::comment::Comment;

pub(super) fn uncomment(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let path = existing(args, "file.uncomment")?;
    let (regex, mark) = (args.text("regex")?, args.text("char")?);
    let bare = regex.trim_start_matches('^');
    let uncommented = format!("^[ \t]*{bare}");
    if !search(&path, &format!("{mark}[ \t]*{bare}"))? {
        return Ok(if search(&path, &uncommented)? {
            returned(true, "Pattern already uncommented")
        } else {
            returned(false, format!("{regex}: Pattern not found"))
        });
    }
    let comment = Comment {
        regex: &regex,
        mark: &mark,
        is_out: false,
    };
    apply(args, env, &path, &comment, &uncommented)
}
