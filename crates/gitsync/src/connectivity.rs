//! Whether everything that a commit needs is there.

use std::collections::{HashMap, HashSet};

use git2::{ObjectType, Oid, Repository};

use crate::deadline::Deadline;
use crate::tree::{self, Kind};
use crate::{CommitId, Error, Limits};

/// Folders below each other, anywhere in history. libgit2 recurses over trees when it packs them, so an endless chain of
/// folders would exhaust the stack. Git's own bound is 2048.
const TREE_HEIGHT_MAX: u16 = 1_024;

/// Verifies that the history of `tips`, with each tree and file in it, is complete up to what `known` commits reach.
/// `known` are commits that were verified before.
pub(crate) fn verify(
    repository: &Repository,
    tips: &[CommitId],
    known: &[CommitId],
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let mut walk = repository.revwalk().map_err(Error::corrupt("history"))?;
    for tip in tips {
        walk.push(tip.oid())
            .map_err(Error::corrupt(format!("commit {tip}")))?;
    }
    for commit in known {
        walk.hide(commit.oid())
            .map_err(Error::corrupt(format!("commit {commit}")))?;
    }
    let mut closure = Closure {
        repository,
        limits,
        deadline,
        heights: HashMap::new(),
        blobs: HashSet::new(),
        visited: 0,
    };
    for commit in walk {
        let id = commit.map_err(Error::corrupt("history"))?;
        let commit = repository
            .find_commit(id)
            .map_err(Error::corrupt(format!("commit {id}")))?;
        closure.count()?;
        closure.tree(commit.tree_id())?;
    }
    Ok(())
}

struct Closure<'a> {
    repository: &'a Repository,
    limits: &'a Limits,
    deadline: &'a Deadline,
    /// Complete trees, and how many levels of folders each has.
    heights: HashMap<Oid, u16>,
    blobs: HashSet<Oid>,
    visited: usize,
}

impl Closure<'_> {
    fn tree(&mut self, root: Oid) -> Result<(), Error> {
        let odb = self.repository.odb().map_err(Error::corrupt("objects"))?;
        // A tree is visited twice: first to stack the folders in it, then, once those are done, to take its height.
        let mut stack = vec![(root, None)];
        while let Some((id, folders)) = stack.pop() {
            if self.heights.contains_key(&id) {
                continue;
            }
            if let Some(folders) = folders {
                self.finish(id, folders)?;
                continue;
            }
            self.count()?;
            let mut folders = Vec::new();
            for child in tree::children(self.repository, id)? {
                match child.kind {
                    Kind::Folder => folders.push(child.id),
                    // The commit of a submodule lives in another repository.
                    Kind::Other(crate::SkippedReason::Submodule) => {}
                    Kind::Link | Kind::File { .. } | Kind::Other(_) => {
                        if self.blobs.insert(child.id) {
                            self.count()?;
                            let header = odb.read_header(child.id);
                            let (_, kind) = header.map_err(Error::corrupt(format!(
                                "object {} of tree {id}",
                                child.id
                            )))?;
                            if kind != ObjectType::Blob {
                                return Err(Error::Corrupt {
                                    detail: format!("{} is not a blob", child.id),
                                });
                            }
                        }
                    }
                }
            }
            let pending: Vec<_> = folders.iter().map(|&folder| (folder, None)).collect();
            stack.push((id, Some(folders)));
            stack.extend(pending);
        }
        Ok(())
    }

    fn finish(&mut self, id: Oid, folders: Vec<Oid>) -> Result<(), Error> {
        // Hashes forbid a tree within itself, so each folder is done by now; one that is not counts as too high.
        let height = |folder| self.heights.get(folder).copied().unwrap_or(TREE_HEIGHT_MAX);
        let height = folders
            .iter()
            .map(height)
            .max()
            .map_or(0, |height| height + 1);
        if height > TREE_HEIGHT_MAX {
            return Err(Error::Limit {
                what: "folders below each other",
                limit: TREE_HEIGHT_MAX.into(),
            });
        }
        self.heights.insert(id, height);
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        self.visited += 1;
        if self.visited > self.limits.objects {
            return Err(Error::Limit {
                what: "objects",
                limit: self.limits.objects as u64,
            });
        }
        self.deadline.check()
    }
}
