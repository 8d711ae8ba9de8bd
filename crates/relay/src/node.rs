//! One node of a roster, and how it is shown.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use wire::record::{NodeRecord, Record};
use wire::{Json, Link, NodeEntry, NodeId, Role, RootsReport, SitePath, Standing, Uid};

use crate::gate::Peer;

/// One node of the subtree.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub index: u32,
    pub uid: Uid,
    pub id: NodeId,
    pub role: Role,
    pub path: SitePath,
    pub fingerprint: [u8; 32],
    pub standing: Standing,
    /// The connection to this very hub, when it is (also) its child.
    pub direct: Option<Link>,
    /// Child hubs that vouch for it: their number for it and what they say of its connection.
    pub via: BTreeMap<Uid, (u32, Link)>,
    /// Standing and site as said by child hubs that differ from what stands here, which is what was said last. A key that
    /// moved is known at two sites until the one that it left is heard again.
    pub dissent: BTreeMap<Uid, (Standing, SitePath)>,
    /// The best of the above, as told upwards.
    pub link: Link,
    pub software: String,
    pub grains: Option<Json>,
    pub roots: Option<RootsReport>,
    pub job_key: Option<[u8; 32]>,
    /// When the entry changed last, and its grains, and its link: revisions of this roster.
    pub(crate) revision: u64,
    pub(crate) grains_revision: u64,
    pub(crate) link_revision: u64,
}

impl Node {
    /// A node of which nothing but this is known, as of a revision. Nobody vouches for it yet.
    pub(crate) fn new(
        index: u32,
        key: Peer,
        standing: Standing,
        link: Link,
        revision: u64,
    ) -> Node {
        Node {
            index,
            uid: key.uid,
            id: key.id,
            role: key.role,
            path: key.path,
            fingerprint: key.fingerprint,
            standing,
            direct: None,
            via: BTreeMap::new(),
            dissent: BTreeMap::new(),
            link,
            software: String::new(),
            grains: None,
            roots: None,
            job_key: None,
            revision,
            grains_revision: revision,
            link_revision: revision,
        }
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.standing == Standing::Accepted
    }

    /// Whether this is an accepted minion that is a child of this very hub.
    pub(crate) fn is_own_minion(&self) -> bool {
        self.role == Role::Minion && self.is_accepted() && self.direct.is_some()
    }

    /// A child hub says how it stands, and where. Gives the hubs that said something else last.
    pub(crate) fn hears(&mut self, hub: Uid, standing: Standing, path: SitePath) -> Vec<Uid> {
        if self.direct.is_some() {
            return Vec::new();
        }
        let before = (self.standing, std::mem::replace(&mut self.path, path));
        let now = (standing, &self.path);
        self.dissent.remove(&hub);
        let mut dissenters = Vec::new();
        if now != (before.0, &before.1) {
            for other in self.via.keys().filter(|other| **other != hub) {
                if !self.dissent.contains_key(other) {
                    self.dissent.insert(*other, before.clone());
                    dissenters.push(*other);
                }
            }
        }
        self.dissent
            .retain(|_, (standing, path)| now != (*standing, path));
        dissenters
    }

    /// A child hub says nothing of it any more. When those that are left said something else, that stands now: gives the
    /// standing, to be set.
    pub(crate) fn forgets(&mut self, hub: Uid) -> Option<Standing> {
        self.dissent.remove(&hub);
        let agreed = self.via.keys().any(|hub| !self.dissent.contains_key(hub));
        if self.direct.is_some() || agreed {
            return None;
        }
        let (_, (standing, path)) = self.dissent.pop_first()?;
        self.path = path;
        Some(standing)
    }

    pub(crate) fn record(&self) -> Record {
        Record::Node(Box::new(NodeRecord {
            index: self.index,
            uid: self.uid,
            id: self.id.clone(),
            role: self.role,
            path: self.path.clone(),
            fingerprint: self.fingerprint,
            standing: self.standing,
            direct: self.direct.is_some(),
            via: self
                .via
                .iter()
                .map(|(hub, (index, _))| (*hub, *index))
                .collect(),
            link: self.link,
            software: self.software.clone(),
            grains: self.grains.clone(),
            roots: self.roots.clone(),
            job_key: self.job_key,
        }))
    }
}

pub(crate) fn entry_of(node: &Node, with_grains: bool) -> NodeEntry {
    NodeEntry {
        index: node.index,
        uid: node.uid,
        id: node.id.clone(),
        role: node.role,
        path: node.path.clone(),
        fingerprint: node.fingerprint,
        standing: Some(node.standing),
        link: node.link,
        software: node.software.clone(),
        grains: if with_grains {
            node.grains.clone()
        } else {
            None
        },
        roots: node.roots.clone(),
        job_key: node.job_key,
    }
}

/// A node as it is shown to people and programs.
#[derive(Debug, Clone, Copy)]
pub struct RosterView<'a>(pub(crate) &'a Node);

impl<'a> RosterView<'a> {
    /// This hub's number for it.
    pub fn index(&self) -> u32 {
        self.0.index
    }
    /// Its key.
    pub fn uid(&self) -> Uid {
        self.0.uid
    }
    /// Its label.
    pub fn id(&self) -> &'a NodeId {
        &self.0.id
    }
    /// Minion or syndic.
    pub fn role(&self) -> Role {
        self.0.role
    }
    /// Its site.
    pub fn path(&self) -> &'a SitePath {
        &self.0.path
    }
    /// SHA-256 of its public key.
    pub fn fingerprint(&self) -> &'a [u8; 32] {
        &self.0.fingerprint
    }
    /// Accepted or not.
    pub fn standing(&self) -> Standing {
        self.0.standing
    }
    /// Whether it is a child of this very hub.
    pub fn is_direct(&self) -> bool {
        self.0.direct.is_some()
    }
    /// Whether a child hub of this hub vouches for it.
    pub fn is_vouched_for(&self) -> bool {
        !self.0.via.is_empty()
    }
    /// Whether it can be reached, and since when.
    pub fn link(&self) -> Link {
        self.0.link
    }
    /// Its program's version.
    pub fn software(&self) -> &'a str {
        &self.0.software
    }
    /// A minion's grains.
    pub fn grains(&self) -> Option<&'a Json> {
        self.0.grains.as_ref()
    }
    /// As a target sees it.
    pub fn facts(&self) -> NodeFacts<'a> {
        NodeFacts::of(self.0)
    }
    /// A syndic's public job key.
    pub fn job_key(&self) -> Option<[u8; 32]> {
        self.0.job_key
    }
    /// A syndic's roots.
    pub fn roots(&self) -> Option<&'a RootsReport> {
        self.0.roots.as_ref()
    }
}

/// A roster node as a target sees it; grains are parsed when a matcher asks for them.
#[derive(Debug)]
pub struct NodeFacts<'a> {
    node: &'a Node,
    grains: OnceCell<Option<serde_json::Value>>,
}

impl<'a> NodeFacts<'a> {
    pub(crate) fn of(node: &'a Node) -> Self {
        NodeFacts {
            node,
            grains: OnceCell::new(),
        }
    }
}

impl targeting::Facts for NodeFacts<'_> {
    fn id(&self) -> &str {
        self.node.id.as_str()
    }
    fn path(&self) -> &str {
        self.node.path.as_str()
    }
    fn grains(&self) -> Option<&serde_json::Value> {
        self.grains
            .get_or_init(|| {
                self.node
                    .grains
                    .as_ref()
                    .and_then(|json| serde_json::from_slice(json).ok())
            })
            .as_ref()
    }
}
