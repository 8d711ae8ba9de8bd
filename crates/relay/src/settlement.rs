//! A job's way out: returns that the origin has are freed everywhere, and accounts of which nothing more is awaited are
//! let go.

use std::collections::BTreeMap;

use wire::{Down, IndexSet, Jid};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{CLOSED_BYTES_KEPT, CLOSED_KEPT, Hub, SETTLE_MS, Timer};
use crate::planted::{self, Bug};

impl Hub {
    /// The origin has these returns on disk: let everyone below free theirs.
    pub(crate) fn settle(&mut self, jid: Jid, who: &IndexSet) {
        if let Some(job) = self.jobs.get_mut(&jid) {
            job.settled.extend(who);
        }
        let mut below: BTreeMap<LinkId, IndexSet> = BTreeMap::new();
        for index in who.iter() {
            let Some(node) = self.roster.node(index) else {
                continue;
            };
            for (hub, (theirs, _)) in &node.via {
                if let Some(link) = self.child_links.get(hub) {
                    below.entry(*link).or_default().insert(*theirs);
                }
            }
            if node.direct.is_some()
                && let Some(&link) = self.child_links.get(&node.uid)
            {
                self.settle_later(link, jid);
            }
        }
        if planted::is(Bug::SettlesOwnAlone) {
            return;
        }
        for (link, who) in below {
            self.tell_child(link, Down::SettledBy { jid, who });
        }
    }

    /// A child may free its copy: it hears so with its next job, or before long.
    pub(crate) fn settle_later(&mut self, link: LinkId, jid: Jid) {
        let Some(child) = self.children.get_mut(&link) else {
            return;
        };
        child.settled.push(jid);
        if !self.settle_due {
            self.settle_due = true;
            self.timers.set(Timer::Settle, self.now + SETTLE_MS);
        }
    }

    pub(crate) fn tell_settled(&mut self) {
        self.settle_due = false;
        let links: Vec<LinkId> = self
            .children
            .iter()
            .filter(|(_, c)| !c.settled.is_empty())
            .map(|(link, _)| *link)
            .collect();
        let told = self.take_settled(&links);
        self.outputs.extend(told);
    }

    /// The word that these minions may free returns. Most have the same to free, and then it is one message.
    pub(crate) fn take_settled(&mut self, links: &[LinkId]) -> Vec<HubOutput> {
        let mut groups: BTreeMap<Vec<Jid>, Vec<LinkId>> = BTreeMap::new();
        for link in links {
            if let Some(child) = self.children.get_mut(link)
                && !child.settled.is_empty()
            {
                let jids = std::mem::take(&mut child.settled);
                groups.entry(jids).or_default().push(*link);
            }
        }
        let tell = |(jids, links)| HubOutput::ToChildren {
            links,
            message: Down::Settled(jids),
        };
        groups.into_iter().map(tell).collect()
    }

    pub(crate) fn tell_settled_to(&mut self, link: LinkId) {
        let told = self.take_settled(&[link]);
        self.outputs.extend(told);
    }

    /// Lets go of jobs of which nothing more is awaited.
    pub(crate) fn close_jobs(&mut self) {
        let done: Vec<Jid> = self
            .jobs
            .iter()
            .filter(|(jid, job)| {
                // Nearly all that are open have not ended.
                job.has_ended()
                    && !self.unsaved.contains(**jid)
                    && !self.closed.contains(jid)
                    && job.is_over(self.signer)
            })
            .map(|(jid, _)| *jid)
            .collect();
        let is_more = !done.is_empty();
        for jid in done {
            self.timers.clear(Timer::Expiry(jid));
            self.timers.clear(Timer::Plan(jid));
            self.timers.clear(Timer::Steps(jid));
            self.counted.forget(jid);
            self.state_dirty.insert(jid);
            self.closed.push_back(jid);
            self.told_or_not(jid);
        }
        if is_more {
            self.forget_closed();
        }
    }

    /// Of jobs that are closed the newest stay, within the limits. The store has them all.
    fn forget_closed(&mut self) {
        let mut bytes = 0;
        let within = |jid: &&Jid| {
            let job = self.jobs.get(jid);
            bytes += job.map_or(0, |job| job.values().iter().map(|v| v.len()).sum());
            bytes <= CLOSED_BYTES_KEPT
        };
        let newest = self.closed.iter().rev().take(CLOSED_KEPT);
        let kept = newest.take_while(within).count();
        // Who followed the last one has yet to ask for it.
        for jid in self.closed.drain(..self.closed.len() - kept.max(1)) {
            self.jobs.remove(&jid);
        }
    }

    /// A closed job is heard of again.
    pub(crate) fn reopen(&mut self, jid: Jid) {
        let before = self.closed.len();
        self.closed.retain(|closed| *closed != jid);
        if self.closed.len() < before
            && let Some(order) = self.jobs.get(&jid).and_then(|job| job.order.clone())
            && self.now < order.start_by
            && !planted::is(Bug::QueuesHalted)
        {
            self.expires(&order);
        }
    }
}
