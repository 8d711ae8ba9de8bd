//! The loop that drives the leaf machine of this minion.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use daemon::clock::Clock;
use daemon::metrics::MinionMetrics;
use pki::{KeyStore, TrustStore};
use relay::{Leaf, LeafInput, LeafOutput, LinkId, Verify};
use store::Journal;
use tokio::sync::{mpsc, watch};
use wire::{JobEnvelope, JobOrder, Json, Return, UnixMillis, codec};

use crate::executor::Executor;
use crate::links::Refusals;
use crate::surroundings::News;

/// Inputs of links that wait for the loop, at most.
pub const INPUTS_MAX: usize = 1_024;
/// How often starts that are too old to matter are forgotten, and metrics refreshed.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

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
}

/// The loop.
pub struct Engine {
    /// The machine.
    pub leaf: Leaf<Trust>,
    /// Verifies trust bundles.
    pub trust: Trust,
    /// The journal.
    pub journal: Journal,
    /// Runs functions.
    pub executor: Executor,
    /// What links say.
    pub messages: mpsc::Receiver<Message>,
    /// What functions return.
    pub finished: mpsc::UnboundedReceiver<Return>,
    /// What functions tell beside their returns.
    pub news: mpsc::UnboundedReceiver<News>,
    /// Hubs that no longer accept this minion.
    pub refusals: Arc<Refusals>,
    /// What the metrics page shows.
    pub metrics: Arc<MinionMetrics>,
    /// The minion's clock.
    pub clock: Clock,
    /// Sessions by name.
    pub links: HashMap<LinkId, link::Sender>,
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
            let wake = self
                .leaf
                .poll_timeout()
                .map(|(at, _)| tokio::time::Instant::from_std(self.clock.instant(at)));
            let now = || self.clock.now();
            tokio::select! {
                message = self.messages.recv() => match message {
                    None => break,
                    Some(Message::Link(link, sender, peer)) => {
                        self.links.insert(link, sender);
                        self.leaf.handle_input(now(), LeafInput::Connected { link, peer });
                    }
                    Some(Message::Input(input)) => {
                        if let LeafInput::Closed { link } = &input {
                            self.links.remove(link);
                        }
                        self.leaf.handle_input(now(), input);
                    }
                },
                Some(ret) = self.finished.recv() => {
                    let result = if ret.success && ret.retcode == 0 { "ok" } else { "failed" };
                    self.metrics.functions.with_label_values(&[result]).inc();
                    self.leaf.handle_input(now(), LeafInput::Finished(ret));
                }
                Some(news) = self.news.recv() => match news {
                    News::Grains(grains) => {
                        let text = serde_json::to_vec(&*grains)?;
                        self.leaf.handle_input(now(), LeafInput::Grains(text.into()));
                    }
                    News::CancelUnseen(jid) => {
                        if let Ok(jid) = jid.parse() {
                            self.leaf.cancel_unseen(jid);
                        }
                    }
                },
                () = sleep_until(wake) => self.leaf.handle_timeout(now()),
                _ = housekeeping.tick() => self.keep_house()?,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        for sender in self.links.values() {
            sender.close(link::CloseCode::Done, "the minion stops");
        }
        Ok(())
    }

    fn keep_house(&mut self) -> anyhow::Result<()> {
        self.journal.forget(self.clock.now())?;
        self.metrics
            .journal_bytes
            .set(self.journal.file_bytes() as i64);
        self.metrics
            .journal_unsettled_bytes
            .set(self.journal.unsettled_bytes() as i64);
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
            LeafOutput::Save { token, records } => {
                // One write and one sync on this thread: a minion has nothing better to do meanwhile.
                self.journal.append(&records)?;
                self.leaf.handle_input(now, LeafInput::Saved { token });
            }
            LeafOutput::Send { link, message } => {
                let Some(sender) = self.links.get(&link) else {
                    return Ok(());
                };
                match codec::frame(&message) {
                    Ok(frame) => match sender.send(Bytes::from(frame)) {
                        Ok(()) | Err(link::SendError::Closed) => {}
                        // Everything that was not acknowledged is told again in the next session.
                        Err(error) => sender.close(link::CloseCode::Overload, &error.to_string()),
                    },
                    Err(error) => tracing::error!(%error, "a message does not fit"),
                }
            }
            LeafOutput::Start(order) => {
                tracing::info!(jid = %order.jid, fun = %order.fun, user = %order.user, "job starts");
                self.executor.start(order);
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
                if let Some(sender) = self.links.remove(&link) {
                    sender.close(link::CloseCode::Done, &reason);
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

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
