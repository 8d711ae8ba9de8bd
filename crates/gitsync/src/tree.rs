//! The files of one environment.

use std::fmt;

use git2::{ObjectType, Oid, Repository};

use crate::{BlobId, Error, Limits, names, symlinks};

/// Refused entries that are reported by name. The rest is only counted: a hostile tree has as many as it likes.
const SKIPPED_REPORTED_MAX: usize = 1_000;
/// Bytes of a tree object. Linux's largest folders stay far below.
const TREE_OBJECT_BYTES_MAX: usize = 64 << 20;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path from the root of the environment, `/` between names.
    pub path: String,
    /// Bytes of content.
    pub size: u64,
    /// Whether git has it as an executable.
    pub executable: bool,
    /// The name of the content.
    pub blob: BlobId,
}

/// An entry that is in the git tree and is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The environment.
    pub environment: String,
    /// The path from the root of the environment, with anything unprintable escaped.
    pub path: String,
    /// Why.
    pub reason: SkippedReason,
}

/// Why an entry is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SkippedReason {
    /// It is a symbolic link to nothing of this environment.
    Symlink,
    /// It is a submodule.
    Submodule,
    /// It has a mode that git does not give to files or folders.
    Mode,
    /// Its name could escape the tree, pose as `.git`, or upset a terminal or a script.
    Name,
    /// It is larger than [`Limits::file_bytes`].
    TooLarge,
    /// Its path or its name is too long.
    PathTooLong,
    /// It lies deeper than [`Limits::tree_depth`].
    TooDeep,
    /// The folder that [`EnvironmentRule::root`](crate::EnvironmentRule::root) names is not there.
    NoRoot,
}

impl fmt::Display for SkippedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::Submodule => "submodule",
            Self::Mode => "unknown mode",
            Self::Name => "unsafe name",
            Self::TooLarge => "file too large",
            Self::PathTooLong => "path too long",
            Self::TooDeep => "too deep",
            Self::NoRoot => "roots folder missing",
        })
    }
}

/// The files below one git tree.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Ordered by path, byte by byte.
    pub(crate) files: Vec<Entry>,
    /// At most [`SKIPPED_REPORTED_MAX`].
    pub(crate) skipped: Vec<(String, SkippedReason)>,
}

impl Tree {
    /// Lists everything below `root` but the folder `closed`, and makes sure that each object is there.
    pub(crate) fn read(
        repository: &Repository,
        root: Oid,
        closed: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let odb = repository.odb().map_err(Error::corrupt("objects"))?;
        let mut tree = Self::default();
        let mut visited = 0;
        let mut links = Vec::new();
        let mut folders = vec![(root, String::new(), 0)];
        while let Some((id, prefix, depth)) = folders.pop() {
            for child in children(repository, id)? {
                visited += 1;
                if visited > limits.files {
                    return Err(Error::Limit {
                        what: "entries in one environment",
                        limit: limits.files as u64,
                    });
                }
                let path = match child.path_below(&prefix, limits) {
                    Ok(path) => path,
                    Err((path, reason)) => {
                        tree.skip(path, reason);
                        continue;
                    }
                };
                match child.kind {
                    Kind::Folder if closed == Some(path.as_str()) => {}
                    Kind::Folder if depth >= limits.tree_depth => {
                        tree.skip(path, SkippedReason::TooDeep)
                    }
                    Kind::Folder => folders.push((child.id, path + "/", depth + 1)),
                    Kind::Link => links.push((path, child.id)),
                    Kind::Other(reason) => tree.skip(path, reason),
                    Kind::File { executable } => {
                        let (size, kind) = odb
                            .read_header(child.id)
                            .map_err(Error::corrupt(format!("blob {}", child.id)))?;
                        if kind != ObjectType::Blob {
                            return Err(Error::Corrupt {
                                detail: format!("{} is not a blob", child.id),
                            });
                        }
                        let size = size as u64;
                        if size > limits.file_bytes {
                            tree.skip(path, SkippedReason::TooLarge);
                        } else {
                            tree.files.push(Entry {
                                path,
                                size,
                                executable,
                                blob: BlobId::from_oid(child.id),
                            });
                        }
                    }
                }
            }
        }
        tree.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let resolved = symlinks::resolve(repository, &tree.files, links, limits)?;
        for (path, reason) in resolved.skipped {
            tree.skip(path, reason);
        }
        if !resolved.files.is_empty() {
            tree.files.extend(resolved.files);
            tree.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
        // A damaged tree may hold a name twice; then which one is meant would depend on the reader.
        if let Some(twice) = tree
            .files
            .windows(2)
            .find(|pair| pair[0].path == pair[1].path)
        {
            return Err(Error::Corrupt {
                detail: format!("`{}` appears twice", twice[0].path),
            });
        }
        Ok(tree)
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Entry> {
        let index = self
            .files
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()?;
        self.files.get(index)
    }

    fn skip(&mut self, path: String, reason: SkippedReason) {
        if self.skipped.len() < SKIPPED_REPORTED_MAX {
            self.skipped.push((path, reason));
        }
    }
}

/// An entry of a single git tree.
pub(crate) struct Child {
    pub(crate) name: Vec<u8>,
    pub(crate) id: Oid,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Folder,
    File { executable: bool },
    Link,
    Other(SkippedReason),
}

impl Child {
    /// The full path, or what to report instead.
    pub(crate) fn path_below(
        &self,
        prefix: &str,
        limits: &Limits,
    ) -> Result<String, (String, SkippedReason)> {
        let reason = if !names::is_servable(&self.name) {
            SkippedReason::Name
        } else if self.name.len() > limits.component_bytes
            || prefix.len() + self.name.len() > limits.path_bytes
        {
            SkippedReason::PathTooLong
        } else {
            return Ok(format!("{prefix}{}", String::from_utf8_lossy(&self.name)));
        };
        // A refused name may be megabytes long; its beginning tells enough.
        let shown = &self.name[..self.name.len().min(limits.component_bytes)];
        Err((
            format!("{prefix}{}", String::from_utf8_lossy(shown).escape_debug()),
            reason,
        ))
    }
}

/// The entries of one git tree.
pub(crate) fn children(repository: &Repository, id: Oid) -> Result<Vec<Child>, Error> {
    let odb = repository.odb().map_err(Error::corrupt("objects"))?;
    let (bytes, _) = odb
        .read_header(id)
        .map_err(Error::corrupt(format!("tree {id}")))?;
    if bytes > TREE_OBJECT_BYTES_MAX {
        return Err(Error::Limit {
            what: "bytes in one folder",
            limit: TREE_OBJECT_BYTES_MAX as u64,
        });
    }
    let tree = repository
        .find_tree(id)
        .map_err(Error::corrupt(format!("tree {id}")))?;
    let child = |entry: git2::TreeEntry<'_>| Child {
        name: entry.name_bytes().to_vec(),
        id: entry.id(),
        kind: match entry.filemode_raw() {
            0o040000 => Kind::Folder,
            0o100644 | 0o100664 => Kind::File { executable: false },
            0o100755 => Kind::File { executable: true },
            0o120000 => Kind::Link,
            0o160000 => Kind::Other(SkippedReason::Submodule),
            _ => Kind::Other(SkippedReason::Mode),
        },
    };
    Ok(tree.iter().map(child).collect())
}
