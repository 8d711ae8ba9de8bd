//! Runs that minions began themselves, as they told them: beside the jobs that hubs ordered, and never among them.

use rusqlite::{Connection, OptionalExtension, params};
use wire::codec::{decode, encode};
use wire::{Jid, OwnRun, Uid, UnixMillis};

use crate::jobs::blob;
use crate::{HubReader, HubStore, StoreError};

/// Runs that a hub keeps, whatever the time and the room for jobs allow.
pub const OWN_RUNS_MAX: u64 = 1_000_000;

/// Rows that go in one step of pruning.
pub(crate) const STEP: u64 = 5_000;

impl HubStore {
    /// Saves runs that were received now; one that is there already, by its id and the minion's key, stays as it is.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn save_own_runs(&mut self, runs: &[OwnRun], now: UnixMillis) -> Result<(), StoreError> {
        let encoded = runs.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        self.write(|db| {
            let mut insert = db.prepare_cached(
                "INSERT INTO own_run (jid, uid, received, record) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (jid, uid) DO NOTHING",
            )?;
            for (run, record) in runs.iter().zip(&encoded) {
                let jid = run.jid.to_string();
                insert.execute(params![jid, run.uid.0, now.cast_signed(), record])?;
            }
            Ok(())
        })
    }

    /// A parent has all runs up to this number.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn own_runs_told(&mut self, parent: Uid, number: i64) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO own_run_told (parent, number) VALUES (?1, ?2)
                 ON CONFLICT (parent) DO UPDATE SET number = max(number, excluded.number)",
                params![parent.0, number],
            )
            .map(drop)
        })
    }
}

impl HubReader {
    /// Runs of which a parent has not said that it has them, oldest first, with their numbers: as many as `take` wants.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn own_runs_untold(
        &self,
        parent: Uid,
        mut take: impl FnMut(&OwnRun) -> bool,
    ) -> Result<Vec<(i64, OwnRun)>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let query = "SELECT number, record FROM own_run
             WHERE number > ifnull((SELECT number FROM own_run_told WHERE parent = ?1), 0)
             ORDER BY number";
        let mut statement = self.conn.prepare_cached(query).map_err(&sql)?;
        let mut rows = statement.query([parent.0]).map_err(&sql)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            let run = self.own_run(blob(row, 1).map_err(&sql)?)?;
            if !take(&run) {
                break;
            }
            runs.push((row.get(0).map_err(&sql)?, run));
        }
        Ok(runs)
    }

    /// All runs with this id: of several minions when they gave it at the same moment.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn own_runs_of(&self, jid: Jid) -> Result<Vec<OwnRun>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let query = "SELECT record FROM own_run WHERE jid = ?1 ORDER BY number";
        let mut statement = self.conn.prepare_cached(query).map_err(&sql)?;
        let mut rows = statement.query([jid.to_string()]).map_err(&sql)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            runs.push(self.own_run(blob(row, 0).map_err(&sql)?)?);
        }
        Ok(runs)
    }

    /// Runs older than `before` that fit, newest first, with at most `limit` different ids.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn own_runs(
        &self,
        before: Option<Jid>,
        limit: usize,
        fits: impl Fn(&OwnRun) -> bool,
    ) -> Result<Vec<OwnRun>, StoreError> {
        let sql = StoreError::sql(&self.path);
        // Behind all ids, which are digits.
        let before = before.map_or_else(|| ":".to_owned(), |jid| jid.to_string());
        let query = "SELECT record FROM own_run WHERE jid < ?1 ORDER BY jid DESC, number";
        let mut statement = self.conn.prepare_cached(query).map_err(&sql)?;
        let mut rows = statement.query([before]).map_err(&sql)?;
        let (mut runs, mut ids, mut last) = (Vec::new(), 0, None);
        while let Some(row) = rows.next().map_err(&sql)? {
            let run = self.own_run(blob(row, 0).map_err(&sql)?)?;
            if !fits(&run) {
                continue;
            }
            if last != Some(run.jid) {
                ids += 1;
                if ids > limit {
                    break;
                }
            }
            last = Some(run.jid);
            runs.push(run);
        }
        Ok(runs)
    }

    fn own_run(&self, record: &[u8]) -> Result<OwnRun, StoreError> {
        decode(record)
            .map_err(|e| StoreError::damaged(&self.path, format!("run of a minion's own: {e}")))
    }
}

/// Removes runs that were received before this, and the oldest beyond [`OWN_RUNS_MAX`]; where there is `no_room`, the oldest of all. How many went, at most
/// a bounded number.
pub(crate) fn prune(db: &Connection, before: u64, no_room: bool) -> rusqlite::Result<u64> {
    // Numbers rise with time.
    let mut gone = db
        .prepare_cached(
            "DELETE FROM own_run WHERE number IN
               (SELECT number FROM own_run WHERE received < ?1 ORDER BY number LIMIT ?2)",
        )?
        .execute([before.cast_signed(), STEP.cast_signed()])? as u64;
    let last: Option<i64> = db
        .prepare_cached("SELECT max(number) FROM own_run")?
        .query_row([], |row| row.get(0))
        .optional()?
        .flatten();
    if let Some(last) = last {
        let first_kept = last.saturating_sub(OWN_RUNS_MAX.cast_signed());
        gone += db
            .prepare_cached("DELETE FROM own_run WHERE number <= ?1")?
            .execute([first_kept])? as u64;
    }
    if gone > 0 || !no_room {
        return Ok(gone);
    }
    let oldest = db
        .prepare_cached(
            "DELETE FROM own_run WHERE number IN (SELECT number FROM own_run ORDER BY number LIMIT ?1)",
        )?
        .execute([(STEP / 50).cast_signed()])?;
    Ok(oldest as u64)
}

#[cfg(test)]
mod tests {
    use wire::RunSource;

    use super::*;

    fn run(minion: u8, number: u64) -> OwnRun {
        let json = |text: &str| text.as_bytes().into();
        OwnRun {
            uid: Uid([minion; 16]),
            id: format!("m{minion}").parse().unwrap(),
            path: wire::SitePath::top(),
            jid: format!("2026112222370000{number:02}99").parse().unwrap(),
            source: RunSource::Schedule,
            schedule: Some("daily".to_owned()),
            user: "root".to_owned(),
            fun: "test.ping".to_owned(),
            args: json("[]"),
            kwargs: json("{}"),
            metadata: json("{}"),
            started: 0,
            duration_ms: 1,
            retcode: 0,
            success: true,
            value: json("true"),
        }
    }

    #[test]
    fn a_run_is_kept_once_and_told_to_each_parent_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.db");
        let (mut store, _) = HubStore::open(&path).unwrap();
        // Two minions gave the same id; what comes twice counts once, with what was said first.
        store.save_own_runs(&[run(1, 1), run(2, 1)], 1_000).unwrap();
        let mut again = run(1, 1);
        again.retcode = 7;
        store.save_own_runs(&[again, run(1, 2)], 2_000).unwrap();
        let reader = store.reader().unwrap();
        let jid = |number| run(1, number).jid;
        assert_eq!(reader.own_runs_of(jid(1)).unwrap(), [run(1, 1), run(2, 1)]);
        assert_eq!(reader.own_runs_of(jid(9)).unwrap(), []);
        let listed = |before, limit| reader.own_runs(before, limit, |_| true).unwrap();
        assert_eq!(listed(None, 9).len(), 3);
        assert_eq!(listed(None, 1), [run(1, 2)]);
        assert_eq!(listed(Some(jid(2)), 1), [run(1, 1), run(2, 1)]);
        let of_second = |run: &OwnRun| run.id.as_str() == "m2";
        assert_eq!(reader.own_runs(None, 9, of_second).unwrap(), [run(2, 1)]);

        let (a, b) = (Uid([8; 16]), Uid([9; 16]));
        let first = reader.own_runs_untold(a, |run| run.jid == jid(1)).unwrap();
        assert_eq!(first.len(), 2);
        store.own_runs_told(a, first[1].0).unwrap();
        // What an older answer says takes nothing back.
        store.own_runs_told(a, first[0].0).unwrap();
        drop((reader, store));
        let (store, _) = HubStore::open(&path).unwrap();
        let reader = store.reader().unwrap();
        let untold = |parent| reader.own_runs_untold(parent, |_| true).unwrap();
        assert_eq!((untold(a).len(), untold(b).len()), (1, 3));
    }

    #[test]
    fn old_runs_go_and_all_of_them_go_before_jobs_where_there_is_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.db");
        let (mut store, _) = HubStore::open(&path).unwrap();
        for number in 0..10 {
            store
                .save_own_runs(&[run(1, number)], 1_000 * number)
                .unwrap();
        }
        let left = |store: &HubStore| {
            let reader = store.reader().unwrap();
            reader.own_runs(None, 99, |_| true).unwrap().len()
        };
        store.prune(10_000, 6_000, u64::MAX).unwrap();
        assert_eq!(left(&store), 6);
        store.prune(10_000, 10_000, 0).unwrap();
        assert_eq!(left(&store), 0);
        // Numbers are never given again, so a parent misses nothing that comes later.
        store.own_runs_told(Uid([8; 16]), 10).unwrap();
        store.save_own_runs(&[run(1, 11)], 11_000).unwrap();
        let reader = store.reader().unwrap();
        let untold = reader.own_runs_untold(Uid([8; 16]), |_| true).unwrap();
        assert_eq!(untold.len(), 1);
    }
}
