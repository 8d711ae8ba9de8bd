//! Roles that may log in.

use serde_json::{Map, Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, changed, removed, returned};
use crate::postgres::passwords::Kept;
use crate::postgres::{Server, cell, literal, roles};

/// Arguments with the columns that tell whether a role is so already.
const TRUTHS: [(&str, &str); 6] = [
    ("createdb", "can create databases"),
    ("inherit", "inherits privileges"),
    ("login", "can login"),
    ("createroles", "can create roles"),
    ("replication", "replication"),
    ("superuser", "superuser"),
];

pub(super) fn absent(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let name = args.text("name")?;
    let exists = roles::get(server, &name, false)?.is_some();
    removed(env, "User", &name, exists, || roles::remove(server, &name))
}

pub(super) fn present(args: &Args, env: &StateEnv, server: &Server) -> StateAnswer {
    let name = args.text("name")?;
    let kept = Kept::of(args.value("encrypted"))?;
    let is_refreshed = args.flag("refresh_password");
    let role = roles::get(server, &name, !is_refreshed)?;
    let mode = if role.is_some() { "update" } else { "create" };
    let mut password = args.optional_text("password")?;
    if role.is_none() && password.is_none() {
        password = args.optional_text("default_password")?;
    }
    if let (Some(role), Some(wanted), false) = (&role, &password, is_refreshed)
        && kept.is_kept(&name, wanted, cell(role, "password"))
    {
        password = None;
    }
    let password = password
        .map(|password| kept.hash(&name, &password))
        .transpose()?;
    let update = match &role {
        Some(role) => differences(args, server, role, password.is_some())?,
        None => Map::new(),
    };
    if role.is_some() && update.is_empty() {
        return Ok(returned(true, format!("User {name} is already present")));
    }
    if env.is_test {
        let comment = format!("User {name} is set to be {mode}d");
        return Ok(match update.is_empty() {
            true => returned(None, comment),
            false => changed(None, comment, json!({name: update})),
        });
    }
    let is_done = match &role {
        Some(role) => roles::update(server, &name, args, password.as_deref(), role)?,
        None => roles::create(server, &name, args, password.as_deref())?,
    };
    if !is_done {
        return Ok(returned(false, format!("Failed to {mode} user {name}")));
    }
    let changes = if update.is_empty() {
        json!("Present")
    } else {
        Value::Object(update)
    };
    let comment = format!("The user {name} has been {mode}d");
    Ok(changed(true, comment, json!({name: changes})))
}

/// What a role has otherwise than the arguments say.
fn differences(
    args: &Args,
    server: &Server,
    role: &Map<String, Value>,
    has_password: bool,
) -> Result<Map<String, Value>, Failure> {
    let mut update = Map::new();
    for (argument, column) in TRUTHS {
        let wanted = args.value(argument);
        if !wanted.is_null() && role.get(column) != Some(wanted) {
            update.insert(argument.to_owned(), wanted.clone());
        }
    }
    if has_password {
        update.insert("password".to_owned(), true.into());
    }
    if let Some(until) = args.optional_text("valid_until")? {
        let select = format!("SELECT {}::timestamp(0) as dt;", literal(&until));
        let rows = server.query(&select)?;
        let Some(row) = rows.first() else {
            return Err(Failure::command(format!(
                "the server does not read the time '{until}'"
            )));
        };
        let present = role.get("expiry time").and_then(Value::as_str);
        if roles::date(cell(row, "dt")) != present {
            update.insert("valid_until".to_owned(), until.into());
        }
    }
    let present: Vec<&str> = role
        .get("groups")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut groups = roles::groups(args);
    groups.retain(|group| !present.contains(&group.as_str()));
    if !groups.is_empty() {
        update.insert("groups".to_owned(), json!(groups));
    }
    Ok(update)
}
