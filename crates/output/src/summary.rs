//! How a job went, in numbers.

use wire::OutcomeKind;
use wire::control::Ledger;

use crate::group::listed;

const RULE: &str = "-------------------------------------------";

/// A block in the words of Salt's `--summary`, with the outcomes of those that did not return below their number.
pub fn summary(ledger: &Ledger) -> String {
    let counts = &ledger.progress.counts;
    let mut lines = vec![
        String::new(),
        String::new(),
        RULE.to_owned(),
        "Summary".to_owned(),
        RULE.to_owned(),
        format!("# of minions targeted: {}", counts.expected),
        format!("# of minions returned: {}", counts.returned()),
        format!(
            "# of minions that did not return: {}",
            counts.expected - counts.returned().min(counts.expected)
        ),
    ];
    for kind in OutcomeKind::ALL {
        let number = counts.of(kind);
        if number > 0 && !matches!(kind, OutcomeKind::Ok | OutcomeKind::Failed) {
            lines.push(format!(
                "    {}: {number} ({})",
                kind.as_str(),
                listed(&ids(ledger, kind))
            ));
        }
    }
    lines.push(format!("# of minions with errors: {}", counts.failed));
    if counts.failed > 0 {
        lines.push(format!(
            "    failed: {} ({})",
            counts.failed,
            listed(&ids(ledger, OutcomeKind::Failed))
        ));
    }
    lines.push(RULE.to_owned());
    lines.join("\n") + "\n"
}

/// The minions with an outcome.
pub(crate) fn ids(ledger: &Ledger, kind: OutcomeKind) -> Vec<&str> {
    ledger
        .minions
        .iter()
        .filter(|row| row.kind == kind)
        .map(|row| row.id.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use wire::OutcomeKind::*;

    #[test]
    fn speaks_salts_words() {
        let expected = "

-------------------------------------------
Summary
-------------------------------------------
# of minions targeted: 5
# of minions returned: 2
# of minions that did not return: 3
    running: 1 (m4)
    unreachable: 2 (m3, m5)
# of minions with errors: 1
    failed: 1 (m2)
-------------------------------------------
";
        assert_eq!(
            summary(&sample::outcomes(&[
                Ok,
                Failed,
                Unreachable,
                Running,
                Unreachable
            ])),
            expected
        );
    }
}
