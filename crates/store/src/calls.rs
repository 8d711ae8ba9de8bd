//! Calls of runners that are over: what came out, by their ids.
//!
//! They are bounded by themselves, so that a page that asks all day takes no room from jobs.

use rusqlite::{OptionalExtension, params};
use wire::Jid;

use crate::{HubReader, HubStore, StoreError};

/// Calls that are kept, at most.
pub const CALLS_MAX: u32 = 2_000;
/// Bytes of them, at most, unless the last one alone has more.
pub const CALLS_BYTES_MAX: u64 = 64 << 20;

impl HubStore {
    /// Keeps what came of a call, and lets go of the oldest ones that are too many.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn keep_call(&mut self, jid: Jid, text: &[u8]) -> Result<(), StoreError> {
        self.keep_call_within(jid, text, CALLS_MAX, CALLS_BYTES_MAX)
    }

    fn keep_call_within(
        &mut self,
        jid: Jid,
        text: &[u8],
        calls_max: u32,
        bytes_max: u64,
    ) -> Result<(), StoreError> {
        self.write(|db| {
            db.prepare_cached("INSERT OR REPLACE INTO runner_call (jid, answer) VALUES (?1, ?2)")?
                .execute(params![jid.to_string(), text])?;
            // The newest ones that fit, by their bytes and by their number.
            let mut newest =
                db.prepare_cached("SELECT jid, length(answer) FROM runner_call ORDER BY jid DESC")?;
            let mut rows = newest.query([])?;
            let (mut calls, mut bytes) = (0, 0);
            while let Some(row) = rows.next()? {
                calls += 1;
                bytes += u64::from(row.get::<_, u32>(1)?);
                if calls > calls_max || (bytes > bytes_max && calls > 1) {
                    let last: String = row.get(0)?;
                    db.prepare_cached("DELETE FROM runner_call WHERE jid <= ?1")?
                        .execute([last])?;
                    break;
                }
            }
            Ok(())
        })
    }
}

impl HubReader {
    /// What came of a call; None when there was none, or it is too long ago.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn call(&self, jid: Jid) -> Result<Option<Vec<u8>>, StoreError> {
        self.conn
            .prepare_cached("SELECT answer FROM runner_call WHERE jid = ?1")
            .and_then(|mut statement| {
                let answer = statement.query_row([jid.to_string()], |row| row.get(0));
                answer.optional()
            })
            .map_err(StoreError::sql(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::{jid, place};

    #[test]
    fn calls_are_kept_within_their_bounds() {
        let (_dir, path) = place();
        let (mut store, _) = HubStore::open(&path).unwrap();
        for n in 1..=5 {
            store.keep_call_within(jid(n), b"answer", 3, 1_000).unwrap();
        }
        let kept = |store: &HubStore| -> Vec<u64> {
            let reader = store.reader().unwrap();
            let is_there = |n: &u64| reader.call(jid(*n)).unwrap().is_some();
            (1..=9).filter(is_there).collect()
        };
        assert_eq!(kept(&store), [3, 4, 5]);
        store
            .keep_call_within(jid(6), &[b'x'; 990], 3, 1_000)
            .unwrap();
        assert_eq!(kept(&store), [5, 6]);
        store
            .keep_call_within(jid(7), &[b'x'; 2_000], 3, 1_000)
            .unwrap();
        assert_eq!(kept(&store), [7], "the last one is kept however long it is");
        drop(store);
        let (store, _) = HubStore::open(&path).unwrap();
        assert_eq!(
            store
                .reader()
                .unwrap()
                .call(jid(7))
                .unwrap()
                .map(|a| a.len()),
            Some(2_000)
        );
    }
}
