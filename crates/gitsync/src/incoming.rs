//! Where new objects wait until they are verified.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use git2::Repository;
use tempfile::TempDir;

use crate::objects::{self, Objects};
use crate::{CommitId, Error};

const PREFIX: &str = "incoming-";

/// A scratch repository beside the mirror's own, which borrows the objects of the mirror. New packs land here; they
/// move over once verified, and vanish with this value otherwise. What a killed process leaves is swept at the next open.
pub(crate) struct Incoming {
    dir: TempDir,
}

impl Incoming {
    /// Makes an area in `dir`, the folder of the mirror. `have` tells the remote what need not be sent.
    pub(crate) fn new(dir: &Path, objects: &Objects, have: &[CommitId]) -> Result<Self, Error> {
        let area = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(dir)
            .map_err(Error::io(dir))?;
        objects::init(area.path())?;
        // Relative to the area's own `objects` folder, so that no byte of the mirror's path needs quoting.
        let name = objects
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        write(
            &area.path().join("objects/info/alternates"),
            &format!("../../{name}/objects\n"),
        )?;
        let mut refs = String::from("# pack-refs with: sorted \n");
        for (index, commit) in have.iter().enumerate() {
            refs.push_str(&format!("{commit} refs/have/{index:06}\n"));
        }
        write(&area.path().join("packed-refs"), &refs)?;
        Ok(Self { dir: area })
    }

    /// A handle that sees the new objects and those of the mirror.
    pub(crate) fn open(&self) -> Result<Repository, Error> {
        Repository::open_bare(self.dir.path()).map_err(Error::corrupt("incoming objects"))
    }

    pub(crate) fn pack_dir(&self) -> PathBuf {
        pack_dir(self.dir.path())
    }

    /// Bytes that the new packs take on disk.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        folder_bytes(&self.pack_dir())
    }

    /// Moves the verified packs into the mirror, durably. Each pack moves before its index, since readers go by the index.
    pub(crate) fn promote(self, objects: &Objects) -> Result<(), Error> {
        let (from, to) = (self.pack_dir(), pack_dir(objects.path()));
        for index in files_with_extension(&from, "idx")? {
            for path in [index.with_extension("pack"), index] {
                let target = to.join(path.file_name().unwrap_or_default());
                if !target.exists() {
                    File::open(&path)
                        .and_then(|file| file.sync_all())
                        .map_err(Error::io(&path))?;
                    fs::rename(&path, &target).map_err(Error::io(&target))?;
                }
            }
        }
        sync_dir(&to)
    }
}

/// Removes what killed processes left in `dir`.
pub(crate) fn sweep(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            tracing::info!(path = %entry.path().display(), "removing an unfinished fetch");
            fs::remove_dir_all(entry.path()).map_err(Error::io(&entry.path()))?;
        }
    }
    Ok(())
}

pub(crate) fn pack_dir(repository: &Path) -> PathBuf {
    repository.join("objects/pack")
}

/// The files directly in `dir` whose name ends with `.extension`.
pub(crate) fn files_with_extension(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let paths: io::Result<Vec<PathBuf>> =
        fs::read_dir(dir).and_then(|dir| dir.map(|entry| Ok(entry?.path())).collect());
    let mut paths = paths.map_err(Error::io(dir))?;
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    Ok(paths)
}

/// Bytes of the files directly in `dir`.
pub(crate) fn folder_bytes(dir: &Path) -> Result<u64, Error> {
    let sum = || -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(dir)? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    };
    sum().map_err(Error::io(dir))
}

/// Removes all loose objects below `objects_dir`: the folders named for the first byte of an id.
pub(crate) fn remove_loose(objects_dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(objects_dir).map_err(Error::io(objects_dir))? {
        let entry = entry.map_err(Error::io(objects_dir))?;
        if entry.file_name().len() == 2 {
            fs::remove_dir_all(entry.path()).map_err(Error::io(&entry.path()))?;
        }
    }
    Ok(())
}

/// Makes renames in `dir` survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io(dir))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    fs::write(path, text).map_err(Error::io(path))
}
