//! A hub's roster: every node of its subtree under a number of its own, with who vouches for it and since when
//! it is up or down.
//!
//! A node is known directly (it is this hub's own child) or through child hubs, or both ways. What the hub
//! says of it upwards is the best of what it knows.

mod child;
mod delta;
mod keys;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wire::record::{NodeRecord, Record};
use wire::{Json, Link, NodeEntry, NodeId, Presence, RootsReport, RosterMark, Uid, UnixMillis};

use crate::gate::Peer;
use crate::node::{Node, entry_of};
use crate::planted::{self, Bug};

use child::ChildRoster;
pub(crate) use keys::ConnectError;
pub use keys::Decision;
use keys::is_strange;

#[derive(Debug)]
pub(crate) struct Roster {
    epoch: u64,
    revision: u64,
    /// Who left before this revision is not remembered: a mark below it is answered with a snapshot.
    history_from: u64,
    /// The last change that goes to the disk.
    recorded: u64,
    next_index: u32,
    nodes: BTreeMap<u32, Node>,
    by_uid: HashMap<Uid, u32>,
    /// Accepted nodes alone: hubs and minions are two name spaces, as a minion often runs on its syndic's host.
    by_id: HashMap<(bool, NodeId), u32>,
    /// Latest change of each node, for deltas.
    changed: BTreeSet<(u64, u32)>,
    /// Nodes that left, for deltas: revision and the entry to send.
    gone: BTreeMap<(u64, u32), NodeEntry>,
    /// Numbers of those among them that were known through child hubs. A hub that lost its disk tells of the same keys
    /// again; under other numbers they would count twice in the accounts that there are.
    departed: HashMap<Uid, u32>,
    children: HashMap<Uid, ChildRoster>,
    /// Children that no operator has let in.
    strange: usize,
    records: Vec<Record>,
}

/// Departed nodes that are remembered for deltas; a parent that missed more gets a snapshot.
const GONE_MAX: usize = 10_000;

impl Roster {
    pub(crate) fn new(epoch: u64) -> Self {
        Roster {
            epoch,
            revision: 1,
            history_from: 1,
            recorded: 0,
            next_index: 0,
            nodes: BTreeMap::new(),
            by_uid: HashMap::new(),
            by_id: HashMap::new(),
            changed: BTreeSet::new(),
            gone: BTreeMap::new(),
            departed: HashMap::new(),
            children: HashMap::new(),
            strange: 0,
            records: Vec::new(),
        }
    }

    /// The roster of a store: nothing is connected, whatever the records say.
    ///
    /// `revision` begins above every one that was told before, which the caller ensures by passing the time.
    pub(crate) fn restore(
        epoch: u64,
        revision: u64,
        next_index: u32,
        records: Vec<NodeRecord>,
        marks: Vec<(Uid, RosterMark)>,
        now: UnixMillis,
    ) -> Self {
        let mut roster = Roster {
            revision,
            history_from: if planted::is(Bug::RestartForgetsGone) {
                1
            } else {
                revision
            },
            next_index: if planted::is(Bug::NumberGivenAgain) {
                0
            } else {
                next_index
            },
            ..Roster::new(epoch)
        };
        for (hub, mark) in marks {
            roster.children.entry(hub).or_default().mark = mark;
        }
        for r in records {
            let since = if r.link.presence == Presence::Up {
                now
            } else {
                r.link.since
            };
            let own = Link {
                presence: Presence::Down,
                since,
            };
            let cut = Link {
                presence: Presence::CutOff,
                since: now,
            };
            for (hub, theirs) in &r.via {
                roster
                    .children
                    .entry(*hub)
                    .or_default()
                    .ours
                    .insert(*theirs, r.index);
            }
            let key = Peer {
                uid: r.uid,
                id: r.id,
                role: r.role,
                path: r.path,
                fingerprint: r.fingerprint,
            };
            let link = if r.direct { own } else { cut };
            let node = Node {
                direct: r.direct.then_some(own),
                via: r
                    .via
                    .iter()
                    .map(|(hub, theirs)| (*hub, (*theirs, cut)))
                    .collect(),
                software: r.software,
                grains: r.grains,
                roots: r.roots,
                job_key: r.job_key,
                ..Node::new(r.index, key, r.standing, link, revision)
            };
            roster.next_index = roster.next_index.max(node.index + 1);
            roster.insert(node);
        }
        roster
    }

    fn insert(&mut self, node: Node) {
        self.by_uid.insert(node.uid, node.index);
        if node.is_accepted() {
            self.by_id
                .insert((node.role.is_hub(), node.id.clone()), node.index);
        }
        if is_strange(node.standing) && node.direct.is_some() {
            self.strange += 1;
        }
        self.changed
            .insert((node.revision.max(node.link_revision), node.index));
        self.nodes.insert(node.index, node);
    }

    pub(crate) fn mark(&self) -> RosterMark {
        RosterMark {
            epoch: self.epoch,
            revision: self.revision,
        }
    }

    /// Whether everything but the state of links is older than this revision.
    pub(crate) fn is_recorded(&self, revision: u64) -> bool {
        self.recorded <= revision
    }

    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(&index)
    }

    pub(crate) fn by_uid(&self, uid: Uid) -> Option<&Node> {
        self.by_uid
            .get(&uid)
            .and_then(|index| self.nodes.get(index))
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Records of what changed since the last call.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Whether something changed since then.
    pub(crate) fn has_records(&self) -> bool {
        !self.records.is_empty()
    }

    /// Marks a node as changed now: moves it to the end of the deltas.
    fn touch(&mut self, index: u32, what: Change) {
        let Some(node) = self.nodes.get_mut(&index) else {
            return;
        };
        self.changed
            .remove(&(node.revision.max(node.link_revision), index));
        self.revision += 1;
        match what {
            Change::Link => node.link_revision = self.revision,
            Change::Entry => node.revision = self.revision,
            Change::Grains => {
                node.revision = self.revision;
                node.grains_revision = self.revision;
            }
        }
        self.changed.insert((self.revision, index));
        if what != Change::Link {
            self.recorded = self.revision;
            let record = node.record();
            self.records.push(record);
        }
    }

    /// Works out the best link of a node again; true when it changed.
    fn relink(&mut self, index: u32) -> bool {
        let Some(node) = self.nodes.get_mut(&index) else {
            return false;
        };
        let best = node
            .direct
            .into_iter()
            .chain(node.via.values().map(|(_, link)| *link))
            .min()
            .unwrap_or(node.link);
        if best == node.link {
            return false;
        }
        node.link = best;
        self.touch(index, Change::Link);
        true
    }

    fn remove(&mut self, index: u32) {
        let Some(node) = self.nodes.remove(&index) else {
            return;
        };
        self.changed
            .remove(&(node.revision.max(node.link_revision), index));
        self.by_uid.remove(&node.uid);
        let name = (node.role.is_hub(), node.id.clone());
        if self.by_id.get(&name) == Some(&index) {
            self.by_id.remove(&name);
        }
        if is_strange(node.standing) && node.direct.is_some() {
            self.strange -= 1;
        }
        for (hub, (theirs, _)) in &node.via {
            if let Some(child) = self.children.get_mut(hub) {
                child.ours.remove(theirs);
            }
        }
        self.revision += 1;
        self.recorded = self.revision;
        let mut entry = entry_of(&node, false);
        entry.standing = None;
        self.gone.insert((self.revision, index), entry);
        if node.direct.is_none() {
            self.departed.insert(node.uid, index);
        }
        if self.gone.len() > GONE_MAX
            && let Some(((revision, index), entry)) = self.gone.pop_first()
        {
            self.history_from = revision;
            if self.departed.get(&entry.uid) == Some(&index) {
                self.departed.remove(&entry.uid);
            }
        }
        self.records.push(Record::NodeGone { index });
    }

    pub(crate) fn set_grains(&mut self, index: u32, grains: Json) {
        if let Some(node) = self.nodes.get_mut(&index)
            && node.grains.as_ref() != Some(&grains)
        {
            node.grains = Some(grains);
            self.touch(index, Change::Grains);
        }
    }

    pub(crate) fn set_roots(&mut self, uid: Uid, roots: RootsReport) {
        if let Some(&index) = self.by_uid.get(&uid)
            && let Some(node) = self.nodes.get_mut(&index)
            && node.roots.as_ref() != Some(&roots)
        {
            node.roots = Some(roots);
            self.touch(index, Change::Entry);
        }
    }

    pub(crate) fn set_job_key(&mut self, index: u32, job_key: Option<[u8; 32]>) {
        if let Some(node) = self.nodes.get_mut(&index)
            && node.job_key != job_key
        {
            node.job_key = job_key;
            self.touch(index, Change::Entry);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Link,
    Entry,
    Grains,
}
