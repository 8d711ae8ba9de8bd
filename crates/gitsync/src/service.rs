//! The state in service, and the file that keeps it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::Path;

use crate::{CommitId, Error, incoming};

/// The file's first line; the number is the version of the format.
const TITLE: &str = "banyan mirror 1";
/// Far above what the most references with long names take.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What a mirror serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// The id of the state.
    pub(crate) state: CommitId,
    /// The commit of the base branch.
    pub(crate) head: CommitId,
    pub(crate) refs: BTreeMap<String, CommitId>,
    /// States of the past whose objects are kept, the newest first. The current one is not among them.
    pub(crate) kept: Vec<CommitId>,
}

impl Service {
    /// Reads the file; `None` when there is none yet.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path)(error)),
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(Error::io(path))?;
        Self::decode(&text)
            .map(Some)
            .map_err(|reason| Error::State {
                path: path.to_owned(),
                reason,
            })
    }

    /// Replaces the file: after this call, and after a power cut at any moment, it holds the old state or the new one.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh).map_err(Error::io(&fresh))?;
        file.write_all(self.encode().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(Error::io(&fresh))?;
        fs::rename(&fresh, path).map_err(Error::io(path))?;
        path.parent().map_or(Ok(()), incoming::sync_dir)
    }

    fn encode(&self) -> String {
        let mut text = format!("{TITLE}\nstate {}\nhead {}\n", self.state, self.head);
        for (name, commit) in &self.refs {
            let _ = writeln!(text, "ref {commit} {name}");
        }
        for commit in &self.kept {
            let _ = writeln!(text, "kept {commit}");
        }
        let sum = blake3::hash(text.as_bytes());
        let _ = writeln!(text, "sum {sum}");
        text
    }

    fn decode(text: &str) -> Result<Self, &'static str> {
        if text.lines().next() != Some(TITLE) {
            return Err("not a state file that this version reads");
        }
        let (body, sum) = text.trim_end().rsplit_once('\n').ok_or("cut off")?;
        let sum = sum.strip_prefix("sum ").ok_or("cut off")?;
        if blake3::hash(format!("{body}\n").as_bytes()).to_string() != sum {
            return Err("damaged: its checksum differs");
        }
        let id = |text: &str| {
            text.parse::<CommitId>()
                .map_err(|_| "holds something that is not a commit")
        };
        let (mut state, mut head, mut refs, mut kept) = (None, None, BTreeMap::new(), Vec::new());
        for line in body.lines().skip(1) {
            match line.split_once(' ') {
                Some(("state", text)) => state = Some(id(text)?),
                Some(("head", text)) => head = Some(id(text)?),
                Some(("kept", text)) => kept.push(id(text)?),
                Some(("ref", rest)) => {
                    let (commit, name) = rest
                        .split_once(' ')
                        .ok_or("holds a reference without a name")?;
                    refs.insert(name.to_owned(), id(commit)?);
                }
                _ => return Err("holds a line that this version does not know"),
            }
        }
        let missing = "holds no state";
        Ok(Self {
            state: state.ok_or(missing)?,
            head: head.ok_or(missing)?,
            refs,
            kept,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Service {
        let commit = |n| CommitId::from_bytes([n; 20]);
        Service {
            state: commit(1),
            head: commit(2),
            refs: [
                ("refs/heads/main".to_owned(), commit(2)),
                ("refs/heads/ä b".to_owned(), commit(3)),
            ]
            .into(),
            kept: vec![commit(9), commit(4)],
        }
    }

    #[test]
    fn a_state_comes_back_as_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        assert_eq!(Service::load(&path).unwrap(), None);
        sample().save(&path).unwrap();
        assert_eq!(Service::load(&path).unwrap(), Some(sample()));
    }

    #[test]
    fn no_cut_or_changed_byte_goes_unseen() {
        let text = sample().encode();
        for cut in (0..text.len() - 1).filter(|&cut| text.is_char_boundary(cut)) {
            assert!(Service::decode(&text[..cut]).is_err(), "cut at {cut}");
        }
        let changed = text.replacen("0202", "0203", 1);
        assert_eq!(
            Service::decode(&changed),
            Err("damaged: its checksum differs")
        );
    }
}
