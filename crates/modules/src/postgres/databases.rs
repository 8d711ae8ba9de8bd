//! Databases of a server.

use serde_json::{Map, Value};

use super::{Server, by_column, literal, quoted};
use crate::failure::Failure;

const SELECT: &str = "SELECT datname as \"Name\", pga.rolname as \"Owner\", pg_encoding_to_char(encoding) as \"Encoding\", \
    datcollate as \"Collate\", datctype as \"Ctype\", datacl as \"Access privileges\", spcname as \"Tablespace\" \
    FROM pg_database pgd, pg_roles pga, pg_tablespace pgts \
    WHERE pga.oid = pgd.datdba AND pgts.oid = pgd.dattablespace";

/// What a new database has; what is not said is the server's.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) tablespace: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) collate: Option<String>,
    pub(crate) ctype: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) template: Option<String>,
}

/// All of them by name.
pub(crate) fn list(server: &Server) -> Result<Map<String, Value>, Failure> {
    Ok(by_column(server.query(SELECT)?, "Name"))
}

/// Makes one.
pub(crate) fn create(server: &Server, name: &str, wanted: &Wanted) -> Result<bool, Failure> {
    let mut statement = format!("CREATE DATABASE {}", quoted(name));
    let parts = [
        ("TABLESPACE", wanted.tablespace.as_deref().map(quoted)),
        ("OWNER", wanted.owner.as_deref().map(quoted)),
        ("TEMPLATE", wanted.template.as_deref().map(quoted)),
        ("ENCODING", wanted.encoding.as_deref().map(literal)),
        ("LC_COLLATE", wanted.collate.as_deref().map(literal)),
        ("LC_CTYPE", wanted.ctype.as_deref().map(literal)),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(word, value)| Some((word, value?)));
    for (number, (word, value)) in parts.enumerate() {
        statement.push_str(if number == 0 { " WITH " } else { " " });
        statement.push_str(&format!("{word} = {value}"));
    }
    server.execute(&statement)
}

/// Gives one another owner and another tablespace.
pub(crate) fn alter(
    server: &Server,
    name: &str,
    owner: Option<&str>,
    tablespace: Option<&str>,
) -> Result<bool, Failure> {
    let database = quoted(name);
    let mut is_done = true;
    if let Some(owner) = owner {
        let owner = quoted(owner);
        is_done &= server.execute(&format!("ALTER DATABASE {database} OWNER TO {owner}"))?;
    }
    if let Some(tablespace) = tablespace {
        let tablespace = quoted(tablespace);
        is_done &= server.execute(&format!(
            "ALTER DATABASE {database} SET TABLESPACE {tablespace}"
        ))?;
    }
    Ok(is_done)
}

/// Ends the connections to one, and drops it.
pub(crate) fn remove(server: &Server, name: &str) -> Result<bool, Failure> {
    let (database, text) = (quoted(name), literal(name));
    for statement in [
        format!("REVOKE CONNECT ON DATABASE {database} FROM public;"),
        format!(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {text} AND pid <> pg_backend_pid();"
        ),
        format!("DROP DATABASE {database};"),
    ] {
        if !server.execute(&statement)? {
            return Ok(false);
        }
    }
    Ok(true)
}
