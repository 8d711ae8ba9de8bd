//! `file.cached` and `file.not_cached`: copies of sources in the minion's cache.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::gather::USUAL_KIND;
use super::{
    Args, Return, StateAnswer, StateEnv, StateFunction, begin, expanded, fail, refuse_signatures,
};
use crate::failure::python_text;
use crate::files::checksum::{self, Names, Sum};
use crate::source::{self, Wish};

const CACHED_SIGNATURE: &str = "name, source_hash='', source_hash_name=None, skip_verify=False, saltenv='base', \
     use_etag=False, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, \
     sig_backend='gpg'";

pub(super) const CACHED: StateFunction = StateFunction::new(
    "file.cached",
    CACHED_SIGNATURE,
    "Fetch a source into the minion's cache, unless a copy with the source_hash is there. A path of this host is only \
     checked. use_etag: fetch it each time. Signatures are not served.",
    cached,
);

pub(super) const NOT_CACHED: StateFunction = StateFunction::new(
    "file.not_cached",
    "name, saltenv='base'",
    "Remove the copy of a source from the minion's cache.",
    not_cached,
);

/// Whether a source is on this host, and where.
fn local(name: &str) -> Option<PathBuf> {
    if !matches!(source::scheme(name), "" | "file") {
        return None;
    }
    let path = PathBuf::from(expanded(source::path_of(name)));
    Some(fs::canonicalize(&path).unwrap_or(path))
}

fn cached(args: &Args, env: &StateEnv) -> StateAnswer {
    refuse_signatures(args)?;
    let (name, saltenv) = (args.text("name")?, args.text("saltenv")?);
    let shown = source::redacted(&name);
    let mut answer = begin(&name);
    let (is_unverified, is_always_fetched) = (args.flag("skip_verify"), args.flag("use_etag"));
    let source_hash = args.optional_text("source_hash")?.unwrap_or_default();
    let local = local(&name);
    let is_remote = local.is_none() && source::scheme(&name) != "salt";
    if !is_unverified && source_hash.is_empty() && !is_always_fetched && is_remote {
        let comment = format!(
            "Unable to verify upstream hash of source file {shown}, please set source_hash or set skip_verify or use_etag to True"
        );
        return Ok(fail(answer, comment));
    }
    let mut sum = None;
    if !source_hash.is_empty() {
        let hash_name = args.optional_text("source_hash_name")?.unwrap_or_default();
        let names = Names {
            source: &name,
            hash_name: &hash_name,
            ..Names::default()
        };
        match checksum::of_source(env.env, &source_hash, names, &saltenv) {
            Ok(found) => sum = Some(found),
            Err(failure) => return Ok(fail(answer, failure.to_string())),
        }
    }
    let ctx = env.env.ctx;
    let before = source::cached(ctx, &name, Some(&saltenv));
    if env.is_test {
        answer.result = None;
        answer.comment = match (&before, &sum) {
            (None, _) => format!("File will be cached: {name}"),
            (Some(_), None) => format!("No hash found. File will be cached: {name}"),
            (Some(copy), Some(sum)) if Sum::of_file(&sum.kind, copy)? == *sum => {
                format!("File already cached: {name}")
            }
            _ => format!("Hashes don't match.\nFile will be cached: {name}"),
        };
        return Ok(answer);
    }
    let sum = sum.filter(|_| !is_unverified);
    if let Some(path) = local {
        return check(answer, &path, sum.as_ref());
    }
    let kind = sum.as_ref().map_or(USUAL_KIND, |sum| &sum.kind);
    let old = match &before {
        Some(copy) => Some(Sum::of_file(kind, copy)?.digits),
        None => None,
    };
    let wish = Wish {
        hash: sum
            .as_ref()
            .map(|sum| sum.digits.as_str())
            .filter(|_| !is_always_fetched),
        cancel: Some(env.env.cancel),
        ..Wish::default()
    };
    let copy = match source::fetch_as(ctx, &name, Some(&saltenv), wish) {
        Ok(copy) => copy,
        Err(failure) if source::scheme(&name) == "salt" => {
            tracing::warn!(%shown, "a source was not fetched: {failure}");
            let comment = format!("Failed to cache {shown}, check minion log for more information");
            return Ok(fail(answer, comment));
        }
        Err(failure) => return Ok(fail(answer, failure.to_string())),
    };
    let new = Sum::of_file(kind, &copy)?.digits;
    if old.as_ref() != Some(&new) {
        let change = json!({"old": old, "new": new});
        answer.changes.insert("hash".to_owned(), change);
    }
    let copy = copy.display();
    match sum {
        Some(sum) if sum.digits != new => {
            let comment = format!(
                "File is cached to {copy}, but the hash ({new}) does not match the specified hash ({})",
                sum.digits
            );
            return Ok(fail(answer, comment));
        }
        Some(_) => answer.comment = format!("File is already cached to {copy} with hash {new}"),
        None => answer.comment = format!("File is cached to {copy}"),
    }
    Ok(answer)
}

/// A file of this host is there with its hash.
fn check(mut answer: Return, path: &Path, sum: Option<&Sum>) -> StateAnswer {
    let shown = path.display();
    if !path.exists() {
        return Ok(fail(
            answer,
            format!("File {shown} is not present on the minion"),
        ));
    }
    let Some(sum) = sum else {
        answer.comment = format!("File {shown} is present on the minion");
        return Ok(answer);
    };
    let found = Sum::of_file(&sum.kind, path)?.digits;
    if found != sum.digits {
        let comment = format!(
            "File {shown} is present on the minion, but the hash ({found}) does not match the specified hash ({})",
            sum.digits
        );
        return Ok(fail(answer, comment));
    }
    answer.comment = format!("File {shown} is present on the minion and has hash {found}");
    Ok(answer)
}

fn not_cached(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, saltenv) = (args.text("name")?, args.text("saltenv")?);
    let mut answer = begin(&name);
    if let Some(path) = local(&name) {
        answer.comment = format!("File {} is a local path, no action taken", path.display());
        return Ok(answer);
    }
    let Some(copy) = source::cached(env.env.ctx, &name, Some(&saltenv)) else {
        answer.comment = format!("{name} is not cached");
        return Ok(answer);
    };
    // Salt removes it in test mode too; this state does not.
    if env.is_test {
        answer.result = None;
        answer.comment = format!("{} would be deleted", copy.display());
        answer
            .changes
            .insert("deleted".to_owned(), Value::Bool(true));
        return Ok(answer);
    }
    if let Err(error) = fs::remove_file(&copy) {
        let error = python_text(&copy, &error);
        let comment = format!("Failed to delete {}: {error}", copy.display());
        return Ok(fail(answer, comment));
    }
    answer.comment = format!("{} was deleted", copy.display());
    answer
        .changes
        .insert("deleted".to_owned(), Value::Bool(true));
    Ok(answer)
}
