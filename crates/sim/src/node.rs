//! One node of a world: its machine, its disk and its clock, and how it lives and dies.

use relay::{Hub, HubConfig, HubInput, HubOutput, Leaf, LeafConfig, LeafInput, LeafOutput, Verify};
use wire::record::{JournalRecord, Record};
use wire::{Jid, JidClock, Role, Standing, Uid, UnixMillis, Up, codec};

use crate::disk::{HubDisk, LeafDisk};
use crate::net::Side;
use crate::orders::{self, Checker};
use crate::rng::Rng;
use crate::shape::Spec;
use crate::world::{Event, World, must};

/// Outputs that one input may cause in a tree of this size. The widest is a restarted parent's child that tells
/// it everything again.
const OUTPUTS_MAX: usize = 4_000;

/// Rollouts allow for clocks that differ by this much and not for more.
const SKEW_MS: i64 = 30_000;

/// The running machine of a node.
pub enum Machine {
    /// Not running.
    Off,
    /// Top-master or syndic.
    Hub(Box<Hub>),
    /// Minion.
    Leaf(Box<Leaf<Checker>>),
}

/// A batch on its way to the disk.
pub(crate) enum Batch {
    Hub(Vec<Record>),
    Leaf(Vec<JournalRecord>),
}

/// What becomes of the batch that is on its way to the disk when its node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing of it is there.
    Lost,
    /// A minion's journal has its first records; a hub's database has all of a batch or nothing.
    Torn(usize),
    /// It was just written.
    Written,
}

/// What a node does when its hour has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It begins to save.
    Save,
    /// It is about to send.
    Send,
}

/// A death to come.
#[derive(Debug, Clone, Copy)]
pub struct Doom {
    /// At which deed.
    pub deed: Deed,
    /// Deeds before that one.
    pub left: u32,
    /// What becomes of the disk.
    pub fate: Fate,
    /// Milliseconds until it starts again.
    pub back: u64,
}

/// One node.
pub struct Node {
    /// Who and where.
    pub spec: Spec,
    /// The running program.
    pub machine: Machine,
    /// Counts starts; what belongs to an earlier run is void.
    pub run: u32,
    /// It holds a certificate.
    pub certified: bool,
    /// A hub's disk.
    pub hub_disk: HubDisk,
    /// A minion's disk.
    pub leaf_disk: LeafDisk,
    /// What an operator kept of a hub's disk some time ago.
    pub backup: Option<HubDisk>,
    /// Gives jids of own jobs.
    pub jids: JidClock,
    /// How far its clock is from the world's; it changes only while the node does not run, as a program's clock is
    /// monotonic.
    pub clock: i64,
    /// The epoch that a hub draws when it finds an empty disk.
    pub fresh_epoch: u64,
    /// It handles nothing before this time.
    pub paused: UnixMillis,
    /// How it will die.
    pub doom: Option<Doom>,
    /// Saves and sends so far.
    pub deeds: [u32; 2],
    pub(crate) rng: Rng,
    pub(crate) in_flight: Option<(u64, Batch)>,
    pub(crate) wake_at: Option<UnixMillis>,
}

impl Node {
    pub(crate) fn new(at: usize, spec: Spec, seed: u64, dawn: UnixMillis) -> Node {
        Node {
            certified: spec.certified,
            spec,
            machine: Machine::Off,
            run: 0,
            hub_disk: HubDisk::default(),
            leaf_disk: LeafDisk::default(),
            backup: None,
            jids: JidClock::new((at % 100) as u8, dawn),
            clock: 0,
            fresh_epoch: 1 + at as u64,
            paused: 0,
            doom: None,
            deeds: [0; 2],
            rng: Rng::of(seed, 1 + at as u64),
            in_flight: None,
            wake_at: None,
        }
    }

    /// What its clock shows at a time of the world.
    pub fn shows(&self, now: UnixMillis) -> UnixMillis {
        now.saturating_add_signed(self.clock)
    }
}

impl World {
    /// Starts a node with what its disk has.
    pub fn start(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let now = node.shows(self.now);
        if !matches!(node.machine, Machine::Off) || node.spec.absent {
            return;
        }
        node.run += 1;
        let peer = node.spec.peer.clone();
        self.trace.note(self.now, at, "starts", b"");
        if peer.role.is_hub() {
            let config = HubConfig {
                uid: peer.uid,
                id: peer.id,
                path: peer.path,
                software: "0.1.0".to_owned(),
                fresh_epoch: node.fresh_epoch,
                parents: node.spec.parents.len(),
                save_bytes_max: self.plan.save_bytes_max,
                gather_ms: self.plan.gather_ms,
                awaited_max: relay::AWAITED_MAX,
                adopt_after_ms: self.plan.adopt_after_ms,
                judges: self.plan.pillars,
                job_key: None,
            };
            let hub = Hub::new(config, node.hub_disk.recovered(), now);
            node.machine = Machine::Hub(Box::new(hub));
            self.model.check_recovered(at, &self.nodes[at]);
            self.feed_hub(at, HubInput::Signs((at % 100) as u8));
            let tops = self.nodes.iter().map(|n| n.spec.peer.role);
            let tops = tops.filter(|role| *role == Role::TopMaster).count();
            self.feed_hub(at, HubInput::OtherTops(tops > 1));
            self.drain_hub(at);
        } else {
            let config = LeafConfig {
                id: peer.id,
                path: peer.path,
                software: "0.1.0".to_owned(),
                spool_bytes_max: 256 << 20,
            };
            let grains = orders::grains(&node.spec);
            let leaf = Leaf::new(config, Checker, grains, node.leaf_disk.recovered(), now);
            node.machine = Machine::Leaf(Box::new(leaf));
            self.drain_leaf(at);
        }
        for parent in self.nodes[at].spec.parents.clone() {
            let delay = self.nodes[at].rng.below(50);
            self.dial_in(delay, at, parent);
        }
    }

    /// Kills a node: its memory is gone.
    pub fn crash(&mut self, at: usize, fate: Fate) {
        let node = &mut self.nodes[at];
        if matches!(node.machine, Machine::Off) {
            return;
        }
        node.machine = Machine::Off;
        node.wake_at = None;
        node.paused = 0;
        node.doom = None;
        match (node.in_flight.take(), fate) {
            (Some((_, batch)), Fate::Written) => self.write(at, batch),
            (Some((_, Batch::Leaf(mut records))), Fate::Torn(kept)) => {
                records.truncate(kept);
                self.write(at, Batch::Leaf(records));
            }
            _ => {}
        }
        self.trace.note(self.now, at, "dies", b"");
        self.model.died(self.nodes[at].spec.peer.uid);
        self.cut_all_of(at);
    }

    /// Counts a deed; true when the node does not survive it.
    fn dies_at(&mut self, at: usize, deed: Deed) -> bool {
        let node = &mut self.nodes[at];
        node.deeds[deed as usize] += 1;
        let Some(doom) = node.doom.as_mut().filter(|doom| doom.deed == deed) else {
            return false;
        };
        if doom.left > 0 {
            doom.left -= 1;
            return false;
        }
        let doom = *doom;
        self.crash(at, doom.fate);
        self.schedule(doom.back, Event::Start { node: at });
        true
    }

    fn write(&mut self, at: usize, batch: Batch) {
        match batch {
            Batch::Hub(records) => {
                let deltas: Vec<_> = records
                    .iter()
                    .filter_map(|r| match r {
                        Record::JobNews(delta) => Some(delta.clone()),
                        _ => None,
                    })
                    .collect();
                self.nodes[at].hub_disk.save(records);
                let disk = &self.nodes[at].hub_disk;
                for delta in deltas {
                    self.model.check_custody(at, &delta, disk);
                }
            }
            Batch::Leaf(records) => {
                for record in &records {
                    if let JournalRecord::Settled { jid } = record {
                        self.model.check_settled(at, *jid, &self.nodes);
                    }
                }
                let uid = self.nodes[at].spec.peer.uid;
                for record in &records {
                    if let JournalRecord::Returned(ret) = record {
                        self.model.journalled(uid, ret.jid);
                    }
                }
                self.nodes[at].leaf_disk.save(records);
            }
        }
    }

    pub(crate) fn saved(&mut self, at: usize, run: u32, token: u64) {
        if self.nodes[at].run != run {
            return;
        }
        let Some((in_flight, batch)) = self.nodes[at].in_flight.take() else {
            return;
        };
        assert_eq!(in_flight, token, "one batch at a time");
        self.write(at, batch);
        self.trace.note(self.now, at, "saved", &token.to_be_bytes());
        match self.nodes[at].machine {
            Machine::Hub(_) => self.feed_hub(at, HubInput::Saved { token }),
            Machine::Leaf(_) => self.feed_leaf(at, LeafInput::Saved { token }),
            Machine::Off => {}
        }
    }

    pub(crate) fn wake(&mut self, at: usize, run: u32) {
        let node = &mut self.nodes[at];
        if node.run != run || node.wake_at != Some(self.now) {
            return;
        }
        node.wake_at = None;
        let now = node.shows(self.now);
        match &mut node.machine {
            Machine::Hub(hub) => {
                hub.handle_timeout(now);
                self.drain_hub(at);
            }
            Machine::Leaf(leaf) => {
                leaf.handle_timeout(now);
                self.drain_leaf(at);
            }
            Machine::Off => {}
        }
    }

    /// Gives a hub an input and does what it wants done.
    pub fn feed_hub(&mut self, at: usize, input: HubInput) {
        let now = self.nodes[at].shows(self.now);
        if let Machine::Hub(hub) = &mut self.nodes[at].machine {
            hub.handle_input(now, input);
            self.drain_hub(at);
        }
    }

    /// Gives a minion an input and does what it wants done.
    pub fn feed_leaf(&mut self, at: usize, input: LeafInput) {
        let now = self.nodes[at].shows(self.now);
        if let Machine::Leaf(leaf) = &mut self.nodes[at].machine {
            leaf.handle_input(now, input);
            self.drain_leaf(at);
        }
    }

    fn drain_hub(&mut self, at: usize) {
        let mut outputs = 0;
        let max = OUTPUTS_MAX.max(4 * self.nodes.len());
        while let Machine::Hub(hub) = &mut self.nodes[at].machine
            && let Some(output) = hub.poll_output()
        {
            outputs += 1;
            assert!(outputs < max, "P9: one input, {outputs} outputs");
            self.hub_output(at, output);
        }
        self.plan_wake(at);
        self.check_step(at);
    }

    fn drain_leaf(&mut self, at: usize) {
        let mut outputs = 0;
        while let Machine::Leaf(leaf) = &mut self.nodes[at].machine
            && let Some(output) = leaf.poll_output()
        {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "P9: one input, {outputs} outputs");
            self.leaf_output(at, output);
        }
        self.plan_wake(at);
    }

    fn plan_wake(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let due = match &node.machine {
            Machine::Hub(hub) => hub.poll_timeout(),
            Machine::Leaf(leaf) => leaf.poll_timeout(),
            Machine::Off => None,
        };
        let now = self.now;
        let due = due.map(|(at, _)| at.saturating_add_signed(-node.clock).max(now));
        if due != node.wake_at {
            node.wake_at = due;
            let run = node.run;
            if let Some(due) = due {
                self.schedule_at(due, Event::Wake { node: at, run });
            }
        }
    }

    fn begin_save(&mut self, at: usize, token: u64, batch: Batch) {
        let node = &mut self.nodes[at];
        assert!(node.in_flight.is_none(), "one batch at a time");
        let delay = match node.rng.below(20) {
            0 => node.rng.below(400),
            _ => node.rng.below(12),
        };
        node.in_flight = Some((token, batch));
        let run = node.run;
        if self.dies_at(at, Deed::Save) {
            return;
        }
        let node = at;
        self.schedule(delay, Event::Saved { node, run, token });
    }

    fn hub_output(&mut self, at: usize, output: HubOutput) {
        match output {
            HubOutput::Save { token, records } => {
                // Through the encoding, as the store does it.
                let records = records
                    .iter()
                    .map(|r| must(codec::decode(&must(codec::encode(r)))))
                    .collect();
                self.begin_save(at, token, Batch::Hub(records));
            }
            HubOutput::ToChildren { links, message } => {
                self.check_told(at, &message);
                let bytes = must(codec::encode(&message));
                for link in links {
                    if self.dies_at(at, Deed::Send) {
                        return;
                    }
                    self.send(link, Side::Child, bytes.clone());
                }
            }
            HubOutput::ToParent { link, message } => {
                self.check_said(at, &message);
                if !self.dies_at(at, Deed::Send) {
                    self.say(link.0, message);
                }
            }
            HubOutput::CloseChild { link, refusal } => {
                let message = wire::Down::Refuse(refusal);
                self.send(link, Side::Child, must(codec::encode(&message)));
                self.hang_up(link, Side::Parent);
            }
            HubOutput::CloseParent { link, .. } => self.hang_up(link, Side::Child),
            HubOutput::JobAccepted { jid } => self.model.accepted(at, jid, &self.nodes),
            HubOutput::JobRefused { jid, .. } => self.model.turned_down(jid),
            HubOutput::JobFinished { jid } => {
                let disk = &self.nodes[at].hub_disk;
                self.model.job_finished(at, jid, self.now, disk);
            }
            HubOutput::Enrolled { uid, standing } => self.enrolled(at, uid, standing),
            HubOutput::Adopting { jid, .. } => {
                self.trace
                    .note(self.now, at, "adopts by itself", jid.to_string().as_bytes());
                self.model.adopted(at, jid, &self.nodes);
            }
            HubOutput::Alarm(text) => self.trace.note(self.now, at, "alarm", text.as_bytes()),
            HubOutput::Recall { jid } => {
                let job = self.nodes[at].hub_disk.jobs.get(&jid);
                let job = job.map(|job| Box::new(job.recovered()));
                self.feed_hub(at, HubInput::Recalled { jid, job });
            }
            HubOutput::JobOffered { jid, envelope } => {
                let order = Checker.verify(&envelope, self.now).ok();
                let input = HubInput::Vouched {
                    jid,
                    envelope,
                    order,
                };
                self.feed_hub(at, input);
            }
            HubOutput::CheckStage { jid, stage } => {
                self.feed_hub(at, HubInput::GoOn { jid, stage });
            }
            HubOutput::JobChanged { jid } if self.trace.is_printed() => {
                let hub = &self.nodes[at].machine;
                let counts = match hub {
                    Machine::Hub(hub) => hub.counts(jid),
                    _ => None,
                };
                let text = format!("{jid} {counts:?}");
                self.trace.note(self.now, at, "accounts", text.as_bytes());
            }
            HubOutput::JobChanged { .. }
            | HubOutput::Decided(_)
            | HubOutput::TrustOffered(_)
            | HubOutput::FetchRoots => {}
            HubOutput::Ask { jid, who } => self.answer(at, jid, &who),
            // Nobody inquires here.
            HubOutput::Inquired { .. } => {}
        }
    }

    fn enrolled(&mut self, hub: usize, uid: Uid, standing: Option<Standing>) {
        let Some(child) = self.nodes.iter().position(|n| n.spec.peer.uid == uid) else {
            return;
        };
        let delay = if standing == Some(Standing::Accepted) {
            self.nodes[child].certified = true;
            1
        } else {
            5_000
        };
        self.dial_in(delay, child, hub);
    }

    fn leaf_output(&mut self, at: usize, output: LeafOutput) {
        match output {
            LeafOutput::Save { token, records } => {
                let records = records
                    .iter()
                    .map(|r| must(codec::decode(&must(codec::encode(r)))))
                    .collect();
                self.begin_save(at, token, Batch::Leaf(records));
            }
            LeafOutput::Send { link, message } => {
                if !self.dies_at(at, Deed::Send) {
                    self.say(link.0, message);
                }
            }
            LeafOutput::SendKept { link, jid, .. } => {
                if let Some(ret) = self.nodes[at].leaf_disk.kept(jid).cloned() {
                    let message = Up::Return(ret);
                    self.leaf_output(at, LeafOutput::Send { link, message });
                }
            }
            LeafOutput::Start(order) => {
                let node = &self.nodes[at];
                let (uid, now) = (node.spec.peer.uid, node.shows(self.now));
                self.model.started(at, &order, now, &self.nodes);
                self.check_rules(at, &order);
                if self.plan.clock_ms <= SKEW_MS {
                    self.model.check_budget(order.jid, self.now);
                }
                let duration = orders::duration(&order, uid);
                let ret = orders::result(&order, uid, now, duration);
                let run = self.nodes[at].run;
                self.schedule(duration, Event::Finish { node: at, run, ret });
            }
            LeafOutput::Close { link, .. } => self.hang_up(link, Side::Child),
            LeafOutput::TrustOffered(_) => {}
        }
    }

    /// Jobs of a hub that are open in its memory.
    pub fn open_jobs(&self, at: usize) -> Vec<Jid> {
        match &self.nodes[at].machine {
            Machine::Hub(hub) => self
                .model
                .jobs
                .keys()
                .filter(|jid| hub.job(**jid).is_some())
                .copied()
                .collect(),
            _ => Vec::new(),
        }
    }
}
