//! Keys of a hub's own children: who asks, who is let in, who is connected.

use wire::{KeyDecision, Link, NodeId, Presence, Role, SitePath, Standing, Uid, UnixMillis};

use super::{Change, Roster};
use crate::gate::Peer;
use crate::node::Node;
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

/// Why a certified node may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectError {
    IdTaken,
    NotAccepted,
}

impl Roster {
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
            direct: Some(link),
            software: software.to_owned(),
            ..Node::new(index, peer.clone(), standing, link, self.revision)
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
            self.hear_all_again(hub);
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

    pub(super) fn set_standing(&mut self, index: u32, standing: Standing) {
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
}

pub(super) fn is_strange(standing: Standing) -> bool {
    matches!(standing, Standing::Pending | Standing::Denied)
}

fn place(path: &SitePath) -> &str {
    if path.is_top() {
        "the top"
    } else {
        path.as_str()
    }
}
