//! A hub's roster: every node of its subtree under a number of its own, with who vouches for it and since when
//! it is up or down.
//!
//! A node is known directly (it is this hub's own child) or through child hubs, or both ways. What the hub
//! says of it upwards is the best of what it knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wire::record::{NodeRecord, Record};
use wire::{
    IndexSet, Json, KeyDecision, Link, NodeEntry, NodeId, Presence, Role, RootsReport, RosterDelta,
    RosterMark, SitePath, Standing, Uid, UnixMillis, limits,
};

use crate::bounds;
use crate::gate::Peer;
use crate::node::{Node, entry_of};
use crate::planted::{self, Bug};

/// Keys that wait for an operator at one hub, or were denied since their id is taken, at most; further ones are told to come
/// back later. Strangers make both.
const STRANGE_MAX: usize = 10_000;

/// What an operator's decision did to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whose key.
    pub uid: Uid,
    /// Its id.
    pub id: NodeId,
    /// Minion or syndic.
    pub role: Role,
    /// How it stands now; None: forgotten.
    pub standing: Option<Standing>,
    /// Why it was not done, when it was not.
    pub refused: Option<String>,
}

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
struct ChildRoster {
    mark: RosterMark,
    ours: HashMap<u32, u32>,
    /// Numbers seen since a snapshot began; what is missing at its end is gone.
    snapshot: Option<BTreeSet<u32>>,
    /// A node of it was passed over, since another key holds its id. The child is told to deny it; should that get lost,
    /// the next session begins with a snapshot and shows the conflict again.
    conflict: bool,
}

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
            let node = Node {
                index: r.index,
                uid: r.uid,
                role: r.role,
                path: r.path,
                fingerprint: r.fingerprint,
                standing: r.standing,
                direct: r.direct.then_some(own),
                via: r
                    .via
                    .iter()
                    .map(|(hub, theirs)| (*hub, (*theirs, cut)))
                    .collect(),
                dissent: BTreeMap::new(),
                link: if r.direct { own } else { cut },
                software: r.software,
                grains: r.grains,
                roots: r.roots,
                job_key: r.job_key,
                id: r.id,
                revision,
                grains_revision: revision,
                link_revision: revision,
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

    fn set_standing(&mut self, index: u32, standing: Standing) {
        let Some(node) = self.nodes.get_mut(&index) else {
            return;
        };
        if node.direct.is_some() {
            self.strange -= usize::from(is_strange(node.standing));
            self.strange += usize::from(is_strange(standing));
        }
        node.standing = standing;
        let name = (node.role.is_hub(), node.id.clone());
        if standing == Standing::Accepted {
            self.by_id.insert(name, index);
        } else if self.by_id.get(&name) == Some(&index) {
            self.by_id.remove(&name);
        }
        self.touch(index, Change::Entry);
    }

    /// Who holds this id among accepted nodes of the same kind.
    pub(crate) fn holder(&self, role: Role, id: &NodeId) -> Option<&Node> {
        self.by_id
            .get(&(role.is_hub(), id.clone()))
            .and_then(|index| self.nodes.get(index))
    }

    /// A key asks this hub to be let in. Gives how it stands; None when there is no room for more.
    pub(crate) fn enrolling(
        &mut self,
        peer: &Peer,
        software: &str,
        now: UnixMillis,
    ) -> Option<Standing> {
        let taken = self
            .holder(peer.role, &peer.id)
            .is_some_and(|other| other.uid != peer.uid);
        if let Some(&index) = self.by_uid.get(&peer.uid) {
            let node = self.nodes.get_mut(&index)?;
            if node.standing == Standing::Accepted
                && (&node.id, node.role, &node.path) != (&peer.id, peer.role, &peer.path)
            {
                // A certificate under another name or site would make two nodes of one key. One that moves is deleted
                // where it was first.
                return Some(Standing::Denied);
            }
            let first_direct = node.direct.is_none();
            if first_direct {
                node.direct = Some(Link {
                    presence: Presence::Down,
                    since: now,
                });
                self.strange += usize::from(is_strange(node.standing));
            }
            let renamed = node.standing != Standing::Accepted
                && (node.id != peer.id || node.path != peer.path);
            if renamed {
                node.id = peer.id.clone();
                node.path = peer.path.clone();
            }
            let standing = node.standing;
            if taken && standing == Standing::Pending {
                self.set_standing(index, Standing::Denied);
                return Some(Standing::Denied);
            }
            if first_direct || renamed {
                self.touch(index, Change::Entry);
            }
            return Some(standing);
        }
        if self.strange >= STRANGE_MAX {
            return None;
        }
        let standing = if taken {
            Standing::Denied
        } else {
            Standing::Pending
        };
        self.add_direct(peer, standing, software, now);
        Some(standing)
    }

    fn add_direct(
        &mut self,
        peer: &Peer,
        standing: Standing,
        software: &str,
        now: UnixMillis,
    ) -> u32 {
        let link = Link {
            presence: Presence::Down,
            since: now,
        };
        let index = self.next_index;
        self.next_index += 1;
        self.revision += 1;
        let node = Node {
            index,
            uid: peer.uid,
            id: peer.id.clone(),
            role: peer.role,
            path: peer.path.clone(),
            fingerprint: peer.fingerprint,
            standing,
            direct: Some(link),
            via: BTreeMap::new(),
            dissent: BTreeMap::new(),
            link,
            software: software.to_owned(),
            grains: None,
            roots: None,
            job_key: None,
            revision: self.revision,
            grains_revision: self.revision,
            link_revision: self.revision,
        };
        self.recorded = self.revision;
        self.records.push(node.record());
        self.insert(node);
        index
    }

    /// A node with a certificate of the tree connects to this hub. Gives its number, or why it may not.
    pub(crate) fn connected(
        &mut self,
        peer: &Peer,
        software: &str,
        now: UnixMillis,
    ) -> Result<u32, ConnectError> {
        if let Some(holder) = self.holder(peer.role, &peer.id)
            && holder.uid != peer.uid
        {
            return Err(ConnectError::IdTaken);
        }
        let index = match self.by_uid.get(&peer.uid) {
            None => self.add_direct(peer, Standing::Accepted, software, now),
            Some(&index) => {
                match self.nodes[&index].standing {
                    Standing::Accepted => {}
                    // A hub of the same tree vouched for it with a certificate: a sibling accepted it first.
                    Standing::Pending => self.set_standing(index, Standing::Accepted),
                    // Its key is revoked as well, so that it does not come as far as this.
                    Standing::Rejected | Standing::Denied => return Err(ConnectError::NotAccepted),
                }
                index
            }
        };
        if let Some(node) = self.nodes.get_mut(&index) {
            let changed =
                node.software != software || node.path != peer.path || node.direct.is_none();
            node.software = software.to_owned();
            node.path = peer.path.clone();
            node.direct = Some(Link {
                presence: Presence::Up,
                since: now,
            });
            if changed {
                self.touch(index, Change::Entry);
            }
        }
        self.relink(index);
        Ok(index)
    }

    /// The node's connection to this hub ended.
    pub(crate) fn disconnected(&mut self, uid: Uid, now: UnixMillis) {
        let Some(&index) = self.by_uid.get(&uid) else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(&index)
            && node.direct.is_some()
        {
            node.direct = Some(Link {
                presence: Presence::Down,
                since: now,
            });
        }
        self.relink(index);
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

    /// An operator's decision about a child of this hub.
    pub(crate) fn decide(&mut self, uid: Uid, decision: KeyDecision) -> Option<Decision> {
        let index = *self.by_uid.get(&uid)?;
        let node = &self.nodes[&index];
        let (id, role) = (node.id.clone(), node.role);
        let done = |standing| Decision {
            uid,
            id: id.clone(),
            role,
            standing,
            refused: None,
        };
        Some(match decision {
            KeyDecision::Accept => {
                if let Some(holder) = self.holder(role, &id)
                    && holder.uid != uid
                {
                    let text = format!(
                        "another accepted key holds the id {id} at {}",
                        place(&holder.path)
                    );
                    return Some(Decision {
                        standing: Some(self.nodes[&index].standing),
                        refused: Some(text),
                        ..done(None)
                    });
                }
                self.set_standing(index, Standing::Accepted);
                done(Some(Standing::Accepted))
            }
            KeyDecision::Reject => {
                self.set_standing(index, Standing::Rejected);
                done(Some(Standing::Rejected))
            }
            KeyDecision::Deny => {
                self.set_standing(index, Standing::Denied);
                done(Some(Standing::Denied))
            }
            KeyDecision::Delete => {
                self.doubt_others(index);
                self.remove(index);
                done(None)
            }
        })
    }

    /// Hubs below that know a node may never hear that it goes, and would not tell of it again: the next session of each
    /// begins with its whole roster.
    fn doubt_others(&mut self, index: u32) {
        if planted::is(Bug::TrustsOthers) {
            return;
        }
        let hubs = self.nodes[&index].via.keys().copied();
        for hub in hubs.collect::<Vec<_>>() {
            let child = self.children.entry(hub).or_default();
            child.conflict = true;
            child.mark = RosterMark::default();
            let mark = child.mark;
            self.records.push(Record::ChildMark { hub, mark });
        }
    }

    /// A key of a child of this hub was revoked or restored, here or at another hub: of two statements the later one holds.
    pub(crate) fn revoked(&mut self, uid: Uid, revoked: bool) {
        let Some(node) = self.by_uid(uid).filter(|n| n.direct.is_some()) else {
            return;
        };
        let (index, standing) = (node.index, node.standing);
        let taken = self
            .holder(node.role, &node.id)
            .is_some_and(|holder| holder.uid != uid);
        match (standing, revoked) {
            (Standing::Accepted, true) => self.set_standing(index, Standing::Rejected),
            (Standing::Rejected, false) if !taken => self.set_standing(index, Standing::Accepted),
            _ => {}
        }
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
                self.insert(Node {
                    index,
                    uid: entry.uid,
                    id: entry.id.clone(),
                    role: entry.role,
                    path: entry.path.clone(),
                    fingerprint: entry.fingerprint,
                    standing,
                    direct: None,
                    via: BTreeMap::new(),
                    dissent: BTreeMap::new(),
                    link: entry.link,
                    software: String::new(),
                    grains: None,
                    roots: None,
                    job_key: None,
                    revision: self.revision,
                    grains_revision: self.revision,
                    link_revision: self.revision,
                });
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
    fn hear_all_again(&mut self, hub: Uid) {
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

    /// The frames that bring a parent from `mark` to here. With `all_links` they name every node's link, as at
    /// the start of a session, since links are not kept on disk. Nodes that changed after `upto` wait for a later delta.
    pub(crate) fn delta_since(
        &self,
        mark: RosterMark,
        upto: u64,
        all_links: bool,
    ) -> Vec<RosterDelta> {
        let snapshot = mark.epoch != self.epoch
            || mark.revision < self.history_from
            || mark.revision > self.revision;
        let since = if snapshot { 0 } else { mark.revision };
        // What was told before was on disk then.
        let upto = upto.max(since);
        let mut frames = vec![self.frame(snapshot, upto)];
        let mut bytes = 0;
        let mut push = |frames: &mut Vec<RosterDelta>, entry: NodeEntry| {
            bytes += entry.grains.as_ref().map_or(0, |g| g.len());
            if let Some(frame) = frames.last_mut() {
                frame.entries.push(entry);
                if frame.entries.len() >= limits::ROSTER_ENTRIES_PER_FRAME
                    || bytes >= limits::ROSTER_BYTES_PER_FRAME
                {
                    frame.done = false;
                    bytes = 0;
                    frames.push(self.frame(false, upto));
                }
            }
        };
        if !snapshot {
            let left = self.gone.range((since + 1, 0)..);
            for (_, entry) in left.take_while(|((revision, _), _)| *revision <= upto) {
                push(&mut frames, entry.clone());
            }
        }
        let mut links: BTreeMap<Link, IndexSet> = BTreeMap::new();
        for &(_, index) in self.changed.range((since + 1, 0)..) {
            let Some(node) = self.nodes.get(&index) else {
                continue;
            };
            if node.revision > upto {
                continue;
            }
            if node.revision > since {
                push(&mut frames, entry_of(node, node.grains_revision > since));
            } else if !all_links {
                links.entry(node.link).or_default().insert(index);
            }
        }
        if all_links {
            for node in self.nodes.values() {
                links.entry(node.link).or_default().insert(node.index);
            }
        }
        if let Some(last) = frames.last_mut() {
            last.links = links.into_iter().collect();
        }
        frames
    }

    fn frame(&self, snapshot: bool, upto: u64) -> RosterDelta {
        RosterDelta {
            serial: 0,
            mark: RosterMark {
                epoch: self.epoch,
                revision: upto,
            },
            snapshot,
            done: true,
            entries: Vec::new(),
            links: Vec::new(),
        }
    }
}

/// Why a certified node may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectError {
    IdTaken,
    NotAccepted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Link,
    Entry,
    Grains,
}

fn is_strange(standing: Standing) -> bool {
    matches!(standing, Standing::Pending | Standing::Denied)
}

fn place(path: &SitePath) -> &str {
    if path.is_top() {
        "the top"
    } else {
        path.as_str()
    }
}
