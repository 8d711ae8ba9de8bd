//! A hub's books: the accounts of the jobs that it accepted, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use wire::control::{Ask, Ledger};
use wire::{Counts, Jid, OutcomeKind, UnixMillis};

use super::control;
use super::order::SILENCE_MAX;

/// Accounts that are read at once.
const READERS: usize = 4;

/// What the books say about jobs that are all for the same minions.
#[derive(Debug, Default)]
pub struct Books {
    /// Accounts that are not exact, and why.
    pub flaws: Vec<(Jid, String)>,
    /// Exact accounts in which every minion is ok.
    pub all_ok: u64,
    /// Exact accounts in which not every minion is ok.
    pub not_all_ok: u64,
    /// Outcomes of all minions in all accounts.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    first_issued: Option<UnixMillis>,
    last_finished: Option<UnixMillis>,
}

impl Books {
    /// Reads the account of each job; of those that still run when they have ended.
    pub fn read(socket: &Path, jids: &[Jid], minions: u32) -> Books {
        let share = jids.len().div_ceil(READERS).max(1);
        let all = Mutex::new(Books::default());
        let books = &all;
        std::thread::scope(|scope| {
            for jids in jids.chunks(share) {
                scope.spawn(move || {
                    for jid in jids {
                        let ask = Ask::Watch { jid: *jid };
                        let account = control::account(SILENCE_MAX, socket, &ask);
                        // Poisoned only when another reader panicked, and then so does the scope.
                        if let Ok(mut books) = books.lock() {
                            books.enter(*jid, account, minions);
                        }
                    }
                });
            }
        });
        all.into_inner().unwrap_or_default()
    }

    fn enter(&mut self, jid: Jid, account: anyhow::Result<Ledger>, minions: u32) {
        let ledger = match account {
            Ok(ledger) => ledger,
            Err(error) => return self.flaws.push((jid, format!("{error:#}"))),
        };
        let issued = Some(ledger.issued);
        self.first_issued = self.first_issued.or(issued).min(issued);
        self.last_finished = self.last_finished.max(ledger.finished);
        for row in &ledger.minions {
            *self.outcomes.entry(row.kind).or_default() += 1;
        }
        match flaw(&ledger, minions) {
            Some(flaw) => self.flaws.push((jid, flaw)),
            None if ledger.progress.counts.ok < u64::from(minions) => self.not_all_ok += 1,
            None => self.all_ok += 1,
        }
    }

    /// From the first order to the last end, by the hub's clock.
    pub fn took(&self) -> Option<Duration> {
        let millis = self.last_finished?.checked_sub(self.first_issued?)?;
        Some(Duration::from_millis(millis))
    }
}

/// Why an account is not exact: it has ended, each minion is in it once and by its id, and the counts are those of the rows.
fn flaw(ledger: &Ledger, minions: u32) -> Option<String> {
    let progress = &ledger.progress;
    let (mut by_id, mut ids) = (Counts::default(), BTreeSet::new());
    for row in &ledger.minions {
        if ids.insert(row.id.as_str()) {
            by_id.add(row.kind);
        }
    }
    let is_exact = progress.finished
        && progress.complete
        && ids.len() == minions as usize
        && ledger.minions.len() == ids.len()
        && by_id == progress.counts
        && by_id.settled() == by_id.expected;
    (!is_exact).then(|| {
        format!(
            "by id: {}; in {} rows; counted: {}; complete: {}; finished: {}",
            in_words(&by_id),
            ledger.minions.len(),
            in_words(&progress.counts),
            progress.complete,
            progress.finished,
        )
    })
}

/// How many of each kind that there is.
pub fn in_words(counts: &Counts) -> String {
    let kinds = OutcomeKind::ALL
        .into_iter()
        .filter(|kind| counts.of(*kind) > 0)
        .map(|kind| format!(", {} {}", counts.of(kind), kind.as_str()));
    format!("{} expected{}", counts.expected, kinds.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::control::{LedgerRow, Progress};

    fn jid(number: u64) -> Jid {
        format!("202601010000000{number:05}").parse().unwrap()
    }

    /// Of a job that ended after half a second.
    fn ledger(rows: &[(&str, OutcomeKind)]) -> Ledger {
        let row = |(id, kind): &(&str, OutcomeKind)| LedgerRow {
            id: (*id).to_owned(),
            path: String::new(),
            kind: *kind,
            retcode: None,
            value: None,
            started: None,
            duration_ms: None,
            reason: None,
        };
        let mut counts = Counts::default();
        for (_, kind) in rows {
            counts.add(*kind);
        }
        Ledger {
            progress: Progress {
                jid: jid(0),
                complete: true,
                finished: true,
                counts,
                rollout: None,
                steps: None,
                sites: Vec::new(),
            },
            fun: "test.ping".to_owned(),
            args: (*b"[]").into(),
            kwargs: (*b"{}").into(),
            target: "*".to_owned(),
            user: "bench".to_owned(),
            origin: "top".to_owned(),
            roots: None,
            issued: 1_000,
            finished: Some(1_500),
            minions: rows.iter().map(row).collect(),
            values: Vec::new(),
            unknown: Vec::new(),
            undecided: Vec::new(),
            owner: None,
        }
    }

    use OutcomeKind::{Ok as Good, Running, Unreachable};

    #[test]
    fn an_account_is_exact_by_id() {
        let both = ledger(&[("a", Good), ("b", Unreachable)]);
        assert_eq!(flaw(&both, 2), None);
        assert!(flaw(&both, 3).is_some(), "one is missing");
        let twice = ledger(&[("a", Good), ("a", Good)]);
        assert!(flaw(&twice, 2).is_some(), "one is there twice");
        let runs = ledger(&[("a", Running)]);
        assert!(flaw(&runs, 1).is_some(), "an outcome is not known");
        let mut open = ledger(&[("a", Good)]);
        open.progress.finished = false;
        assert!(flaw(&open, 1).is_some(), "not at its end");
        let mut miscounted = ledger(&[("a", Good), ("b", Unreachable)]);
        miscounted.minions[1].kind = Good;
        assert_eq!(
            flaw(&miscounted, 2).as_deref(),
            Some(
                "by id: 2 expected, 2 ok; in 2 rows; counted: 2 expected, 1 ok, 1 unreachable; complete: true; finished: true"
            )
        );
    }

    #[test]
    fn books() {
        let mut books = Books::default();
        assert_eq!(books.took(), None);
        let mut late = ledger(&[("a", Unreachable)]);
        late.finished = Some(1_700);
        books.enter(jid(1), Ok(late), 1);
        books.enter(jid(2), Ok(ledger(&[("a", Good)])), 1);
        books.enter(jid(3), Err(anyhow::anyhow!("gone")), 1);
        assert_eq!(books.took(), Some(Duration::from_millis(700)));
        assert_eq!(books.flaws, [(jid(3), "gone".to_owned())]);
        assert_eq!((books.all_ok, books.not_all_ok), (1, 1));
        assert_eq!(books.outcomes, [(Good, 1), (Unreachable, 1)].into());
    }
}
