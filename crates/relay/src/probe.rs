//! Timers of a machine, and the probing of links that have work under way.
//!
//! An idle link is watched by the transport alone. A link with work under way is asked after a short silence,
//! so that a minion that died takes a job a few seconds and not an idle timeout; the longer the work runs,
//! the less often it is asked. Silence counts only while this hub itself was there to listen.

use std::collections::{BTreeMap, BTreeSet};

use wire::{Down, UnixMillis};

use crate::LinkId;
use crate::hub::{Hub, Timer};

/// First question after this much silence on a link with work under way.
const PROBE_FIRST_MS: u64 = 2_000;
/// Questions become rarer up to this; beyond it the transport's own idle timeout is as good.
const PROBE_LAST_MS: u64 = 16_000;
/// An answer has this long: a few round trips over the worst link and a busy host.
const PROBE_ANSWER_MS: u64 = 3_000;
/// And as much again for each so many links that had work under way when it was asked: nobody reads and answers that many at once in no time,
/// and who does not get a processor for a second among all the others is not dead.
const PROBE_LINKS: usize = 1_000;
/// A timer that fires so much later than it was due tells that this hub was paused, or starved of processor time: answers
/// may wait in its queues, unread.
const HELD_UP_MS: u64 = 500;

/// When what is due; one entry for each key.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    queue: BTreeSet<(UnixMillis, K)>,
    at: BTreeMap<K, UnixMillis>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Timers {
            queue: BTreeSet::new(),
            at: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Sets or moves a timer.
    pub(crate) fn set(&mut self, key: K, at: UnixMillis) {
        if let Some(before) = self.at.insert(key, at) {
            self.queue.remove(&(before, key));
        }
        self.queue.insert((at, key));
    }

    /// Whether a timer runs.
    pub(crate) fn is_set(&self, key: K) -> bool {
        self.at.contains_key(&key)
    }

    /// Stops a timer.
    pub(crate) fn clear(&mut self, key: K) {
        if let Some(at) = self.at.remove(&key) {
            self.queue.remove(&(at, key));
        }
    }

    /// The first one.
    pub(crate) fn next(&self) -> Option<(UnixMillis, K)> {
        self.queue.first().copied()
    }

    /// Takes out one that is due, and says since when.
    pub(crate) fn pop_due(&mut self, now: UnixMillis) -> Option<(UnixMillis, K)> {
        let (at, key) = self.next()?;
        if at > now {
            return None;
        }
        self.clear(key);
        Some((at, key))
    }
}

/// How a link is being asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    interval: u64,
    /// The question that is open.
    open: Option<Question>,
}

#[derive(Debug, Clone, Copy)]
struct Question {
    asked: UnixMillis,
    /// When an answer is no longer waited for. Those that answered sooner do not shorten it for who comes last.
    until: UnixMillis,
}

impl Hub {
    /// Work was sent over the link: see that it stays alive.
    pub(crate) fn work_begins(&mut self, link: LinkId) {
        let Some(child) = self.children.get_mut(&link) else {
            return;
        };
        self.working += usize::from(child.outstanding == 0);
        child.outstanding += 1;
        if child.probe.is_none() {
            child.probe = Some(Probe {
                interval: PROBE_FIRST_MS,
                open: None,
            });
            self.timers
                .set(Timer::Probe(link), self.now + PROBE_FIRST_MS);
        }
    }

    /// One piece of work on the link has its outcome.
    pub(crate) fn work_ends(&mut self, link: LinkId) {
        if let Some(child) = self.children.get_mut(&link) {
            self.working -= usize::from(child.outstanding == 1);
            child.outstanding = child.outstanding.saturating_sub(1);
        }
    }

    pub(crate) fn heard(&mut self, link: LinkId) {
        if let Some(child) = self.children.get_mut(&link) {
            child.heard = self.now;
            if let Some(probe) = &mut child.probe {
                probe.open = None;
            }
        }
    }

    /// A timer fires that was due at `at`.
    pub(crate) fn notice_hold_up(&mut self, at: UnixMillis) {
        if self.now.saturating_sub(at) >= HELD_UP_MS {
            self.held_up = self.now;
        }
    }

    pub(crate) fn probe_due(&mut self, link: LinkId) {
        let now = self.now;
        let patience = PROBE_ANSWER_MS * (1 + self.working / PROBE_LINKS) as u64;
        let Some(child) = self.children.get_mut(&link) else {
            return;
        };
        let Some(mut probe) = child.probe else { return };
        if child.outstanding == 0 {
            child.probe = None;
            return;
        }
        match probe.open {
            Some(question) if now < question.until => {
                self.timers.set(Timer::Probe(link), question.until);
                return;
            }
            Some(question) if self.held_up <= question.asked => {
                self.refuse_child(
                    link,
                    wire::RefusalCode::Superseded,
                    "no answer while work is under way",
                );
                self.child_closed(link);
                return;
            }
            // The answer may be here already: a new question gives it the time to be read.
            Some(_) => {}
            None if now.saturating_sub(child.heard) < probe.interval => {
                let at = child.heard + probe.interval;
                self.timers.set(Timer::Probe(link), at);
                return;
            }
            None => probe.interval = (probe.interval * 2).min(PROBE_LAST_MS),
        }
        let until = now + patience;
        probe.open = Some(Question { asked: now, until });
        child.probe = Some(probe);
        self.timers.set(Timer::Probe(link), until);
        self.tell_child(link, Down::Ping { nonce: now });
    }
}
