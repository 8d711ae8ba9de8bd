//! One cluster of three nodes, and what happens to them: each job is there once, and what one node can't take another does.

use std::process::Command;
use std::time::{Duration, Instant};

use jobcache::{Batch, Cache};

use crate::galera::Cluster;
use crate::proxy::{Fault, Proxy};
use crate::{WITHIN, batch, truth, until_written};

/// Batches at most until two nodes got into each other's way.
const ROUNDS_MAX: u64 = 200;

#[tokio::test]
async fn galera() {
    let mut cluster = Cluster::start().await;
    let proxy = Proxy::start(cluster.nodes[0].port).await;
    let cache = |cluster: &Cluster, hub: &str| {
        Cache::new(cluster.place_by(proxy.port), hub.to_owned()).within(WITHIN)
    };
    let mut written = 0;

    let mut next = || {
        written += 1;
        batch(written)
    };
    let expect = |cluster: &Cluster, at: usize, jobs: u64, marks: &str| {
        let expected = [
            jobs.to_string(),
            (3 * jobs).to_string(),
            "0".into(),
            marks.to_owned(),
        ];
        assert_eq!(truth(&cluster.nodes[at]), expected);
    };

    // The commit is done and nobody told: the next node has to know of it.
    let mut first = cache(&cluster, "hub1");
    let one = next();
    proxy.set(Fault::CutAfter("COMMIT"));
    first.write(&one).await.unwrap();
    assert!(proxy.happened());
    expect(&cluster, 2, 1, "hub1\t1");

    // A transaction that hangs before its commit and comes to life when another node has its rows. It goes on from where the last
    // one ended in the middle of a change, so the mark stays as it is.
    let mut more = next();
    more.through = 1;
    let mut first = cache(&cluster, "hub1");
    proxy.set(Fault::Hold("COMMIT"));
    let two = Batch {
        jobs: Vec::new(),
        ..more.clone()
    };
    first.write(&two).await.unwrap();
    assert!(proxy.happened());
    proxy.let_go();
    // The node has to have decided: nobody of ours is there any more.
    let open = "SELECT count(*) FROM information_schema.processlist WHERE user = 'salt'";
    until(|| cluster.nodes[0].client("mysql", open) == "0").await;
    first.write(&more).await.unwrap();
    expect(&cluster, 0, 2, "hub1\t1");

    // Two nodes write the same at the same time, until they were in each other's way.
    let conflicts = |cluster: &Cluster| {
        cluster.count("wsrep_local_cert_failures") + cluster.count("wsrep_local_bf_aborts")
    };
    let node = |cluster: &Cluster, number: usize, hub: &str| {
        let node = &cluster.nodes[number];
        Cache::new(node.place(node.port), hub.to_owned())
    };
    let mut left = node(&cluster, 1, "hub1");
    let mut right = node(&cluster, 2, "hub1");
    let mut other = node(&cluster, 2, "hub2");
    let before = conflicts(&cluster);
    let mut rounds = 0;
    while conflicts(&cluster) == before {
        let (ours, theirs) = (next(), next());
        let (a, b, c) = tokio::join!(left.write(&ours), right.write(&ours), other.write(&theirs));
        for done in [a, b, c] {
            done.unwrap();
        }
        rounds += 1;
        assert!(rounds < ROUNDS_MAX, "no conflict");
    }
    let through = 2 + 2 * rounds;
    let marks = format!("hub1\t{}\nhub2\t{through}", through - 1);
    expect(&cluster, 0, through, &marks);

    // The node that is written to is killed in the middle.
    let mut first = cache(&cluster, "hub1");
    let pid = cluster.nodes[0].pid().to_string();
    let batches: Vec<Batch> = (0..20).map(|_| next()).collect();
    let mut killer = None;
    for (number, batch) in batches.iter().enumerate() {
        if number == 10 {
            // In the time of the next batches, whatever they are at.
            let pid = pid.clone();
            killer = Some(std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(10));
                Command::new("kill").args(["-KILL", &pid]).status().unwrap()
            }));
        }
        until_written(&mut first, batch).await;
    }
    assert!(killer.unwrap().join().unwrap().success());
    // What is left of it.
    cluster.nodes[0].kill();
    let through = through + 20;
    let marks = |through: u64| format!("hub1\t{through}\nhub2\t{theirs}", theirs = 2 + 2 * rounds);
    expect(&cluster, 2, through, &marks(through));
    let report = first.check(true).await.unwrap();
    assert_eq!(report.marks, ["hub1", "hub2"]);
    let failures: Vec<String> = report.failures.iter().map(|f| f.0.to_string()).collect();
    assert_eq!(failures, [format!("127.0.0.1:{}", proxy.port)]);

    // One of three is no quorum: it answers, and is passed over.
    cluster.nodes[1].kill();
    let ready = "SHOW STATUS WHERE Variable_name = 'wsrep_ready'";
    until(|| cluster.nodes[2].client("mysql", ready).contains("OFF")).await;
    let late = [next(), next()];
    // The connection that is there is told by the node, a fresh one is refused by us.
    first.write(&late[0]).await.expect_err("no quorum");
    let error = first.write(&late[0]).await.expect_err("no quorum");
    let error = error.to_string();
    assert!(error.contains("wsrep_ready is OFF"), "{error}");
    // The two that were the last cluster are one again.
    cluster.nodes[1].run().await;
    for batch in &late {
        until_written(&mut first, batch).await;
    }
    cluster.nodes[0].run().await;
    let through = through + 2;
    for at in 0..3 {
        expect(&cluster, at, through, &marks(through));
    }
}

/// Waits until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < crate::HEALS_WITHIN, "never so");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
