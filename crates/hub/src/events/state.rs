//! Who reads, who is told what is read, and what is on its way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use events::{Event, Filters, MINION_PER_SECOND, Outbox, Rate, SYNDIC_PER_SECOND, Seen};
use relay::{LinkId, Peer};
use tokio::sync::Notify;
use wire::{Down, Events, Role, UnixMillis, codec};

use super::Reader;

/// Events that all children together may tell a second: a hub has other work.
const ALL_PER_SECOND: u32 = 20_000;

/// When less is read children hear of it after this long: who comes back at once, as a loop of a shell does, costs them nothing.
const NARROW_AFTER_MS: u64 = 5_000;

/// Who reads on one host, at most: each may keep megabytes waiting, and a place at the control socket.
pub(super) const READERS_MAX: usize = 64;

pub(super) struct State {
    readers: BTreeMap<u64, Arc<Reader>>,
    next_reader: u64,
    children: HashMap<LinkId, Child>,
    parents: BTreeMap<LinkId, Parent>,
    /// What children were told.
    told: Vec<String>,
    /// Less is read than that; they are told then.
    narrow_at: Option<UnixMillis>,
    seen: Seen,
    rate: Rate,
}

struct Child {
    peer: Arc<Peer>,
    sender: link::Sender,
    /// It was welcomed, in a protocol that has events.
    speaks: bool,
    rate: Rate,
}

struct Parent {
    filters: Filters,
    outbox: Arc<Mutex<Outbox>>,
    more: Arc<Notify>,
}

impl Parent {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of what a child told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) heard: u64,
    pub(super) forwarded: u64,
    /// With a tag that the child may not use, or data that is no JSON.
    pub(super) refused: u64,
    pub(super) dropped: u64,
    pub(super) is_too_much: bool,
}

impl State {
    pub(super) fn new(now: UnixMillis) -> State {
        State {
            readers: BTreeMap::new(),
            next_reader: 0,
            children: HashMap::new(),
            parents: BTreeMap::new(),
            told: Vec::new(),
            narrow_at: None,
            seen: Seen::default(),
            rate: Rate::new(ALL_PER_SECOND, now),
        }
    }

    /// Gives its number; None when too many read already.
    pub(super) fn add_reader(&mut self, reader: Arc<Reader>) -> Option<u64> {
        if self.readers.len() >= READERS_MAX {
            return None;
        }
        self.next_reader += 1;
        self.readers.insert(self.next_reader, reader);
        Some(self.next_reader)
    }

    pub(super) fn remove_reader(&mut self, number: u64) {
        self.readers.remove(&number);
    }

    pub(super) fn is_read(&self) -> bool {
        !self.readers.is_empty()
    }

    pub(super) fn is_read_below(&self, prefix: &str) -> bool {
        self.readers
            .values()
            .any(|reader| reader.filters.may_match_below(prefix))
    }

    pub(super) fn is_tag_read(&self, tag: &str) -> bool {
        self.readers
            .values()
            .any(|reader| reader.filters.matches(tag))
    }

    pub(super) fn add_child(
        &mut self,
        link: LinkId,
        peer: Peer,
        sender: link::Sender,
        now: UnixMillis,
    ) {
        let per_second = match peer.role {
            Role::Minion => MINION_PER_SECOND,
            Role::Syndic | Role::TopMaster => SYNDIC_PER_SECOND,
        };
        let child = Child {
            peer: Arc::new(peer),
            sender,
            speaks: false,
            rate: Rate::new(per_second, now),
        };
        self.children.insert(link, child);
    }

    pub(super) fn child_speaks(&mut self, link: LinkId) {
        if let Some(child) = self.children.get_mut(&link) {
            child.speaks = true;
            if !self.told.is_empty()
                && let Some(frame) = framed(&self.told)
            {
                tell(child, frame);
            }
        }
    }

    pub(super) fn remove_child(&mut self, link: LinkId) {
        self.children.remove(&link);
    }

    /// Who is at the other end of a link that may tell events.
    pub(super) fn peer(&self, link: LinkId) -> Option<Arc<Peer>> {
        let child = self.children.get(&link).filter(|child| child.speaks)?;
        Some(child.peer.clone())
    }

    pub(super) fn add_parent(&mut self, link: LinkId) -> (Arc<Notify>, Arc<Mutex<Outbox>>) {
        let parent = Parent {
            filters: Filters::default(),
            outbox: Arc::default(),
            more: Arc::default(),
        };
        let handles = (parent.more.clone(), parent.outbox.clone());
        self.parents.insert(link, parent);
        handles
    }

    pub(super) fn set_parent(&mut self, link: LinkId, filters: Filters) {
        if let Some(parent) = self.parents.get_mut(&link) {
            parent.filters = filters;
        }
    }

    pub(super) fn remove_parent(&mut self, link: LinkId) {
        self.parents.remove(&link);
    }

    /// What is read now, here and above.
    fn union(&self) -> Vec<String> {
        let readers = self.readers.values().map(|reader| &reader.filters);
        let parents = self.parents.values().map(|parent| &parent.filters);
        events::widened(readers.chain(parents).flat_map(Filters::globs))
    }

    /// Who reads has changed: children are told at once when more is read, and later when it is less.
    pub(super) fn filters_changed(&mut self, now: UnixMillis) {
        let union = self.union();
        if events::is_covered(&union, &self.told) {
            self.narrow_at = (union != self.told).then_some(now + NARROW_AFTER_MS);
        } else {
            self.tell_filters(union);
        }
    }

    /// Now and then.
    pub(super) fn observe(&mut self, now: UnixMillis) {
        if self.narrow_at.is_some_and(|at| at <= now) {
            let union = self.union();
            self.tell_filters(union);
        }
    }

    fn tell_filters(&mut self, union: Vec<String>) {
        self.narrow_at = None;
        self.told = union;
        let Some(frame) = framed(&self.told) else {
            return;
        };
        for child in self.children.values().filter(|child| child.speaks) {
            tell(child, frame.clone());
        }
    }

    /// Gives an event to readers; how many had no room.
    pub(super) fn publish(&self, event: &Event) -> u64 {
        let weight = event.tag.len() + event.data.len();
        let mut dropped = 0;
        for reader in self.readers.values() {
            if reader.filters.matches(&event.tag) {
                dropped += u64::from(!reader.waiting().push(event.clone(), weight));
                reader.more.notify_one();
            }
        }
        dropped
    }

    /// Events that passed the gate.
    pub(super) fn heard(&mut self, link: LinkId, told: Events, now: UnixMillis) -> Told {
        let mut count = Told::default();
        let mut missing = told.dropped;
        for mut event in told.events {
            let Some(child) = self.children.get_mut(&link) else {
                break;
            };
            if !child.rate.take(now) || !self.rate.take(now) {
                count.is_too_much = true;
                missing = missing.saturating_add(1);
                continue;
            }
            count.heard += 1;
            if child.peer.role == Role::Minion {
                event.path = child.peer.path.clone();
            }
            if events::tag::check(&event.tag, event.id.as_str()).is_err() {
                count.refused += 1;
                continue;
            }
            // What was read when it was sent may be read by nobody now.
            let is_read = |filters: &Filters| filters.matches(&event.tag);
            let mut parents = self.parents.values().filter(|p| is_read(&p.filters));
            let for_readers = self.readers.values().any(|r| is_read(&r.filters));
            let for_parents = parents.next().is_some();
            if !(for_readers || for_parents) || !self.seen.is_first(&event) {
                continue;
            }
            if for_readers {
                match events::of_minion(&event) {
                    Some(event) => count.dropped += self.publish(&event),
                    None => {
                        count.refused += 1;
                        continue;
                    }
                }
            }
            for parent in self.parents.values().filter(|p| is_read(&p.filters)) {
                if parent.outbox().push(event.clone()) {
                    count.forwarded += 1;
                } else {
                    count.dropped += 1;
                }
                parent.more.notify_one();
            }
        }
        if missing > 0 {
            count.dropped = count.dropped.saturating_add(missing);
            self.miss(missing);
        }
        count
    }

    /// Whoever reads what children tell hears that so many did not come.
    fn miss(&self, missing: u64) {
        for reader in self.readers.values() {
            reader.waiting().miss(missing);
            reader.more.notify_one();
        }
        for parent in self.parents.values() {
            if parent.filters.globs().next().is_some() {
                parent.outbox().miss(missing);
                parent.more.notify_one();
            }
        }
    }
}

fn framed(globs: &[String]) -> Option<Bytes> {
    codec::frame(&Down::EventFilters(globs.to_vec()))
        .inspect_err(|error| tracing::error!(%error, "filters of events do not fit"))
        .ok()
        .map(Bytes::from)
}

fn tell(child: &Child, frame: Bytes) {
    if child.sender.send(frame) == Err(link::SendError::Full) {
        // As with all that a child is told: a new session tells it anew.
        child
            .sender
            .close(link::CloseCode::Overload, "the link does not drain");
    }
}
