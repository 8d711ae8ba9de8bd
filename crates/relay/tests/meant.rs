//! Whom a target means by the roster, beside whom a job then names.

#[allow(dead_code)] // Each test program uses a part of the bench.
mod support;

use std::collections::{BTreeMap, BTreeSet};

use relay::Peer;
use support::{Bench, hello, jid, json, minion, peer, roster_of};
use targeting::{Kind, Nodegroups, Target, Verdict};
use wire::{HelloBody, ProtocolRange, Role, SitePath, Up};

fn target(text: &str) -> Target {
    let target = Target::parse(Kind::Compound, text, &Nodegroups::default(), ':');
    target.unwrap_or_else(|errors| panic!("{}", errors.render(text)))
}

fn meant(bench: &Bench, text: &str) -> BTreeMap<String, Verdict> {
    let (target, scope) = (target(text), SitePath::top());
    let meant = bench.hub.meant(&target, &scope);
    meant
        .map(|(node, verdict)| (node.id().to_string(), verdict))
        .collect()
}

/// A roster entry of a minion with these grains, or with none that are known.
fn tells_of(minion: &Peer, grains: Option<&str>) -> Up {
    let mut roster = roster_of(minion, 0);
    if let Up::Roster(delta) = &mut roster {
        delta.entries[0].grains = grains.map(json);
    }
    roster
}

fn grains_of(number: u8) -> String {
    format!(r#"{{"os":"os{number}","ipv4":["10.0.0.{number}"]}}"#)
}

fn minion_connects(bench: &mut Bench, number: u8) {
    let mut hello = hello(Role::Minion);
    if let Up::Hello(hello) = &mut hello
        && let HelloBody::Minion { grains, .. } = &mut hello.body
    {
        *grains = json(&grains_of(number));
    }
    bench.connect_with(number.into(), minion(number), hello);
}

/// `m1` up and `m2` down below this hub; `m3` behind a hub that is there, `m4` behind one that is cut off, and `m5` below one
/// that has not told its grains.
fn tree() -> Bench {
    let mut bench = Bench::new("");
    minion_connects(&mut bench, 1);
    minion_connects(&mut bench, 2);
    bench.close(2);
    for (link, site, minion, grains) in [
        (13, "a", 3, Some(grains_of(3))),
        (14, "b", 4, Some(grains_of(4))),
        (15, "c", 5, None),
    ] {
        let hub = peer(link, Role::Syndic, &format!("hub-{site}"), site);
        bench.connect(link.into(), hub);
        let minion = peer(minion, Role::Minion, &format!("m{minion}"), site);
        bench.says(link.into(), tells_of(&minion, grains.as_deref()));
        bench.says(link.into(), Up::Resumed { ledgers: 0 });
    }
    bench.close(14);
    bench
}

#[test]
fn the_roster_says_who_is_meant_at_any_depth() {
    let bench = tree();
    let check = |text: &str, yes: &[&str], unknown: &[&str]| {
        let expected = yes.iter().map(|id| (*id, Verdict::Yes));
        let expected = expected.chain(unknown.iter().map(|id| (*id, Verdict::Unknown)));
        let expected: BTreeMap<String, Verdict> = expected
            .map(|(id, verdict)| (id.to_owned(), verdict))
            .collect();
        assert_eq!(meant(&bench, text), expected, "{text}");
    };
    check("*", &["m1", "m2", "m3", "m4", "m5"], &[]);
    check("b/*", &["m4"], &[]);
    check("G@os:os[134]", &["m1", "m3", "m4"], &["m5"]);
    check("S@10.0.0.2 or S@10.0.0.4", &["m2", "m4"], &["m5"]);
    check("G@os:none and m1", &[], &[]);
    check("L@m3,m9", &["m3"], &[]);
}

/// A job that is submitted then names the same, as far as this hub names it itself.
#[test]
fn a_job_names_who_was_meant() {
    for text in ["*", "G@os:os[134]", "S@10.0.0.0/30", "not G@os:os1"] {
        let mut bench = tree();
        let meant = meant(&bench, text);
        bench.submit(jid(1), text);
        let named: BTreeSet<&str> = ["m1", "m2", "m4"]
            .into_iter()
            .filter(|id| bench.row(jid(1), id) != "absent")
            .collect();
        let expected: BTreeSet<&str> = meant
            .iter()
            .filter(|(id, verdict)| {
                **verdict == Verdict::Yes && ["m1", "m2", "m4"].contains(&id.as_str())
            })
            .map(|(id, _)| id.as_str())
            .collect();
        assert_eq!(named, expected, "{text}");
    }
}

/// P2, P10: a hub that knows no targets by address would not know whom such a job means: its minions are named as refused.
#[test]
fn an_old_hub_is_too_old_for_addresses_alone() {
    let mut bench = Bench::new("");
    let mut old = hello(Role::Syndic);
    if let Up::Hello(hello) = &mut old {
        hello.protocol = ProtocolRange { min: 1, max: 1 };
    }
    bench.connect_with(13, peer(13, Role::Syndic, "hub-a", "a"), old);
    let below = peer(3, Role::Minion, "m3", "a");
    bench.says(13, tells_of(&below, Some(&grains_of(3))));
    bench.says(13, Up::Resumed { ledgers: 0 });
    bench.submit(jid(1), "not S@10.0.0.9");
    assert_eq!(bench.row(jid(1), "m3"), "refused TooOld");
    bench.submit(jid(2), "S@10.0.0.9");
    assert_eq!(bench.row(jid(2), "m3"), "absent");
    bench.submit(jid(3), "*");
    assert_eq!(bench.row(jid(3), "m3"), "absent", "it is asked itself");
}
