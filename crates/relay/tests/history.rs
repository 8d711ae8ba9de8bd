//! What a site did on its own is told when somebody is above it again.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{HubInput, HubOutput, LinkId};
use support::{Bench, from_parent, jid, ledgers, order_of, parent_connects, peer, pong, welcome};
use wire::{Amount, BatchPlan, Down, Halt, Reason, ReasonCode, Role, Uid, Up};

/// A hub of a site without a parent, which has run a job of its own.
fn alone() -> Bench {
    let mut bench = Bench::new("ams");
    run_alone(&mut bench);
    bench
}

fn run_alone(bench: &mut Bench) {
    bench.connect(1, peer(1, Role::Minion, "m1", "ams"));
    let (envelope, order) = order_of(Uid([101; 16]), jid(1), "*");
    bench.put(HubInput::Submit {
        envelope,
        order,
        hold: false,
        plan: None,
        warrant: None,
    });
    bench.says(1, Up::Return(pong(jid(1))));
}

fn is_told(outputs: &[HubOutput]) -> bool {
    ledgers(outputs)
        .iter()
        .any(|delta| delta.jid == jid(1) && delta.complete)
}

/// A parent comes, and takes what it is told.
fn parent_comes(bench: &mut Bench) -> Vec<HubOutput> {
    bench.put(parent_connects());
    let outputs = from_parent(bench, welcome());
    let serials: Vec<_> = ledgers(&outputs)
        .iter()
        .map(|d| (d.jid, d.serial))
        .collect();
    for (jid, serial) in serials {
        from_parent(bench, Down::LedgerAck { jid, serial });
    }
    outputs
}

#[test]
fn a_parent_hears_of_jobs_that_ended_before_it_came() {
    let mut bench = alone();
    assert!(is_told(&parent_comes(&mut bench)));
    assert!(bench.recovered().untold.is_empty(), "told is told");
    bench.put(HubInput::ParentClosed { link: LinkId(50) });
    let mut bench = bench.restarted();
    assert!(!is_told(&parent_comes(&mut bench)), "and not again");
}

#[test]
fn also_after_a_restart() {
    let bench = alone();
    assert_eq!(bench.recovered().untold, [jid(1)]);
    let mut bench = bench.restarted();
    assert!(is_told(&parent_comes(&mut bench)));
    assert!(bench.recovered().untold.is_empty());
}

/// P8: whoever may cancel at the top can stop what a site gives in turns.
#[test]
fn a_parent_may_stop_a_rollout_of_the_site() {
    let mut bench = support::syndic();
    for number in 1..=2 {
        let id = format!("m{number}");
        bench.connect(number.into(), peer(number, Role::Minion, &id, "ams"));
    }
    let (envelope, order) = order_of(Uid([101; 16]), jid(1), "*");
    let plan = BatchPlan {
        size: Some(Amount::Count(1)),
        ..BatchPlan::default()
    };
    bench.put(HubInput::Submit {
        envelope,
        order,
        hold: false,
        plan: Some(Box::new(plan)),
        warrant: None,
    });
    let reason = Reason {
        code: ReasonCode::Cancelled,
        text: "cancelled by ada".to_owned(),
        since: bench.now,
    };
    let halt = Halt { reason, site: None };
    from_parent(&mut bench, Down::Halt { jid: jid(1), halt });
    assert_eq!(bench.row(jid(1), "m2"), "refused Cancelled");
    let outputs = bench.says(1, Up::Return(pong(jid(1))));
    assert!(support::told(&outputs, 2).is_empty(), "no more turns");
}

#[test]
fn a_parent_may_ask_what_a_job_is() {
    let mut bench = alone();
    parent_comes(&mut bench);
    let outputs = from_parent(&mut bench, Down::Recall { jid: jid(1) });
    let envelope = order_of(Uid([101; 16]), jid(1), "*").0;
    let told = HubOutput::ToParent {
        link: LinkId(50),
        message: Up::Recalled {
            jid: jid(1),
            envelope: Some(envelope),
        },
    };
    assert!(outputs.contains(&told), "{outputs:?}");
}

#[test]
fn each_of_two_parents_hears_whichever_comes_first() {
    let mut bench = Bench::with_parents("ams", 2);
    run_alone(&mut bench);
    assert!(is_told(&parent_comes(&mut bench)));
    assert_eq!(bench.recovered().untold, [jid(1)], "the second has not");
    let second = LinkId(51);
    bench.put(HubInput::ParentConnected {
        link: second,
        peer: peer(201, Role::TopMaster, "top2", ""),
    });
    let outputs = bench.put(HubInput::ParentMessage {
        link: second,
        message: welcome(),
    });
    assert!(is_told(&outputs));
}
