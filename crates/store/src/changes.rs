//! Changes of jobs that a job cache outside has yet to get.
//!
//! While they are kept, each head and each piece of news gets a number in the transaction that saves it. Numbers rise and never
//! come back, also when jobs are pruned. A change is let go once it is on the disk of somebody else.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use wire::codec::decode;
use wire::record::{JobHead, NodeRecord};
use wire::{Jid, LedgerDelta};

use crate::jobs::blob;
use crate::{HubReader, HubStore, StoreError};

/// Bytes of news after which [`HubReader::changes`] ends.
const CHANGES_BYTES_MAX: usize = 4 << 20;

/// Made for this connection alone, so that a hub without a job cache pays nothing. A release before them passes over the table.
const KEEP: &str = "
CREATE TEMP TRIGGER keep_head AFTER INSERT ON job_head
  BEGIN INSERT INTO job_change (job, news) VALUES (new.job, NULL); END;
CREATE TEMP TRIGGER keep_news AFTER INSERT ON job_news
  BEGIN INSERT INTO job_change (job, news) VALUES (new.job, new.id); END;
";

/// One change of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its number.
    pub number: u64,
    /// The job.
    pub head: JobHead,
    /// More of its account; None: the job itself is new.
    pub news: Option<LedgerDelta>,
}

impl HubStore {
    /// Keeps changes from now on, or keeps none and lets go of those that there are.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn keep_changes(&mut self, keep: bool) -> Result<(), StoreError> {
        if keep {
            return self
                .conn
                .execute_batch(KEEP)
                .map_err(StoreError::sql(&self.path));
        }
        self.write(|db| db.execute("DELETE FROM job_change", []).map(drop))
    }

    /// Lets go of all changes up to this number.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn let_go(&mut self, through: u64) -> Result<(), StoreError> {
        self.write(|db| {
            db.prepare_cached("DELETE FROM job_change WHERE number <= ?1")?
                .execute(params![through.cast_signed()])
                .map(drop)
        })
    }
}

impl HubReader {
    /// The first changes that are kept, in order; at most `limit`, and few when they are long.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn changes(&self, limit: u32) -> Result<Vec<Change>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let mut statement = self
            .conn
            .prepare_cached(
                "SELECT c.number, h.head, n.delta FROM job_change c
                 JOIN job_head h ON h.job = c.job LEFT JOIN job_news n ON n.id = c.news
                 ORDER BY c.number LIMIT ?1",
            )
            .map_err(&sql)?;
        let mut rows = statement.query([limit]).map_err(&sql)?;
        let mut changes = Vec::new();
        let mut bytes = 0;
        while bytes < CHANGES_BYTES_MAX
            && let Some(row) = rows.next().map_err(&sql)?
        {
            let number = row.get::<_, i64>(0).map_err(&sql)?.cast_unsigned();
            let damaged = |e| StoreError::damaged(&self.path, format!("change {number}: {e}"));
            let news = match row.get_ref(2).map_err(&sql)? {
                rusqlite::types::ValueRef::Null => None,
                _ => {
                    let news = blob(row, 2).map_err(&sql)?;
                    bytes += news.len();
                    Some(decode(news).map_err(damaged)?)
                }
            };
            let head = blob(row, 1).map_err(&sql)?;
            bytes += head.len();
            changes.push(Change {
                number,
                head: decode(head).map_err(damaged)?,
                news,
            });
        }
        Ok(changes)
    }

    /// How many changes are kept.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn changes_kept(&self) -> Result<u64, StoreError> {
        self.conn
            .prepare_cached("SELECT count(*) FROM job_change")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, u32>(0)))
            .map(u64::from)
            .map_err(StoreError::sql(&self.path))
    }

    /// A node by the number that it has in the roster, or had.
    ///
    /// # Errors
    /// When the database can't be read, or the row is damaged.
    pub fn any_node(&self, number: u32) -> Result<Option<NodeRecord>, StoreError> {
        let present: Option<Vec<u8>> = self
            .conn
            .prepare_cached("SELECT record FROM node WHERE number = ?1")
            .and_then(|mut statement| statement.query_row([number], |row| row.get(0)).optional())
            .map_err(StoreError::sql(&self.path))?;
        match present {
            Some(record) => decode(&record)
                .map(Some)
                .map_err(|e| StoreError::damaged(&self.path, format!("node {number}: {e}"))),
            None => self.former_node(number),
        }
    }

    /// The values of a job that its account names by number.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn values(&self, jid: Jid) -> Result<BTreeMap<u32, wire::Json>, StoreError> {
        let mut values = BTreeMap::new();
        for delta in self.job(jid)?.into_iter().flat_map(|job| job.news) {
            for group in delta.groups {
                if let wire::Outcome::Returned {
                    value: wire::ValueRef::Define(number, json),
                    ..
                } = group.outcome
                {
                    values.insert(number, json);
                }
            }
        }
        Ok(values)
    }
}
