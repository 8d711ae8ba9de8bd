//! The end of old jobs.

use rusqlite::{OptionalExtension, params};
use wire::{Jid, UnixMillis};

use crate::{HubStore, StoreError, own_runs, runs};

/// A call of [`HubStore::prune`] ends with the job with which it has removed this many rows: other commits wait
/// meanwhile, for 50 to 100 ms.
pub const PRUNE_ROWS_MAX: u64 = 10_000;

/// Rows of a job beside its news: the job, its head, what it is searched by and whom it is for.
const ROWS_OF_EACH_JOB: u64 = 4;

/// What a call of [`HubStore::prune`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Jobs that are gone, oldest first.
    pub jobs: Vec<Jid>,
    /// Jobs of them that a job cache outside did not get whole: they were in the way.
    pub unexported: u64,
    /// True when the call ended at its bound, and another one would find more.
    pub more: bool,
}

impl HubStore {
    /// Bytes of what is in the store: its file less the pages that are free to be used again.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn live_bytes(&self) -> Result<u64, StoreError> {
        live_bytes(&self.conn).map_err(StoreError::sql(&self.path))
    }

    /// Removes closed jobs that were received longer than `keep_ms` before `now`; and while the live rows of the whole
    /// store need more than `bytes_max`, the oldest closed ones. Open jobs always stay; those that a job cache outside has yet
    /// to get stay until nothing else can make room.
    ///
    /// The file does not shrink: its free pages are used again.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn prune(
        &mut self,
        now: UnixMillis,
        keep_ms: u64,
        bytes_max: u64,
    ) -> Result<Pruned, StoreError> {
        let keep_from = now.saturating_sub(keep_ms);
        self.write(|db| {
            let mut pruned = Pruned::default();
            runs::prune(db, keep_from, false)?;
            let mut rows = own_runs::prune(db, keep_from, false)?;
            pruned.more = rows >= own_runs::STEP;
            let mut exported = db.prepare_cached(
                "SELECT id, jid, received, (SELECT count(*) FROM job_news WHERE job = job.id)
                 FROM job WHERE open = 0 AND NOT EXISTS (SELECT 1 FROM job_change WHERE job = job.id)
                 ORDER BY received LIMIT 1",
            )?;
            let mut oldest = db.prepare_cached(
                "SELECT id, jid, received, (SELECT count(*) FROM job_news WHERE job = job.id)
                 FROM job WHERE open = 0 ORDER BY received LIMIT 1",
            )?;
            let mut remove = db.prepare_cached("DELETE FROM job WHERE id = ?1")?;
            loop {
                let is_full = live_bytes(db)? > bytes_max;
                // What nobody ordered goes before what somebody did.
                if is_full && rows < PRUNE_ROWS_MAX {
                    let gone = own_runs::prune(db, keep_from, true)?;
                    if gone > 0 {
                        rows += gone;
                        continue;
                    }
                }
                let mut next = first(&mut exported)?;
                let unexported = next.is_none() && is_full;
                if unexported {
                    next = first(&mut oldest)?;
                }
                let Some((id, jid, received, news)) = next else {
                    if is_full && rows < PRUNE_ROWS_MAX && runs::prune(db, keep_from, true)? > 0 {
                        rows += 1;
                        continue;
                    }
                    return Ok(pruned);
                };
                if received >= keep_from && !is_full {
                    return Ok(pruned);
                }
                if rows >= PRUNE_ROWS_MAX {
                    pruned.more = true;
                    return Ok(pruned);
                }
                // Its head and its news go with it.
                remove.execute(params![id])?;
                rows += u64::from(news) + ROWS_OF_EACH_JOB;
                pruned.unexported += u64::from(unexported);
                pruned.jobs.extend(jid.parse::<Jid>());
            }
        })
    }
}

/// Number, id, time and pieces of news of the first job of a query.
fn first(query: &mut rusqlite::Statement<'_>) -> rusqlite::Result<Option<(i64, String, u64, u32)>> {
    query
        .query_row([], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get::<_, i64>(2)?.cast_unsigned(),
                row.get(3)?,
            ))
        })
        .optional()
}

/// Bytes of the pages that are in use.
pub(crate) fn live_bytes(db: &rusqlite::Connection) -> rusqlite::Result<u64> {
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(u64::from(pages) * u64::from(pragma("page_size")?))
}
