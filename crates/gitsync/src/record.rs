//! One id for the commits of many environments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use git2::{ObjectType, Oid, Repository};

use crate::environments::BASE;
use crate::{CommitId, Error};

/// Git's empty tree: a record has no files of its own.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// Author and committer of records. Constant, so that the id depends on the environments alone.
const AUTHOR: &str = "banyan <> 0 +0000";
/// First line of a record's message; the number is the version of the format.
const TITLE: &str = "banyan roots 1";
/// A record with the most references of the longest names is a few MiB; beyond this a commit is no record.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// Which commits the environments come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Roots {
    /// The commit whose top-level folders are environments.
    pub(crate) folders: Option<CommitId>,
    /// Environments that are whole commits; they win over folders.
    pub(crate) envs: BTreeMap<String, CommitId>,
}

impl Roots {
    /// All commits, without repetition.
    pub(crate) fn commits(&self) -> BTreeSet<CommitId> {
        self.folders
            .iter()
            .chain(self.envs.values())
            .copied()
            .collect()
    }

    /// The id, and the record to store when it takes one.
    pub(crate) fn id(&self) -> Result<(CommitId, Option<Vec<u8>>), Error> {
        match (self.folders, self.envs.len(), self.envs.get(BASE)) {
            (Some(commit), 0, _) | (None, 1, Some(&commit)) => return Ok((commit, None)),
            _ => {}
        }
        let record = self.encode();
        let id = Oid::hash_object(ObjectType::Commit, &record).map_err(Error::corrupt("record"))?;
        Ok((CommitId::from_oid(id), Some(record)))
    }

    /// Reads a record, or `None` for any other commit.
    pub(crate) fn read(repository: &Repository, id: CommitId) -> Result<Option<Self>, Error> {
        let odb = repository.odb().map_err(Error::corrupt("objects"))?;
        let object = odb
            .read(id.oid())
            .map_err(Error::corrupt(format!("commit {id}")))?;
        if object.kind() != ObjectType::Commit {
            return Err(Error::Corrupt {
                detail: format!("{id} is not a commit"),
            });
        }
        Ok(Self::decode(object.data()))
    }

    fn encode(&self) -> Vec<u8> {
        let mut text = format!("tree {EMPTY_TREE}\n");
        for commit in self.commits() {
            let _ = writeln!(text, "parent {commit}");
        }
        let _ = write!(text, "author {AUTHOR}\ncommitter {AUTHOR}\n\n{TITLE}\n");
        if let Some(commit) = self.folders {
            let _ = writeln!(text, "folders {commit}");
        }
        for (env, commit) in &self.envs {
            let _ = writeln!(text, "env {commit} {env}");
        }
        text.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > RECORD_BYTES_MAX {
            return None;
        }
        let (_, message) = std::str::from_utf8(bytes).ok()?.split_once("\n\n")?;
        let mut lines = message.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let mut roots = Self::default();
        for line in lines {
            match line.split_once(' ')? {
                ("folders", commit) => roots.folders = Some(commit.parse().ok()?),
                ("env", rest) => {
                    let (commit, env) = rest.split_once(' ')?;
                    roots.envs.insert(env.to_owned(), commit.parse().ok()?);
                }
                _ => return None,
            }
        }
        // There is one way to write a record. Anything else that looks like one is someone's ordinary commit.
        (roots.encode() == bytes).then_some(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(n: u8) -> CommitId {
        CommitId::from_bytes([n; 20])
    }

    fn roots(folders: Option<u8>, envs: &[(&str, u8)]) -> Roots {
        let envs = envs
            .iter()
            .map(|(env, n)| (env.to_string(), commit(*n)))
            .collect();
        Roots {
            folders: folders.map(commit),
            envs,
        }
    }

    #[test]
    fn one_commit_is_its_own_id() {
        assert_eq!(roots(None, &[("base", 1)]).id().unwrap(), (commit(1), None));
        assert_eq!(roots(Some(2), &[]).id().unwrap(), (commit(2), None));
    }

    #[test]
    fn records_come_back_as_written_and_differ() {
        let all = [
            roots(None, &[("prod", 1)]),
            roots(None, &[("base", 1), ("prod", 1)]),
            roots(None, &[("base", 1), ("feature/x y", 2)]),
            roots(Some(1), &[("base", 2)]),
            roots(Some(2), &[("base", 1)]),
        ];
        let ids: BTreeSet<CommitId> = all.iter().map(|roots| roots.id().unwrap().0).collect();
        assert_eq!(ids.len(), all.len());
        for roots in all {
            assert_eq!(Roots::decode(&roots.id().unwrap().1.unwrap()), Some(roots));
        }
    }

    #[test]
    fn lookalikes_are_ordinary_commits() {
        let good = String::from_utf8(roots(None, &[("base", 1), ("prod", 2)]).encode()).unwrap();
        for (from, to) in [
            ("author banyan", "author mallory"),
            ("roots 1", "roots 2"),
            ("prod", "pro\u{0}d\nenv"),
            ("parent 0202", "parent 0302"),
            ("env 0202", "env 0909"),
            ("0 +0000\ncommitter", "1 +0000\ncommitter"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(Roots::decode(bad.as_bytes()), None, "{to}");
        }
    }
}
