//! Rows of Salt's tables, written once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::json::ascii;
use crate::rows::row_time;
use crate::session::Session;
use crate::{Batch, CacheError, Dialect, EventBatch, Job, Return, events};

/// Characters of the column `fun`.
const FUN_CHARS_MAX: usize = 50;
/// Ids that one query asks for.
const IDS_MAX: usize = 100;

/// What goes into tables together.
pub(crate) enum Work<'a> {
    Jobs(&'a Batch),
    Events {
        /// The id of the hub, as the rows name it.
        master: &'a str,
        batch: &'a EventBatch,
    },
}

/// Writes rows and the hub's mark in one transaction, which does not outlive `within` by much when this side is gone.
pub(crate) async fn write(
    session: &mut Session,
    dialect: Dialect,
    hub: &str,
    work: &Work<'_>,
    within: Duration,
) -> Result<(), CacheError> {
    let (mark, through) = match work {
        Work::Jobs(batch) => (hub.to_owned(), batch.through),
        Work::Events { batch, .. } => (events::mark(hub), batch.token),
    };
    let through = through.to_string();
    mark_first(session, &mark).await?;
    session.begin(within).await?;
    let written = marked(session, dialect, &mark, &through, work).await;
    let end = if written.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = session.plain(end).await;
    written?;
    Ok(ended?)
}

/// The mark has to be there before it can be locked.
async fn mark_first(session: &mut Session, hub: &str) -> Result<(), sqlx::Error> {
    let known = "SELECT hub FROM banyan_exports WHERE hub = ?";
    if session.texts(known, &[hub]).await?.is_empty() {
        let first = "INSERT INTO banyan_exports (hub, through) VALUES (?, '0')";
        session.run(first, &[hub]).await?;
    }
    Ok(())
}

async fn marked(
    session: &mut Session,
    dialect: Dialect,
    mark: &str,
    through: &str,
    work: &Work<'_>,
) -> Result<(), CacheError> {
    // A transaction of a connection that was lost ends first: then its rows are seen, or never come.
    let lock = "SELECT through FROM banyan_exports WHERE hub = ? FOR UPDATE";
    let before = session.texts(lock, &[mark]).await?;
    match work {
        Work::Jobs(batch) => rows(session, dialect, batch).await?,
        Work::Events { .. } if before == [through] => {}
        Work::Events { master, batch } => events::write(session, dialect, master, batch).await?,
    }
    let update = "UPDATE banyan_exports SET through = ? WHERE hub = ?";
    // A cluster that takes writes at each node knows no lock of another node. It compares at the commit which rows changed, and
    // lets one of two transactions through that changed the same: so this row has to change, also where its number stays.
    if before == [through] {
        session.run(update, &["", mark]).await?;
    }
    session.run(update, &[through, mark]).await?;
    Ok(())
}

async fn rows(session: &mut Session, dialect: Dialect, batch: &Batch) -> Result<(), CacheError> {
    for job in &batch.jobs {
        write_job(session, dialect, job).await?;
    }
    let mut by_job: BTreeMap<&str, Vec<&Return>> = BTreeMap::new();
    for answer in &batch.returns {
        by_job.entry(&answer.jid).or_default().push(answer);
    }
    for (jid, answers) in by_job {
        let mut there = BTreeSet::new();
        for part in answers.chunks(IDS_MAX) {
            there.extend(ids_there(session, jid, part).await?);
        }
        for answer in answers {
            if there.insert(answer.id.clone()) {
                write_return(session, dialect, answer).await?;
            }
        }
    }
    Ok(())
}

async fn write_job(session: &mut Session, dialect: Dialect, job: &Job) -> Result<(), CacheError> {
    let there = "SELECT jid FROM jids WHERE jid = ?";
    if !session.texts(there, &[&job.jid]).await?.is_empty() {
        return Ok(());
    }
    let insert = match dialect {
        Dialect::Mysql => "INSERT INTO jids (jid, `load`) VALUES (?, ?)",
        Dialect::Pgjsonb => "INSERT INTO jids (jid, load) VALUES (?, CAST(? AS jsonb))",
        Dialect::Postgres => "INSERT INTO jids (jid, load) VALUES (?, ?)",
    };
    let load = ascii(&job.load(), dialect == Dialect::Pgjsonb);
    session.run(insert, &[&job.jid, &load]).await?;
    Ok(())
}

async fn ids_there(
    session: &mut Session,
    jid: &str,
    answers: &[&Return],
) -> Result<Vec<String>, CacheError> {
    let ids = vec!["?"; answers.len()].join(", ");
    let query = format!("SELECT id FROM salt_returns WHERE jid = ? AND id IN ({ids})");
    let mut values = vec![jid];
    values.extend(answers.iter().map(|answer| answer.id.as_str()));
    Ok(session.texts(&query, &values).await?)
}

async fn write_return(
    session: &mut Session,
    dialect: Dialect,
    answer: &Return,
) -> Result<(), CacheError> {
    let insert = match dialect {
        Dialect::Mysql => {
            "INSERT INTO salt_returns (fun, jid, `return`, id, success, full_ret, alter_time) VALUES (?, ?, ?, ?, ?, ?, ?)"
        }
        Dialect::Pgjsonb => {
            "INSERT INTO salt_returns (fun, jid, return, id, success, full_ret, alter_time) VALUES (?, ?, CAST(? AS jsonb), ?, ?, CAST(? AS jsonb), CAST(CAST(? AS text) AS timestamp with time zone))"
        }
        Dialect::Postgres => {
            "INSERT INTO salt_returns (fun, jid, return, id, success, full_ret, alter_time) VALUES (?, ?, ?, ?, ?, ?, CAST(CAST(? AS text) AS timestamp with time zone))"
        }
    };
    let for_jsonb = dialect == Dialect::Pgjsonb;
    let fun: String = answer.fun.chars().take(FUN_CHARS_MAX).collect();
    // As Python's drivers write it: a truth value into a column of text.
    let success = match (dialect, answer.success) {
        (Dialect::Mysql, true) => "1",
        (Dialect::Mysql, false) => "0",
        (_, true) => "true",
        (_, false) => "false",
    };
    let values = [
        &*fun,
        &answer.jid,
        &ascii(&answer.value(), for_jsonb),
        &answer.id,
        success,
        &ascii(&answer.full(), for_jsonb),
        &row_time(dialect, answer.ended),
    ];
    session.run(insert, &values).await?;
    Ok(())
}

/// Reads no row of each table, so that a missing one is named.
pub(crate) async fn check(
    session: &mut Session,
    dialect: Dialect,
    with_events: bool,
) -> Result<(), CacheError> {
    let (load, value) = match dialect {
        Dialect::Mysql => ("`load`", "`return`"),
        Dialect::Pgjsonb | Dialect::Postgres => ("load", "return"),
    };
    let tables = [
        (
            "jids",
            format!("SELECT jid FROM jids WHERE {load} IS NULL AND jid = ?"),
        ),
        (
            "salt_returns",
            format!(
                "SELECT id FROM salt_returns WHERE jid = ? AND fun IS NULL AND {value} IS NULL AND success IS NULL AND full_ret IS NULL AND alter_time IS NULL"
            ),
        ),
        (
            "banyan_exports",
            "SELECT hub FROM banyan_exports WHERE hub = ? AND through IS NULL".to_owned(),
        ),
        (
            "salt_events",
            "SELECT tag FROM salt_events WHERE tag = ? AND data IS NULL AND alter_time IS NULL AND master_id IS NULL".to_owned(),
        ),
    ];
    let tables = tables
        .into_iter()
        .filter(|(table, _)| *table != "salt_events" || with_events);
    for (table, query) in tables {
        session
            .texts(&query, &["0"])
            .await
            .map_err(|said| CacheError::Table { table, said })?;
    }
    Ok(())
}
