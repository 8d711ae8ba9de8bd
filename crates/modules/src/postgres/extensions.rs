//! Extensions of a database.

use serde_json::{Map, Value};

use super::{Row, Server, by_column, cell, quoted};
use crate::failure::Failure;
use crate::packages::version;

/// What is to be done with an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Install,
    /// Another schema, another version.
    Change {
        moves: bool,
        upgrades: bool,
    },
}

/// Those that are installed, by name.
pub(crate) fn installed(server: &Server) -> Result<Map<String, Value>, Failure> {
    let rows = server.query(
        "select a.*, b.nspname as schema_name from pg_extension a, pg_namespace b where a.extnamespace = b.oid;",
    )?;
    Ok(by_column(rows, "extname"))
}

/// Looks at what an extension needs to be as it should be.
pub(crate) fn need(
    server: &Server,
    name: &str,
    schema: Option<&str>,
    version: Option<&str>,
) -> Result<Need, Failure> {
    let installed = installed(server)?;
    let Some(row) = installed.get(name).and_then(Value::as_object) else {
        return Ok(Need::Install);
    };
    let upgrades = version.is_some_and(|version| is_older(row, version));
    let moves = schema.is_some_and(|schema| {
        cell(row, "extrelocatable") == "t" && cell(row, "schema_name") != schema
    });
    Ok(if upgrades || moves {
        Need::Change { moves, upgrades }
    } else {
        Need::Nothing
    })
}

fn is_older(row: &Row, wanted: &str) -> bool {
    version::debian(cell(row, "extversion"), wanted).is_lt()
}

/// Does what it needs, where its files are there.
pub(crate) fn apply(
    server: &Server,
    name: &str,
    need: Need,
    if_not_exists: bool,
    schema: Option<&str>,
    version: Option<&str>,
    from: Option<&str>,
) -> Result<bool, Failure> {
    let available = by_column(
        server.query("select * from pg_available_extensions();")?,
        "name",
    );
    if available
        .keys()
        .any(|known| known.eq_ignore_ascii_case(name))
    {
        let extension = quoted(name);
        let statement = match need {
            Need::Nothing => String::new(),
            Need::Install => {
                let kept = if if_not_exists { "IF NOT EXISTS " } else { "" };
                let parts = [
                    schema.map(|schema| format!("SCHEMA {}", quoted(schema))),
                    version.map(|version| format!("VERSION {}", quoted(version))),
                    from.map(|from| format!("FROM {}", quoted(from))),
                ];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                let with = if parts.is_empty() { "" } else { " WITH " };
                format!(
                    "CREATE EXTENSION {kept}{extension}{with}{};",
                    parts.join(" ")
                )
            }
            Need::Change { moves, upgrades } => {
                let schema = schema.filter(|_| moves).map(|schema| {
                    format!("ALTER EXTENSION {extension} SET SCHEMA {};", quoted(schema))
                });
                let version = version.filter(|_| upgrades).map(|version| {
                    format!("ALTER EXTENSION {extension} UPDATE TO {};", quoted(version))
                });
                [schema, version]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        };
        if !statement.is_empty() {
            server.execute(&statement)?;
        }
    }
    Ok(self::need(server, name, schema, version)? == Need::Nothing)
}

/// Drops one.
pub(crate) fn remove(
    server: &Server,
    name: &str,
    if_exists: bool,
    cascade: bool,
    restrict: bool,
) -> Result<bool, Failure> {
    let mut statement = "DROP EXTENSION ".to_owned();
    for (is_said, words) in [
        (if_exists, "IF EXISTS ".to_owned()),
        (true, quoted(name)),
        (cascade, " CASCADE".to_owned()),
        (restrict, " RESTRICT".to_owned()),
    ] {
        if is_said {
            statement.push_str(&words);
        }
    }
    server.execute(&statement)?;
    Ok(!installed(server)?.contains_key(name))
}
