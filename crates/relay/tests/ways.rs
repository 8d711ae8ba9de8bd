//! Hubs of one site of which a minion holds one at a time.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::HubOutput;
use support::*;
use wire::{Down, Reason, ReasonCode, Role, Up};

/// A hub of ams that has a job of above, and no minion yet.
fn asked(target: &str) -> Bench {
    let mut bench = syndic();
    let (envelope, _) = order(jid(1), target);
    from_parent(&mut bench, Down::Job(envelope));
    bench
}

fn at_ams(number: u8) -> relay::Peer {
    peer(number, Role::Minion, &format!("m{number}"), "ams")
}

/// Whether the order was sent to a link.
fn sent(outputs: &[HubOutput], link: u64) -> bool {
    told(outputs, link)
        .iter()
        .any(|message| matches!(message, Down::Job(_)))
}

#[test]
fn a_minion_that_lost_its_hub_over_a_job_runs_it_for_the_next_one() {
    let mut bench = asked("*");
    let outputs = bench.connect_with(1, at_ams(1), back(vec![jid(1)], vec![]));
    assert!(!sent(&outputs, 1), "it has it: {outputs:?}");
    assert_eq!(bench.row(jid(1), "m1"), "running");
    bench.says(1, Up::Return(pong(jid(1))));
    assert_eq!(bench.row(jid(1), "m1"), "ok");
    // One that comes with its outcome alone.
    let mut bench = asked("*");
    bench.connect_with(1, at_ams(1), back(vec![], vec![jid(1)]));
    assert_eq!(bench.row(jid(1), "m1"), "absent");
    let reason = Reason {
        code: ReasonCode::Interrupted,
        text: "restarted".to_owned(),
        since: NOW,
    };
    bench.says(
        1,
        Up::NotRun {
            jid: jid(1),
            started: true,
            reason,
        },
    );
    assert_eq!(bench.row(jid(1), "m1"), "lost Interrupted");
}

#[test]
fn nobody_says_that_it_runs_what_is_not_for_it() {
    let mut bench = asked("m2");
    bench.connect_with(1, at_ams(1), back(vec![jid(1)], vec![]));
    bench.says(1, Up::Started { jid: jid(1) });
    assert_eq!(bench.row(jid(1), "m1"), "absent");
}
