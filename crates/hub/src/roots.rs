//! The roots of this hub: one mirror, kept fresh from the remote or from a parent, read by requests and jobs.

use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gitsync::{CommitId, EnvironmentRule, Fetched, Mirror, Remote, Snapshot};
use relay::HubInput;
use tokio::sync::{Notify, watch};
use wire::RootsReport;
use wire::files::{Answer, Request};

use crate::engine::EngineHandle;
use crate::parents::Parents;

/// A parent has this long to send a pack, as a remote has for a fetch.
const PACK_TIMEOUT: Duration = Duration::from_secs(600);

/// And so long to say by which rule it reads them.
const RULE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the roots come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A git remote, and when that fails the parents.
    Remote(Box<Remote>),
    /// The parents alone.
    Parents,
    /// This hub serves none: a top-master without a remote.
    None,
}

/// A way to the roots. Cheap to clone.
#[derive(Clone)]
pub struct RootsHandle {
    mirror: Option<Arc<Mirror>>,
    report: Arc<Mutex<RootsReport>>,
    wake: Arc<Notify>,
    accept_rewind: Arc<AtomicBool>,
    rounds: watch::Receiver<u64>,
}

impl RootsHandle {
    /// Whether this hub serves roots at all.
    pub fn is_configured(&self) -> bool {
        self.mirror.is_some()
    }

    /// The mirror.
    pub fn mirror(&self) -> Option<&Arc<Mirror>> {
        self.mirror.as_ref()
    }

    /// The state in service, as jobs pin it.
    pub fn served(&self) -> Option<String> {
        self.mirror
            .as_ref()?
            .state()
            .map(|state| state.id().to_string())
    }

    /// The roots state that an operator's word names: a commit, a branch, a tag, a short hash.
    ///
    /// # Errors
    /// Words for people.
    pub fn resolve(&self, wanted: &str) -> Result<String, String> {
        let mirror = self
            .mirror
            .as_ref()
            .ok_or("this hub serves no roots, so a job cannot pin any")?;
        let commit = mirror.resolve(wanted).map_err(|e| e.to_string())?;
        Ok(commit.to_string())
    }

    /// What is served, and how fresh it is.
    pub fn report(&self) -> RootsReport {
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Fetches now.
    pub fn fetch(&self) {
        self.wake.notify_one();
    }

    /// The next fetch may follow a remote branch that was rewound.
    pub fn accept_rewind_once(&self) {
        self.accept_rewind.store(true, Ordering::Relaxed);
    }

    /// The view that a request reads: the state that its job pins, or what is served. A state that is not here
    /// is fetched once.
    ///
    /// # Errors
    /// Words for people.
    pub async fn snapshot(&self, roots: Option<&str>) -> Result<Snapshot, String> {
        let mirror = self.mirror.as_ref().ok_or("this hub serves no roots")?;
        let Some(pinned) = roots else {
            let state = mirror.state().ok_or("this hub has no roots yet")?;
            return mirror.snapshot(state.id()).map_err(|e| e.to_string());
        };
        let commit =
            CommitId::from_str(pinned).map_err(|_| format!("{pinned:?} is no roots state"))?;
        if let Ok(snapshot) = mirror.snapshot(commit) {
            return Ok(snapshot);
        }
        self.fetch_and_wait().await;
        mirror
            .snapshot(commit)
            .map_err(|_| match self.report().error {
                Some(error) => format!(
                    "this site does not have roots commit {pinned} and could not fetch it: {error}"
                ),
                None => format!(
                    "this site does not have roots commit {pinned}, and neither does its remote"
                ),
            })
    }

    /// As [`RootsHandle::snapshot`], of the files that pillars are made of; None without roots.
    ///
    /// # Errors
    /// Words for people.
    pub async fn pillar_snapshot(&self, roots: Option<&str>) -> Result<Option<Snapshot>, String> {
        let has_roots = self.mirror.as_ref().is_some_and(|m| m.state().is_some());
        if !has_roots && roots.is_none() {
            return Ok(None);
        }
        Ok(self.snapshot(roots).await?.pillar())
    }

    /// Fetches, and waits until that is over, well or not.
    pub async fn fetch_and_wait(&self) {
        let mut rounds = self.rounds.clone();
        // One round may be under way already, begun before what is wanted was there: wait for the one after it.
        let seen = *rounds.borrow_and_update();
        self.fetch();
        let _ = tokio::time::timeout(PACK_TIMEOUT, rounds.wait_for(|round| *round > seen)).await;
    }
}

/// Keeps the mirror fresh.
pub struct RootsKeeper {
    handle: RootsHandle,
    source: Source,
    every: Duration,
    parents: Arc<Parents>,
    rounds: watch::Sender<u64>,
    scratch: PathBuf,
}

impl RootsKeeper {
    /// A keeper of this mirror, and the way to it. `scratch` is a directory for packs on their way in.
    pub fn new(
        mirror: Option<Arc<Mirror>>,
        source: Source,
        every: Duration,
        parents: Arc<Parents>,
        scratch: PathBuf,
    ) -> (Self, RootsHandle) {
        let (rounds, seen) = watch::channel(0);
        let commit = mirror
            .as_ref()
            .and_then(|m| m.state())
            .map(|s| s.id().to_string())
            .unwrap_or_default();
        let handle = RootsHandle {
            mirror,
            report: Arc::new(Mutex::new(RootsReport {
                commit,
                ..RootsReport::default()
            })),
            wake: Arc::new(Notify::new()),
            accept_rewind: Arc::new(AtomicBool::new(false)),
            rounds: seen,
        };
        (
            RootsKeeper {
                handle: handle.clone(),
                source,
                every,
                parents,
                rounds,
                scratch,
            },
            handle,
        )
    }

    /// Fetches at the interval and when asked, until the engine ends.
    pub async fn run(self, engine: EngineHandle) {
        if self.handle.mirror.is_none() {
            return;
        }
        loop {
            let began = engine.clock().now();
            let outcome = self.round().await;
            let report = self.take_note(outcome, began, engine.clock().now());
            self.rounds.send_modify(|round| *round += 1);
            if engine.input(HubInput::Roots(report)).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = self.handle.wake.notified() => {}
            }
        }
    }

    fn take_note(&self, outcome: Result<(), String>, began: u64, now: u64) -> RootsReport {
        let mut report = self
            .handle
            .report
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        report.checked = began;
        let served = self.handle.served().unwrap_or_default();
        if served != report.commit || report.since == 0 {
            report.since = now;
        }
        if served != report.commit {
            tracing::info!(commit = %served, "roots switched");
        }
        report.commit = served;
        match outcome {
            Ok(()) => report.error = None,
            Err(text) => {
                if report.error.as_ref() != Some(&text) {
                    tracing::warn!("roots are not fresh: {text}");
                }
                report.error = Some(text);
            }
        }
        report.clone()
    }

    async fn round(&self) -> Result<(), String> {
        let Some(mirror) = self.handle.mirror.clone() else {
            return Ok(());
        };
        match &self.source {
            Source::None => Ok(()),
            Source::Parents => self.fetch_from_parent(mirror).await,
            Source::Remote(remote) => {
                let remote = remote.clone();
                let accept = self.handle.accept_rewind.swap(false, Ordering::Relaxed);
                let fetching = mirror.clone();
                let fetched = tokio::task::spawn_blocking(move || {
                    if accept {
                        fetching.fetch_accepting_rewind(&remote)
                    } else {
                        fetching.fetch(&remote)
                    }
                })
                .await
                .map_err(|e| e.to_string())?;
                match fetched {
                    Ok(fetched) => {
                        log_rewind(&fetched);
                        Ok(())
                    }
                    Err(error) if self.parents.is_empty() => Err(error.to_string()),
                    Err(error) => self.fetch_from_parent(mirror).await.map_err(|from_parent| {
                        format!("{error}; and from the parent: {from_parent}")
                    }),
                }
            }
        }
    }

    /// Fetches what is missing from a parent.
    async fn fetch_from_parent(&self, mirror: Arc<Mirror>) -> Result<(), String> {
        let Some(parent) = self.parents.any() else {
            return Err("no parent is connected".to_owned());
        };
        let session = parent.sender;
        // A remote of its own comes with a rule of its own, and an older parent knows of no pillar that would have to be kept apart.
        if matches!(self.source, Source::Parents) && parent.protocol >= wire::PROTOCOL_STATES {
            follow_rule(&session, &mirror).await?;
        }
        let have: Vec<String> = mirror
            .refs()
            .into_values()
            .map(|commit| commit.to_string())
            .collect();
        let pack = async {
            let (answer, mut body) = session
                .request(&Request::Pack { want: None, have })
                .await
                .map_err(|e| e.to_string())?;
            match answer {
                Answer::Pack { state, size: 0 } => Ok((state, None)),
                Answer::Pack { state, size } => {
                    let mut file =
                        tempfile::tempfile_in(&self.scratch).map_err(|e| e.to_string())?;
                    let mut left = size;
                    while left > 0 {
                        let Some(bytes) = body.next().await.map_err(|e| e.to_string())? else {
                            return Err(format!("the pack ended {left} bytes early"));
                        };
                        left = left
                            .checked_sub(bytes.len() as u64)
                            .ok_or_else(|| "the pack is longer than announced".to_owned())?;
                        std::io::Write::write_all(&mut file, &bytes).map_err(|e| e.to_string())?;
                    }
                    file.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
                    Ok((state, Some(file)))
                }
                Answer::Refused(text) => Err(text),
                _ => Err("the parent answered something else".to_owned()),
            }
        };
        let (state, file) = tokio::time::timeout(PACK_TIMEOUT, pack)
            .await
            .map_err(|_| "the parent's pack took too long".to_owned())??;
        let refs = refs_from_text(&state)?;
        if refs == mirror.refs() {
            return Ok(());
        }
        tokio::task::spawn_blocking(move || match file {
            Some(mut file) => mirror.receive_pack(&mut file, &refs),
            None => mirror.receive_pack(&mut std::io::empty(), &refs),
        })
        .await
        .map_err(|e| e.to_string())?
        .map(|fetched| log_rewind(&fetched))
        .map_err(|e| e.to_string())
    }
}

/// Takes the parent's rule: which folder is files and which is pillar has to be known before anything is served.
async fn follow_rule(session: &link::Sender, mirror: &Mirror) -> Result<(), String> {
    let asked = session.request(&Request::RootsRule);
    let (answer, _) = tokio::time::timeout(RULE_TIMEOUT, asked)
        .await
        .map_err(|_| "the parent did not say how it reads its roots".to_owned())?
        .map_err(|e| e.to_string())?;
    match answer {
        Answer::RootsRule(text) => {
            let rule = EnvironmentRule::from_text(&text).map_err(|e| e.to_string())?;
            mirror.follow_rule(rule).map_err(|e| e.to_string())
        }
        Answer::Refused(text) => Err(text),
        _ => Err("the parent answered something else".to_owned()),
    }
}

fn log_rewind(fetched: &Fetched) {
    if fetched.rewound {
        tracing::warn!(commit = %fetched.state, "a branch of the roots was rewound, as accepted");
    }
}

/// References as they travel beside a pack: JSON, name to commit.
pub fn refs_to_text(refs: &std::collections::BTreeMap<String, CommitId>) -> String {
    let map: serde_json::Map<String, serde_json::Value> = refs
        .iter()
        .map(|(name, commit)| (name.clone(), commit.to_string().into()))
        .collect();
    serde_json::Value::Object(map).to_string()
}

fn refs_from_text(text: &str) -> Result<std::collections::BTreeMap<String, CommitId>, String> {
    let map: std::collections::BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|e| format!("the parent's references are malformed: {e}"))?;
    map.into_iter()
        .map(|(name, commit)| {
            let commit =
                CommitId::from_str(&commit).map_err(|_| format!("{commit} is no commit"))?;
            Ok((name, commit))
        })
        .collect()
}
