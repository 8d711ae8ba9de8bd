//! What is in an archive, and what of it is in the directory already.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Extraction, Refusal, refused, remove_all, texts};
use crate::call::Call;
use crate::failure::python_text;
use crate::states::{Failure, Return};

/// Whether a path is of a kind.
type IsKind = fn(&fs::Metadata) -> bool;

impl Extraction<'_> {
    /// What is in the archive: `dirs`, `files`, `links`, and those at the top.
    pub(super) fn contents(&self, archive: &Path) -> Result<Value, Refusal> {
        let path = archive.to_string_lossy();
        if self.format == "zip" && !self.args.flag("password") {
            let asked = Call::new("archive.is_encrypted").arg(path.as_ref());
            // What is no zip archive is found out below.
            if self
                .env
                .call(&asked)
                .is_ok_and(|found| found == json!(true))
            {
                return Err(refused(format!(
                    "Archive {} is password-protected, but no password was specified. Please set the 'password' argument.",
                    self.shown()
                )));
            }
        }
        let list = Call::new("archive.list")
            .arg(path.as_ref())
            .kwarg("archive_format", self.format.as_str())
            .kwarg("options", self.args.value("list_options").clone())
            .kwarg("strip_components", json!(self.strip_components()))
            .kwarg("verbose", true);
        let contents = self
            .env
            .call(&list)
            .map_err(|failure| self.unlistable(&failure))?;
        let count = |key: &str| contents[key].as_array().map_or(0, Vec::len);
        if self.args.flag("enforce_toplevel")
            && (count("top_level_dirs") > 1 || count("top_level_files") > 0)
        {
            return Err(refused(format!(
                "Archive does not have a single top-level directory. To allow this archive to be extracted, set \
                 'enforce_toplevel' to False. To avoid a '{}-bomb' it may also be advisable to set a top-level directory by \
                 adding it to the 'name' value (for example, setting 'name' to {}some_dir instead of {}).",
                self.format, self.name, self.name
            )));
        }
        Ok(contents)
    }

    pub(super) fn unlistable(&self, failure: &Failure) -> Refusal {
        let mut comment = failure.to_string();
        let mut errors = Vec::new();
        if self.if_missing().is_none() {
            errors.push("'if_missing' must be set");
        }
        if !self.args.flag("enforce_ownership_on") && self.wants_owners() {
            errors.push("Ownership cannot be managed without setting 'enforce_ownership_on'.");
        }
        if !errors.is_empty() {
            comment += "\n\n";
            comment += if self.format == "tar" {
                "If the source archive is a tar archive compressed using a compression type not natively supported by the \
                 tar command, then setting the 'list_options' argument may allow the contents to be listed. Otherwise, if \
                 Salt is unable to determine the files/directories in the archive, the following workaround(s) would need \
                 to be used for this state to proceed"
            } else {
                "The following workarounds must be used for this state to proceed"
            };
            comment += &format!(
                " (assuming the source file is a valid {} archive):\n",
                self.format
            );
            for error in errors {
                comment += &format!("\n- {error}");
            }
        }
        refused(comment)
    }

    /// How many leading directories the options of tar drop.
    pub(super) fn strip_components(&self) -> Option<u64> {
        let options = self.options.as_deref().filter(|_| self.format == "tar")?;
        let words = shlex::split(options)?;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let number = match word.split_once('=') {
                Some(("--strip" | "--strip-components", number)) => number,
                None if word == "--strip" || word == "--strip-components" => words.next()?,
                _ => continue,
            };
            return number.parse().ok();
        }
        None
    }

    /// Whether something must be unpacked, and whether because it is missing. Members of another kind are removed where that is wished.
    pub(super) fn compare(
        &self,
        contents: &Value,
        answer: &mut Return,
    ) -> Result<(bool, bool), Refusal> {
        let mut is_needed = self.args.flag("overwrite");
        let mut is_incomplete = false;
        let mut wrong = Vec::new();
        let kinds: [(&str, IsKind); 3] = [
            ("dirs", fs::Metadata::is_dir),
            ("files", |found| !found.is_symlink() && !found.is_dir()),
            ("links", fs::Metadata::is_symlink),
        ];
        for (key, is_right) in kinds {
            for member in texts(&contents[key]) {
                let path = format!("{}{}", self.name, member.trim_end_matches('/'));
                match Path::new(&path).symlink_metadata() {
                    Ok(found) if is_right(&found) => {}
                    Ok(_) => wrong.push(member.to_owned()),
                    // A file that stands where a directory belongs is told of already.
                    Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        (is_needed, is_incomplete) = (true, true);
                    }
                    Err(error) => return Err(refused(python_text(&path, &error))),
                }
            }
        }
        if wrong.is_empty() {
            return Ok((is_needed, is_incomplete));
        }
        let list: Vec<String> = wrong.iter().map(|path| format!("- {path}")).collect();
        let list = format!("\n\n{}", list.join("\n"));
        let comment = format!(
            "The below paths (relative to {}) exist, but are the incorrect type (file instead of directory, symlink instead \
             of file, etc.).",
            self.name
        );
        let (clean, clean_parent) = (self.args.flag("clean"), self.args.flag("clean_parent"));
        if self.env.is_test && (clean || clean_parent) {
            answer.result = None;
            answer.comment = if clean {
                format!(
                    "{comment} Since the 'clean' option is enabled, the destination paths would be cleared and the archive \
                     would be extracted.{list}"
                )
            } else {
                format!(
                    "{comment} Since the 'clean_parent' option is enabled, the destination parent directory would be removed \
                     first and then re-created and the archive would be extracted"
                )
            };
            return Ok((false, false));
        }
        if clean {
            return Ok((is_needed, is_incomplete));
        }
        if !self.args.flag("force") {
            return Err(refused(format!(
                "{comment} To proceed with extraction, set 'force' to True. Note that this will remove these paths before \
                 extracting.{list}"
            )));
        }
        if self.env.is_test {
            // Salt removes them in test mode too; this state does not.
            return Ok((true, is_incomplete));
        }
        let paths = wrong.iter().map(|member| format!("{}{member}", self.name));
        let trouble = "One or more paths existed by were the incorrect type (i.e. file instead of directory or vice-versa), \
                       but could not be removed. The following errors were observed:\n";
        remove_all(paths, trouble, answer)?;
        Ok((true, is_incomplete))
    }
}
