//! What operators ask for, and which of everything happens next.

use wire::{Jid, KeyDecision, Role, SitePath, Standing, UnixMillis};

use relay::HubInput;

use crate::node::{Fate, Machine};
use crate::orders::{self, FUNCTIONS, Target};
use crate::rng::{Rng, mix};
use crate::world::{DAWN, Event, World};

/// So long after everything was true it is looked at again.
const SETTLED_MS: u64 = 60_000;
/// One world of so many is looked at while its cuts last.
const FROZEN_EACH: u64 = 3;
const FROZEN_SALT: u64 = u64::MAX;

impl World {
    /// Runs through the plan: things happen, heal, and are checked.
    pub fn run(&mut self) {
        let active = DAWN + self.plan.active_ms;
        while self.step(active) {}
        self.now = active;
        if self.plan.faults && self.seed.is_multiple_of(FROZEN_EACH) {
            self.freeze();
        }
        self.heal();
        let healed = self.now;
        let mut wait = 1_000;
        self.pass_until(healed + wait);
        while let Err(untrue) = self.check_end() {
            assert!(wait < self.plan.heal_ms, "{untrue}");
            wait = (wait + wait / 4).min(self.plan.heal_ms);
            self.pass_until(healed + wait);
        }
        self.healed_after = Some(wait);
        // What is true stays true.
        self.pass_until(healed + wait + SETTLED_MS);
        if let Err(untrue) = self.check_end() {
            panic!("{untrue}, after it had healed");
        }
    }

    fn pass_until(&mut self, until: UnixMillis) {
        while self.step(until) {}
        self.now = until;
    }

    /// Nothing new happens, and what is cut stays cut: jobs end all the same, and say who is out of reach.
    fn freeze(&mut self) {
        self.rng = Rng::of(self.seed, FROZEN_SALT);
        for node in &mut self.nodes {
            node.doom = None;
        }
        for _ in 0..2 {
            self.block_some_link();
        }
        self.net.keep_blocked(self.now);
        self.trace.note(self.now, 0, "freezes", b"");
        self.pass_until(self.now + self.plan.heal_ms);
        if let Err(untrue) = self.check_frozen() {
            panic!("{untrue}, while sites are cut off");
        }
    }

    /// Faults end: every node runs, every link can be made.
    fn heal(&mut self) {
        self.net.unblock();
        for at in 0..self.nodes.len() {
            self.nodes[at].doom = None;
            if matches!(self.nodes[at].machine, Machine::Off) {
                self.schedule(1, Event::Start { node: at });
            }
        }
        self.trace.note(self.now, 0, "heals", b"");
    }

    /// Something happens. An act that is left out changes nothing of the chances of the others.
    pub fn act(&mut self) {
        if self.now >= DAWN + self.plan.active_ms {
            return;
        }
        let number = self.acts;
        self.acts += 1;
        self.rng = Rng::of(self.seed, mix(u64::from(number)));
        let delay = self.rng.between(self.plan.act_ms.0, self.plan.act_ms.1);
        self.schedule(delay, Event::Act);
        if self
            .only
            .as_ref()
            .is_some_and(|only| !only.contains(&number))
        {
            return;
        }
        let name = format!("{number}");
        self.trace.note(self.now, 0, "act", name.as_bytes());
        let plan = self.plan;
        match self.rng.below(100) {
            0..30 => self.submit_somewhere(),
            30..33 => self.forge(),
            33..37 => self.replay_old_order(),
            37..50 if plan.decisions => self.decide_something(),
            50..64 if plan.faults => self.cut_some_link(),
            64..69 if plan.faults => self.deafen_some_link(),
            69..77 if plan.faults => self.block_some_link(),
            77..85 if plan.faults => self.crash_someone(),
            85..92 if plan.faults => self.doom_someone(),
            92..94 if plan.faults => self.speak_out_of_place(),
            94..97 if plan.faults => self.pause_someone(),
            97..100 if plan.restores => self.restore_some_hub(),
            _ => {}
        }
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
        let node = &mut self.nodes[at];
        let now = node.shows(self.now);
        let jid = node.jids.next(now);
        let peer = &node.spec.peer;
        let origin = (peer.uid, peer.id.clone(), peer.path.clone());
        let signed = orders::order(jid, origin, &target, fun, now, start_within);
        let text = format!("{jid} {target:?} {fun}");
        self.trace.note(self.now, at, "submits", text.as_bytes());
        self.model
            .submitted(at, &signed, target, self.now, &self.nodes);
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
        let hub = &mut self.nodes[session.parent];
        let now = hub.shows(self.now);
        let jid = hub.jids.next(now);
        let peer = &hub.spec.peer;
        let origin = (peer.uid, peer.id.clone(), peer.path.clone());
        let mut signed = orders::order(jid, origin, &Target::All, "ping", now, 30_000);
        signed.envelope.signature[3] ^= 1;
        self.model.forged(jid);
        self.tell(id, &wire::Down::Job(signed.envelope));
    }

    /// A hub that was broken into sends an old order again to a minion that its origin knows. Nothing is promised of one
    /// below another top-master alone: it matches the target, and its return has no way to the origin.
    fn replay_old_order(&mut self) {
        // What its hub has not on disk it has shown to nobody.
        let shown = self.model.jobs.iter().filter(|(_, job)| job.accepted);
        let jids: Vec<Jid> = shown.map(|(jid, _)| *jid).collect();
        let Some(job) = self
            .rng
            .pick(&jids)
            .and_then(|jid| self.model.jobs.get(jid))
        else {
            return;
        };
        let order = job.signed.clone();
        let expected = job.expected.clone();
        let mut links = self.net.alive();
        links.retain(|(_, s)| expected.contains(&self.nodes[s.child].spec.peer.uid));
        if let Some(&(id, session)) = self.rng.pick(&links) {
            let text = format!("{} to {}", order.order.jid, session.child);
            self.trace.note(self.now, 0, "replays", text.as_bytes());
            self.model.replayed.insert(order.order.jid);
            self.tell(id, &wire::Down::Job(order.envelope));
        }
    }

    fn decide_something(&mut self) {
        if self.rng.percent(15) {
            return self.move_some_minion();
        }
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
            let fate = Fate::Lost;
            self.schedule(
                dies,
                Event::Crash {
                    node: at,
                    fate,
                    back,
                },
            );
            for (id, _) in self.net.of(at) {
                if self.rng.percent(50) {
                    self.cut(id);
                }
            }
        }
    }
}
