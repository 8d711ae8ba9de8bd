//! `archive.extracted`: what an archive holds is in a directory.

mod arguments;
mod contents;
mod kept_sum;
mod owners;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, returned};
use crate::failure::python_text;
use crate::files::checksum::Sum;
use crate::{python, source};

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "archive.extracted",
    "name, source, source_hash=None, source_hash_name=None, source_hash_update=False, skip_files_list_verify=False, \
     skip_verify=False, password=None, options=None, list_options=None, force=False, overwrite=False, clean=False, \
     clean_parent=False, user=None, group=None, if_missing=None, trim_output=False, use_cmd_unzip=None, \
     extract_perms=True, enforce_toplevel=True, enforce_ownership_on=None, archive_format=None, use_etag=False, \
     signature=None, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, \
     sig_backend='gpg', **kwargs",
    "Unpack an archive (tar, zip, rar) into a directory, unless all that it holds is there. source, source_hash: as for \
     file.managed. options: of tar or unzip. overwrite: always unpack. clean: remove what has the names at the top \
     first; clean_parent: the directory. force: replace what is of another kind. if_missing: a path that tells that all \
     is done. enforce_toplevel: the archive has a single directory at its top. keep_source=False: remove the fetched \
     copy. Signatures are not served.",
    extracted,
)];

/// A refusal as a comment, or a failure on the way.
type Refusal = Result<String, Failure>;

/// What is unpacked, and where.
struct Extraction<'a> {
    args: &'a Args<'a>,
    env: &'a StateEnv<'a>,
    /// The directory, with a slash at its end.
    name: String,
    source: String,
    format: String,
    options: Option<String>,
    sum: Option<Sum>,
    /// As many names of files are shown.
    trim: Option<usize>,
}

fn refused(comment: impl Into<String>) -> Refusal {
    Ok(comment.into())
}

fn extracted(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.optional_text("name")?.unwrap_or_default();
    let mut answer = Return {
        name: Some(name.clone()),
        ..returned(false, "")
    };
    let outcome = arguments::judged_name(&name, args).and_then(|name| {
        if let Some(path) = args
            .value("if_missing")
            .as_str()
            .filter(|path| Path::new(path).exists())
        {
            answer.result = Some(true);
            answer.comment = format!("Path {path} exists");
            return Ok(());
        }
        arguments::read(name, args, env)?.run(&mut answer)
    });
    match outcome {
        Ok(()) => Ok(answer),
        Err(Ok(comment)) => Ok(Return { comment, ..answer }),
        Err(Err(failure)) => Err(failure),
    }
}

/// A comment as the end of a state.
fn stop(comment: impl Into<String>) -> Result<(), Refusal> {
    Err(refused(comment))
}

impl Extraction<'_> {
    fn is_local(&self) -> bool {
        self.source.starts_with('/')
    }

    fn shown(&self) -> String {
        source::redacted(&self.source)
    }

    fn if_missing(&self) -> Option<&str> {
        self.args.value("if_missing").as_str()
    }

    fn run(&self, answer: &mut Return) -> Result<(), Refusal> {
        if self.args.flag("source_hash_update") && self.sum.is_none() {
            let text = "The 'source_hash_update' argument is ignored when 'source_hash' is not also specified.";
            answer.others.insert("warnings".to_owned(), json!([text]));
        }
        if self.args.flag("skip_files_list_verify") && self.is_known() {
            answer.result = (!self.env.is_test).then_some(true);
            answer.comment = format!(
                "Archive {} existing source sum is the same as the expected one and skip_files_list_verify argument was set \
                 to True. Extraction is not needed",
                self.shown()
            );
            return Ok(());
        }
        if !self.is_local() && self.env.is_test {
            answer.result = None;
            answer.comment = format!(
                "Archive {} would be cached (if necessary) and checked to discover if extraction is needed",
                self.shown()
            );
            return Ok(());
        }
        let Some(archive) = self.cached(answer)? else {
            return Ok(());
        };
        let known = self.kept_sum(&archive);
        if self.sum.is_some()
            && self.args.flag("source_hash_update")
            && !self.args.flag("skip_verify")
        {
            self.keep_sum(&archive).map_err(Err)?;
        }
        let contents = self.contents(&archive)?;
        if self.args.flag("clean") && self.args.flag("clean_parent") {
            return stop("Only one of 'clean' and 'clean_parent' can be set to True");
        }
        let (mut is_needed, is_incomplete) = self.compare(&contents, answer)?;
        let is_updated = !is_needed
            && self.args.flag("source_hash_update")
            && known.is_some_and(|known| Some(known) != self.kept_sum(&archive));
        is_needed |= is_updated;
        if answer.result.is_none() {
            // Test mode has said all that it can.
            return Ok(());
        }
        let why = if is_updated {
            ", due to source_hash update"
        } else if is_incomplete {
            ", due to absence of one or more files/dirs"
        } else {
            ""
        };
        let mut files = None;
        let mut is_made = false;
        if is_needed {
            self.check_local_sum()?;
            if self.env.is_test {
                answer.result = None;
                answer.comment = format!(
                    "Archive {} would be extracted to {}",
                    self.shown(),
                    self.name
                );
                if self.args.flag("clean") {
                    answer.comment += ", after cleaning destination path(s)";
                }
                answer.comment += why;
                return Ok(());
            }
            self.make_room(&contents, answer)?;
            is_made = !Path::new(&self.name).is_dir();
            if is_made {
                self.make_directory()?;
            }
            files = Some(self.unpack(&archive, answer)?);
        }
        let unowned = self.enforce_owners(&contents, answer)?;
        self.conclude(files, is_made, why, answer);
        unowned.tell(self.if_missing().is_some(), answer);
        if !self.is_local() && !self.keeps_source() {
            self.forget(answer);
        }
        Ok(())
    }

    /// Whether the archive is the one that was unpacked before, by its hash.
    fn is_known(&self) -> bool {
        let archive = if self.is_local() {
            Some(PathBuf::from(&self.source))
        } else {
            let ctx = self.env.env.ctx;
            source::cached(ctx, &self.source, Some(&self.env.saltenv()))
        };
        let kept = archive.and_then(|archive| self.kept_sum(&archive));
        kept.is_some() && kept == self.sum
    }

    /// The path of the archive on this host; none when it could not be had, which the answer tells.
    fn cached(&self, answer: &mut Return) -> Result<Option<PathBuf>, Refusal> {
        if self.is_local() {
            return Ok(Some(PathBuf::from(&self.source)));
        }
        let saltenv = self.env.saltenv();
        let mut said = Map::new();
        for same in ["source_hash", "source_hash_name", "skip_verify", "use_etag"] {
            said.insert(same.to_owned(), self.args.value(same).clone());
        }
        said.insert("name".to_owned(), json!(self.source));
        said.insert("saltenv".to_owned(), json!(saltenv));
        let got = self.env.state("file.cached", said, false);
        if got.result != Some(true) {
            *answer = Return {
                name: answer.name.take(),
                ..got
            };
            return Ok(None);
        }
        // The file is there with its hash: this only finds its path.
        let wish = source::Wish {
            hash: self.sum.as_ref().map(|sum| sum.digits.as_str()),
            ..source::Wish::default()
        };
        let ctx = self.env.env.ctx;
        let copy = source::cached(ctx, &self.source, Some(&saltenv));
        match copy {
            Some(copy) => Ok(Some(copy)),
            None => source::fetch_as(ctx, &self.source, Some(&saltenv), wish)
                .map(Some)
                .map_err(Err),
        }
    }

    fn conclude(&self, files: Option<Value>, is_made: bool, why: &str, answer: &mut Return) {
        let Some(files) = files else {
            answer.result = Some(true);
            answer.comment = "All files in archive are already present".to_owned();
            if self.env.is_test && answer.changes.contains_key("updated ownership") {
                answer.result = None;
                answer.comment += ". Ownership would be updated on one or more files/directories.";
            }
            return;
        };
        if !python::truthy(&files) {
            answer.result = Some(false);
            answer.comment = format!("No files were extracted from {}", self.shown());
            return;
        }
        if is_made {
            answer
                .changes
                .insert("directories_created".to_owned(), json!([self.name]));
        }
        answer.changes.insert("extracted_files".to_owned(), files);
        answer.result = Some(true);
        answer.comment = format!("{} extracted to {}{why}", self.shown(), self.name);
        if let Some(count) = self.trim {
            answer.comment += &format!(". Output was trimmed to {count} number of lines");
        }
    }

    fn keeps_source(&self) -> bool {
        let said = ["keep_source", "keep"]
            .iter()
            .find_map(|name| self.args.extra_kwargs.get(*name));
        said.is_none_or(python::truthy)
    }

    /// Removes the fetched copy; that it stays is only a warning.
    fn forget(&self, answer: &mut Return) {
        let said = [
            ("name", json!(self.source)),
            ("saltenv", json!(self.env.saltenv())),
        ];
        let said = said.map(|(name, value)| (name.to_owned(), value));
        let forgotten = self
            .env
            .state("file.not_cached", Map::from_iter(said), false);
        if forgotten.result != Some(true) {
            let warnings = json!([forgotten.comment]);
            answer.others.insert("warnings".to_owned(), warnings);
        }
    }
}

/// The texts of a list.
fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Removes paths, which need not be there, and notes them in the changes.
fn remove_all(
    paths: impl Iterator<Item = String>,
    trouble: &str,
    answer: &mut Return,
) -> Result<(), Refusal> {
    let mut removed = Vec::new();
    let mut errors = String::new();
    for path in paths {
        let bare = Path::new(path.trim_end_matches('/'));
        let outcome = match bare.symlink_metadata() {
            Err(_) => continue,
            Ok(found) if found.is_dir() => fs::remove_dir_all(bare),
            Ok(_) => fs::remove_file(bare),
        };
        match outcome {
            Ok(()) => removed.push(path),
            Err(error) => errors += &format!("\n- {}", python_text(bare, &error)),
        }
    }
    if !removed.is_empty() {
        answer.changes.insert("removed".to_owned(), json!(removed));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        stop(format!("{trouble}{errors}"))
    }
}

#[cfg(test)]
mod tests;
