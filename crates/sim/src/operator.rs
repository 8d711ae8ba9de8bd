//! What operators ask for, and which of everything happens next.

use wire::{
    Amount, BatchPlan, Between, Jid, KeyDecision, Reason, ReasonCode, Role, SitePath, Standing,
    StopOn, StopRule, StopScope, UnixMillis,
};

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

/// A function of a rollout ends within this time.
const BATCH_RUN_MS: u64 = 5_000;

/// A job that an operator asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// For whom.
    pub target: Target,
    /// What to run.
    pub fun: &'static str,
    /// It is to start within so many milliseconds.
    pub start_within: u64,
    /// It is kept for minions that are down.
    pub hold: bool,
    /// It is rolled out in turns.
    pub plan: Option<BatchPlan>,
}

impl World {
    /// Runs through the plan: things happen, heal, and are checked.
    pub fn run(&mut self) {
        let active = self.now.max(DAWN + self.plan.active_ms);
        self.pass_until(active);
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

    /// Lets everything happen up to a time.
    pub fn pass_until(&mut self, until: UnixMillis) {
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
            30..40 if plan.adopt_after_ms > 0 => self.lose_some_owner(),
            30..33 => self.forge(),
            33..37 => self.replay_old_order(),
            37..41 => self.steer_some_job(),
            41..50 if plan.decisions => self.decide_something(),
            50..64 if plan.faults => self.cut_some_link(),
            64..69 if plan.faults => self.deafen_some_link(),
            69..77 if plan.faults => self.block_some_link(),
            77..85 if plan.faults => self.crash_someone(),
            85..92 if plan.faults => self.doom_someone(),
            92..94 if plan.faults => self.speak_out_of_place(),
            94..97 if plan.faults => self.pause_someone(),
            97..100 if plan.restores => self.restore_some_hub(),
            97..100 => self.adopt_some_job(),
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
        let mut ask = Ask {
            target: self.some_target(),
            fun: self.rng.pick(&FUNCTIONS).copied().unwrap_or("ping"),
            start_within: if self.rng.percent(20) { 1_000 } else { 30_000 },
            hold: self.rng.percent(25),
            plan: None,
        };
        if ask.hold {
            let left = DAWN + self.plan.active_ms - self.now;
            ask.start_within = self.rng.between(1_000, left + 30_000);
        }
        if self.rng.percent(30) {
            ask.plan = Some(self.some_plan());
            ask.start_within = ask.start_within.max(60_000);
        }
        self.ask(hub, ask);
    }

    /// A rollout in turns.
    fn some_plan(&mut self) -> BatchPlan {
        let size = self.rng.between(1, 3) as u32;
        let stages = match self.rng.below(3) {
            0 => vec![Amount::Count(1), Amount::Percent(5_000)],
            _ => Vec::new(),
        };
        let between = match self.rng.below(4) {
            0 => Between::Pause(2_000),
            1 => Between::Confirm,
            _ => Between::Nothing,
        };
        let stops = match self.rng.percent(40) {
            true => vec![StopRule {
                on: StopOn::Failed,
                at: Amount::Count(self.rng.between(1, 2) as u32),
                scope: StopScope::Fleet,
            }],
            false => Vec::new(),
        };
        BatchPlan {
            size: Some(Amount::Count(size)),
            per_site: self.rng.percent(20).then_some(1),
            wait_ms: self.rng.below(3) * 500,
            stages,
            between,
            stops,
        }
    }

    /// An operator stops a job, or lets a rollout go on.
    fn steer_some_job(&mut self) {
        let jids: Vec<Jid> = self.model.jobs.keys().rev().take(8).copied().collect();
        let Some(&jid) = self.rng.pick(&jids) else {
            return;
        };
        let origin = self.model.jobs[&jid].origin;
        let input = match self.rng.percent(40) {
            true => HubInput::Halt {
                jid,
                reason: Reason {
                    code: ReasonCode::Halted,
                    text: "an operator stopped it".to_owned(),
                    since: self.nodes[origin].shows(self.now),
                },
            },
            false => HubInput::GoOn {
                jid,
                stage: self.rng.below(2) as u32,
            },
        };
        self.trace
            .note(self.now, origin, "steers", format!("{input:?}").as_bytes());
        self.feed_hub(origin, input);
    }

    fn some_target(&mut self) -> Target {
        if self.plan.pillars && self.rng.percent(60) {
            return Target::Role("web");
        }
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

    /// Submits a plain job at a hub; its jid.
    pub fn submit(
        &mut self,
        at: usize,
        target: Target,
        fun: &'static str,
        start_within: u64,
    ) -> Jid {
        let ask = Ask {
            target,
            fun,
            start_within,
            hold: false,
            plan: None,
        };
        self.ask(at, ask)
    }

    /// Submits a job at a hub; its jid.
    pub fn ask(&mut self, at: usize, ask: Ask) -> Jid {
        let node = &mut self.nodes[at];
        let now = node.shows(self.now);
        let jid = node.jids.next(now);
        let peer = &node.spec.peer;
        let origin = (peer.uid, peer.id.clone(), peer.path.clone());
        let run_ms_max = ask.plan.is_some().then_some(BATCH_RUN_MS);
        let signed = orders::order(
            jid,
            origin,
            &ask.target,
            ask.fun,
            now,
            ask.start_within,
            run_ms_max,
        );
        let text = format!("{jid} {ask:?}");
        self.trace.note(self.now, at, "submits", text.as_bytes());
        self.model
            .submitted(at, &signed, ask.target, self.now, &self.nodes);
        if let Some(Amount::Count(size)) = ask.plan.as_ref().and_then(|plan| plan.size) {
            self.model.limit(jid, u64::from(size));
        }
        self.feed_hub(
            at,
            HubInput::Submit {
                envelope: signed.envelope,
                order: signed.order,
                hold: ask.hold,
                plan: ask.plan.map(Box::new),
                warrant: None,
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
        let mut signed = orders::order(jid, origin, &Target::All, "ping", now, 30_000, None);
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
