//! `postgres`: what a PostgreSQL server has.

use serde_json::{Value, json};

use super::{Answer, Function};
use crate::postgres::{Server, databases, extensions, roles};

macro_rules! with_server {
    ($parameters:literal) => {
        concat!(
            $parameters,
            "user=None, host=None, port=None, maintenance_db=None, password=None, runas=None"
        )
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "postgres.db_exists",
        with_server!("name, "),
        "Whether there is a database.",
        "postgres.db_exists 'dbname'",
        |args, env| {
            let all = databases::list(&Server::of_function(args, env)?)?;
            Ok(json!(all.contains_key(&args.text("name")?)))
        },
    ),
    Function::new(
        "postgres.db_list",
        with_server!(""),
        "All databases with owner, encoding and tablespace.",
        "postgres.db_list",
        |args, env| all(databases::list(&Server::of_function(args, env)?)?),
    ),
    Function::new(
        "postgres.installed_extensions",
        with_server!(""),
        "The extensions of a database (maintenance_db).",
        "postgres.installed_extensions",
        |args, env| all(extensions::installed(&Server::of_function(args, env)?)?),
    ),
    Function::new(
        "postgres.psql_query",
        with_server!("query, "),
        "The rows of a SELECT, each a dictionary of texts; none when it fails.",
        "postgres.psql_query 'select * from pg_stat_activity'",
        |args, env| {
            let rows = Server::of_function(args, env)?.query(&args.text("query")?)?;
            Ok(json!(rows))
        },
    ),
    Function::new(
        "postgres.user_exists",
        with_server!("name, "),
        "Whether there is a role.",
        "postgres.user_exists 'username'",
        |args, env| {
            let server = Server::of_function(args, env)?;
            Ok(json!(
                roles::get(&server, &args.text("name")?, false)?.is_some()
            ))
        },
    ),
    Function::new(
        "postgres.user_list",
        with_server!(""),
        "All roles with what they may do. The hashes of their passwords are not told.",
        "postgres.user_list",
        |args, env| {
            let roles = roles::list(&Server::of_function(args, env)?, false)?;
            Ok(roles.map_or(json!(false), Value::Object))
        },
    ),
    Function::new(
        "postgres.version",
        with_server!(""),
        "The version of the server.",
        "postgres.version",
        |args, env| Ok(json!(Server::of_function(args, env)?.version()?)),
    ),
];

fn all(named: serde_json::Map<String, Value>) -> Answer {
    Ok(Value::Object(named))
}
