//! The world: one clock, the nodes with their disks, the links between them, and what happens next.

use std::collections::BTreeMap;

use relay::{
    Hub, HubConfig, HubInput, HubOutput, Leaf, LeafConfig, LeafInput, LeafOutput, LinkId, Verify,
};
use wire::record::{JournalRecord, Record};
use wire::{Jid, JidClock, Return, Standing, UnixMillis, codec};

use crate::disk::{HubDisk, LeafDisk};
use crate::model::Model;
use crate::net::{Net, Side};
use crate::operator::Plan;
use crate::orders::{self, Checker};
use crate::rng::Rng;
use crate::shape::{Shape, Spec};
use crate::trace::Trace;

/// When a world begins: some day, in Unix milliseconds.
pub const DAWN: UnixMillis = 1_795_387_000_000;
/// Outputs that one input may cause in a tree of this size. The widest is a restarted parent's child that tells
/// it everything again.
const OUTPUTS_MAX: usize = 4_000;

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
enum Batch {
    Hub(Vec<Record>),
    Leaf(Vec<JournalRecord>),
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
    /// Gives jids of own jobs.
    pub jids: JidClock,
    in_flight: Option<(u64, Batch)>,
    wake_at: Option<UnixMillis>,
}

/// What happens at some time.
pub enum Event {
    /// Bytes of a session arrive.
    Deliver {
        /// The session.
        session: u64,
        /// Who receives.
        to: Side,
        /// The message.
        bytes: Vec<u8>,
    },
    /// An end of a session learns that it is over.
    Closed {
        /// The session.
        session: u64,
        /// Who learns.
        side: Side,
    },
    /// A batch is on disk.
    Saved {
        /// Whose.
        node: usize,
        /// Of which run.
        run: u32,
        /// Which batch.
        token: u64,
    },
    /// A machine wants to be woken.
    Wake {
        /// Which.
        node: usize,
        /// Of which run.
        run: u32,
    },
    /// A child tries to connect to a parent.
    Dial {
        /// Who dials.
        child: usize,
        /// Whom.
        parent: usize,
    },
    /// A function ends.
    Finish {
        /// Where.
        node: usize,
        /// Of which run.
        run: u32,
        /// Its result.
        ret: Return,
    },
    /// A node dies, and starts again after so many milliseconds.
    Crash {
        /// Which.
        node: usize,
        /// When it comes back.
        back: u64,
    },
    /// A node starts again.
    Start {
        /// Which.
        node: usize,
    },
    /// The operator, or fate, does something.
    Act,
}

/// Everything.
pub struct World {
    /// The one clock.
    pub now: UnixMillis,
    /// Chance.
    pub rng: Rng,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The links.
    pub net: Net,
    /// What the simulation knows to be true.
    pub model: Model,
    /// What is planned.
    pub plan: Plan,
    /// What happened.
    pub trace: Trace,
    /// Events so far.
    pub steps: u64,
    /// How many each hub expected when it first called an account complete.
    pub complete: BTreeMap<(usize, Jid), u64>,
    events: BTreeMap<(UnixMillis, u64), Event>,
    next_event: u64,
    /// When a child tries its parent next; there is one attempt ahead, the one that was planned last.
    dials: BTreeMap<(usize, usize), UnixMillis>,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, plan: Plan, print: bool) -> World {
        let mut rng = Rng::new(seed);
        let shape = Shape::random(&mut rng);
        World::with_shape(rng, shape, plan, print)
    }

    /// A world with a given tree.
    pub fn with_shape(rng: Rng, shape: Shape, plan: Plan, print: bool) -> World {
        let mut world = World {
            now: DAWN,
            rng,
            nodes: Vec::new(),
            net: Net::default(),
            model: Model::default(),
            plan,
            trace: Trace::new(print),
            steps: 0,
            complete: BTreeMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            dials: BTreeMap::new(),
        };
        for (at, spec) in shape.nodes.into_iter().enumerate() {
            world.nodes.push(Node {
                certified: spec.certified,
                spec,
                machine: Machine::Off,
                run: 0,
                hub_disk: HubDisk::default(),
                leaf_disk: LeafDisk::default(),
                jids: JidClock::new(at as u8, DAWN),
                in_flight: None,
                wake_at: None,
            });
        }
        for node in 0..world.nodes.len() {
            world.start(node);
        }
        world.schedule(1_000, Event::Act);
        world
    }

    /// Puts an event `delay` milliseconds ahead.
    pub fn schedule(&mut self, delay: u64, event: Event) {
        self.schedule_at(self.now + delay, event);
    }

    /// Puts an event at a time.
    pub fn schedule_at(&mut self, at: UnixMillis, event: Event) {
        self.next_event += 1;
        self.events.insert((at, self.next_event), event);
    }

    /// Lets the next thing happen. False when nothing is left before `until`.
    pub fn step(&mut self, until: UnixMillis) -> bool {
        let Some(entry) = self.events.first_entry() else {
            return false;
        };
        let (at, _) = *entry.key();
        if at > until {
            return false;
        }
        self.now = at;
        self.steps += 1;
        let event = entry.remove();
        self.happen(event);
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { session, to, bytes } => self.deliver(session, to, &bytes),
            Event::Closed { session, side } => self.closed(session, side),
            Event::Saved { node, run, token } => self.saved(node, run, token),
            Event::Wake { node, run } => self.wake(node, run),
            Event::Dial { child, parent } => self.dial(child, parent),
            Event::Finish { node, run, ret } => {
                if self.nodes[node].run == run {
                    self.model.finished(self.nodes[node].spec.peer.uid, &ret);
                    self.feed_leaf(node, LeafInput::Finished(ret));
                }
            }
            Event::Crash { node, back } => {
                self.crash(node);
                self.schedule(back, Event::Start { node });
            }
            Event::Start { node } => self.start(node),
            Event::Act => self.act(),
        }
    }

    /// Starts a node with what its disk has.
    pub fn start(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if !matches!(node.machine, Machine::Off) {
            return;
        }
        node.run += 1;
        let peer = node.spec.peer.clone();
        if peer.role.is_hub() {
            let config = HubConfig {
                uid: peer.uid,
                id: peer.id,
                path: peer.path,
                software: "0.1.0".to_owned(),
                fresh_epoch: 1 + at as u64,
                job_key: None,
            };
            let hub = Hub::new(config, node.hub_disk.recovered(), now);
            node.machine = Machine::Hub(Box::new(hub));
            self.trace.note(now, at, "starts", b"");
            self.model.check_recovered(at, &self.nodes[at]);
            self.feed_hub(at, HubInput::Signs(at as u8));
            self.drain_hub(at);
        } else {
            let config = LeafConfig {
                id: peer.id,
                path: peer.path,
                software: "0.1.0".to_owned(),
            };
            let grains = orders::json(&format!("{{\"os\":\"{}\"}}", node.spec.os));
            let leaf = Leaf::new(config, Checker, grains, node.leaf_disk.recovered(), now);
            node.machine = Machine::Leaf(Box::new(leaf));
            self.trace.note(now, at, "starts", b"");
            self.drain_leaf(at);
        }
        for parent in self.nodes[at].spec.parents.clone() {
            let delay = self.rng.below(50);
            self.dial_in(delay, at, parent);
        }
    }

    /// Kills a node: its memory is gone, and so is the batch at its disk, unless it was just written.
    pub fn crash(&mut self, at: usize) {
        let written = self.rng.percent(50);
        let node = &mut self.nodes[at];
        if matches!(node.machine, Machine::Off) {
            return;
        }
        node.machine = Machine::Off;
        node.wake_at = None;
        if let Some((_, batch)) = node.in_flight.take()
            && written
        {
            self.write(at, batch);
        }
        self.trace.note(self.now, at, "dies", b"");
        self.cut_all_of(at);
    }

    fn write(&mut self, at: usize, batch: Batch) {
        let node = &mut self.nodes[at];
        match batch {
            Batch::Hub(records) => node.hub_disk.save(records),
            Batch::Leaf(records) => {
                let settled: Vec<Jid> = records
                    .iter()
                    .filter_map(|r| match r {
                        JournalRecord::Settled { jid } => Some(*jid),
                        _ => None,
                    })
                    .collect();
                for jid in settled {
                    self.model.check_settled(at, jid, &self.nodes);
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

    fn saved(&mut self, at: usize, run: u32, token: u64) {
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

    fn wake(&mut self, at: usize, run: u32) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.run != run || node.wake_at != Some(now) {
            return;
        }
        node.wake_at = None;
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
        let now = self.now;
        if let Machine::Hub(hub) = &mut self.nodes[at].machine {
            hub.handle_input(now, input);
            self.drain_hub(at);
        }
    }

    /// Gives a minion an input and does what it wants done.
    pub fn feed_leaf(&mut self, at: usize, input: LeafInput) {
        let now = self.now;
        if let Machine::Leaf(leaf) = &mut self.nodes[at].machine {
            leaf.handle_input(now, input);
            self.drain_leaf(at);
        }
    }

    fn drain_hub(&mut self, at: usize) {
        let mut outputs = 0;
        while let Machine::Hub(hub) = &mut self.nodes[at].machine
            && let Some(output) = hub.poll_output()
        {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "P9: one input, {outputs} outputs");
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
        let now = self.now;
        let node = &mut self.nodes[at];
        let due = match &node.machine {
            Machine::Hub(hub) => hub.poll_timeout(),
            Machine::Leaf(leaf) => leaf.poll_timeout(),
            Machine::Off => None,
        };
        let due = due.map(|(at, _)| at.max(now));
        if due != node.wake_at {
            node.wake_at = due;
            let run = node.run;
            if let Some(due) = due {
                self.schedule_at(due, Event::Wake { node: at, run });
            }
        }
    }

    fn begin_save(&mut self, at: usize, token: u64, batch: Batch) {
        let delay = match self.rng.below(20) {
            0 => self.rng.below(400),
            _ => self.rng.below(12),
        };
        // The worst moment to die is while something is on its way to the disk.
        if self.plan.dies_at_disk(self.now) && self.rng.below(300) == 0 {
            let node = at;
            let back = self.rng.between(1, 2_000);
            let dies = self.rng.below(delay + 5);
            self.schedule(dies, Event::Crash { node, back });
        }
        let node = &mut self.nodes[at];
        assert!(node.in_flight.is_none(), "one batch at a time");
        node.in_flight = Some((token, batch));
        let run = node.run;
        self.schedule(
            delay,
            Event::Saved {
                node: at,
                run,
                token,
            },
        );
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
                let bytes = must(codec::encode(&message));
                for link in links {
                    self.send(link, Side::Child, bytes.clone());
                }
            }
            HubOutput::ToParent { link, message } => {
                self.send(link, Side::Parent, must(codec::encode(&message)))
            }
            HubOutput::CloseChild { link, refusal } => {
                self.send(
                    link,
                    Side::Child,
                    must(codec::encode(&wire::Down::Refuse(refusal))),
                );
                self.hang_up(link, Side::Parent);
            }
            HubOutput::CloseParent { link, .. } => self.hang_up(link, Side::Child),
            HubOutput::JobAccepted { jid } => self.model.accepted(at, jid, &self.nodes),
            HubOutput::JobRefused { jid, .. } => self.model.turned_down(jid),
            HubOutput::JobFinished { jid } => self.model.job_finished(at, jid, self.now),
            HubOutput::Enrolled { uid, standing } => self.enrolled(at, uid, standing),
            HubOutput::Alarm(text) => self.trace.note(self.now, at, "alarm", text.as_bytes()),
            HubOutput::Recall { jid } => {
                let job = self.nodes[at].hub_disk.jobs.get(&jid);
                let job = job.map(|job| Box::new(job.recovered()));
                self.feed_hub(at, HubInput::Recalled { jid, job });
            }
            HubOutput::JobOffered { jid, envelope } => {
                let order = Checker.verify(&envelope, self.now).ok();
                self.feed_hub(
                    at,
                    HubInput::Vouched {
                        jid,
                        envelope,
                        order,
                    },
                );
            }
            HubOutput::CheckStage { jid, stage } => {
                self.feed_hub(at, HubInput::GoOn { jid, stage });
            }
            HubOutput::JobChanged { .. }
            | HubOutput::Decided(_)
            | HubOutput::TrustOffered(_)
            | HubOutput::FetchRoots => {}
        }
    }

    fn enrolled(&mut self, hub: usize, uid: wire::Uid, standing: Option<Standing>) {
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
                self.send(link, Side::Parent, must(codec::encode(&message)))
            }
            LeafOutput::Start(order) => {
                let uid = self.nodes[at].spec.peer.uid;
                self.model.started(at, &order, &self.nodes);
                let duration = orders::duration(&order, uid);
                let ret = orders::result(&order, uid, self.now, duration);
                let run = self.nodes[at].run;
                self.schedule(duration, Event::Finish { node: at, run, ret });
            }
            LeafOutput::Close { link, .. } => self.hang_up(link, Side::Child),
            LeafOutput::TrustOffered(_) => {}
        }
    }

    fn send(&mut self, link: LinkId, to: Side, bytes: Vec<u8>) {
        let Some(delay) = self
            .net
            .send(link.0, to, bytes.len(), self.now, &mut self.rng)
        else {
            return;
        };
        self.schedule(
            delay,
            Event::Deliver {
                session: link.0,
                to,
                bytes,
            },
        );
    }

    /// Sends something to a session's child that its hub's machine did not say.
    pub fn tell(&mut self, id: u64, message: &wire::Down) {
        self.send(LinkId(id), Side::Child, must(codec::encode(message)));
    }

    /// Sends something to a session's parent that its child's machine did not say.
    pub fn say(&mut self, id: u64, message: &wire::Up) {
        self.send(LinkId(id), Side::Parent, must(codec::encode(message)));
    }

    fn deliver(&mut self, id: u64, to: Side, bytes: &[u8]) {
        let Some(session) = self.net.arrives(id, to) else {
            return;
        };
        let link = LinkId(id);
        self.trace.message(self.now, session.node(to), to, bytes);
        match to {
            Side::Parent => {
                let message = must(codec::decode(bytes));
                self.feed_hub(session.parent, HubInput::ChildMessage { link, message });
            }
            Side::Child => {
                let message: wire::Down = must(codec::decode(bytes));
                if let wire::Down::Refuse(refusal) = &message
                    && refusal.code == wire::RefusalCode::Key
                {
                    self.nodes[session.child].certified = false;
                }
                let child = session.child;
                match self.nodes[child].machine {
                    Machine::Hub(_) => {
                        self.feed_hub(child, HubInput::ParentMessage { link, message });
                    }
                    _ => self.feed_leaf(child, LeafInput::Message { link, message }),
                }
            }
        }
    }

    /// Tells a machine that a session is over.
    pub fn closed(&mut self, id: u64, side: Side) {
        let Some(session) = self.net.close_end(id, side) else {
            return;
        };
        let link = LinkId(id);
        self.trace
            .note(self.now, session.node(side), "closed", &id.to_be_bytes());
        match side {
            Side::Parent => self.feed_hub(session.parent, HubInput::ChildClosed { link }),
            Side::Child => {
                let child = session.child;
                match self.nodes[child].machine {
                    Machine::Hub(_) => self.feed_hub(child, HubInput::ParentClosed { link }),
                    _ => self.feed_leaf(child, LeafInput::Closed { link }),
                }
                let delay = self.rng.between(100, 3_000);
                let parent = session.parent;
                self.dial_in(delay, child, parent);
            }
        }
    }

    fn dial_in(&mut self, delay: u64, child: usize, parent: usize) {
        self.dials.insert((child, parent), self.now + delay);
        self.schedule(delay, Event::Dial { child, parent });
    }

    fn dial(&mut self, child: usize, parent: usize) {
        if self.dials.get(&(child, parent)) != Some(&self.now) {
            return;
        }
        self.dials.remove(&(child, parent));
        if matches!(self.nodes[child].machine, Machine::Off) || self.net.is_open(child, parent) {
            return;
        }
        if matches!(self.nodes[parent].machine, Machine::Off)
            || self.net.is_blocked(child, parent, self.now)
        {
            let delay = self.rng.between(200, 3_000);
            self.dial_in(delay, child, parent);
            return;
        }
        let peer = self.nodes[child].spec.peer.clone();
        if !self.nodes[child].certified {
            let software = "0.1.0".to_owned();
            // Asks again when no answer comes: the hub may die before it answers.
            self.dial_in(30_000, child, parent);
            self.feed_hub(parent, HubInput::Enrolling { peer, software });
            return;
        }
        let latency = self.plan.latency(&mut self.rng);
        let id = self.net.open(child, parent, latency);
        let link = LinkId(id);
        let hub = self.nodes[parent].spec.peer.clone();
        self.trace.note(self.now, child, "dials", &id.to_be_bytes());
        self.feed_hub(parent, HubInput::ChildConnected { link, peer });
        match self.nodes[child].machine {
            Machine::Hub(_) => self.feed_hub(child, HubInput::ParentConnected { link, peer: hub }),
            _ => self.feed_leaf(child, LeafInput::Connected { link, peer: hub }),
        }
    }

    /// One end closes; what it said before still arrives, then the other end learns.
    fn hang_up(&mut self, link: LinkId, side: Side) {
        let delay = self.rng.below(20);
        let Some(last) = self.net.hang_up(link.0, side) else {
            return;
        };
        let session = link.0;
        self.schedule(delay, Event::Closed { session, side });
        let learns = last.max(self.now + delay) + self.rng.below(1_000);
        let side = side.other();
        self.schedule_at(learns, Event::Closed { session, side });
    }
}

/// What must encode and decode, does.
fn must<T>(result: Result<T, codec::CodecError>) -> T {
    result.unwrap_or_else(|e| panic!("codec: {e}"))
}
