//! Shared access to the object database.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use git2::{Repository, RepositoryInitOptions};

use crate::Error;

/// Open handles kept for reuse. One for each reader at a time is plenty; more are opened and closed as needed.
const IDLE_HANDLES_MAX: usize = 8;

/// The object database of a mirror, for any number of threads. A libgit2 handle serves one thread at a time, so each
/// reader borrows one.
#[derive(Debug)]
pub(crate) struct Objects {
    path: PathBuf,
    idle: Mutex<Handles>,
    /// Shared by readers, exclusive while old packs are deleted: a handle may still have them mapped.
    gate: RwLock<()>,
}

#[derive(Default)]
struct Handles(Vec<Repository>);

impl std::fmt::Debug for Handles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} handles", self.0.len())
    }
}

impl Objects {
    /// Opens the bare repository at `path`, and makes an empty one if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let repository = match Repository::open_bare(path) {
            Ok(repository) => repository,
            Err(_) => init(path)?,
        };
        // New objects are synced before anything names them.
        repository
            .config()
            .and_then(|mut config| config.set_bool("core.fsyncObjectFiles", true))
            .map_err(Error::corrupt(path.display()))?;
        let repository = Repository::open_bare(path).map_err(Error::corrupt(path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            idle: Mutex::new(Handles(vec![repository])),
            gate: RwLock::new(()),
        })
    }

    /// The folder of the bare repository.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` with a handle of its own.
    pub(crate) fn with<T>(
        &self,
        f: impl FnOnce(&Repository) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _shared = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let idle = self.idle().0.pop();
        let repository = match idle {
            Some(repository) => repository,
            None => {
                Repository::open_bare(&self.path).map_err(Error::corrupt(self.path.display()))?
            }
        };
        let outcome = f(&repository);
        let mut idle = self.idle();
        if idle.0.len() < IDLE_HANDLES_MAX {
            idle.0.push(repository);
        }
        outcome
    }

    /// Runs `f` while no reader is inside and no handle is open.
    pub(crate) fn exclusively<T>(&self, f: impl FnOnce() -> T) -> T {
        let _exclusive = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.idle().0.clear();
        f()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Handles> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes an empty bare repository without the templates (hooks, descriptions) of an installed git.
pub(crate) fn init(path: &Path) -> Result<Repository, Error> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false);
    let repository =
        Repository::init_opts(path, &options).map_err(Error::corrupt(path.display()))?;
    let hooks = path.join("hooks");
    std::fs::remove_dir_all(&hooks).map_err(Error::io(&hooks))?;
    Ok(repository)
}
