//! A site by itself: it orders, serves and remembers while nobody is above it, and its history is told afterwards, once.

use integration::{Cli, Ledger, Tree, wait_for};

const AMS: [&str; 2] = ["ams-web1", "ams-web2"];
const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

fn listed(cli: &Cli, jid: &str) -> usize {
    cli.call(&["jobs", "list", "--limit", "1000"])
        .out
        .matches(jid)
        .count()
}

/// Both sides work while the line is cut; when it is whole again the top shows the jobs of both, each once, with all that is
/// known of it.
#[test]
fn the_history_of_a_cut_off_site_is_told_when_it_is_back() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let delegate = [
        "delegate",
        "ams-hub",
        "--functions",
        "test.*,cmd.run",
        "--ttl",
        "1h",
    ];
    top.expect(0, &delegate);
    let site = tree.cli("ams-hub");
    wait_for("the site may order", || {
        (site.call(&["run", "*", "test.ping"]).code == Some(0)).then_some(())
    });
    tree.wire("ams-wan").cut();
    tree.minion_is("ams-web1", "cut-off");

    let ping = site.run(0, &["*", "test.ping"]);
    ping.all_ok(&AMS);
    let failed = site.run(1, &["ams-web1", "cmd.run", "echo no; false"]);
    // The site's own hub restarts in the cut; what it ran before and after is history all the same.
    tree.node_mut("ams-hub").kill();
    tree.node_mut("ams-hub").start();
    tree.answers("ams-hub");
    wait_for("its minions are back", || {
        (site.call(&["run", "*", "test.ping"]).code == Some(0)).then_some(())
    });
    let after = site.run(0, &["*", "test.ping"]);
    let elsewhere = top.run(3, &["*", "test.ping", "--start-within", "1"]);
    for jid in [ping.jid(), failed.jid(), after.jid()] {
        assert_eq!(listed(&top, jid), 0, "the top can't know yet");
    }

    tree.wire("ams-wan").heal();
    tree.heals();
    for (there, ids) in [(&ping, &AMS[..]), (&failed, &AMS[..1]), (&after, &AMS[..])] {
        let jid = there.jid();
        wait_for("the top has the job", || {
            (listed(&top, jid) == 1).then_some(())
        });
        let here = top.job_becomes(jid, "its account is told", Ledger::is_finished);
        assert_eq!(here.outcomes(), there.outcomes(), "{jid}");
        assert_eq!(here.field("origin"), "ams-hub");
        assert_eq!(here.field("fun"), there.field("fun"));
        for id in ids {
            assert_eq!(here.returned(id), there.returned(id), "{jid} {id}");
        }
    }
    assert_eq!(elsewhere.count("unreachable"), 2);
    // Told once: another session and another start change nothing.
    tree.node_mut("ams-hub").kill();
    tree.node_mut("ams-hub").start();
    tree.answers("ams-hub");
    // The top may not have noticed yet that the old sessions are dead.
    let ledger = wait_for("every minion answers", || {
        let said = top.call(&["run", "--out", "ledger", "*", "test.ping"]);
        (said.code == Some(0)).then(|| Ledger::parse(&said.out))
    });
    ledger.all_ok(&ALL);
    for jid in [ping.jid(), failed.jid(), after.jid()] {
        assert_eq!(listed(&top, jid), 1);
    }
}
