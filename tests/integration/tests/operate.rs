//! What those who watch over the daemons rely on: pages, counters, an orderly end.

use integration::{Tree, free_port, metric, page, wait_for};
use nix::sys::signal::Signal;

#[test]
fn pages_tell_life_readiness_and_counters() {
    let (of_top, of_minion) = (free_port(), free_port());
    let mut tree = Tree::with_top(&format!("metrics_port: {of_top}\n"));
    tree.new_minion("m1", &["top"], &format!("metrics_port: {of_minion}\n"));
    wait_for("the minion's page answers", || page(of_minion, "/live"));
    assert_eq!(
        page(of_minion, "/live").map(|(status, _)| status),
        Some(200)
    );
    tree.key_is("m1", "pending");
    let (status, why) = page(of_minion, "/ready").expect("a page");
    assert_eq!(status, 503);
    assert!(why.contains("accepted"), "{why}");
    tree.settle();
    wait_for("the minion is ready", || {
        page(of_minion, "/ready").filter(|(status, _)| *status == 200)
    });
    for path in ["/live", "/ready"] {
        assert_eq!(
            page(of_top, path).map(|(status, _)| status),
            Some(200),
            "{path}"
        );
    }
    assert_eq!(
        page(of_top, "/nothing").map(|(status, _)| status),
        Some(404)
    );

    let counters = [
        (of_top, "banyan_jobs_total", "ok"),
        (of_top, "banyan_returns_total", ""),
        (of_minion, "banyan_functions_total", "ok"),
    ];
    let before = counters.map(|(port, name, label)| metric(port, name, label));
    for _ in 0..3 {
        tree.top().run(0, &["*", "test.ping"]);
    }
    for ((port, name, label), before) in counters.into_iter().zip(before) {
        wait_for(name, || {
            (metric(port, name, label) == before + 3.0).then_some(())
        });
    }
    wait_for("the roster is counted", || {
        (metric(of_top, "banyan_roster_nodes", "up") == 1.0).then_some(())
    });
    wait_for("disks are measured", || {
        let free = [of_top, of_minion].map(|port| metric(port, "banyan_disk_free_bytes", ""));
        let database = metric(of_top, "banyan_store_bytes", "database");
        (free.into_iter().chain([database]).all(|bytes| bytes > 0.0)).then_some(())
    });
    assert_eq!(metric(of_top, "banyan_build_info", "version"), 1.0);
}

/// SIGTERM ends each role in order, also in the middle of a job, and a fresh start goes on.
#[test]
fn sigterm_drains_and_ends_with_success() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let jid = top.submit(&["fra-*", "test.sleep", "2"]);
    top.job_becomes(&jid, "both work", |ledger| ledger.count("running") == 2);
    for id in ["ams-web1", "fra-hub", "top", "eu-hub"] {
        tree.node(id).signal(Signal::SIGTERM);
        let status = tree.node_mut(id).ended();
        assert_eq!(status.code(), Some(0), "{id}: {}", tree.node(id).log());
        assert!(!tree.node(id).log().contains("panicked"), "{id}");
        let socket = tree.node(id).root().join("run/banyan");
        let socket = socket.join(format!("{}.sock", tree.node(id).program()));
        assert!(!socket.exists(), "{id}");
        tree.node_mut(id).start();
    }
    tree.answers("top");
    tree.heals();
    let ledger = top.job_becomes(&jid, "the job survives", |ledger| ledger.count("ok") == 2);
    ledger.all_ok(&["fra-db1", "fra-db2"]);
    top.run(0, &["*", "test.ping"]);

    // A second daemon of the same node is turned away, and the first goes on.
    let said = top.expect(70, &["serve"]);
    assert!(!said.err.is_empty());
    top.run(0, &["*", "test.ping"]);
}
