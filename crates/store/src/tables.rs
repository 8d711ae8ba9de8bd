//! Free values of the shell: join tokens and the like, each under a key of its own.

use rusqlite::{OptionalExtension, params};

use crate::{HubStore, StoreError};

impl HubStore {
    /// A free value.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.conn
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")
            .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
            .map_err(StoreError::sql(&self.path))
    }

    /// Sets a free value. Keys are the program's own words, so their number is bounded by it.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
                params![key, value],
            )
            .map(drop)
        })
    }
}
