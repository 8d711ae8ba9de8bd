//! The mirror: update, verify, switch, serve.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError, mpsc};
use std::thread;

use git2::{ObjectType, Repository};

use crate::deadline::Deadline;
use crate::incoming::{self, Incoming};
use crate::lock::Lock;
use crate::objects::Objects;
use crate::record::Roots;
use crate::service::Service;
use crate::snapshot::{self, View};
use crate::upstream;
use crate::{
    CommitId, EnvironmentRule, Error, Limits, Remote, Snapshot, connectivity, environments, pack,
    process,
};

/// The name under which [`Mirror::refs`] lists the id of the state in service. A parent hands it down with the rest, so
/// that a child serves the environments of its parent.
pub const STATE_REF: &str = "refs/roots/state";

/// Views kept for the next snapshot of the same commit: the jobs of the moment pin few commits.
const VIEWS_MAX: usize = 8;
/// Shortest abbreviation of a commit that is looked up.
const SHORT_HASH_MIN: usize = 7;
/// Packs in the mirror before they are combined. Each fetch with news adds one, and each costs every look-up a little.
const PACKS_MAX: usize = 32;

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

/// A mirror of one remote, in a folder of its own. One process at a time; any number of threads.
#[derive(Debug)]
pub struct Mirror {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    rule: EnvironmentRule,
    limits: Limits,
    objects: Arc<Objects>,
    service: RwLock<Option<Arc<Service>>>,
    views: Mutex<VecDeque<Arc<View>>>,
    /// Held by the one update that may run.
    update: Mutex<()>,
    _lock: Lock,
}

/// What to do with a force-push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rewind {
    Refuse,
    Accept,
}

/// What an update would serve once verified.
struct Candidate {
    refs: BTreeMap<String, CommitId>,
    roots: Roots,
    head: CommitId,
    /// What must not be rewound: the name, the commit before, the commit now.
    moves: Vec<(String, CommitId, CommitId)>,
}

impl Mirror {
    /// Opens the mirror in `dir`, with the default [`EnvironmentRule`]. Makes it if there is none.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, Error> {
        Self::open_with(dir, EnvironmentRule::default(), limits)
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
            rule,
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
    fn service(&self) -> Option<Arc<Service>> {
        self.service
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn views(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<View>>> {
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
            snapshot::view(repository, id, &self.rule, &self.limits, &known)
        })?;
        Ok(self.remember(view))
    }

    fn remember(&self, view: View) -> Arc<View> {
        let view = Arc::new(view);
        let mut views = self.views();
        views.truncate(VIEWS_MAX - 1);
        views.push_front(view.clone());
        view
    }

    fn begin_update(&self) -> Result<std::sync::MutexGuard<'_, ()>, Error> {
        match self.update.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::Busy),
        }
    }

    fn fetch(
        &self,
        remote: &Remote,
        rewind: Rewind,
        deadline: &Deadline,
    ) -> Result<Fetched, Error> {
        let _update = self.begin_update()?;
        let before = self.service();
        let have = before.as_deref().map(Service::commits).unwrap_or_default();
        let incoming = Incoming::new(&self.dir, &self.objects, &have)?;
        let upstream::Advertised { refs, head } =
            upstream::download(&incoming, remote, &self.limits, deadline)?;
        let resolved = self.rule.resolve(&refs, head.as_deref())?;
        let moved = |name: &String| {
            Some((
                name.clone(),
                *before.as_deref()?.refs.get(name)?,
                *refs.get(name)?,
            ))
        };
        let moves = resolved.followed.iter().filter_map(moved).collect();
        let candidate = Candidate {
            refs,
            roots: resolved.roots,
            head: resolved.base,
            moves,
        };
        self.accept(incoming, candidate, rewind, deadline)
    }

    fn receive(
        &self,
        pack: &mut dyn Read,
        refs: &BTreeMap<String, CommitId>,
    ) -> Result<Fetched, Error> {
        let _update = self.begin_update()?;
        let deadline = Deadline::after(std::time::Duration::MAX);
        if refs.len() > self.limits.refs {
            return Err(Error::Limit {
                what: "references",
                limit: self.limits.refs as u64,
            });
        }
        let incoming = Incoming::new(&self.dir, &self.objects, &[])?;
        let repository = incoming.open()?;
        pack::index(
            &repository,
            &incoming.pack_dir(),
            pack,
            &self.limits,
            &deadline,
        )?;
        // The index of the new pack is found by a fresh handle.
        let repository = incoming.open()?;
        let mut refs = refs.clone();
        if let Some(name) = refs
            .keys()
            .find(|name| !git2::Reference::is_valid_name(name))
        {
            return Err(Error::Corrupt {
                detail: format!("`{}` is not a reference name", name.escape_debug()),
            });
        }
        let (roots, head) = match refs.remove(STATE_REF) {
            Some(state) => {
                let roots =
                    Roots::read(&repository, state)?.unwrap_or_else(|| self.rule.of_commit(state));
                let head = roots
                    .folders
                    .or_else(|| roots.envs.get(environments::BASE).copied())
                    .unwrap_or(state);
                (roots, head)
            }
            None => {
                let resolved = self.rule.resolve(&refs, None)?;
                (resolved.roots, resolved.base)
            }
        };
        let before = match self.service() {
            Some(service) => Roots::read(&repository, service.state)?
                .unwrap_or_else(|| self.rule.of_commit(service.state)),
            None => Roots::default(),
        };
        let both = before
            .envs
            .iter()
            .filter_map(|(env, from)| Some((env.clone(), *from, *roots.envs.get(env)?)));
        let folders = before
            .folders
            .zip(roots.folders)
            .map(|(from, to)| (environments::BASE.to_owned(), from, to));
        let moves = both.chain(folders).collect();
        self.accept(
            incoming,
            Candidate {
                refs,
                roots,
                head,
                moves,
            },
            Rewind::Accept,
            &deadline,
        )
    }

    /// Verifies what came in and switches to it.
    fn accept(
        &self,
        incoming: Incoming,
        new: Candidate,
        rewind: Rewind,
        deadline: &Deadline,
    ) -> Result<Fetched, Error> {
        let before = self.service();
        let repository = incoming.open()?;
        let known = before.as_deref().map(Service::commits).unwrap_or_default();
        let tips = pack::distinct(new.refs.values().copied().chain(new.roots.commits()));
        connectivity::verify(&repository, &tips, &known, &self.limits, deadline)?;

        let mut rewound = false;
        for (reference, from, to) in new.moves {
            let follows = from == to
                || repository
                    .graph_descendant_of(to.oid(), from.oid())
                    .map_err(Error::corrupt(&reference))?;
            if !follows && rewind == Rewind::Refuse {
                return Err(Error::Rewound {
                    reference,
                    from,
                    to,
                });
            }
            rewound |= !follows;
        }

        let (state, record) = new.roots.id()?;
        if record.is_none() && Roots::read(&repository, state)?.is_some() {
            return Err(Error::Corrupt {
                detail: format!("{state} poses as a record of environments"),
            });
        }
        let mut service = Service {
            state,
            head: new.head,
            refs: new.refs,
            kept: Vec::new(),
        };
        if let Some(before) = before.as_deref() {
            service.kept = before.kept.clone();
            if *before == service {
                return Ok(service.fetched(false, false));
            }
            if before.state != state {
                service.kept.retain(|kept| *kept != state);
                service.kept.insert(0, before.state);
                service.kept.truncate(self.limits.kept_states);
            }
        }
        let bytes =
            incoming::folder_bytes(&incoming::pack_dir(self.objects.path()))? + incoming.bytes()?;
        if bytes > self.limits.repository_bytes {
            return Err(Error::Limit {
                what: "bytes in the mirror",
                limit: self.limits.repository_bytes,
            });
        }
        if let Some(record) = &record {
            // Into the area first, so that the view can be made before anything of the mirror is touched.
            write_record(&repository, record)?;
        }
        let views: Vec<_> = self.views().iter().cloned().collect();
        let view = snapshot::view(&repository, state, &self.rule, &self.limits, &views)?;
        drop(repository);

        deadline.begin_switch()?;
        incoming.promote(&self.objects)?;
        if let Some(record) = &record {
            self.objects
                .with(|repository| write_record(repository, record))?;
        }
        service.save(&self.dir.join("state"))?;
        self.remember(view);
        let fetched = service.fetched(true, rewound);
        *self.service.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(service));
        tracing::info!(state = %fetched.state, head = %fetched.head, rewound, "serving new roots");
        if let Err(error) = self.combine_packs() {
            // The old packs still serve; the next update tries again.
            tracing::warn!(%error, "packs not combined");
        }
        Ok(fetched)
    }

    /// Once there are many packs, makes one of all that is in service or kept, and drops the rest.
    fn combine_packs(&self) -> Result<(), Error> {
        let pack_dir = incoming::pack_dir(self.objects.path());
        let old = incoming::files_with_extension(&pack_dir, "idx")?;
        let Some(service) = self.service().filter(|_| old.len() > PACKS_MAX) else {
            return Ok(());
        };
        let area = Incoming::new(&self.dir, &self.objects, &[])?;
        let want = pack::distinct(
            service
                .refs
                .values()
                .chain(&service.kept)
                .copied()
                .chain([service.state]),
        );
        self.objects.with(|repository| {
            let mut pack = pack::build(repository, &want, &[])?;
            pack.write(&area.pack_dir(), 0o444)
                .map_err(Error::corrupt("pack"))
        })?;
        let combined = incoming::files_with_extension(&area.pack_dir(), "idx")?;
        area.promote(&self.objects)?;
        // A pack is named for what is in it, so an old one may be the combined one already.
        let superseded = |index: &&PathBuf| {
            !combined
                .iter()
                .any(|kept| kept.file_name() == index.file_name())
        };
        self.objects.exclusively(|| {
            for index in old.iter().filter(superseded) {
                // The index goes first: without it nobody looks for the pack.
                for path in [index.clone(), index.with_extension("pack")] {
                    std::fs::remove_file(&path).map_err(Error::io(&path))?;
                }
            }
            incoming::sync_dir(&pack_dir)
        })
    }
}

impl Service {
    /// Commits whose histories are complete here.
    fn commits(&self) -> Vec<CommitId> {
        pack::distinct(self.refs.values().copied())
    }

    fn all_refs(&self) -> BTreeMap<String, CommitId> {
        let mut refs = self.refs.clone();
        refs.insert(STATE_REF.to_owned(), self.state);
        refs
    }

    fn fetched(&self, changed: bool, rewound: bool) -> Fetched {
        Fetched {
            refs: self.all_refs(),
            head: self.head,
            state: self.state,
            changed,
            rewound,
        }
    }
}

fn write_record(repository: &Repository, record: &[u8]) -> Result<(), Error> {
    let odb = repository.odb().map_err(Error::corrupt("objects"))?;
    // A record names the empty tree, which packing it needs.
    odb.write(ObjectType::Tree, b"")
        .map_err(Error::corrupt("empty tree"))?;
    odb.write(ObjectType::Commit, record)
        .map_err(Error::corrupt("record"))?;
    Ok(())
}
