//! `file.exists` and `file.missing`: what somebody else must have made, or removed.

use std::path::Path;

use super::{Args, Return, StateAnswer, StateEnv, StateFunction, begin, fail, name_of};

pub(super) const EXISTS: StateFunction = StateFunction::new(
    "file.exists",
    "name, **kwargs",
    "Fail unless the path is there. Nothing is changed.",
    |args, env| check(args, env, true),
);

pub(super) const MISSING: StateFunction = StateFunction::new(
    "file.missing",
    "name, **kwargs",
    "Fail if the path is there. Nothing is changed.",
    |args, env| check(args, env, false),
);

fn check(args: &Args, _: &StateEnv, is_wanted: bool) -> StateAnswer {
    let name = name_of(args)?;
    let answer = begin(&name);
    if name.is_empty() {
        let fun = if is_wanted { "exists" } else { "missing" };
        return Ok(fail(answer, format!("Must provide name to file.{fun}")));
    }
    let is_there = Path::new(&name).exists();
    let comment = match (is_wanted, is_there) {
        (true, true) => format!("Path {name} exists"),
        (false, false) => format!("Path {name} is missing"),
        (true, false) => {
            return Ok(fail(
                answer,
                format!("Specified path {name} does not exist"),
            ));
        }
        (false, true) => return Ok(fail(answer, format!("Specified path {name} exists"))),
    };
    Ok(Return { comment, ..answer })
}
