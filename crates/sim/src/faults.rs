//! What fate does to nodes, links and disks.

use relay::HubInput;
use wire::{KeyDecision, Role, UnixMillis};

use crate::net::Side;
use crate::node::{Deed, Doom, Fate, Machine};
use crate::world::{DAWN, Event, World};

/// A transport that hears nothing for so long gives up.
const IDLE_MS: u64 = 30_000;

impl World {
    pub(crate) fn cut_some_link(&mut self) {
        let alive = self.net.alive();
        if let Some(&(id, _)) = self.rng.pick(&alive) {
            self.cut(id);
        }
    }

    pub(crate) fn block_some_link(&mut self) {
        let alive = self.net.alive();
        if let Some(&(id, session)) = self.rng.pick(&alive) {
            let until = self.now + self.rng.between(1_000, self.plan.outage_ms);
            self.net.block(session.child, session.parent, until);
            self.cut(id);
        }
    }

    /// Loss in one direction: who hears nothing gives up first, and the other after it, as it then hears nothing either.
    pub(crate) fn deafen_some_link(&mut self) {
        let alive = self.net.alive();
        let Some(&(session, _)) = self.rng.pick(&alive) else {
            return;
        };
        let side = match self.rng.percent(50) {
            true => Side::Child,
            false => Side::Parent,
        };
        self.net.deafen(session, side);
        let name = format!("{session} {side:?}");
        self.trace.note(self.now, 0, "deaf", name.as_bytes());
        self.schedule(IDLE_MS, Event::Closed { session, side });
        let side = side.other();
        self.schedule(2 * IDLE_MS, Event::Closed { session, side });
    }

    /// Both ends learn of the cut, each in its own time; sometimes one of them late.
    pub(crate) fn cut(&mut self, id: u64) {
        self.net.cut(id);
        self.trace.note(self.now, 0, "cut", &id.to_be_bytes());
        for side in [Side::Child, Side::Parent] {
            let delay = self.detection(id, side);
            self.schedule(delay, Event::Closed { session: id, side });
        }
    }

    fn detection(&mut self, id: u64, side: Side) -> UnixMillis {
        let Some(at) = self.net.node_at(id, side) else {
            return 0;
        };
        let rng = &mut self.nodes[at].rng;
        match rng.below(10) {
            0..4 => 0,
            4..8 => rng.below(2_000),
            _ => rng.below(IDLE_MS),
        }
    }

    /// All sessions of a node that died: its own ends are gone, the others learn in their time.
    pub fn cut_all_of(&mut self, at: usize) {
        for (id, side) in self.net.of(at) {
            self.net.cut(id);
            let delay = self.detection(id, side.other());
            self.net.close_end(id, side);
            let side = side.other();
            self.schedule(delay, Event::Closed { session: id, side });
        }
    }

    fn some_fate(&mut self) -> Fate {
        match self.rng.below(4) {
            0 | 1 => Fate::Written,
            2 => Fate::Torn(self.rng.between(1, 3) as usize),
            _ => Fate::Lost,
        }
    }

    fn some_node(&mut self) -> usize {
        self.rng.below(self.nodes.len() as u64) as usize
    }

    pub(crate) fn crash_someone(&mut self) {
        for _ in 0..1 + self.rng.below(2) * self.rng.below(3) {
            let node = self.some_node();
            let back = match self.rng.percent(60) {
                true => self.rng.between(10, 3_000),
                false => self.rng.between(1_000, 35_000),
            };
            let fate = self.some_fate();
            self.schedule(0, Event::Crash { node, fate, back });
        }
    }

    /// The worst moments to die are those of a save or a send.
    pub(crate) fn doom_someone(&mut self) {
        let node = self.some_node();
        let deed = match self.rng.percent(60) {
            true => Deed::Save,
            false => Deed::Send,
        };
        let doom = Doom {
            deed,
            left: self.rng.below(8) as u32,
            fate: self.some_fate(),
            back: self.rng.between(1, 2_000),
        };
        self.nodes[node].doom = Some(doom);
        let text = format!("{node} {doom:?}");
        self.trace.note(self.now, node, "doomed", text.as_bytes());
    }

    /// A stopped process, a frozen machine: everything waits for it, until its peers give it up.
    pub(crate) fn pause_someone(&mut self) {
        let at = self.some_node();
        let most = self.plan.outage_ms.clamp(2 * IDLE_MS, 3_600_000);
        let length = self.rng.between(10, most);
        // Faults end with the plan's time.
        let until = (self.now + length).min(DAWN + self.plan.active_ms);
        if matches!(self.nodes[at].machine, Machine::Off) || self.nodes[at].paused > self.now {
            return;
        }
        self.nodes[at].paused = until;
        let text = format!("{}", until - self.now);
        self.trace.note(self.now, at, "pauses", text.as_bytes());
        if until - self.now <= IDLE_MS {
            return;
        }
        for (session, side) in self.net.of(at) {
            let other = side.other();
            self.schedule(
                IDLE_MS,
                Event::Closed {
                    session,
                    side: other,
                },
            );
            self.schedule_at(until + 1, Event::Closed { session, side });
        }
    }

    /// A hub's database is gone, or is put back from an operator's copy. Of a hub that is not the origin nothing is
    /// missing after that, since the minions still have what the origin has not. Of the origin nothing is promised of
    /// jobs and returns that came after the copy: the account that is left ends, and says of whom it does not know.
    pub(crate) fn restore_some_hub(&mut self) {
        let at = self.some_node();
        if !self.nodes[at].spec.peer.role.is_hub() {
            return;
        }
        if self.nodes[at].backup.is_none() || self.rng.percent(30) {
            self.nodes[at].backup = Some(self.nodes[at].hub_disk.clone());
            self.trace.note(self.now, at, "copies its disk", b"");
            return;
        }
        let is_wiped = self.rng.percent(30);
        let back = self.rng.between(100, 5_000);
        self.crash(at, Fate::Lost);
        let node = &mut self.nodes[at];
        let copy = node.backup.clone().filter(|_| !is_wiped);
        node.hub_disk = copy.unwrap_or_default();
        node.fresh_epoch = self.rng.number();
        self.model.restored(at, self.now, &self.nodes[at].hub_disk);
        let what = if is_wiped { "is wiped" } else { "is put back" };
        self.trace.note(self.now, at, what, b"");
        self.schedule(back, Event::Start { node: at });
    }

    /// A minion goes to another site: its key is deleted where it was, and it asks to be let in where it is now.
    pub(crate) fn move_some_minion(&mut self) {
        let minions: Vec<usize> = (0..self.nodes.len())
            .filter(|at| {
                let node = &self.nodes[*at];
                node.spec.peer.role == Role::Minion && node.certified && !node.spec.absent
            })
            .collect();
        let hubs: Vec<usize> = (0..self.nodes.len())
            .filter(|at| matches!(self.nodes[*at].machine, Machine::Hub(_)))
            .collect();
        let (Some(&at), Some(&hub)) = (self.rng.pick(&minions), self.rng.pick(&hubs)) else {
            return;
        };
        let path = self.nodes[hub].spec.peer.path.clone();
        if path == self.nodes[at].spec.peer.path {
            return;
        }
        let uid = self.nodes[at].spec.peer.uid;
        self.trace
            .note(self.now, at, "moves", path.as_str().as_bytes());
        self.model.decided.push(uid);
        let decision = KeyDecision::Delete;
        for parent in self.nodes[at].spec.parents.clone() {
            let uids = vec![uid];
            self.feed_hub(parent, HubInput::Decide { uids, decision });
        }
        self.crash(at, Fate::Written);
        let node = &mut self.nodes[at];
        node.spec.peer.path = path;
        node.spec.parents = vec![hub];
        node.certified = false;
        let back = self.rng.between(100, 5_000);
        self.schedule(back, Event::Start { node: at });
    }

    /// A syndic that was broken into speaks of a node outside of its site.
    pub(crate) fn speak_out_of_place(&mut self) {
        let syndics: Vec<_> = self
            .net
            .alive()
            .into_iter()
            .filter(|(_, s)| self.nodes[s.child].spec.peer.role == Role::Syndic)
            .collect();
        let Some(&(id, session)) = self.rng.pick(&syndics) else {
            return;
        };
        let message = self.model.roster_outside(&self.nodes[session.child].spec);
        self.say(id, message);
    }
}
