//! PostgreSQL with a standby that confirms each commit, and takes over: nothing is lost, and nothing twice.

use jobcache::{Batch, Cache, Dialect, Loss};

use crate::proxy::{Fault, Proxy};
use crate::server::Database;
use crate::{SESSIONS_MAX, SHORT, WITHIN, batch, sessions, truth, until_written};

/// A commit is told when it is seen on the other server.
const BOTH: [&str; 4] = [
    "-c",
    "synchronous_commit=remote_apply",
    "-c",
    "synchronous_standby_names=*",
];

#[tokio::test]
async fn a_standby_of_postgresql_takes_over() {
    let mut primary = Database::start(Dialect::Pgjsonb).await;
    let mut standby = primary.standby();
    standby.run().await;
    // Only now, since a primary without its standby confirms nothing.
    primary.stop();
    primary.options = BOTH.map(str::to_owned).into();
    primary.run().await;
    let proxy = Proxy::start(primary.port).await;
    let place = primary.place_of(&[standby.port, proxy.port]);
    let mut cache = Cache::new(place, "hub1".to_owned()).within(WITHIN);

    // The standby stands first in the list, and is passed over.
    until_written(&mut cache, &batch(1)).await;
    let report = cache.check(true).await.unwrap();
    let failures: Vec<String> = report
        .failures
        .iter()
        .map(|(host, error)| format!("{host} {error}"))
        .collect();
    let said = format!(
        "127.0.0.1:{} not in service: it is a standby or read-only",
        standby.port
    );
    assert_eq!(failures, [said]);

    // A primary whose standby is away confirms no commit, for hours: attempts come and go, and the server keeps few of them.
    standby.kill();
    let next = batch(2);
    let place = primary.place(primary.port);
    let mut short = Cache::new(place, "hub1".to_owned()).within(SHORT);
    for _ in 0..SESSIONS_MAX + 2 {
        short.write(&next).await.expect_err("no standby");
    }
    let sessions = sessions(&primary);
    assert!(sessions <= SESSIONS_MAX, "{sessions} sessions");
    standby.run().await;
    until_written(&mut short, &next).await;

    // The commit is done and nobody told, and then the primary is gone.
    proxy.set(Fault::CutAfter("COMMIT"));
    let batches: Vec<Batch> = (3..=11).map(batch).collect();
    cache
        .write(&batches[0])
        .await
        .expect_err("the fault, and a standby");
    assert!(proxy.happened());
    primary.kill();
    cache.write(&batches[0]).await.expect_err("a standby alone");
    assert_eq!(standby.client("salt", "SELECT pg_promote()"), "t");
    for batch in &batches {
        until_written(&mut cache, batch).await;
    }
    let expected = ["11", "33", "0", "hub1\t11"].map(str::to_owned);
    assert_eq!(truth(&standby), expected);

    // What is written again later takes no mark back; one that is behind what was confirmed is told of, once.
    assert_eq!(cache.write(&batch(5)).await.unwrap(), None);
    assert_eq!(cache.write(&batch(12)).await.unwrap(), None);
    let back = "UPDATE banyan_exports SET through = '10' WHERE hub = 'hub1'";
    standby.client("salt", back);
    let loss = Loss {
        confirmed: 12,
        found: 10,
    };
    assert_eq!(cache.write(&batch(13)).await.unwrap(), Some(loss));
    assert_eq!(cache.write(&batch(14)).await.unwrap(), None);
}
