//! Events that came already: a minion with two hubs below one tells each event to both.

use std::collections::{HashSet, VecDeque};

use wire::{Event, NodeId, SitePath};

/// Events that are remembered: of a tree that tells 10,000 a second, those of the last second, and two ways differ by less.
const KEPT: usize = 1 << 14;

/// The last events.
#[derive(Debug, Default)]
pub struct Seen {
    known: HashSet<Name>,
    order: VecDeque<Name>,
}

type Name = (NodeId, SitePath, u64);

impl Seen {
    /// Whether it is the first time, which is remembered.
    pub fn is_first(&mut self, event: &Event) -> bool {
        let name = (event.id.clone(), event.path.clone(), event.number);
        if !self.known.insert(name.clone()) {
            return false;
        }
        self.order.push_back(name);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_counts_once_and_memory_is_bounded() {
        let mut event = Event {
            id: "web1".parse().unwrap(),
            path: "eu".parse().unwrap(),
            number: 1,
            stamp: 0,
            jid: None,
            tag: "a".to_owned(),
            data: b"{}".as_slice().into(),
        };
        let mut seen = Seen::default();
        assert!(seen.is_first(&event));
        assert!(!seen.is_first(&event));
        event.id = "web2".parse().unwrap();
        assert!(
            seen.is_first(&event),
            "another minion has numbers of its own"
        );
        for number in 0..2 * KEPT as u64 {
            event.number = number + 100;
            assert!(seen.is_first(&event));
        }
        assert_eq!(seen.known.len(), KEPT);
        assert_eq!(seen.order.len(), KEPT);
    }
}
