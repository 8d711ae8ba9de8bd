//! What becomes of packets in one direction.

use std::time::Duration;

use crate::Dice;

/// A packet that others overtake is held back so much longer.
const HELD_BACK: Duration = Duration::from_millis(5);
/// The longest UDP payload.
pub(crate) const PACKET_BYTES_MAX: usize = 64 << 10;

/// How one direction treats packets. Probabilities are from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    /// Each packet needs so long.
    pub delay: Duration,
    /// And up to so much longer; the order stays.
    pub jitter: Duration,
    /// Vanish.
    pub loss: f64,
    /// Are overtaken by those behind them.
    pub reorder: f64,
    /// Arrive twice.
    pub duplicate: f64,
    /// Arrive with one bit turned over.
    pub corrupt: f64,
    /// Longer payloads vanish without a word.
    pub payload_max: usize,
    /// A line of this many bytes each second, with a short queue in front of it.
    pub bytes_per_second: Option<u64>,
}

impl Weather {
    /// Every packet arrives at once.
    pub const FAIR: Weather = Weather {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        reorder: 0.0,
        duplicate: 0.0,
        corrupt: 0.0,
        payload_max: PACKET_BYTES_MAX,
        bytes_per_second: None,
    };

    /// The least network that IPv6 allows: 1,280 bytes, of which its header and that of UDP take 48.
    pub const NARROW: Weather = Weather {
        payload_max: 1_280 - 48,
        ..Weather::FAIR
    };

    /// Fair, but for the time that packets need.
    pub const fn far(delay: Duration) -> Weather {
        Weather {
            delay,
            ..Weather::FAIR
        }
    }

    /// What becomes of a packet. Every packet takes the same number of throws, so that the fate of the n-th does not
    /// depend on what the weather was before.
    pub(crate) fn fate(&self, dice: &mut Dice) -> Fate {
        let (lost, held, twice, damaged) = (
            dice.happens(self.loss),
            dice.happens(self.reorder),
            dice.happens(self.duplicate),
            dice.happens(self.corrupt),
        );
        let (jitter, bit) = (dice.time(self.jitter), dice.throw());
        Fate {
            is_lost: lost,
            after: self.delay + jitter + if held { HELD_BACK } else { Duration::ZERO },
            is_overtaken: held,
            is_doubled: twice,
            turned_bit: damaged.then_some(bit),
        }
    }
}

/// What becomes of one packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fate {
    pub is_lost: bool,
    pub after: Duration,
    pub is_overtaken: bool,
    pub is_doubled: bool,
    /// Modulo the packet's length in bits.
    pub turned_bit: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fair_weather_does_nothing() {
        let mut dice = Dice::new(3);
        for _ in 0..100 {
            let fate = Weather::FAIR.fate(&mut dice);
            let nothing = Fate {
                is_lost: false,
                after: Duration::ZERO,
                is_overtaken: false,
                is_doubled: false,
                turned_bit: None,
            };
            assert_eq!(fate, nothing);
        }
    }

    #[test]
    fn a_fate_does_not_depend_on_the_weather_before() {
        let foul = Weather {
            loss: 0.5,
            jitter: Duration::from_millis(9),
            ..Weather::FAIR
        };
        let (mut one, mut other) = (Dice::new(5), Dice::new(5));
        for _ in 0..50 {
            foul.fate(&mut one);
            Weather::FAIR.fate(&mut other);
        }
        assert_eq!(foul.fate(&mut one), foul.fate(&mut other));
    }
}
