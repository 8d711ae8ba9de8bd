//! The loop that drives the hub machine: inputs and the time in, outputs to links, store and waiting requests.
//!
//! One task owns the machine. Everyone else holds an [`EngineHandle`]: they send inputs, ask questions that run
//! on the loop, and wait for what the machine says.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use daemon::clock::Clock;
use link::{Held, Paced};
use relay::{Decision, Hub, HubInput, HubOutput, LinkId};
use store::Committer;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use wire::codec;
use wire::limits::BULK_FRAME;
use wire::{
    BatchPlan, Counts, Down, Finding, IndexSet, Jid, JobEnvelope, JobOrder, Refusal, Standing, Uid,
    Warrant,
};

use crate::disk::Disk;
use crate::guard::{Guard, NotTaken};

/// Inputs that wait for the loop, at most; above it whoever sends waits, and with them the links they read.
const INPUTS_MAX: usize = 4_096;
/// Long inputs that wait for the loop, at most; a long frame may have a few MiB.
const LONG_INPUTS_MAX: usize = 64;
/// Inputs taken in before the machine's outputs are handed out: what one batch of records can hold.
const INPUTS_PER_TURN: usize = 512;
/// Decisions that a slow listener may lag behind before it must look at the roster instead.
const DECISIONS_MAX: usize = 1_024;

/// What the loop does beyond driving the machine.
pub trait Surroundings: Send + 'static {
    /// A parent sent a trust bundle. Gives it back with its version when it is newer and verified.
    fn trust_offered(&mut self, bundle: wire::Json) -> Option<(wire::Json, u64)>;
    /// The number of this hub's job key in the trust bundle; None: it may not order jobs.
    fn job_number(&self) -> Option<u8>;
    /// Whether the trust bundle has top-masters beside this hub.
    fn has_other_tops(&self) -> bool;
    /// The roots are to be fetched now.
    fn fetch_roots(&mut self);
    /// A session with a parent ended by the machine's will.
    fn parent_closed(&mut self, link: LinkId, reason: &str, retry: bool);
    /// A child was welcomed in this protocol.
    fn child_welcomed(&mut self, link: LinkId, protocol: u16);
    /// A child is refused; its session ends soon.
    fn child_refused(&mut self, link: LinkId);
    /// A job was taken, or something of it changed and is on disk.
    fn job_moved(&mut self, hub: &Hub, jid: Jid);
    /// The last outcome of a job became known.
    fn job_finished(&mut self, hub: &Hub, jid: Jid, counts: &Counts);
    /// Whether the order of an envelope was signed by one who might when it was issued.
    fn vouch(&mut self, envelope: &JobEnvelope) -> Option<Arc<JobOrder>>;
    /// A job is to be read from the store: the answer is [`HubInput::Recalled`].
    fn recall(&mut self, jid: Jid);
    /// A stage of a rollout is over, and a function has to look whether it goes on: the answer is [`HubInput::GoOn`] or
    /// [`HubInput::Halt`].
    fn check_stage(&mut self, jid: Jid, stage: u32);
    /// Whom of these minions a job means is to be found out by their pillars: the answer is [`HubInput::Answered`].
    fn ask(&mut self, hub: &Hub, jid: Jid, who: &IndexSet);
    /// Numbers for metrics, now and then.
    fn observe(&mut self, hub: &Hub);
}

/// How a watched job moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobMoves {
    /// Changes so far.
    pub changes: u64,
    /// Its last outcome is known and on disk.
    pub finished: bool,
}

/// A signed job, and how it is to be handed on.
#[derive(Debug, Clone)]
pub struct Submission {
    /// As it travels.
    pub envelope: JobEnvelope,
    /// The same, decoded.
    pub order: Arc<JobOrder>,
    /// Keep it for minions that are down.
    pub hold: bool,
    /// Roll it out in turns.
    pub plan: Option<BatchPlan>,
    /// What this hub says of who asked.
    pub warrant: Option<Warrant>,
    /// How many minions it may be for.
    pub guard: Guard,
}

enum Message {
    Room(LinkId),
    Input(HubInput),
    Link(LinkId, link::Sender),
    Query(Box<dyn FnOnce(&Hub) + Send>),
    Submit(Box<Submission>, oneshot::Sender<Result<(), NotTaken>>),
    Enrolling(Box<HubInput>, Uid, oneshot::Sender<Option<Standing>>),
    Watch(Jid, oneshot::Sender<watch::Receiver<JobMoves>>),
    Inquire(Box<HubInput>, Jid, oneshot::Sender<Vec<Finding>>),
}

/// The engine has ended: the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hub is stopping")]
pub struct EngineGone;

/// A way to the loop. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    messages: mpsc::Sender<Message>,
    long: mpsc::Sender<HubInput>,
    decisions: broadcast::Sender<Decision>,
    clock: Clock,
    disk: Disk,
}

impl EngineHandle {
    /// The hub's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Sends an input.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub fn input(&self, input: HubInput) -> Handed<'_> {
        hand_in(&self.messages, Message::Input(input))
    }

    /// Sends a frame's message, of so many bytes. Whatever is short overtakes what is long, as it does on the way here.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub fn message(&self, input: HubInput, bytes: usize) -> Handed<'_> {
        match bytes > BULK_FRAME {
            true => hand_in(&self.long, input),
            false => self.input(input),
        }
    }

    /// Makes a session known before its first input.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub async fn link(&self, link: LinkId, sender: link::Sender) -> Result<(), EngineGone> {
        self.messages
            .send(Message::Link(link, sender))
            .await
            .map_err(|_| EngineGone)
    }

    /// Asks the machine something; the question runs on the loop, so it must be quick.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Hub) -> T + Send + 'static,
    ) -> Result<T, EngineGone> {
        let (answer, answered) = oneshot::channel();
        let question = Box::new(move |hub: &Hub| {
            let _ = answer.send(question(hub));
        });
        self.messages
            .send(Message::Query(question))
            .await
            .map_err(|_| EngineGone)?;
        answered.await.map_err(|_| EngineGone)
    }

    /// Hands in a signed job; answers once it is on disk, or says why it is not taken.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub async fn submit(&self, submission: Submission) -> Result<Result<(), NotTaken>, EngineGone> {
        if let Some(reason) = self.disk.objection(&submission.order) {
            return Ok(Err(NotTaken::refused(reason)));
        }
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(Message::Submit(Box::new(submission), answer))
            .await
            .map_err(|_| EngineGone)?;
        answered.await.map_err(|_| EngineGone)
    }

    /// A key asks to be let in; answers how it stands once that is on disk.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub async fn enrolling(
        &self,
        peer: relay::Peer,
        software: String,
    ) -> Result<Option<Standing>, EngineGone> {
        let (answer, answered) = oneshot::channel();
        let uid = peer.uid;
        let input = Box::new(HubInput::Enrolling { peer, software });
        self.messages
            .send(Message::Enrolling(input, uid, answer))
            .await
            .map_err(|_| EngineGone)?;
        answered.await.map_err(|_| EngineGone)
    }

    /// Follows a job.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub async fn watch(&self, jid: Jid) -> Result<watch::Receiver<JobMoves>, EngineGone> {
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(Message::Watch(jid, answer))
            .await
            .map_err(|_| EngineGone)?;
        answered.await.map_err(|_| EngineGone)
    }

    /// Asks how an order would fare; answers when all hubs have said so, or had their time.
    ///
    /// # Errors
    /// [`EngineGone`] while the process stops.
    pub async fn inquire(
        &self,
        envelope: JobEnvelope,
        order: Arc<JobOrder>,
        warrant: Option<Warrant>,
    ) -> Result<Vec<Finding>, EngineGone> {
        let (answer, answered) = oneshot::channel();
        let jid = order.jid;
        let input = Box::new(HubInput::Inquire {
            envelope,
            order,
            warrant: warrant.map(Box::new),
        });
        self.messages
            .send(Message::Inquire(input, jid, answer))
            .await
            .map_err(|_| EngineGone)?;
        answered.await.map_err(|_| EngineGone)
    }

    /// Decisions about keys as they come into force.
    pub fn decisions(&self) -> broadcast::Receiver<Decision> {
        self.decisions.subscribe()
    }
}

type Waits<'a> = Pin<Box<dyn Future<Output = Result<(), EngineGone>> + Send + 'a>>;

/// Something that was put into a queue, or waits for room there.
#[must_use]
pub struct Handed<'a>(Option<Waits<'a>>);

impl Future for Handed<'_> {
    type Output = Result<(), EngineGone>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            None => Poll::Ready(Ok(())),
            Some(waits) => waits.as_mut().poll(cx),
        }
    }
}

/// Puts something into a queue. Mostly there is room; so no task has to be as large as what it would wait with.
fn hand_in<T: Send>(queue: &mpsc::Sender<T>, item: T) -> Handed<'_> {
    match queue.try_send(item) {
        Ok(()) => Handed(None),
        Err(TrySendError::Full(item) | TrySendError::Closed(item)) => {
            Handed(Some(Box::pin(async move {
                queue.send(item).await.map_err(|_| EngineGone)
            })))
        }
    }
}

/// The loop.
pub struct Engine<S> {
    hub: Hub,
    surroundings: S,
    committer: Arc<Committer>,
    clock: Clock,
    messages: mpsc::Receiver<Message>,
    long: mpsc::Receiver<HubInput>,
    saved: mpsc::UnboundedReceiver<Result<u64, String>>,
    saved_sender: mpsc::UnboundedSender<Result<u64, String>>,
    decisions: broadcast::Sender<Decision>,
    links: HashMap<LinkId, link::Sender>,
    upwards: HashMap<LinkId, Paced<Bytes>>,
    /// Weak, so that the loop ends when nobody else holds a handle.
    own_messages: mpsc::WeakSender<Message>,
    submitted: HashMap<Jid, oneshot::Sender<Result<(), NotTaken>>>,
    enrolling: HashMap<Uid, Vec<oneshot::Sender<Option<Standing>>>>,
    watches: HashMap<Jid, watch::Sender<JobMoves>>,
    inquiries: HashMap<Jid, oneshot::Sender<Vec<Finding>>>,
}

/// Bytes that may wait for one parent: a snapshot of 20,000 minions with 10 KiB of grains each.
const UPWARDS_BYTES_MAX: usize = 256 << 20;
/// A refused child has this long to read why.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);
/// How often metrics are refreshed.
const OBSERVE_EVERY: Duration = Duration::from_secs(1);

impl<S: Surroundings> Engine<S> {
    /// An engine for the machine, and the way to it.
    pub fn new(
        hub: Hub,
        surroundings: S,
        committer: Arc<Committer>,
        clock: Clock,
        disk: Disk,
    ) -> (Self, EngineHandle) {
        let (sender, messages) = mpsc::channel(INPUTS_MAX);
        let (long_sender, long) = mpsc::channel(LONG_INPUTS_MAX);
        // One batch is at the store at a time, so this queue holds one entry.
        let (saved_sender, saved) = mpsc::unbounded_channel();
        let (decisions, _) = broadcast::channel(DECISIONS_MAX);
        let own_messages = sender.downgrade();
        let handle = EngineHandle {
            messages: sender,
            long: long_sender,
            decisions: decisions.clone(),
            clock,
            disk,
        };
        let engine = Engine {
            hub,
            surroundings,
            committer,
            clock,
            messages,
            long,
            saved,
            saved_sender,
            decisions,
            links: HashMap::new(),
            upwards: HashMap::new(),
            own_messages,
            submitted: HashMap::new(),
            enrolling: HashMap::new(),
            watches: HashMap::new(),
            inquiries: HashMap::new(),
        };
        (engine, handle)
    }

    /// Runs until `stop` is set. Then children and parents are told, and what is recorded is saved.
    ///
    /// # Errors
    /// When the store fails: the process must stop, since nothing it says could be relied upon.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut observe = tokio::time::interval(OBSERVE_EVERY);
        observe.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        self.tell_job_number();
        loop {
            self.drain_outputs()?;
            let wake = self
                .hub
                .poll_timeout()
                .map(|(at, _)| tokio::time::Instant::from_std(self.clock.instant(at)));
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                saved = self.saved.recv() => self.saved(saved)?,
                () = sleep_until(wake) => self.hub.handle_timeout(self.clock.now()),
                _ = observe.tick() => self.surroundings.observe(&self.hub),
                message = self.messages.recv() => {
                    let Some(message) = message else { return Ok(()) };
                    self.take(message);
                    for _ in 1..INPUTS_PER_TURN {
                        match self.messages.try_recv() {
                            Ok(message) => self.take(message),
                            Err(_) => break,
                        }
                    }
                    if let Ok(input) = self.long.try_recv() {
                        self.hub.handle_input(self.clock.now(), input);
                    }
                }
                // One at a time: what is short may have come meanwhile.
                Some(input) = self.long.recv() => self.hub.handle_input(self.clock.now(), input),
            }
        }
        self.stop().await
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Input(input) => {
                if let HubInput::ChildClosed { link } | HubInput::ParentClosed { link } = &input {
                    self.links.remove(link);
                    self.upwards.remove(link);
                }
                let is_trust = matches!(input, HubInput::Trust { .. });
                self.hub.handle_input(now, input);
                if is_trust {
                    self.tell_job_number();
                }
            }
            Message::Link(link, sender) => {
                self.links.insert(link, sender);
            }
            Message::Room(link) => {
                let held = self.upwards.get_mut(&link).and_then(Paced::go_on);
                self.wait_for_room(link, held);
            }
            Message::Query(question) => question(&self.hub),
            Message::Submit(submission, answer) => {
                let Submission {
                    envelope,
                    order,
                    hold,
                    plan,
                    warrant,
                    guard,
                } = *submission;
                // In the same turn of the loop: the machine hears nothing between the count and the job.
                if let Some(objection) = guard.objection(&self.hub) {
                    let _ = answer.send(Err(objection));
                    return;
                }
                self.submitted.insert(order.jid, answer);
                self.hub.handle_input(
                    now,
                    HubInput::Submit {
                        envelope,
                        order,
                        hold,
                        plan: plan.map(Box::new),
                        warrant: warrant.map(Box::new),
                    },
                );
            }
            Message::Enrolling(input, uid, answer) => {
                self.enrolling.entry(uid).or_default().push(answer);
                self.hub.handle_input(now, *input);
            }
            Message::Inquire(input, jid, answer) => {
                self.inquiries.insert(jid, answer);
                self.hub.handle_input(now, *input);
            }
            Message::Watch(jid, answer) => {
                let finished = self.has_ended(jid);
                let sender = self
                    .watches
                    .entry(jid)
                    .or_insert_with(|| watch::channel(JobMoves::default()).0);
                sender.send_modify(|moves| moves.finished = finished);
                let _ = answer.send(sender.subscribe());
            }
        }
    }

    fn tell_job_number(&mut self) {
        if let Some(number) = self.surroundings.job_number() {
            self.hub
                .handle_input(self.clock.now(), HubInput::Signs(number));
        }
        let others = self.surroundings.has_other_tops();
        self.hub
            .handle_input(self.clock.now(), HubInput::OtherTops(others));
    }

    fn saved(&mut self, saved: Option<Result<u64, String>>) -> anyhow::Result<()> {
        match saved {
            Some(Ok(token)) => {
                self.hub
                    .handle_input(self.clock.now(), HubInput::Saved { token });
                Ok(())
            }
            Some(Err(text)) => Err(anyhow::anyhow!(
                "{text}; nothing more can be promised, so the hub stops"
            )),
            None => Ok(()),
        }
    }

    fn drain_outputs(&mut self) -> anyhow::Result<()> {
        while let Some(output) = self.hub.poll_output() {
            self.perform(output)?;
        }
        self.watches.retain(|_, sender| sender.receiver_count() > 0);
        Ok(())
    }

    fn perform(&mut self, output: HubOutput) -> anyhow::Result<()> {
        match output {
            HubOutput::Save { token, records } => {
                let answer = self.saved_sender.clone();
                self.committer
                    .commit(records, move |result| {
                        let _ = answer.send(result.map(|()| token).map_err(|e| e.to_string()));
                    })
                    .map_err(|e| anyhow::anyhow!("{e}"))?;
            }
            HubOutput::ToChildren { links, message } => {
                self.send(&links, &message);
                if let Down::Welcome(welcome) = &message {
                    for link in links {
                        self.surroundings.child_welcomed(link, welcome.protocol);
                    }
                }
            }
            HubOutput::ToParent { link, message } => match codec::frame(&message) {
                Ok(frame) => self.send_up(link, Bytes::from(frame)),
                Err(error) => tracing::error!(%error, "a message to a parent does not fit"),
            },
            HubOutput::CloseChild { link, refusal } => {
                self.surroundings.child_refused(link);
                self.close_child(link, refusal);
            }
            HubOutput::CloseParent {
                link,
                reason,
                retry,
            } => {
                if let Some(sender) = self.links.remove(&link) {
                    sender.close(link::CloseCode::Done, &reason);
                }
                self.surroundings.parent_closed(link, &reason, retry);
            }
            HubOutput::JobAccepted { jid } => {
                self.surroundings.job_moved(&self.hub, jid);
                if let Some(answer) = self.submitted.remove(&jid) {
                    let _ = answer.send(Ok(()));
                }
            }
            HubOutput::JobRefused { jid, reason } => {
                if let Some(answer) = self.submitted.remove(&jid) {
                    let _ = answer.send(Err(NotTaken::refused(reason)));
                }
            }
            HubOutput::JobChanged { jid } => self.moved(jid),
            HubOutput::JobFinished { jid } => {
                if let Some(counts) = self.hub.counts(jid) {
                    self.surroundings.job_finished(&self.hub, jid, &counts);
                }
                self.moved(jid);
            }
            HubOutput::Recall { jid } => self.surroundings.recall(jid),
            HubOutput::JobOffered { jid, envelope } => {
                let order = self.surroundings.vouch(&envelope);
                self.hub.handle_input(
                    self.clock.now(),
                    HubInput::Vouched {
                        jid,
                        envelope,
                        order,
                    },
                );
            }
            HubOutput::CheckStage { jid, stage } => self.surroundings.check_stage(jid, stage),
            HubOutput::Enrolled { uid, standing } => {
                for answer in self.enrolling.remove(&uid).unwrap_or_default() {
                    let _ = answer.send(standing);
                }
            }
            HubOutput::Decided(decision) => {
                tracing::info!(id = %decision.id, role = %decision.role, standing = ?decision.standing, "key decided");
                // Nobody has to listen.
                let _ = self.decisions.send(decision);
            }
            HubOutput::TrustOffered(bundle) => {
                if let Some((bundle, version)) = self.surroundings.trust_offered(bundle) {
                    self.hub
                        .handle_input(self.clock.now(), HubInput::Trust { bundle, version });
                    self.tell_job_number();
                }
            }
            HubOutput::FetchRoots => self.surroundings.fetch_roots(),
            HubOutput::Ask { jid, who } => self.surroundings.ask(&self.hub, jid, &who),
            HubOutput::Adopting { jid, owner } => {
                let order = self.hub.job(jid).and_then(|job| job.shared_order());
                let ordered = order.filter(|order| order.origin == owner);
                let owner = ordered.map_or_else(|| owner.to_string(), |o| o.origin_id.to_string());
                tracing::warn!(alarm = true, %jid, owner, "a job is adopted: every syndic that has a part in it has lost its owner");
            }
            HubOutput::Inquired { jid, findings } => {
                if let Some(answer) = self.inquiries.remove(&jid) {
                    let _ = answer.send(findings);
                }
            }
            HubOutput::Alarm(text) => tracing::warn!(alarm = true, "{text}"),
        }
        Ok(())
    }

    fn has_ended(&self, jid: Jid) -> bool {
        self.hub.job(jid).is_none_or(|job| job.has_ended())
    }

    fn moved(&mut self, jid: Jid) {
        self.surroundings.job_moved(&self.hub, jid);
        if let Some(sender) = self.watches.get(&jid) {
            // One that was recalled from the store has ended without a word of it.
            let finished = self.has_ended(jid);
            sender.send_modify(|moves| {
                moves.changes += 1;
                moves.finished |= finished;
            });
        }
    }

    /// The same bytes to each link.
    fn send(&mut self, links: &[LinkId], message: &Down) {
        match codec::frame(message) {
            Ok(frame) => {
                let frame = Bytes::from(frame);
                for link in links {
                    self.send_frame(*link, &frame);
                }
            }
            Err(error) => tracing::error!(%error, "a message to children does not fit"),
        }
    }

    fn send_frame(&mut self, link: LinkId, frame: &Bytes) {
        let Some(sender) = self.links.get(&link) else {
            return;
        };
        match sender.send(frame.clone()) {
            Ok(()) | Err(link::SendError::Closed) => {}
            Err(link::SendError::Full) => {
                // It does not read. A new session tells it everything again, so nothing is lost with this one.
                tracing::warn!(link = link.0, "a link does not drain; it is closed");
                sender.close(link::CloseCode::Overload, "the link does not drain");
            }
            Err(error) => tracing::error!(link = link.0, %error, "a frame was not taken"),
        }
    }

    /// Upwards whole rosters travel, so a full outbox is no fault: what does not fit waits for room. Short frames overtake
    /// long ones, as they do within a session.
    fn send_up(&mut self, link: LinkId, frame: Bytes) {
        let Some(sender) = self.links.get(&link) else {
            return;
        };
        let waiting = self
            .upwards
            .entry(link)
            .or_insert_with(|| Paced::new(sender.clone(), |frame: &Bytes| Some(frame.clone())));
        let bytes = frame.len();
        let held = if bytes > BULK_FRAME {
            waiting.send_long(frame, bytes)
        } else {
            waiting.send(frame)
        };
        if waiting.waiting() > UPWARDS_BYTES_MAX {
            tracing::warn!(link = link.0, "a parent does not drain; the session ends");
            sender.close(link::CloseCode::Overload, "the link does not drain");
        }
        self.wait_for_room(link, held);
    }

    /// Has [`Message::Room`] sent once the session takes more.
    fn wait_for_room(&self, link: LinkId, held: Option<Held>) {
        let Some(Held(session)) = held else { return };
        let messages = self.own_messages.clone();
        tokio::spawn(async move {
            session.ready().await;
            if let Some(messages) = messages.upgrade() {
                let _ = messages.send(Message::Room(link)).await;
            }
        });
    }

    fn close_child(&mut self, link: LinkId, refusal: Refusal) {
        tracing::info!(link = link.0, code = ?refusal.code, "refused: {}", refusal.text);
        let text = refusal.text.clone();
        self.send(&[link], &Down::Refuse(refusal));
        if let Some(sender) = self.links.get(&link).cloned() {
            // A close overtakes frames: the child gets a moment to read why, and ends the session itself.
            tokio::spawn(async move {
                let _ = tokio::time::timeout(REFUSAL_LINGER, sender.closed()).await;
                sender.close(link::CloseCode::Refused, &text);
            });
        }
    }

    /// Tells everyone that this hub stops, and saves what is recorded.
    async fn stop(mut self) -> anyhow::Result<()> {
        self.drain_outputs()?;
        let (done, saved) = oneshot::channel();
        let fence = self.committer.commit(Vec::new(), move |result| {
            let _ = done.send(result.map_err(|e| e.to_string()));
        });
        if fence.is_ok() {
            saved.await?.map_err(|e| anyhow::anyhow!(e))?;
        }
        for sender in self.links.values() {
            sender.close(link::CloseCode::Stopping, "the hub stops");
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
