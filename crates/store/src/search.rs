//! What lists of jobs are searched by, kept beside the jobs: a search reads no account and no order.
//!
//! An older release neither writes these tables nor minds them; what it saved meanwhile is added at the next start.

use std::collections::VecDeque;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};
use wire::codec::{CodecError, decode, encode};
use wire::control::JobSummary;
use wire::find::{JobFilter, StateBits};
use wire::record::{JobHead, NodeRecord};
use wire::{IndexSet, Jid, JobOrder, LedgerDelta, Outcome};

use crate::jobs::{self, LIST_MAX, blob};
use crate::{HubReader, StoreError};

/// Jobs that are added in one transaction.
const CAUGHT_UP_AT_ONCE: usize = 1_000;

/// Every digit sorts before a colon, so this bound is above all jids.
const ABOVE_ALL: &str = ":";

/// The words of a job, as its head has them.
struct Words {
    fun: String,
    target: String,
    user: String,
}

impl Words {
    fn of(head: &JobHead) -> Words {
        // A head that can't be read is told of where the job itself is asked for.
        let order: Option<JobOrder> = decode(&head.envelope.order).ok();
        match order {
            Some(order) => Words {
                fun: order.fun,
                target: order.target.typed,
                user: order.user,
            },
            None => Words {
                fun: String::new(),
                target: String::new(),
                user: String::new(),
            },
        }
    }
}

/// A job is new.
pub(crate) fn add(db: &Transaction<'_>, head: &JobHead) -> rusqlite::Result<()> {
    let Words { fun, target, user } = Words::of(head);
    db.prepare_cached(
        "INSERT INTO job_search (jid, fun, target, user, state) VALUES (?1, ?2, ?3, ?4, 0)
         ON CONFLICT (jid) DO UPDATE SET fun = ?2, target = ?3, user = ?4",
    )?
    .execute(params![head.jid.to_string(), fun, target, user])
    .map(drop)
}

/// A job stands so now.
pub(crate) fn set_state(db: &Transaction<'_>, summary: &JobSummary) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE job_search SET state = ?2 WHERE jid = ?1")?
        .execute(params![summary.jid.to_string(), StateBits::of(summary).0])
        .map(drop)
}

/// News may name minions that the job is for.
pub(crate) fn name(db: &Transaction<'_>, news: &LedgerDelta) -> rusqlite::Result<()> {
    let (mut named, mut withdrawn) = (IndexSet::new(), IndexSet::new());
    for group in &news.groups {
        match group.outcome {
            Outcome::Undecided(_) => {}
            Outcome::Withdrawn => withdrawn.extend(&group.who),
            _ => named.extend(&group.who),
        }
    }
    if named.is_empty() && withdrawn.is_empty() {
        return Ok(());
    }
    let jid = news.jid.to_string();
    let known: Option<Vec<u8>> = db
        .prepare_cached("SELECT who FROM job_who WHERE jid = ?1")?
        .query_row([&jid], |row| row.get(0))
        .optional()?;
    let known = known.map_or(Ok(IndexSet::new()), |known| {
        decode(&known).map_err(sql_error)
    })?;
    let mut now = known.clone();
    now.subtract(&withdrawn);
    now.extend(&named);
    if now == known {
        return Ok(());
    }
    let who = encode(&now).map_err(sql_error)?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO job_who (jid, who) SELECT jid, ?2 FROM job WHERE jid = ?1",
    )?
    .execute(params![jid, who])
    .map(drop)
}

fn sql_error(error: CodecError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Jobs of which nothing is here, or of which an older release may have saved more.
fn missing(conn: &Connection) -> rusqlite::Result<Vec<i64>> {
    let count = |table: &str| {
        let count = format!("SELECT count(*) FROM {table}");
        conn.query_row(&count, [], |row| row.get::<_, u32>(0))
    };
    // Each row here has its job, so equal counts say that each job has its row: that is told without looking for every one.
    let query = match count("job")? == count("job_search")? {
        true => {
            "SELECT id FROM job WHERE open = 1
             UNION SELECT id FROM job_search s JOIN job ON job.jid = s.jid WHERE s.state & 1 = 0"
        }
        false => {
            "SELECT id FROM job LEFT JOIN job_search s ON s.jid = job.jid
             WHERE s.jid IS NULL OR open = 1 OR s.state & 1 = 0"
        }
    };
    let mut statement = conn.prepare(query)?;
    let ids = statement.query_map([], |row| row.get(0))?;
    ids.collect()
}

/// Adds what is missing: all jobs of a database from before these tables, and what an older release saved since.
pub(crate) fn catch_up(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let sql = StoreError::sql(path);
    let ids = missing(conn).map_err(&sql)?;
    if ids.len() > CAUGHT_UP_AT_ONCE {
        tracing::info!(jobs = ids.len(), "jobs are made ready to be searched");
    }
    for ids in ids.chunks(CAUGHT_UP_AT_ONCE) {
        let transaction = conn.transaction().map_err(&sql)?;
        for id in ids {
            let job = jobs::by_id(&transaction, path, *id)?;
            add(&transaction, &job.head).map_err(&sql)?;
            for news in &job.news {
                name(&transaction, news).map_err(&sql)?;
            }
            if let Some(summary) = &job.state {
                set_state(&transaction, summary).map_err(&sql)?;
            }
        }
        transaction.commit().map_err(&sql)?;
    }
    Ok(())
}

impl HubReader {
    /// Jobs that fit a filter, newest first; at most its limit and [`LIST_MAX`]. `numbers` are those that the minion of the
    /// filter has, or had, in the roster.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn find(&self, filter: &JobFilter, numbers: &[u32]) -> Result<Vec<JobSummary>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let Query { text, values } = Query::of(filter);
        let mut search = self.conn.prepare_cached(&text).map_err(&sql)?;
        let mut rows = search.query(params_from_iter(values)).map_err(&sql)?;
        let mut listed = self
            .conn
            .prepare_cached(
                "SELECT jid, summary,
                   iif(summary IS NULL, (SELECT head FROM job_head WHERE job = job.id), NULL)
                 FROM job WHERE jid = ?1",
            )
            .map_err(&sql)?;
        let limit = filter.limit.min(LIST_MAX) as usize;
        let mut sets = Sets::new(numbers);
        let mut list = Vec::new();
        while list.len() < limit
            && let Some(row) = rows.next().map_err(&sql)?
        {
            if filter.minion.is_some() {
                let who = blob(row, 1).map_err(&sql)?;
                let has_any = sets.has_any(who).map_err(|error| {
                    StoreError::damaged(&self.path, format!("whom a job is for: {error}"))
                })?;
                if !has_any {
                    continue;
                }
            }
            let jid: String = row.get(0).map_err(&sql)?;
            let mut job = listed.query([jid]).map_err(&sql)?;
            // One that is pruned at this moment is passed over.
            if let Some(job) = job.next().map_err(&sql)? {
                list.push(jobs::summary(job, &self.path)?);
            }
        }
        Ok(list)
    }

    /// Numbers that nodes of this id had who left the roster.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn former_numbers(&self, id: &str) -> Result<Vec<u32>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let mut statement = self
            .conn
            .prepare_cached("SELECT number, record FROM former_node")
            .map_err(&sql)?;
        let mut rows = statement.query([]).map_err(&sql)?;
        let mut numbers = Vec::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            let number: u32 = row.get(0).map_err(&sql)?;
            let node: NodeRecord = decode(blob(row, 1).map_err(&sql)?).map_err(|error| {
                StoreError::damaged(&self.path, format!("former node {number}: {error}"))
            })?;
            if node.id.as_str() == id {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }
}

/// Which sets have any of some numbers. Most jobs are for the same few sets, so those that were looked at last are not read again.
struct Sets<'a> {
    numbers: &'a [u32],
    /// Encoded sets, and whether they have any of the numbers; the last one first.
    seen: VecDeque<(Vec<u8>, bool)>,
}

/// Sets that are remembered.
const SETS_SEEN_MAX: usize = 8;

impl<'a> Sets<'a> {
    fn new(numbers: &'a [u32]) -> Sets<'a> {
        Sets {
            numbers,
            seen: VecDeque::new(),
        }
    }

    fn has_any(&mut self, encoded: &[u8]) -> Result<bool, CodecError> {
        if let Some((_, has_any)) = self.seen.iter().find(|(seen, _)| seen == encoded) {
            return Ok(*has_any);
        }
        let set: IndexSet = decode(encoded)?;
        let has_any = self.numbers.iter().any(|number| set.contains(*number));
        self.seen.push_front((encoded.to_vec(), has_any));
        self.seen.truncate(SETS_SEEN_MAX);
        Ok(has_any)
    }
}

/// A statement and what is bound to it.
struct Query {
    text: String,
    values: Vec<Value>,
}

impl Query {
    /// Its rows are jids, and with a minion whom the job is for.
    fn of(filter: &JobFilter) -> Query {
        let mut query = Query {
            text: String::new(),
            values: Vec::new(),
        };
        let (who, join) = match filter.minion {
            Some(_) => (", w.who", " JOIN job_who w ON w.jid = s.jid"),
            None => ("", ""),
        };
        query.text = format!("SELECT s.jid{who} FROM job_search s{join} WHERE true");
        let until = filter.until.map(|until| Jid::first_of(until + 1));
        let below = [filter.before, until].into_iter().flatten().min();
        let below = below.map_or_else(|| ABOVE_ALL.to_owned(), |jid| jid.to_string());
        query.and("s.jid < ?", [below.into()]);
        if let Some(since) = filter.since {
            query.and("s.jid >= ?", [Jid::first_of(since).to_string().into()]);
        }
        query.any("s.fun GLOB ?", &filter.functions);
        query.any("s.target GLOB ?", &filter.targets);
        if let Some(user) = &filter.user {
            query.and("s.user = ?", [user.clone().into()]);
        }
        if !filter.states.is_empty() {
            let states = vec!["s.state & ? = ?"; filter.states.len()].join(" OR ");
            let masks = filter.states.iter().flat_map(|state| {
                let (mask, wanted) = state.mask();
                [i64::from(mask).into(), i64::from(wanted).into()]
            });
            query.and(&states, masks);
        }
        query.text.push_str(" ORDER BY s.jid DESC");
        query
    }

    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(&format!(" AND ({condition})"));
        self.values.extend(values);
    }

    /// One of the globs has to match; no glob: all do.
    fn any(&mut self, condition: &str, globs: &[String]) {
        if !globs.is_empty() {
            let conditions = vec![condition; globs.len()].join(" OR ");
            // The database writes a set of other characters with `^`, shells and Salt with `!`.
            let globs = globs.iter().map(|glob| glob.replace("[!", "[^").into());
            self.and(&conditions, globs);
        }
    }
}

#[cfg(test)]
mod tests;
