//! Accounts for tests.

use wire::control::{Ledger, LedgerRow, Progress, SiteCounts};
use wire::{Counts, OutcomeKind, Reason, ReasonCode, UnixMillis};

/// 2026-11-22T23:15:56Z.
pub(crate) const NOW: UnixMillis = 1_795_389_356_000;

pub(crate) fn reason() -> Reason {
    Reason {
        code: ReasonCode::MinionDown,
        text: "the hub lacks its grains".to_owned(),
        since: NOW,
    }
}

/// A minion that returned the value with this number.
pub(crate) fn returned(id: &str, kind: OutcomeKind, value: u32) -> LedgerRow {
    LedgerRow {
        id: id.to_owned(),
        path: "eu/ams".to_owned(),
        kind,
        retcode: Some(i32::from(kind != OutcomeKind::Ok)),
        value: Some(value),
        started: Some(NOW),
        duration_ms: Some(12),
        reason: None,
    }
}

/// A minion that did not return.
pub(crate) fn silent(id: &str, kind: OutcomeKind, reason: Option<(ReasonCode, &str)>) -> LedgerRow {
    LedgerRow {
        id: id.to_owned(),
        path: "eu/ams".to_owned(),
        kind,
        retcode: None,
        value: None,
        started: None,
        duration_ms: None,
        reason: reason.map(|(code, text)| Reason {
            code,
            text: text.to_owned(),
            since: NOW,
        }),
    }
}

/// An account of these minions, all at one site.
pub(crate) fn account(minions: Vec<LedgerRow>, values: &[&str]) -> Ledger {
    let mut counts = Counts::default();
    for row in &minions {
        counts.add(row.kind);
    }
    let sites = vec![SiteCounts {
        path: "eu/ams".to_owned(),
        counts,
        as_of: NOW,
        cut_since: None,
    }];
    Ledger {
        progress: Progress {
            jid: "20261122231556000001".parse().expect("twenty digits"),
            complete: true,
            finished: counts.settled() == counts.expected,
            counts,
            rollout: None,
            steps: None,
            sites,
        },
        fun: "test.ping".to_owned(),
        args: b"[]".as_slice().into(),
        kwargs: b"{}".as_slice().into(),
        target: "*".to_owned(),
        user: "sudo_alice".to_owned(),
        origin: "top1".to_owned(),
        roots: None,
        issued: NOW,
        finished: Some(NOW + 40),
        minions,
        values: values.iter().map(|json| json.as_bytes().into()).collect(),
        unknown: vec![],
        undecided: vec![],
        owner: None,
    }
}

/// An account in which each minion returned its JSON text well.
pub(crate) fn ledger(returns: &[(&str, &str)]) -> Ledger {
    let minions = returns
        .iter()
        .zip(0..)
        .map(|((id, _), number)| returned(id, OutcomeKind::Ok, number))
        .collect();
    account(
        minions,
        &returns.iter().map(|(_, json)| *json).collect::<Vec<_>>(),
    )
}

/// An account with one minion for each outcome.
pub(crate) fn outcomes(kinds: &[OutcomeKind]) -> Ledger {
    let minions = kinds
        .iter()
        .zip(1..)
        .map(|(&kind, number)| match kind {
            OutcomeKind::Ok | OutcomeKind::Failed => returned(&format!("m{number}"), kind, 0),
            _ => silent(&format!("m{number}"), kind, None),
        })
        .collect();
    account(minions, &["true"])
}
