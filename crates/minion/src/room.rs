//! Whether the journal's disk has room for further jobs.

use std::path::PathBuf;

/// Looks at the file system of the journal.
#[derive(Debug)]
pub struct Room {
    directory: PathBuf,
    reserve_bytes: u64,
}

impl Room {
    /// Keeps so many bytes free in this directory's file system.
    pub fn new(directory: PathBuf, reserve_bytes: u64) -> Room {
        Room {
            directory,
            reserve_bytes,
        }
    }

    /// Free bytes; None when the system does not say.
    pub fn free_bytes(&self) -> Option<u64> {
        store::free_bytes(&self.directory).ok()
    }

    /// Why no further job is to begin.
    pub fn objection(&self) -> Option<String> {
        let free = self.free_bytes()?;
        (free < self.reserve_bytes).then(|| {
            format!(
                "the file system of {} has {free} bytes free, and disk_reserve_bytes keeps {}",
                self.directory.display(),
                self.reserve_bytes
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_disk_below_the_reserve_objects() {
        let dir = tempfile::tempdir().unwrap();
        for (reserve, objects) in [(0, false), (1, false), (u64::MAX, true)] {
            let room = Room::new(dir.path().to_owned(), reserve);
            assert_eq!(room.objection().is_some(), objects, "{reserve}");
        }
        let words = Room::new(dir.path().to_owned(), u64::MAX)
            .objection()
            .unwrap();
        assert!(
            words.contains("disk_reserve_bytes") && words.contains(dir.path().to_str().unwrap())
        );
        assert_eq!(Room::new(dir.path().join("none"), 1).objection(), None);
    }
}
