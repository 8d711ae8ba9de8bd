//! A site whose line is cut: named, counted, at work by itself, and true again when the line is back.

use std::time::{Duration, Instant};

use integration::{Cable, IDLE_TIMEOUT, Ledger, Tree, wait_for};
use serde_json::Value;

const AMS: [&str; 2] = ["ams-web1", "ams-web2"];
const FRA: [&str; 2] = ["fra-db1", "fra-db2"];
/// A name, and what is done to a cable.
type Cut = (&'static str, fn(&Cable));
const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// P1, P2, P5: the cut-off site is in every account with its count and its time; all is true again unaided.
#[test]
fn a_cut_off_site_is_counted_and_heals_unaided() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    let cuts: [Cut; 3] = [
        ("both ways", Cable::cut),
        ("downwards", Cable::cut_downwards),
        ("upwards", Cable::cut_upwards),
    ];
    for (way, cut) in cuts {
        cut(tree.wire("ams-wan"));
        let begin = Instant::now();
        tree.minion_is("ams-web1", "cut-off");
        assert!(
            begin.elapsed() < IDLE_TIMEOUT * 3,
            "{way}: {:?}",
            begin.elapsed()
        );
        let site = tree.site("eu/ams");
        assert_eq!(site["counts"]["accepted"], 2, "{way}: {site:#}");
        assert_eq!(site["counts"]["cut_off"], 2, "{way}: {site:#}");
        assert!(site["cut_since"].is_string(), "{way}: {site:#}");
        let totals = tree.roster()["totals"].clone();
        assert_eq!((&totals["accepted"], &totals["up"]), (&4.into(), &2.into()));

        let ledger = top.run(3, &["*", "test.ping", "--start-within", "1"]);
        assert_eq!(ledger.ids("ok"), FRA, "{way}");
        assert_eq!(ledger.ids("unreachable"), AMS, "{way}");
        for id in AMS {
            assert_eq!(ledger.minion(id)["reason_code"], "site-cut-off", "{way}");
            assert!(ledger.minion(id)["since"].is_string(), "{way}");
        }
        let sites = ledger.field("sites").as_array().expect("sites").clone();
        let is_cut = |path: &str| {
            let site = sites.iter().find(|site| site["path"] == path);
            site.is_some_and(|site| !site["cut_since"].is_null())
        };
        assert!(is_cut("eu/ams") && !is_cut("eu/fra"), "{way}: {ledger:#?}");
        let said = top.expect(3, &["run", "ams-*", "test.ping", "--start-within", "1"]);
        said.complains("Site eu/ams is cut off since");

        tree.wire("ams-wan").heal();
        tree.heals();
        assert!(tree.site("eu/ams")["cut_since"].is_null(), "{way}");
        top.run(0, &["*", "test.ping"]).all_ok(&ALL);
        // What was said of the old job still adds up.
        assert_eq!(top.show(ledger.jid()).count("expected"), 4, "{way}");
    }
}

/// P3, P4, P5: a line that is cut while minions work delays their returns and loses none.
#[test]
fn returns_of_a_cut_off_site_come_late_and_count_once() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    let done = tree.directory().join("done");
    let work = format!("sleep 2; echo $NODE >> {}", done.display());
    let running = top.start(&["run", "*", "cmd.run", &work, "--out", "ledger"]);
    wait_for("all minions work", || {
        let jobs = top.json(&["jobs", "list"]);
        (jobs[0]["counts"]["running"] == 4).then_some(())
    });
    tree.wire("ams-wan").cut();
    let said = running.finish();
    assert_eq!(said.code, Some(3), "{said:#?}");
    let ledger = Ledger::parse(&said.out);
    assert_eq!(ledger.ids("ok"), FRA);
    assert_eq!(ledger.ids("unreachable"), AMS);

    tree.wire("ams-wan").heal();
    let amended = top.job_becomes(ledger.jid(), "late returns arrive", |ledger| {
        ledger.count("ok") == 4
    });
    amended.all_ok(&ALL);
    let done = std::fs::read_to_string(&done).expect("the minions have written");
    let mut done: Vec<_> = done.lines().collect();
    done.sort_unstable();
    assert_eq!(done, ALL);
}

/// P8: a cut-off site works under its own orders where it was let, within its own subtree, with the functions it was
/// given; nowhere else.
#[test]
fn a_cut_off_site_orders_its_own_jobs_under_a_delegation_alone() {
    let tree = Tree::of_two_sites();
    let (top, ams) = (tree.top(), tree.cli("ams-hub"));
    let refused = ams.expect(4, &["run", "*", "test.ping"]);
    refused.complains("may not order jobs");

    let delegate = [
        "delegate",
        "ams-hub",
        "--functions",
        "test.ping,grains.*",
        "--ttl",
        "1h",
    ];
    top.expect(0, &delegate);
    let scope = |hub: &str| tree.cli(hub).json(&["identity"])["job_scope"].clone();
    wait_for("the delegation arrives", || {
        (scope("ams-hub") == "eu/ams").then_some(())
    });
    assert_eq!(scope("fra-hub"), Value::Null);
    top.expect(
        2,
        &["delegate", "nobody", "--functions", "*", "--ttl", "1h"],
    );

    tree.wire("ams-wan").cut();
    tree.minion_is("ams-web1", "cut-off");
    let local = ams.run(0, &["*", "test.ping"]);
    local.all_ok(&AMS);
    assert_eq!(local.field("origin"), "ams-hub");
    ams.run(0, &["-G", "role:web", "grains.get", "role"])
        .all_ok(&AMS);
    // Not beyond its site, and nothing that it was not given.
    ams.expect(2, &["run", "fra-*", "test.ping"]);
    ams.expect(4, &["run", "*", "cmd.run", "true"])
        .complains("cmd.run");
    tree.cli("fra-hub").expect(4, &["run", "*", "test.ping"]);

    tree.wire("ams-wan").heal();
    tree.heals();
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);
    ams.run(0, &["*", "test.ping"]).all_ok(&AMS);

    top.expect(0, &["delegate", "ams-hub", "--revoke"]);
    wait_for("the delegation is gone", || {
        scope("ams-hub").is_null().then_some(())
    });
    ams.expect(4, &["run", "*", "test.ping"]);
}

/// P5: a line that comes and goes leaves no trace.
#[test]
fn a_flapping_line_leaves_the_roster_true() {
    let tree = Tree::of_two_sites();
    for round in 0..6 {
        let wire = tree.wire(["ams-wan", "eu-wan", "fra-wan"][round % 3]);
        wire.cut();
        std::thread::sleep(Duration::from_millis(300 * (round as u64 % 3)));
        wire.heal();
    }
    tree.heals();
    tree.top().run(0, &["*", "test.ping"]).all_ok(&ALL);
}
