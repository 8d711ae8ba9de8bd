//! Packs: what travels from one mirror to another.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use git2::{Indexer, PackBuilder, Repository};

use crate::deadline::Deadline;
use crate::{CommitId, Error, Limits};

/// How much is read from a pack at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Writes a pack with all that `want` reaches and `have` does not. Returns its bytes.
pub(crate) fn write(
    repository: &Repository,
    want: &[CommitId],
    have: &[CommitId],
    limits: &Limits,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let mut pack = build(repository, want, have)?;
    if pack.object_count() > limits.objects {
        return Err(Error::Limit {
            what: "objects in a pack",
            limit: limits.objects as u64,
        });
    }
    let mut bytes = 0;
    let mut failure = None;
    let outcome = pack.foreach(|chunk| {
        bytes += chunk.len() as u64;
        if bytes > limits.repository_bytes {
            failure = Some(Error::Limit {
                what: "bytes in a pack",
                limit: limits.repository_bytes,
            });
        } else if let Err(error) = out.write_all(chunk) {
            failure = Some(Error::io(Path::new("pack"))(error));
        }
        failure.is_none()
    });
    match failure {
        Some(error) => Err(error),
        None => outcome.map(|()| bytes).map_err(Error::corrupt("pack")),
    }
}

/// Collects what belongs in a pack.
pub(crate) fn build<'r>(
    repository: &'r Repository,
    want: &[CommitId],
    have: &[CommitId],
) -> Result<PackBuilder<'r>, Error> {
    let mut walk = repository.revwalk().map_err(Error::corrupt("history"))?;
    for commit in want {
        walk.push(commit.oid()).map_err(|_| Error::Unknown {
            text: commit.to_string(),
        })?;
    }
    for commit in have {
        // The other side may be ahead, or elsewhere: what it has and we do not know saves nothing.
        let _ = walk.hide(commit.oid());
    }
    let mut pack = repository.packbuilder().map_err(Error::corrupt("pack"))?;
    pack.insert_walk(&mut walk)
        .map_err(Error::corrupt("pack"))?;
    Ok(pack)
}

/// Takes a pack into `pack_dir`. Every byte is hashed; deltas may build on objects of `repository`.
pub(crate) fn index(
    repository: &Repository,
    pack_dir: &Path,
    pack: &mut dyn Read,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let odb = repository.odb().map_err(Error::corrupt("objects"))?;
    // libgit2's own connectivity check (`verify`) also wants the commits of submodules. Ours comes after, see `verify`.
    let objects_max = limits.objects;
    let mut indexer =
        Indexer::new(Some(&odb), pack_dir, 0o444, false).map_err(Error::corrupt("pack"))?;
    indexer.progress(|progress| !deadline.passed() && progress.total_objects() <= objects_max);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        deadline.check()?;
        let read = match pack.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io(Path::new("pack"))(error)),
        };
        bytes += read as u64;
        if bytes > limits.repository_bytes {
            return Err(Error::Limit {
                what: "bytes in a pack",
                limit: limits.repository_bytes,
            });
        }
        indexer
            .write_all(&chunk[..read])
            .map_err(|error| Error::Corrupt {
                detail: format!("pack: {error}"),
            })?;
    }
    indexer.commit().map(drop).map_err(Error::corrupt("pack"))
}

/// Without repetition, in a fixed order.
pub(crate) fn distinct(commits: impl IntoIterator<Item = CommitId>) -> Vec<CommitId> {
    commits
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
