//! A top-master that takes over the jobs of another one.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{HubInput, HubOutput};
use support::*;
use wire::{
    Amount, BatchPlan, Down, IndexSet, Outcome, Owner, PlanRecord, Release, Role, Terms, Uid, Up,
    ValueRef,
};

/// The one of the bench.
const ME: Uid = Uid([100; 16]);
const MINE: Owner = Owner { term: 1, hub: ME };

fn ok() -> Outcome {
    Outcome::Returned {
        retcode: 0,
        success: true,
        value: ValueRef::Inline(json("true")),
    }
}

fn adopt(bench: &mut Bench) -> Vec<HubOutput> {
    bench.put(HubInput::Adopt { jid: jid(1) })
}

fn owned(rollout: Vec<PlanRecord>) -> Up {
    Up::Owned {
        jid: jid(1),
        owner: MINE,
        rollout,
    }
}

fn says_settled(outputs: &[HubOutput], link: u64) -> bool {
    let told = told(outputs, link);
    told.iter().any(|m| matches!(m, Down::SettledBy { .. }))
}

#[test]
fn a_job_of_another_top_is_history_until_it_is_adopted() {
    let mut bench = beside(ok());
    assert_eq!(bench.row(jid(1), "m1"), "ok");
    let job = bench.hub.job(jid(1)).unwrap();
    assert!(job.is_beside() && !job.is_complete(), "fra has yet to tell");
    bench.disk_works = false;
    let outputs = adopt(&mut bench);
    let is_told = |outputs: &[HubOutput]| {
        let own = Down::Own {
            jid: jid(1),
            owner: MINE,
        };
        told(outputs, 10).contains(&&own) && told(outputs, 20).contains(&&own)
    };
    assert!(!is_told(&outputs), "it is not on disk yet");
    assert!(!bench.hub.job(jid(1)).unwrap().is_adopted());
    bench.disk_works = true;
    let outputs = bench.disk_done();
    assert!(is_told(&outputs), "{outputs:?}");
    assert!(says_settled(&outputs, 10), "{outputs:?}");
    assert!(bench.hub.job(jid(1)).unwrap().is_adopted());
    // And after a restart it is as before.
    let bench = bench.restarted();
    assert!(bench.hub.job(jid(1)).unwrap().is_adopted());
}

#[test]
fn a_site_that_was_not_reached_gets_the_job_from_the_new_owner() {
    let mut bench = beside(Outcome::Running);
    adopt(&mut bench);
    bench.says(10, owned(vec![]));
    let outputs = bench.says(20, owned(vec![]));
    let jobs = told(&outputs, 20);
    assert!(jobs.iter().any(|m| matches!(m, Down::Job(_))), "{jobs:?}");
}

fn plan() -> BatchPlan {
    BatchPlan {
        size: Some(Amount::Count(1)),
        ..BatchPlan::default()
    }
}

fn release(index: u32) -> Release {
    Release {
        round: 3,
        until: NOW + 60_000,
        who: [index].into_iter().collect(),
    }
}

fn terms() -> PlanRecord {
    PlanRecord::Terms(Terms {
        hold: false,
        by_release: true,
    })
}

fn rollout(who: Option<u32>) -> Vec<PlanRecord> {
    let mut entries = vec![
        terms(),
        PlanRecord::Plan(plan()),
        PlanRecord::Begun { expected: 2 },
    ];
    entries.extend(who.map(release).map(PlanRecord::Released));
    entries
}

/// Turns that were given to a site.
fn granted(outputs: &[HubOutput], link: u64) -> Vec<IndexSet> {
    let told = told(outputs, link).into_iter();
    told.filter_map(|message| match message {
        Down::Grant { owner, release, .. } => {
            assert_eq!(*owner, MINE);
            Some(release.who.clone())
        }
        _ => None,
    })
    .collect()
}

#[test]
fn a_rollout_goes_on_where_it_stood_when_every_site_has_told() {
    let mut bench = beside(Outcome::Running);
    bench.says(20, tells(1, 5, Outcome::Queued));
    adopt(&mut bench);
    // m1 has its turn: ams says so, and one at a time is the budget.
    let outputs = bench.says(20, owned(rollout(None)));
    assert!(granted(&outputs, 20).is_empty(), "ams has yet to tell");
    let outputs = bench.says(10, owned(rollout(Some(5))));
    assert!(
        granted(&outputs, 20).is_empty(),
        "m1 has the place: {outputs:?}"
    );
    let outputs = bench.says(10, tells(2, 5, ok()));
    assert_eq!(granted(&outputs, 20).len(), 1, "{outputs:?}");
    assert!(granted(&outputs, 10).is_empty());
}

#[test]
fn a_site_that_does_not_tell_is_waited_for_until_its_turns_are_over() {
    let mut bench = beside(Outcome::Running);
    bench.says(20, tells(1, 5, Outcome::Queued));
    adopt(&mut bench);
    bench.says(20, owned(rollout(None)));
    bench.close(10);
    let outputs = bench.wait(120_000);
    assert!(granted(&outputs, 20).is_empty(), "{outputs:?}");
    assert_eq!(bench.row(jid(1), "m1"), "unreachable SiteCutOff");
}

#[test]
fn the_former_owner_follows() {
    let mut bench = Bench::new("");
    bench.connect(10, peer(10, Role::Syndic, "ams", "ams"));
    bench.says(10, roster_of(&at("ams", 1), 5));
    bench.says(10, Up::Resumed { ledgers: 0 });
    bench.put(HubInput::OtherTops(true));
    let outputs = bench.submit_on(jid(1), "*", false, Some(plan()));
    let is_plan = |m: &&Down| matches!(m, Down::Plan { .. });
    assert!(told(&outputs, 10).iter().any(is_plan), "{outputs:?}");
    let outputs = bench.says(10, tells(1, 5, Outcome::Queued));
    assert!(told(&outputs, 10).iter().any(is_plan), "how far it is");
    let is_turn = |m: &&Down| matches!(m, Down::Release { .. });
    assert!(told(&outputs, 10).iter().any(is_turn), "{outputs:?}");
    let outputs = bench.says(
        10,
        Up::Owned {
            jid: jid(1),
            owner: Owner {
                term: 1,
                hub: OTHER,
            },
            rollout: vec![],
        },
    );
    let is_alarm = |output: &HubOutput| matches!(output, HubOutput::Alarm(_));
    assert!(outputs.iter().any(is_alarm), "{outputs:?}");
    let outputs = bench.says(10, tells(2, 5, ok()));
    assert!(
        says_settled(&outputs, 10),
        "it is on its disk too: {outputs:?}"
    );
    assert_eq!(bench.row(jid(1), "m1"), "ok");
    let job = bench.hub.job(jid(1)).unwrap();
    assert!(job.is_beside() && job.is_finished());
}

/// A syndic right below two top-masters.
fn between() -> Bench {
    let mut bench = syndic();
    bench.connect(1, peer(1, Role::Minion, "m1", "ams"));
    bench.connect(2, peer(2, Role::Minion, "m2", "ams"));
    let (envelope, _) = order_of(Uid([200; 16]), jid(1), "*");
    let PlanRecord::Terms(terms) = terms() else {
        unreachable!("they are terms")
    };
    from_parent(&mut bench, Down::Assign { envelope, terms });
    bench
}

fn turns(outputs: &[HubOutput]) -> usize {
    let turn = |link| {
        let told = told(outputs, link);
        told.iter()
            .filter(|m| matches!(m, Down::Turn { .. }))
            .count()
    };
    turn(1) + turn(2)
}

#[test]
fn a_hub_gives_turns_of_the_highest_owner_alone() {
    let mut bench = between();
    let index = |id: &str| {
        let mut nodes = bench.hub.nodes();
        nodes.find(|n| n.id().as_str() == id).unwrap().index()
    };
    let (first, second) = (index("m1"), index("m2"));
    let give = |index, round| Release {
        round,
        ..release(index)
    };
    let old = |index, round| Down::Release {
        jid: jid(1),
        release: give(index, round),
    };
    let told_plan = Down::Plan {
        jid: jid(1),
        owner: Owner {
            term: 0,
            hub: Uid([200; 16]),
        },
        plan: vec![PlanRecord::Plan(plan()), PlanRecord::Begun { expected: 2 }],
    };
    from_parent(&mut bench, told_plan);
    let outputs = from_parent(&mut bench, old(first, 1));
    assert_eq!(turns(&outputs), 1);
    let owner = Owner {
        term: 2,
        hub: OTHER,
    };
    bench.disk_works = false;
    let own = Down::Own { jid: jid(1), owner };
    let outputs = from_parent(&mut bench, own);
    let is_answer = |output: &HubOutput| {
        matches!(
            output,
            HubOutput::ToParent {
                message: Up::Owned { .. },
                ..
            }
        )
    };
    assert!(!outputs.iter().any(is_answer), "not before it is on disk");
    // From here on nobody of before gives anything.
    assert_eq!(turns(&from_parent(&mut bench, old(second, 2))), 0);
    bench.disk_works = true;
    let outputs = bench.disk_done();
    let Some(HubOutput::ToParent {
        message: Up::Owned { rollout, .. },
        ..
    }) = outputs.iter().find(|output| is_answer(output))
    else {
        panic!("no answer: {outputs:?}")
    };
    assert!(rollout.contains(&PlanRecord::Plan(plan())), "{rollout:?}");
    assert!(rollout.contains(&PlanRecord::Begun { expected: 2 }));
    let given = rollout.iter().filter_map(|entry| match entry {
        PlanRecord::Released(release) => Some(release.who.iter().collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(given.collect::<Vec<_>>(), [vec![first]]);
    for (term, expected) in [(1, 0), (2, 1)] {
        let grant = Down::Grant {
            jid: jid(1),
            owner: Owner { term, hub: OTHER },
            release: give(second, 5),
        };
        assert_eq!(turns(&from_parent(&mut bench, grant)), expected, "{term}");
    }
}
