//! Returns that another hub has settled than the one that ordered the job.
//!
//! A minion right below several top-masters gets a job from the one that ordered it. When another one has adopted the job, that one
//! settles the return; who ordered it may have died before it had it, and hears of it from nobody else. So the minion keeps its copy
//! for a while. A restart of the minion forgets whom it owes what: then the first word that a return is settled holds.

use std::collections::BTreeMap;

use wire::{Jid, Uid, UnixMillis};

/// So long a return is kept for the hub that ordered its job; about as long as that one keeps the job.
const OWED_MS: u64 = 24 * 3_600_000;
/// So many are kept, at most: the newest.
const OWED_MAX: usize = 64;

/// Whom returns are owed to.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Jobs that came from the very hub that ordered them.
    ordered: BTreeMap<Jid, Uid>,
    /// Those of them that another hub has settled, with the time until which they are kept.
    kept: BTreeMap<Jid, UnixMillis>,
}

impl Owed {
    /// A hub hands on a job that it ordered itself.
    pub(super) fn ordered(&mut self, jid: Jid, by: Uid) {
        self.ordered.insert(jid, by);
    }

    /// A hub says that a return is settled; true when it is kept for another one.
    pub(super) fn keeps(&mut self, jid: Jid, by: Uid, now: UnixMillis) -> bool {
        let is_owed = self.ordered.get(&jid).is_some_and(|hub| *hub != by);
        if is_owed {
            self.kept.entry(jid).or_insert(now.saturating_add(OWED_MS));
        }
        is_owed
    }

    /// Returns that are kept no longer: their time is over, or there are too many.
    pub(super) fn over(&self, now: UnixMillis) -> Vec<Jid> {
        let more = self.kept.len().saturating_sub(OWED_MAX);
        let kept = self.kept.iter().enumerate();
        kept.filter(|(at, (_, until))| *at < more || **until <= now)
            .map(|(_, (jid, _))| *jid)
            .collect()
    }

    /// All that is kept for others: there is no room for it.
    pub(super) fn all(&self) -> Vec<Jid> {
        self.kept.keys().copied().collect()
    }

    /// A return is gone.
    pub(super) fn forget(&mut self, jid: Jid) {
        self.ordered.remove(&jid);
        self.kept.remove(&jid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Uid = Uid([1; 16]);
    const HEIR: Uid = Uid([2; 16]);

    fn jid(number: usize) -> Jid {
        format!("202611222237190{number:05}").parse().unwrap()
    }

    #[test]
    fn a_return_is_kept_for_who_ordered_it_and_for_a_day() {
        let mut owed = Owed::default();
        owed.ordered(jid(1), ORIGIN);
        assert!(!owed.keeps(jid(1), ORIGIN, 0), "it has it");
        assert!(!owed.keeps(jid(2), HEIR, 0), "it came through a syndic");
        assert!(owed.keeps(jid(1), HEIR, 5));
        assert!(owed.keeps(jid(1), HEIR, 500), "said again, it is no longer");
        assert!(owed.over(5 + OWED_MS - 1).is_empty());
        assert_eq!(owed.over(5 + OWED_MS), [jid(1)]);
        owed.forget(jid(1));
        assert!(owed.all().is_empty() && !owed.keeps(jid(1), HEIR, 0));
    }

    #[test]
    fn of_too_many_the_oldest_go() {
        let mut owed = Owed::default();
        for number in 0..OWED_MAX + 2 {
            owed.ordered(jid(number), ORIGIN);
            assert!(owed.keeps(jid(number), HEIR, 0));
        }
        assert_eq!(owed.over(0), [jid(0), jid(1)]);
    }
}
