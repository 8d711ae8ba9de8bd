//! Who adopted jobs, and what a job cache outside has yet to get of one that was.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, params};
use wire::codec::decode;
use wire::{Jid, LedgerDelta, Owner, PlanRecord};

use crate::jobs::blob;
use crate::{HubReader, StoreError};

impl HubReader {
    /// Who adopted a job last; None for one that is owned by whoever ordered it.
    ///
    /// # Errors
    /// When the database can't be read, or a row is damaged.
    pub fn owner(&self, jid: Jid) -> Result<Option<Owner>, StoreError> {
        let sql = StoreError::sql(&self.path);
        // Long rollouts have very many entries: only those of adoptions are read, by an index of their own.
        let last: Option<Vec<u8>> = self
            .conn
            .prepare_cached(
                "SELECT entry FROM job_plan JOIN job ON job.id = job_plan.job
                 WHERE jid = ?1 AND substr(entry, 1, 1) = x'09' ORDER BY job_plan.id DESC LIMIT 1",
            )
            .and_then(|mut entries| {
                entries
                    .query_row([jid.to_string()], |row| row.get(0))
                    .optional()
            })
            .map_err(&sql)?;
        match last.map(|entry| decode(&entry)).transpose() {
            Ok(Some(PlanRecord::Owned(owner))) => Ok(Some(owner)),
            Ok(_) => Ok(None),
            Err(e) => Err(StoreError::damaged(&self.path, format!("job {jid}: {e}"))),
        }
    }

    /// Of these jobs those that were adopted, with whoever did so last.
    ///
    /// # Errors
    /// As [`HubReader::owner`].
    pub fn owners(&self, jids: &[Jid]) -> Result<BTreeMap<Jid, Owner>, StoreError> {
        let wanted: BTreeSet<Jid> = jids.iter().copied().collect();
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
            return Ok(BTreeMap::new());
        };
        let sql = StoreError::sql(&self.path);
        // Lists of jobs are long and adoptions few: so these are gone through, and not the jobs.
        let mut entries = self
            .conn
            .prepare_cached(
                "SELECT jid, entry FROM job_plan INDEXED BY job_plan_owned
                 CROSS JOIN job ON job.id = job_plan.job
                 WHERE substr(entry, 1, 1) = x'09' AND jid BETWEEN ?1 AND ?2
                 ORDER BY job_plan.id",
            )
            .map_err(&sql)?;
        let mut rows = entries
            .query(params![first.to_string(), last.to_string()])
            .map_err(&sql)?;
        let mut owners = BTreeMap::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            let text: String = row.get(0).map_err(&sql)?;
            let damaged =
                |why: String| StoreError::damaged(&self.path, format!("job {text}: {why}"));
            let jid: Jid = text
                .parse()
                .map_err(|()| damaged("its id is none".to_owned()))?;
            let entry =
                decode(blob(row, 1).map_err(&sql)?).map_err(|error| damaged(error.to_string()))?;
            if let PlanRecord::Owned(owner) = entry
                && wanted.contains(&jid)
            {
                owners.insert(jid, owner);
            }
        }
        Ok(owners)
    }

    /// News of a job that is among no changes that are kept: what was let go, or came before there were any.
    ///
    /// # Errors
    /// As [`HubReader::owner`].
    pub fn news_let_go(&self, jid: Jid) -> Result<Vec<LedgerDelta>, StoreError> {
        let sql = StoreError::sql(&self.path);
        let job: Option<i64> = self
            .conn
            .prepare_cached("SELECT id FROM job WHERE jid = ?1")
            .and_then(|mut job| {
                job.query_row([jid.to_string()], |row| row.get(0))
                    .optional()
            })
            .map_err(&sql)?;
        let mut deltas = self
            .conn
            .prepare_cached(
                "SELECT delta FROM job_news WHERE job = ?1 AND id NOT IN
                   (SELECT news FROM job_change WHERE job = ?1 AND news IS NOT NULL)
                 ORDER BY id",
            )
            .map_err(&sql)?;
        let mut rows = deltas.query(params![job]).map_err(&sql)?;
        let mut news = Vec::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            let delta = decode(blob(row, 0).map_err(&sql)?);
            news.push(
                delta.map_err(|e| StoreError::damaged(&self.path, format!("job {jid}: {e}")))?,
            );
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use wire::codec::encode;
    use wire::record::Record;
    use wire::{Terms, Uid};

    use super::*;
    use crate::HubStore;
    use crate::hub::tests::{jid, job, place};

    #[test]
    fn the_last_adoption_of_a_job_is_found() {
        let owner = |term, key| Owner {
            term,
            hub: Uid([key; 16]),
        };
        let entry = |entry| Record::JobPlan { jid: jid(1), entry };
        let first = encode(&PlanRecord::Owned(owner(1, 1))).unwrap();
        assert_eq!(first.first(), Some(&9), "job_plan_owned has them by this");
        let (_dir, path) = place();
        let (mut store, _) = HubStore::open(&path).unwrap();
        let records = [
            job(1),
            job(2),
            entry(PlanRecord::Owned(owner(1, 1))),
            entry(PlanRecord::Owned(owner(2, 2))),
            entry(PlanRecord::Terms(Terms::default())),
        ];
        store.commit(&records).unwrap();
        let reader = store.reader().unwrap();
        let owners = reader.owners(&[jid(1), jid(2), jid(3)]).unwrap();
        assert_eq!(owners, BTreeMap::from([(jid(1), owner(2, 2))]));
    }
}
