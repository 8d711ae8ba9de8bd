//! Random numbers that can be thrown again.

use std::time::Duration;

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Equal seeds throw equally.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The rest is below a usize.
        (self.throw() % bound as u64) as usize
    }

    /// Whether something happens that happens with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        // 53 bits are what a float holds.
        ((self.throw() >> 11) as f64) < probability * (1u64 << 53) as f64
    }

    /// A time up to `most`.
    pub fn time(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.throw() % most.saturating_add(1).max(1))
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_throw_equally_and_others_do_not() {
        let throws = |seed| -> Vec<u64> {
            let mut dice = Dice::new(seed);
            (0..10).map(|_| dice.throw()).collect()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
    }

    #[test]
    fn probabilities_are_kept() {
        for (probability, expected) in [(0.0, 0..=0), (0.05, 350..=650), (1.0, 10_000..=10_000)] {
            let mut dice = Dice::new(1);
            let count = (0..10_000).filter(|_| dice.happens(probability)).count();
            assert!(expected.contains(&count), "{probability}: {count}");
        }
    }

    #[test]
    fn times_stay_within_their_bound() {
        let mut dice = Dice::new(1);
        let most = Duration::from_millis(3);
        assert!((0..1_000).all(|_| dice.time(most) <= most));
        assert_eq!(dice.time(Duration::ZERO), Duration::ZERO);
    }
}
