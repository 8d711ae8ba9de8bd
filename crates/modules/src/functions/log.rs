//! `log`: words of state files and templates for the minion's log.

use serde_json::json;

use super::{Answer, Args, Env, Function};
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "log.critical",
        "message",
        "Log a message as an error; there is no worse level.",
        "log.critical 'JINJA NOT ONLY IS MY FAVORITE'",
        error,
    ),
    Function::new(
        "log.debug",
        "message",
        "Log a message for those who look for faults.",
        "log.debug 'JINJA is my favorite'",
        |args, _| {
            tracing::debug!("{}", message(args));
            Ok(json!(true))
        },
    ),
    Function::new(
        "log.error",
        "message",
        "Log a message as an error.",
        "log.error 'It is broken'",
        error,
    ),
    Function::new(
        "log.exception",
        "message",
        "The same as log.error.",
        "log.exception 'It is broken'",
        error,
    ),
    Function::new(
        "log.info",
        "message",
        "Log a message.",
        "log.info 'JINJA is my favorite'",
        |args, _| {
            tracing::info!("{}", message(args));
            Ok(json!(true))
        },
    ),
    Function::new(
        "log.warning",
        "message",
        "Log a message as a warning.",
        "log.warning 'JINJA is my favorite'",
        |args, _| {
            tracing::warn!("{}", message(args));
            Ok(json!(true))
        },
    ),
];

fn message(args: &Args) -> String {
    python::text(args.value("message"))
}

fn error(args: &Args, _: &Env) -> Answer {
    tracing::error!("{}", message(args));
    Ok(json!(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn each_level_takes_a_message() {
        let host = Host::new();
        for function in FUNCTIONS {
            assert_eq!(
                host.call(Call::new(function.name).arg("m")).value,
                json!(true)
            );
            assert!(!host.call(Call::new(function.name)).success);
        }
    }
}
