//! Roots in folders of this host, for work without a hub.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use daemon::config::LocalRoots;
use modules::{FileHash, FileSource};
use sls::render::Files;

use crate::files::{hash_file, is_plain};

/// Folders that lie in one another deeper than this are links in a circle.
const DEPTH_MAX: usize = 64;

/// The environment of folders for all that have none of their own; its name in their paths stands for theirs.
const ANY_ENV: &str = "__env__";

/// The folders of each environment.
pub struct LocalFiles(BTreeMap<String, Vec<PathBuf>>);

impl LocalFiles {
    /// Those of the files.
    pub fn of_files(roots: &LocalRoots) -> LocalFiles {
        LocalFiles(roots.files.clone())
    }

    /// Those of the pillar.
    pub fn of_pillar(roots: &LocalRoots) -> LocalFiles {
        LocalFiles(roots.pillar.clone())
    }

    /// The same, where the folders for any environment are those of `env` and of no other.
    pub fn only_of(&self, env: &str) -> LocalFiles {
        let mut folders = self.0.clone();
        if let (Some(own), Some(_)) = (self.folders(env), folders.remove(ANY_ENV)) {
            folders.insert(env.to_owned(), own);
        }
        LocalFiles(folders)
    }

    fn folders(&self, env: &str) -> Option<Vec<PathBuf>> {
        if let Some(own) = self.0.get(env) {
            return Some(own.clone());
        }
        // The name becomes a part of a path.
        let shared = self.0.get(ANY_ENV).filter(|_| is_plain(env))?;
        let of_env = |folder: &PathBuf| folder.to_string_lossy().replace(ANY_ENV, env).into();
        Some(shared.iter().map(of_env).collect())
    }

    /// The environments, in order.
    pub fn environments(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// The place of a file in the first folder that has it.
    fn find(&self, path: &str, env: &str) -> Option<PathBuf> {
        if !path.split('/').all(is_plain) {
            return None;
        }
        let folders = self.folders(env)?;
        folders
            .iter()
            .map(|folder| folder.join(path))
            .find(|place| place.is_file())
    }
}

impl FileSource for LocalFiles {
    fn fetch(&self, path: &str, env: &str) -> Result<PathBuf, String> {
        self.find(path, env)
            .ok_or_else(|| format!("salt://{path} is not in environment {env}"))
    }

    fn read(&self, path: &str, env: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(place) = self.find(path, env) else {
            return Ok(None);
        };
        fs::read(&place)
            .map(Some)
            .map_err(|error| format!("{}: {error}", place.display()))
    }

    fn list(&self, env: &str, prefix: &str) -> Result<Vec<String>, String> {
        let folders = self
            .folders(env)
            .ok_or_else(|| format!("there is no environment {env}"))?;
        let mut found = BTreeSet::new();
        for folder in &folders {
            gather(folder, "", 0, &mut found);
        }
        found.retain(|path| path.starts_with(prefix));
        Ok(found.into_iter().collect())
    }

    fn hash(&self, path: &str, env: &str) -> Result<Option<FileHash>, String> {
        let Some(place) = self.find(path, env) else {
            return Ok(None);
        };
        let hsum = hash_file(&place).map_err(|error| format!("{}: {error}", place.display()))?;
        Ok(Some(FileHash {
            hash_type: "sha256".to_owned(),
            hsum,
        }))
    }

    fn envs(&self) -> Result<Vec<String>, String> {
        Ok(self.environments())
    }
}

/// What templates read of the same folders.
impl Files for LocalFiles {
    fn read(&self, saltenv: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        FileSource::read(self, path, saltenv)
    }
}

/// All files below a folder. Links are followed; what cannot be read is left out, as one file that nobody may read keeps no state from running.
fn gather(folder: &Path, prefix: &str, depth: usize, found: &mut BTreeSet<String>) {
    if depth > DEPTH_MAX {
        tracing::warn!(folder = %folder.display(), "folders lie too deep: is there a link in a circle?");
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{prefix}{name}");
        let place = entry.path();
        if place.is_dir() {
            // Git's own folder is no part of the roots.
            if name != ".git" {
                gather(&place, &format!("{path}/"), depth + 1, found);
            }
        } else if place.is_file() {
            found.insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_counts_and_nothing_outside() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a/x.sls", "a"),
            ("b/x.sls", "b"),
            ("b/d/y", "y"),
            ("b/.git/config", ""),
            ("secret", "s"),
        ] {
            let place = dir.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("b/d/circle")).unwrap();
        let folders = ["a", "b", "none"].map(|name| dir.path().join(name));
        let files = LocalFiles(BTreeMap::from([("base".to_owned(), folders.to_vec())]));
        assert_eq!(
            FileSource::read(&files, "x.sls", "base").unwrap().unwrap(),
            b"a"
        );
        let listed = files.list("base", "").unwrap();
        assert!(listed.contains(&"d/y".to_owned()) && listed.contains(&"x.sls".to_owned()));
        assert!(listed.iter().all(|path| !path.contains(".git")));
        for outside in ["../secret", "/etc/passwd", "d/../../secret", ""] {
            assert_eq!(
                FileSource::read(&files, outside, "base").unwrap(),
                None,
                "{outside}"
            );
        }
        assert!(files.list("dev", "").is_err());
    }

    #[test]
    fn folders_for_any_environment() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["any/dev/x", "any/base/x", "own/x", "secret"] {
            let place = dir.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, path).unwrap();
        }
        let files = LocalFiles(BTreeMap::from([
            ("__env__".to_owned(), vec![dir.path().join("any/__env__")]),
            ("base".to_owned(), vec![dir.path().join("own")]),
        ]));
        let check = |files: &LocalFiles, env: &str, expected: Option<&str>| {
            let read = FileSource::read(files, "x", env).unwrap();
            let read = read.map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(read.as_deref(), expected, "{env}");
        };
        check(&files, "base", Some("own/x"));
        check(&files, "dev", Some("any/dev/x"));
        check(&files, "prod", None);
        check(&files, "..", None);
        assert_eq!(files.list("dev", "").unwrap(), ["x"]);
        let of_dev = files.only_of("dev");
        assert_eq!(of_dev.environments(), ["base", "dev"]);
        check(&of_dev, "dev", Some("any/dev/x"));
        check(&of_dev, "prod", None);
        assert_eq!(files.only_of("base").environments(), ["base"]);
    }
}
