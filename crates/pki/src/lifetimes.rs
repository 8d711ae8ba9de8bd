//! How long certificates live, and when they are renewed.

use std::time::Duration;

use wire::UnixMillis;

/// Certificates are valid from so long before their issue, for clocks that are behind.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = HOUR.saturating_mul(24);

/// Life of each kind of certificate. None outlives its issuer, whatever is set here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Link certificate of a minion.
    pub minion: Duration,
    /// Link certificate of a syndic or a top-master.
    pub hub: Duration,
    /// Certifying certificate of a syndic.
    pub syndic_ca: Duration,
    /// Certifying certificate of a top-master. Only the root's key renews it, and that key may be in a safe:
    /// a year by default, so that nobody has to open the safe each month.
    pub top_ca: Duration,
    /// The root's certificate. Nodes pin its key and not its dates.
    pub root: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Lifetimes {
            minion: 72 * HOUR,
            hub: 7 * DAY,
            syndic_ca: 30 * DAY,
            top_ca: 366 * DAY,
            root: 20 * 366 * DAY,
        }
    }
}

/// The first millisecond after a life that begins now.
pub(crate) fn end_of(now: UnixMillis, life: Duration) -> UnixMillis {
    now.saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX))
}

/// When a certificate of this validity is to be renewed: after two thirds of its life, plus up to a twelfth of
/// it by `seed`, so that the nodes of a site that were enrolled together do not all come back together.
///
/// The seed is the node's own choice, the bytes of its uid for one; the same seed gives the same instant.
pub fn renewal_due(not_before: UnixMillis, not_after: UnixMillis, seed: u64) -> UnixMillis {
    let life = not_after.saturating_sub(not_before);
    let spread = life / 12 + 1;
    // Seeds may be small or alike: multiply by 2^64 over the golden ratio and take the upper half, which
    // spreads neighbours over the whole range (Knuth, TAOCP 3, 6.4).
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    not_before
        .saturating_add(life / 3 * 2)
        .saturating_add(mixed % spread)
}

/// The validity of a chain's first certificate: `(not_before, not_after)`; what [`renewal_due`] wants.
///
/// # Errors
/// [`crate::CertificateError`] when it is no certificate.
pub fn validity(certificate: &[u8]) -> Result<(UnixMillis, UnixMillis), crate::CertificateError> {
    let certificate = crate::certificate::Certificate::parse(certificate)?;
    Ok((certificate.not_before, certificate.not_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_falls_between_two_thirds_and_three_quarters() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..1_000 {
            let due = renewal_due(1_000, 1_000 + 1_200_000, seed);
            assert!((801_000..=901_000).contains(&due), "{due}");
            seen.insert(due);
        }
        assert!(
            seen.len() > 900,
            "only {} instants for 1,000 nodes",
            seen.len()
        );
    }

    #[test]
    fn odd_dates_do_not_overflow() {
        assert_eq!(renewal_due(10, 5, 7), 10);
        assert!(renewal_due(0, u64::MAX, u64::MAX) < u64::MAX);
        assert_eq!(end_of(u64::MAX, Duration::MAX), u64::MAX);
    }
}
