//! Events that wait for one link, and the frames that they travel in.

use wire::limits::{EVENT_BYTES_PER_FRAME, MAX_EVENTS};
use wire::{Event, Events};

use crate::queue::{Item, Queue};
use crate::{WAITING_BYTES_MAX, WAITING_MAX};

/// Events that wait for one link.
#[derive(Debug)]
pub struct Outbox {
    queue: Queue<Event>,
    /// What did not fit into the frame before.
    next: Option<Event>,
    dropped: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            queue: Queue::new(WAITING_MAX, WAITING_BYTES_MAX),
            next: None,
            dropped: 0,
        }
    }
}

impl Outbox {
    /// Takes an event; false when it is dropped, since too many wait.
    pub fn push(&mut self, event: Event) -> bool {
        let weight = event.weight();
        self.queue.push(event, weight)
    }

    /// So many were dropped before they came here.
    pub fn miss(&mut self, count: u64) {
        self.queue.miss(count);
    }

    /// What the next frame has; none when nothing waits.
    pub fn take(&mut self) -> Option<Events> {
        let mut events = Vec::new();
        let mut bytes = 0;
        while events.len() < MAX_EVENTS {
            let event = match self.next.take() {
                Some(event) => event,
                None => match self.queue.pop() {
                    None => break,
                    Some(Item::Gap(count)) => {
                        self.dropped = self.dropped.saturating_add(count);
                        continue;
                    }
                    Some(Item::One(event)) => event,
                },
            };
            if bytes + event.weight() > EVENT_BYTES_PER_FRAME && !events.is_empty() {
                self.next = Some(event);
                break;
            }
            bytes += event.weight();
            events.push(event);
        }
        let dropped = std::mem::take(&mut self.dropped);
        (!events.is_empty() || dropped > 0).then_some(Events { events, dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64, bytes: usize) -> Event {
        Event {
            id: "web1".parse().unwrap(),
            path: "eu".parse().unwrap(),
            number,
            stamp: 0,
            jid: None,
            tag: "a".to_owned(),
            data: vec![b' '; bytes].into(),
        }
    }

    #[test]
    fn frames_are_short_unless_one_event_is_long() {
        let mut outbox = Outbox::default();
        let sizes = [10_000, 10_000, 10_000, 200_000, 10];
        for (number, size) in sizes.into_iter().enumerate() {
            assert!(outbox.push(event(number as u64, size)));
        }
        let frames: Vec<Events> = std::iter::from_fn(|| outbox.take()).collect();
        let counts: Vec<usize> = frames.iter().map(|frame| frame.events.len()).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
        let order = frames.iter().flat_map(|frame| &frame.events);
        assert!(order.map(|event| event.number).eq(0..5));
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let mut outbox = Outbox::default();
        let taken = (0..10_000).filter(|n| outbox.push(event(*n, 10))).count() as u64;
        assert_eq!(taken, WAITING_MAX as u64);
        outbox.miss(5);
        let frames: Vec<Events> = std::iter::from_fn(|| outbox.take()).collect();
        let sent: usize = frames.iter().map(|frame| frame.events.len()).sum();
        let dropped: u64 = frames.iter().map(|frame| frame.dropped).sum();
        assert_eq!(sent as u64, taken);
        assert_eq!(dropped, 10_000 - taken + 5);
        assert!(frames.iter().all(|frame| frame.events.len() <= MAX_EVENTS));
    }
}
