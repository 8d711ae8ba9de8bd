//! Jobs as they are read back.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::codec::{CodecError, decode};
use wire::control::JobSummary;
use wire::record::JobHead;
use wire::{Counts, Jid, JobOrder, LedgerDelta, PlanRecord};

use crate::StoreError;

/// Most jobs of one list.
pub const LIST_MAX: u32 = wire::find::LISTED_MAX;

/// One job and its account.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    /// Its order and where it came from.
    pub head: JobHead,
    /// Its account in the order in which it was saved.
    pub news: Vec<LedgerDelta>,
    /// How it is rolled out, in the order in which that was saved.
    pub plan: Vec<PlanRecord>,
    /// How it stood when that was last saved.
    pub state: Option<JobSummary>,
}

pub(crate) fn job(
    conn: &Connection,
    path: &Path,
    jid: Jid,
) -> Result<Option<StoredJob>, StoreError> {
    let sql = StoreError::sql(path);
    // One transaction, so that head, news and state are of the same moment.
    let transaction = conn.unchecked_transaction().map_err(&sql)?;
    let id: Option<i64> = transaction
        .prepare_cached("SELECT id FROM job WHERE jid = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([jid.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(&sql)?;
    id.map(|id| by_id(&transaction, path, id)).transpose()
}

/// All jobs of which more may come, oldest first.
pub(crate) fn open_jobs(conn: &Connection, path: &Path) -> Result<Vec<StoredJob>, StoreError> {
    let ids = conn
        .prepare("SELECT id FROM job WHERE open = 1 ORDER BY id")
        .and_then(|mut statement| {
            statement
                .query_map([], |row| row.get(0))?
                .collect::<Result<Vec<i64>, _>>()
        })
        .map_err(StoreError::sql(path))?;
    ids.into_iter().map(|id| by_id(conn, path, id)).collect()
}

pub(crate) fn by_id(conn: &Connection, path: &Path, id: i64) -> Result<StoredJob, StoreError> {
    let sql = StoreError::sql(path);
    let (jid, head, state) = conn
        .prepare_cached(
            "SELECT jid, head, summary FROM job JOIN job_head ON job_head.job = job.id WHERE job.id = ?1",
        )
        .and_then(|mut statement| {
            statement.query_row([id], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, Vec<u8>>(1)?,
                    row.get::<_, Option<Vec<u8>>>(2)?,
                ))
            })
        })
        .map_err(&sql)?;
    let damaged = |e: CodecError| StoreError::damaged(path, format!("job {jid}: {e}"));
    let news = "SELECT delta FROM job_news WHERE job = ?1 ORDER BY id";
    let plan = "SELECT entry FROM job_plan WHERE job = ?1 ORDER BY id";
    Ok(StoredJob {
        head: decode(&head).map_err(damaged)?,
        news: parts(conn, path, news, id, &jid, decode)?,
        plan: parts(conn, path, plan, id, &jid, decode)?,
        state: state
            .map(|bytes| decode(&bytes))
            .transpose()
            .map_err(damaged)?,
    })
}

/// Blobs of a job, in order.
fn parts<T>(
    conn: &Connection,
    path: &Path,
    query: &str,
    id: i64,
    jid: &str,
    decode: impl Fn(&[u8]) -> Result<T, CodecError>,
) -> Result<Vec<T>, StoreError> {
    let sql = StoreError::sql(path);
    let mut statement = conn.prepare_cached(query).map_err(&sql)?;
    let mut rows = statement.query([id]).map_err(&sql)?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next().map_err(&sql)? {
        let part = decode(blob(row, 0).map_err(&sql)?);
        parts.push(part.map_err(|e| StoreError::damaged(path, format!("job {jid}: {e}")))?);
    }
    Ok(parts)
}

pub(crate) fn jobs(
    conn: &Connection,
    path: &Path,
    limit: u32,
    before: Option<Jid>,
) -> Result<Vec<JobSummary>, StoreError> {
    let sql = StoreError::sql(path);
    // Every digit sorts before a colon, so this bound is above all jids.
    let before = before.map_or_else(|| ":".to_owned(), |jid| jid.to_string());
    let mut statement = conn
        .prepare_cached(
            "SELECT jid, summary, iif(summary IS NULL, (SELECT head FROM job_head WHERE job = job.id), NULL)
             FROM job WHERE jid < ?1 ORDER BY jid DESC LIMIT ?2",
        )
        .map_err(&sql)?;
    let mut rows = statement
        .query(params![before, limit.min(LIST_MAX)])
        .map_err(&sql)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next().map_err(&sql)? {
        list.push(summary(row, path)?);
    }
    Ok(list)
}

/// A job in one line, of a row that begins with its jid, its saved state, and where that is missing its head.
pub(crate) fn summary(row: &Row<'_>, path: &Path) -> Result<JobSummary, StoreError> {
    let sql = StoreError::sql(path);
    let summary = match row.get_ref(1).map_err(&sql)? {
        rusqlite::types::ValueRef::Null => blob(row, 2)
            .map_err(&sql)
            .map(|bytes| decode(bytes).and_then(|head| summary_of(&head)))?,
        _ => decode(blob(row, 1).map_err(&sql)?),
    };
    summary.map_err(|e| {
        let jid: String = row.get(0).unwrap_or_default();
        StoreError::damaged(path, format!("job {jid}: {e}"))
    })
}

/// The order of a job, without its account.
pub(crate) fn order(
    conn: &Connection,
    path: &Path,
    jid: Jid,
) -> Result<Option<JobOrder>, StoreError> {
    let head: Option<Vec<u8>> = conn
        .prepare_cached(
            "SELECT head FROM job JOIN job_head ON job_head.job = job.id WHERE jid = ?1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([jid.to_string()], |row| row.get(0))
                .optional()
        })
        .map_err(StoreError::sql(path))?;
    let read = |head: Vec<u8>| {
        let head: JobHead = decode(&head)?;
        match head.envelope.order.is_empty() {
            true => Ok(None),
            false => decode(&head.envelope.order).map(Some),
        }
    };
    let order: Result<_, CodecError> = head.map(read).transpose();
    order
        .map(Option::flatten)
        .map_err(|e| StoreError::damaged(path, format!("job {jid}: {e}")))
}

/// How a job stands of which nothing but its order was saved.
fn summary_of(head: &JobHead) -> Result<JobSummary, CodecError> {
    if head.envelope.order.is_empty() {
        // Returns whose order is lost.
        return Ok(JobSummary {
            jid: head.jid,
            fun: String::new(),
            target: String::new(),
            user: String::new(),
            origin: String::new(),
            issued: head.received,
            finished: None,
            counts: Counts::default(),
        });
    }
    let order: JobOrder = decode(&head.envelope.order)?;
    Ok(JobSummary {
        jid: head.jid,
        fun: order.fun,
        target: order.target.typed,
        user: order.user,
        origin: order.origin_id.to_string(),
        issued: order.issued,
        finished: None,
        counts: Counts::default(),
    })
}

/// A blob in place; the row's own bytes, not a copy.
pub(crate) fn blob<'r>(row: &'r Row<'_>, at: usize) -> rusqlite::Result<&'r [u8]> {
    let value = row.get_ref(at)?;
    let kind = value.data_type();
    value
        .as_blob()
        .map_err(|_| rusqlite::Error::InvalidColumnType(at, "blob".to_owned(), kind))
}
