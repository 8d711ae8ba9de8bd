//! The owners of what was unpacked.

use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Extraction, Refusal, texts};
use crate::files::owner;
use crate::states::Return;

impl Extraction<'_> {
    pub(super) fn wants_owners(&self) -> bool {
        owner::is_wanted(self.args.value("user")) || owner::is_wanted(self.args.value("group"))
    }

    /// Gives what was unpacked the owners that are wanted.
    pub(super) fn enforce_owners(
        &self,
        contents: &Value,
        answer: &mut Return,
    ) -> Result<Unowned, Refusal> {
        let mut unowned = Unowned::default();
        if !self.wants_owners() {
            return Ok(unowned);
        }
        let (user, group) = (self.args.value("user"), self.args.value("group"));
        let (dirs, others): (Vec<String>, Vec<String>) =
            match self.args.value("enforce_ownership_on").as_str() {
                Some(path) if Path::new(path).is_dir() => (vec![path.to_owned()], Vec::new()),
                Some(path) => (Vec::new(), vec![path.to_owned()]),
                None => {
                    let at_top = |key: &str| -> Vec<String> {
                        let members = texts(&contents[key]);
                        members
                            .map(|member| format!("{}{member}", self.name))
                            .collect()
                    };
                    let others = [at_top("top_level_files"), at_top("top_level_links")].concat();
                    (at_top("top_level_dirs"), others)
                }
            };
        let mut recurse = Vec::new();
        for (word, owner) in [("user", user), ("group", group)] {
            if owner::is_wanted(owner) {
                recurse.push(word);
            }
        }
        let is_test = self.env.is_test;
        for dir in dirs {
            if !Path::new(&dir).is_dir() {
                if !is_test {
                    unowned.missing.push(dir);
                }
                continue;
            }
            let said = [
                ("name", json!(dir)),
                ("user", user.clone()),
                ("group", group.clone()),
                ("recurse", json!(recurse)),
            ];
            let said = said.map(|(name, value)| (name.to_owned(), value));
            let settled = self
                .env
                .state("file.directory", Map::from_iter(said), is_test);
            if !settled.changes.is_empty() {
                answer
                    .changes
                    .insert("updated ownership".to_owned(), json!(true));
            }
            if settled.result == Some(false) {
                unowned.failed.push(dir);
            }
        }
        let uid = Some(user)
            .filter(|user| owner::is_wanted(user))
            .and_then(owner::user_id);
        let gid = Some(group)
            .filter(|group| owner::is_wanted(group))
            .and_then(owner::group_id);
        let (uid, gid) = (uid.map(|id| id.as_raw()), gid.map(|id| id.as_raw()));
        for file in others {
            let Ok(found) = Path::new(&file).symlink_metadata() else {
                if !is_test {
                    unowned.missing.push(file.clone());
                    unowned.failed.push(file);
                }
                continue;
            };
            let is_right = uid.is_none_or(|uid| uid == found.uid())
                && gid.is_none_or(|gid| gid == found.gid());
            if is_right {
                continue;
            }
            if !is_test && lchown(&file, uid, gid).is_err() {
                unowned.failed.push(file);
                continue;
            }
            answer
                .changes
                .insert("updated ownership".to_owned(), json!(true));
        }
        Ok(unowned)
    }
}

/// Paths that did not get their owners.
#[derive(Default)]
pub(super) struct Unowned {
    missing: Vec<String>,
    failed: Vec<String>,
}

impl Unowned {
    pub(super) fn tell(&self, has_if_missing: bool, answer: &mut Return) {
        let mut tell = |paths: &[String], text: &str, is_failure: bool| {
            if paths.is_empty() {
                return;
            }
            if is_failure {
                answer.result = Some(false);
            }
            answer.comment += text;
            for path in paths {
                answer.comment += &format!("\n- {path}");
            }
        };
        tell(
            &self.missing,
            "\n\nWhile trying to enforce user/group ownership, the following paths were missing:\n",
            !has_if_missing,
        );
        tell(
            &self.failed,
            "\n\nWhile trying to enforce user/group ownership, Salt was unable to change ownership on the following paths:\n",
            true,
        );
    }
}
