//! The list of jobs.

use std::collections::BTreeMap;

use wire::Jid;
use wire::control::JobSummary;

use crate::escape::escape;
use crate::progress::counts;
use crate::table::{Align, table};
use crate::time::{iso, span};

/// Characters of a target that the list shows; `jobs show` has all.
const TARGET_CHARS_MAX: usize = 40;

/// One line for each job: when, who, what, on whom, and how it stands. Where some were adopted, each has its owner.
pub fn jobs(jobs: &[JobSummary], owners: &BTreeMap<Jid, String>) -> String {
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let took = match job.finished {
                Some(finished) => span(finished.saturating_sub(job.issued)),
                None => "goes on".to_owned(),
            };
            let mut row = vec![
                job.jid.to_string(),
                iso(job.issued),
                took,
                escape(&job.user).into_owned(),
                escape(&job.fun).into_owned(),
                shortened(&escape(&job.target)),
                counts(&job.counts),
            ];
            if !owners.is_empty() {
                row.push(match owners.get(&job.jid) {
                    Some(owner) => format!("{} (was {})", escape(owner), escape(&job.origin)),
                    None => escape(&job.origin).into_owned(),
                });
            }
            row
        })
        .collect();
    let names = [
        "JID", "STARTED", "TOOK", "USER", "FUNCTION", "TARGET", "MINIONS", "OWNER",
    ];
    let shown = names.len() - usize::from(owners.is_empty());
    table(&names.map(|name| (name, Align::Left))[..shown], &rows)
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
            jobs(&[summary("*", Some(NOW + 40), &[Ok, Failed]), summary(&"web,".repeat(20), None, &[Ok, Running])], &BTreeMap::new()),
            "\
JID                   STARTED                   TOOK     USER        FUNCTION   TARGET                                    MINIONS
20261122231556000001  2026-11-22T23:15:56.000Z  40ms     sudo_alice  test.ping  *                                         2/2 returned, 1 failed
20261122231556000001  2026-11-22T23:15:56.000Z  goes on  sudo_alice  test.ping  web,web,web,web,web,web,web,web,web,web…  1/2 returned, 1 running
"
        );
        let adopted = summary("*", None, &[Running]);
        let owners = BTreeMap::from([(adopted.jid, "top2".to_owned())]);
        assert_eq!(
            jobs(&[adopted], &owners),
            "\
JID                   STARTED                   TOOK     USER        FUNCTION   TARGET  MINIONS                  OWNER
20261122231556000001  2026-11-22T23:15:56.000Z  goes on  sudo_alice  test.ping  *       0/1 returned, 1 running  top2 (was top1)
"
        );
    }
}
