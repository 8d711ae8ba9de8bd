//! `postgres_user`, `postgres_database`, `postgres_schema`, `postgres_tablespace`, `postgres_privileges`, `postgres_extension`.

mod database;
mod extension;
mod privileges;
mod schema;
mod tablespace;
#[cfg(test)]
mod tests;
mod user;

use sls::compile::Return;

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::postgres::{self, Server};

macro_rules! with_server {
    ($parameters:literal) => {
        concat!(
            $parameters,
            ", user=None, maintenance_db=None, db_password=None, db_host=None, db_port=None, db_user=None"
        )
    };
}

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "postgres_database.absent",
        with_server!("name"),
        "Keep a database dropped. Connections to it are ended.",
        |args, env| loaded(args, env, "postgres_database.absent", database::absent),
    ),
    StateFunction::new(
        "postgres_database.present",
        with_server!(
            "name, tablespace=None, encoding=None, lc_collate=None, lc_ctype=None, owner=None, owner_recurse=False, template=None"
        ),
        "Keep a database with its owner and tablespace. user: the account of the host that asks. maintenance_db: the database that is asked.",
        |args, env| loaded(args, env, "postgres_database.present", database::present),
    ),
    StateFunction::new(
        "postgres_extension.absent",
        with_server!("name, if_exists=None, restrict=None, cascade=None"),
        "Keep an extension out of a database (maintenance_db).",
        |args, env| loaded(args, env, "postgres_extension.absent", extension::absent),
    ),
    StateFunction::new(
        "postgres_extension.present",
        with_server!("name, if_not_exists=None, schema=None, ext_version=None, from_version=None"),
        "Keep an extension in a database (maintenance_db), in a schema and no older than a version.",
        |args, env| loaded(args, env, "postgres_extension.present", extension::present),
    ),
    StateFunction::new(
        "postgres_privileges.absent",
        with_server!("name, object_name, object_type, privileges=None, prepend='public'"),
        "Keep privileges on an object taken from a role.",
        |args, env| loaded(args, env, "postgres_privileges.absent", privileges::absent),
    ),
    StateFunction::new(
        "postgres_privileges.present",
        with_server!(
            "name, object_name, object_type, privileges=None, grant_option=None, prepend='public'"
        ),
        "Keep privileges on an object granted to a role. object_type: table, sequence, schema, tablespace, language, database, function, or group for membership. prepend: the schema.",
        |args, env| {
            loaded(
                args,
                env,
                "postgres_privileges.present",
                privileges::present,
            )
        },
    ),
    StateFunction::new(
        "postgres_schema.absent",
        "dbname, name, user=None, db_user=None, db_password=None, db_host=None, db_port=None",
        "Keep a schema out of a database.",
        |args, env| loaded_on(args, env, "postgres_schema.absent", schema::absent),
    ),
    StateFunction::new(
        "postgres_schema.present",
        "dbname, name, owner=None, user=None, db_user=None, db_password=None, db_host=None, db_port=None",
        "Keep a schema in a database. owner: of a schema that is made.",
        |args, env| loaded_on(args, env, "postgres_schema.present", schema::present),
    ),
    StateFunction::new(
        "postgres_tablespace.absent",
        with_server!("name"),
        "Keep a tablespace dropped.",
        |args, env| loaded(args, env, "postgres_tablespace.absent", tablespace::absent),
    ),
    StateFunction::new(
        "postgres_tablespace.present",
        with_server!("name, directory, options=None, owner=None"),
        "Keep a tablespace in a directory, which has to be there, with its options and owner.",
        |args, env| {
            loaded(
                args,
                env,
                "postgres_tablespace.present",
                tablespace::present,
            )
        },
    ),
    StateFunction::new(
        "postgres_user.absent",
        with_server!("name"),
        "Keep a role dropped.",
        |args, env| loaded(args, env, "postgres_user.absent", user::absent),
    ),
    StateFunction::new(
        "postgres_user.present",
        with_server!(
            "name, createdb=None, createroles=None, encrypted=None, superuser=None, replication=None, inherit=None, login=None, password=None, default_password=None, refresh_password=None, valid_until=None, groups=None"
        ),
        "Keep a role that may log in. encrypted: how the password is kept: md5 (the default), scram-sha-256, or False. default_password: for a role that is made. refresh_password: set the password without a look at the old one.",
        |args, env| loaded(args, env, "postgres_user.present", user::present),
    ),
];

type Run = fn(&Args, &StateEnv, &Server) -> StateAnswer;

/// Runs a state where `psql` is installed.
fn loaded(args: &Args, env: &StateEnv, fun: &str, run: Run) -> StateAnswer {
    if let Some(refused) = refused(env, fun)? {
        return Ok(refused);
    }
    run(args, env, &Server::of_state(args, env.env)?)
}

/// The same for states that name the database that is asked.
fn loaded_on(args: &Args, env: &StateEnv, fun: &str, run: Run) -> StateAnswer {
    if let Some(refused) = refused(env, fun)? {
        return Ok(refused);
    }
    run(args, env, &Server::of_database(args, env.env)?)
}

/// What is answered where there is no `psql`.
fn refused(env: &StateEnv, fun: &str) -> Result<Option<Return>, Failure> {
    if postgres::psql(env.env)?.is_some() {
        return Ok(None);
    }
    let module = fun.split('.').next().unwrap_or_default();
    let reason = format!(
        "'{module}' __virtual__ returned False: Unable to load postgres module.  Make sure `postgres.bins_dir` is set."
    );
    Ok(Some(env.not_loaded(fun, &reason)))
}

/// The answer of a state that keeps something away: `kind` is `User`, `Database` or `Extension`.
fn removed(
    env: &StateEnv,
    kind: &str,
    name: &str,
    exists: bool,
    remove: impl FnOnce() -> Result<bool, Failure>,
) -> StateAnswer {
    if !exists {
        let comment = format!("{kind} {name} is not present, so it cannot be removed");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("{kind} {name} is set to be removed"),
        ));
    }
    Ok(if remove()? {
        let changes = serde_json::json!({name: "Absent"});
        changed(true, format!("{kind} {name} has been removed"), changes)
    } else {
        returned(false, format!("{kind} {name} failed to be removed"))
    })
}
