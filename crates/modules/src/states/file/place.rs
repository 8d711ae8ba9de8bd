//! Putting content into its place: what `file.managed` and its kin do when they are not only asked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::gather::{self, Bytes, Gathered, USUAL_KIND, Wanted};
use super::{Failure, Return, StateEnv, fail, warn};
use crate::edit::{backup, replace};
use crate::failure::os_text;
use crate::files::change::{self, Ignored};
use crate::files::{directories, mode, permissions};
use crate::python;

/// Mode of a new file that gets its content from a source, until its own is set: nobody else may read it meanwhile.
const PRIVATE_MODE: u32 = 0o600;

/// A file and all that is wanted of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Managed {
    pub(super) source: Wanted,
    /// Content that the state holds itself, encoded.
    pub(super) contents: Option<Vec<u8>>,
    pub(super) permissions: permissions::Wanted,
    /// The mode is that of the source.
    pub(super) keeps_mode: bool,
    pub(super) makedirs: bool,
    pub(super) dir_mode: Value,
    pub(super) backup: String,
    pub(super) shows_changes: bool,
    pub(super) shows_new_file: bool,
    pub(super) follows: bool,
    pub(super) ignored: Ignored,
}

/// How far a file was changed.
struct Outcome {
    answer: Return,
    /// A difference that is not ignored.
    is_significant: bool,
}

impl Managed {
    pub(super) fn name(&self) -> &str {
        &self.source.name
    }

    fn has_source(&self) -> bool {
        !self.source.source.is_empty()
    }

    /// Whether the bytes of a source are compared with its hash before they are used.
    fn is_checked(&self) -> bool {
        crate::source::scheme(&self.source.source) != "salt"
            && !self.source.is_unverified
            && !self.source.is_always_fetched
    }

    /// The same file with another name.
    pub(super) fn at(&self, name: &str) -> Managed {
        let mut other = self.clone();
        name.clone_into(&mut other.source.name);
        other
    }

    /// The mode that the file shall have.
    pub(super) fn wanted_permissions(&self, env: &StateEnv) -> permissions::Wanted {
        let mut wanted = self.permissions.clone();
        if self.keeps_mode && self.has_source() {
            wanted.mode = gather::mode_of(&self.source, env);
        }
        wanted
    }

    /// Makes the file what it shall be.
    pub(super) fn apply(
        &self,
        gathered: Option<&Gathered>,
        answer: Return,
        env: &StateEnv,
    ) -> Result<Return, Failure> {
        let path = Path::new(self.name());
        let outcome = Outcome {
            answer,
            is_significant: false,
        };
        let outcome = if path.is_file() || path.is_symlink() {
            self.change(path, gathered, outcome, env)?
        } else {
            self.create(path, gathered, outcome, env)?
        };
        let mut answer = outcome.answer;
        if self.ignored.is_any() && !answer.changes.is_empty() && !outcome.is_significant {
            answer.others.insert("skip_req".to_owned(), json!(true));
        }
        Ok(answer)
    }

    fn change(
        &self,
        path: &Path,
        gathered: Option<&Gathered>,
        mut outcome: Outcome,
        env: &StateEnv,
    ) -> Result<Outcome, Failure> {
        let is_bare_link = path.is_symlink() && !self.follows;
        let real = if path.is_symlink() && self.follows {
            fs::canonicalize(path).map_err(|error| Failure::io(path, error))?
        } else {
            path.to_owned()
        };
        let wanted = self.wanted_permissions(env);
        let mut replacement = None;
        if let Some(gathered) = gathered.filter(|_| self.has_source()) {
            let kind = gathered.sum.as_ref().map_or(USUAL_KIND, |sum| &sum.kind);
            let has = match is_bare_link {
                true => None,
                false => Some(Bytes::At(real.clone()).sum(kind)?),
            };
            let is_same = gathered.sum.is_some() && gathered.sum == has;
            if !is_same {
                let bytes = gather::fetched(&self.source, gathered, env)?;
                if let Some(comment) =
                    self.unlike_its_hash(gathered, &bytes, &self.source.source, true)?
                {
                    return Ok(Outcome {
                        answer: fail(outcome.answer, comment),
                        ..outcome
                    });
                }
                // What nobody knew the hash of may be there already.
                if has != Some(bytes.sum(kind)?) {
                    self.note_difference(&real, &bytes.read()?, &mut outcome, env)?;
                    replacement = Some(bytes);
                }
            }
        }
        if let Some(contents) = &self.contents {
            match change::read(&real) {
                Ok(old) if old == *contents && !is_bare_link => {}
                Ok(_) => {
                    self.note_difference(&real, contents, &mut outcome, env)?;
                    replacement = Some(Bytes::Made(contents.clone()));
                }
                Err(failure) => warn(
                    &mut outcome.answer,
                    format!("Failed to detect changes to file: {failure}"),
                ),
            }
        }
        if let Some(bytes) = &replacement {
            if let Err(error) = self.commit(&real, bytes, PRIVATE_MODE, env) {
                let comment = format!("Failed to commit change: {}", os_text(&error));
                outcome.answer = fail(outcome.answer, comment);
                return Ok(outcome);
            }
            if is_bare_link {
                let text = json!("Replace symbolic link with regular file");
                outcome.answer.changes.insert("diff".to_owned(), text);
            }
        }
        let answer = &mut outcome.answer;
        permissions::settle(path, answer, &wanted, self.follows, false, env.env)?;
        if !answer.changes.is_empty() {
            answer.comment = format!("File {} updated", self.name());
        } else if answer.result != Some(false) {
            answer.comment = format!("File {} is in the correct state", self.name());
        }
        Ok(outcome)
    }

    /// Puts what an operator sees of a change into the answer.
    fn note_difference(
        &self,
        path: &Path,
        new: &[u8],
        outcome: &mut Outcome,
        env: &StateEnv,
    ) -> Result<(), Failure> {
        let old = change::read(path)?;
        let diff = change::of(&old, new, ("", ""));
        outcome.is_significant |= self.ignored.leaves_any(&diff);
        let shown = if diff.is_empty() {
            return Ok(());
        } else if is_obfuscated(env) {
            "<Obfuscated Template>".to_owned()
        } else if !self.shows_changes {
            "<show_changes=False>".to_owned()
        } else {
            diff
        };
        outcome
            .answer
            .changes
            .insert("diff".to_owned(), json!(shown));
        Ok(())
    }

    /// The refusal of bytes that have another hash than they shall have.
    fn unlike_its_hash(
        &self,
        gathered: &Gathered,
        bytes: &Bytes,
        title: &str,
        has_hint: bool,
    ) -> Result<Option<String>, Failure> {
        let Some(wanted) = gathered.sum.as_ref().filter(|_| self.is_checked()) else {
            return Ok(None);
        };
        let found = bytes.sum(&wanted.kind)?;
        if found == *wanted {
            return Ok(None);
        }
        let mut comment = format!(
            "Specified {} checksum for {title} ({}) does not match actual checksum ({})",
            wanted.kind, wanted.digits, found.digits
        );
        if has_hint {
            comment += ". If the 'source_hash' value refers to a remote file with multiple possible matches, then it may be \
                        necessary to set 'source_hash_name'.";
        }
        Ok(Some(comment))
    }

    fn create(
        &self,
        path: &Path,
        gathered: Option<&Gathered>,
        mut outcome: Outcome,
        env: &StateEnv,
    ) -> Result<Outcome, Failure> {
        let mut wanted = self.wanted_permissions(env);
        let mut bytes = None;
        if let Some(gathered) = gathered.filter(|_| self.has_source()) {
            let found = gather::fetched(&self.source, gathered, env)?;
            if let Some(comment) = self.unlike_its_hash(gathered, &found, self.name(), false)? {
                outcome.answer = fail(outcome.answer, comment);
                return Ok(outcome);
            }
            bytes = Some(found);
        }
        let new_mode = match (&bytes, &wanted.mode) {
            (Some(_), _) | (None, Some(_)) => PRIVATE_MODE,
            (None, None) => 0o666 & !mode::umask(),
        };
        if let Some(contents) = &self.contents {
            bytes = Some(Bytes::Made(contents.clone()));
        }
        if !Path::new(directories::above(self.name())).is_dir() {
            if !self.makedirs {
                outcome.answer = fail(outcome.answer, "Parent directory not present");
                return Ok(outcome);
            }
            let dir_mode = mode::normalized(&self.dir_mode)
                .or_else(|| wanted.mode.as_deref().map(mode::with_search));
            let owners = (&wanted.user, &wanted.group);
            directories::make_parents(path, owners.0, owners.1, dir_mode.as_deref())?;
        }
        let changes = &mut outcome.answer.changes;
        match &bytes {
            None => {
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(new_mode)
                    .open(path)
                    .map_err(|error| Failure::command(os_text(&error)))?;
                changes.insert(
                    "new".to_owned(),
                    json!(format!("file {} created", self.name())),
                );
                outcome.answer.comment = "Empty file".to_owned();
            }
            Some(bytes) => {
                let diff = if self.shows_new_file {
                    change::of(b"", &bytes.read()?, ("", ""))
                } else {
                    "New file".to_owned()
                };
                changes.insert("diff".to_owned(), json!(diff));
                self.commit(path, bytes, new_mode, env)
                    .map_err(|error| Failure::command(os_text(&error)))?;
            }
        }
        wanted
            .mode
            .get_or_insert_with(|| mode::shown(0o666 & !mode::umask()));
        let answer = &mut outcome.answer;
        permissions::settle(path, answer, &wanted, false, false, env.env)?;
        if answer.comment.is_empty() {
            answer.comment = format!("File {} updated", self.name());
        }
        Ok(outcome)
    }

    fn commit(&self, path: &Path, bytes: &Bytes, new_mode: u32, env: &StateEnv) -> io::Result<()> {
        if ["minion", "both"].contains(&self.backup.as_str()) && path.exists() {
            backup::keep(env.env.ctx.cache_dir(), path)?;
        }
        replace::swap(path, new_mode, |to| copy(bytes, to))
    }
}

fn copy(bytes: &Bytes, to: &mut File) -> io::Result<()> {
    match bytes {
        Bytes::At(from) => io::copy(&mut File::open(from)?, to).map(drop),
        Bytes::Made(bytes) => to.write_all(bytes),
        Bytes::OnHub => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Whether the configuration hides the differences of templates.
pub(super) fn is_obfuscated(env: &StateEnv) -> bool {
    let said = env.env.ctx.config("obfuscate_templates");
    said.is_some_and(|said| python::truthy(&said))
}

/// The kind of backups for a file: what the state says, or the configuration.
pub(super) fn backup_mode(said: &Value, env: &StateEnv) -> String {
    let configured = || env.env.ctx.config("backup_mode").unwrap_or(Value::Null);
    let mode = if python::truthy(said) {
        said.clone()
    } else {
        configured()
    };
    match mode {
        Value::String(mode) => mode,
        _ => String::new(),
    }
}

/// A file beside which a check is done before the real one is touched; removed when it is dropped.
pub(super) fn draft(directory: Option<&str>, suffix: &str) -> Result<tempfile::TempPath, Failure> {
    let directory = directory.map_or_else(std::env::temp_dir, PathBuf::from);
    let file = tempfile::Builder::new()
        .prefix("__banyan.tmp.")
        .suffix(suffix)
        .tempfile_in(&directory)
        .map_err(|error| Failure::io(&directory, error))?;
    Ok(file.into_temp_path())
}
