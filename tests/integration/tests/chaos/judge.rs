//! Compares what the accounts say with what was done.

use integration::{Ledger, Tree, wait_for};

use crate::load::{Job, done};
use crate::site::MINIONS;

const ALL_JOBS: [&str; 4] = ["jobs", "list", "--limit", "10000"];

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
                "unreachable" | "expired" | "refused" => !has_done(id),
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
    let listed = top.json(&ALL_JOBS);
    let ids = listed.as_array().expect("a list of jobs").iter();
    // Orders whose command has not learnt their ids.
    let nameless: Vec<Ledger> = ids
        .filter_map(|row| row["jid"].as_str())
        .filter(|jid| jobs.iter().all(|job| job.jid.as_deref() != Some(jid)))
        .map(|jid| top.show(jid))
        .collect();
    for job in jobs.iter().filter(|job| job.jid.is_none()) {
        let word = format!("echo {} >>", job.deed);
        let is_this = |ledger: &&Ledger| ledger.field("args").to_string().contains(&word);
        if let Some(ledger) = nameless.iter().find(is_this) {
            let known = Job {
                jid: Some(ledger.jid().to_owned()),
                ..job.clone()
            };
            accounts(tree, &[known]);
        } else {
            let mut deeds = done(tree).into_keys();
            let doer = deeds.find(|(deed, _)| *deed == job.deed);
            assert_eq!(doer, None, "it is in no book");
        }
    }
    wait_for("every account is finished", || {
        let jobs = top.json(&ALL_JOBS);
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
