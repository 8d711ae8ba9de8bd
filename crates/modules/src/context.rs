//! What the functions need of their surroundings; the minion program provides it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use crate::beacons::Beacons;
use crate::cancel::CancelKind;
use crate::mine::Mine;
use crate::timetable::Timetable;

/// The minion around a function.
pub trait Context: Send + Sync {
    /// The minion's id.
    fn minion_id(&self) -> &str;

    /// The job that the function runs in; none for a call without a hub.
    fn jid(&self) -> Option<&str> {
        None
    }

    /// Says how far a function with many steps is: how many are done, of how many, and how many failed.
    fn steps(&self, _done: usize, _total: usize, _failed: usize) {}

    /// Sends an event to the hubs above, where somebody reads its tag. False when there is no hub.
    ///
    /// # Errors
    /// Words for people: a tag or data that no event may have.
    fn fire(&self, _tag: &str, _data: &Value) -> Result<bool, String> {
        Ok(false)
    }

    /// Whether somebody above reads events whose tags begin so: a quick look before an event is made.
    fn is_read_below(&self, _prefix: &str) -> bool {
        false
    }

    /// The jobs by the clock; none for a call without a running minion.
    fn timetable(&self) -> Option<&dyn Timetable> {
        None
    }

    /// The mine; none for a call without a running minion.
    fn mine(&self) -> Option<&dyn Mine> {
        None
    }

    /// The beacons; none for a call without a running minion.
    fn beacons(&self) -> Option<&dyn Beacons> {
        None
    }

    /// All grains: those of the host with the static ones over them. A JSON object.
    fn grains(&self) -> Arc<Value>;

    /// Collects the grains again, static file included, and answers the new ones.
    fn refresh_grains(&self) -> Arc<Value>;

    /// The static grains file (YAML), which `grains.setval` and its kin replace atomically. It need not exist.
    fn grains_file(&self) -> &Path;

    /// The jobs that run now.
    fn running(&self) -> Vec<RunningJob>;

    /// Signals a running job; answers what was running under this jid, `None` if nothing was.
    fn signal_job(&self, jid: &str, kind: CancelKind) -> Option<RunningJob>;

    /// Access to `salt://`.
    fn files(&self) -> &dyn FileSource;

    /// A value of the minion's configuration, by its name at top level.
    fn config(&self, key: &str) -> Option<Value> {
        self.options().get(key).cloned()
    }

    /// The whole configuration, a JSON object: what templates see as `opts`.
    fn options(&self) -> Arc<Value>;

    /// The pillar, a JSON object; made when nobody asked for it before. The error says why it could not be made.
    fn pillar(&self) -> Result<Arc<Value>, String>;

    /// Makes the pillar anew, for other callers too unless `wish` says something.
    fn refresh_pillar(&self, wish: &PillarWish) -> Result<Arc<Value>, String>;

    /// The pillar was made anew by order, for everybody: jobs by the clock and their kin follow it.
    fn follow_pillar(&self, _pillar: &Arc<Value>) {}

    /// Where this program may keep what it can make again; it need not exist.
    fn cache_dir(&self) -> &Path;

    /// Banyan's version.
    fn version(&self) -> &str;

    /// Where the minion sits in the tree, for example `eu/ams`.
    fn path(&self) -> &str;
}

/// How a pillar is to be made, where it is not as for everybody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PillarWish {
    /// `pillarenv`: the only environment of the pillar that counts.
    pub pillarenv: Option<String>,
    /// `saltenv` of who asks, for pillars that are made of the same environment as the states.
    pub saltenv: Option<String>,
    /// Values over those of the files, as the command line gives them in `pillar=`.
    pub values: serde_json::Map<String, Value>,
}

/// A job that runs on this minion.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningJob {
    /// Job id, 20 digits.
    pub jid: String,
    /// Function name.
    pub fun: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Process that runs it: the minion itself, unless it forked.
    pub pid: u32,
    /// When the function was started.
    pub started: SystemTime,
    /// Who published the job.
    pub user: String,
}

/// Files of the hub, as `salt://` shows them. Errors are plain text for the operator.
pub trait FileSource: Send + Sync {
    /// A local copy of a file, checked against its content hash. `path` is relative to the root of the environment.
    fn fetch(&self, path: &str, env: &str) -> Result<PathBuf, String>;

    /// The bytes of a file, `None` when the environment has no such file.
    fn read(&self, path: &str, env: &str) -> Result<Option<Vec<u8>>, String> {
        if self.hash(path, env)?.is_none() {
            return Ok(None);
        }
        let local = self.fetch(path, env)?;
        let bytes =
            std::fs::read(&local).map_err(|error| format!("{}: {error}", local.display()))?;
        Ok(Some(bytes))
    }

    /// All files of an environment whose path begins with `prefix`, in order.
    fn list(&self, env: &str, prefix: &str) -> Result<Vec<String>, String>;

    /// The hash of a file, `None` when the environment has no such file.
    fn hash(&self, path: &str, env: &str) -> Result<Option<FileHash>, String>;

    /// All files of an environment whose path begins with `prefix`, in order, each with a word that is another one when its content is.
    fn fingerprints(&self, env: &str, prefix: &str) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        for path in self.list(env, prefix)? {
            if let Some(hash) = self.hash(&path, env)? {
                found.push((path, hash.hsum));
            }
        }
        Ok(found)
    }

    /// The environments.
    fn envs(&self) -> Result<Vec<String>, String>;
}

/// Hash of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    /// Name of the algorithm, for example `sha256`.
    pub hash_type: String,
    /// The hash in lower-case hexadecimal.
    pub hsum: String,
}
