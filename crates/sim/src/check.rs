//! The invariants, under the names of the promises.

use std::collections::BTreeMap;

use relay::{Hub, JobView, Replay};
use wire::control::LedgerRow;
use wire::{
    Counts, Down, Jid, JobOrder, Outcome, OutcomeKind, Presence, Role, SitePath, Standing, Uid, Up,
    codec,
};

use crate::disk::Saved;
use crate::node::{Machine, Node};
use crate::orders::Target;
use crate::pillars;
use crate::world::{World, must};

macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}

macro_rules! ensure_eq {
    ($one:expr, $other:expr, $($text:tt)+) => {
        let (one, other) = (&$one, &$other);
        ensure!(one == other, "{}: {one:?} and {other:?}", format!($($text)+));
    };
}

impl World {
    fn hub(&self, at: usize) -> Option<&Hub> {
        match &self.nodes[at].machine {
            Machine::Hub(hub) => Some(hub),
            _ => None,
        }
    }

    /// After every step of a hub. P1: counts are the rows, by id.
    ///
    /// Where nothing fails and nobody decides, nobody is named any more once an account is complete.
    pub fn check_step(&mut self, at: usize) {
        if !self.steps.is_multiple_of(self.check_every) {
            return;
        }
        let Machine::Hub(hub) = &self.nodes[at].machine else {
            return;
        };
        let is_calm = !self.plan.faults && !self.plan.decisions;
        for jid in self.model.jobs.keys() {
            let Some(job) = hub.job(*jid) else { continue };
            check_counts(at, *jid, job);
            // Hubs above the origin are told what was, in parts.
            let origin = self.model.jobs[jid].origin;
            let is_asked = origin == at || self.is_above(origin, at);
            // Who runs an order that someone replayed behind a hub that is too old for its target was undecided before.
            let is_replayed = self.model.replayed.contains(jid)
                && matches!(self.model.jobs[jid].target, Target::Role(_));
            let is_told = is_asked && job.order().is_some() && !is_replayed;
            if is_calm && is_told && job.is_complete() {
                let expected = job.counts().expected;
                let first = self.complete.entry((at, *jid)).or_insert(expected);
                assert_eq!(*first, expected, "P1: {jid} at {at} was complete before");
            }
        }
    }

    /// What the site of a minion forbids reaches it by none of its hubs, but as the order of one of them.
    pub fn check_rules(&self, at: usize, order: &JobOrder) {
        let spec = &self.nodes[at].spec;
        let origin = self.model.jobs.get(&order.jid).map(|job| job.origin);
        let is_of_site = origin.is_none_or(|origin| spec.parents.contains(&origin));
        let is_judged = self.plan.pillars && !self.model.replayed.contains(&order.jid);
        assert!(
            !is_judged || is_of_site || !pillars::forbids(spec),
            "P8: {at} runs {}, which its site forbids",
            order.jid
        );
    }

    /// When everything has healed: every roster and every ledger is the truth.
    pub fn check_end(&self) -> Result<(), String> {
        let is_there = |at: &usize| !self.nodes[*at].spec.absent;
        for at in (0..self.nodes.len()).filter(is_there) {
            ensure!(
                !matches!(self.nodes[at].machine, Machine::Off),
                "P5: {at} does not run"
            );
            self.check_links(at)?;
            self.check_roster(at)?;
            self.check_minion(at)?;
            self.check_ledgers(at)?;
        }
        for jid in self.model.jobs.keys() {
            self.check_job(*jid)?;
            self.check_beside(*jid)?;
        }
        for at in 0..self.nodes.len() {
            self.check_disk(at)?;
        }
        Ok(())
    }

    /// P3: what a hub tells its parent is on its disk.
    pub(crate) fn check_said(&self, at: usize, message: &Up) {
        let disk = &self.nodes[at].hub_disk;
        match message {
            Up::Ledger(delta) => {
                // An account that began with a return has no head, and no rows.
                let Some(job) = disk.jobs.get(&delta.jid) else {
                    return;
                };
                for group in &delta.groups {
                    let is_return = matches!(group.outcome, Outcome::Returned { .. });
                    for index in group.who.iter() {
                        let saved = job.rows.get(&index);
                        let holds = match saved {
                            Some(Saved::Returned { .. }) => true,
                            Some(Saved::Other(_)) => !is_return,
                            None => false,
                        };
                        assert!(
                            holds,
                            "P3: {at} tells of #{index} in {} what is not on its disk: {saved:?}",
                            delta.jid
                        );
                    }
                }
            }
            Up::Roster(delta) => {
                for entry in delta.entries.iter().filter(|e| e.standing.is_some()) {
                    let saved = disk.nodes.get(&entry.index);
                    let holds = saved
                        .is_some_and(|s| s.uid == entry.uid && Some(s.standing) == entry.standing);
                    assert!(
                        holds,
                        "P3: {at} tells of node #{} what is not on its disk: {saved:?}",
                        entry.index
                    );
                }
            }
            _ => {}
        }
    }

    /// P3: a job is on a hub's disk before anybody below hears of it.
    pub(crate) fn check_told(&self, at: usize, message: &Down) {
        if let Down::Job(envelope)
        | Down::Assign { envelope, .. }
        | Down::Warranted { envelope, .. }
        | Down::Turn { envelope, .. } = message
        {
            let order: JobOrder = must(codec::decode(&envelope.order));
            let is_saved = self.nodes[at].hub_disk.jobs.contains_key(&order.jid);
            assert!(
                is_saved,
                "P3: {at} sends {}, which is not on its disk",
                order.jid
            );
        }
    }

    /// P2, after a while in which nothing more happened: every job of every hub is finished, whoever is cut off.
    pub(crate) fn check_frozen(&self) -> Result<(), String> {
        for (jid, job) in &self.model.jobs {
            let origin = &self.nodes[job.origin];
            let Some(stored) = origin.hub_disk.jobs.get(jid) else {
                continue;
            };
            if stored.is_headless() {
                continue;
            }
            let state = stored.state.as_ref();
            ensure!(
                state.is_some_and(|s| s.finished.is_some()),
                "P2: {jid} at {} is not finished: {:?}",
                job.origin,
                state.map(|s| s.counts)
            );
        }
        Ok(())
    }

    /// P5: no account stays open at any hub. One that is not the origin may say of a minion with two hubs that it was out
    /// of reach, though it returned by the other one.
    fn check_ledgers(&self, at: usize) -> Result<(), String> {
        for jid in self.open_jobs(at) {
            let view = self.hub(at).and_then(|hub| hub.job(jid));
            let counts = view.map(|view| view.counts()).unwrap_or_default();
            let open = counts.running + counts.queued;
            ensure!(open == 0, "P5: {jid} at {at} stays open: {counts:?}");
        }
        Ok(())
    }

    /// P4: no disk says that a minion returned what it did not return.
    fn check_disk(&self, at: usize) -> Result<(), String> {
        let disk = &self.nodes[at].hub_disk;
        for (jid, job) in &disk.jobs {
            for (index, saved) in &job.rows {
                let Saved::Returned { retcode, value } = saved else {
                    continue;
                };
                let run = disk
                    .holder(*index)
                    .and_then(|uid| self.model.runs.get(&(*jid, uid)))
                    .and_then(|run| run.ret.as_ref());
                let truth = run.map(|ret| (ret.retcode, &ret.value));
                ensure_eq!(
                    truth,
                    Some((*retcode, value)),
                    "P4: {jid} at {at}: #{index}"
                );
            }
        }
        Ok(())
    }

    /// Whether a hub lets a child in.
    fn admits(&self, parent: usize, child: usize) -> bool {
        let uid = self.nodes[child].spec.peer.uid;
        self.hub(parent).is_some_and(|hub| {
            !hub.is_revoked(uid)
                && hub
                    .node_by_uid(uid)
                    .is_some_and(|n| n.standing() == Standing::Accepted && n.is_direct())
        })
    }

    /// Whether a node can be reached from every one of its origins: it and all above it are let in everywhere.
    fn in_tree(&self, at: usize) -> bool {
        self.nodes[at]
            .spec
            .parents
            .iter()
            .all(|parent| self.admits(*parent, at) && self.in_tree(*parent))
    }

    /// Whether someone decided about this node, or about a hub above it.
    pub(crate) fn was_decided(&self, at: usize) -> bool {
        let spec = &self.nodes[at].spec;
        self.model.decided.contains(&spec.peer.uid)
            || spec.parents.iter().any(|parent| self.was_decided(*parent))
    }

    /// P5: who is let in is connected, who is not is not.
    fn check_links(&self, at: usize) -> Result<(), String> {
        for &parent in &self.nodes[at].spec.parents {
            let whole = self.net.is_whole(at, parent);
            let uid = self.nodes[at].spec.peer.uid;
            let up = self
                .hub(parent)
                .and_then(|hub| hub.node_by_uid(uid))
                .is_some_and(|n| n.link().presence == Presence::Up);
            if self.admits(parent, at) {
                ensure!(
                    whole && up,
                    "P5: {at} is accepted at {parent}: link {whole}, up {up}"
                );
            } else {
                ensure!(!whole, "P8: {at} is not accepted at {parent} and connected");
            }
        }
        Ok(())
    }

    /// P5: what a hub says of its subtree is what its child hubs say, and nothing else.
    fn check_roster(&self, at: usize) -> Result<(), String> {
        let Some(hub) = self.hub(at) else {
            return Ok(());
        };
        let children: Vec<usize> = (0..self.nodes.len())
            .filter(|c| self.nodes[*c].spec.peer.role.is_hub())
            .filter(|c| self.nodes[*c].spec.parents.contains(&at) && self.admits(at, *c))
            .collect();
        let mut below: BTreeMap<Uid, Vec<(usize, Standing, Presence, SitePath)>> = BTreeMap::new();
        for &child in &children {
            for node in self.hub(child).into_iter().flat_map(Hub::nodes) {
                below.entry(node.uid()).or_default().push((
                    child,
                    node.standing(),
                    node.link().presence,
                    node.path().clone(),
                ));
            }
        }
        for node in hub.nodes() {
            let said = below.remove(&node.uid()).unwrap_or_default();
            let name = format!("{at} says of {} {}", node.id(), node.uid());
            ensure!(
                node.is_direct() || !said.is_empty(),
                "P5: {name}: known, and nobody vouches for it"
            );
            if node.is_direct() {
                continue;
            }
            let same_id = |other: &&Node| other.spec.peer.id == *node.id();
            let is_contested = self.nodes.iter().filter(same_id).count() > 1;
            ensure!(
                is_contested
                    || said.iter().any(|(_, standing, _, path)| (*standing, path)
                        == (node.standing(), node.path())),
                "P5: {name}: {:?} at {:?}, its hubs {said:?}",
                node.standing(),
                node.path()
            );
            if let Some(best) = said.iter().map(|(_, _, presence, _)| *presence).min() {
                ensure_eq!(node.link().presence, best, "P5: {name}, its hubs {said:?}");
            }
        }
        for (uid, said) in below {
            let conflict = self
                .nodes
                .iter()
                .filter(|n| n.spec.peer.uid == uid)
                .any(|n| n.spec.peer.id.as_str() == "m0");
            ensure!(conflict, "P5: {at} does not know {uid}, its hubs {said:?}");
        }
        Ok(())
    }

    /// P3, P5: a minion that is part of the tree holds nothing back. One that moved out of the origin's reach keeps its
    /// returns, as it is to free them on the origin's word alone.
    fn check_minion(&self, at: usize) -> Result<(), String> {
        if self.nodes[at].spec.peer.role != Role::Minion || !self.in_tree(at) {
            return Ok(());
        }
        if let Machine::Leaf(leaf) = &self.nodes[at].machine {
            let running = leaf.running().next();
            ensure!(running.is_none(), "P5: {at} still runs {running:?}");
        }
        for jid in self.nodes[at].leaf_disk.unsettled() {
            let origin = self.model.jobs.get(&jid).map(|job| job.origin);
            let is_below = origin.is_some_and(|origin| self.is_above(origin, at));
            ensure!(!is_below, "P5: {at} still keeps its return of {jid}");
        }
        Ok(())
    }

    fn is_above(&self, hub: usize, at: usize) -> bool {
        let parents = &self.nodes[at].spec.parents;
        parents.contains(&hub) || parents.iter().any(|parent| self.is_above(hub, *parent))
    }

    /// P2, P4: a job is finished, and its account is what happened.
    fn check_job(&self, jid: Jid) -> Result<(), String> {
        let job = &self.model.jobs[&jid];
        let origin = &self.nodes[job.origin];
        let Some(stored) = origin.hub_disk.jobs.get(&jid) else {
            ensure!(!job.accepted, "P3: {jid} is not on disk");
            return Ok(());
        };
        if stored.is_headless() {
            ensure!(
                job.restored,
                "P3: {jid} at {} has lost its order",
                job.origin
            );
            return Ok(());
        }
        let replay;
        let in_memory = self.hub(job.origin).and_then(|hub| hub.job(jid));
        let view = match in_memory.filter(|view| view.order().is_some()) {
            Some(view) => view,
            None => {
                let finished = stored.state.as_ref().and_then(|s| s.finished);
                replay = Replay::new(stored.head.clone(), &stored.news, finished);
                replay.view()
            }
        };
        let (rows, undecided, values) = rows_of(view);
        ensure!(
            view.is_complete(),
            "P1: {jid} at {}: someone is not named",
            job.origin
        );
        ensure!(
            view.summary().finished.is_some(),
            "P2: {jid} at {} is not finished: {:?}",
            job.origin,
            view.counts()
        );
        for (index, row) in &rows {
            ensure!(
                row.kind.is_final(),
                "P2: {jid} at {}: #{index} is {:?}",
                job.origin,
                row.kind
            );
            let returned = matches!(row.kind, OutcomeKind::Ok | OutcomeKind::Failed);
            ensure!(
                returned || row.reason.is_some(),
                "P2: {jid}: #{index} has no reason"
            );
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let uid = node.spec.peer.uid;
            if node.spec.peer.role != Role::Minion || !self.in_tree(at) {
                continue;
            }
            // A key that was deleted and came again has several numbers.
            let numbers = origin.hub_disk.numbers(uid);
            let of_it = || numbers.iter().filter_map(|i| rows.get(i));
            let row = of_it().find(|r| r.retcode.is_some()).or(of_it().next());
            let decided = self.was_decided(at);
            // A number that a key had is kept in memory for a hub below that lost its disk, and not on the disk.
            let forgot = self.model.some_hub_restored() && origin.run > 1;
            if !decided && !forgot {
                let count = of_it().count();
                ensure!(count <= 1, "P4: {jid}: {at} counts {count} times");
            }
            // A hub that lost its disk knows no keys, which the hubs above learn with its next session: it names nobody for a
            // job that is open then.
            let wiped = |hub: usize| {
                let is_open = |since| job.finished.is_none_or(|ended| since <= ended);
                self.model.restored_at(hub).is_some_and(is_open) && self.is_above(hub, at)
            };
            let known = !(0..self.nodes.len()).any(wiped);
            if job.expected.contains(&uid) && !decided && !job.restored && known {
                let named = row.is_some() || numbers.iter().any(|i| undecided.contains(i));
                ensure!(
                    named,
                    "P2: {jid} at {}: {at} is silently absent",
                    job.origin
                );
            }
            let Some(run) = self.model.runs.get(&(jid, uid)) else {
                if let Some(row) = row {
                    let returned = matches!(row.kind, OutcomeKind::Ok | OutcomeKind::Failed);
                    ensure!(!returned, "P4: {jid}: {at} returned and never ran");
                }
                continue;
            };
            let (true, Some(ret)) = (run.journalled, &run.ret) else {
                continue;
            };
            if job.restored || !self.is_above(job.origin, at) {
                continue;
            }
            let told = row.and_then(|r| Some((r.retcode?, values.get(r.value? as usize)?)));
            ensure_eq!(
                told,
                Some((ret.retcode, &ret.value)),
                "P5: {jid} at {}: the return of {at} is missing, its row is {row:?}",
                job.origin
            );
            let on_disk = origin.hub_disk.row(jid, uid);
            ensure!(
                matches!(on_disk, Some(Saved::Returned { .. })),
                "P3: {jid}: the return of {at} is not on the origin's disk"
            );
        }
        Ok(())
    }
}

/// P1: the counts are those of the rows, and sum up.
fn check_counts(at: usize, jid: Jid, job: JobView<'_>) {
    let counts = job.counts();
    let progress = job.progress(&|_| None, &|_| None, 0);
    let rows = progress
        .sites
        .first()
        .map_or(Counts::default(), |s| s.counts);
    assert_eq!(counts, rows, "P1: {jid} at {at}");
    let sum: u64 = OutcomeKind::ALL.iter().map(|kind| counts.of(*kind)).sum();
    assert_eq!(counts.expected, sum, "P1: {jid} at {at}");
}

type Rows = (BTreeMap<u32, LedgerRow>, Vec<u32>, Vec<wire::Json>);

/// The account by number.
fn rows_of(view: JobView<'_>) -> Rows {
    let ledger = view.ledger(&|i| Some((i.to_string(), String::new())), &|_| None, 0);
    let number = |id: &str| id.parse().unwrap_or(u32::MAX);
    let rows = ledger
        .minions
        .into_iter()
        .map(|r| (number(&r.id), r))
        .collect();
    let undecided = ledger.undecided.iter().map(|(id, _)| number(id)).collect();
    (rows, undecided, ledger.values)
}
