//! Job caches in real databases that fail: at each point of a transaction, with the truth counted by the databases' own clients.

mod cluster;
mod failover;
mod full;
mod galera;
mod proxy;
mod server;
mod strange;
mod tls;

use std::time::{Duration, Instant};

use jobcache::{Batch, Cache, CacheError, Dialect, Event, EventBatch, Job, Return};

use proxy::{Fault, Proxy};
use server::Database;

/// What a database needs for a batch, at most, and how long a stalled one is waited for.
const WITHIN: Duration = Duration::from_secs(3);
/// The same where many attempts have to fail.
const SHORT: Duration = Duration::from_secs(1);
/// Connections at a time of a hub whose database hangs: the one that hangs, those before it that have not ended, the one that waits.
const SESSIONS_MAX: u32 = 4;
/// A batch has to be written by then whose fault is over.
const HEALS_WITHIN: Duration = Duration::from_secs(40);

/// One job and the answers of three minions.
fn batch(number: u64) -> Batch {
    let jid = format!("20261128{number:012}");
    let answer = |minion: u32| Return {
        jid: jid.clone(),
        id: format!("web{minion}"),
        fun: "test.echo".to_owned(),
        fun_args: ["grün \u{1f333}\u{0}".into()].into(),
        value: r#"{"word": "gr\u00fcn \ud83c\udf33", "nul": "a\u0000b"}"#.into(),
        retcode: 0,
        success: true,
        ended: 1_764_300_000_123,
    };
    Batch {
        through: number,
        jobs: vec![Job {
            jid: jid.clone(),
            fun: "test.echo".to_owned(),
            arg: vec!["grün \u{1f333}\u{0}".into()],
            tgt: "web*".to_owned(),
            tgt_type: "glob",
            user: "root".to_owned(),
            origin: "top".to_owned(),
        }],
        returns: (1..=3).map(answer).collect(),
    }
}

/// What the database holds: jobs, returns, returns that are there twice, and the marks.
fn truth(database: &Database) -> [String; 4] {
    [
        "SELECT count(*) FROM jids",
        "SELECT count(*) FROM salt_returns",
        "SELECT count(*) FROM (SELECT jid, id FROM salt_returns GROUP BY jid, id HAVING count(*) > 1) twice",
        "SELECT hub, through FROM banyan_exports ORDER BY hub",
    ]
    .map(|query| database.client("salt", query))
}

/// Connections of ours that the server knows of.
fn sessions(database: &Database) -> u32 {
    let ask = match database.dialect {
        Dialect::Mysql => "SELECT count(*) FROM information_schema.processlist WHERE user = 'salt'",
        Dialect::Pgjsonb | Dialect::Postgres => {
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'banyan'"
        }
    };
    database.client("salt", ask).parse().unwrap()
}

async fn until_written(cache: &mut Cache, batch: &Batch) {
    let begun = Instant::now();
    while let Err(error) = cache.write(batch).await {
        assert!(begun.elapsed() < HEALS_WITHIN, "never written: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn faults(dialect: Dialect) {
    let mut database = Database::start(dialect).await;
    let proxy = Proxy::start(database.port).await;
    let mut cache = Cache::new(database.place(proxy.port), "hub1".to_owned()).within(WITHIN);
    cache.check(true).await.unwrap();
    let mut number = 0;

    // On the way: before anything, between two rows, at the commit, and with the commit done and nobody told.
    for fault in [
        Fault::CutBefore("BEGIN"),
        Fault::CutBefore("INSERT INTO salt_returns"),
        Fault::CutAfter("INSERT INTO salt_returns"),
        Fault::CutBefore("UPDATE banyan_exports"),
        Fault::CutBefore("COMMIT"),
        Fault::CutAfter("COMMIT"),
        Fault::Stall("INSERT INTO salt_returns"),
        Fault::Stall("COMMIT"),
    ] {
        number += 1;
        let batch = batch(number);
        // A fresh connection, so that statements travel as text.
        cache = Cache::new(database.place(proxy.port), "hub1".to_owned()).within(WITHIN);
        proxy.set(fault);
        let error = cache.write(&batch).await.expect_err("the fault");
        assert!(proxy.happened(), "{fault:?}: {error}");
        if matches!(fault, Fault::Stall(_)) {
            assert!(matches!(error, CacheError::Slow(_)), "{fault:?}: {error}");
        }
        until_written(&mut cache, &batch).await;
        let returns = (3 * number).to_string();
        let expected = [
            number.to_string(),
            returns,
            "0".into(),
            format!("hub1\t{number}"),
        ];
        assert_eq!(truth(&database), expected, "{fault:?}");
    }

    // The way goes dead in the middle, as with a firewall that forgets: the server hears nothing of it, and keeps the locks.
    number += 1;
    let next = batch(number);
    cache = Cache::new(database.place(proxy.port), "hub1".to_owned()).within(SHORT);
    proxy.set(Fault::Hold("INSERT INTO salt_returns"));
    cache.write(&next).await.expect_err("the fault");
    assert!(proxy.happened());
    until_written(&mut cache, &next).await;
    let open = sessions(&database);
    assert!(open <= SESSIONS_MAX, "{open} sessions");
    proxy.let_go();
    // What says nothing for long is closed by the server; that is no fault.
    if dialect == Dialect::Mysql {
        let begun = Instant::now();
        while sessions(&database) > 0 {
            assert!(begun.elapsed() < HEALS_WITHIN, "never closed");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    number += 1;
    cache.write(&batch(number)).await.unwrap();

    // The server itself: killed before, and killed in the middle of a stalled transaction.
    number += 1;
    database.kill();
    let next = batch(number);
    cache.write(&next).await.expect_err("the server is down");
    database.run().await;
    until_written(&mut cache, &next).await;
    number += 1;
    let next = batch(number);
    cache = Cache::new(database.place(proxy.port), "hub1".to_owned()).within(WITHIN);
    proxy.set(Fault::Stall("COMMIT"));
    cache.write(&next).await.expect_err("it stalls");
    database.kill();
    database.run().await;
    until_written(&mut cache, &next).await;

    // It takes no writes.
    number += 1;
    let next = batch(number);
    let (shut, open) = match dialect {
        Dialect::Mysql => ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"),
        _ => (
            "ALTER DATABASE salt SET default_transaction_read_only = on",
            "ALTER DATABASE salt SET default_transaction_read_only = off",
        ),
    };
    // Said beside that database, since a session in it could not take the word back.
    let beside = match dialect {
        Dialect::Mysql => "mysql",
        Dialect::Pgjsonb | Dialect::Postgres => "postgres",
    };
    database.client(beside, shut);
    cache = Cache::new(database.place(proxy.port), "hub1".to_owned()).within(WITHIN);
    let error = cache
        .write(&next)
        .await
        .expect_err("it takes nothing")
        .to_string();
    assert!(
        error.contains("read-only") && !error.contains(server::PASSWORD),
        "{error}"
    );
    database.client(beside, open);
    until_written(&mut cache, &next).await;

    // A second hub beside it, and the same batch once more.
    let mut other = Cache::new(database.place(database.port), "hub2".to_owned());
    let theirs = batch(1_000);
    let ours = batch(number + 1);
    let (a, b) = tokio::join!(cache.write(&ours), other.write(&theirs));
    a.unwrap();
    b.unwrap();
    other.write(&theirs).await.unwrap();
    cache.write(&batch(number)).await.unwrap();
    cache.write(&ours).await.unwrap();
    number += 1;
    let jobs = number + 1;
    let marks = format!("hub1\t{number}\nhub2\t1000");
    let expected = [jobs.to_string(), (3 * jobs).to_string(), "0".into(), marks];
    assert_eq!(truth(&database), expected);
    assert_eq!(cache.check(true).await.unwrap().marks, ["hub1", "hub2"]);

    // The row as a dashboard reads it: every query of the documentation.
    let page = include_str!("../../../../docs/job-caches.md");
    let word = match dialect {
        Dialect::Mysql => "```sql mysql\n",
        _ => "```sql pgjsonb\n",
    };
    if dialect != Dialect::Postgres {
        let queries: Vec<&str> = page
            .split(word)
            .skip(1)
            .map(|part| part.split("```").next().unwrap())
            .collect();
        assert!(!queries.is_empty());
        for query in queries {
            let rows = database.client("salt", query);
            assert!(rows.contains("web1"), "{query}: {rows}");
        }
    }
    let row = database.client("salt", "SELECT success, full_ret FROM salt_returns WHERE id = 'web1' AND jid = '20261128000000000001'");
    let (success, full) = row.split_once('\t').unwrap();
    assert_eq!(
        success,
        if dialect == Dialect::Mysql {
            "1"
        } else {
            "true"
        }
    );
    assert!(
        full.contains("_return") && full.contains("fun_args"),
        "{full}"
    );

    strange::rows(&database).await;
    strange::far(&database, &proxy).await;
    if dialect == Dialect::Mysql {
        strange::modes(&database).await;
    }
    events(&database, &proxy).await;

    // A table that is missing is named; that of the events only where there are some.
    for (table, with_events) in [("salt_events", true), ("banyan_exports", false)] {
        cache.check(with_events).await.unwrap();
        database.client("salt", &format!("DROP TABLE {table}"));
        let error = cache.check(with_events).await.expect_err("no table");
        let error = error.to_string();
        assert!(error.starts_with(&format!("table {table}")), "{error}");
    }
}

/// Events come once each, whatever happens on the way.
async fn events(database: &Database, proxy: &Proxy) {
    let mut token = 0;
    for fault in [
        Fault::CutBefore("INSERT INTO salt_events"),
        Fault::CutAfter("INSERT INTO salt_events"),
        Fault::CutBefore("COMMIT"),
        Fault::CutAfter("COMMIT"),
        Fault::Stall("COMMIT"),
    ] {
        token += 1;
        let event = |number: u64| {
            Event {
            tag: format!("deploy/{token}/{number}"),
            data: r#"{"word": "gr\u00fcn \ud83c\udf33", "nul": "a\u0000b", "_stamp": "2026-11-28T12:00:00.000000"}"#.to_owned(),
            heard: 1_764_300_000_123,
        }
        };
        let batch = EventBatch {
            // As tokens are: they say nothing of the order.
            token: u64::MAX - token,
            events: (0..3).map(event).collect(),
        };
        let mut cache = Cache::new(database.place(proxy.port), "hub1".to_owned()).within(WITHIN);
        proxy.set(fault);
        let written = cache.write_events("top", &batch).await;
        assert!(written.is_err() && proxy.happened(), "{fault:?}");
        let begun = Instant::now();
        while let Err(error) = cache.write_events("top", &batch).await {
            assert!(begun.elapsed() < HEALS_WITHIN, "{fault:?}: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let rows = database.client(
            "salt",
            "SELECT count(*), count(DISTINCT tag) FROM salt_events",
        );
        assert_eq!(rows, format!("{0}\t{0}", 3 * token), "{fault:?}");
    }
    let row = database.client(
        "salt",
        "SELECT master_id, tag, data FROM salt_events ORDER BY id LIMIT 1",
    );
    assert!(row.starts_with("top\tdeploy/1/0\t"), "{row}");
    assert!(row.contains("2026-11-28T12:00:00.000000"), "{row}");
    // Marks of events are no hubs.
    let mut cache = Cache::new(database.place(database.port), "hub1".to_owned());
    assert_eq!(cache.check(true).await.unwrap().marks, ["hub1", "hub2"]);
}

#[tokio::test]
async fn mariadb() {
    Box::pin(faults(Dialect::Mysql)).await;
}

#[tokio::test]
async fn postgresql_with_jsonb() {
    Box::pin(faults(Dialect::Pgjsonb)).await;
}

#[tokio::test]
async fn postgresql_with_text() {
    Box::pin(faults(Dialect::Postgres)).await;
}
