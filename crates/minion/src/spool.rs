//! What runs of this minion's own returned, on disk until a hub has it on its own.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use wire::files::{Answer, Request};
use wire::limits::{BULK_FRAME, OWN_RUNS_PER_REQUEST};
use wire::{Jid, OwnRun, codec};

/// Runs that wait for a hub; more push out the oldest.
const RUNS_MAX: usize = 10_000;
/// A hub has this long to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A hub that does not take runs is asked again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(30);
/// Between two requests, so that what gathered in a long cut comes in a measured stream.
const PAUSE: Duration = Duration::from_millis(200);

/// Runs that wait for a hub, a file for each.
pub struct Spool {
    folder: PathBuf,
    /// Ids of the runs, oldest first.
    waiting: Mutex<VecDeque<Jid>>,
    changed: watch::Sender<()>,
    /// Several hubs may be connected: one at a time is told.
    turn: tokio::sync::Mutex<()>,
}

impl Spool {
    /// With what the folder has.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn open(folder: &Path) -> std::io::Result<Spool> {
        std::fs::create_dir_all(folder)?;
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            // Other names are of files that were never whole.
            found.extend(name.to_str().and_then(|name| name.parse::<Jid>().ok()));
        }
        Ok(Spool {
            folder: folder.to_owned(),
            waiting: Mutex::new(found.into_iter().collect()),
            changed: watch::Sender::new(()),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Jid>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a run that is over; it is on disk when this returns.
    ///
    /// # Errors
    /// Words for people: the disk does not take it.
    pub fn put(&self, run: &OwnRun) -> Result<(), String> {
        let bytes = codec::encode(run).map_err(|error| error.to_string())?;
        let path = self.path(run.jid);
        let written = daemon::files::replace(&path, &bytes);
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        let mut waiting = self.waiting();
        waiting.push_back(run.jid);
        while waiting.len() > RUNS_MAX
            && let Some(oldest) = waiting.pop_front()
        {
            tracing::warn!(jid = %oldest, "no hub takes runs of the minion's own, and {RUNS_MAX} wait: the oldest is forgotten");
            self.remove(oldest);
        }
        drop(waiting);
        self.changed.send_replace(());
        Ok(())
    }

    fn path(&self, jid: Jid) -> PathBuf {
        self.folder.join(jid.to_string())
    }

    fn remove(&self, jid: Jid) {
        let path = self.path(jid);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a run that is told stays on disk, and will be told again");
            }
            _ => {}
        }
    }

    /// The oldest runs, as many as one request takes. A file that can't be read is left out and no longer waits.
    fn next(&self) -> Vec<OwnRun> {
        let jids: Vec<Jid> = self.waiting().iter().copied().collect();
        let (mut runs, mut bytes) = (Vec::new(), 0);
        for jid in jids {
            let path = self.path(jid);
            let read = std::fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|text| codec::decode::<OwnRun>(&text).map_err(|error| error.to_string()));
            match read {
                Ok(run) => {
                    bytes += run.weight();
                    if bytes > OWN_RUNS_PER_REQUEST && !runs.is_empty() {
                        break;
                    }
                    runs.push(run);
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), error, "a run of the minion's own can't be read, and no hub hears of it");
                    self.waiting().retain(|waiting| *waiting != jid);
                }
            }
        }
        runs
    }

    /// These are on the disk of a hub.
    fn told(&self, runs: &[Jid]) {
        for jid in runs {
            self.remove(*jid);
        }
        self.waiting().retain(|jid| !runs.contains(jid));
        self.changed.send_replace(());
    }

    /// Waits until none waits for a hub.
    pub async fn emptied(&self) {
        let mut changed = self.changed.subscribe();
        while !self.waiting().is_empty() {
            // The sender lives as long as this does.
            let _ = changed.changed().await;
        }
    }

    /// Tells a hub what waits, now and whenever there is more, until the session ends.
    pub async fn tell(self: Arc<Self>, sender: link::Sender) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let turn = self.turn.lock().await;
            let spool = self.clone();
            let Ok(runs) = tokio::task::spawn_blocking(move || spool.next()).await else {
                return;
            };
            if runs.is_empty() {
                drop(turn);
                tokio::select! {
                    // The sender lives as long as this does.
                    _ = changed.changed() => continue,
                    _ = sender.closed() => return,
                }
            }
            let jids: Vec<Jid> = runs.iter().map(|run| run.jid).collect();
            let request = Request::OwnRuns(runs);
            debug_assert!(codec::encode(&request).is_ok_and(|bytes| bytes.len() <= BULK_FRAME));
            let asked = tokio::time::timeout(ANSWER_TIMEOUT, sender.request(&request)).await;
            match asked {
                Ok(Ok((Answer::Done, _))) => {
                    self.told(&jids);
                    drop(turn);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(Ok((Answer::Refused(text), _))) => {
                    drop(turn);
                    tracing::warn!("a hub does not take runs of the minion's own: {text}");
                    tokio::time::sleep(TELL_AGAIN).await;
                }
                // Another session tells them again.
                Ok(Ok(_) | Err(_)) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::limits::MAX_OWN_VALUE;
    use wire::{RunSource, SitePath, Uid};

    use super::*;

    fn run(number: usize, bytes: usize) -> OwnRun {
        let json = |text: &str| text.as_bytes().into();
        OwnRun {
            uid: Uid([0; 16]),
            id: "m1".parse().unwrap(),
            path: SitePath::top(),
            jid: format!("20261122223700{number:04}99").parse().unwrap(),
            source: RunSource::Schedule,
            schedule: Some("daily".to_owned()),
            user: "root".to_owned(),
            fun: "test.ping".to_owned(),
            args: json("[]"),
            kwargs: json("{}"),
            metadata: json("{}"),
            started: 0,
            duration_ms: 1,
            retcode: 0,
            success: true,
            value: "x".repeat(bytes).as_bytes().into(),
        }
    }

    #[test]
    fn runs_wait_over_a_restart_until_a_hub_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        for number in 0..3 {
            spool.put(&run(number, 10)).unwrap();
        }
        // Files that were never whole, and one that is damaged.
        std::fs::write(dir.path().join(".tmpx"), "x").unwrap();
        std::fs::write(spool.path(run(1, 0).jid), "").unwrap();
        drop(spool);
        let spool = Spool::open(dir.path()).unwrap();
        assert_eq!(spool.next(), [run(0, 10), run(2, 10)]);
        spool.told(&[run(0, 0).jid]);
        drop(spool);
        let spool = Spool::open(dir.path()).unwrap();
        assert_eq!(spool.next(), [run(2, 10)]);
        spool.told(&[run(2, 0).jid]);
        assert!(spool.waiting().is_empty());
    }

    #[test]
    fn a_request_takes_what_fits_into_it_and_at_least_one() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        for number in 0..3 {
            spool.put(&run(number, MAX_OWN_VALUE)).unwrap();
        }
        let next = spool.next();
        assert_eq!(next.len(), 1);
        let bytes = codec::encode(&Request::OwnRuns(next)).unwrap();
        assert!(bytes.len() <= BULK_FRAME, "{}", bytes.len());
    }

    #[test]
    fn the_oldest_gives_way_where_too_many_wait() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.put(&run(0, 1)).unwrap();
        let more = (1..RUNS_MAX).map(|number| run(number, 0).jid);
        spool.waiting().extend(more);
        spool.put(&run(9_999_usize.min(RUNS_MAX), 1)).unwrap();
        assert_eq!(spool.waiting().len(), RUNS_MAX);
        assert!(!spool.path(run(0, 0).jid).exists());
    }
}
