//! What several top-masters know of each other's jobs.

use relay::{Hub, HubInput};
use wire::{Jid, Role, Standing};

use crate::disk::Saved;
use crate::node::{Fate, Machine};
use crate::world::{Event, World};

impl World {
    /// An operator at one top-master adopts a job of another one, which is dead, or may as well be alive.
    pub(crate) fn adopt_some_job(&mut self) {
        let is_top = |at: &usize| self.nodes[*at].spec.peer.role == Role::TopMaster;
        let tops: Vec<usize> = (0..self.nodes.len()).filter(is_top).collect();
        let jids: Vec<Jid> = self.model.jobs.keys().rev().take(8).copied().collect();
        let (Some(&at), Some(&jid)) = (self.rng.pick(&tops), self.rng.pick(&jids)) else {
            return;
        };
        let origin = self.model.jobs[&jid].origin;
        if !matches!(self.nodes[at].machine, Machine::Hub(_)) || !tops.contains(&origin) {
            return;
        }
        if self.plan.faults && self.rng.percent(60) {
            let owner = tops.iter().copied().find(|top| *top != at);
            let back = self.rng.between(1, self.plan.outage_ms);
            if let Some(node) = owner {
                let fate = Fate::Lost;
                self.schedule(0, Event::Crash { node, fate, back });
            }
        }
        self.adopt(at, jid);
    }

    /// A top-master whose job is open dies, and nobody says so to another one.
    pub(crate) fn lose_some_owner(&mut self) {
        let open = self
            .model
            .jobs
            .values()
            .filter(|job| job.finished.is_none());
        let owners: Vec<usize> = open.map(|job| job.origin).collect();
        if let Some(&node) = self.rng.pick(&owners)
            && self.nodes[node].spec.peer.role == Role::TopMaster
        {
            let fate = Fate::Lost;
            let back = self.rng.between(1, 2 * self.plan.outage_ms);
            self.schedule(0, Event::Crash { node, fate, back });
        }
    }

    /// An operator says to a hub that it owns a job of another one.
    pub fn adopt(&mut self, at: usize, jid: Jid) {
        self.trace
            .note(self.now, at, "adopts", jid.to_string().as_bytes());
        self.model.adopted(at, jid, &self.nodes);
        self.feed_hub(at, HubInput::Adopt { jid });
    }

    /// P1: what one top-master ordered, every other one has heard of that has a site below it which has the job, with all returns of
    /// that site.
    pub(crate) fn check_beside(&self, jid: Jid) -> Result<(), String> {
        let job = &self.model.jobs[&jid];
        let is_top = |at: &usize| self.nodes[*at].spec.peer.role == Role::TopMaster;
        // What was on a disk that is lost, the sites have told before.
        if !is_top(&job.origin) || !job.accepted || self.model.some_hub_restored() {
            return Ok(());
        }
        let others = (0..self.nodes.len()).filter(|at| is_top(at) && *at != job.origin);
        for at in others.filter(|at| self.knows_history(*at)) {
            let stored = self.nodes[at].hub_disk.jobs.get(&jid);
            let stored = stored.filter(|stored| !stored.is_headless());
            for site in self.sites_of(at) {
                let disk = &self.nodes[site].hub_disk;
                let has_it = |jid| disk.jobs.get(jid).filter(|job| !job.is_headless());
                let Some(theirs) = has_it(&jid) else { continue };
                let Some(stored) = stored else {
                    return Err(format!(
                        "P1: {site} has {jid}, and {at} has never heard of it"
                    ));
                };
                let finished = stored.state.as_ref().is_some_and(|s| s.finished.is_some());
                if !finished {
                    return Err(format!(
                        "P2: {jid} is not finished at {at}, where it is history"
                    ));
                }
                let place = |uid| self.nodes.iter().position(|n| n.spec.peer.uid == uid);
                let is_out = |uid| place(uid).is_none_or(|at| self.was_decided(at));
                for (index, saved) in &theirs.rows {
                    let Some(uid) = disk.holder(*index) else {
                        continue;
                    };
                    // Of whom somebody decided that it is no part of the tree no more is heard.
                    let is_return = matches!(saved, Saved::Returned { .. }) && !is_out(uid);
                    let known = self.nodes[at].hub_disk.row(jid, uid);
                    if is_return && !matches!(known, Some(Saved::Returned { .. })) {
                        return Err(format!(
                            "P1: {site} has the return of {uid} to {jid}, and {at} has {known:?}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a hub's program knows history at all.
    fn knows_history(&self, at: usize) -> bool {
        let spec = &self.nodes[at].spec;
        !spec.old && !spec.absent
    }

    /// Hubs right below a top-master that are part of the tree, and tell it of what other top-masters ordered.
    fn sites_of(&self, top: usize) -> Vec<usize> {
        let Machine::Hub(hub) = &self.nodes[top].machine else {
            return Vec::new();
        };
        let is_in = |hub: &Hub, at: usize| {
            let uid = self.nodes[at].spec.peer.uid;
            let node = hub.node_by_uid(uid);
            node.is_some_and(|n| n.standing() == Standing::Accepted && n.is_direct())
        };
        (0..self.nodes.len())
            .filter(|at| {
                let spec = &self.nodes[*at].spec;
                spec.peer.role.is_hub() && spec.parents.contains(&top) && self.knows_history(*at)
            })
            .filter(|at| is_in(hub, *at))
            .collect()
    }
}
