//! Holds, turns and stops at one hub, driven by hand.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{HubInput, HubOutput};
use support::{Bench, back, jid, minion, peer, pong, told};
use wire::{
    Amount, BatchPlan, Between, Down, Jid, Outcome, Reason, ReasonCode, Return, Role, StopOn,
    StopRule, StopScope, Up, ValueRef,
};

fn plan(size: Option<u32>) -> BatchPlan {
    BatchPlan {
        size: size.map(Amount::Count),
        ..BatchPlan::default()
    }
}

/// A hub with so many minions, each on the link of its number.
fn hub_of(minions: u8) -> Bench {
    let mut bench = Bench::new("");
    for number in 1..=minions {
        bench.connect(u64::from(number), minion(number));
    }
    bench
}

/// Links that got the job.
fn turns(outputs: &[HubOutput]) -> Vec<u64> {
    let got = |link: &u64| {
        told(outputs, *link)
            .iter()
            .any(|m| matches!(m, Down::Turn { .. } | Down::Job(_)))
    };
    (1..=20).filter(got).collect()
}

fn failed(jid: Jid) -> Return {
    Return {
        retcode: 1,
        ..pong(jid)
    }
}

fn is_finished(outputs: &[HubOutput]) -> bool {
    outputs
        .iter()
        .any(|o| matches!(o, HubOutput::JobFinished { .. }))
}

#[test]
fn a_held_job_waits_for_a_minion_that_is_down() {
    let mut bench = hub_of(2);
    bench.close(2);
    let outputs = bench.submit_on(jid(1), "*", true, None);
    assert_eq!(turns(&outputs), [1]);
    assert_eq!(bench.row(jid(1), "m2"), "queued MinionDown");
    assert!(!is_finished(&bench.says(1, Up::Return(pong(jid(1))))));
    let view = bench.hub.job(jid(1)).unwrap();
    assert!(view.waits_for_held_alone());
    let outputs = bench.connect(3, minion(2));
    assert_eq!(turns(&outputs), [3]);
    assert!(is_finished(&bench.says(3, Up::Return(pong(jid(1))))));
    assert_eq!(bench.row(jid(1), "m2"), "ok");
}

#[test]
fn a_held_job_expires() {
    let mut bench = hub_of(1);
    bench.close(1);
    bench.submit_on(jid(1), "*", true, None);
    assert!(is_finished(&bench.wait(12_001)));
    assert_eq!(bench.row(jid(1), "m1"), "expired NotStarted");
    assert_eq!(turns(&bench.connect(2, minion(1))), [0_u64; 0]);
}

#[test]
fn a_held_job_is_given_again_when_it_got_lost_on_its_way() {
    let mut bench = hub_of(1);
    bench.submit_on(jid(1), "*", true, None);
    bench.close(1);
    assert_eq!(bench.row(jid(1), "m1"), "queued ConnectionLost");
    assert_eq!(turns(&bench.connect(2, minion(1))), [2]);
    bench.close(2);
    let outputs = bench.connect_with(3, minion(1), back(vec![], vec![jid(1)]));
    assert!(turns(&outputs).is_empty(), "it has run it");
}

#[test]
fn a_held_job_survives_a_restart_of_its_hub() {
    let mut bench = hub_of(1);
    bench.close(1);
    bench.submit_on(jid(1), "*", true, None);
    let mut bench = Bench::with("", bench.recovered());
    assert_eq!(bench.row(jid(1), "m1"), "queued MinionDown");
    assert_eq!(turns(&bench.connect(2, minion(1))), [2]);
}

#[test]
fn turns_are_given_one_after_the_other() {
    let mut bench = hub_of(3);
    let outputs = bench.submit_on(jid(1), "*", false, Some(plan(Some(1))));
    let mut running = turns(&outputs);
    for left in (0..3).rev() {
        assert_eq!(running.len(), 1);
        let outputs = bench.says(running[0], Up::Return(pong(jid(1))));
        assert_eq!(is_finished(&outputs), left == 0);
        running = turns(&outputs);
    }
    assert!(running.is_empty());
    assert_eq!(bench.hub.counts(jid(1)).unwrap().ok, 3);
}

#[test]
fn a_place_is_not_given_away_while_its_minion_may_run() {
    let mut bench = hub_of(2);
    let outputs = bench.submit_on(jid(1), "*", false, Some(plan(Some(1))));
    let first = turns(&outputs)[0];
    bench.says(first, Up::Started { jid: jid(1) });
    assert!(turns(&bench.close(first)).is_empty(), "it may still run");
    assert!(!is_finished(&bench.wait(5_000)));
    let outputs = bench.connect_with(9, minion(first as u8), back(vec![], vec![jid(1)]));
    assert!(turns(&outputs).is_empty());
    let outputs = bench.says(9, Up::Return(pong(jid(1))));
    assert_eq!(turns(&outputs).len(), 1);
}

#[test]
fn a_minion_that_is_away_when_its_turn_comes_frees_its_place() {
    let mut bench = hub_of(2);
    bench.submit_on(jid(1), "*", false, Some(plan(Some(1))));
    // The second one leaves while it waits: that is no outcome yet.
    bench.close(2);
    assert_eq!(bench.row(jid(1), "m2"), "queued");
    let outputs = bench.says(1, Up::Return(pong(jid(1))));
    assert!(turns(&outputs).is_empty());
    assert!(is_finished(&outputs));
    assert_eq!(bench.row(jid(1), "m2"), "unreachable MinionDown");
}

#[test]
fn with_a_hold_it_gets_another_turn_when_it_is_back() {
    let mut bench = hub_of(3);
    bench.submit_on(jid(1), "*", true, Some(plan(Some(1))));
    bench.close(2);
    let outputs = bench.says(1, Up::Return(pong(jid(1))));
    assert_eq!(turns(&outputs), [3], "the one that is there");
    let outputs = bench.connect(4, minion(2));
    assert!(turns(&outputs).is_empty(), "the place is taken");
    let outputs = bench.says(3, Up::Return(pong(jid(1))));
    assert_eq!(turns(&outputs), [4]);
}

#[test]
fn a_rollout_survives_a_restart_of_its_origin() {
    let mut bench = hub_of(3);
    let outputs = bench.submit_on(jid(1), "*", false, Some(plan(Some(1))));
    assert_eq!(turns(&outputs), [1]);
    let mut bench = Bench::with("", bench.recovered());
    for number in [2, 3] {
        let outputs = bench.connect(number, minion(number as u8));
        assert!(turns(&outputs).is_empty(), "its turn has not come");
    }
    // The order had not reached it.
    assert_eq!(turns(&bench.connect(1, minion(1))), [1]);
    let outputs = bench.says(1, Up::Return(pong(jid(1))));
    assert_eq!(turns(&outputs).len(), 1);
}

/// Its hub had it, and it never began: when the lease has run out it can't any more, and gets another turn.
#[test]
fn a_turn_that_came_to_nothing_is_given_again() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    let (envelope, order) = support::order_until(bench.now + 86_400_000, jid(1), "*");
    let plan = Some(Box::new(plan(Some(1))));
    let hold = false;
    let outputs = bench.put(HubInput::Submit {
        envelope,
        order,
        hold,
        plan,
        warrant: None,
    });
    assert_eq!(turns(&outputs), [1]);
    assert!(turns(&bench.says(1, Up::Pong { nonce: 0 })).is_empty());
    let mut again = Vec::new();
    // It answers pings, and says nothing of the job.
    for _ in 0..4_000 {
        let outputs = bench.wait(1_000);
        again.extend(turns(&outputs));
        bench.says(1, Up::Pong { nonce: 0 });
        if !again.is_empty() {
            break;
        }
    }
    assert_eq!(again, [1]);
    assert!(
        bench.now > support::NOW + 3_600_000,
        "not before a run is surely over"
    );
}

#[test]
fn stages_and_what_is_between_them() {
    let mut bench = hub_of(10);
    let staged = BatchPlan {
        stages: vec!["1".parse().unwrap(), "50%".parse().unwrap()],
        between: Between::Confirm,
        ..plan(None)
    };
    let outputs = bench.submit_on(jid(1), "*", false, Some(staged));
    assert_eq!(turns(&outputs), [1]);
    bench.says(1, Up::Return(pong(jid(1))));
    assert!(turns(&bench.wait(1_000)).is_empty(), "it asks");
    let go_on = |stage| HubInput::GoOn { jid: jid(1), stage };
    assert!(turns(&bench.put(go_on(1))).is_empty(), "not this one");
    let second = turns(&bench.put(go_on(0)));
    assert_eq!(second.len(), 4, "half of all, with the first");
    for link in second {
        bench.says(link, Up::Return(pong(jid(1))));
    }
    assert_eq!(turns(&bench.put(go_on(1))).len(), 5);
}

#[test]
fn a_pause_between_stages_ends_by_itself() {
    let mut bench = hub_of(2);
    let staged = BatchPlan {
        stages: vec!["1".parse().unwrap()],
        between: Between::Pause(3_000),
        ..plan(None)
    };
    bench.submit_on(jid(1), "*", false, Some(staged));
    bench.says(1, Up::Return(pong(jid(1))));
    assert!(turns(&bench.wait(2_999)).is_empty());
    assert_eq!(turns(&bench.wait(1)), [2]);
}

#[test]
fn a_rollout_stops_at_its_rule() {
    let mut bench = hub_of(9);
    let mut stopping = plan(Some(2));
    stopping.stops = vec![StopRule {
        on: StopOn::Failed,
        at: Amount::Count(2),
        scope: StopScope::Fleet,
    }];
    let first = turns(&bench.submit_on(jid(1), "*", false, Some(stopping)));
    let third = turns(&bench.says(first[0], Up::Return(failed(jid(1)))));
    assert_eq!((first.len(), third.len()), (2, 1));
    let outputs = bench.says(first[1], Up::Return(failed(jid(1))));
    assert!(turns(&outputs).is_empty());
    assert!(is_finished(&bench.says(third[0], Up::Return(pong(jid(1))))));
    let counts = bench.hub.counts(jid(1)).unwrap();
    assert_eq!((counts.failed, counts.ok, counts.refused), (2, 1, 6));
    assert_eq!(bench.row(jid(1), "m9"), "refused Halted");
}

#[test]
fn minions_that_are_unreachable_have_a_rule_of_their_own() {
    let mut bench = hub_of(4);
    bench.close(3);
    bench.close(4);
    let mut stopping = plan(Some(1));
    stopping.stops = vec![StopRule {
        on: StopOn::Unreachable,
        at: "50%".parse().unwrap(),
        scope: StopScope::Fleet,
    }];
    let outputs = bench.submit_on(jid(1), "*", false, Some(stopping));
    assert!(turns(&outputs).is_empty(), "stopped before anyone began");
    assert_eq!(bench.hub.counts(jid(1)).unwrap().refused, 2);
}

#[test]
fn a_place_stays_empty_for_a_while() {
    let mut bench = hub_of(2);
    let waiting = BatchPlan {
        wait_ms: 4_000,
        ..plan(Some(1))
    };
    bench.submit_on(jid(1), "*", false, Some(waiting));
    assert!(turns(&bench.says(1, Up::Return(pong(jid(1))))).is_empty());
    assert!(turns(&bench.wait(3_999)).is_empty());
    assert_eq!(turns(&bench.wait(1)), [2]);
}

#[test]
fn a_halt_ends_what_has_not_begun_and_says_who() {
    let mut bench = hub_of(3);
    bench.submit_on(jid(1), "*", false, Some(plan(Some(1))));
    let reason = Reason {
        code: ReasonCode::Cancelled,
        text: "cancelled by ada".to_owned(),
        since: bench.now,
    };
    bench.put(HubInput::Halt {
        jid: jid(1),
        reason,
    });
    assert_eq!(bench.row(jid(1), "m3"), "refused Cancelled");
    assert!(is_finished(&bench.says(1, Up::Return(pong(jid(1))))));
}

#[test]
fn a_hub_of_an_older_release_gets_no_turns() {
    let mut bench = hub_of(1);
    let mut hello = support::hello(Role::Syndic);
    if let Up::Hello(hello) = &mut hello {
        hello.protocol = wire::ProtocolRange { min: 1, max: 1 };
    }
    bench.connect_with(2, peer(9, Role::Syndic, "ams-hub", "ams"), hello);
    bench.says(
        2,
        support::roster_of(&peer(5, Role::Minion, "far", "ams"), 1),
    );
    let outputs = bench.submit_on(jid(1), "*", false, Some(plan(Some(1))));
    assert_eq!(turns(&outputs), [1]);
    assert_eq!(bench.row(jid(1), "far"), "refused TooOld");
}

#[test]
fn a_late_return_of_a_job_that_was_let_go_is_counted_and_settled() {
    let mut bench = hub_of(2);
    bench.submit(jid(1), "*");
    bench.says(1, Up::Return(pong(jid(1))));
    bench.close(2);
    for number in 2..=80 {
        bench.submit(jid(number), "m1");
        bench.says(1, Up::Return(pong(jid(number))));
    }
    assert!(bench.hub.job(jid(1)).is_none(), "it is let go");
    bench.connect_with(9, minion(2), back(vec![], vec![jid(1)]));
    bench.says(9, Up::Return(pong(jid(1))));
    assert_eq!(bench.row(jid(1), "m2"), "ok");
    let settled = bench.wait(10_000);
    assert!(told(&settled, 9).contains(&&Down::Settled(vec![jid(1)])));
}

/// The minions of a hub below that got a turn, by its numbers.
fn released(outputs: &[HubOutput], link: u64) -> Vec<u32> {
    let releases = told(outputs, link).into_iter();
    let who = releases.filter_map(|message| match message {
        Down::Release { release, .. } => Some(release.who.iter()),
        _ => None,
    });
    who.flatten().collect()
}

#[test]
fn a_place_is_given_back_at_the_site_where_it_was_taken() {
    let at = |number: u8, path: &str| peer(number, Role::Minion, &format!("m{number}"), path);
    let mut bench = Bench::new("");
    for (link, path) in [(10, "ams"), (20, "fra")] {
        let id = format!("{path}-hub");
        bench.connect(link, peer(link as u8, Role::Syndic, &id, path));
    }
    bench.says(10, support::nth_roster(&at(1, "ams"), 1, 1));
    bench.says(10, support::nth_roster(&at(2, "ams"), 2, 2));
    bench.says(20, support::nth_roster(&at(3, "fra"), 1, 1));
    for link in [10, 20] {
        bench.says(link, Up::Resumed { ledgers: 0 });
    }
    let one_each = BatchPlan {
        per_site: Some(1),
        ..BatchPlan::default()
    };
    bench.submit_on(jid(1), "*", false, Some(one_each));
    let mut outputs = bench.says(20, support::tells(1, 1, Outcome::Queued));
    for serial in [1, 2] {
        outputs.extend(bench.says(10, support::tells(serial, serial, Outcome::Queued)));
    }
    assert_eq!(released(&outputs, 10), [1]);
    assert_eq!(released(&outputs, 20), [1]);
    // It moves, and returns by its new hub.
    bench.says(20, support::nth_roster(&at(1, "fra"), 7, 2));
    let outcome = Outcome::Returned {
        retcode: 0,
        success: true,
        value: ValueRef::Inline(support::json("true")),
    };
    let outputs = bench.says(20, support::tells(2, 7, outcome));
    assert_eq!(
        released(&outputs, 10),
        [2],
        "the place at its old site is free"
    );
}

#[test]
fn a_cancel_has_to_reach_who_may_have_begun_before_the_cut() {
    let mut bench = Bench::new("");
    let site = || peer(10, Role::Syndic, "ams-hub", "ams");
    bench.connect(10, site());
    bench.says(
        10,
        support::nth_roster(&peer(1, Role::Minion, "m1", "ams"), 1, 1),
    );
    bench.says(10, Up::Resumed { ledgers: 0 });
    bench.submit_on(jid(1), "*", true, None);
    bench.says(10, support::tells(1, 1, Outcome::Queued));
    bench.close(10);
    assert_eq!(bench.row(jid(1), "m1"), "queued SiteCutOff");
    let may_run = |bench: &Bench, jid| bench.hub.job(jid).unwrap().may_run().len();
    assert_eq!(may_run(&bench, jid(1)), 1, "the site has the job");
    bench.submit_on(jid(2), "*", true, None);
    assert_eq!(bench.row(jid(2), "m1"), "queued SiteCutOff");
    assert_eq!(may_run(&bench, jid(2)), 0, "the site has not had it");
}
