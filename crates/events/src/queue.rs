//! What waits for one reader: so much and no more. What does not fit is counted, and the reader hears how much it missed where it
//! missed it.

use std::collections::VecDeque;

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<T> {
    /// The next one.
    One(T),
    /// So many are missing here.
    Gap(u64),
}

/// What waits for one reader.
#[derive(Debug)]
pub struct Queue<T> {
    items: VecDeque<(Item<T>, usize)>,
    /// Missing after the last item.
    missing: u64,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

impl<T> Queue<T> {
    /// With room for so many items, and so many bytes of them.
    pub fn new(count_max: usize, bytes_max: usize) -> Queue<T> {
        Queue {
            items: VecDeque::new(),
            missing: 0,
            bytes: 0,
            count_max,
            bytes_max,
        }
    }

    /// Puts an item of so many bytes at the end; false when there was no room.
    pub fn push(&mut self, item: T, bytes: usize) -> bool {
        // A gap takes a place too.
        let places = 1 + usize::from(self.missing > 0);
        if self.items.len() + places > self.count_max || self.bytes + bytes > self.bytes_max {
            self.missing = self.missing.saturating_add(1);
            return false;
        }
        if self.missing > 0 {
            self.items.push_back((Item::Gap(self.missing), 0));
            self.missing = 0;
        }
        self.bytes += bytes;
        self.items.push_back((Item::One(item), bytes));
        true
    }

    /// So many never came here.
    pub fn miss(&mut self, count: u64) {
        self.missing = self.missing.saturating_add(count);
    }

    /// The next item or gap.
    pub fn pop(&mut self) -> Option<Item<T>> {
        if let Some((item, bytes)) = self.items.pop_front() {
            self.bytes -= bytes;
            return Some(item);
        }
        let missing = std::mem::take(&mut self.missing);
        (missing > 0).then_some(Item::Gap(missing))
    }

    /// Whether [`Queue::pop`] would give nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.missing == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_stand_where_something_is_missing() {
        let mut queue = Queue::new(4, 100);
        assert!(queue.push('a', 1) && queue.push('b', 1));
        assert!(!queue.push('x', 99), "the bytes are too many");
        assert!(queue.push('c', 1), "a short one still fits");
        assert!(!queue.push('y', 1), "the places are taken");
        let all: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(
            all,
            [
                Item::One('a'),
                Item::One('b'),
                Item::Gap(1),
                Item::One('c'),
                Item::Gap(1)
            ]
        );
        assert!(queue.is_empty());
        queue.miss(3);
        assert!(!queue.is_empty());
        assert_eq!(queue.pop(), Some(Item::Gap(3)));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn nothing_is_lost_without_a_count() {
        let mut queue = Queue::new(10, 1_000);
        let (mut got, mut missed) = (0, 0);
        for round in 0..1_000_u64 {
            queue.push(round, 7);
            if round % 3 == 0 {
                match queue.pop() {
                    Some(Item::One(_)) => got += 1,
                    Some(Item::Gap(count)) => missed += count,
                    None => {}
                }
            }
            assert!(queue.items.len() <= 10);
        }
        while let Some(item) = queue.pop() {
            match item {
                Item::One(_) => got += 1,
                Item::Gap(count) => missed += count,
            }
        }
        assert_eq!(got + missed, 1_000);
        assert!(missed > 0);
    }
}
