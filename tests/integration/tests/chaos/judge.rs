//! Compares what the accounts say with what was done.

use integration::{Ledger, Tree, wait_for};

use crate::load::{Job, done};
use crate::site::MINIONS;

/// Whether an account that is finished says of each minion what it did.
fn is_true(ledger: &Ledger, has_done: impl Fn(&str) -> bool) -> bool {
    ledger.is_finished()
        && ledger
            .outcomes()
            .iter()
            .all(|(id, outcome)| match *outcome {
                "ok" => has_done(id),
                // It died over the job, perhaps before the command began.
                "lost" => true,
                "unreachable" | "expired" => !has_done(id),
                _ => false,
            })
}

/// Waits until every account is true. No minion has done anything twice, and none anything that it was not told.
pub fn accounts(tree: &Tree, jobs: &[Job]) {
    let top = tree.top();
    for job in jobs {
        let Some(jid) = &job.jid else { continue };
        let ledger = top.job_becomes(jid, "the account is true", |ledger| {
            let done = done(tree);
            is_true(ledger, |id| {
                done.contains_key(&(job.deed.clone(), id.to_owned()))
            })
        });
        let meant = MINIONS.iter().filter(|id| id.starts_with(job.prefix));
        let expected: Vec<&str> = ledger.outcomes().into_keys().collect();
        assert_eq!(expected, meant.copied().collect::<Vec<_>>(), "{ledger:#?}");
    }
    for ((deed, minion), times) in done(tree) {
        assert_eq!(times, 1, "{minion} has done {deed} {times} times");
    }
}

/// When nothing more is ordered: also the jobs whose fate was unknown are in the books if anybody has done them, none is
/// unfinished, and everybody answers.
pub fn rest(tree: &Tree, jobs: &[Job]) {
    let top = tree.top();
    let listed = top.json(&["jobs", "list", "--limit", "10000"]);
    let listed = listed.as_array().expect("a list of jobs");
    for job in jobs.iter().filter(|job| job.jid.is_none()) {
        let doers: Vec<String> = done(tree)
            .into_keys()
            .filter(|(deed, _)| *deed == job.deed)
            .map(|(_, minion)| minion)
            .collect();
        let word = format!("echo {} >>", job.deed);
        let known = listed.iter().find(|row| row.to_string().contains(&word));
        let Some(known) = known else {
            assert!(
                doers.is_empty(),
                "{job:?} is in no book, and {doers:?} have done it"
            );
            continue;
        };
        let jid = known["jid"].as_str().expect("a jid");
        let known = Job {
            jid: Some(jid.to_owned()),
            ..job.clone()
        };
        accounts(tree, &[known]);
    }
    wait_for("every account is finished", || {
        let jobs = top.json(&["jobs", "list", "--limit", "10000"]);
        let jobs = jobs.as_array()?;
        jobs.iter()
            .all(|job| !job["finished"].is_null())
            .then_some(())
    });
    // The last fault may have been too short to be noticed at once.
    wait_for("everyone answers", || {
        (top.call(&["run", "*", "test.ping"]).code == Some(0)).then_some(())
    });
    top.run(0, &["*", "test.ping"]).all_ok(&MINIONS);
}
