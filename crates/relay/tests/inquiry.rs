//! Inquiries: how an order would fare, asked on the way that it would take. Nobody runs it, and nothing of it is kept.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use relay::{Answer, HubConfig, HubInput, HubOutput};
use support::{
    Bench, from_parent, jid, minion, nth_roster, order, parent_connects, peer, roster_of, told,
    welcome,
};
use wire::{Down, Finding, Role, Stance, Up};

/// A top-master asks about everyone.
fn inquire(bench: &mut Bench) -> Vec<HubOutput> {
    let (envelope, order) = order(jid(1), "*");
    bench.put(HubInput::Inquire {
        envelope,
        order,
        warrant: None,
    })
}

/// What came of it, by id.
fn found(bench: &Bench, outputs: &[HubOutput]) -> Option<Vec<(String, Stance, String)>> {
    let findings = outputs.iter().find_map(|output| match output {
        HubOutput::Inquired { findings, .. } => Some(findings),
        HubOutput::ToParent {
            message: Up::Inquired { findings, .. },
            ..
        } => Some(findings),
        _ => None,
    })?;
    let mut found = Vec::new();
    for finding in findings {
        for index in finding.who.iter() {
            let node = bench.hub.node(index).expect("a minion of this hub");
            let id = node.id().to_string();
            found.push((id, finding.stance, finding.reason.clone()));
        }
    }
    found.sort();
    Some(found)
}

fn row(id: &str, stance: Stance, reason: &str) -> (String, Stance, String) {
    (id.to_owned(), stance, reason.to_owned())
}

fn answers(stance: Stance, reason: &str, who: &[u32]) -> Up {
    Up::Inquired {
        jid: jid(1),
        findings: vec![Finding {
            stance,
            reason: reason.to_owned(),
            who: who.iter().copied().collect(),
        }],
    }
}

/// A top-master with a minion of its own and two sites with one each.
fn top() -> Bench {
    let mut top = Bench::new("");
    top.connect(1, minion(1));
    for (link, site, id) in [(13, "a", "m13"), (14, "b", "m14")] {
        let number = u8::try_from(link).unwrap();
        top.connect(
            link,
            peer(number, Role::Syndic, &format!("hub-{site}"), site),
        );
        let minion = peer(100 + number, Role::Minion, id, site);
        top.says(link, roster_of(&minion, 3));
    }
    top
}

fn is_asked(outputs: &[HubOutput], link: u64) -> bool {
    told(outputs, link)
        .iter()
        .any(|message| matches!(message, Down::Inquire { .. }))
}

#[test]
fn each_site_is_asked_and_nothing_runs() {
    let mut top = top();
    let outputs = inquire(&mut top);
    assert!(is_asked(&outputs, 13) && is_asked(&outputs, 14));
    assert!(told(&outputs, 1).is_empty(), "minions hear nothing");
    let is_saved = |output: &HubOutput| matches!(output, HubOutput::Save { .. });
    assert!(!outputs.iter().any(is_saved), "nothing is kept");
    let outputs = top.says(13, answers(Stance::Let, "", &[3]));
    assert_eq!(found(&top, &outputs), None);
    // A site speaks for its own minions: of others it has no number.
    let outputs = top.says(14, answers(Stance::Refused, "a rule", &[3, 0, 1]));
    let expected = [
        row("m1", Stance::Let, ""),
        row("m13", Stance::Let, ""),
        row("m14", Stance::Refused, "a rule"),
    ];
    assert_eq!(found(&top, &outputs).as_deref(), Some(&expected[..]));
    assert!(top.hub.job(jid(1)).is_none() && top.hub.inquiry(jid(1)).is_none());
    // What comes too late or without a question changes nothing.
    let outputs = top.says(14, answers(Stance::Let, "", &[3]));
    assert_eq!(found(&top, &outputs), None);
}

#[test]
fn who_is_cut_off_or_silent_or_old_is_not_asked_and_named() {
    let mut top = top();
    top.close(13);
    let outputs = inquire(&mut top);
    assert!(is_asked(&outputs, 14));
    let cut = "site a is cut off: no connection to its hub hub-a";
    let outputs = top.wait(11_000);
    let silent = "hub hub-b did not answer within 10 s";
    let expected = |of_b: &str| {
        [
            row("m1", Stance::Let, ""),
            row("m13", Stance::NotAsked, cut),
            row("m14", Stance::NotAsked, of_b),
        ]
    };
    let said = found(&top, &outputs);
    assert_eq!(said.as_deref(), Some(&expected(silent)[..]));

    // It goes while it is asked.
    inquire(&mut top);
    let outputs = top.close(14);
    let gone = "site b is cut off: no connection to its hub hub-b";
    let said = found(&top, &outputs);
    assert_eq!(said.as_deref(), Some(&expected(gone)[..]));

    let mut old = support::hello(Role::Syndic);
    if let Up::Hello(hello) = &mut old {
        hello.protocol = wire::ProtocolRange { min: 1, max: 1 };
    }
    top.connect_with(15, peer(14, Role::Syndic, "hub-b", "b"), old);
    let outputs = inquire(&mut top);
    assert!(told(&outputs, 15).is_empty());
    let said = found(&top, &outputs).expect("it is over at once");
    assert!(said[2].2.contains("which knows no inquiries"), "{said:?}");
}

/// A site with rules has its shell judge; one without has not.
#[test]
fn a_site_judges_and_answers_its_parent() {
    let inquiry = || {
        let (envelope, _) = order(jid(1), "*");
        Down::Inquire {
            envelope,
            warrant: None,
            within_ms: 5_000,
        }
    };
    let site = |judges| {
        let mut site = Bench::new("ams");
        let config = HubConfig {
            judges,
            ..site.hub.config().clone()
        };
        site.hub = relay::Hub::new(config, relay::HubRecovered::default(), site.now);
        site.put(parent_connects());
        from_parent(&mut site, welcome());
        for number in [1, 2] {
            let minion = peer(number, Role::Minion, &format!("m{number}"), "ams");
            site.connect(number.into(), minion);
        }
        site
    };
    let mut open = site(false);
    let outputs = from_parent(&mut open, inquiry());
    let expected = [row("m1", Stance::Let, ""), row("m2", Stance::Let, "")];
    assert_eq!(found(&open, &outputs).as_deref(), Some(&expected[..]));

    let mut strict = site(true);
    let outputs = from_parent(&mut strict, inquiry());
    let asked = outputs.iter().find_map(|output| match output {
        HubOutput::Ask { who, .. } => Some(who.iter().collect::<Vec<_>>()),
        _ => None,
    });
    let [one, two] = asked.expect("the shell is asked")[..] else {
        panic!("about both")
    };
    let answer = |index, answer| HubInput::Answered {
        jid: jid(1),
        answers: vec![(index, answer)],
    };
    let outputs = strict.put(answer(one, Answer::Refused("a rule".to_owned())));
    assert_eq!(found(&strict, &outputs), None);
    let outputs = strict.put(answer(two, Answer::Meant));
    let expected = [
        row("m1", Stance::Refused, "a rule"),
        row("m2", Stance::Let, ""),
    ];
    assert_eq!(found(&strict, &outputs).as_deref(), Some(&expected[..]));

    // A shell that says nothing holds nobody up, and answers before the parent gives up.
    from_parent(&mut strict, inquiry());
    let outputs = strict.wait(5_001);
    let late = "its hub did not decide in time";
    let expected = [
        row("m1", Stance::Undecided, late),
        row("m2", Stance::Undecided, late),
    ];
    assert_eq!(found(&strict, &outputs).as_deref(), Some(&expected[..]));
}

/// A minion with two hubs gets an order from whichever lets it.
#[test]
fn of_two_hubs_the_one_that_lets_it_counts() {
    let mut top = Bench::new("");
    let both = peer(101, Role::Minion, "m", "a");
    for (number, link) in [(13, 13), (14, 14)] {
        top.connect(
            link,
            peer(number, Role::Syndic, &format!("hub-{number}"), "a"),
        );
        top.says(link, nth_roster(&both, 3, 1));
    }
    inquire(&mut top);
    top.says(13, answers(Stance::Refused, "a rule", &[3]));
    let outputs = top.says(14, answers(Stance::Let, "", &[3]));
    let expected = [row("m", Stance::Let, "")];
    assert_eq!(found(&top, &outputs).as_deref(), Some(&expected[..]));
}

/// What one hub holds and tells is bounded, whatever it is asked and told.
#[test]
fn inquiries_and_reasons_are_bounded() {
    let mut top = top();
    let ask = |top: &mut Bench, number| {
        let (envelope, order) = order(jid(number), "*");
        top.put(HubInput::Inquire {
            envelope,
            order,
            warrant: None,
        })
    };
    for number in 1..=64 {
        let outputs = ask(&mut top, number);
        assert_eq!(found(&top, &outputs), None);
    }
    let outputs = ask(&mut top, 65);
    let said = found(&top, &outputs).expect("it is over at once");
    assert!(said.iter().all(|row| row.1 == Stance::NotAsked), "{said:?}");
    assert!(said[0].2.contains("64 inquiries open"), "{said:?}");

    let mut top = Bench::new("");
    top.connect(13, peer(13, Role::Syndic, "hub-a", "a"));
    for number in 0..100 {
        let minion = peer(100 + number, Role::Minion, &format!("m{number}"), "a");
        top.says(
            13,
            nth_roster(&minion, number.into(), u32::from(number) + 1),
        );
    }
    inquire(&mut top);
    let finding = |number: u32| Finding {
        stance: Stance::Refused,
        reason: format!("rule {number}"),
        who: [number].into_iter().collect(),
    };
    // More than one hub may say at once is no answer: the session ends.
    let all = Up::Inquired {
        jid: jid(1),
        findings: (0..100).map(finding).collect(),
    };
    let outputs = top.says(13, all);
    assert!(support::refusal(&outputs).is_some());
}
