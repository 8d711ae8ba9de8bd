//! One minion: a leaf machine, its session, and a journal that is memory.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use link::{CloseCode, Endpoint, Event, Session};
use membership::Backoff;
use pki::TrustStore;
use relay::{Leaf, LeafConfig, LeafInput, LeafOutput, LeafRecovered, LinkId, Verify};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wire::record::JournalRecord;
use wire::{Down, Jid, JobEnvelope, JobOrder, Json, Return, TreeId, UnixMillis, Up, codec};

use crate::files::{Cache, Fetch};
use crate::functions;
use crate::roll::Enrolled;

/// The wall clock.
pub fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// The trust bundle, shared by all minions: each order's signature is verified once in this process.
#[derive(Debug, Clone)]
pub struct Trust(Arc<Mutex<TrustStore>>);

impl Trust {
    /// Of a tree, with no bundle yet.
    pub fn new(tree: TreeId) -> Trust {
        Trust(Arc::new(Mutex::new(TrustStore::new(tree))))
    }

    fn store(&self) -> MutexGuard<'_, TrustStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a bundle in when it is newer and good; gives the version in force.
    pub fn accept(&self, bundle: &Json) -> u64 {
        let mut store = self.store();
        if let Err(error) = store.accept_encoded(bundle) {
            eprintln!("swarm: a trust bundle is not taken: {error}");
        }
        store.version()
    }
}

impl Verify for Trust {
    fn verify(&self, envelope: &JobEnvelope, now: UnixMillis) -> Result<Arc<JobOrder>, String> {
        let order = self.store().verify(envelope, now);
        order.map_err(|e| e.to_string())
    }
}

/// What all minions have in common.
#[derive(Debug)]
pub struct Surroundings {
    /// Their socket.
    pub endpoint: Endpoint,
    /// Their hub.
    pub hub: SocketAddr,
    /// First handshakes that may be under way.
    pub handshakes: Semaphore,
    /// Minions that the hub has welcomed.
    pub welcomed: AtomicUsize,
    /// Verifies orders.
    pub trust: Trust,
}

/// A minion without a session.
pub struct Minion {
    leaf: Leaf<Trust>,
    enrolled: Enrolled,
    around: Arc<Surroundings>,
    /// Returns that are not settled.
    journal: HashMap<Jid, Return>,
    files: Cache,
    /// Jobs that fetch files.
    fetching: JoinSet<Return>,
    sessions: u64,
}

impl Minion {
    /// A minion that has never run a job.
    pub fn new(enrolled: Enrolled, grains: Json, around: Arc<Surroundings>) -> Minion {
        let config = LeafConfig {
            id: enrolled.member.id.clone(),
            path: enrolled.member.path.clone(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            spool_bytes_max: 256 << 20,
        };
        let recovered = LeafRecovered {
            trust_version: around.trust.accept(&enrolled.trust),
            ..LeafRecovered::default()
        };
        let leaf = Leaf::new(config, around.trust.clone(), grains, recovered, unix_now());
        Minion {
            leaf,
            enrolled,
            around,
            journal: HashMap::new(),
            files: Cache::default(),
            fetching: JoinSet::new(),
            sessions: 0,
        }
    }

    /// Keeps a session with the hub.
    pub async fn live(mut self) {
        let uid = self.enrolled.member.uid.0;
        let mut backoff = Backoff::new(u64::from_le_bytes(uid[..8].try_into().unwrap_or_default()));
        let around = self.around.clone();
        loop {
            // One socket begins as many; later, all dial when they want, as on hosts of their own. Never closed.
            let place = match self.sessions {
                0 => around.handshakes.acquire().await.ok(),
                _ => None,
            };
            let identity = &self.enrolled.identity;
            let dialled = around.endpoint.dial_as(identity, around.hub).await;
            drop(place);
            match dialled {
                Ok(session) => {
                    let began = Instant::now();
                    let why = self.one_session(session).await;
                    backoff.ended(began.elapsed());
                    eprintln!("swarm: {}: {why}", self.leaf.config().id);
                }
                Err(error) => eprintln!("swarm: {}: {error}", self.leaf.config().id),
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn one_session(&mut self, session: Session) -> String {
        let Some(hub) = session.peer().member() else {
            return "the hub is no member of the tree".to_owned();
        };
        self.sessions += 1;
        let link = LinkId(self.sessions);
        let peer = relay::Peer {
            uid: hub.uid,
            id: hub.id.clone(),
            role: hub.role,
            path: hub.path.clone(),
            fingerprint: hub.fingerprint.0,
        };
        let (sender, mut receiver) = session.split();
        let connected = LeafInput::Connected { link, peer };
        self.leaf.handle_input(unix_now(), connected);
        let mut welcomed = 0;
        let why = loop {
            self.perform(&sender);
            if welcomed == 0 && self.leaf.hubs() > 0 {
                welcomed = 1;
                self.around.welcomed.fetch_add(1, Ordering::Relaxed);
            }
            let wake = self.leaf.poll_timeout().map(|(at, _)| at);
            tokio::select! {
                event = receiver.next() => match event {
                    Ok(Event::Frame(body)) => match codec::decode::<Down>(&body) {
                        Ok(message) => {
                            let input = LeafInput::Message { link, message };
                            self.leaf.handle_input(unix_now(), input);
                        }
                        Err(error) => break error.to_string(),
                    },
                    // Only diallers send requests, and this side is the dialler.
                    Ok(Event::Request(..)) => {}
                    Err(closed) => break closed.to_string(),
                },
                Some(fetched) = self.fetching.join_next() => match fetched {
                    Ok(ret) => self.leaf.handle_input(unix_now(), LeafInput::Finished(ret)),
                    Err(error) => break error.to_string(),
                },
                () = sleep_until(wake) => self.leaf.handle_timeout(unix_now()),
            }
        };
        self.leaf
            .handle_input(unix_now(), LeafInput::Closed { link });
        self.around.welcomed.fetch_sub(welcomed, Ordering::Relaxed);
        why
    }

    /// Does what the machine wants: the journal is memory, a function runs at once, unless it fetches files.
    fn perform(&mut self, sender: &link::Sender) {
        while let Some(output) = self.leaf.poll_output() {
            let now = unix_now();
            match output {
                LeafOutput::Save { token, records } => {
                    for record in records {
                        match record {
                            JournalRecord::Returned(ret) => drop(self.journal.insert(ret.jid, ret)),
                            JournalRecord::Settled { jid } => drop(self.journal.remove(&jid)),
                            JournalRecord::Started { .. } | JournalRecord::NotRun { .. } => {}
                        }
                    }
                    self.leaf.handle_input(now, LeafInput::Saved { token });
                }
                LeafOutput::Send { message, .. } => send(sender, &message),
                LeafOutput::SendKept { jid, .. } => {
                    if let Some(ret) = self.journal.get(&jid) {
                        send(sender, &Up::Return(ret.clone()));
                    }
                }
                LeafOutput::Start(order) => match Fetch::of(&order, &self.files, sender) {
                    Some(fetch) => drop(self.fetching.spawn(fetch.run())),
                    None => {
                        let ret = functions::run(&order, &self.enrolled.member.id, now);
                        self.leaf.handle_input(now, LeafInput::Finished(ret));
                    }
                },
                LeafOutput::Close { reason, .. } => sender.close(CloseCode::Done, &reason),
                LeafOutput::TrustOffered(bundle) => {
                    let version = self.around.trust.accept(&bundle);
                    self.leaf.handle_input(now, LeafInput::Trust(version));
                }
            }
        }
    }
}

async fn sleep_until(at: Option<UnixMillis>) {
    match at {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(unix_now()))).await,
        None => std::future::pending().await,
    }
}

fn send(sender: &link::Sender, message: &Up) {
    match codec::frame(message) {
        Ok(frame) => match sender.send(frame.into()) {
            Ok(()) | Err(link::SendError::Closed) => {}
            Err(error) => sender.close(CloseCode::Overload, &error.to_string()),
        },
        Err(error) => eprintln!("swarm: a message does not fit: {error}"),
    }
}
