//! What a job's account means to a script.

use wire::control::Ledger;

/// Every expected minion is ok.
pub const OK: u8 = 0;
/// At least one minion failed.
pub const FAILED: u8 = 1;
/// The target matches no minion.
pub const NOTHING_MATCHED: u8 = 2;
/// None failed, and of some the outcome is not known: unreachable, lost, expired, not finished, not decided, or nobody's id.
pub const UNKNOWN: u8 = 3;
/// None failed, the outcomes are known, and some refused.
pub const REFUSED: u8 = 4;

/// The exit code for a job as it stands; of several that would fit, the first in the order 1, 2, 3, 4.
pub fn exit_code(ledger: &Ledger) -> u8 {
    let counts = &ledger.progress.counts;
    let open = counts.unreachable + counts.lost + counts.expired + counts.running + counts.queued;
    let is_named = ledger.progress.complete && ledger.undecided.is_empty();
    if counts.failed > 0 {
        FAILED
    } else if counts.expected == 0 && is_named {
        NOTHING_MATCHED
    } else if open > 0 || !is_named || !ledger.unknown.is_empty() {
        UNKNOWN
    } else if counts.refused > 0 {
        REFUSED
    } else {
        OK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use wire::OutcomeKind::{self, *};

    #[test]
    fn codes_tell_outcomes_apart() {
        let check = |kinds: &[OutcomeKind], expected| {
            assert_eq!(exit_code(&sample::outcomes(kinds)), expected, "{kinds:?}");
        };
        check(&[], NOTHING_MATCHED);
        check(&[Ok, Ok], OK);
        check(&[Ok, Failed, Unreachable, Refused], FAILED);
        for open in [Unreachable, Lost, Expired, Running, Queued] {
            check(&[Ok, open], UNKNOWN);
            check(&[Refused, open], UNKNOWN);
        }
        check(&[Ok, Refused], REFUSED);
    }

    #[test]
    fn what_is_not_named_is_not_known() {
        let mut ledger = sample::outcomes(&[Ok]);
        ledger.unknown.push("web9".to_owned());
        assert_eq!(exit_code(&ledger), UNKNOWN);

        let mut ledger = sample::outcomes(&[]);
        ledger.unknown.push("web9".to_owned());
        assert_eq!(exit_code(&ledger), NOTHING_MATCHED);

        let mut ledger = sample::outcomes(&[]);
        ledger.progress.complete = false;
        assert_eq!(exit_code(&ledger), UNKNOWN);

        let mut ledger = sample::outcomes(&[Ok]);
        ledger.undecided.push(("web9".to_owned(), sample::reason()));
        assert_eq!(exit_code(&ledger), UNKNOWN);
    }
}
