//! Sources of files as operators write them: `salt://path?saltenv=dev`, `https://host/path`, `file:///path`, `/path`.

mod proxy;
mod url;
mod web;

use std::path::{Path, PathBuf};

pub(crate) use url::{local_path, path_of, redacted, scheme};

use crate::cancel::Cancel;
use crate::context::Context;
use crate::failure::Failure;

/// Environment of files when neither the call nor the configuration names one.
pub(crate) const DEFAULT_ENV: &str = "base";

/// What sources may begin with, for messages. Of these `ftp`, `swift` and `s3` are known and not served.
pub(crate) const SCHEMES: [&str; 7] = ["salt", "file", "http", "https", "ftp", "swift", "s3"];

/// Where a file comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A path of the hub's files, and the environment that the source itself names.
    Hub { path: String, env: Option<String> },
    /// A path of this host.
    Local(PathBuf),
    /// A URL of http or https.
    Web(String),
}

/// How a source is to be fetched.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    /// The hash that it shall have, in hexadecimal: a copy that has it is not fetched again. That what comes has it is for the caller to see.
    pub(crate) hash: Option<&'a str>,
    /// Take any certificate of a server.
    pub(crate) accepts_any_certificate: bool,
    /// Ends the fetching.
    pub(crate) cancel: Option<&'a Cancel>,
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
        if matches!(scheme(text), "http" | "https") {
            return Ok(Source::Web(text.to_owned()));
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Source::Local(PathBuf::from(path)));
        }
        Err(Failure::invocation(format!(
            "'{}' is not a source that is served: salt://, http://, https://, file:// and absolute paths are",
            redacted(text)
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

/// A source with its content.
pub(crate) struct Content {
    /// The path below the roots, on this host, or the URL.
    pub(crate) path: String,
    /// The environment of a path below the roots; for others that of who asks.
    pub(crate) saltenv: String,
    pub(crate) bytes: Vec<u8>,
}

/// Reads a source whole, for who asks from the environment `saltenv`.
pub(crate) fn read(ctx: &dyn Context, source: &str, saltenv: &str) -> Result<Content, Failure> {
    let (path, saltenv) = match Source::parse(source)? {
        Source::Local(path) => (path.to_string_lossy().into_owned(), saltenv.to_owned()),
        Source::Web(url) => (url, saltenv.to_owned()),
        Source::Hub { path, env } => (path, environment(ctx, env, Some(saltenv))),
    };
    let local = fetch(ctx, source, Some(&saltenv))?;
    let bytes = std::fs::read(&local).map_err(|error| Failure::io(&local, error))?;
    Ok(Content {
        path,
        saltenv,
        bytes,
    })
}

/// A local path with the content of a source.
pub(crate) fn fetch(
    ctx: &dyn Context,
    source: &str,
    env: Option<&str>,
) -> Result<PathBuf, Failure> {
    fetch_as(ctx, source, env, Wish::default())
}

/// A local path with the content of a source, fetched as wished.
pub(crate) fn fetch_as(
    ctx: &dyn Context,
    source: &str,
    env: Option<&str>,
    wish: Wish<'_>,
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
        Source::Web(url) => web::fetch(ctx, &url, &environment(ctx, None, env), wish),
    }
}

/// Whether a server answers a request for the head of a URL with success.
pub(crate) fn is_on_the_web(ctx: &dyn Context, url: &str) -> bool {
    web::exists(ctx, url)
}

/// Where the copy of a source is or would be; a path of this host is its own.
pub(crate) fn cache_place(ctx: &dyn Context, source: &str, env: Option<&str>) -> Option<PathBuf> {
    let cache = ctx.cache_dir();
    match Source::parse(source).ok()? {
        Source::Local(path) => Some(path),
        Source::Web(url) => url::place(cache, &url, &environment(ctx, None, env)),
        Source::Hub { path, env: named } => {
            let env = environment(ctx, named, env);
            Some(cache.join("files").join(env).join(path))
        }
    }
}

/// The copy of a source that is in the cache, as it was when it was fetched.
pub(crate) fn cached(ctx: &dyn Context, source: &str, env: Option<&str>) -> Option<PathBuf> {
    let cache = ctx.cache_dir();
    let (path, env) = match Source::parse(source).ok()? {
        Source::Web(url) => {
            let env = environment(ctx, None, env);
            return url::place(cache, &url, &env).filter(|path| path.exists());
        }
        Source::Hub { path, env: named } => (path, environment(ctx, named, env)),
        Source::Local(path) => {
            let path = path.to_string_lossy().trim_start_matches('/').to_owned();
            (path, environment(ctx, None, env))
        }
    };
    [
        cache.join("files").join(env).join(&path),
        local_copy(cache, &path),
    ]
    .into_iter()
    .find(|path| path.exists())
}

/// Where a copy of a file of this host is kept in the cache.
pub(crate) fn local_copy(cache: &Path, path: &str) -> PathBuf {
    cache.join("localfiles").join(path.trim_start_matches('/'))
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
        let web = "http://example.com/x";
        check(web, Some(Source::Web(web.to_owned())));
        check("ftp://example.com/x", None);
        check("relative", None);
    }
}
