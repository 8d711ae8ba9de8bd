//! The loop that drives the leaf machine of this minion.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use daemon::clock::Clock;
use daemon::metrics::MinionMetrics;
use link::{Held, Paced};
use pki::{KeyStore, TrustStore};
use relay::{Leaf, LeafInput, LeafOutput, LinkId, Verify};
use store::{Journal, JournalError};
use tokio::sync::{mpsc, watch};
use wire::limits::BULK_FRAME;
use wire::record::JournalRecord;
use wire::{Down, Jid, JobEnvelope, JobOrder, Json, Return, UnixMillis, Up, codec};

use crate::beacons::Watch;
use crate::executor::Executor;
use crate::links::Refusals;
use crate::orphans::Groups;
use crate::own::OwnJobs;
use crate::room::Room;
use crate::schedule::Keeper;
use crate::surroundings::News;

/// Inputs of links that wait for the loop, at most.
pub const INPUTS_MAX: usize = 1_024;
/// How often starts that are too old to matter are forgotten, and metrics refreshed.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// Records for which the disk had no room are tried again after this long; nothing tells when there is room.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// Verifies orders against the trust bundle in force.
#[derive(Clone)]
pub struct Trust {
    /// The bundle.
    pub store: Arc<Mutex<TrustStore>>,
    /// Where it is kept.
    pub keys: Arc<KeyStore>,
}

impl Verify for Trust {
    fn verify(&self, envelope: &JobEnvelope, now: UnixMillis) -> Result<Arc<JobOrder>, String> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.verify(envelope, now).map_err(|e| e.to_string())
    }
}

impl Trust {
    /// Takes a bundle in when it is newer and good, and keeps it; gives the version in force.
    pub fn accept(&self, bundle: &Json) -> u64 {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        match store.accept_encoded(bundle) {
            Ok(true) => {
                if let Some(Err(error)) = store.signed().map(|signed| self.keys.save_trust(signed))
                {
                    tracing::error!(%error, "the trust bundle can't be kept");
                }
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(alarm = true, "a trust bundle is not taken: {error}"),
        }
        store.version()
    }
}

/// What links tell the loop.
pub enum Message {
    /// A session stands.
    Link(LinkId, link::Sender, relay::Peer),
    /// Something for the machine.
    Input(LeafInput),
    /// A session takes messages again.
    Room(LinkId),
}

/// A batch for which the disk had no room.
pub struct Unsaved {
    token: u64,
    records: Vec<JournalRecord>,
    again: tokio::time::Instant,
}

/// The loop.
pub struct Engine {
    /// The machine.
    pub leaf: Leaf<Trust>,
    /// Why it takes no jobs of hubs at all.
    pub closed: Option<String>,
    /// Verifies trust bundles.
    pub trust: Trust,
    /// The journal.
    pub journal: Arc<Mutex<Journal>>,
    /// Runs functions.
    pub executor: Executor,
    /// Jobs that this minion began itself.
    pub own_jobs: Arc<OwnJobs>,
    /// Jobs by the clock.
    pub schedule: Arc<Keeper>,
    /// Beacons.
    pub beacons: Arc<Watch>,
    /// Whether its disk has room.
    pub room: Room,
    /// What the journal could not take yet.
    pub unsaved: Option<Unsaved>,
    /// What runs, for the minion after this one.
    pub groups: Groups,
    /// What links say.
    pub messages: mpsc::Receiver<Message>,
    /// The way to this loop, as long as links hold it.
    pub own_messages: mpsc::WeakSender<Message>,
    /// What functions return.
    pub finished: mpsc::UnboundedReceiver<Return>,
    /// What functions tell beside their returns.
    pub news: mpsc::UnboundedReceiver<News>,
    /// Hubs that no longer accept this minion.
    pub refusals: Arc<Refusals>,
    /// Whether a job runs, for who holds hubs.
    pub at_work: Arc<AtomicBool>,
    /// What the metrics page shows.
    pub metrics: Arc<MinionMetrics>,
    /// The minion's clock.
    pub clock: Clock,
    /// Sessions by name.
    pub links: HashMap<LinkId, Paced<Kept>>,
}

/// A return that is read from the journal when it is its turn to be sent.
pub struct Kept {
    journal: Arc<Mutex<Journal>>,
    jid: Jid,
}

impl Kept {
    /// None: it was settled meanwhile.
    fn frame(&self) -> Option<Bytes> {
        match lock(&self.journal).returned(self.jid) {
            Ok(ret) => ret.and_then(|ret| framed(&Up::Return(ret))),
            Err(error) => {
                tracing::error!(alarm = true, jid = %self.jid, %error, "a return can't be told");
                None
            }
        }
    }
}

impl Engine {
    /// Runs until `stop` is set.
    ///
    /// # Errors
    /// When the journal fails: the minion must stop, since it could run a job twice.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            while let Some(output) = self.leaf.poll_output() {
                self.perform(output)?;
            }
            let at_work = self.leaf.running().next().is_some();
            self.at_work.store(at_work, Ordering::Relaxed);
            let wake = self
                .leaf
                .poll_timeout()
                .map(|(at, _)| tokio::time::Instant::from_std(self.clock.instant(at)));
            let save_again = self.unsaved.as_ref().map(|unsaved| unsaved.again);
            let now = || self.clock.now();
            tokio::select! {
                message = self.messages.recv() => match message {
                    None => break,
                    Some(Message::Link(link, sender, peer)) => {
                        self.links.insert(link, Paced::new(sender, Kept::frame));
                        self.leaf.handle_input(now(), LeafInput::Connected { link, peer });
                    }
                    Some(Message::Input(input)) => {
                        match &input {
                            LeafInput::Closed { link } => drop(self.links.remove(link)),
                            LeafInput::Message { message: Down::Job(_) | Down::Turn { .. }, .. } => {
                                let objection = self.objection();
                                self.leaf.handle_input(now(), LeafInput::NoRoom(objection));
                            }
                            _ => {}
                        }
                        self.leaf.handle_input(now(), input);
                    }
                    Some(Message::Room(link)) => {
                        let held = self.links.get_mut(&link).and_then(Paced::go_on);
                        self.wait_for_room(link, held);
                    }
                },
                Some(ret) = self.finished.recv() => {
                    let result = if ret.success && ret.retcode == 0 { "ok" } else { "failed" };
                    self.metrics.functions.with_label_values(&[result]).inc();
                    match self.own_jobs.ended(&ret) {
                        Some(job) => self.schedule.ended(&job, &ret),
                        None => self.leaf.handle_input(now(), LeafInput::Finished(ret)),
                    }
                }
                Some(news) = self.news.recv() => match news {
                    News::Grains(grains) => {
                        let text = serde_json::to_vec(&*grains)?;
                        self.leaf.handle_input(now(), LeafInput::Grains(text.into()));
                    }
                    News::Pillar(pillar) => {
                        self.schedule.follow(&pillar, &self.executor.grains());
                        self.beacons.follow(&pillar);
                    }
                    News::CancelUnseen { jid, by } => {
                        if let Ok(jid) = jid.parse()
                            && !self.executor.cancel_waiting(jid, &by)
                        {
                            self.leaf.cancel_unseen(jid);
                        }
                    }
                },
                () = sleep_until(wake) => self.leaf.handle_timeout(now()),
                () = sleep_until(save_again) => if let Some(unsaved) = self.unsaved.take() {
                    self.save(unsaved.token, unsaved.records, true)?;
                },
                _ = housekeeping.tick() => self.keep_house()?,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        if let Some(unsaved) = self.unsaved.take()
            && let Err(error) = lock(&self.journal).append(&unsaved.records)
        {
            tracing::error!(%error, "outcomes of jobs are lost: they were never on disk");
        }
        self.groups.leave();
        for session in self.links.values() {
            session
                .sender()
                .close(link::CloseCode::Done, "the minion stops");
        }
        Ok(())
    }

    /// Why no further job is to begin.
    fn objection(&self) -> Option<String> {
        match &self.unsaved {
            _ if self.closed.is_some() => self.closed.clone(),
            Some(_) => Some("the disk of its journal is full".to_owned()),
            None => self.room.objection(),
        }
    }

    /// Writes a batch to the journal: one write and one sync on this thread, since a minion has nothing better to do
    /// meanwhile. A batch for which there is no room is kept, and nobody is told of what is in it.
    fn save(&mut self, token: u64, records: Vec<JournalRecord>, again: bool) -> anyhow::Result<()> {
        let appended = lock(&self.journal).append(&records);
        match appended {
            Ok(()) => {
                if again {
                    tracing::info!("the journal has room again");
                }
                self.leaf
                    .handle_input(self.clock.now(), LeafInput::Saved { token });
            }
            Err(error @ JournalError::Full { .. }) => {
                if !again {
                    tracing::error!(alarm = true, "{error}; outcomes of jobs wait in memory");
                }
                self.unsaved = Some(Unsaved {
                    token,
                    records,
                    again: tokio::time::Instant::now() + SAVE_AGAIN,
                });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Has [`Message::Room`] sent once the session takes more.
    fn wait_for_room(&self, link: LinkId, held: Option<Held>) {
        let Some(Held(session)) = held else { return };
        let messages = self.own_messages.clone();
        tokio::spawn(async move {
            session.ready().await;
            if let Some(messages) = messages.upgrade() {
                // The loop may be gone, and then there is nothing more to send.
                let _ = messages.send(Message::Room(link)).await;
            }
        });
    }

    fn keep_house(&mut self) -> anyhow::Result<()> {
        let mut journal = lock(&self.journal);
        journal.forget(self.clock.now())?;
        self.metrics.journal_bytes.set(journal.file_bytes() as i64);
        self.metrics
            .journal_unsettled_bytes
            .set(journal.unsettled_bytes() as i64);
        drop(journal);
        if let Some(free) = self.room.free_bytes() {
            self.metrics.disk_free_bytes.set(free as i64);
        }
        self.metrics
            .functions_running
            .set(self.leaf.running().count() as i64);
        self.metrics
            .links
            .with_label_values(&["hub", "up"])
            .set(self.leaf.hubs() as i64);
        Ok(())
    }

    fn perform(&mut self, output: LeafOutput) -> anyhow::Result<()> {
        let now = self.clock.now();
        match output {
            LeafOutput::Save { token, records } => self.save(token, records, false)?,
            LeafOutput::Send { link, message } => {
                let Some(session) = self.links.get_mut(&link) else {
                    return Ok(());
                };
                let held = framed(&message).and_then(|frame| session.send(frame));
                self.wait_for_room(link, held);
            }
            LeafOutput::SendKept { link, jid, bytes } => {
                let Some(session) = self.links.get_mut(&link) else {
                    return Ok(());
                };
                let journal = self.journal.clone();
                let kept = Kept { journal, jid };
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                let held = if bytes > BULK_FRAME {
                    session.send_long(kept, bytes)
                } else {
                    kept.frame().and_then(|frame| session.send(frame))
                };
                self.wait_for_room(link, held);
            }
            LeafOutput::Start(order) => {
                tracing::info!(jid = %order.jid, fun = %order.fun, user = %order.user, "job starts");
                self.executor.start(&order);
            }
            LeafOutput::Close {
                link,
                reason,
                retry,
            } => {
                tracing::warn!("the session with a hub ends: {reason}");
                if !retry {
                    self.refusals.set();
                }
                if let Some(session) = self.links.remove(&link) {
                    session.sender().close(link::CloseCode::Done, &reason);
                }
            }
            LeafOutput::TrustOffered(bundle) => {
                let version = self.trust.accept(&bundle);
                self.leaf.handle_input(now, LeafInput::Trust(version));
            }
        }
        Ok(())
    }
}

/// The journal; a panic elsewhere does not spoil it, since it is whole after each call.
fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

fn framed(message: &Up) -> Option<Bytes> {
    codec::frame(message)
        .inspect_err(|error| tracing::error!(%error, "a message does not fit"))
        .ok()
        .map(Bytes::from)
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
