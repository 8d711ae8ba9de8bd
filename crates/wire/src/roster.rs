//! The roster as it travels: what a hub knows of its subtree, by snapshot and numbered deltas.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{IndexSet, Json, NodeId, Role, SitePath, Uid, UnixMillis};

/// Whether a node's key is accepted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Waits for an operator.
    Pending,
    /// Part of the tree.
    Accepted,
    /// Turned away by an operator.
    Rejected,
    /// Turned away by itself: another key holds the id.
    Denied,
}

impl Standing {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Pending => "pending",
            Standing::Accepted => "accepted",
            Standing::Rejected => "rejected",
            Standing::Denied => "denied",
        }
    }

    /// The word that Salt's key functions have for it: the folder in which its master keeps such keys.
    pub fn in_salt(self) -> &'static str {
        match self {
            Standing::Pending => "minions_pre",
            Standing::Accepted => "minions",
            Standing::Rejected => "minions_rejected",
            Standing::Denied => "minions_denied",
        }
    }
}

/// Whether a node can be reached.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Connected.
    Up,
    /// Not connected to its hub.
    Down,
    /// Behind a hub that has no connection to its parent: nothing newer is known.
    CutOff,
}

/// A node's connection, and since when it is so.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize,
)]
pub struct Link {
    /// Connected or not, as the sender sees it.
    pub presence: Presence,
    /// Since when.
    pub since: UnixMillis,
}

/// What a hub says of the roots that it serves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
pub struct RootsReport {
    /// The roots state in service, 40 hexadecimal digits; empty when there is none.
    pub commit: String,
    /// Since when it is in service.
    pub since: UnixMillis,
    /// When the remote (or the parent) was asked last: what it had then is known here.
    pub checked: UnixMillis,
    /// What is wrong, when something is; the commit above stays in service.
    pub error: Option<String>,
}

/// One node of a subtree, under the number that the sender gave it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct NodeEntry {
    /// The sender's number for this node; never given to another node within one roster epoch.
    pub index: u32,
    /// The node's key.
    pub uid: Uid,
    /// Its label.
    pub id: NodeId,
    /// Minion or syndic.
    pub role: Role,
    /// The site that it belongs to; for a syndic the site that it serves.
    pub path: SitePath,
    /// SHA-256 of its public key.
    pub fingerprint: [u8; 32],
    /// Accepted or not; None: the node is gone from the roster.
    pub standing: Option<Standing>,
    /// Connected to its hub or not.
    pub link: Link,
    /// The version of its program; empty when never heard.
    pub software: String,
    /// A minion's grains as JSON text, when they changed since the receiver's mark.
    pub grains: Option<Json>,
    /// A syndic's roots.
    pub roots: Option<RootsReport>,
    /// A syndic's public job key, for a delegation.
    pub job_key: Option<[u8; 32]>,
}

/// How far a parent knows a child's roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
pub struct RosterMark {
    /// Drawn by the child when its roster began; a wiped disk draws a new one.
    pub epoch: u64,
    /// Rises with each change.
    pub revision: u64,
}

/// Changes of a child's roster, or a part of its snapshot.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RosterDelta {
    /// Numbers the deltas of one session, from 1: long frames travel apart and may arrive out of order.
    pub serial: u32,
    /// Where the receiver stands after this and everything before it in the session.
    pub mark: RosterMark,
    /// True in the first frame of a snapshot: forget what was known of this child.
    pub snapshot: bool,
    /// False when more frames of the same burst follow; the mark counts only when true.
    pub done: bool,
    /// The nodes that changed.
    pub entries: Vec<NodeEntry>,
    /// Nodes of which only the connection changed: a cut of a big site is one row.
    pub links: Vec<(Link, IndexSet)>,
}
