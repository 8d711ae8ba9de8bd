//! Sources of files as operators write them: `salt://path?saltenv=dev`, `file:///path`, `/path`.

use std::path::PathBuf;

use crate::context::Context;
use crate::failure::Failure;

/// Environment of files when neither the call nor the configuration names one.
pub(crate) const DEFAULT_ENV: &str = "base";

/// Where a file comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A path of the hub's files, and the environment that the source itself names.
    Hub { path: String, env: Option<String> },
    /// A path of this host.
    Local(PathBuf),
}

impl Source {
    /// Reads a source.
    pub(crate) fn parse(text: &str) -> Result<Source, Failure> {
        if let Some(rest) = text.strip_prefix("salt://") {
            let (path, env) = match rest.split_once("?saltenv=") {
                Some((path, env)) => (path, Some(env.to_owned())),
                None => (rest, None),
            };
            // A leading bar marks a path whose `?` and `%` are meant as they stand.
            let path = path
                .trim_start_matches('|')
                .trim_start_matches('/')
                .to_owned();
            if path.split('/').any(|part| part == "..") {
                return Err(Failure::invocation(format!(
                    "'{text}' leaves the file roots"
                )));
            }
            return Ok(Source::Hub { path, env });
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Source::Local(PathBuf::from(path)));
        }
        Err(Failure::invocation(format!(
            "'{text}' is not a source: salt://, file:// and absolute paths are"
        )))
    }
}

/// The environment to use: the one that the source names, the one of the call, the configured one, `base`.
pub(crate) fn environment(
    ctx: &dyn Context,
    in_source: Option<String>,
    in_call: Option<&str>,
) -> String {
    let configured = || {
        ctx.config("saltenv")
            .and_then(|value| value.as_str().map(str::to_owned))
    };
    in_source
        .or_else(|| in_call.map(str::to_owned))
        .or_else(configured)
        .unwrap_or_else(|| DEFAULT_ENV.to_owned())
}

/// A local path with the content of a source.
pub(crate) fn fetch(
    ctx: &dyn Context,
    source: &str,
    env: Option<&str>,
) -> Result<PathBuf, Failure> {
    match Source::parse(source)? {
        Source::Local(path) if path.is_file() => Ok(path),
        Source::Local(path) => Err(Failure::command(format!(
            "no such file: '{}'",
            path.display()
        ))),
        Source::Hub {
            path,
            env: in_source,
        } => ctx
            .files()
            .fetch(&path, &environment(ctx, in_source, env))
            .map_err(Failure::Command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read() {
        let hub = |path: &str, env: Option<&str>| Source::Hub {
            path: path.to_owned(),
            env: env.map(str::to_owned),
        };
        let check = |text: &str, expected: Option<Source>| {
            assert_eq!(Source::parse(text).ok(), expected, "{text}")
        };
        check("salt://a/b.sh", Some(hub("a/b.sh", None)));
        check("salt://a?saltenv=dev", Some(hub("a", Some("dev"))));
        check("salt://|a?b", Some(hub("a?b", None)));
        check("file:///etc/motd", Some(Source::Local("/etc/motd".into())));
        check("/etc/motd", Some(Source::Local("/etc/motd".into())));
        check("salt://../../etc/shadow", None);
        check("http://example.com/x", None);
        check("relative", None);
    }
}
