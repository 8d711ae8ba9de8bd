//! `salt://` through the hub: content by its hash, so that an unchanged file crosses the link once.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use events::{Filters, Outbox};
use modules::{FileHash, FileSource};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use wire::files::{Answer, FileEntry, Request};
use wire::{Event, Events, Jid, PROTOCOL_STATES, Steps, Uid, Up};

use crate::roots::{Asked, Roots};

/// An answer has this long to begin: the hub may have to fetch a commit first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(660);
/// A transfer that breaks is taken up again so often, each time where it broke.
const TRIES: u32 = 5;

/// A hub that has something to say of events does so within this time after its welcome.
const READS_WAIT: Duration = Duration::from_secs(1);

/// A hub that is dialled since somebody needs one has this long to welcome this minion.
const REACH_WAIT: Duration = Duration::from_secs(15);

/// Sessions that requests may use, oldest first; shared with the tasks that dial.
#[derive(Default)]
pub struct Sessions {
    hubs: Mutex<Vec<Hub>>,
    /// Whether any hub ever welcomed this minion.
    welcomed: watch::Sender<bool>,
    /// Whether any hub ever said what is read of events.
    told_reads: watch::Sender<bool>,
    /// How hubs are dialled where that is left until somebody needs one.
    on_demand: OnceLock<OnDemand>,
    /// Why there is no session.
    trouble: Mutex<String>,
}

/// Hubs that are dialled when somebody needs one.
struct OnDemand {
    dial: Box<dyn Fn() + Send + Sync>,
    dialled_at: OnceLock<Instant>,
    reads: Once,
    runtime: tokio::runtime::Handle,
}

/// A session with a hub.
struct Hub {
    link: u64,
    uid: Uid,
    sender: link::Sender,
    /// The protocol in which it welcomed this minion; 0 before that.
    protocol: u16,
    /// What it, or whoever is above it, reads of events.
    reads: Filters,
    events: Arc<Waiting>,
}

/// Events that wait for a session.
#[derive(Default)]
pub struct Waiting {
    outbox: Mutex<Outbox>,
    /// Wakes whoever sends them.
    pub more: Arc<Notify>,
}

impl Waiting {
    /// What the next frame has.
    pub fn take(&self) -> Option<Events> {
        self.outbox().take()
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn hubs(&self) -> MutexGuard<'_, Vec<Hub>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on hubs are dialled, by this, when somebody needs one.
    pub fn on_demand(
        &self,
        runtime: tokio::runtime::Handle,
        dial: impl Fn() + Send + Sync + 'static,
    ) {
        // It is said once.
        let _ = self.on_demand.set(OnDemand {
            dial: Box::new(dial),
            dialled_at: OnceLock::new(),
            reads: Once::new(),
            runtime,
        });
    }

    /// Somebody on a thread of its own needs a hub: where they are dialled on demand, dials and waits for the welcome of one, and for what it
    /// says of events where those are `for_events`.
    pub fn reach(&self, for_events: bool) {
        let Some(on_demand) = self.on_demand.get() else {
            return;
        };
        let dialled_at = on_demand.dialled_at.get_or_init(|| {
            (on_demand.dial)();
            Instant::now()
        });
        let left = REACH_WAIT.saturating_sub(dialled_at.elapsed());
        let is_reached = on_demand
            .runtime
            .block_on(async { tokio::time::timeout(left, self.welcome()).await.is_ok() });
        if is_reached && for_events {
            let wait = || on_demand.runtime.block_on(self.first_reads());
            on_demand.reads.call_once(wait);
        }
    }

    /// A hub could not be dialled, or there is none to dial.
    pub fn failed(&self, why: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone_into(&mut trouble);
    }

    /// Words for whoever needs a hub where there is none.
    fn lacking(&self, what: &str) -> String {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble.as_str() {
            "" => format!("no hub is connected, so there {what}"),
            why => format!("no hub is connected, so there {what}: {why}"),
        }
    }

    /// Waits until what was said in the sessions has been taken by their hubs: events are on their way, and an answer to a later request came back.
    pub async fn flushed(&self) {
        let hubs: Vec<_> = self
            .hubs()
            .iter()
            .filter(|hub| hub.protocol > 0)
            .map(|hub| (hub.sender.clone(), hub.events.clone()))
            .collect();
        for (sender, events) in hubs {
            while let Some(waiting) = events.take() {
                if let Ok(frame) = wire::codec::frame(&Up::Events(waiting)) {
                    let _ = sender.send(frame.into());
                }
            }
            sender.drained().await;
            // Whatever it says: it came later than what was said before.
            let _ = sender.request(&Request::Environments { roots: None }).await;
        }
    }

    /// A session with the hub of this key began. Gives the events that wait for it.
    pub fn add(&self, link: u64, hub: Uid, session: link::Sender) -> Arc<Waiting> {
        let events = Arc::new(Waiting::default());
        self.hubs().push(Hub {
            link,
            uid: hub,
            sender: session,
            protocol: 0,
            reads: Filters::default(),
            events: events.clone(),
        });
        events
    }

    /// The hub says what is read of events.
    pub fn reads(&self, link: u64, globs: &[String]) {
        let globs = events::widened(globs.iter().map(String::as_str));
        let filters = Filters::new(&globs).unwrap_or_else(|_| Filters::everything());
        if let Some(hub) = self.hubs().iter_mut().find(|hub| hub.link == link) {
            hub.reads = filters;
        }
        self.told_reads.send_replace(true);
    }

    /// Whether a hub may read events whose tags begin so.
    pub fn is_read_below(&self, prefix: &str) -> bool {
        let hubs = self.hubs();
        hubs.iter().any(|hub| hub.reads.may_match_below(prefix))
    }

    /// Hands an event to each hub that reads it; how many had no room for it.
    pub fn tell_event(&self, event: &Event) -> u64 {
        let mut dropped = 0;
        for hub in self.hubs().iter() {
            if hub.reads.matches(&event.tag) {
                dropped += u64::from(!hub.events.outbox().push(event.clone()));
                hub.events.more.notify_one();
            }
        }
        dropped
    }

    /// An event was dropped since there are too many: hubs that read its tag hear of that.
    pub fn miss_event(&self, tag: &str) -> u64 {
        let mut missed = 0;
        for hub in self.hubs().iter().filter(|hub| hub.reads.matches(tag)) {
            hub.events.outbox().miss(1);
            hub.events.more.notify_one();
            missed += 1;
        }
        missed
    }

    /// The hub welcomed this minion.
    pub fn welcomed(&self, link: u64, protocol: u16) {
        let mut hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        for hub in hubs.iter_mut().filter(|hub| hub.link == link) {
            hub.protocol = protocol;
        }
        drop(hubs);
        self.welcomed.send_replace(true);
    }

    /// The hubs that speak this protocol or a newer one.
    pub fn with_protocol(&self, protocol: u16) -> Vec<(Uid, link::Sender)> {
        let hubs = self.hubs();
        let hubs = hubs.iter().filter(|hub| hub.protocol >= protocol);
        hubs.map(|hub| (hub.uid, hub.sender.clone())).collect()
    }

    /// Waits until a hub has welcomed this minion, and said what is read of events if it does so at once.
    pub async fn first_welcome(&self) {
        self.welcome().await;
        self.first_reads().await;
    }

    async fn welcome(&self) {
        let mut welcomed = self.welcomed.subscribe();
        // The senders live as long as this does.
        let _ = welcomed.wait_for(|welcomed| *welcomed).await;
    }

    async fn first_reads(&self) {
        let mut told_reads = self.told_reads.subscribe();
        let told_reads = told_reads.wait_for(|told| *told);
        let _ = tokio::time::timeout(READS_WAIT, told_reads).await;
    }

    /// A session ended.
    pub fn remove(&self, link: u64) {
        self.hubs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|hub| hub.link != link);
    }

    /// One that is up.
    pub fn any(&self) -> Option<link::Sender> {
        self.hubs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first()
            .map(|hub| hub.sender.clone())
    }

    /// Tells hubs how far a job is; those of older releases would not understand it.
    pub fn tell_steps(&self, jid: Jid, steps: Steps) {
        let Ok(frame) = wire::codec::frame(&Up::Steps { jid, steps }) else {
            return;
        };
        let frame = bytes::Bytes::from(frame);
        let hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        for hub in hubs.iter().filter(|hub| hub.protocol >= PROTOCOL_STATES) {
            // A session that has just ended hears nothing more, and nobody misses it.
            let _ = hub.sender.send(frame.clone());
        }
    }

    /// Whether the one that is asked can make a pillar.
    fn makes_pillars(&self) -> bool {
        let hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.first()
            .is_none_or(|hub| hub.protocol >= PROTOCOL_STATES)
    }
}

/// The files of one job.
pub struct JobFiles {
    /// Ways to hubs.
    pub sessions: Arc<Sessions>,
    /// The runtime that drives them.
    pub runtime: tokio::runtime::Handle,
    /// Where copies are kept.
    pub cache: PathBuf,
    /// The roots state that the job pins.
    pub roots: Option<String>,
}

impl JobFiles {
    fn ask(&self, request: Request) -> Result<(Answer, link::BodyReader), String> {
        self.sessions.reach(false);
        let session = self.sessions.any();
        let session =
            session.ok_or_else(|| self.sessions.lacking("are neither files nor pillar"))?;
        self.runtime.block_on(async move {
            match tokio::time::timeout(ANSWER_TIMEOUT, session.request(&request)).await {
                Ok(Ok((Answer::Refused(text), _))) => Err(text),
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the hub did not answer in time".to_owned()),
            }
        })
    }

    fn stat(&self, path: &str, env: &str) -> Result<Option<FileEntry>, String> {
        let request = Request::Stat {
            roots: self.roots.clone(),
            env: env.to_owned(),
            path: path.to_owned(),
        };
        match self.ask(request)?.0 {
            Answer::Stat(entry) => Ok(entry),
            _ => Err("the hub answered something else".to_owned()),
        }
    }

    /// The files whose path begins so.
    fn entries(&self, env: &str, prefix: &str) -> Result<Vec<FileEntry>, String> {
        let request = Request::List {
            roots: self.roots.clone(),
            env: env.to_owned(),
            prefix: prefix.to_owned(),
        };
        match self.ask(request)?.0 {
            Answer::List {
                entries,
                cut: false,
            } => Ok(entries),
            Answer::List { .. } => Err(format!(
                "more files in {env} than one list holds; name a prefix"
            )),
            _ => Err("the hub answered something else".to_owned()),
        }
    }

    /// Brings the content into the cache, from where an earlier attempt broke off.
    fn download(
        &self,
        path: &str,
        env: &str,
        entry: &FileEntry,
        blob: &Path,
    ) -> Result<(), String> {
        let io = |e: std::io::Error| format!("{}: {e}", blob.display());
        let dir = blob.parent().ok_or("the cache has no directory")?;
        std::fs::create_dir_all(dir).map_err(io)?;
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
        let mut got = 0;
        let mut last = String::new();
        for _ in 0..TRIES {
            match self.continue_download(path, env, got, file.as_file_mut()) {
                Ok(bytes) => got += bytes,
                Err((bytes, error)) => {
                    got += bytes;
                    last = error;
                }
            }
            if got >= entry.size {
                break;
            }
        }
        if got != entry.size {
            return Err(format!(
                "salt://{path} broke off after {got} of {} bytes: {last}",
                entry.size
            ));
        }
        if hash_file(file.path()).map_err(io)? != entry.sha256 {
            return Err(format!(
                "salt://{path} arrived with another content than its hash says"
            ));
        }
        file.as_file().sync_all().map_err(io)?;
        file.persist(blob).map_err(|e| io(e.error))?;
        Ok(())
    }

    fn continue_download(
        &self,
        path: &str,
        env: &str,
        offset: u64,
        file: &mut std::fs::File,
    ) -> Result<u64, (u64, String)> {
        let request = Request::Content {
            roots: self.roots.clone(),
            env: env.to_owned(),
            path: path.to_owned(),
            offset,
        };
        let (answer, mut body) = self.ask(request).map_err(|e| (0, e))?;
        let Answer::Content { .. } = answer else {
            return Err((0, "the hub answered something else".to_owned()));
        };
        let mut got = 0;
        loop {
            match self.runtime.block_on(body.next()) {
                Ok(None) => return Ok(got),
                Ok(Some(bytes)) => {
                    file.write_all(&bytes).map_err(|e| (got, e.to_string()))?;
                    got += bytes.len() as u64;
                }
                Err(error) => return Err((got, error.to_string())),
            }
        }
    }
}

/// Whether a name may become part of a path below a folder of ours.
pub fn is_plain(component: &str) -> bool {
    !component.is_empty()
        && component != "."
        && component != ".."
        && !component.contains(['/', '\\', '\0'])
}

/// Refuses what cannot become a path below a folder of ours.
fn check_path(path: &str, env: &str) -> Result<(), String> {
    if env.split('/').chain(path.split('/')).all(is_plain) {
        return Ok(());
    }
    Err(format!("{path:?} in {env:?} is no path of a file"))
}

/// SHA-256 of a file, hexadecimal.
pub fn hash_file(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(data_encoding::HEXLOWER.encode(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

impl Roots for JobFiles {
    fn files(&self) -> &dyn FileSource {
        self
    }

    fn state(&self) -> Option<&str> {
        self.roots.as_deref()
    }

    fn pillar(&self, asked: &Asked<'_>) -> Result<Value, String> {
        self.sessions.reach(false);
        if !self.sessions.makes_pillars() {
            return Err(
                "the hub is of an older release, which makes no pillar: upgrade it".to_owned(),
            );
        }
        let json = |value: &Value| serde_json::to_vec(value).map_err(|e| e.to_string());
        let request = Request::Pillar {
            roots: self.roots.clone(),
            grains: json(asked.grains)?.into(),
            pillarenv: asked.wish.pillarenv.clone().unwrap_or_default(),
            saltenv: asked.wish.saltenv.clone().unwrap_or_default(),
            values: json(&Value::Object(asked.wish.values.clone()))?.into(),
        };
        match self.ask(request)?.0 {
            Answer::Pillar(pillar) => {
                serde_json::from_slice(&pillar).map_err(|e| format!("the pillar is malformed: {e}"))
            }
            _ => Err("the hub answered something else".to_owned()),
        }
    }
}

impl JobFiles {
    /// The place of the copy that has what the hub has, fetched where it is not here yet.
    fn copy(&self, path: &str, env: &str, entry: &FileEntry) -> Result<PathBuf, String> {
        check_path(path, env)?;
        let is_hash =
            entry.sha256.len() == 64 && entry.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hash {
            return Err(format!("the hub named no hash for salt://{path}"));
        }
        let blob = self.cache.join("blobs").join(&entry.sha256);
        // A copy that somebody changed is no copy.
        if hash_file(&blob).is_ok_and(|hash| hash == entry.sha256) {
            tracing::debug!(path, "in the cache already");
        } else {
            self.download(path, env, entry, &blob)?;
        }
        let place = self.cache.join("files").join(env).join(path);
        let io = |e: std::io::Error| format!("{}: {e}", place.display());
        if let Some(dir) = place.parent() {
            std::fs::create_dir_all(dir).map_err(io)?;
            let mut copy = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
            std::io::copy(&mut std::fs::File::open(&blob).map_err(io)?, &mut copy).map_err(io)?;
            let mode = if entry.executable { 0o755 } else { 0o644 };
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            copy.as_file().set_permissions(mode).map_err(io)?;
            copy.persist(&place).map_err(|e| io(e.error))?;
        }
        Ok(place)
    }
}

impl FileSource for JobFiles {
    fn fetch(&self, path: &str, env: &str) -> Result<PathBuf, String> {
        check_path(path, env)?;
        let entry = self
            .stat(path, env)?
            .ok_or_else(|| format!("salt://{path} is not in environment {env}"))?;
        self.copy(path, env, &entry)
    }

    fn read(&self, path: &str, env: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(entry) = self.stat(path, env)? else {
            return Ok(None);
        };
        let place = self.copy(path, env, &entry)?;
        let bytes = std::fs::read(&place).map_err(|e| format!("{}: {e}", place.display()))?;
        Ok(Some(bytes))
    }

    fn list(&self, env: &str, prefix: &str) -> Result<Vec<String>, String> {
        let entries = self.entries(env, prefix)?.into_iter();
        Ok(entries.map(|entry| entry.path).collect())
    }

    fn fingerprints(&self, env: &str, prefix: &str) -> Result<Vec<(String, String)>, String> {
        let entries = self.entries(env, prefix)?.into_iter();
        Ok(entries.map(|entry| (entry.path, entry.blob)).collect())
    }

    fn hash(&self, path: &str, env: &str) -> Result<Option<FileHash>, String> {
        Ok(self.stat(path, env)?.map(|entry| FileHash {
            hash_type: "sha256".to_owned(),
            hsum: entry.sha256,
        }))
    }

    fn envs(&self) -> Result<Vec<String>, String> {
        match self
            .ask(Request::Environments {
                roots: self.roots.clone(),
            })?
            .0
        {
            Answer::Environments(envs) => Ok(envs),
            _ => Err("the hub answered something else".to_owned()),
        }
    }
}
