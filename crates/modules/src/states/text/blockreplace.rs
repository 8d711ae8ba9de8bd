//! `file.blockreplace`.

use super::{Args, Return, StateEnv, Stop, charged, edited, existing, returned, source};
use crate::functions::file::text::put_block;
use crate::python;

pub(super) fn blockreplace(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let sources = source::listed(args)?;
    let path = existing(args, "file.blockreplace")?;
    let mut content = args.text("content")?;
    for (_, texts) in charged(env, &path.to_string_lossy()) {
        for line in &texts {
            if !content.is_empty() {
                content.push('\n');
            }
            content.push_str(&python::text(line));
        }
    }
    if !sources.is_empty() {
        content.push_str(&source::rendered(args, env, &sources)?.concat());
    }
    match put_block(args, &content, env.is_test) {
        Ok(changes) => Ok(edited(changes, env.is_test, "Changes would be made")),
        Err(failure) => Ok(returned(
            false,
            format!("Encountered error managing block: {failure}. See the log for details."),
        )),
    }
}
