//! The world: one clock, the nodes, the links between them, and what happens next.

use std::collections::{BTreeMap, BTreeSet};

use relay::{HubInput, LeafInput, LinkId};
use wire::limits::MAX_FRAME;
use wire::{Jid, Return, UnixMillis, codec};

use crate::model::Model;
use crate::net::{Net, Side};
use crate::node::{Fate, Machine, Node};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::shape::Shape;
use crate::trace::Trace;

/// When a world begins: some day, in Unix milliseconds.
pub const DAWN: UnixMillis = 1_795_387_000_000;

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
    /// A hub's shell knows pillars that were asked for.
    Answered {
        /// Where.
        node: usize,
        /// Of which run.
        run: u32,
        /// The answer.
        input: HubInput,
    },
    /// A node dies, and starts again after so many milliseconds.
    Crash {
        /// Which.
        node: usize,
        /// What becomes of its disk.
        fate: Fate,
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
    /// Decides what happens, together with the acts that are left out.
    pub seed: u64,
    /// Chance of the act that happens now.
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
    /// Accounts are checked after every so many steps: each one, unless the tree is big.
    pub check_every: u64,
    /// How many each hub expected when it first called an account complete.
    pub complete: BTreeMap<(usize, Jid), u64>,
    /// Milliseconds from the end of all faults until everything was true.
    pub healed_after: Option<u64>,
    /// Acts so far.
    pub(crate) acts: u32,
    pub(crate) only: Option<BTreeSet<u32>>,
    events: BTreeMap<(UnixMillis, u64), Event>,
    next_event: u64,
    /// When a child tries its parent next; there is one attempt ahead, the one that was planned last.
    dials: BTreeMap<(usize, usize), UnixMillis>,
}

impl World {
    /// The world of a scenario.
    pub fn new(scenario: &Scenario, print: bool) -> World {
        let mut shape = Shape::random(
            &mut Rng::of(scenario.seed, 0),
            scenario.plan.two_tops_percent,
        );
        let mut without = scenario.without.clone();
        if scenario.plan.adopt_after_ms > 0 {
            // Of what they do no other top-master hears.
            without.extend(shape.minions_of_tops());
        }
        shape.leave_out(&without);
        let mut world = World::with_shape(scenario.seed, shape, scenario.plan, print);
        world.only = scenario.only.clone();
        world
    }

    /// A world with a given tree.
    pub fn with_shape(seed: u64, shape: Shape, plan: Plan, print: bool) -> World {
        let mut world = World {
            now: DAWN,
            seed,
            rng: Rng::new(seed),
            nodes: Vec::new(),
            net: Net::default(),
            model: Model::default(),
            plan,
            trace: Trace::new(print),
            steps: 0,
            check_every: 1,
            complete: BTreeMap::new(),
            healed_after: None,
            acts: 0,
            only: None,
            events: BTreeMap::new(),
            next_event: 0,
            dials: BTreeMap::new(),
        };
        for (at, spec) in shape.nodes.into_iter().enumerate() {
            let mut node = Node::new(at, spec, seed, DAWN);
            node.clock = plan.some_clock(&mut node.rng);
            world.nodes.push(node);
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
        let Some(event) = self.unless_paused(event) else {
            return;
        };
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
            Event::Answered { node, run, input } => {
                if self.nodes[node].run == run {
                    self.feed_hub(node, input);
                }
            }
            Event::Crash { node, fate, back } => {
                self.crash(node, fate);
                self.schedule(back, Event::Start { node });
            }
            Event::Start { node } => self.start(node),
            Event::Act => self.act(),
        }
    }

    /// What would happen to a node that is paused happens when it goes on.
    fn unless_paused(&mut self, event: Event) -> Option<Event> {
        let node = match &event {
            Event::Deliver { session, to, .. } => self.net.node_at(*session, *to),
            Event::Closed { session, side } => self.net.node_at(*session, *side),
            Event::Saved { node, .. }
            | Event::Wake { node, .. }
            | Event::Finish { node, .. }
            | Event::Answered { node, .. } => Some(*node),
            Event::Dial { child, .. } => Some(*child),
            Event::Crash { .. } | Event::Start { .. } | Event::Act => None,
        };
        let until = node.map_or(0, |at| self.nodes[at].paused);
        if until <= self.now {
            return Some(event);
        }
        match &event {
            Event::Wake { node, .. } if self.nodes[*node].wake_at == Some(self.now) => {
                self.nodes[*node].wake_at = Some(until);
            }
            Event::Dial { child, parent } => {
                let planned = self.dials.get_mut(&(*child, *parent));
                if let Some(planned) = planned.filter(|at| **at == self.now) {
                    *planned = until;
                }
            }
            _ => {}
        }
        self.schedule_at(until, event);
        None
    }

    pub(crate) fn send(&mut self, link: LinkId, to: Side, bytes: Vec<u8>) {
        assert!(
            bytes.len() <= MAX_FRAME,
            "P9: a frame of {} bytes",
            bytes.len()
        );
        let Some(from) = self.net.node_at(link.0, to.other()) else {
            return;
        };
        let rng = &mut self.nodes[from].rng;
        let Some(delay) = self.net.send(link.0, to, bytes.len(), self.now, rng) else {
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

    /// Sends something to a session's parent. Where one of the two is of an old release, the hello offers the first protocol.
    pub fn say(&mut self, id: u64, mut message: wire::Up) {
        let is_old = |side| {
            let at = self.net.node_at(id, side);
            at.is_some_and(|at| self.nodes[at].spec.old)
        };
        if let wire::Up::Hello(hello) = &mut message
            && (is_old(Side::Child) || is_old(Side::Parent))
        {
            hello.protocol.max = hello.protocol.min;
        }
        self.send(LinkId(id), Side::Parent, must(codec::encode(&message)));
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
                let delay = self.nodes[child].rng.between(100, 3_000);
                let parent = session.parent;
                self.dial_in(delay, child, parent);
            }
        }
    }

    pub(crate) fn dial_in(&mut self, delay: u64, child: usize, parent: usize) {
        self.dials.insert((child, parent), self.now + delay);
        self.schedule(delay, Event::Dial { child, parent });
    }

    fn dial(&mut self, child: usize, parent: usize) {
        if self.dials.get(&(child, parent)) != Some(&self.now) {
            return;
        }
        self.dials.remove(&(child, parent));
        let dials = self.nodes[child].spec.parents.contains(&parent)
            && !matches!(self.nodes[child].machine, Machine::Off);
        if !dials || self.net.is_open(child, parent) {
            return;
        }
        let hub = &self.nodes[parent];
        if matches!(hub.machine, Machine::Off)
            || hub.paused > self.now
            || self.net.is_blocked(child, parent, self.now)
        {
            let most = self.plan.redial_ms;
            let delay = self.nodes[child].rng.between(200, most);
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
        let latency = self.plan.latency(&mut self.nodes[child].rng);
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
    pub(crate) fn hang_up(&mut self, link: LinkId, side: Side) {
        let Some(at) = self.net.node_at(link.0, side) else {
            return;
        };
        let rng = &mut self.nodes[at].rng;
        let (delay, notice) = (rng.below(20), rng.below(1_000));
        let Some(last) = self.net.hang_up(link.0, side) else {
            return;
        };
        let session = link.0;
        self.schedule(delay, Event::Closed { session, side });
        let learns = last.max(self.now + delay) + notice;
        let side = side.other();
        self.schedule_at(learns, Event::Closed { session, side });
    }
}

/// What must encode and decode, does.
pub(crate) fn must<T>(result: Result<T, codec::CodecError>) -> T {
    result.unwrap_or_else(|e| panic!("codec: {e}"))
}
