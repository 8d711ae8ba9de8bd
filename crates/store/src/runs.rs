//! Orchestrations: states that the hub itself ran.

use rusqlite::{Connection, OptionalExtension, params};
use wire::Jid;
use wire::codec::{decode, encode};
use wire::control::JobSummary;
use wire::record::RunRecord;

use crate::jobs::{LIST_MAX, blob};
use crate::recovered::fact;
use crate::{HubReader, HubStore, StoreError};

impl HubStore {
    /// Saves an orchestration, in place of what was saved of it before; `is_open` until it has its outcome.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn save_run(&mut self, run: &RunRecord, is_open: bool) -> Result<(), StoreError> {
        let (summary, record) = (encode(&run.summary)?, encode(run)?);
        let (jid, started) = (run.summary.jid.to_string(), run.summary.issued);
        self.write(|db| {
            // Its id is one of the hub's own, and never given again.
            db.execute(
                "INSERT INTO fact (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                params![fact::OWN_JID, jid],
            )?;
            db.execute(
                "INSERT OR REPLACE INTO run (jid, open, started, summary, record) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![jid, is_open, started.cast_signed(), summary, record],
            )
            .map(drop)
        })
    }

    /// Orchestrations without an outcome, oldest first.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn open_runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let query = "SELECT record FROM run WHERE open = 1 ORDER BY jid";
        let mut statement = self.conn.prepare_cached(query).map_err(&sql)?;
        let mut rows = statement.query([]).map_err(&sql)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            let run = decode(blob(row, 0).map_err(&sql)?);
            runs.push(run.map_err(|e| StoreError::damaged(&self.path, format!("run: {e}")))?);
        }
        Ok(runs)
    }
}

impl HubReader {
    /// One orchestration; None when there is none of this id.
    ///
    /// # Errors
    /// When the database can't be read, or its row is damaged.
    pub fn run(&self, jid: Jid) -> Result<Option<RunRecord>, StoreError> {
        let found: Option<Vec<u8>> = self
            .conn
            .prepare_cached("SELECT record FROM run WHERE jid = ?1")
            .and_then(|mut statement| {
                let jid = jid.to_string();
                statement.query_row([jid], |row| row.get(0)).optional()
            })
            .map_err(StoreError::sql(&self.path))?;
        found
            .map(|record| decode(&record))
            .transpose()
            .map_err(|e| StoreError::damaged(&self.path, format!("run {jid}: {e}")))
    }

    /// Orchestrations, newest first; at most `limit` and [`LIST_MAX`](crate::LIST_MAX).
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn runs(&self, limit: u32) -> Result<Vec<JobSummary>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let query = "SELECT summary FROM run ORDER BY jid DESC LIMIT ?1";
        let mut statement = self.conn.prepare_cached(query).map_err(&sql)?;
        let mut rows = statement.query([limit.min(LIST_MAX)]).map_err(&sql)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            let summary = decode(blob(row, 0).map_err(&sql)?);
            runs.push(summary.map_err(|e| StoreError::damaged(&self.path, format!("run: {e}")))?);
        }
        Ok(runs)
    }
}

/// Removes orchestrations that are over and began before this; the oldest alone when there is `no_room`. How many went.
pub(crate) fn prune(db: &Connection, before: u64, no_room: bool) -> rusqlite::Result<usize> {
    let old = db
        .prepare_cached("DELETE FROM run WHERE open = 0 AND started < ?1")?
        .execute([before.cast_signed()])?;
    if old > 0 || !no_room {
        return Ok(old);
    }
    db.prepare_cached(
        "DELETE FROM run WHERE jid = (SELECT jid FROM run WHERE open = 0 ORDER BY started LIMIT 1)",
    )?
    .execute([])
}

#[cfg(test)]
mod tests {
    use wire::Counts;
    use wire::record::RunOutcome;

    use super::*;

    fn run(number: u64, outcome: Option<RunOutcome>) -> RunRecord {
        let jid: Jid = format!("202611222237{number:08}").parse().unwrap();
        RunRecord {
            summary: JobSummary {
                jid,
                fun: "runner.state.orchestrate".to_owned(),
                target: "top_master".to_owned(),
                user: "root".to_owned(),
                origin: "top".to_owned(),
                issued: 1_000 * number,
                finished: outcome.as_ref().map(|_| 5),
                counts: Counts::default(),
            },
            args: b"[]".as_slice().into(),
            kwargs: b"{}".as_slice().into(),
            roots: None,
            jobs: vec![("a".to_owned(), jid)],
            outcome,
        }
    }

    fn ended(number: u64) -> RunRecord {
        let value = b"{}".as_slice().into();
        run(number, Some(RunOutcome::Returned { retcode: 0, value }))
    }

    #[test]
    fn runs_are_kept_over_restarts_and_go_when_they_are_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.db");
        let (mut store, _) = HubStore::open(&path).unwrap();
        store.save_run(&run(1, None), true).unwrap();
        store.save_run(&run(2, None), true).unwrap();
        store.save_run(&ended(2), false).unwrap();
        store.save_run(&ended(3), false).unwrap();
        drop(store);

        let (mut store, recovered) = HubStore::open(&path).unwrap();
        // 22:37:00 of that day: ids go on behind those of runs.
        assert_eq!(recovered.last_jid_ms, 1_795_387_020_000);
        assert_eq!(store.open_runs().unwrap(), [run(1, None)]);
        let reader = store.reader().unwrap();
        let jid = |number| run(number, None).summary.jid;
        assert_eq!(reader.run(jid(2)).unwrap(), Some(ended(2)));
        assert_eq!(reader.run(jid(9)).unwrap(), None);
        let listed = |limit| {
            let runs = reader.runs(limit).unwrap();
            runs.into_iter().map(|run| run.jid).collect::<Vec<_>>()
        };
        assert_eq!(listed(9), [jid(3), jid(2), jid(1)]);
        assert_eq!(listed(1), [jid(3)]);
        // The first is old, and not over.
        store.prune(10_000, 7_500, u64::MAX).unwrap();
        assert_eq!(listed(9), [jid(3), jid(1)]);
        store.prune(10_000, 10_000, 0).unwrap();
        assert_eq!(listed(9), [jid(1)]);
    }
}
