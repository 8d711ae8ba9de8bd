//! The database of a hub: records in, records out.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use wire::codec::{decode, encode};
use wire::control::JobSummary;
use wire::record::{NodeRecord, Record};
use wire::{Jid, JobOrder, LedgerDelta};

use crate::jobs::{self, StoredJob};
use crate::lock::Lock;
use crate::recovered::{self, Recovered, fact};
use crate::{StoreError, schema, search};

/// Nodes that left the roster and are still known by name: as long as jobs that name them are likely to be kept.
const FORMER_NODES_MAX: u32 = 100_000;

/// The durable state of one hub, and the only handle that writes it. One process at a time; see [`HubReader`] for reads
/// beside it and [`Committer`](crate::Committer) for many writers.
pub struct HubStore {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
    /// Set by the first failed write and never taken back.
    stopped: bool,
    _lock: Lock,
}

impl HubStore {
    /// Opens the store, or creates it when no file is there, and reads what a restarted hub has to know. Next to `path`
    /// lie the database's log (`-wal`, `-shm`) and the lock file.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::Damaged`] and [`StoreError::NotDurable`] mean that an
    /// operator has to act; the files are left as they are.
    pub fn open(path: &Path) -> Result<(HubStore, Recovered), StoreError> {
        let lock = Lock::take(path)
            .map_err(StoreError::io(path))?
            .ok_or_else(|| StoreError::InUse {
                path: path.to_owned(),
            })?;
        let mut conn = schema::open_writer(path)?;
        search::catch_up(&mut conn, path)?;
        let recovered = recovered::read(&conn, path)?;
        let store = HubStore {
            conn,
            path: path.to_owned(),
            stopped: false,
            _lock: lock,
        };
        Ok((store, recovered))
    }

    /// Saves all records, in order, in one transaction: all are durable when this returns, or none is there.
    ///
    /// News and states of a job that is not there (it was pruned, or its head never came) are passed over: its retention
    /// is over, and so is the promise.
    ///
    /// # Errors
    /// Any error means: stop the process. Every later commit answers [`StoreError::Stopped`]. A [`StoreError::Record`]
    /// alone, which is found before anything is written, leaves the store in service.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let encoded = records.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
        self.write(|transaction| {
            for (record, row) in records.iter().zip(&encoded) {
                save(transaction, record, row)?;
            }
            Ok(())
        })
    }

    /// One job with its whole account; None when there is no such job.
    ///
    /// # Errors
    /// When the database can't be read, or a row of the job is damaged.
    pub fn job(&self, jid: Jid) -> Result<Option<StoredJob>, StoreError> {
        jobs::job(&self.conn, &self.path, jid)
    }

    /// As [`HubReader::jobs`].
    ///
    /// # Errors
    /// As there.
    pub fn jobs(&self, limit: u32, before: Option<Jid>) -> Result<Vec<JobSummary>, StoreError> {
        jobs::jobs(&self.conn, &self.path, limit, before)
    }

    /// A second connection for reads, which never waits for the writer.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn reader(&self) -> Result<HubReader, StoreError> {
        Ok(HubReader {
            conn: schema::open_reader(&self.path)?,
            path: self.path.clone(),
        })
    }

    /// Runs one transaction, which is durable when this returns `Ok`. After a failed one the store is closed for writes.
    pub(crate) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped {
                path: self.path.clone(),
            });
        }
        let result = self.conn.transaction().and_then(|transaction| {
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        self.stopped = result.is_err();
        result.map_err(StoreError::sql(&self.path))
    }
}

/// Reads of a hub's store beside its writer: each sees the last commit as it was when the read began.
pub struct HubReader {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
}

impl HubReader {
    /// One job with its whole account; None when there is no such job.
    ///
    /// # Errors
    /// When the database can't be read, or a row of the job is damaged.
    pub fn job(&self, jid: Jid) -> Result<Option<StoredJob>, StoreError> {
        jobs::job(&self.conn, &self.path, jid)
    }

    /// A job's order; None when there is no such job, or nothing of it but returns.
    ///
    /// # Errors
    /// When the database can't be read, or the row is damaged.
    pub fn order(&self, jid: Jid) -> Result<Option<JobOrder>, StoreError> {
        jobs::order(&self.conn, &self.path, jid)
    }

    /// A node that left the roster, by the number that it had; None when it never was, or left too long ago.
    ///
    /// # Errors
    /// When the database can't be read, or the row is damaged.
    pub fn former_node(&self, number: u32) -> Result<Option<NodeRecord>, StoreError> {
        let blob: Option<Vec<u8>> = self
            .conn
            .prepare_cached("SELECT record FROM former_node WHERE number = ?1")
            .and_then(|mut statement| statement.query_row([number], |row| row.get(0)).optional())
            .map_err(StoreError::sql(&self.path))?;
        blob.map(|blob| decode(&blob))
            .transpose()
            .map_err(|e| StoreError::damaged(&self.path, format!("former node {number}: {e}")))
    }

    /// Jobs older than `before`, or all of them, newest first; at most `limit` and [`LIST_MAX`](crate::LIST_MAX).
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn jobs(&self, limit: u32, before: Option<Jid>) -> Result<Vec<JobSummary>, StoreError> {
        jobs::jobs(&self.conn, &self.path, limit, before)
    }
}

/// The blob of a record, encoded before the transaction begins.
struct Row(Vec<u8>);

impl Row {
    fn of(record: &Record) -> Result<Row, StoreError> {
        Ok(Row(match record {
            Record::Epoch(_) | Record::NodeGone { .. } | Record::Trust(_) => Vec::new(),
            Record::Node(node) => encode(node.as_ref())?,
            Record::Job(head) => encode(head.as_ref())?,
            Record::JobNews(delta) => encode(delta)?,
            Record::JobState { summary, .. } => encode(summary.as_ref())?,
            Record::Revoked(revocation) => encode(revocation)?,
            Record::ChildMark { mark, .. } => encode(mark)?,
            Record::JobPlan { entry, .. } => encode(entry)?,
            Record::JobUntold { .. } => Vec::new(),
            Record::Undelivered { decision, .. } => match decision {
                Some(decision) => encode(decision)?,
                None => Vec::new(),
            },
        }))
    }
}

fn save(db: &Transaction<'_>, record: &Record, Row(blob): &Row) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        db.prepare_cached(sql)?.execute(values).map(|rows| rows > 0)
    };
    const SET_FACT: &str = "INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)";
    const RAISE_FACT: &str = "INSERT INTO fact (name, value) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";
    let known = match record {
        // SQLite's integers are signed; an epoch is random bits, so it is kept as such.
        Record::Epoch(epoch) => run(SET_FACT, params![fact::EPOCH, epoch.cast_signed()])?,
        Record::Trust(bundle) => run(SET_FACT, params![fact::TRUST, bundle.as_ref()])?,
        Record::Node(node) => run(
            "INSERT OR REPLACE INTO node (number, record) VALUES (?1, ?2)",
            params![node.index, blob],
        )?,
        Record::NodeGone { index } => {
            run(RAISE_FACT, params![fact::INDEX, index])?;
            run(
                "INSERT OR REPLACE INTO former_node SELECT number, record FROM node WHERE number = ?1",
                params![index],
            )?;
            run("DELETE FROM node WHERE number = ?1", params![index])?;
            // Numbers rise, so the lowest ones left longest ago.
            run(
                "DELETE FROM former_node WHERE number <= (SELECT max(number) FROM former_node) - ?1",
                params![FORMER_NODES_MAX],
            )?;
            true
        }
        Record::Revoked(revocation) => run(
            "INSERT OR REPLACE INTO revocation (uid, record) VALUES (?1, ?2)",
            params![revocation.uid.0, blob],
        )?,
        Record::ChildMark { hub, .. } => run(
            "INSERT OR REPLACE INTO child_mark (hub, mark) VALUES (?1, ?2)",
            params![hub.0, blob],
        )?,
        Record::Job(head) => {
            let jid = head.jid.to_string();
            if head.parents.is_empty() {
                run(RAISE_FACT, params![fact::OWN_JID, jid])?;
            }
            run(
                "INSERT INTO job (jid, open, received) VALUES (?1, 1, ?2) ON CONFLICT (jid) DO NOTHING",
                params![jid, head.received.cast_signed()],
            )?;
            run(
                "INSERT OR REPLACE INTO job_head (job, head) SELECT id, ?2 FROM job WHERE jid = ?1",
                params![jid, blob],
            )?;
            search::add(db, head)?;
            true
        }
        Record::JobNews(delta) => {
            search::name(db, delta)?;
            run(
                "INSERT INTO job_news (job, delta) SELECT id, ?2 FROM job WHERE jid = ?1",
                params![delta.jid.to_string(), blob],
            )?
        }
        Record::JobPlan { jid, .. } => run(
            "INSERT INTO job_plan (job, entry) SELECT id, ?2 FROM job WHERE jid = ?1",
            params![jid.to_string(), blob],
        )?,
        Record::JobUntold { jid, untold: true } => run(
            "INSERT OR IGNORE INTO job_untold SELECT id FROM job WHERE jid = ?1",
            params![jid.to_string()],
        )?,
        Record::JobUntold { jid, untold: false } => run(
            "DELETE FROM job_untold WHERE job = (SELECT id FROM job WHERE jid = ?1)",
            params![jid.to_string()],
        )?,
        Record::Undelivered { hub, uid, decision } => match decision {
            Some(_) => run(
                "INSERT OR REPLACE INTO undelivered (hub, uid, decision) VALUES (?1, ?2, ?3)",
                params![hub.0, uid.0, blob],
            )?,
            None => run(
                "DELETE FROM undelivered WHERE hub = ?1 AND uid = ?2",
                params![hub.0, uid.0],
            )?,
        },
        Record::JobState { summary, open } => {
            search::set_state(db, summary)?;
            run(
                "UPDATE job SET open = ?2, summary = ?3 WHERE jid = ?1",
                params![summary.jid.to_string(), open, blob],
            )?
        }
    };
    if !known && let Record::JobNews(LedgerDelta { jid, .. }) = record {
        tracing::warn!(%jid, "passed over news of a job that is not in the store");
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
