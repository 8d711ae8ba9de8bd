//! The reference model: what is true of jobs, whatever the hubs believe.

use std::collections::{BTreeMap, BTreeSet};

use wire::{
    Jid, JobOrder, LedgerDelta, Link, NodeEntry, Outcome, Presence, Return, Role, RosterDelta,
    RosterMark, SitePath, Standing, Uid, UnixMillis, Up,
};

use crate::disk::{HubDisk, Saved};
use crate::node::{Machine, Node};
use crate::orders::{Signed, Target};
use crate::shape::Spec;

/// A job as the operator knows it.
#[derive(Debug)]
pub struct Job {
    /// The hub where it was submitted.
    pub origin: usize,
    /// As it was signed.
    pub signed: Signed,
    /// Whom it is for.
    pub target: Target,
    /// Minions that the origin's roster had as accepted then and that are meant.
    pub expected: BTreeSet<Uid>,
    /// When.
    pub submitted: UnixMillis,
    /// The hub said that it has it.
    pub accepted: bool,
    /// When the hub first said that its last outcome is known.
    pub finished: Option<UnixMillis>,
    /// How many may run it at once.
    pub budget: Option<u64>,
    /// Top-masters that were told to adopt it.
    pub adopters: BTreeSet<usize>,
    /// Its origin's database was put back since: what came after the copy may be missing.
    pub restored: bool,
}

/// What a minion did with a job.
#[derive(Debug, Default)]
pub struct Run {
    /// How often it ran.
    pub count: u32,
    /// The function ended.
    pub ret: Option<Return>,
    /// The return reached the journal.
    pub journalled: bool,
}

/// The truth.
#[derive(Debug, Default)]
pub struct Model {
    /// All jobs.
    pub jobs: BTreeMap<Jid, Job>,
    /// All runs.
    pub runs: BTreeMap<(Jid, Uid), Run>,
    /// Keys about which someone decided: rosters further up may be behind for a while.
    pub decided: Vec<Uid>,
    /// Orders that someone sent to minions that no hub had chosen for them.
    pub replayed: BTreeSet<Jid>,
    /// Who runs what since when, as far as functions end within their bound.
    running: BTreeMap<Jid, BTreeMap<Uid, UnixMillis>>,
    /// Hubs whose disk was put back or wiped, and when that was last.
    restored: BTreeMap<usize, UnixMillis>,
    forged: Vec<Jid>,
}

impl Model {
    /// A job is submitted at a hub.
    pub fn submitted(
        &mut self,
        at: usize,
        signed: &Signed,
        target: Target,
        now: UnixMillis,
        nodes: &[Node],
    ) {
        let mut expected = BTreeSet::new();
        if let Machine::Hub(hub) = &nodes[at].machine {
            let site = &nodes[at].spec.peer.path;
            for node in nodes.iter().filter(|n| target.means(&n.spec)) {
                let known = hub.node_by_uid(node.spec.peer.uid);
                if known
                    .is_some_and(|k| k.standing() == Standing::Accepted && site.contains(k.path()))
                {
                    expected.insert(node.spec.peer.uid);
                }
            }
        }
        let job = Job {
            origin: at,
            signed: signed.clone(),
            target,
            expected,
            submitted: now,
            accepted: false,
            finished: None,
            budget: None,
            adopters: BTreeSet::new(),
            restored: false,
        };
        self.jobs.insert(signed.order.jid, job);
    }

    /// So many may run it at once.
    pub fn limit(&mut self, jid: Jid, budget: u64) {
        if let Some(job) = self.jobs.get_mut(&jid) {
            job.budget = Some(budget);
        }
    }

    /// A top-master is told to adopt a job. Who is right below a top-master is out of another one's sight, and has turns of its own
    /// from then on.
    pub fn adopted(&mut self, at: usize, jid: Jid, nodes: &[Node]) {
        if let Some(job) = self.jobs.get_mut(&jid) {
            job.adopters.insert(at);
        }
        if let Some(running) = self.running.get_mut(&jid) {
            let is_direct = |uid: &Uid| {
                nodes
                    .iter()
                    .any(|n| n.spec.peer.uid == *uid && is_below_top(n, nodes))
            };
            running.retain(|uid, _| !is_direct(uid));
        }
    }

    /// An order that nobody signed.
    pub fn forged(&mut self, jid: Jid) {
        self.forged.push(jid);
    }

    /// The hub says that it has the job.
    pub fn accepted(&mut self, at: usize, jid: Jid, nodes: &[Node]) {
        assert!(
            nodes[at].hub_disk.jobs.contains_key(&jid),
            "P3: {jid} was acknowledged and is not on the disk of {at}"
        );
        if let Some(job) = self.jobs.get_mut(&jid) {
            job.accepted = true;
        }
    }

    /// The hub had no room for the job.
    pub fn turned_down(&mut self, jid: Jid) {
        self.jobs.remove(&jid);
    }

    /// A hub's database is as it was some time ago.
    pub fn restored(&mut self, at: usize, now: UnixMillis, disk: &HubDisk) {
        self.restored.insert(at, now);
        for (jid, job) in self.jobs.iter_mut().filter(|(_, job)| job.origin == at) {
            job.restored = true;
            job.accepted = disk.jobs.contains_key(jid);
            job.finished = None;
        }
    }

    /// When a hub's disk was put back or wiped.
    pub fn restored_at(&self, at: usize) -> Option<UnixMillis> {
        self.restored.get(&at).copied()
    }

    /// Whether some hub's disk was put back or wiped.
    pub fn some_hub_restored(&self) -> bool {
        !self.restored.is_empty()
    }

    /// A hub says that the last outcome of a job is known.
    pub fn job_finished(&mut self, at: usize, jid: Jid, now: UnixMillis, disk: &HubDisk) {
        let state = disk.jobs.get(&jid).and_then(|job| job.state.as_ref());
        assert!(
            state.is_some_and(|state| state.finished.is_some()),
            "P3: {at} says that {jid} is finished, and its disk does not"
        );
        if let Some(job) = self.jobs.get_mut(&jid).filter(|j| j.origin == at) {
            job.finished.get_or_insert(now);
        }
    }

    /// A minion starts a function.
    pub fn started(&mut self, at: usize, order: &JobOrder, now: UnixMillis, nodes: &[Node]) {
        let jid = order.jid;
        let node = &nodes[at];
        let uid = node.spec.peer.uid;
        assert!(
            !self.forged.contains(&jid),
            "P8: {at} runs {jid}, which nobody signed"
        );
        let Some(job) = self.jobs.get(&jid) else {
            panic!("P8: {at} runs {jid}, which nobody submitted");
        };
        assert_eq!(
            *order, *job.signed.order,
            "P7, P8: {at} runs something else than was ordered"
        );
        assert!(now <= order.start_by, "P2: {at} runs {jid} after its time");
        assert!(
            job.target.means(&node.spec),
            "P8: {at} runs {jid}, which is not for it"
        );
        assert!(
            node.leaf_disk.has_start(jid),
            "P4: {at} runs {jid}, and its journal does not know"
        );
        let named = node.spec.parents.iter().any(|hub| {
            nodes[*hub].hub_disk.row(jid, uid).is_some() || self.restored.contains_key(hub)
        });
        // Who replays orders does not name anybody first; the minion then has to tell it to the right ones.
        assert!(
            named || self.replayed.contains(&jid),
            "P1: {at} runs {jid}, and no hub has named it on disk"
        );
        let run = self.runs.entry((jid, uid)).or_default();
        run.count += 1;
        assert_eq!(run.count, 1, "P4: {at} runs {jid} again");
        if job.adopters.is_empty() || !is_below_top(node, nodes) {
            self.running.entry(jid).or_default().insert(uid, now);
        }
    }

    /// A rollout never has more minions at work than it was given, over the whole tree. One that was frozen in the middle of
    /// its run takes longer than its bound, and is counted no longer than that.
    pub fn check_budget(&mut self, jid: Jid, now: UnixMillis) {
        let Some(job) = self.jobs.get(&jid).filter(|job| !job.restored) else {
            return;
        };
        // A hub that sends an order out of turn can't be held to a budget that minions know nothing of.
        if self.replayed.contains(&jid) {
            return;
        }
        let Some(budget) = job.budget else {
            return;
        };
        let bound = job.signed.order.options.run_ms_max.unwrap_or(u64::MAX);
        let Some(running) = self.running.get_mut(&jid) else {
            return;
        };
        running.retain(|_, since| now.saturating_sub(*since) <= bound);
        let at_once = running.len() as u64;
        assert!(
            at_once <= budget,
            "P4: {at_once} minions run {jid} at once, its budget is {budget}"
        );
    }

    /// A node died, and the functions that it ran with it.
    pub fn died(&mut self, uid: Uid) {
        for running in self.running.values_mut() {
            running.remove(&uid);
        }
    }

    /// A function ended.
    pub fn finished(&mut self, uid: Uid, ret: &Return) {
        if let Some(run) = self.runs.get_mut(&(ret.jid, uid)) {
            run.ret = Some(ret.clone());
        }
        if let Some(running) = self.running.get_mut(&ret.jid) {
            running.remove(&uid);
        }
    }

    /// A return is in its minion's journal.
    pub fn journalled(&mut self, uid: Uid, jid: Jid) {
        if let Some(run) = self.runs.get_mut(&(jid, uid)) {
            run.journalled = true;
        }
    }

    /// A hub has saved a part of an account: whoever returned in it still has the return, or did until the origin had it.
    pub fn check_custody(&self, at: usize, delta: &LedgerDelta, disk: &HubDisk) {
        for group in &delta.groups {
            if !matches!(group.outcome, Outcome::Returned { .. }) {
                continue;
            }
            for uid in group.who.iter().filter_map(|index| disk.holder(index)) {
                let run = self.runs.get(&(delta.jid, uid));
                assert!(
                    run.is_some_and(|run| run.journalled),
                    "P3: {at} has a return of {} by {uid}, whose journal has none",
                    delta.jid
                );
            }
        }
    }

    /// A minion is about to free its copy of a return.
    pub fn check_settled(&self, at: usize, jid: Jid, nodes: &[Node]) {
        let Some(ret) = nodes[at].leaf_disk.kept(jid) else {
            return;
        };
        let Some(job) = self.jobs.get(&jid) else {
            panic!("{at} keeps a return of {jid}, which nobody submitted");
        };
        if job.restored {
            return;
        }
        let uid = nodes[at].spec.peer.uid;
        let kept = |owner: &usize| {
            let row = nodes[*owner].hub_disk.row(jid, uid);
            row.is_some_and(|row| matches!(row, Saved::Returned { .. }))
        };
        let owner = job.adopters.iter().copied().find(kept);
        match nodes[owner.unwrap_or(job.origin)].hub_disk.row(jid, uid) {
            Some(Saved::Returned { retcode, value }) => {
                assert_eq!(
                    (*retcode, value),
                    (ret.retcode, &ret.value),
                    "P3: {jid} of {at}"
                );
            }
            other => panic!(
                "P3: {at} frees its return of {jid}, and the origin {} has {other:?}",
                job.origin
            ),
        }
    }

    /// A hub starts again: what it acknowledged is there.
    pub fn check_recovered(&self, at: usize, node: &Node) {
        for (jid, job) in self
            .jobs
            .iter()
            .filter(|(_, j)| j.origin == at && j.accepted)
        {
            let stored = node.hub_disk.jobs.get(jid);
            assert!(stored.is_some(), "P3: {at} lost {jid}");
            if let (Some(stored), Machine::Hub(hub)) = (stored, &node.machine)
                && stored.open
            {
                assert!(hub.job(*jid).is_some(), "P3: {at} forgot {jid}");
            }
            assert!(
                job.finished.is_none() || stored.is_some_and(|s| s.state.is_some()),
                "P3: {at} forgot that {jid} is finished"
            );
        }
    }

    /// A roster entry that a syndic may not send.
    pub fn roster_outside(&self, syndic: &Spec) -> Up {
        let mut uid = syndic.peer.uid;
        uid.0[14] = 0xff;
        let path: SitePath = "elsewhere".parse().unwrap_or_default();
        Up::Roster(RosterDelta {
            serial: 1,
            mark: RosterMark::default(),
            snapshot: false,
            done: true,
            entries: vec![NodeEntry {
                index: 9_999,
                uid,
                id: syndic.peer.id.clone(),
                role: Role::Minion,
                path,
                fingerprint: [0; 32],
                standing: Some(Standing::Accepted),
                link: Link {
                    presence: Presence::Up,
                    since: 0,
                },
                software: String::new(),
                grains: None,
                roots: None,
                job_key: None,
            }],
            links: vec![],
        })
    }
}

/// Whether a top-master hands orders to a minion itself.
fn is_below_top(node: &Node, nodes: &[Node]) -> bool {
    let mut parents = node.spec.parents.iter();
    parents.any(|parent| nodes[*parent].spec.peer.role == Role::TopMaster)
}
