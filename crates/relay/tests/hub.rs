//! The hub machine driven by hand: one promise at a time, no clock but the bench's.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{HubInput, HubOutput, LinkId};
use support::{
    Bench, NOW, back, from_parent, hello, jid, json, ledgers, minion, order, peer, pong, refusal,
    roster_of, syndic, tells, told,
};
use wire::record::Record;
use wire::{
    Down, IndexSet, KeyDecision, Outcome, Presence, ProtocolRange, RefusalCode, Role, Standing, Up,
    ValueRef,
};

fn sent_job(outputs: &[HubOutput], link: u64) -> bool {
    told(outputs, link)
        .iter()
        .any(|m| matches!(m, Down::Job(_)))
}

fn finished(outputs: &[HubOutput]) -> bool {
    outputs
        .iter()
        .any(|o| matches!(o, HubOutput::JobFinished { .. }))
}

#[test]
fn nothing_leaves_before_the_disk_has_it() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.disk_works = false;
    let before = bench.submit(jid(1), "*");
    assert!(before.is_empty(), "{before:?}");
    let named = |r: &Record| matches!(r, Record::JobNews(delta) if delta.complete && !delta.groups.is_empty());
    assert!(
        bench.saved.iter().any(named),
        "the expected are named with the job"
    );
    let after = bench.disk_done();
    assert!(sent_job(&after, 1));
    assert!(after.contains(&HubOutput::JobAccepted { jid: jid(1) }));
}

#[test]
fn a_minion_that_is_down_is_named_at_once_with_since() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.now += 5_000;
    bench.close(1);
    bench.now += 5_000;
    let outputs = bench.submit(jid(1), "*");
    assert!(finished(&outputs));
    assert_eq!(bench.row(jid(1), "m1"), "unreachable MinionDown");
    let job = bench.hub.job(jid(1)).unwrap();
    let since = job.ledger(&|_| None, &|_| None, 0).minions[0]
        .reason
        .clone()
        .unwrap()
        .since;
    assert_eq!(since, NOW + 5_000);
}

#[test]
fn a_minion_that_dies_mid_job_is_known_at_once_and_amended_later() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.submit(jid(1), "*");
    bench.says(1, Up::Started { jid: jid(1) });
    assert_eq!(bench.row(jid(1), "m1"), "running");
    let outputs = bench.close(1);
    assert!(finished(&outputs));
    assert_eq!(bench.row(jid(1), "m1"), "unreachable ConnectionLost");
    bench.connect_with(2, minion(1), back(vec![], vec![jid(1)]));
    let outputs = bench.says(2, Up::Return(pong(jid(1))));
    assert!(outputs.contains(&HubOutput::JobChanged { jid: jid(1) }));
    assert_eq!(bench.row(jid(1), "m1"), "ok");
    let settled = bench.wait(10_000);
    assert_eq!(told(&settled, 2), [&Down::Settled(vec![jid(1)])]);
}

#[test]
fn a_return_counts_once() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.submit(jid(1), "*");
    for value in ["1", "2", "3"] {
        let value = json(value);
        bench.says(
            1,
            Up::Return(wire::Return {
                value,
                ..pong(jid(1))
            }),
        );
    }
    let counts = bench.hub.counts(jid(1)).unwrap();
    assert_eq!((counts.expected, counts.ok), (1, 1));
    let ledger = bench
        .hub
        .job(jid(1))
        .unwrap()
        .ledger(&|_| None, &|_| None, NOW);
    assert_eq!(
        ledger.values,
        [json("1")],
        "what does not count is not kept"
    );
}

#[test]
fn unknown_ids_are_named() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.submit(jid(1), "L@m1,nobody");
    let name = |_| Some(("m1".to_owned(), String::new()));
    let ledger = bench.hub.job(jid(1)).unwrap().ledger(&name, &|_| None, NOW);
    assert_eq!(ledger.unknown, ["nobody"]);
}

#[test]
fn a_restart_keeps_open_jobs_and_sends_what_nobody_got() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.connect(2, minion(2));
    bench.submit(jid(1), "*");
    bench.says(1, Up::Started { jid: jid(1) });
    let mut again = Bench::with("", bench.recovered());
    assert_eq!(again.row(jid(1), "m1"), "running");
    let outputs = again.connect(3, minion(2));
    assert!(sent_job(&outputs, 3), "queued before, and still in time");
    let outputs = again.wait(30_000);
    assert!(!sent_job(&outputs, 3));
    assert_eq!(
        again.row(jid(1), "m1"),
        "unreachable ConnectionLost",
        "it never came back"
    );
}

#[test]
fn refusals_have_reasons() {
    let wrong = |protocol| match hello(Role::Minion) {
        Up::Hello(mut h) => {
            h.protocol = ProtocolRange {
                min: protocol,
                max: protocol,
            };
            Up::Hello(h)
        }
        other => other,
    };
    let mut bench = Bench::new("");
    let outputs = bench.connect_with(1, minion(1), wrong(99));
    let (code, text) = refusal(&outputs).unwrap();
    assert_eq!(code, RefusalCode::Protocol);
    assert!(text.contains("99"), "{text}");

    bench.connect(2, minion(2));
    let second_key = peer(3, Role::Minion, "m2", "");
    let outputs = bench.connect(3, second_key);
    assert_eq!(refusal(&outputs).unwrap().0, RefusalCode::DuplicateId);

    let outputs = bench.says(2, Up::Resumed { ledgers: 0 });
    assert_eq!(refusal(&outputs).unwrap().0, RefusalCode::Forbidden);
}

#[test]
fn a_certificate_of_another_site_gives_no_link_here() {
    let mut bench = Bench::new("eu");
    // role, site of the certificate, whether it may connect to the hub of eu
    let table = [
        (Role::Minion, "eu", true),
        (Role::Minion, "eu/ams", false),
        (Role::Minion, "us", false),
        (Role::Minion, "", false),
        (Role::Syndic, "eu/ams", true),
        (Role::Syndic, "eu", false),
        (Role::Syndic, "us", false),
    ];
    for (n, (role, path, good)) in (1..).zip(table) {
        let outputs = bench.connect(u64::from(n), peer(n, role, &format!("n{n}"), path));
        let refused = refusal(&outputs).map(|(code, _)| code);
        let expected = (!good).then_some(RefusalCode::Key);
        assert_eq!(refused, expected, "{role} of {path:?}");
        assert_eq!(bench.hub.node_by_uid(wire::Uid([n; 16])).is_some(), good);
    }
}

#[test]
fn an_accepted_key_gets_no_certificate_under_another_name() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    let mut ask = |peer: relay::Peer| {
        let outputs = bench.put(HubInput::Enrolling {
            peer,
            software: String::new(),
        });
        outputs.into_iter().find_map(|output| match output {
            HubOutput::Enrolled { standing, .. } => standing,
            _ => None,
        })
    };
    assert_eq!(ask(minion(1)), Some(Standing::Accepted), "a renewal");
    for other in [
        peer(1, Role::Minion, "m2", ""),
        peer(1, Role::Syndic, "m1", "m1"),
        peer(1, Role::Syndic, "s", "s"),
    ] {
        assert_eq!(ask(other.clone()), Some(Standing::Denied), "{other:?}");
    }
    assert_eq!(ask(minion(1)), Some(Standing::Accepted), "it stays itself");
}

#[test]
fn strangers_do_not_fill_the_roster() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    let mut strangers = (0_u32..).map(|number| {
        let mut peer = peer(2, Role::Minion, "m1", "");
        peer.uid.0[..4].copy_from_slice(&number.to_le_bytes());
        let software = String::new();
        let outputs = bench.put(HubInput::Enrolling { peer, software });
        outputs.into_iter().find_map(|output| match output {
            HubOutput::Enrolled { standing, .. } => standing,
            _ => None,
        })
    });
    assert_eq!(
        strangers.next(),
        Some(Some(Standing::Denied)),
        "the id is taken"
    );
    let refused = strangers
        .take(10_000)
        .position(|standing| standing.is_none());
    assert!(refused.is_some(), "each key more is a node more");
}

#[test]
fn keys_are_decided_once_and_everywhere() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.connect(9, peer(9, Role::Syndic, "s", "ams"));
    let uids = vec![minion(1).uid];
    let outputs = bench.put(HubInput::Decide {
        uids: uids.clone(),
        decision: KeyDecision::Reject,
    });
    assert_eq!(refusal(&outputs).unwrap().0, RefusalCode::Key);
    assert!(
        told(&outputs, 9)
            .iter()
            .any(|m| matches!(m, Down::Revoked(_)))
    );
    bench.close(1);
    let outputs = bench.connect(2, minion(1));
    assert_eq!(refusal(&outputs).unwrap().0, RefusalCode::Key);
    bench.close(2);
    // In the same millisecond: the later word holds all the same.
    bench.put(HubInput::Decide {
        uids,
        decision: KeyDecision::Accept,
    });
    assert_eq!(refusal(&bench.connect(3, minion(1))), None);
    let node = bench.hub.node_by_uid(minion(1).uid).unwrap();
    assert_eq!(
        (node.standing(), node.link().presence),
        (Standing::Accepted, Presence::Up)
    );
}

#[test]
fn a_silent_link_with_work_under_way_is_closed() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.submit(jid(1), "*");
    assert!(
        told(&bench.wait(2_000), 1)
            .iter()
            .any(|m| matches!(m, Down::Ping { .. }))
    );
    let outputs = bench.wait(3_000);
    assert_eq!(refusal(&outputs).unwrap().0, RefusalCode::Superseded);
    assert!(finished(&outputs));
    assert_eq!(bench.row(jid(1), "m1"), "unreachable ConnectionLost");
}

#[test]
fn a_hub_that_was_held_up_does_not_take_its_own_silence_for_a_minions() {
    let is_asked = |outputs: &[HubOutput]| {
        told(outputs, 1)
            .iter()
            .any(|m| matches!(m, Down::Ping { .. }))
    };
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.submit(jid(1), "*");
    assert!(is_asked(&bench.wait(2_000)));
    // The whole process stood still, and nothing that came meanwhile has been read.
    let outputs = bench.wait(4_000);
    assert_eq!(refusal(&outputs), None);
    assert!(is_asked(&outputs));
    // Once it has had its time, silence is silence.
    assert_eq!(
        refusal(&bench.wait(3_000)).unwrap().0,
        RefusalCode::Superseded
    );
}

/// A roster with one minion of a child hub.
fn ok() -> Outcome {
    let value = ValueRef::Inline(json("true"));
    Outcome::Returned {
        retcode: 0,
        success: true,
        value,
    }
}

#[test]
fn a_site_that_is_cut_off_is_named_at_once() {
    let mut bench = Bench::new("");
    bench.connect(1, peer(9, Role::Syndic, "s", "ams"));
    bench.says(1, roster_of(&peer(1, Role::Minion, "m1", "ams"), 4));
    bench.now += 1_000;
    bench.close(1);
    let outputs = bench.submit(jid(1), "*");
    assert!(finished(&outputs));
    assert_eq!(bench.row(jid(1), "m1"), "unreachable SiteCutOff");
    assert_eq!(bench.hub.cut_since("ams"), Some(NOW + 1_000));
}

#[test]
fn a_minion_with_two_parents_counts_once() {
    let mut bench = Bench::new("");
    let m1 = peer(1, Role::Minion, "m1", "ams");
    for (link, number) in [(1, 8), (2, 9)] {
        bench.connect(
            link,
            peer(number, Role::Syndic, &format!("s{number}"), "ams"),
        );
        bench.says(link, roster_of(&m1, number.into()));
    }
    bench.submit(jid(1), "*");
    bench.says(1, tells(1, 8, Outcome::Queued));
    bench.says(2, tells(1, 9, Outcome::Running));
    assert_eq!(bench.row(jid(1), "m1"), "running");
    bench.close(2);
    assert_eq!(
        bench.row(jid(1), "m1"),
        "queued",
        "the other way is still open"
    );
    let outputs = bench.says(1, tells(2, 8, ok()));
    assert!(finished(&outputs));
    let who: IndexSet = [8].into_iter().collect();
    assert!(told(&outputs, 1).contains(&&Down::SettledBy { jid: jid(1), who }));
    assert_eq!(bench.hub.counts(jid(1)).unwrap().expected, 1);
}

/// A syndic on the bench with a parent that has welcomed it.
#[test]
fn a_syndic_names_its_minions_before_it_sends_the_job() {
    let mut bench = syndic();
    bench.connect(1, peer(1, Role::Minion, "m1", "ams"));
    let outputs = from_parent(&mut bench, Down::Job(order(jid(1), "*").0));
    assert!(
        ledgers(&outputs)
            .iter()
            .any(|d| d.complete && d.groups.len() == 1)
    );
    assert!(sent_job(&outputs, 1));
}

#[test]
fn settled_flows_down() {
    let mut bench = syndic();
    bench.connect(1, peer(1, Role::Minion, "m1", "ams"));
    from_parent(&mut bench, Down::Job(order(jid(1), "*").0));
    let outputs = bench.says(1, Up::Return(pong(jid(1))));
    assert!(
        told(&outputs, 1).is_empty(),
        "the origin has not said so yet"
    );
    let who = ledgers(&outputs)[0].groups[0].who.clone();
    from_parent(&mut bench, Down::SettledBy { jid: jid(1), who });
    let outputs = bench.wait(10_000);
    assert!(told(&outputs, 1).contains(&&Down::Settled(vec![jid(1)])));
}

#[test]
fn only_the_origin_settles_a_return_without_its_order() {
    let foreign = "20261122223719001077".parse().unwrap();
    let mut bench = Bench::new("");
    bench.put(HubInput::Signs(0));
    bench.connect(1, minion(1));
    bench.says(1, Up::Return(pong(foreign)));
    assert!(
        told(&bench.wait(60_000), 1).is_empty(),
        "another top-master's job"
    );
    // Its own, of which it knows nothing any more: the return is kept.
    bench.says(1, Up::Return(pong(jid(3))));
    let kept = |r: &Record| matches!(r, Record::JobNews(delta) if delta.jid == jid(3));
    assert!(bench.saved.iter().any(kept));
    let settled = bench.wait(60_000);
    assert!(
        told(&settled, 1).contains(&&Down::Settled(vec![jid(3)])),
        "its own"
    );
}

#[test]
fn unacknowledged_news_have_a_window() {
    let mut bench = syndic();
    for number in 1..=60 {
        bench.connect(
            number,
            peer(number as u8, Role::Minion, &format!("m{number}"), "ams"),
        );
    }
    let mut deltas = ledgers(&from_parent(&mut bench, Down::Job(order(jid(1), "*").0))).len();
    for number in 1..=60 {
        deltas += ledgers(&bench.says(number, Up::Return(pong(jid(1))))).len();
    }
    assert_eq!(deltas, 32, "then it waits");
    let outputs = from_parent(
        &mut bench,
        Down::LedgerAck {
            jid: jid(1),
            serial: 32,
        },
    );
    let rest: usize = ledgers(&outputs)[0]
        .groups
        .iter()
        .map(|g| g.who.len())
        .sum();
    assert_eq!(
        (ledgers(&outputs).len(), rest),
        (1, 60 - 31),
        "the rest, folded into one"
    );
}

#[test]
fn complete_is_only_said_when_everyone_named_was_told() {
    let mut bench = syndic();
    bench.connect(9, peer(9, Role::Syndic, "x-hub", "ams/x"));
    for (serial, number) in (1..).zip([1, 2]) {
        let one = peer(number, Role::Minion, &format!("m{number}"), "ams/x");
        bench.says(9, support::nth_roster(&one, u32::from(number), serial));
    }
    from_parent(&mut bench, Down::Job(order(jid(1), "*").0));
    // The second half of the manifest comes while the first one is on its way to the disk.
    bench.disk_works = false;
    let mut told = Vec::new();
    for (serial, complete) in [(1, false), (2, true)] {
        let mut news = tells(serial, serial, Outcome::Queued);
        if let Up::Ledger(delta) = &mut news {
            delta.complete = complete;
        }
        told.extend(ledgers(&bench.says(9, news)).into_iter().cloned());
    }
    for _ in 0..3 {
        told.extend(ledgers(&bench.disk_done()).into_iter().cloned());
    }
    let mut named = 0;
    for delta in told {
        named += delta.groups.iter().map(|g| g.who.len()).sum::<usize>();
        assert!(!delta.complete || named == 2, "complete after {named} of 2");
    }
    assert_eq!(named, 2);
}

#[test]
fn a_decision_reaches_a_site_that_was_cut_off() {
    let mut bench = Bench::new("");
    let site = || peer(9, Role::Syndic, "ams-hub", "ams");
    bench.connect(1, site());
    let far = peer(2, Role::Minion, "m2", "ams");
    bench.says(1, roster_of(&far, 1));
    bench.close(1);
    bench.put(HubInput::Decide {
        uids: vec![far.uid],
        decision: KeyDecision::Reject,
    });
    let revoked = |r: &Record| matches!(r, Record::Revoked(r) if r.uid == far.uid && r.revoked);
    assert!(bench.saved.iter().any(revoked), "it outlives a restart");
    let outputs = bench.connect(2, site());
    let told = told(&outputs, 2);
    assert!(
        told.iter().any(|m| matches!(m, Down::Revoked(_))),
        "{told:?}"
    );
    let order = Down::Keys {
        uids: vec![far.uid],
        decision: KeyDecision::Reject,
    };
    assert!(told.contains(&&order), "{told:?}");
    bench.close(2);
    let outputs = bench.connect(3, site());
    assert!(
        !support::told(&outputs, 3).contains(&&order),
        "once is enough"
    );
}

#[test]
fn a_key_that_was_turned_away_stays_out() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.put(HubInput::Decide {
        uids: vec![minion(1).uid],
        decision: KeyDecision::Reject,
    });
    bench.close(1);
    let outputs = bench.connect(2, minion(1));
    assert!(refusal(&outputs).is_some(), "{outputs:?}");
}

/// Two keys for one id: the site of the later one is told each time that it comes, for it may not have heard.
#[test]
fn a_conflict_is_told_until_it_is_over() {
    let mut bench = Bench::new("");
    let site = |number| {
        peer(
            number,
            Role::Syndic,
            &format!("s{number}"),
            &format!("site{number}"),
        )
    };
    let m1 = |number: u8| peer(number, Role::Minion, "m1", &format!("site{}", number + 6));
    bench.connect(1, site(8));
    bench.says(1, roster_of(&m1(2), 1));
    bench.connect(2, site(9));
    bench.says(2, roster_of(&m1(3), 1));
    bench.close(2);
    let outputs = bench.connect(3, site(9));
    let marks: Vec<wire::RosterMark> = told(&outputs, 3)
        .iter()
        .filter_map(|message| match message {
            Down::Welcome(welcome) => Some(welcome.roster),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [wire::RosterMark::default()], "it tells all again");
}

/// A key that was removed at its site and let in again has a new number there: of what it ran under the old one nothing
/// more will be heard.
#[test]
fn what_a_key_ran_under_an_old_number_ends() {
    let mut bench = Bench::new("");
    bench.connect(1, peer(9, Role::Syndic, "ams-hub", "ams"));
    let far = peer(2, Role::Minion, "m2", "ams");
    bench.says(1, roster_of(&far, 1));
    bench.says(1, Up::Resumed { ledgers: 0 });
    bench.submit(jid(1), "*");
    bench.says(1, tells(1, 1, Outcome::Running));
    assert_eq!(bench.row(jid(1), "m2"), "running");
    bench.says(1, support::nth_roster(&far, 5, 2));
    assert_eq!(bench.row(jid(1), "m2"), "unreachable Removed");
}

/// A return that comes when the account has left memory is no reason to wait, neither before the account is recalled nor after.
#[test]
fn nobody_waits_for_an_account_that_is_recalled() {
    let mut bench = Bench::new("");
    bench.connect(1, minion(1));
    bench.submit(jid(1), "*");
    bench.says(1, Up::Return(pong(jid(1))));
    let mut bench = bench.restarted();
    assert!(bench.hub.job(jid(1)).is_none(), "it left memory");
    bench.connect(1, minion(1));
    let message = Up::Return(pong(jid(1)));
    let link = LinkId(1);
    let input = HubInput::ChildMessage { link, message };
    bench.hub.handle_input(bench.now, input);
    let view = bench.hub.job(jid(1)).expect("the return");
    assert!(view.order().is_none() && view.has_ended());
    let outputs = bench.wait(0);
    let view = bench.hub.job(jid(1)).expect("the account");
    assert!(view.order().is_some() && view.has_ended());
    let is_news = |output: &HubOutput| matches!(output, HubOutput::JobChanged { .. });
    assert!(outputs.iter().any(is_news), "{outputs:?}");
}

/// P9: a tree is not given more than it can do, and says so.
#[test]
fn jobs_that_await_too_much_are_refused() {
    let mut bench = Bench::new("");
    for number in 1..=2 {
        bench.connect(number.into(), minion(number));
    }
    let refused = |outputs: &[HubOutput]| {
        outputs.iter().find_map(|output| match output {
            HubOutput::JobRefused { reason, .. } => Some(reason.clone()),
            _ => None,
        })
    };
    let fit = support::AWAITED_MAX as u8 / 2;
    for number in 1..=fit {
        let outputs = bench.submit(jid(number), "*");
        assert_eq!(refused(&outputs), None, "{number}");
    }
    let outputs = bench.submit(jid(fit + 1), "m1");
    let reason = refused(&outputs).expect("a refusal");
    assert!(reason.contains("await 40 outcomes"), "{reason}");
    bench.says(1, Up::Return(pong(jid(1))));
    assert_eq!(refused(&bench.submit(jid(fit + 2), "m1")), None);
}

/// Who is one of a thousand that are asked at once has more time to answer, and keeps it when the others have answered.
#[test]
fn many_who_are_asked_at_once_have_more_time() {
    let mut bench = Bench::new("");
    let minions: u16 = 1_000;
    for number in 1..=minions {
        let mut uid = [7; 16];
        uid[..2].copy_from_slice(&number.to_be_bytes());
        let minion = relay::Peer {
            uid: wire::Uid(uid),
            id: format!("m{number}").parse().unwrap(),
            ..minion(1)
        };
        bench.connect(number.into(), minion);
    }
    bench.submit(jid(1), "*");
    // The question after two seconds of silence, and the usual time for an answer.
    bench.wait(2_000);
    bench.wait(3_000);
    assert_eq!(bench.hub.counts(jid(1)).unwrap().unreachable, 0);
    for number in 2..=minions {
        bench.says(number.into(), Up::Return(pong(jid(1))));
    }
    let mut counted = |ms| {
        bench.wait(ms);
        let counts = bench.hub.counts(jid(1)).unwrap();
        (counts.ok, counts.unreachable)
    };
    assert_eq!(counted(2_999), (999, 0));
    assert_eq!(counted(1), (999, 1));
}
