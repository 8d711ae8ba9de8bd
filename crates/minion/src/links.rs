//! Sessions with hubs: dialled, kept, dialled again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use daemon::clock::Clock;
use daemon::metrics::MinionMetrics;
use link::{DialError, Endpoint, Event, Session};
use membership::{Applicant, Backoff, Failover, ParentAddress, Step, dial};
use pki::KeyStore;
use relay::{LeafInput, LinkId};
use tokio::sync::mpsc;
use wire::{Down, PROTOCOL_MINE, PROTOCOL_OWN_RUNS, Uid, Up, codec};

use crate::engine::Message;
use crate::files::Sessions;
use crate::mine::Mine;
use crate::spool::Spool;

/// Between two renewals at least: one that failed is tried again then, and a clock that is far off, for which even a
/// fresh certificate is due, does not keep the hub busy.
const RENEW_PAUSE: Duration = Duration::from_secs(60);

/// Set when a hub says that it no longer accepts this minion's key.
#[derive(Debug, Default)]
pub struct Refusals(AtomicBool);

impl Refusals {
    /// A hub refused.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether one refused since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// What became of an attempt at one of several hubs, named by its place in their order.
enum News {
    /// The session stands.
    Reached(usize, link::Sender),
    /// The hub welcomed this minion.
    Welcomed(usize),
    /// No session, or none any more; and why.
    Lost(usize, String),
}

/// How far a session is.
enum Progress<'a> {
    Reached(&'a link::Sender),
    Welcomed,
}

/// What the tasks that dial have in common.
pub struct Dialler {
    /// Dials.
    pub endpoint: Endpoint,
    /// What this minion asks for.
    pub applicant: Applicant,
    /// Its keys.
    pub keys: Arc<KeyStore>,
    /// The loop.
    pub messages: mpsc::Sender<Message>,
    /// Where sessions are shown to files.
    pub sessions: Arc<Sessions>,
    /// What hubs are told of the mine.
    pub mine: Arc<Mine>,
    /// What hubs are told of runs that none of them ordered.
    pub spool: Arc<Spool>,
    /// Refusals that the machine heard.
    pub refusals: Arc<Refusals>,
    /// Whether a job runs.
    pub at_work: Arc<AtomicBool>,
    /// The minion's clock.
    pub clock: Clock,
    /// What the metrics page shows.
    pub metrics: Arc<MinionMetrics>,
    /// Names sessions.
    pub ids: AtomicU64,
}

impl Dialler {
    /// Keeps a session with one hub, until the loop ends.
    pub async fn keep(self: Arc<Self>, hub: ParentAddress, seed: u64) {
        let mut backoff = Backoff::new(seed);
        let mut last = String::new();
        while !self.messages.is_closed() {
            if self.refusals.take() {
                self.apply_again(std::slice::from_ref(&hub)).await;
            }
            match dial(&self.endpoint, &hub).await {
                Ok(session) => {
                    let began = Instant::now();
                    let word = self.one_session(session, &hub, |_| {}).await;
                    tracing::warn!(%hub, "the session ended: {word}");
                    backoff.ended(began.elapsed());
                    last.clear();
                }
                Err(error) => {
                    if matches!(error, DialError::Refused(_)) {
                        self.refusals.set();
                    }
                    let word = error.to_string();
                    self.sessions.failed(&format!("{hub}: {word}"));
                    if word != last {
                        tracing::warn!(%hub, "no session: {word}");
                        last = word;
                    }
                }
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// Keeps a session with one of several hubs at a time, until the loop ends.
    pub async fn keep_one(self: Arc<Self>, hubs: Vec<ParentAddress>, mut course: Failover) {
        // Each of two attempts at a time has three things to say.
        let (news_sender, mut news) = mpsc::channel(8);
        let mut senders: HashMap<usize, link::Sender> = HashMap::new();
        let mut last: HashMap<usize, String> = HashMap::new();
        let began = Instant::now();
        let now = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        while !self.messages.is_closed() {
            if senders.is_empty() && self.refusals.take() {
                self.apply_again(&hubs).await;
            }
            let at_work = self.at_work.load(Ordering::Relaxed);
            let until = match course.step(now(), at_work) {
                Step::Dial(nth) => {
                    let Some(hub) = hubs.get(nth).cloned() else {
                        return;
                    };
                    tokio::spawn(self.clone().attempt(nth, hub, news_sender.clone()));
                    continue;
                }
                Step::Leave(nth) => {
                    if let Some(sender) = senders.get(&nth) {
                        sender.close(link::CloseCode::Done, "the minion holds another hub");
                    }
                    continue;
                }
                Step::Wait(until) => until,
            };
            let due = async {
                match until {
                    Some(at) => {
                        tokio::time::sleep(Duration::from_millis(at.saturating_sub(now()))).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                one = news.recv() => match one {
                    Some(News::Reached(nth, sender)) => {
                        senders.insert(nth, sender);
                        course.reached(nth, now());
                    }
                    Some(News::Welcomed(nth)) => {
                        last.remove(&nth);
                        course.welcomed(nth, now());
                    }
                    Some(News::Lost(nth, word)) => {
                        senders.remove(&nth);
                        if last.get(&nth) != Some(&word) {
                            tracing::warn!(hub = %hubs[nth], "{word}");
                            last.insert(nth, word);
                        }
                        course.lost(nth, now());
                    }
                    None => return,
                },
                () = due => {}
            }
        }
    }

    /// One dial of a hub, and the session when there is one.
    async fn attempt(self: Arc<Self>, nth: usize, hub: ParentAddress, news: mpsc::Sender<News>) {
        let word = match dial(&self.endpoint, &hub).await {
            Ok(session) => {
                let tell = |progress: Progress<'_>| {
                    let one = match progress {
                        Progress::Reached(sender) => News::Reached(nth, sender.clone()),
                        Progress::Welcomed => News::Welcomed(nth),
                    };
                    // There is room for all that can be said, or nobody listens any more.
                    let _ = news.try_send(one);
                };
                let word = self.one_session(session, &hub, tell).await;
                format!("the session ended: {word}")
            }
            Err(error) => {
                if matches!(error, DialError::Refused(_)) {
                    self.refusals.set();
                }
                self.sessions.failed(&format!("{hub}: {error}"));
                format!("no session: {error}")
            }
        };
        let _ = news.send(News::Lost(nth, word)).await;
    }

    async fn one_session(
        &self,
        session: Session,
        hub: &ParentAddress,
        tell: impl Fn(Progress<'_>),
    ) -> String {
        let Some(member) = session.peer().member().cloned() else {
            return "it is no member of the tree".to_owned();
        };
        let link = LinkId(self.ids.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, mut receiver) = session.split();
        let peer = relay::Peer {
            uid: member.uid,
            id: member.id.clone(),
            role: member.role,
            path: member.path.clone(),
            fingerprint: member.fingerprint.0,
        };
        if self
            .messages
            .send(Message::Link(link, sender.clone(), peer))
            .await
            .is_err()
        {
            return "the minion stops".to_owned();
        }
        tracing::info!(%hub, id = %member.id, site = %member.path, "connected");
        tell(Progress::Reached(&sender));
        let events = self.sessions.add(link.0, member.uid, sender.clone());
        let (more, metrics) = (events.more.clone(), self.metrics.clone());
        tokio::spawn(link::trickle(sender.clone(), more, move || {
            let events = events.take()?;
            metrics.events.count("sent", events.events.len() as u64);
            codec::frame(&Up::Events(events))
                .inspect_err(|error| tracing::error!(%error, "events do not fit"))
                .ok()
                .map(Bytes::from)
        }));
        let why = loop {
            match receiver.next().await {
                Ok(Event::Frame(body)) => match codec::decode::<Down>(&body) {
                    Ok(message) => {
                        match &message {
                            Down::Welcome(welcome) => {
                                self.sessions.welcomed(link.0, welcome.protocol);
                                if welcome.protocol >= PROTOCOL_MINE {
                                    self.tell_mine(member.uid, sender.clone());
                                }
                                if welcome.protocol >= PROTOCOL_OWN_RUNS {
                                    tokio::spawn(self.spool.clone().tell(sender.clone()));
                                }
                                tell(Progress::Welcomed);
                            }
                            Down::EventFilters(globs) => self.sessions.reads(link.0, globs),
                            _ => {}
                        }
                        let input = Message::Input(LeafInput::Message { link, message });
                        if self.messages.send(input).await.is_err() {
                            break "the minion stops".to_owned();
                        }
                    }
                    Err(error) => {
                        self.metrics.frames_refused.inc();
                        sender.close(link::CloseCode::Malformed, "not a message of this protocol");
                        break format!(
                            "it sent a frame that is no message of this protocol: {error}"
                        );
                    }
                },
                // Only diallers send requests, and this side is the dialler.
                Ok(Event::Request(..)) => {}
                Err(closed) => {
                    // Also a hub above the one that is dialled may have been let go, with all that it vouches for.
                    if closed.is_revocation() {
                        self.refusals.set();
                    }
                    break closed.to_string();
                }
            }
        };
        self.sessions.remove(link.0);
        // The loop may be gone, and then it wants no news.
        let _ = self
            .messages
            .send(Message::Input(LeafInput::Closed { link }))
            .await;
        why
    }

    /// Tells a hub what it missed of the mine.
    fn tell_mine(&self, hub: Uid, sender: link::Sender) {
        let mine = self.mine.clone();
        tokio::spawn(async move {
            if let Err(error) = mine.tell(hub, sender).await {
                tracing::warn!("a hub does not have what this minion gives to the mine: {error}");
            }
        });
    }

    /// A hub no longer accepts the key: asks these to be let in again, for as long as it takes.
    async fn apply_again(&self, hubs: &[ParentAddress]) {
        let clock = self.clock;
        let applied = membership::apply(
            &self.applicant,
            &self.keys,
            hubs,
            move || clock.now(),
            |word| tracing::warn!("{word}"),
        );
        match applied.await {
            Ok(membership) => self.take(&membership),
            Err(error) => tracing::error!(%error, "this minion can't enrol again"),
        }
    }

    fn take(&self, membership: &membership::Membership) {
        let taken = membership
            .identity(self.applicant.tree)
            .map_err(|e| e.to_string())
            .and_then(|identity| {
                self.endpoint
                    .set_identity(&identity)
                    .map_err(|e| e.to_string())
            });
        if let Err(error) = taken {
            tracing::error!("the new certificate can't be used: {error}");
        }
    }

    /// Renews the certificate when it is time, until the loop ends.
    pub async fn keep_fresh(self: Arc<Self>, seed: u64) {
        while !self.messages.is_closed() {
            let now = self.clock.now();
            let due = match self.applicant.stored(&self.keys, now) {
                Ok(Some(membership)) => membership::renewal_at(&membership, seed),
                _ => now,
            };
            tokio::time::sleep(Duration::from_millis(due.saturating_sub(now))).await;
            let renewed = match self.sessions.any() {
                Some(session) => {
                    membership::renew(&self.applicant, &self.keys, &session, self.clock.now())
                        .await
                        .map_err(|e| e.to_string())
                }
                None => Err("no hub is connected".to_owned()),
            };
            match renewed {
                Ok(membership) => {
                    self.take(&membership);
                    tracing::info!("certificate renewed");
                }
                Err(error) => tracing::warn!("certificate not renewed: {error}"),
            }
            tokio::time::sleep(RENEW_PAUSE).await;
        }
    }
}
