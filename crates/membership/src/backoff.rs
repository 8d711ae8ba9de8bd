//! Pauses between attempts: random, doubling, bounded, so that a whole site never dials in step.

use std::time::Duration;

/// The first pause is up to this long.
const FIRST: Duration = Duration::from_millis(500);
/// No pause is longer.
const LAST: Duration = Duration::from_secs(60);

/// A session that lasted this long was a good one.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Full jitter: each pause is uniform between nothing and a bound that doubles.
#[derive(Debug, Clone)]
pub struct Backoff {
    bound: Duration,
    last: Duration,
    state: u64,
}

impl Backoff {
    /// Seeded by the caller; nodes with different seeds spread.
    pub fn new(seed: u64) -> Self {
        Backoff {
            bound: FIRST,
            last: LAST,
            state: seed | 1,
        }
    }

    /// With another longest pause.
    pub fn up_to(mut self, last: Duration) -> Self {
        self.last = last;
        self
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.within(self.bound);
        self.bound = (self.bound * 2).min(self.last);
        pause
    }

    /// A time within a bound, for something else that must not be done in step.
    pub(crate) fn within(&mut self, bound: Duration) -> Duration {
        let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.below(bound))
    }

    /// A number below a bound; nought for nought.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // xorshift64: good enough to spread, and needs no source of randomness.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % bound.max(1)
    }

    /// An attempt went well: begin with short pauses again.
    pub fn reset(&mut self) {
        self.bound = FIRST;
    }

    /// A session has ended. One that ends at once is a refusal in other words, and no reason to hurry.
    pub fn ended(&mut self, lasted: Duration) {
        if lasted >= GOOD_SESSION {
            self.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_differ_by_seed() {
        let mut one = Backoff::new(1);
        let pauses: Vec<Duration> = (0..50).map(|_| one.pause()).collect();
        assert!(pauses.iter().all(|p| *p <= LAST));
        assert!(pauses[0] <= FIRST);
        assert!(
            pauses.iter().any(|p| *p > LAST / 4),
            "later pauses are longer"
        );
        let mut other = Backoff::new(987_654_321);
        assert!((0..50).any(|i| other.pause() != pauses[i]));
        one.reset();
        assert!(one.pause() <= FIRST);
    }

    #[test]
    fn a_short_session_is_no_reason_to_hurry() {
        let mut backoff = Backoff::new(1);
        while backoff.bound < LAST {
            backoff.pause();
        }
        backoff.ended(GOOD_SESSION / 2);
        assert_eq!(backoff.bound, LAST);
        backoff.ended(GOOD_SESSION);
        assert_eq!(backoff.bound, FIRST);
    }
}
