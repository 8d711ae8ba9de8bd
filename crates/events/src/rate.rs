//! How many a second are not too many.

use wire::UnixMillis;

/// So many a second, and twice as many at once after a quiet time.
#[derive(Debug)]
pub struct Rate {
    per_second: u32,
    /// Thousandths of an event that may come now.
    left: u64,
    since: UnixMillis,
}

impl Rate {
    /// At `now`, after a quiet time.
    pub fn new(per_second: u32, now: UnixMillis) -> Rate {
        Rate {
            per_second,
            left: Rate::burst(per_second),
            since: now,
        }
    }

    fn burst(per_second: u32) -> u64 {
        u64::from(per_second) * 2_000
    }

    /// Whether one more may come. A clock that goes back stands still meanwhile.
    pub fn take(&mut self, now: UnixMillis) -> bool {
        let passed = now.saturating_sub(self.since);
        self.since = self.since.max(now);
        self.left = passed
            .saturating_mul(self.per_second.into())
            .saturating_add(self.left)
            .min(Rate::burst(self.per_second));
        if self.left < 1_000 {
            return false;
        }
        self.left -= 1_000;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_passes_at_its_rate() {
        let mut rate = Rate::new(100, 5_000);
        let passed = |rate: &mut Rate, now| (0..1_000).filter(|_| rate.take(now)).count();
        assert_eq!(passed(&mut rate, 5_000), 200, "at once");
        assert_eq!(passed(&mut rate, 5_000), 0);
        assert_eq!(passed(&mut rate, 4_000), 0, "the clock went back");
        assert_eq!(passed(&mut rate, 5_500), 50, "after half a second");
        assert_eq!(passed(&mut rate, u64::MAX), 200, "never more than this");
    }
}
