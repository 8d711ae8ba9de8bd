//! What child hubs tell of the nodes below them, in their numbers and in ours.

use std::collections::{BTreeSet, HashMap};

use wire::record::Record;
use wire::{
    Link, NodeEntry, NodeId, Presence, RosterDelta, RosterMark, Standing, Uid, UnixMillis, limits,
};

use super::{Change, Roster};
use crate::bounds;
use crate::gate::Peer;
use crate::node::Node;
use crate::planted::{self, Bug};

/// What came of applying a child hub's delta.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Nodes whose id another accepted key holds: the child is told to deny them.
    pub conflicts: Vec<(Uid, NodeId)>,
    /// Our numbers of nodes for which the child no longer vouches: it can tell nothing more of them.
    pub gone: Vec<u32>,
}

/// How far a child hub's roster is known, and its numbers in terms of ours.
#[derive(Debug, Default)]
pub(super) struct ChildRoster {
    pub(super) mark: RosterMark,
    pub(super) ours: HashMap<u32, u32>,
    /// Numbers seen since a snapshot began; what is missing at its end is gone.
    snapshot: Option<BTreeSet<u32>>,
    /// A node of it was passed over, since another key holds its id. The child is told to deny it; should that get lost,
    /// the next session begins with a snapshot and shows the conflict again.
    conflict: bool,
}

impl Roster {
    /// What the child hub's numbers mean here.
    pub(crate) fn numbers_of(&self, hub: Uid) -> impl Fn(u32) -> Option<u32> + Copy + '_ {
        let numbers = self.children.get(&hub).map(|child| &child.ours);
        move |theirs| numbers?.get(&theirs).copied()
    }

    /// What the child hub's number means here.
    fn ours(&self, hub: Uid, theirs: u32) -> Option<u32> {
        self.numbers_of(hub)(theirs)
    }

    pub(crate) fn child_mark(&self, hub: Uid) -> RosterMark {
        self.children.get(&hub).map(|c| c.mark).unwrap_or_default()
    }

    /// A child hub is cut off: so is everything that is known through it alone.
    pub(crate) fn cut_off(&mut self, hub: Uid, now: UnixMillis) {
        let cut = Link {
            presence: Presence::CutOff,
            since: now,
        };
        let mut below: Vec<u32> = self
            .children
            .get(&hub)
            .map(|c| c.ours.values().copied().collect())
            .unwrap_or_default();
        below.sort_unstable();
        for index in below {
            let Some(node) = self.nodes.get_mut(&index) else {
                continue;
            };
            if let Some((_, link)) = node.via.get_mut(&hub) {
                *link = cut;
            }
            self.relink(index);
        }
        if let Some(child) = self.children.get_mut(&hub) {
            child.snapshot = None;
        }
    }

    /// A child hub is no part of the tree any more, and so is nothing that only it vouches for. Gives our numbers of
    /// the nodes that it vouched for.
    pub(crate) fn forget_child(&mut self, hub: Uid) -> Vec<u32> {
        let Some(child) = self.children.remove(&hub) else {
            return Vec::new();
        };
        let mut below: Vec<u32> = child.ours.into_values().collect();
        below.sort_unstable();
        for &index in &below {
            self.forget_via(hub, index);
        }
        self.records.push(Record::ChildMark {
            hub,
            mark: RosterMark::default(),
        });
        below
    }

    /// Takes in a part of a child hub's roster. The gate has checked that each path lies within the child's.
    pub(crate) fn apply(&mut self, hub: Uid, delta: RosterDelta) -> Applied {
        let mut applied = Applied::default();
        if delta.snapshot {
            let child = self.children.entry(hub).or_default();
            child.snapshot = Some(BTreeSet::new());
            child.conflict = false;
        }
        for entry in delta.entries {
            self.apply_entry(hub, entry, &mut applied);
        }
        for (link, who) in delta.links {
            for theirs in who.iter() {
                let Some(index) = self.ours(hub, theirs) else {
                    continue;
                };
                if let Some(node) = self.nodes.get_mut(&index)
                    && let Some((_, known)) = node.via.get_mut(&hub)
                {
                    *known = link;
                }
                self.relink(index);
            }
        }
        if delta.done {
            let child = self.children.entry(hub).or_default();
            child.conflict |= !applied.conflicts.is_empty();
            child.mark = match child.conflict && !planted::is(Bug::LosesConflicts) {
                true => RosterMark::default(),
                false => delta.mark,
            };
            let mark = child.mark;
            if let Some(seen) = child.snapshot.take() {
                let mut absent: Vec<u32> = child
                    .ours
                    .iter()
                    .filter(|(theirs, _)| !seen.contains(theirs))
                    .map(|(_, ours)| *ours)
                    .collect();
                absent.sort_unstable();
                for &index in &absent {
                    self.forget_via(hub, index);
                }
                applied.gone.extend(absent);
            }
            self.records.push(Record::ChildMark { hub, mark });
        }
        applied
    }

    fn apply_entry(&mut self, hub: Uid, entry: NodeEntry, applied: &mut Applied) {
        let Some(standing) = entry.standing else {
            if let Some(index) = self.ours(hub, entry.index) {
                self.forget_via(hub, index);
                applied.gone.push(index);
            }
            return;
        };
        if let Some(seen) = self.children.entry(hub).or_default().snapshot.as_mut() {
            seen.insert(entry.index);
        }
        if standing == Standing::Accepted
            && let Some(holder) = self.holder(entry.role, &entry.id)
            && holder.uid != entry.uid
        {
            applied.conflicts.push((entry.uid, entry.id));
            return;
        }
        let index = match self.by_uid.get(&entry.uid) {
            Some(&index) if !self.counts_twice(hub, index) => index,
            _ => {
                let index = self
                    .departed
                    .remove(&entry.uid)
                    .filter(|_| !planted::is(Bug::ForgetsNumbers))
                    .unwrap_or(self.next_index);
                self.next_index = self.next_index.max(index + 1);
                self.revision += 1;
                let key = Peer {
                    uid: entry.uid,
                    id: entry.id.clone(),
                    role: entry.role,
                    path: entry.path.clone(),
                    fingerprint: entry.fingerprint,
                };
                let node = Node::new(index, key, standing, entry.link, self.revision);
                self.insert(node);
                index
            }
        };
        // A hub that restarted may give a number again that it never saved, or give a node a new one.
        if let Some(other) = self.ours(hub, entry.index).filter(|other| *other != index) {
            self.forget_via(hub, other);
            applied.gone.push(other);
        }
        let child = self.children.entry(hub).or_default();
        child.ours.insert(entry.index, index);
        let Some(node) = self.nodes.get_mut(&index) else {
            return;
        };
        if let Some((number, _)) = node.via.get(&hub).filter(|(n, _)| *n != entry.index) {
            child.ours.remove(number);
            // A new number means that the key was removed there and let in again: the hub's accounts name it by the old
            // one, of which nothing more will be heard.
            if !planted::is(Bug::KeepsRenumbered) {
                applied.gone.push(index);
            }
        }
        node.via.insert(hub, (entry.index, entry.link));
        node.software = bounds::software(&entry.software);
        let dissenters = node.hears(hub, standing, entry.path);
        let mut change = Change::Entry;
        if let Some(grains) = entry.grains
            && grains.len() <= limits::MAX_GRAINS
            && node.grains.as_ref() != Some(&grains)
        {
            node.grains = Some(grains);
            change = Change::Grains;
        }
        if entry.roots.is_some() {
            node.roots = entry.roots.map(bounds::roots);
        }
        if entry.job_key.is_some() {
            node.job_key = entry.job_key;
        }
        if node.standing != standing && node.direct.is_none() {
            self.set_standing(index, standing);
        }
        self.touch(index, change);
        self.relink(index);
        for hub in dissenters {
            self.hear_all_again(hub);
        }
    }

    /// What a child hub says now and is not kept on disk is told again when its next session begins.
    pub(super) fn hear_all_again(&mut self, hub: Uid) {
        let child = self.children.entry(hub).or_default();
        child.conflict = true;
        child.mark = RosterMark::default();
        let mark = child.mark;
        self.records.push(Record::ChildMark { hub, mark });
    }

    /// The planted bug of a node with two ways to it that becomes two.
    fn counts_twice(&self, hub: Uid, index: u32) -> bool {
        planted::is(Bug::CountsEachParent)
            && self
                .nodes
                .get(&index)
                .is_some_and(|node| !node.via.contains_key(&hub))
    }

    /// The child hub no longer vouches for the node.
    fn forget_via(&mut self, hub: Uid, index: u32) {
        let Some(node) = self.nodes.get_mut(&index) else {
            return;
        };
        if let Some((theirs, _)) = node.via.remove(&hub)
            && let Some(child) = self.children.get_mut(&hub)
        {
            child.ours.remove(&theirs);
        }
        if node.direct.is_none() && node.via.is_empty() {
            self.remove(index);
        } else {
            if let Some(standing) = node.forgets(hub) {
                self.set_standing(index, standing);
            }
            self.touch(index, Change::Entry);
            self.relink(index);
        }
    }
}
