//! The mirror: update, verify, switch, serve.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread;

use git2::Repository;

use crate::deadline::Deadline;
use crate::incoming;
use crate::lock::Lock;
use crate::objects::Objects;
use crate::service::Service;
use crate::snapshot::{self, View};
use crate::update::Rewind;
use crate::{
    CommitId, EnvironmentRule, Error, Limits, Remote, Snapshot, environments, pack, process,
};

/// The name under which [`Mirror::refs`] lists the id of the state in service. A parent hands it down with the rest, so
/// that a child serves the environments of its parent.
pub const STATE_REF: &str = "refs/roots/state";

/// Views kept for the next snapshot of the same commit: the jobs of the moment pin few commits.
const VIEWS_MAX: usize = 8;
/// Shortest abbreviation of a commit that is looked up.
const SHORT_HASH_MIN: usize = 7;

/// What an update brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The references in service, as [`Mirror::refs`] lists them.
    pub refs: BTreeMap<String, CommitId>,
    /// The commit of the base branch.
    pub head: CommitId,
    /// The id of the state in service: what a job pins.
    pub state: CommitId,
    /// Whether the references or the state differ from before.
    pub changed: bool,
    /// Whether an environment went to a commit that does not follow from the one before.
    pub rewound: bool,
}

/// Which commit each environment serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootsState {
    id: CommitId,
    /// The environments and their commits. Environments that are folders of one branch share its commit.
    pub envs: BTreeMap<String, CommitId>,
}

impl RootsState {
    /// The id, equal on all hubs that serve the same: what a job pins and [`Mirror::snapshot`] opens.
    pub fn id(&self) -> CommitId {
        self.id
    }
}

/// The file in a mirror's folder with the rule of its parent.
const RULE_FILE: &str = "rule";

/// A mirror of one remote, in a folder of its own. One process at a time; any number of threads.
#[derive(Debug)]
pub struct Mirror {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    /// Replaced when the mirror follows a parent whose rule changed.
    rule: RwLock<Arc<EnvironmentRule>>,
    pub(crate) limits: Limits,
    pub(crate) objects: Arc<Objects>,
    pub(crate) service: RwLock<Option<Arc<Service>>>,
    views: Mutex<VecDeque<Arc<View>>>,
    /// Held by the one update that may run.
    pub(crate) update: Mutex<()>,
    _lock: Lock,
}

impl Mirror {
    /// Opens the mirror in `dir`, with the default [`EnvironmentRule`]. Makes it if there is none.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, Error> {
        Self::open_with(dir, EnvironmentRule::default(), limits)
    }

    /// Opens the mirror in `dir` with the rule that it took from a parent, or the default one. Makes it if there is none.
    pub fn open_following(dir: &Path, limits: Limits) -> Result<Self, Error> {
        let rule = match std::fs::read_to_string(dir.join(RULE_FILE)) {
            Ok(text) => EnvironmentRule::from_text(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                EnvironmentRule::default()
            }
            Err(error) => return Err(Error::io(dir)(error)),
        };
        Self::open_with(dir, rule, limits)
    }

    /// The rule that holds.
    pub fn rule(&self) -> Arc<EnvironmentRule> {
        self.inner.rule()
    }

    /// Takes the rule of a parent, from now on and for [`Mirror::open_following`].
    pub fn follow_rule(&self, rule: EnvironmentRule) -> Result<(), Error> {
        rule.check()?;
        if *self.inner.rule() == rule {
            return Ok(());
        }
        let path = self.inner.dir.join(RULE_FILE);
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, rule.to_text())
            .and_then(|()| std::fs::rename(&fresh, &path))
            .map_err(Error::io(&path))?;
        *self
            .inner
            .rule
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
        // They were made by the rule before.
        self.inner.views().clear();
        Ok(())
    }

    /// Opens the mirror in `dir`. Makes it if there is none, and clears away what a killed process left.
    pub fn open_with(dir: &Path, rule: EnvironmentRule, limits: Limits) -> Result<Self, Error> {
        rule.check()?;
        process::prepare()?;
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let lock = Lock::take(dir)?;
        incoming::sweep(dir)?;
        let objects = Arc::new(Objects::open(&dir.join("repository"))?);
        let service = Service::load(&dir.join("state"))?.map(Arc::new);
        let inner = Inner {
            dir: dir.to_owned(),
            rule: RwLock::new(Arc::new(rule)),
            limits,
            objects,
            service: RwLock::new(service),
            views: Mutex::new(VecDeque::new()),
            update: Mutex::new(()),
            _lock: lock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Fetches from the remote, verifies, and switches. After an error the last good state is still in service; a
    /// force-push of a branch behind an environment is the error [`Error::Rewound`].
    ///
    /// Blocks for up to [`Remote::timeout`]. A remote that hangs even then holds one thread of its own until its
    /// connection dies, and further updates answer [`Error::Busy`] so long.
    pub fn fetch(&self, remote: &Remote) -> Result<Fetched, Error> {
        self.fetch_with(remote, Rewind::Refuse)
    }

    /// As [`Mirror::fetch`], for an operator who has decided that a force-push is right.
    pub fn fetch_accepting_rewind(&self, remote: &Remote) -> Result<Fetched, Error> {
        self.fetch_with(remote, Rewind::Accept)
    }

    fn fetch_with(&self, remote: &Remote, rewind: Rewind) -> Result<Fetched, Error> {
        let deadline = Arc::new(Deadline::after(remote.timeout));
        let (inner, remote_of_worker, deadline_of_worker) =
            (self.inner.clone(), remote.clone(), deadline.clone());
        let (report, outcome) = mpsc::sync_channel(1);
        // The library has waits that no callback interrupts, and its binding panics on reference names that are not UTF-8.
        // A thread of its own lets the caller go on, in time and in one piece.
        let work = move || {
            let outcome = inner.fetch(&remote_of_worker, rewind, &deadline_of_worker);
            // A caller that has its answer may close the mirror and open it anew.
            drop(inner);
            // Nobody listens when the caller has given up.
            let _ = report.send(outcome);
        };
        thread::Builder::new()
            .name("gitsync-fetch".into())
            .spawn(work)
            .map_err(Error::io(&self.inner.dir))?;
        let stopped = || Error::Remote {
            detail: "the fetch thread stopped".into(),
        };
        match outcome.recv_timeout(remote.timeout) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(stopped()),
            Err(mpsc::RecvTimeoutError::Timeout) => match deadline.abandon() {
                Ok(()) => Err(deadline.error()),
                // It is about to switch, or has: local disk writes, then the answer.
                Err(_) => outcome.recv().map_err(|_| stopped())?,
            },
        }
    }

    /// Writes a pack with all that the other side needs for `want` when it has `have`. Returns its bytes, at most
    /// [`Limits::repository_bytes`]. Commits in `have` that are not here are ignored.
    pub fn pack(
        &self,
        want: &[CommitId],
        have: &[CommitId],
        out: &mut dyn Write,
    ) -> Result<u64, Error> {
        self.inner
            .objects
            .with(|repository| pack::write(repository, want, have, &self.inner.limits, out))
    }

    /// Takes a pack made by [`Mirror::pack`] and the parent's [`Mirror::refs`], verifies that every object is there, and
    /// switches to the parent's state. A rewind was decided at the parent and is followed; it is reported.
    ///
    /// Reads `pack` to its end or its error; the caller bounds the time that takes.
    pub fn receive_pack(
        &self,
        pack: &mut dyn Read,
        refs: &BTreeMap<String, CommitId>,
    ) -> Result<Fetched, Error> {
        self.inner.receive(pack, refs)
    }

    /// The references in service by full name, and [`STATE_REF`]. Empty before the first update.
    pub fn refs(&self) -> BTreeMap<String, CommitId> {
        self.inner
            .service()
            .map(|service| service.all_refs())
            .unwrap_or_default()
    }

    /// The state in service.
    pub fn state(&self) -> Option<RootsState> {
        self.state_by_id(self.inner.service()?.state)
    }

    /// The state with this id, if it is here and complete.
    pub fn state_by_id(&self, id: CommitId) -> Option<RootsState> {
        let snapshot = self.snapshot(id).ok()?;
        let envs = snapshot
            .environments()
            .map(|(env, commit)| (env.to_owned(), commit))
            .collect();
        Some(RootsState { id, envs })
    }

    /// Whether the commit is here with its whole trees.
    pub fn contains(&self, commit: CommitId) -> bool {
        self.inner.view(commit).is_ok()
    }

    /// A view of a commit: of a state, or of any other commit in the mirror as the rule reads one commit alone.
    pub fn snapshot(&self, commit: CommitId) -> Result<Snapshot, Error> {
        Ok(Snapshot::new(
            self.inner.view(commit)?,
            self.inner.objects.clone(),
        ))
    }

    /// The commit that `text` names: a branch, a tag, a full reference name, a full hash, or the beginning of one, at
    /// least seven digits long.
    pub fn resolve(&self, text: &str) -> Result<CommitId, Error> {
        if let Some(commit) =
            environments::find(&self.refs(), text).and_then(|name| self.refs().remove(&name))
        {
            return Ok(commit);
        }
        let unknown = || Error::Unknown {
            text: text.chars().take(200).collect(),
        };
        let hash = (SHORT_HASH_MIN..=40).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hash {
            return Err(unknown());
        }
        self.inner.objects.with(|repository| {
            let commit = repository
                .find_commit_by_prefix(text)
                .map_err(|_| unknown())?;
            Ok(CommitId::from_oid(commit.id()))
        })
    }
}

impl Inner {
    pub(crate) fn rule(&self) -> Arc<EnvironmentRule> {
        self.rule
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn service(&self) -> Option<Arc<Service>> {
        self.service
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn views(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<View>>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self, id: CommitId) -> Result<Arc<View>, Error> {
        let known: Vec<_> = self.views().iter().cloned().collect();
        if let Some(view) = known.iter().find(|view| view.id == id) {
            return Ok(view.clone());
        }
        let exists = |repository: &Repository| repository.find_commit(id.oid()).is_ok();
        let view = self.objects.with(|repository| {
            if !exists(repository) {
                return Err(Error::Unknown {
                    text: id.to_string(),
                });
            }
            snapshot::view(repository, id, &self.rule(), &self.limits, &known)
        })?;
        Ok(self.remember(view))
    }

    pub(crate) fn remember(&self, view: View) -> Arc<View> {
        let view = Arc::new(view);
        let mut views = self.views();
        views.truncate(VIEWS_MAX - 1);
        views.push_front(view.clone());
        view
    }
}

impl Service {
    /// Commits whose histories are complete here.
    pub(crate) fn commits(&self) -> Vec<CommitId> {
        pack::distinct(self.refs.values().copied())
    }

    fn all_refs(&self) -> BTreeMap<String, CommitId> {
        let mut refs = self.refs.clone();
        refs.insert(STATE_REF.to_owned(), self.state);
        refs
    }

    pub(crate) fn fetched(&self, changed: bool, rewound: bool) -> Fetched {
        Fetched {
            refs: self.all_refs(),
            head: self.head,
            state: self.state,
            changed,
            rewound,
        }
    }
}
