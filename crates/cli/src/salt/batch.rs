//! What `salt -b` prints while its job runs: whom it runs on, and each result as it comes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use daemon::exit;
use output::{Form, Rendering, Report, ValueRendering};
use serde_json::{Value, json};
use wire::control::{Ledger, LedgerRow};
use wire::{Amount, Json, OutcomeKind};

/// Between two looks at the account at least.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A look may take this part of the time at most: accounts of many minions are long.
const LOOK_PART: u32 = 10;

/// How far a batch was printed.
#[derive(Debug)]
pub(crate) struct Batch {
    amount: Amount,
    /// Who was said to be away.
    away: BTreeSet<String>,
    /// Whom it was said to run on.
    named: BTreeSet<String>,
    /// Whose end was printed.
    ended: BTreeSet<String>,
    /// When the account is to be looked at; none while nothing is new.
    due: Option<Instant>,
    /// Not before then.
    rests_until: Instant,
}

/// One thing to print.
#[derive(Debug)]
enum Line<'l> {
    /// These have their turn.
    Turn(Vec<&'l str>),
    /// A minion that is away is left out.
    Away(&'l str),
    /// A minion that had its turn and did not return.
    Silent(&'l str),
    /// A minion returned.
    Returned(&'l LedgerRow),
}

impl Batch {
    /// So many minions at a time.
    pub(crate) fn new(amount: Amount, now: Instant) -> Batch {
        Batch {
            amount,
            away: BTreeSet::new(),
            named: BTreeSet::new(),
            ended: BTreeSet::new(),
            due: None,
            rests_until: now,
        }
    }

    /// Something of the job is new.
    pub(crate) fn stir(&mut self) {
        self.due.get_or_insert(self.rests_until);
    }

    /// When to look at the account.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It was looked at, which took so long.
    pub(crate) fn looked(&mut self, now: Instant, took: Duration) {
        self.due = None;
        self.rests_until = now + LOOK_EVERY.max(took * LOOK_PART);
    }

    /// The text of what is new in the account.
    pub(crate) fn news(&mut self, ledger: &Ledger, rendering: &Rendering) -> String {
        let lines = self.lines(ledger);
        let text = |line| text(line, ledger, rendering);
        lines.into_iter().map(text).collect()
    }

    fn lines<'l>(&mut self, ledger: &'l Ledger) -> Vec<Line<'l>> {
        let mut lines = Vec::new();
        let mut rows: Vec<&LedgerRow> = ledger.minions.iter().collect();
        rows.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        let mut turns = Vec::new();
        for row in &rows {
            let has_begun = match row.kind {
                OutcomeKind::Queued | OutcomeKind::Refused | OutcomeKind::Expired => false,
                OutcomeKind::Unreachable => {
                    if self.away.insert(row.id.clone()) {
                        lines.push(Line::Away(&row.id));
                    }
                    false
                }
                OutcomeKind::Ok
                | OutcomeKind::Failed
                | OutcomeKind::Running
                | OutcomeKind::Lost => true,
            };
            if has_begun && self.named.insert(row.id.clone()) {
                turns.push(row.id.as_str());
            }
        }
        // More may have begun since the last look than run at a time: they did so one after the other.
        let all = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let at_once = usize::try_from(self.amount.of(all)).unwrap_or(usize::MAX);
        for turn in turns.chunks(at_once.max(1)) {
            let mut turn = turn.to_vec();
            turn.sort_unstable();
            lines.push(Line::Turn(turn));
        }
        for row in rows {
            let line = match row.kind {
                OutcomeKind::Ok | OutcomeKind::Failed => Line::Returned(row),
                OutcomeKind::Lost | OutcomeKind::Refused | OutcomeKind::Expired => {
                    Line::Silent(&row.id)
                }
                // Who is away may come back.
                OutcomeKind::Running | OutcomeKind::Queued | OutcomeKind::Unreachable => continue,
            };
            if self.ended.insert(row.id.clone()) {
                lines.push(line);
            }
        }
        lines
    }
}

/// Salt's exit code of a batch: the highest of the return codes; 1 where a minion did not return.
pub(crate) fn code(ledger: &Ledger) -> u8 {
    let of_row = |row: &LedgerRow| match (row.kind, row.retcode) {
        (OutcomeKind::Ok, _) => exit::OK,
        (OutcomeKind::Failed, Some(retcode)) => {
            u8::try_from(retcode).unwrap_or(u8::MAX).max(exit::FAILED)
        }
        _ => exit::FAILED,
    };
    let silent = u8::from(!ledger.unknown.is_empty() || !ledger.progress.complete);
    ledger.minions.iter().map(of_row).fold(silent, u8::max)
}

fn text(line: Line<'_>, ledger: &Ledger, rendering: &Rendering) -> String {
    match line {
        Line::Turn(ids) => {
            let ids: Vec<String> = ids
                .iter()
                .map(|id| format!("'{}'", output::escape(id)))
                .collect();
            format!("\nExecuting run on [{}]\n\n", ids.join(", "))
        }
        Line::Away(id) => {
            let id = output::escape(id);
            format!("Minion {id} did not respond. No job will be sent.\n")
        }
        Line::Silent(id) => {
            let id = output::escape(id);
            format!("Minion '{id}' failed to respond to job sent\n")
        }
        Line::Returned(row) => returned(row, ledger, rendering),
    }
}

/// The result of a minion, with the job and the return code beside it.
fn returned(row: &LedgerRow, ledger: &Ledger, rendering: &Rendering) -> String {
    let (jid, retcode) = (ledger.progress.jid.to_string(), row.retcode.unwrap_or(0));
    let place = row.value.and_then(|value| usize::try_from(value).ok());
    let value = place.and_then(|place| ledger.values.get(place));
    if rendering.form == Form::Highstate {
        let result = output::render(&Report::new(&alone(row, value, ledger)), rendering);
        return format!("retcode:\n    {retcode}\njid:\n    {jid}\n{result}");
    }
    let value: Value = value
        .and_then(|text| serde_json::from_slice(text).ok())
        .unwrap_or_default();
    let mut document = json!({"retcode": retcode, "jid": jid});
    document[&row.id] = value;
    let rendering = ValueRendering {
        form: rendering.form,
        style: rendering.style,
        yaml: rendering.yaml,
        indent: rendering.indent,
    };
    output::value(&document, &rendering)
}

/// The account of this minion alone.
fn alone(row: &LedgerRow, value: Option<&Json>, ledger: &Ledger) -> Ledger {
    let mut row = row.clone();
    row.value = value.map(|_| 0);
    Ledger {
        progress: ledger.progress.clone(),
        fun: ledger.fun.clone(),
        args: ledger.args.clone(),
        kwargs: ledger.kwargs.clone(),
        target: ledger.target.clone(),
        user: ledger.user.clone(),
        origin: ledger.origin.clone(),
        roots: ledger.roots.clone(),
        issued: ledger.issued,
        finished: ledger.finished,
        minions: vec![row],
        values: value.into_iter().cloned().collect(),
        unknown: Vec::new(),
        undecided: Vec::new(),
        owner: ledger.owner.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use output::{States, Style};
    use wire::Counts;
    use wire::control::Progress;

    fn row(id: &str, kind: OutcomeKind, retcode: Option<i32>, started: Option<u64>) -> LedgerRow {
        LedgerRow {
            id: id.to_owned(),
            path: String::new(),
            kind,
            retcode,
            value: retcode.map(|_| 0),
            started,
            duration_ms: None,
            reason: None,
        }
    }

    fn ledger(minions: Vec<LedgerRow>) -> Ledger {
        let progress = Progress {
            jid: "20261122223700000001".parse().expect("a jid"),
            complete: true,
            finished: false,
            counts: Counts::default(),
            rollout: None,
            steps: None,
            sites: Vec::new(),
        };
        let null: Json = b"null".as_slice().into();
        Ledger {
            progress,
            fun: "test.ping".to_owned(),
            args: null.clone(),
            kwargs: null,
            target: String::new(),
            user: String::new(),
            origin: String::new(),
            roots: None,
            issued: 0,
            finished: None,
            minions,
            values: vec![b"true".as_slice().into()],
            unknown: Vec::new(),
            undecided: Vec::new(),
            owner: None,
        }
    }

    fn as_json() -> Rendering {
        Rendering {
            form: Form::Json,
            one_document: false,
            style: Style { color: false },
            yaml: |_| String::new(),
            states: States::default(),
            indent: Some(-1),
        }
    }

    #[test]
    fn each_turn_and_each_result_is_printed_once() {
        use OutcomeKind::{Ok, Queued, Running, Unreachable};
        let mut batch = Batch::new(Amount::Count(2), Instant::now());
        let mut news = |rows| batch.news(&ledger(rows), &as_json());
        let first = news(vec![
            row("a", Running, None, Some(1)),
            row("b", Ok, Some(0), Some(2)),
            row("c", Queued, None, None),
            row("d", Queued, None, None),
            row("gone", Unreachable, None, None),
        ]);
        let of_b = "{\"retcode\": 0, \"jid\": \"20261122223700000001\", \"b\": true}\n";
        let away = "Minion gone did not respond. No job will be sent.\n";
        assert_eq!(
            first,
            format!("{away}\nExecuting run on ['a', 'b']\n\n{of_b}")
        );
        let rows = || {
            vec![
                row("a", OutcomeKind::Lost, None, Some(1)),
                row("b", Ok, Some(0), Some(2)),
                row("c", Ok, Some(0), Some(3)),
                row("d", Ok, Some(0), Some(4)),
                row("e", Ok, Some(0), Some(5)),
                row("gone", Unreachable, None, None),
            ]
        };
        let second = news(rows());
        let turns: Vec<&str> = second.lines().filter(|l| l.starts_with("Exec")).collect();
        assert_eq!(
            turns,
            ["Executing run on ['c', 'd']", "Executing run on ['e']"]
        );
        assert!(second.contains("Minion 'a' failed to respond"), "{second}");
        assert_eq!(second.matches("true").count(), 3);
        assert_eq!(news(rows()), "");
    }

    #[test]
    fn the_highest_return_code_counts() {
        use OutcomeKind::{Failed, Ok, Unreachable};
        let check = |rows, expected| assert_eq!(code(&ledger(rows)), expected);
        check(vec![row("a", Ok, Some(0), None)], 0);
        let failed = |retcode| row("b", Failed, Some(retcode), None);
        check(vec![row("a", Ok, Some(0), None), failed(3)], 3);
        check(vec![failed(2), row("c", Unreachable, None, None)], 2);
        check(vec![row("c", Unreachable, None, None)], 1);
        check(vec![failed(-9)], 255);
        check(vec![failed(0)], 1);
    }

    #[test]
    fn long_accounts_are_looked_at_seldom() {
        let now = Instant::now();
        let mut batch = Batch::new(Amount::Count(1), now);
        assert_eq!(batch.due(), None);
        batch.stir();
        assert_eq!(batch.due(), Some(now));
        batch.looked(now, Duration::from_secs(1));
        assert_eq!(batch.due(), None);
        batch.stir();
        assert_eq!(batch.due(), Some(now + Duration::from_secs(10)));
    }
}
