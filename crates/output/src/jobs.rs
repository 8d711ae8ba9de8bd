//! The list of jobs.

use wire::control::JobSummary;

use crate::escape::escape;
use crate::progress::counts;
use crate::table::{Align, table};
use crate::time::{iso, span};

/// Characters of a target that the list shows; `jobs show` has all.
const TARGET_CHARS_MAX: usize = 40;

/// One line for each job: when, who, what, on whom, and how it stands.
pub fn jobs(jobs: &[JobSummary]) -> String {
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let took = match job.finished {
                Some(finished) => span(finished.saturating_sub(job.issued)),
                None => "goes on".to_owned(),
            };
            vec![
                job.jid.to_string(),
                iso(job.issued),
                took,
                escape(&job.user).into_owned(),
                escape(&job.fun).into_owned(),
                shortened(&escape(&job.target)),
                counts(&job.counts),
            ]
        })
        .collect();
    let left = |name| (name, Align::Left);
    table(
        &[
            "JID", "STARTED", "TOOK", "USER", "FUNCTION", "TARGET", "MINIONS",
        ]
        .map(left),
        &rows,
    )
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= TARGET_CHARS_MAX {
        text.to_owned()
    } else {
        text.chars()
            .take(TARGET_CHARS_MAX - 1)
            .chain(['…'])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, NOW};
    use wire::OutcomeKind::*;

    #[test]
    fn one_line_for_each_job() {
        let summary = |target: &str, finished, kinds: &[_]| {
            let ledger = sample::outcomes(kinds);
            JobSummary {
                jid: ledger.progress.jid,
                fun: "test.ping".to_owned(),
                target: target.to_owned(),
                user: "sudo_alice".to_owned(),
                origin: "top1".to_owned(),
                issued: NOW,
                finished,
                counts: ledger.progress.counts,
            }
        };
        assert_eq!(
            jobs(&[summary("*", Some(NOW + 40), &[Ok, Failed]), summary(&"web,".repeat(20), None, &[Ok, Running])]),
            "\
JID                   STARTED                   TOOK     USER        FUNCTION   TARGET                                    MINIONS
20261122231556000001  2026-11-22T23:15:56.000Z  40ms     sudo_alice  test.ping  *                                         2/2 returned, 1 failed
20261122231556000001  2026-11-22T23:15:56.000Z  goes on  sudo_alice  test.ping  web,web,web,web,web,web,web,web,web,web…  1/2 returned, 1 running
"
        );
    }
}
