//! Rows of Salt's tables, written once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::insert::{Insert, ROWS_MAX};
use crate::json::ascii;
use crate::rows::row_time;
use crate::session::Session;
use crate::{Batch, CacheError, Dialect, EventBatch, Job, Return, events};

/// Characters of the column `fun`.
const FUN_CHARS_MAX: usize = 50;

/// What goes into tables together.
pub(crate) enum Work<'a> {
    Jobs(&'a Batch),
    Events {
        /// The id of the hub, as the rows name it.
        master: &'a str,
        batch: &'a EventBatch,
    },
}

/// Writes rows and the hub's mark in one transaction, which does not outlive `within` by much when this side is gone. Gives the mark
/// as it was found.
pub(crate) async fn write(
    session: &mut Session,
    dialect: Dialect,
    hub: &str,
    work: &Work<'_>,
    within: Duration,
) -> Result<String, CacheError> {
    let mark = match work {
        Work::Jobs(_) => hub.to_owned(),
        Work::Events { .. } => events::mark(hub),
    };
    mark_first(session, &mark).await?;
    session.begin(within).await?;
    let written = marked(session, dialect, &mark, work).await;
    let end = if written.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = session.plain(end).await;
    let before = written?;
    ended?;
    Ok(before)
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
    work: &Work<'_>,
) -> Result<String, CacheError> {
    // A transaction of a connection that was lost ends first: then its rows are seen, or never come.
    let lock = "SELECT through FROM banyan_exports WHERE hub = ? FOR UPDATE";
    let before = session.texts(lock, &[mark]).await?.pop();
    let Some(before) = before else {
        return Err(CacheError::NotReady(
            "the row of this hub in banyan_exports went away".to_owned(),
        ));
    };
    let through = match work {
        Work::Jobs(batch) => {
            rows(session, dialect, batch).await?;
            // A batch that is written again after later ones takes nothing back.
            batch.through.max(number(&before)).to_string()
        }
        Work::Events { master, batch } => {
            let through = batch.token.to_string();
            if before != through {
                events::write(session, dialect, master, batch).await?;
            }
            through
        }
    };
    let update = "UPDATE banyan_exports SET through = ? WHERE hub = ?";
    // A cluster that takes writes at each node knows no lock of another node. It compares at the commit which rows changed, and
    // lets one of two transactions through that changed the same: so this row has to change, also where its number stays.
    if before == through {
        session.run(update, &["", mark]).await?;
    }
    session.run(update, &[&through, mark]).await?;
    Ok(before)
}

/// The change that a mark of jobs names; 0 before the first.
pub(crate) fn number(mark: &str) -> u64 {
    mark.parse().unwrap_or_default()
}

async fn rows(session: &mut Session, dialect: Dialect, batch: &Batch) -> Result<(), CacheError> {
    write_jobs(session, dialect, &batch.jobs).await?;
    write_returns(session, dialect, &batch.returns).await
}

async fn write_jobs(
    session: &mut Session,
    dialect: Dialect,
    jobs: &[Job],
) -> Result<(), CacheError> {
    let mut there = BTreeSet::new();
    for part in jobs.chunks(ROWS_MAX) {
        let jids: Vec<&str> = part.iter().map(|job| job.jid.as_str()).collect();
        let query = format!("SELECT jid FROM jids WHERE jid IN ({})", marks(&jids));
        there.extend(session.texts(&query, &jids).await?);
    }
    let (into, row) = match dialect {
        Dialect::Mysql => ("INSERT INTO jids (jid, `load`)", "(?, ?)"),
        Dialect::Pgjsonb => ("INSERT INTO jids (jid, load)", "(?, CAST(? AS jsonb))"),
        Dialect::Postgres => ("INSERT INTO jids (jid, load)", "(?, ?)"),
    };
    let mut insert = Insert::new(session, into, row);
    for job in jobs {
        if there.insert(job.jid.clone()) {
            let load = ascii(&job.load(), dialect == Dialect::Pgjsonb);
            insert.push([job.jid.clone(), load]).await?;
        }
    }
    Ok(insert.end().await?)
}

async fn write_returns(
    session: &mut Session,
    dialect: Dialect,
    returns: &[Return],
) -> Result<(), CacheError> {
    let mut answers: Vec<&Return> = returns.iter().collect();
    answers.sort_by_key(|answer| &answer.jid);
    let mut there = BTreeSet::new();
    for part in answers.chunks(ROWS_MAX) {
        there.extend(returns_there(session, part).await?);
    }
    let (into, row) = match dialect {
        Dialect::Mysql => (
            "INSERT INTO salt_returns (fun, jid, `return`, id, success, full_ret, alter_time)",
            "(?, ?, ?, ?, ?, ?, ?)",
        ),
        Dialect::Pgjsonb => (
            "INSERT INTO salt_returns (fun, jid, return, id, success, full_ret, alter_time)",
            "(?, ?, CAST(? AS jsonb), ?, ?, CAST(? AS jsonb), CAST(CAST(? AS text) AS timestamp with time zone))",
        ),
        Dialect::Postgres => (
            "INSERT INTO salt_returns (fun, jid, return, id, success, full_ret, alter_time)",
            "(?, ?, ?, ?, ?, ?, CAST(CAST(? AS text) AS timestamp with time zone))",
        ),
    };
    let mut insert = Insert::new(session, into, row);
    for answer in answers {
        if there.insert(name(&answer.jid, &answer.id)) {
            insert.push(row_of(dialect, answer)).await?;
        }
    }
    Ok(insert.end().await?)
}

/// Which of these returns, which stand in the order of their jobs, the table has.
async fn returns_there(
    session: &mut Session,
    answers: &[&Return],
) -> Result<Vec<String>, sqlx::Error> {
    let mut wanted = Vec::new();
    let mut values = Vec::new();
    for of_job in answers.chunk_by(|one, other| one.jid == other.jid) {
        let ids: Vec<&str> = of_job.iter().map(|answer| answer.id.as_str()).collect();
        wanted.push(format!("(jid = ? AND id IN ({}))", marks(&ids)));
        values.push(of_job[0].jid.as_str());
        values.extend(ids);
    }
    let query = format!(
        "SELECT CONCAT(jid, '/', id) FROM salt_returns WHERE {}",
        wanted.join(" OR ")
    );
    session.texts(&query, &values).await
}

/// A return as [`returns_there`] names it; a jid has no slash.
fn name(jid: &str, id: &str) -> String {
    format!("{jid}/{id}")
}

/// A `?` for each.
fn marks(values: &[&str]) -> String {
    vec!["?"; values.len()].join(", ")
}

fn row_of(dialect: Dialect, answer: &Return) -> [String; 7] {
    let for_jsonb = dialect == Dialect::Pgjsonb;
    // As Python's drivers write it: a truth value into a column of text.
    let success = match (dialect, answer.success) {
        (Dialect::Mysql, true) => "1",
        (Dialect::Mysql, false) => "0",
        (_, true) => "true",
        (_, false) => "false",
    };
    [
        answer.fun.chars().take(FUN_CHARS_MAX).collect(),
        answer.jid.clone(),
        ascii(&answer.value(), for_jsonb),
        answer.id.clone(),
        success.to_owned(),
        ascii(&answer.full(), for_jsonb),
        row_time(dialect, answer.ended),
    ]
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
