//! Rows and servers that are not as usual.

use std::time::Duration;

use jobcache::{Batch, Cache, Event, EventBatch, Return};

use crate::proxy::Proxy;
use crate::server::Database;
use crate::{WITHIN, batch, until_written};

/// What a packet takes to a database on another continent, in part.
const FAR: Duration = Duration::from_millis(40);

/// Rows that a table would not take as they are.
pub async fn rows(database: &Database) {
    let mut cache = Cache::new(database.place(database.port), "strange".to_owned());
    for (jid, value, ended) in [
        // Longer in the table than on the way, and twice in a row: too long, and just not.
        ("0", "ü".repeat((2 << 20) - 1), 1_764_300_000_123),
        ("1", "ü".repeat((7 << 20) / 6 - 1), 1_764_300_000_123),
        // Of hosts whose clocks are wrong.
        ("2", "early".to_owned(), 0),
        ("3", "late".to_owned(), 253_402_300_799_000),
        ("4", "never".to_owned(), u64::MAX),
    ] {
        let answer = Return {
            jid: format!("strange{jid}"),
            value: format!("\"{value}\"").into(),
            ended,
            ..batch(1).returns.remove(0)
        };
        let batch = Batch {
            returns: vec![answer],
            ..Batch::default()
        };
        cache.write(&batch).await.unwrap_or_else(|error| {
            let error = error.to_string();
            panic!(
                "strange{jid}: {}",
                error.chars().take(300).collect::<String>()
            )
        });
    }
    let event = Event {
        tag: format!("deploy/{}", "grün\u{1f333}".repeat(200)),
        data: "{}".to_owned(),
        heard: 0,
    };
    let batch = EventBatch {
        token: 1,
        events: vec![event],
    };
    cache.write_events("top", &batch).await.unwrap();
    let strange = "SELECT count(*) FROM salt_returns WHERE jid LIKE 'strange%'";
    assert_eq!(database.client("salt", strange), "5");
    database.client("salt", "DELETE FROM salt_returns WHERE jid LIKE 'strange%'");
    database.client("salt", "DELETE FROM salt_events");
    database.client(
        "salt",
        "DELETE FROM banyan_exports WHERE hub LIKE 'strange%'",
    );
}

/// A database that is far away: a batch takes a few journeys, however many rows it has.
pub async fn far(database: &Database, proxy: &Proxy) {
    let mut full = Batch::default();
    for number in 0..100 {
        let mut batch = batch(number);
        batch.jobs[0].jid = format!("strange{number}");
        batch.returns.truncate(1);
        batch.returns[0].jid = batch.jobs[0].jid.clone();
        full.jobs.append(&mut batch.jobs);
        full.returns.append(&mut batch.returns);
    }
    // One that is there already.
    let mut cache = Cache::new(database.place(proxy.port), "strange".to_owned()).within(WITHIN);
    let one = Batch {
        through: 1,
        jobs: vec![full.jobs[7].clone()],
        returns: vec![full.returns[7].clone()],
    };
    cache.write(&one).await.unwrap();
    proxy.delay(FAR);
    cache.write(&full).await.unwrap();
    proxy.delay(Duration::ZERO);
    for (table, column) in [
        ("jids", "jid"),
        ("salt_returns", "jid"),
        ("banyan_exports", "hub"),
    ] {
        let rows = format!("FROM {table} WHERE {column} LIKE 'strange%'");
        let count = database.client("salt", &format!("SELECT count(*) {rows}"));
        let expected = if column == "hub" { "1" } else { "100" };
        assert_eq!(count, expected, "{table}");
        database.client("salt", &format!("DELETE {rows}"));
    }
}

/// Modes of MySQL that change what a statement means or what becomes of a value.
pub async fn modes(database: &Database) {
    let before = database.client("mysql", "SELECT @@global.sql_mode");
    let mode = |mode: &str| {
        database.client("mysql", &format!("SET GLOBAL sql_mode = '{mode}'"));
        Cache::new(database.place(database.port), "strange".to_owned())
    };
    let answer = |value: String| Batch {
        returns: vec![Return {
            jid: "strange".to_owned(),
            value: format!("\"{value}\"").into(),
            ..batch(1).returns.remove(0)
        }],
        ..Batch::default()
    };
    let mut cache = mode("ANSI,TRADITIONAL,ONLY_FULL_GROUP_BY,NO_BACKSLASH_ESCAPES");
    cache.write(&answer("\\\\".to_owned())).await.unwrap();
    database.client("salt", "DELETE FROM salt_returns WHERE jid = 'strange'");

    // A server that would cut a value, and say nothing that is heard.
    let column = |kind: &str| {
        let alter = format!("ALTER TABLE salt_returns MODIFY full_ret {kind} NOT NULL");
        database.client("salt", &alter);
    };
    column("text");
    let mut cache = mode("");
    let long = answer("a".repeat(70_000));
    let error = cache.write(&long).await.expect_err("it is too long");
    assert!(error.to_string().contains("full_ret"), "{error}");
    column("mediumtext");
    until_written(&mut cache, &long).await;
    database.client("salt", "DELETE FROM salt_returns WHERE jid = 'strange'");
    database.client("salt", "DELETE FROM banyan_exports WHERE hub = 'strange'");
    mode(&before);
}
