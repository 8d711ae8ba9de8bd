//! How far functions are: summed over children, told upwards once in a while, forgotten with the job.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::HubOutput;
use support::{Bench, from_parent, jid, minion, order, peer, pong, syndic};
use wire::{Down, Role, Steps, Up};

fn steps(done: u64, failed: u64) -> Steps {
    Steps {
        done,
        total: 40,
        failed,
    }
}

/// What parents are told of steps.
fn told(outputs: &[HubOutput]) -> Vec<Steps> {
    let steps = |output: &HubOutput| match output {
        HubOutput::ToParent {
            message: Up::Steps { steps, .. },
            ..
        } => Some(*steps),
        _ => None,
    };
    outputs.iter().filter_map(steps).collect()
}

#[test]
fn steps_are_summed_and_told_once_in_a_while() {
    let mut bench = Bench::new("");
    for number in 1..=2 {
        bench.connect(number.into(), minion(number));
    }
    bench.submit(jid(1), "*");
    assert_eq!(bench.hub.steps(jid(1)), None);
    for done in [3, 5] {
        let said = bench.says(
            1,
            Up::Steps {
                jid: jid(1),
                steps: steps(done, 0),
            },
        );
        assert!(
            !said
                .iter()
                .any(|output| matches!(output, HubOutput::JobChanged { .. }))
        );
    }
    bench.says(
        2,
        Up::Steps {
            jid: jid(1),
            steps: steps(2, 1),
        },
    );
    let outputs = bench.wait(1_000);
    assert!(outputs.contains(&HubOutput::JobChanged { jid: jid(1) }));
    let sum = Steps {
        done: 7,
        total: 80,
        failed: 1,
    };
    assert_eq!(bench.hub.steps(jid(1)), Some(sum));
    // Nothing new, nothing told; of a job that is over, or that is not known, nothing is counted.
    assert!(
        !bench
            .wait(1_000)
            .contains(&HubOutput::JobChanged { jid: jid(1) })
    );
    for number in 1..=2 {
        bench.says(number, Up::Return(pong(jid(1))));
    }
    bench.wait(10_000);
    for number in 1..=2 {
        bench.says(
            1,
            Up::Steps {
                jid: jid(number),
                steps: steps(9, 0),
            },
        );
        assert_eq!(bench.hub.steps(jid(number)), None, "{number}");
    }
}

#[test]
fn a_syndic_tells_its_parent_the_sum() {
    let mut bench = syndic();
    bench.connect(1, peer(1, Role::Minion, "m1", "ams"));
    from_parent(&mut bench, Down::Job(order(jid(1), "*").0));
    bench.says(
        1,
        Up::Steps {
            jid: jid(1),
            steps: steps(4, 0),
        },
    );
    assert_eq!(told(&bench.wait(1_000)), [steps(4, 0)]);
}
