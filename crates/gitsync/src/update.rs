//! Updates: bring in, verify, switch.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Duration;

use git2::{ObjectType, Repository};

use crate::deadline::Deadline;
use crate::incoming::{self, Incoming};
use crate::mirror::{Fetched, Inner, STATE_REF};
use crate::record::Roots;
use crate::service::Service;
use crate::{CommitId, Error, Remote, connectivity, environments, pack, snapshot, upstream};

/// Packs in the mirror before they are combined. Each fetch with news adds one, and each costs every look-up a little.
const PACKS_MAX: usize = 32;

/// What to do with a force-push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rewind {
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

impl Inner {
    fn begin_update(&self) -> Result<std::sync::MutexGuard<'_, ()>, Error> {
        match self.update.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::Busy),
        }
    }

    pub(crate) fn fetch(
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
        let resolved = self.rule().resolve(&refs, head.as_deref())?;
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

    pub(crate) fn receive(
        &self,
        pack: &mut dyn Read,
        refs: &BTreeMap<String, CommitId>,
    ) -> Result<Fetched, Error> {
        let _update = self.begin_update()?;
        let deadline = Deadline::after(Duration::MAX);
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
                let roots = Roots::read(&repository, state)?
                    .unwrap_or_else(|| self.rule().of_commit(state));
                let head = roots
                    .folders
                    .or_else(|| roots.envs.get(environments::BASE).copied())
                    .unwrap_or(state);
                (roots, head)
            }
            None => {
                let resolved = self.rule().resolve(&refs, None)?;
                (resolved.roots, resolved.base)
            }
        };
        let before = match self.service() {
            Some(service) => Roots::read(&repository, service.state)?
                .unwrap_or_else(|| self.rule().of_commit(service.state)),
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
        let view = snapshot::view(&repository, state, &self.rule(), &self.limits, &views)?;
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
        let objects_dir = self.objects.path().join("objects");
        self.objects.exclusively(|| {
            for index in old.iter().filter(superseded) {
                // The index goes first: without it nobody looks for the pack.
                for path in [index.clone(), index.with_extension("pack")] {
                    std::fs::remove_file(&path).map_err(Error::io(&path))?;
                }
            }
            // A state that is no longer kept may have lost its objects; no cached view may say otherwise.
            self.views().clear();
            // Loose objects are records; those still needed are in the combined pack.
            incoming::remove_loose(&objects_dir)?;
            incoming::sync_dir(&pack_dir)
        })
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
