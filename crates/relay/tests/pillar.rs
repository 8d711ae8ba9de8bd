//! Targets by pillar: a hub asks its shell about minions of its own, and nobody runs the job or passes for named before.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{Answer, HubConfig, HubInput, HubOutput};
use support::{Bench, from_parent, jid, ledgers, minion, order, peer, syndic, told};
use wire::{Down, Halt, Outcome, Reason, ReasonCode, Role, Up};

const TARGET: &str = "I@role:web and not m9";

fn answer(bench: &mut Bench, answers: &[(&str, Answer)]) -> Vec<HubOutput> {
    let index_of = |id: &str| {
        let mut nodes = bench.hub.nodes();
        let node = nodes.find(|node| node.id().as_str() == id);
        node.map_or(u32::MAX, |node| node.index())
    };
    let answers = answers
        .iter()
        .map(|(id, answer)| (index_of(id), answer.clone()))
        .collect();
    let jid = jid(1);
    bench.put(HubInput::Answered { jid, answers })
}

/// The ids about which a hub asks.
fn asked(bench: &Bench, outputs: &[HubOutput]) -> Vec<String> {
    let asks = outputs.iter().filter_map(|output| match output {
        HubOutput::Ask { jid: of, who } if *of == jid(1) => Some(who),
        _ => None,
    });
    let names = asks
        .flat_map(|who| who.iter())
        .filter_map(|index| bench.hub.node(index));
    names.map(|node| node.id().to_string()).collect()
}

fn is_complete(bench: &Bench) -> bool {
    bench.hub.job(jid(1)).is_some_and(|job| job.is_complete())
}

fn undecided(bench: &Bench) -> Vec<(String, String)> {
    let name = |index| {
        let node = bench.hub.node(index)?;
        Some((node.id().to_string(), node.path().to_string()))
    };
    let job = bench.hub.job(jid(1)).unwrap();
    let ledger = job.ledger(&name, &|_| None, bench.now);
    let undecided = ledger.undecided.into_iter();
    undecided.map(|(id, reason)| (id, reason.text)).collect()
}

/// `m1`, `m2` and `m9` are there, `m3` is down.
fn hub() -> Bench {
    let mut bench = Bench::new("");
    for number in [1, 2, 3, 9] {
        bench.connect(number.into(), minion(number));
    }
    bench.close(3);
    bench
}

fn unmade() -> Answer {
    Answer::Undecided("its pillar can't be made".to_owned())
}

#[test]
fn nobody_is_named_before_the_answer() {
    let mut bench = hub();
    let outputs = bench.submit(jid(1), TARGET);
    assert_eq!(
        asked(&bench, &outputs),
        ["m1", "m2", "m3"],
        "ids decide about m9"
    );
    assert!(told(&outputs, 1).is_empty());
    assert!(!is_complete(&bench));

    let outputs = answer(&mut bench, &[("m1", Answer::Meant), ("m9", Answer::Meant)]);
    assert!(matches!(told(&outputs, 1)[..], [Down::Job(_)]));
    assert!(told(&outputs, 9).is_empty(), "nobody asked about it");
    assert!(!is_complete(&bench), "two are in question");
    let again = answer(&mut bench, &[("m1", Answer::NotMeant)]);
    assert!(told(&again, 1).is_empty());
    assert_eq!(bench.row(jid(1), "m1"), "queued", "the first answer holds");

    answer(
        &mut bench,
        &[("m2", Answer::NotMeant), ("m3", Answer::Meant)],
    );
    assert!(is_complete(&bench));
    assert_eq!(bench.row(jid(1), "m2"), "absent");
    assert_eq!(bench.row(jid(1), "m3"), "unreachable MinionDown");
    assert_eq!(bench.hub.counts(jid(1)).unwrap().expected, 2);
}

#[test]
fn a_pillar_that_cannot_be_made_is_told() {
    let mut bench = syndic();
    bench.connect(1, peer(1, Role::Minion, "m1", "ams"));
    let (envelope, _) = order(jid(1), TARGET);
    let outputs = from_parent(&mut bench, Down::Job(envelope));
    assert!(ledgers(&outputs).iter().all(|delta| !delta.complete));
    let outputs = answer(&mut bench, &[("m1", unmade())]);
    let told = ledgers(&outputs);
    let groups: Vec<_> = told.iter().flat_map(|delta| &delta.groups).collect();
    let [group] = groups[..] else {
        panic!("one minion is named: {groups:?}")
    };
    assert!(
        matches!(&group.outcome, Outcome::Undecided(reason) if reason.text == "its pillar can't be made")
    );
    assert!(told.iter().any(|delta| delta.complete));
}

#[test]
fn who_is_in_question_when_the_time_is_over_is_undecided() {
    let mut bench = hub();
    bench.submit(jid(1), TARGET);
    answer(
        &mut bench,
        &[("m1", Answer::NotMeant), ("m3", Answer::NotMeant)],
    );
    bench.wait(3_600_000);
    assert!(is_complete(&bench));
    let text = "it was not decided about within the job's time: its hub makes pillars, or judges the order".to_owned();
    assert_eq!(undecided(&bench), [("m2".to_owned(), text)]);
    let late = answer(&mut bench, &[("m2", Answer::Meant)]);
    assert!(told(&late, 2).is_empty());
}

#[test]
fn a_halt_that_came_before_the_answer_holds() {
    let mut bench = syndic();
    bench.connect(1, peer(1, Role::Minion, "m1", "ams"));
    let (envelope, _) = order(jid(1), TARGET);
    from_parent(&mut bench, Down::Job(envelope));
    let reason = Reason {
        code: ReasonCode::Cancelled,
        text: "cancelled".to_owned(),
        since: bench.now,
    };
    let halt = Halt { reason, site: None };
    from_parent(&mut bench, Down::Halt { jid: jid(1), halt });
    let outputs = answer(&mut bench, &[("m1", Answer::Meant)]);
    assert!(told(&outputs, 1).is_empty());
    assert_eq!(bench.row(jid(1), "m1"), "refused Cancelled");
}

/// P1: a restart in between loses nobody.
#[test]
fn a_restarted_hub_asks_again() {
    let mut bench = hub();
    bench.submit(jid(1), TARGET);
    answer(&mut bench, &[("m1", Answer::Meant)]);
    let config = HubConfig {
        fresh_epoch: 43,
        ..bench.hub.config().clone()
    };
    let mut hub = relay::Hub::new(config, bench.recovered(), bench.now);
    let mut outputs = Vec::new();
    while let Some(output) = hub.poll_output() {
        outputs.push(output);
    }
    bench.hub = hub;
    assert_eq!(asked(&bench, &outputs), ["m2", "m3"]);
    assert!(!is_complete(&bench));
    answer(&mut bench, &[("m2", Answer::Meant), ("m3", unmade())]);
    assert!(is_complete(&bench));
    assert_eq!(bench.hub.counts(jid(1)).unwrap().expected, 2);
}

/// What is behind a hub that is cut off is never guessed, and named as undecided.
#[test]
fn a_site_that_is_cut_off_stays_undecided() {
    let mut bench = Bench::new("");
    bench.connect(13, peer(13, Role::Syndic, "hub-a", "a"));
    let below = peer(3, Role::Minion, "m3", "a");
    bench.says(13, support::roster_of(&below, 0));
    bench.says(13, Up::Resumed { ledgers: 0 });
    bench.close(13);
    let outputs = bench.submit(jid(1), TARGET);
    assert!(asked(&bench, &outputs).is_empty());
    assert!(is_complete(&bench));
    let undecided = undecided(&bench);
    assert_eq!(undecided[0].0, "m3");
    assert!(undecided[0].1.contains("cut off"), "{undecided:?}");
}

/// A site with rules of its own is asked about everyone whom an order from above means, and refuses by id.
#[test]
fn a_site_judges_orders_from_above() {
    let mut bench = Bench::new("ams");
    let config = HubConfig {
        judges: true,
        ..bench.hub.config().clone()
    };
    bench.hub = relay::Hub::new(config, relay::HubRecovered::default(), bench.now);
    bench.put(support::parent_connects());
    from_parent(&mut bench, support::welcome());
    for number in [1, 2] {
        let minion = peer(number, Role::Minion, &format!("m{number}"), "ams");
        bench.connect(number.into(), minion);
    }
    let (envelope, _) = order(jid(1), "*");
    let outputs = from_parent(&mut bench, Down::Job(envelope));
    assert_eq!(asked(&bench, &outputs), ["m1", "m2"]);
    assert!(told(&outputs, 1).is_empty() && !is_complete(&bench));
    let refused = Answer::Refused("refused by policy of site ams: a rule".to_owned());
    let outputs = answer(&mut bench, &[("m1", refused), ("m2", Answer::Meant)]);
    assert!(told(&outputs, 1).is_empty());
    assert!(matches!(told(&outputs, 2)[..], [Down::Job(_)]));
    assert!(is_complete(&bench));
    assert_eq!(bench.row(jid(1), "m1"), "refused Refused");
    assert_eq!(bench.hub.counts(jid(1)).unwrap().expected, 2);
}

/// What the origin says of who asked goes with the order, to every hub that can read it, and over a restart.
#[test]
fn a_warrant_goes_with_the_order() {
    let warrant = wire::Warrant {
        groups: vec!["ops".to_owned()],
        reason: Some("it burns".to_owned()),
        signature: [9; 64],
    };
    let told_over = |outputs: &[HubOutput], link: u64| {
        told(outputs, link).into_iter().any(
            |message| matches!(message, Down::Warranted { warrant: told, .. } if **told == warrant),
        )
    };
    let mut top = Bench::new("");
    top.connect(13, peer(13, Role::Syndic, "hub-a", "a"));
    top.connect(1, minion(1));
    let mut old = support::hello(Role::Syndic);
    if let Up::Hello(hello) = &mut old {
        hello.protocol = wire::ProtocolRange { min: 1, max: 1 };
    }
    top.connect_with(14, peer(14, Role::Syndic, "hub-b", "b"), old);
    let (envelope, order) = order(jid(1), "*");
    let outputs = top.put(HubInput::Submit {
        envelope: envelope.clone(),
        order,
        hold: false,
        plan: None,
        warrant: Some(Box::new(warrant.clone())),
    });
    assert!(told_over(&outputs, 13));
    for link in [1, 14] {
        assert!(matches!(told(&outputs, link)[..], [Down::Job(_)]), "{link}");
    }

    let mut site = syndic();
    site.connect(13, peer(13, Role::Syndic, "hub-c", "ams/c"));
    let outputs = from_parent(
        &mut site,
        Down::Warranted {
            envelope,
            terms: wire::Terms::default(),
            warrant: Box::new(warrant.clone()),
        },
    );
    assert!(told_over(&outputs, 13));
    let site = site.restarted();
    let job = site.hub.job(jid(1)).unwrap();
    assert_eq!(job.warrant(), Some(&warrant));
}
