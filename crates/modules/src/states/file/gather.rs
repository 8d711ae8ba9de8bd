//! Getting the content of a source: choosing of several, its hash, its bytes, its template.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Failure, StateEnv, content};
use crate::files::checksum::{self, Names, Sum};
use crate::python;
use crate::source::{self, Source, Wish};

/// Hash of files where nobody says which.
pub(super) const USUAL_KIND: &str = "sha256";

/// A source and what must be true of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// The file that is to be managed.
    pub(super) name: String,
    /// `salt://`, http, https, `file://` or an absolute path.
    pub(super) source: String,
    pub(super) source_hash: String,
    pub(super) source_hash_name: String,
    pub(super) is_unverified: bool,
    /// Ask the server anew each time.
    pub(super) is_always_fetched: bool,
    pub(super) accepts_any_certificate: bool,
    /// The engine that makes the content of the source.
    pub(super) template: Option<String>,
    /// More names for the template.
    pub(super) names: Map<String, Value>,
}

/// The bytes of a source.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    /// At a path of this host.
    At(PathBuf),
    /// Made by a template.
    Made(Vec<u8>),
    /// Not fetched yet, as its hash may say that nobody needs it.
    OnHub,
}

/// A source that was found.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub(super) bytes: Bytes,
    /// The hash that the content shall have; none when nobody knows any.
    pub(super) sum: Option<Sum>,
}

/// Why a source cannot be used: a comment for the state, or a failure on the way.
pub(super) enum Trouble {
    Comment(String),
    Failure(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failure(failure)
    }
}

/// The first of several sources that is there, with its hash; a single one is taken as it is.
pub(in crate::states) fn choose(
    env: &StateEnv,
    source: &Value,
    source_hash: &Value,
) -> Result<(String, String), Failure> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Object(map) if map.is_empty() => String::new(),
        value => python::text(value),
    };
    let Value::Array(items) = source else {
        return Ok((text(source), text(source_hash)));
    };
    for item in items {
        let (one, hash) = match item {
            Value::Object(map) => match map.iter().next() {
                Some((one, hash)) if map.len() == 1 && python::truthy(hash) => (one.clone(), hash),
                Some((one, _)) if map.len() == 1 => (one.clone(), source_hash),
                _ => continue,
            },
            one => (python::text(one), source_hash),
        };
        if is_there(env, &one)? {
            return Ok((one, text(hash)));
        }
    }
    Err(Failure::command("none of the specified sources were found"))
}

fn is_there(env: &StateEnv, source: &str) -> Result<bool, Failure> {
    let ctx = env.env.ctx;
    Ok(match Source::parse(source) {
        Ok(Source::Hub { path, env: named }) => {
            let saltenv = named.unwrap_or_else(|| env.saltenv());
            let files = ctx.files();
            let is_file = files
                .hash(&path, &saltenv)
                .map_err(Failure::Command)?
                .is_some();
            let below = format!("{}/", path.trim_end_matches('/'));
            is_file
                || !files
                    .list(&saltenv, &below)
                    .map_err(Failure::Command)?
                    .is_empty()
        }
        Ok(Source::Local(path)) => path.exists(),
        Ok(Source::Web(url)) => source::is_on_the_web(ctx, &url),
        Err(_) => false,
    })
}

/// Finds the source and its hash, and gets its bytes where a template or another server gives them.
pub(super) fn gather(wanted: &Wanted, env: &StateEnv) -> Result<Gathered, Trouble> {
    let source = wanted.source.as_str();
    // What begins with no word of ours is a path, and a path that is not there says so.
    let scheme = match source::scheme(source) {
        scheme if source::SCHEMES.contains(&scheme) => scheme,
        _ => "",
    };
    let is_local = matches!(scheme, "" | "file");
    let mut found = None;
    if is_local {
        let path = match scheme {
            "" => PathBuf::from(source),
            _ => PathBuf::from(source::local_path(source)),
        };
        if !path.exists() {
            let text = format!("Local file source {} does not exist", path.display());
            return Err(Trouble::Comment(text));
        }
        found = Some(path);
    }
    let sum = hash_of(wanted, scheme, found.as_deref(), env)?;
    let is_remote = !is_local && scheme != "salt";
    if wanted.template.is_none() && !is_remote {
        let bytes = found.map_or(Bytes::OnHub, Bytes::At);
        return Ok(Gathered { bytes, sum });
    }
    let (path, sum) = match found {
        Some(path) => (path, sum),
        None => download(wanted, sum, env)?,
    };
    if path == Path::new(&wanted.name) {
        let text = "Source file cannot be the same as destination";
        return Err(Failure::invocation(text).into());
    }
    match &wanted.template {
        Some(engine) => rendered(wanted, engine, &path, env),
        None => Ok(Gathered {
            bytes: Bytes::At(path),
            sum,
        }),
    }
}

fn hash_of(
    wanted: &Wanted,
    scheme: &str,
    local: Option<&Path>,
    env: &StateEnv,
) -> Result<Option<Sum>, Trouble> {
    let (source, saltenv) = (wanted.source.as_str(), env.saltenv());
    if scheme == "salt" {
        let Source::Hub { path, env: named } = Source::parse(source)? else {
            return Ok(None);
        };
        let named = named.unwrap_or_else(|| saltenv.clone());
        let found = env
            .env
            .ctx
            .files()
            .hash(&path, &named)
            .map_err(Failure::Command)?;
        return match found {
            Some(hash) => Ok(Some(Sum {
                kind: hash.hash_type,
                digits: hash.hsum,
            })),
            None => Err(Trouble::Comment(format!(
                "Source file {source} not found in saltenv '{saltenv}'"
            ))),
        };
    }
    match local {
        Some(path) if wanted.source_hash.is_empty() => Ok(Some(Sum::of_file(USUAL_KIND, path)?)),
        _ if wanted.is_unverified => Ok(None),
        _ if !wanted.source_hash.is_empty() => stated_hash(wanted, env)
            .map(Some)
            .map_err(|failure| Trouble::Comment(format!("Unable to manage file: {failure}"))),
        _ if wanted.is_always_fetched => Ok(None),
        _ => Err(Trouble::Comment(format!(
            "Unable to verify upstream hash of source file {}, please set source_hash or set skip_verify to True",
            source::redacted(source)
        ))),
    }
}

/// The hash that `source_hash` states.
pub(super) fn stated_hash(wanted: &Wanted, env: &StateEnv) -> Result<Sum, Failure> {
    let names = Names {
        file_name: &wanted.name,
        source: &wanted.source,
        hash_name: &wanted.source_hash_name,
    };
    checksum::of_source(env.env, &wanted.source_hash, names, &env.saltenv())
}

/// A copy of what is not on this host: the one in the cache when it is right, or a new one.
fn download(
    wanted: &Wanted,
    sum: Option<Sum>,
    env: &StateEnv,
) -> Result<(PathBuf, Option<Sum>), Trouble> {
    let (ctx, saltenv) = (env.env.ctx, env.saltenv());
    let source = wanted.source.as_str();
    let is_web = source::scheme(source) != "salt";
    if is_web
        && wanted.is_unverified
        && let Some(path) = source::cached(ctx, source, Some(&saltenv))
    {
        let sum = Sum::of_file(USUAL_KIND, &path)?;
        return Ok((path, Some(sum)));
    }
    let path = fetch(wanted, sum.as_ref(), env).map_err(|failure| {
        let shown = source::redacted(source);
        Trouble::Comment(format!("Failed to cache {shown}: {failure}"))
    })?;
    Ok((path, sum))
}

/// Fetches the source into the cache.
fn fetch(wanted: &Wanted, sum: Option<&Sum>, env: &StateEnv) -> Result<PathBuf, Failure> {
    let wish = Wish {
        hash: sum
            .map(|sum| sum.digits.as_str())
            .filter(|_| !wanted.is_always_fetched),
        accepts_any_certificate: wanted.accepts_any_certificate,
        cancel: Some(env.env.cancel),
    };
    source::fetch_as(env.env.ctx, &wanted.source, Some(&env.saltenv()), wish)
}

/// The path of a source that is needed now.
pub(super) fn fetched(
    wanted: &Wanted,
    gathered: &Gathered,
    env: &StateEnv,
) -> Result<Bytes, Failure> {
    match &gathered.bytes {
        Bytes::OnHub => fetch(wanted, gathered.sum.as_ref(), env).map(Bytes::At),
        bytes => Ok(bytes.clone()),
    }
}

fn rendered(
    wanted: &Wanted,
    engine: &str,
    path: &Path,
    env: &StateEnv,
) -> Result<Gathered, Trouble> {
    content::check_engine(engine).map_err(Trouble::Comment)?;
    let text = fs::read(path).map_err(|error| Failure::io(path, error))?;
    let (below, saltenv) = match Source::parse(&wanted.source)? {
        Source::Hub { path, env: named } => (path, named.unwrap_or_else(|| env.saltenv())),
        _ => (path.to_string_lossy().into_owned(), env.saltenv()),
    };
    let mut names = Map::new();
    for (name, value) in [
        ("name", wanted.name.as_str()),
        ("source", &wanted.source),
        ("saltenv", &saltenv),
    ] {
        names.insert(name.to_owned(), json!(value));
    }
    names.extend(wanted.names.clone());
    let made = env
        .template(engine, &saltenv, &below, &text, names)
        .map_err(|failure| Trouble::Comment(failure.to_string()))?
        .into_bytes();
    let sum = Sum::of_bytes(USUAL_KIND, &made)?;
    Ok(Gathered {
        bytes: Bytes::Made(made),
        sum: Some(sum),
    })
}

impl Bytes {
    /// All of it, for a comparison.
    pub(super) fn read(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Bytes::At(path) => crate::files::change::read(path),
            Bytes::Made(bytes) => Ok(bytes.clone()),
            Bytes::OnHub => Ok(Vec::new()),
        }
    }

    /// Its hash.
    pub(super) fn sum(&self, kind: &str) -> Result<Sum, Failure> {
        match self {
            Bytes::At(path) => Sum::of_file(kind, path),
            Bytes::Made(bytes) => Sum::of_bytes(kind, bytes),
            Bytes::OnHub => Sum::of_bytes(kind, b""),
        }
    }
}

/// The mode of a source, for `mode: keep`; none for what comes from other servers.
pub(super) fn mode_of(wanted: &Wanted, env: &StateEnv) -> Option<String> {
    let path = match Source::parse(&wanted.source).ok()? {
        Source::Web(_) => return None,
        _ => fetch(wanted, None, env).ok()?,
    };
    let metadata = fs::metadata(path).ok()?;
    Some(crate::files::mode::of(&metadata))
}
