//! What operators ask for and what fate does to them.

use wire::{Jid, KeyDecision, Role, SitePath, Standing, UnixMillis};

use relay::HubInput;

use crate::net::Side;
use crate::orders::{self, FUNCTIONS, Target};
use crate::rng::Rng;
use crate::world::{DAWN, Event, Machine, World};

/// What may happen in a world, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Milliseconds in which things happen.
    pub active_ms: u64,
    /// Milliseconds after that in which everything must heal.
    pub heal_ms: u64,
    /// Nodes die, links are cut.
    pub faults: bool,
    /// Operators decide about keys.
    pub decisions: bool,
    /// Highest one-way latency of a link in milliseconds.
    pub latency_max: u64,
}

impl Plan {
    /// Everything that can go wrong, does.
    pub fn chaos() -> Plan {
        Plan {
            active_ms: 40_000,
            heal_ms: 150_000,
            faults: true,
            decisions: true,
            latency_max: 200,
        }
    }

    /// Faults of machines and links, and no decisions about keys.
    pub fn faults() -> Plan {
        Plan {
            decisions: false,
            ..Plan::chaos()
        }
    }

    /// Nothing goes wrong.
    pub fn calm() -> Plan {
        Plan {
            faults: false,
            decisions: false,
            ..Plan::chaos()
        }
    }

    /// Whether nodes die while they save now.
    pub fn dies_at_disk(&self, now: UnixMillis) -> bool {
        self.faults && now < DAWN + self.active_ms
    }

    /// The latency of a new link.
    pub fn latency(&self, rng: &mut Rng) -> u64 {
        match rng.below(3) {
            0 => 0,
            1 => rng.below(20),
            _ => rng.below(self.latency_max + 1),
        }
    }
}

impl World {
    /// Runs through the plan: things happen, heal, and are checked.
    pub fn run(&mut self) {
        let active = DAWN + self.plan.active_ms;
        while self.step(active) {}
        self.now = active;
        self.heal();
        while self.step(active + self.plan.heal_ms) {}
        self.check_end();
    }

    /// Faults end: every node runs, every link can be made.
    fn heal(&mut self) {
        self.net.unblock();
        for at in 0..self.nodes.len() {
            if matches!(self.nodes[at].machine, Machine::Off) {
                self.schedule(1, Event::Start { node: at });
            }
        }
        self.trace.note(self.now, 0, "heals", b"");
    }

    /// Something happens.
    pub fn act(&mut self) {
        if self.now >= DAWN + self.plan.active_ms {
            return;
        }
        match self.rng.below(100) {
            0..45 => self.submit_somewhere(),
            45..50 => self.forge(),
            50..60 if self.plan.decisions => self.decide_something(),
            60..72 if self.plan.faults => self.cut_some_link(),
            72..80 if self.plan.faults => self.block_some_link(),
            80..92 if self.plan.faults => self.crash_someone(),
            92..94 if self.plan.faults => self.speak_out_of_place(),
            _ => {}
        }
        let delay = self.rng.between(50, 3_000);
        self.schedule(delay, Event::Act);
    }

    fn submit_somewhere(&mut self) {
        let tops = self.rng.percent(80);
        let hubs: Vec<usize> = (0..self.nodes.len())
            .filter(|at| {
                let role = self.nodes[*at].spec.peer.role;
                matches!(self.nodes[*at].machine, Machine::Hub(_))
                    && (role == Role::TopMaster) == tops
            })
            .collect();
        let Some(&hub) = self.rng.pick(&hubs) else {
            return;
        };
        let target = self.some_target();
        let fun = self.rng.pick(&FUNCTIONS).copied().unwrap_or("ping");
        let start_within = if self.rng.percent(20) { 1_000 } else { 30_000 };
        self.submit(hub, target, fun, start_within);
    }

    fn some_target(&mut self) -> Target {
        match self.rng.below(4) {
            0 => {
                let mut ids: Vec<String> = (0..self.rng.between(1, 3))
                    .map(|_| format!("m{}", self.rng.below(12)))
                    .collect();
                ids.push("nobody".to_owned());
                Target::List(ids)
            }
            1 => Target::Os("Debian"),
            2 => {
                let paths: Vec<SitePath> = self
                    .nodes
                    .iter()
                    .map(|n| n.spec.peer.path.clone())
                    .filter(|p| !p.is_top())
                    .collect();
                match self.rng.pick(&paths) {
                    Some(path) => Target::Site(path.as_str().to_owned()),
                    None => Target::All,
                }
            }
            _ => Target::All,
        }
    }

    /// Submits a job at a hub; its jid.
    pub fn submit(&mut self, at: usize, target: Target, fun: &str, start_within: u64) -> Jid {
        let now = self.now;
        let node = &mut self.nodes[at];
        let jid = node.jids.next(now);
        let peer = &node.spec.peer;
        let origin = (peer.uid, peer.id.clone(), peer.path.clone());
        let signed = orders::order(jid, origin, &target, fun, now, start_within);
        self.trace.note(
            now,
            at,
            "submits",
            format!("{jid} {target:?} {fun}").as_bytes(),
        );
        self.model.submitted(at, jid, target, now, &self.nodes);
        self.feed_hub(
            at,
            HubInput::Submit {
                envelope: signed.envelope,
                order: signed.order,
                hold: false,
                plan: None,
            },
        );
        jid
    }

    /// A hub that was broken into sends an order that nobody signed.
    fn forge(&mut self) {
        let minions: Vec<_> = self
            .net
            .alive()
            .into_iter()
            .filter(|(_, s)| self.nodes[s.child].spec.peer.role == Role::Minion)
            .collect();
        let Some(&(id, session)) = self.rng.pick(&minions) else {
            return;
        };
        let now = self.now;
        let hub = &mut self.nodes[session.parent];
        let jid = hub.jids.next(now);
        let peer = &hub.spec.peer;
        let origin = (peer.uid, peer.id.clone(), peer.path.clone());
        let mut signed = orders::order(jid, origin, &Target::All, "ping", now, 30_000);
        signed.envelope.signature[3] ^= 1;
        self.model.forged(jid);
        self.tell(id, &wire::Down::Job(signed.envelope));
    }

    fn decide_something(&mut self) {
        let hubs: Vec<usize> = (0..self.nodes.len())
            .filter(|at| matches!(self.nodes[*at].machine, Machine::Hub(_)))
            .collect();
        let Some(&at) = self.rng.pick(&hubs) else {
            return;
        };
        let Machine::Hub(hub) = &self.nodes[at].machine else {
            return;
        };
        let known: Vec<_> = hub
            .nodes()
            .map(|n| (n.uid(), n.standing(), n.role()))
            .collect();
        let pending: Vec<_> = known
            .iter()
            .filter(|(_, standing, _)| *standing != Standing::Accepted)
            .copied()
            .collect();
        let (from, decision) = match self.rng.below(10) {
            0..7 => (pending, KeyDecision::Accept),
            7 => (known, KeyDecision::Reject),
            8 => (known, KeyDecision::Delete),
            _ => (known, KeyDecision::Accept),
        };
        let Some(&(uid, _, role)) = self.rng.pick(&from) else {
            return;
        };
        // Whole sites are rarely thrown out.
        if role.is_hub() && decision != KeyDecision::Accept && !self.rng.percent(20) {
            return;
        }
        let text = format!("{uid} {decision:?}");
        self.trace.note(self.now, at, "decides", text.as_bytes());
        self.model.decided.push(uid);
        let uids = vec![uid];
        self.feed_hub(at, HubInput::Decide { uids, decision });
        if self.plan.faults && self.rng.percent(25) {
            let dies = self.rng.below(300);
            let back = self.rng.between(1, 5_000);
            self.schedule(dies, Event::Crash { node: at, back });
            for (id, _) in self.net.of(at) {
                if self.rng.percent(50) {
                    self.cut(id);
                }
            }
        }
    }

    fn cut_some_link(&mut self) {
        let alive = self.net.alive();
        if let Some(&(id, _)) = self.rng.pick(&alive) {
            self.cut(id);
        }
    }

    fn block_some_link(&mut self) {
        let alive = self.net.alive();
        if let Some(&(id, session)) = self.rng.pick(&alive) {
            let until = self.now + self.rng.between(1_000, 30_000);
            self.net.block(session.child, session.parent, until);
            self.cut(id);
        }
    }

    /// Both ends learn of the cut, each in its own time; sometimes one of them late.
    fn cut(&mut self, id: u64) {
        self.net.cut(id);
        self.trace.note(self.now, 0, "cut", &id.to_be_bytes());
        for side in [Side::Child, Side::Parent] {
            let delay = self.detection();
            self.schedule(delay, Event::Closed { session: id, side });
        }
    }

    fn detection(&mut self) -> UnixMillis {
        match self.rng.below(10) {
            0..4 => 0,
            4..8 => self.rng.below(2_000),
            _ => self.rng.below(30_000),
        }
    }

    /// All sessions of a node that died: its own ends are gone, the others learn in their time.
    pub fn cut_all_of(&mut self, at: usize) {
        for (id, side) in self.net.of(at) {
            self.net.cut(id);
            self.net.close_end(id, side);
            let delay = self.detection();
            let side = side.other();
            self.schedule(delay, Event::Closed { session: id, side });
        }
    }

    fn crash_someone(&mut self) {
        // Twice as often a hub, and sometimes several at once.
        for _ in 0..1 + self.rng.below(2) * self.rng.below(3) {
            let at = self.rng.below(self.nodes.len() as u64) as usize;
            let back = if self.rng.percent(60) {
                self.rng.between(10, 3_000)
            } else {
                self.rng.between(1_000, 35_000)
            };
            self.schedule(0, Event::Crash { node: at, back });
        }
    }

    /// A syndic that was broken into speaks of a node outside of its site.
    fn speak_out_of_place(&mut self) {
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
        self.say(id, &message);
    }
}
