//! Small tables of the shell: join tokens, keys that wait, free values.

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::codec::{decode, encode};
use wire::{Role, Uid, UnixMillis};

use crate::{HubReader, HubStore, StoreError};

/// Most join tokens that a hub keeps at a time.
pub const TOKENS_MAX: u32 = 10_000;
/// Most enrolment requests that wait at a time: strangers may make them, so they are bounded.
pub const REQUESTS_MAX: u32 = 10_000;

/// A join token as it is kept: the secret itself is shown once and never saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its name in lists.
    pub name: String,
    /// SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// What may join with it.
    pub role: Role,
    /// Globs of ids that may use it; empty for any.
    pub ids: Vec<String>,
    /// When it ends.
    pub expires: UnixMillis,
    /// How often it may still be used.
    pub uses_left: u32,
}

/// All writes are durable when they return, and fail as [`HubStore::commit`] does.
impl HubStore {
    /// Adds a join token; replaces one of the same name.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] above [`TOKENS_MAX`].
    pub fn put_token(&mut self, token: &TokenRecord) -> Result<(), StoreError> {
        self.room("token", "join tokens", TOKENS_MAX)?;
        let ids = encode(&token.ids)?;
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO token (name, secret, role, ids, expires, uses_left) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    token.name,
                    token.secret_sha256,
                    token.role.to_string(),
                    ids,
                    token.expires.cast_signed(),
                    token.uses_left
                ],
            )
            .map(drop)
        })
    }

    /// The token of this secret, used up or not, expired or not.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn token(&self, secret_sha256: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        let found = self
            .conn
            .prepare_cached(
                "SELECT name, secret, role, ids, expires, uses_left FROM token WHERE secret = ?1",
            )
            .and_then(|mut statement| statement.query_row([secret_sha256], token).optional())
            .map_err(StoreError::sql(&self.path))?;
        Ok(found)
    }

    /// Takes one use of the token with this name; false when it has none left, has expired, or is not there.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn use_token(&mut self, name: &str, now: UnixMillis) -> Result<bool, StoreError> {
        self.write(|db| {
            db.execute(
                "UPDATE token SET uses_left = uses_left - 1 WHERE name = ?1 AND uses_left > 0 AND expires > ?2",
                params![name, now.cast_signed()],
            )
            .map(|rows| rows == 1)
        })
    }

    /// Ends a token; false when there is none of this name.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn revoke_token(&mut self, name: &str) -> Result<bool, StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM token WHERE name = ?1", [name])
                .map(|rows| rows == 1)
        })
    }

    /// Forgets the tokens that are used up or expired; how many that were.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn drop_spent_tokens(&mut self, now: UnixMillis) -> Result<usize, StoreError> {
        self.write(|db| {
            db.execute(
                "DELETE FROM token WHERE uses_left = 0 OR expires <= ?1",
                [now.cast_signed()],
            )
        })
    }

    /// All tokens, in order of name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        tokens(&self.conn).map_err(StoreError::sql(&self.path))
    }

    /// Keeps the request of a key that wants into the tree; replaces an older one of the same key.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] above [`REQUESTS_MAX`], when the key has no request yet.
    pub fn put_request(&mut self, uid: Uid, body: &[u8]) -> Result<(), StoreError> {
        if self.request(uid)?.is_none() {
            self.room("request", "enrolment requests", REQUESTS_MAX)?;
        }
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO request (uid, body) VALUES (?1, ?2)",
                params![uid.0, body],
            )
            .map(drop)
        })
    }

    /// The request of a key.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn request(&self, uid: Uid) -> Result<Option<Vec<u8>>, StoreError> {
        value(&self.conn, "SELECT body FROM request WHERE uid = ?1", uid.0)
            .map_err(StoreError::sql(&self.path))
    }

    /// All requests, in order of key.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn requests(&self) -> Result<Vec<(Uid, Vec<u8>)>, StoreError> {
        requests(&self.conn).map_err(StoreError::sql(&self.path))
    }

    /// Forgets the request of a key; false when there was none.
    ///
    /// # Errors
    /// As [`HubStore::commit`].
    pub fn remove_request(&mut self, uid: Uid) -> Result<bool, StoreError> {
        self.write(|db| {
            db.execute("DELETE FROM request WHERE uid = ?1", [uid.0])
                .map(|rows| rows == 1)
        })
    }

    /// A free value.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        value(&self.conn, "SELECT value FROM meta WHERE key = ?1", key)
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

    fn room(&self, table: &str, what: &'static str, limit: u32) -> Result<(), StoreError> {
        let rows: u32 = self
            .conn
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .map_err(StoreError::sql(&self.path))?;
        if rows < limit {
            Ok(())
        } else {
            Err(StoreError::TooMany { what, limit })
        }
    }
}

impl HubReader {
    /// All join tokens, in order of name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        tokens(&self.conn).map_err(StoreError::sql(&self.path))
    }

    /// All enrolment requests, in order of key.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn requests(&self) -> Result<Vec<(Uid, Vec<u8>)>, StoreError> {
        requests(&self.conn).map_err(StoreError::sql(&self.path))
    }
}

fn tokens(conn: &Connection) -> rusqlite::Result<Vec<TokenRecord>> {
    conn.prepare_cached(
        "SELECT name, secret, role, ids, expires, uses_left FROM token ORDER BY name",
    )?
    .query_map([], token)?
    .collect()
}

fn requests(conn: &Connection) -> rusqlite::Result<Vec<(Uid, Vec<u8>)>> {
    conn.prepare_cached("SELECT uid, body FROM request ORDER BY uid")?
        .query_map([], |row| Ok((Uid(row.get(0)?), row.get(1)?)))?
        .collect()
}

fn token(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    let foreign = |at, e: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, e)
    };
    Ok(TokenRecord {
        name: row.get(0)?,
        secret_sha256: row.get(1)?,
        role: row
            .get::<_, String>(2)?
            .parse()
            .map_err(|()| foreign(2, "not a role".into()))?,
        ids: decode(&row.get::<_, Vec<u8>>(3)?).map_err(|e| foreign(3, e.into()))?,
        expires: row.get::<_, i64>(4)?.cast_unsigned(),
        uses_left: row.get(5)?,
    })
}

fn value(
    conn: &Connection,
    query: &str,
    key: impl rusqlite::ToSql,
) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.prepare_cached(query)?
        .query_row([key], |row| row.get(0))
        .optional()
}
