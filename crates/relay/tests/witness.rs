//! A top-master whose jobs another one adopts when all who have a part in them say that it is gone.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{HubInput, HubOutput, LinkId};
use support::*;
use wire::{Down, Outcome, Role, Uid, Up};

/// A top-master that comes before that of the bench.
const FIRST: Uid = Uid([1; 16]);
/// Each question is asked again after so long.
const ROUND_MS: u64 = 30_000;

fn asked(outputs: &[HubOutput], link: u64) -> bool {
    told(outputs, link).contains(&&Down::Witness { top: OTHER })
}

fn adopts(outputs: &[HubOutput]) -> bool {
    let is_adopting = |output: &HubOutput| {
        *output
            == HubOutput::Adopting {
                jid: jid(1),
                owner: OTHER,
            }
    };
    outputs.iter().any(is_adopting)
}

fn away(ms: u64) -> Up {
    says_away(Some(ms), vec![])
}

fn says_away(away_ms: Option<u64>, tops: Vec<Uid>) -> Up {
    Up::Witness {
        top: OTHER,
        away_ms,
        tops,
    }
}

/// The bench with a job of another top-master at ams and fra, when both are asked whether it is gone.
fn in_question() -> Bench {
    let mut bench = beside(Outcome::Running);
    let mut outputs = Vec::new();
    for _ in 0..ADOPT_AFTER_MS / ROUND_MS {
        assert!(!asked(&outputs, 10), "the job is young");
        outputs = bench.wait(ROUND_MS);
    }
    assert!(asked(&outputs, 10) && asked(&outputs, 20), "{outputs:?}");
    bench
}

#[test]
fn a_job_is_adopted_when_all_witnesses_have_lost_its_owner() {
    let mut bench = in_question();
    assert!(!adopts(&bench.says(10, away(ADOPT_AFTER_MS))));
    let outputs = bench.says(20, away(ADOPT_AFTER_MS));
    assert!(adopts(&outputs), "{outputs:?}");
    assert!(bench.hub.job(jid(1)).unwrap().is_adopted());
    let later = bench.wait(ROUND_MS);
    assert!(!asked(&later, 10), "it is its own now");
}

#[test]
fn one_witness_that_has_the_owner_keeps_the_job_where_it_is() {
    let mut bench = in_question();
    bench.says(10, away(ADOPT_AFTER_MS));
    let outputs = bench.says(20, says_away(None, vec![OTHER]));
    assert!(!adopts(&outputs), "{outputs:?}");
    // And what was said in one round counts for that one alone.
    let outputs = bench.wait(ROUND_MS);
    assert!(asked(&outputs, 10));
    assert!(!adopts(&bench.says(20, away(ADOPT_AFTER_MS))));
    assert!(adopts(&bench.says(10, away(ADOPT_AFTER_MS))));
}

#[test]
fn an_owner_that_is_gone_for_a_moment_is_waited_for() {
    let mut bench = in_question();
    bench.says(10, away(ADOPT_AFTER_MS));
    assert!(!adopts(&bench.says(20, away(ADOPT_AFTER_MS - 1))));
}

#[test]
fn a_witness_that_is_away_may_have_the_owner() {
    let mut bench = in_question();
    bench.close(20);
    assert!(!adopts(&bench.says(10, away(ADOPT_AFTER_MS))));
}

#[test]
fn whoever_is_not_asked_is_not_heard() {
    let mut bench = beside(Outcome::Running);
    assert!(!adopts(&bench.says(10, away(u64::MAX))));
    assert!(!adopts(&bench.says(20, away(u64::MAX))));
}

#[test]
fn of_several_that_are_left_the_first_goes_first() {
    let mut bench = in_question();
    let with_first = || says_away(Some(ADOPT_AFTER_MS), vec![FIRST, OTHER]);
    bench.says(10, with_first());
    assert!(!adopts(&bench.says(20, with_first())));
    // It has not done it in its time.
    bench.wait(ROUND_MS);
    let later = || says_away(Some(ADOPT_AFTER_MS + 2 * ROUND_MS), vec![FIRST]);
    bench.says(10, later());
    assert!(adopts(&bench.says(20, later())));
}

#[test]
fn an_adopter_is_watched_as_the_first_owner_was() {
    let mut bench = in_question();
    let owner = wire::Owner {
        term: 1,
        hub: FIRST,
    };
    for link in [10, 20] {
        bench.says(
            link,
            Up::Owned {
                jid: jid(1),
                owner,
                rollout: vec![],
            },
        );
    }
    assert!(!adopts(&bench.says(10, away(ADOPT_AFTER_MS))));
    assert!(!adopts(&bench.says(20, away(ADOPT_AFTER_MS))));
    let outputs = bench.wait(ROUND_MS);
    let question = Down::Witness { top: FIRST };
    assert!(told(&outputs, 10).contains(&&question), "{outputs:?}");
}

#[test]
fn a_syndic_says_since_when_it_is_without_a_top_master() {
    let mut bench = Bench::with_parents("ams", 2);
    let answer = |outputs: &[HubOutput]| {
        outputs.iter().find_map(|output| match output {
            HubOutput::ToParent {
                message: Up::Witness { away_ms, tops, .. },
                ..
            } => Some((*away_ms, tops.clone())),
            _ => None,
        })
    };
    let me = peer(100, Role::TopMaster, "top", "");
    let connects = |bench: &mut Bench, link: u64, peer: relay::Peer| {
        let link = LinkId(link);
        bench.put(HubInput::ParentConnected { link, peer });
        let message = welcome();
        bench.put(HubInput::ParentMessage { link, message });
    };
    let asks = |bench: &mut Bench| {
        bench.put(HubInput::ParentMessage {
            link: LinkId(50),
            message: Down::Witness { top: OTHER },
        })
    };
    connects(&mut bench, 50, me.clone());
    bench.wait(7_000);
    // Of what was before its start it knows nothing.
    let outputs = asks(&mut bench);
    assert_eq!(answer(&outputs), Some((Some(7_000), vec![me.uid])));
    connects(&mut bench, 60, peer(77, Role::TopMaster, "other", ""));
    let outputs = asks(&mut bench);
    assert_eq!(answer(&outputs), Some((None, vec![me.uid, OTHER])));
    bench.wait(5_000);
    bench.put(HubInput::ParentClosed { link: LinkId(60) });
    bench.wait(2_000);
    let outputs = asks(&mut bench);
    assert_eq!(answer(&outputs), Some((Some(2_000), vec![me.uid])));
}
