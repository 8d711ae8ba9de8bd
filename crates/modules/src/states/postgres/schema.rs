//! Schemas of a database.

use serde_json::json;
use sls::compile::Return;

use super::{Args, StateAnswer, StateEnv, changed, returned};
use crate::failure::Failure;
use crate::postgres::{Server, by_column, quoted};

pub(super) fn present(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let (name, database) = (args.text("name")?, args.text("dbname")?);
    let told =
        |comment: String, result: Option<bool>| of_database(returned(result, comment), &database);
    if exists(server, &name)? {
        return Ok(told(
            format!("Schema {name} already exists in database {database}"),
            Some(true),
        ));
    }
    if env.is_test {
        let comment = format!("Schema {name} is set to be created in database {database}.");
        return Ok(told(comment, None));
    }
    let owner = args.optional_text("owner")?;
    let owner = owner.map(|owner| format!(" AUTHORIZATION {}", quoted(&owner)));
    let statement = format!(
        "CREATE SCHEMA {}{}",
        quoted(&name),
        owner.unwrap_or_default()
    );
    if !server.execute(&statement)? {
        let comment = format!("Failed to create schema {name} in database {database}");
        return Ok(told(comment, Some(false)));
    }
    let comment = format!("Schema {name} has been created in database {database}");
    let done = changed(true, comment, json!({name: "Present"}));
    Ok(of_database(done, &database))
}

pub(super) fn absent(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let (name, database) = (args.text("name")?, args.text("dbname")?);
    let done = if !exists(server, &name)? {
        let comment =
            format!("Schema {name} is not present in database {database}, so it cannot be removed");
        returned(true, comment)
    } else if env.is_test {
        let comment = format!("Schema {name} is set to be removed from database {database}");
        returned(None, comment)
    } else if server.execute(&format!("DROP SCHEMA {}", quoted(&name)))? {
        let comment = format!("Schema {name} has been removed from database {database}");
        changed(true, comment, json!({name.as_str(): "Absent"}))
    } else {
        returned(false, format!("Schema {name} failed to be removed"))
    };
    Ok(of_database(done, &database))
}

fn exists(server: &Server, name: &str) -> Result<bool, Failure> {
    let rows = server.query("SELECT pg_namespace.nspname as \"name\" FROM pg_namespace")?;
    Ok(by_column(rows, "name").contains_key(name))
}

/// The record names the database, too.
fn of_database(mut done: Return, database: &str) -> Return {
    done.others.insert("dbname".to_owned(), database.into());
    done
}
