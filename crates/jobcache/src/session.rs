//! One connection to a database of either protocol. Values travel as text.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::{CacheError, Dialect, Host, Server, readiness};

pub(crate) enum Session {
    Mysql(MySqlConnection),
    Postgres(PgConnection),
}

impl Session {
    /// Connects to a host of a server that is ready for writes, where transactions that take longer than `within` end by themselves.
    pub(crate) async fn open(
        server: &Server,
        host: &Host,
        within: Duration,
    ) -> Result<Session, CacheError> {
        let mut session = match server.dialect {
            Dialect::Mysql => {
                Session::Mysql(MySqlConnection::connect_with(&mysql(server, host)).await?)
            }
            Dialect::Pgjsonb | Dialect::Postgres => {
                Session::Postgres(PgConnection::connect_with(&postgres(server, host)?).await?)
            }
        };
        readiness::look(&mut session).await?;
        if let Session::Mysql(_) = session {
            session.raw(STRICT).await?;
            // Where one of these words is not known the server's own limits hold.
            match session.raw(&limits_of_mysql(within)).await {
                Err(sqlx::Error::Database(_)) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(session)
    }

    /// Begins a transaction that the server ends when it waits longer than `within` for a lock, or for this side to go on.
    pub(crate) async fn begin(&mut self, within: Duration) -> Result<(), sqlx::Error> {
        match self {
            Session::Mysql(_) => self.plain("BEGIN").await,
            Session::Postgres(_) => {
                let millis = within.as_millis().max(1);
                let begin = format!(
                    "BEGIN; SET LOCAL lock_timeout = {millis}; SET LOCAL idle_in_transaction_session_timeout = {millis}"
                );
                self.raw(&begin).await
            }
        }
    }

    /// Says goodbye, so that the server does not log a connection that broke.
    pub(crate) async fn close(self) {
        // One that is broken is closed as well.
        let _ = match self {
            Session::Mysql(connection) => connection.close().await,
            Session::Postgres(connection) => connection.close().await,
        };
    }

    /// A statement without values, which need not be one that can be prepared.
    pub(crate) async fn plain(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.raw(sql).await
    }

    async fn raw(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Session::Mysql(connection) => connection.execute(query).await.map(drop),
            Session::Postgres(connection) => connection.execute(query).await.map(drop),
        }
    }

    /// Runs a statement with `?` for each value. Gives the rows that it changed.
    pub(crate) async fn run(&mut self, sql: &str, values: &[&str]) -> Result<u64, sqlx::Error> {
        match self {
            Session::Mysql(connection) => {
                let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
                for value in values {
                    query = query.bind(*value);
                }
                Ok(query.execute(connection).await?.rows_affected())
            }
            Session::Postgres(connection) => {
                let mut query = sqlx::query(AssertSqlSafe(numbered(sql)));
                for value in values {
                    query = query.bind(*value);
                }
                Ok(query.execute(connection).await?.rows_affected())
            }
        }
    }

    /// The first column of a query, which is text.
    pub(crate) async fn texts(
        &mut self,
        sql: &str,
        values: &[&str],
    ) -> Result<Vec<String>, sqlx::Error> {
        match self {
            Session::Mysql(connection) => {
                let mut query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                for value in values {
                    query = query.bind(*value);
                }
                query.fetch_all(connection).await
            }
            Session::Postgres(connection) => {
                let mut query = sqlx::query_scalar(AssertSqlSafe(numbered(sql)));
                for value in values {
                    query = query.bind(*value);
                }
                query.fetch_all(connection).await
            }
        }
    }
}

/// What a column can't hold is an error. Without it MySQL writes the beginning, and says nothing that anybody hears.
const STRICT: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')";

/// How long a server waits for a lock, and for a side that says nothing: one that is gone without a word may hold the hub's row.
/// A connection without a transaction may be silent for `within`.
fn limits_of_mysql(within: Duration) -> String {
    let seconds = within.as_secs().max(1);
    format!(
        "SET SESSION innodb_lock_wait_timeout = {seconds}, wait_timeout = {}",
        2 * seconds
    )
}

/// Pairs of text, as MySQL's SHOW gives them.
pub(crate) async fn pairs(
    connection: &mut MySqlConnection,
    sql: &'static str,
) -> Result<BTreeMap<String, String>, sqlx::Error> {
    let rows = connection.fetch_all(sqlx::raw_sql(sql)).await?;
    rows.iter()
        .map(|row| {
            let name: String = row.try_get(0)?;
            Ok((name.to_ascii_lowercase(), row.try_get(1)?))
        })
        .collect()
}

/// PostgreSQL numbers its values.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() + 16);
    let mut number = 0;
    for c in sql.chars() {
        if c == '?' {
            number += 1;
            text.push_str(&format!("${number}"));
        } else {
            text.push(c);
        }
    }
    text
}

fn mysql(server: &Server, host: &Host) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .host(&host.name)
        .port(host.port)
        .username(&server.user)
        .database(&server.database);
    // MySQL tells no password and an empty one apart.
    if !server.password.is_empty() {
        options = options.password(&server.password);
    }
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_ca(ca).ssl_mode(MySqlSslMode::VerifyIdentity);
    }
    if let Some(certificate) = &server.tls.certificate {
        options = options.ssl_client_cert(certificate);
    }
    if let Some(key) = &server.tls.key {
        options = options.ssl_client_key(key);
    }
    options
}

fn postgres(server: &Server, host: &Host) -> Result<PgConnectOptions, sqlx::Error> {
    // The environment of the daemon and files of its user say nothing about this connection.
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&host.name)
        .port(host.port)
        .username(&server.user)
        .password(&server.password)
        .database(&server.database)
        .application_name("banyan");
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_root_cert(ca).ssl_mode(PgSslMode::VerifyFull);
    }
    if let Some(mode) = &server.tls.mode {
        options = options.ssl_mode(mode.parse()?);
    }
    if let Some(certificate) = &server.tls.certificate {
        options = options.ssl_client_cert(certificate);
    }
    if let Some(key) = &server.tls.key {
        options = options.ssl_client_key(key);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_numbered() {
        assert_eq!(super::numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
    }
}
