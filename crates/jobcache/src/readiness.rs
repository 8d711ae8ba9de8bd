//! Whether a server that answers is the one to write to: not a standby, and not a node that its cluster does not count.

use std::collections::BTreeMap;

use sqlx::mysql::MySqlConnection;

use crate::CacheError;
use crate::session::{Session, pairs};

const VARIABLES: &str = "SHOW VARIABLES WHERE Variable_name IN ('read_only', 'wsrep_on')";
const STATUS: &str = "SHOW STATUS WHERE Variable_name = 'wsrep_ready'";
/// Galera's nodes apply what others committed a moment later. With this a transaction sees at its begin all that was committed
/// before at any node: so it finds the rows of one whose end is unknown because its node died.
const SEE_ALL: &str = "SET SESSION wsrep_sync_wait = 1";

/// Looks at a fresh connection, and prepares it.
///
/// # Errors
/// [`CacheError::NotReady`] with the reason, or what went wrong on the way.
pub(crate) async fn look(session: &mut Session) -> Result<(), CacheError> {
    match session {
        Session::Mysql(connection) => look_at_mysql(connection).await,
        Session::Postgres(_) => {
            let answer = session.texts("SHOW transaction_read_only", &[]).await?;
            if answer == ["on"] {
                return Err(not_ready("it is a standby or read-only"));
            }
            Ok(())
        }
    }
}

async fn look_at_mysql(connection: &mut MySqlConnection) -> Result<(), CacheError> {
    let variables = pairs(connection, VARIABLES).await?;
    if is_on(&variables, "wsrep_on") {
        // Asked apart: without a cluster the word is OFF as well.
        if !is_on(&pairs(connection, STATUS).await?, "wsrep_ready") {
            return Err(not_ready(
                "it is no part of a cluster with a quorum (wsrep_ready is OFF)",
            ));
        }
        sqlx::Executor::execute(&mut *connection, sqlx::raw_sql(SEE_ALL)).await?;
    }
    if is_on(&variables, "read_only") {
        return Err(not_ready("it is read-only"));
    }
    Ok(())
}

fn is_on(values: &BTreeMap<String, String>, name: &str) -> bool {
    values
        .get(name)
        .is_some_and(|value| value.eq_ignore_ascii_case("ON"))
}

fn not_ready(why: &str) -> CacheError {
    CacheError::NotReady(why.to_owned())
}
