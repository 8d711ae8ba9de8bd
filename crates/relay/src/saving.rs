//! Write before send: outputs wait until the records that they rest on are on disk.

use std::collections::VecDeque;

/// Collects records and the outputs that may leave only after them.
///
/// One batch is at the store at a time; what comes meanwhile makes up the next one. So the store's own
/// speed sets the size of a batch, and no timer does.
#[derive(Debug)]
pub struct Saving<R, O> {
    records: Vec<R>,
    held: VecDeque<O>,
    in_flight: Option<(u64, VecDeque<O>)>,
    next_token: u64,
}

impl<R, O> Default for Saving<R, O> {
    fn default() -> Self {
        Saving {
            records: Vec::new(),
            held: VecDeque::new(),
            in_flight: None,
            next_token: 1,
        }
    }
}

impl<R, O> Saving<R, O> {
    /// Adds a record to the next batch.
    pub fn record(&mut self, record: R) {
        self.records.push(record);
    }

    /// Holds an output until everything recorded so far is on disk.
    pub fn after(&mut self, output: O) {
        self.held.push_back(output);
    }

    /// Whether nothing waits for the disk.
    pub fn is_idle(&self) -> bool {
        self.records.is_empty() && self.in_flight.is_none() && self.held.is_empty()
    }

    /// Whether something was recorded or held since the last batch began.
    pub fn has_next(&self) -> bool {
        !self.records.is_empty() || !self.held.is_empty()
    }

    /// Whether a batch is at the store.
    pub fn is_saving(&self) -> bool {
        self.in_flight.is_some()
    }

    /// The next batch for the store with its token, when there is one and the store is free.
    pub fn next_batch(&mut self) -> Option<(u64, Vec<R>)> {
        if self.in_flight.is_some() || !self.has_next() {
            return None;
        }
        let token = self.next_token;
        self.next_token += 1;
        self.in_flight = Some((token, std::mem::take(&mut self.held)));
        Some((token, std::mem::take(&mut self.records)))
    }

    /// The outputs that waited for this batch. A token that is not in flight releases nothing.
    pub fn saved(&mut self, token: u64) -> VecDeque<O> {
        match self.in_flight.take() {
            Some((t, held)) if t == token => held,
            other => {
                self.in_flight = other;
                VecDeque::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_wait_for_their_own_batch() {
        let mut saving = Saving::default();
        saving.record("a");
        saving.after(1);
        let (first, records) = saving.next_batch().unwrap();
        assert_eq!(records, ["a"]);
        saving.record("b");
        saving.after(2);
        assert!(saving.next_batch().is_none(), "one batch at a time");
        assert!(
            saving.saved(first + 7).is_empty(),
            "a wrong token releases nothing"
        );
        assert_eq!(saving.saved(first), [1]);
        let (second, records) = saving.next_batch().unwrap();
        assert_eq!(records, ["b"]);
        assert_eq!(saving.saved(second), [2]);
        assert!(saving.is_idle());
    }
}
