//! Links: sessions that deliver in order until they are cut, and ends that learn of it when they learn of it.

use std::collections::{BTreeMap, BTreeSet};

use wire::UnixMillis;
use wire::limits::BULK_FRAME;

use crate::rng::Rng;

/// One end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who dialled.
    Child,
    /// Who was dialled.
    Parent,
}

impl Side {
    /// The end opposite.
    pub fn other(self) -> Side {
        match self {
            Side::Child => Side::Parent,
            Side::Parent => Side::Child,
        }
    }
}

/// A connection between two nodes.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// Who dialled.
    pub child: usize,
    /// Who was dialled.
    pub parent: usize,
    /// Milliseconds one way.
    pub latency: u64,
    /// Messages arrive.
    alive: bool,
    /// Nothing that is sent to this end arrives any more: child, parent.
    deaf: [bool; 2],
    /// Which ends have not learned that it is over: child, parent.
    open: [bool; 2],
    /// When the last short message arrives at: child, parent.
    last: [UnixMillis; 2],
    /// When the last long message arrives at: child, parent.
    last_bulk: [UnixMillis; 2],
}

impl Session {
    /// The node at an end.
    pub fn node(&self, side: Side) -> usize {
        match side {
            Side::Child => self.child,
            Side::Parent => self.parent,
        }
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Net {
    sessions: BTreeMap<u64, Session>,
    /// Sessions of each node.
    of: BTreeMap<usize, BTreeSet<u64>>,
    next: u64,
    blocked: BTreeMap<(usize, usize), UnixMillis>,
}

impl Net {
    /// Opens a session and names it.
    pub fn open(&mut self, child: usize, parent: usize, latency: u64) -> u64 {
        self.next += 1;
        let session = Session {
            child,
            parent,
            latency,
            alive: true,
            deaf: [false; 2],
            open: [true; 2],
            last: [0; 2],
            last_bulk: [0; 2],
        };
        self.sessions.insert(self.next, session);
        for node in [child, parent] {
            self.of.entry(node).or_default().insert(self.next);
        }
        self.next
    }

    /// Whether the child believes that it has a session with the parent.
    pub fn is_open(&self, child: usize, parent: usize) -> bool {
        self.between(child, parent)
            .any(|s| s.open[Side::Child as usize])
    }

    /// Whether a session stands, at both ends and between.
    pub fn is_whole(&self, child: usize, parent: usize) -> bool {
        self.between(child, parent)
            .any(|s| s.alive && s.deaf == [false; 2] && s.open == [true; 2])
    }

    fn between(&self, child: usize, parent: usize) -> impl Iterator<Item = &Session> {
        let ids = self.of.get(&child).into_iter().flatten();
        ids.filter_map(|id| self.sessions.get(id))
            .filter(move |s| s.child == child && s.parent == parent)
    }

    /// The node at an end of a session.
    pub fn node_at(&self, id: u64, side: Side) -> Option<usize> {
        self.sessions.get(&id).map(|session| session.node(side))
    }

    /// From now on nothing that is sent to this end arrives.
    pub fn deafen(&mut self, id: u64, side: Side) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.deaf[side as usize] = true;
        }
    }

    /// Sends a message to one end; how long it takes, or None when it goes nowhere.
    ///
    /// Messages above [`BULK_FRAME`] travel on a stream of their own, in order among themselves: they overtake the short ones,
    /// and are overtaken.
    pub fn send(
        &mut self,
        id: u64,
        to: Side,
        len: usize,
        now: UnixMillis,
        rng: &mut Rng,
    ) -> Option<u64> {
        let session = self.sessions.get_mut(&id)?;
        if !session.alive || session.deaf[to as usize] || !session.open[to.other() as usize] {
            return None;
        }
        let jitter = rng.below(session.latency / 4 + 2);
        if len > BULK_FRAME {
            let last = &mut session.last_bulk[to as usize];
            *last = (*last).max(now + session.latency + rng.below(4 * session.latency + 200));
            return Some(*last - now);
        }
        let last = &mut session.last[to as usize];
        *last = (*last).max(now + session.latency + jitter);
        Some(*last - now)
    }

    /// The session over which something arrives, when it does.
    pub fn arrives(&self, id: u64, to: Side) -> Option<Session> {
        self.sessions
            .get(&id)
            .filter(|s| s.alive && s.open[to as usize])
            .copied()
    }

    /// One end says good-bye; when the last of what it sent arrives.
    pub fn hang_up(&mut self, id: u64, side: Side) -> Option<UnixMillis> {
        let session = self.sessions.get(&id)?;
        Some(session.last[side.other() as usize])
    }

    /// One end has learned that the session is over.
    pub fn close_end(&mut self, id: u64, side: Side) -> Option<Session> {
        let session = self.sessions.get_mut(&id)?;
        if !std::mem::replace(&mut session.open[side as usize], false) {
            return None;
        }
        let copy = *session;
        if session.open == [false; 2] {
            self.sessions.remove(&id);
            for node in [copy.child, copy.parent] {
                if let Some(of) = self.of.get_mut(&node) {
                    of.remove(&id);
                }
            }
        }
        Some(copy)
    }

    /// Nothing arrives any more; nobody knows yet.
    pub fn cut(&mut self, id: u64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.alive = false;
        }
    }

    /// Sessions with this node at an end, and which end it is.
    pub fn of(&self, node: usize) -> Vec<(u64, Side)> {
        let ids = self.of.get(&node).into_iter().flatten();
        ids.filter_map(|id| {
            let side = match self.sessions.get(id)?.child == node {
                true => Side::Child,
                false => Side::Parent,
            };
            Some((*id, side))
        })
        .collect()
    }

    /// Sessions that live.
    pub fn alive(&self) -> Vec<(u64, Session)> {
        self.sessions
            .iter()
            .filter(|(_, s)| s.alive)
            .map(|(id, s)| (*id, *s))
            .collect()
    }

    /// No new session between these two until then.
    pub fn block(&mut self, child: usize, parent: usize, until: UnixMillis) {
        self.blocked.insert((child, parent), until);
    }

    /// Whether no session can begin between these two.
    pub fn is_blocked(&self, child: usize, parent: usize, now: UnixMillis) -> bool {
        self.blocked.get(&(child, parent)).is_some_and(|t| now < *t)
    }

    /// What is blocked now stays so until [`Net::unblock`].
    pub fn keep_blocked(&mut self, now: UnixMillis) {
        for until in self.blocked.values_mut().filter(|until| **until > now) {
            *until = UnixMillis::MAX;
        }
    }

    /// All blocks are lifted.
    pub fn unblock(&mut self) {
        self.blocked.clear();
    }
}
