//! What a reader of results should know besides them.

use wire::OutcomeKind;
use wire::control::{Doing, Ledger};

use crate::escape::escape;
use crate::group::listed;
use crate::number::{count, grouped};
use crate::progress::rollout as rollout_line;
use crate::report::because;
use crate::summary::ids;
use crate::time::iso;
use crate::tree::site_name;

/// Sentences, one a line: who failed, which sites are cut off, which ids nobody has, for whom the target is not decided.
pub fn notes(ledger: &Ledger) -> Vec<String> {
    let progress = &ledger.progress;
    let mut notes = Vec::new();
    if progress.counts.expected == 0 && progress.complete && ledger.undecided.is_empty() {
        notes.push("No minion matches the target.".to_owned());
    }
    if let Some(owner) = &ledger.owner {
        notes.push(format!(
            "Top-master {} owns this job, which {} has ordered.",
            escape(owner),
            escape(&ledger.origin)
        ));
    }
    if progress.counts.failed > 0 {
        notes.push(format!(
            "{} of {} failed: {}",
            grouped(progress.counts.failed),
            count(progress.counts.expected, "minion"),
            listed(&ids(ledger, OutcomeKind::Failed))
        ));
    }
    if let Some(rollout) = &progress.rollout
        && (!progress.finished || matches!(rollout.doing, Doing::Halted { .. }))
    {
        notes.push(format!("Rollout: {}.", rollout_line(rollout)));
    }
    let held: Vec<&str> = ledger
        .minions
        .iter()
        .filter(|row| row.kind == OutcomeKind::Queued && row.reason.is_some())
        .map(|row| row.id.as_str())
        .collect();
    if !held.is_empty() {
        notes.push(format!(
            "Kept for {} that {} down: {}. Follow it with: jobs watch {}",
            count(held.len() as u64, "minion"),
            if held.len() == 1 { "is" } else { "are" },
            listed(&held),
            progress.jid
        ));
    }
    for site in &progress.sites {
        if let Some(since) = site.cut_since {
            notes.push(format!(
                "Site {} is cut off since {}: {} expected there, as of then.",
                site_name(&site.path),
                iso(since),
                count(site.counts.expected, "minion")
            ));
        }
    }
    if !ledger.unknown.is_empty() {
        notes.push(format!(
            "No minion has this id: {}",
            listed(&ledger.unknown)
        ));
    }
    if let Some((_, reason)) = ledger.undecided.first() {
        let undecided: Vec<_> = ledger.undecided.iter().map(|(id, _)| id.as_str()).collect();
        notes.push(format!(
            "Cannot decide whether the target means {}: {} ({})",
            count(undecided.len() as u64, "minion"),
            listed(&undecided),
            because(reason)
        ));
    }
    if !progress.complete {
        notes.push("Not every site has named its minions yet.".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use wire::OutcomeKind::*;

    #[test]
    fn tells_what_the_results_do_not() {
        assert!(notes(&sample::outcomes(&[Ok, Ok])).is_empty());
        assert_eq!(
            notes(&sample::outcomes(&[])),
            ["No minion matches the target."]
        );

        let mut ledger = sample::outcomes(&[Failed, Ok, Unreachable]);
        ledger.progress.sites[0].cut_since = Some(sample::NOW);
        ledger.progress.complete = false;
        ledger.unknown.push("web9\x1b".to_owned());
        ledger.undecided.push(("web8".to_owned(), sample::reason()));
        assert_eq!(
            notes(&ledger),
            [
                "1 of 3 minions failed: m1",
                "Site eu/ams is cut off since 2026-11-22T23:15:56.000Z: 3 minions expected there, as of then.",
                "No minion has this id: web9\\x1b",
                "Cannot decide whether the target means 1 minion: web8 (the hub lacks its grains)",
                "Not every site has named its minions yet.",
            ]
        );
    }
}
