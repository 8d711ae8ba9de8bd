//! One process at a time per mirror.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::Error;

/// Holds a mirror's directory for this process. The lock belongs to the open file, so the kernel takes it back when the
/// process dies, however it dies. The process id inside is only for the message to the operator: ids get reused.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Ten digits hold any process id.
                let read = file.take(10).read_to_string(&mut owner);
                let owner = owner.trim();
                let owner = if read.is_err() || owner.is_empty() {
                    "?"
                } else {
                    owner
                };
                return Err(Error::Locked {
                    dir: dir.to_owned(),
                    owner: owner.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(Error::io(&path))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a program that another thread is just starting shares the open file until its `exec`.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        match Lock::take(dir.path()) {
            Err(Error::Locked { owner, .. }) => assert_eq!(owner, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(held);
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock"), "4194304999 left behind\n").unwrap();
        Lock::take(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join("lock")).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }
}
