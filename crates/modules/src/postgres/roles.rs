//! Roles of a server: users and groups.

use serde_json::{Map, Value, json};

use super::passwords::Kept;
use super::{Row, Server, cell, csv, literal, quoted};
use crate::failure::Failure;
use crate::python;
use crate::signature::Args;

/// Truths of a role, in the order of its statement, with the arguments that set them.
const FLAGS: [(&str, &str); 6] = [
    ("inherit", "INHERIT"),
    ("createdb", "CREATEDB"),
    ("createroles", "CREATEROLE"),
    ("superuser", "SUPERUSER"),
    ("replication", "REPLICATION"),
    ("login", "LOGIN"),
];

/// Truths that a role has, by the names of the columns.
const TRUTHS: [&str; 8] = [
    "superuser",
    "inherits privileges",
    "can create roles",
    "can create databases",
    "can update system catalogs",
    "can login",
    "replication",
    "connections",
];

/// All roles by name; none when the server does not answer.
pub(crate) fn list(
    server: &Server,
    with_passwords: bool,
) -> Result<Option<Map<String, Value>>, Failure> {
    let Some(version) = server.version()? else {
        return Ok(None);
    };
    let mut numbers = version
        .split(['.', ' '])
        .map(|part| part.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let column = |is_there, column| if is_there { column } else { "NULL" };
    let catalogs = column(version < (9, 5), "pg_roles.rolcatupdate");
    let replication = column(version >= (9, 1), "pg_roles.rolreplication");
    let (password, tables) = if with_passwords {
        (
            ", COALESCE(pg_shadow.passwd, pg_authid.rolpassword) as \"password\"",
            " LEFT JOIN pg_authid ON pg_roles.oid = pg_authid.oid LEFT JOIN pg_shadow ON pg_roles.oid = pg_shadow.usesysid",
        )
    } else {
        ("", "")
    };
    let rows = server.query(&format!(
        "SELECT pg_roles.rolname as \"name\", pg_roles.rolsuper as \"superuser\", pg_roles.rolinherit as \"inherits privileges\", \
         pg_roles.rolcreaterole as \"can create roles\", pg_roles.rolcreatedb as \"can create databases\", \
         {catalogs} as \"can update system catalogs\", pg_roles.rolcanlogin as \"can login\", {replication} as \"replication\", \
         pg_roles.rolconnlimit as \"connections\", (SELECT array_agg(pg_roles2.rolname) FROM pg_catalog.pg_auth_members \
         JOIN pg_catalog.pg_roles pg_roles2 ON (pg_auth_members.roleid = pg_roles2.oid) \
         WHERE pg_auth_members.member = pg_roles.oid) as \"groups\", pg_roles.rolvaliduntil::timestamp(0) as \"expiry time\", \
         pg_roles.rolconfig as \"defaults variables\"{password} FROM pg_roles{tables}"
    ))?;
    let role = |row: Row| (cell(&row, "name").to_owned(), role(&row, with_passwords));
    Ok(Some(rows.into_iter().map(role).collect()))
}

fn role(row: &Row, with_passwords: bool) -> Value {
    let mut role = Map::new();
    for column in TRUTHS {
        let truth = match cell(row, column) {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        };
        role.insert(column.to_owned(), json!(truth));
    }
    role.insert(
        "expiry time".to_owned(),
        json!(date(cell(row, "expiry time"))),
    );
    let config = row.get("defaults variables").cloned();
    role.insert("defaults variables".to_owned(), config.unwrap_or_default());
    if with_passwords {
        role.insert("password".to_owned(), cell(row, "password").into());
    }
    let groups = cell(row, "groups").trim_matches(['{', '}']);
    let groups = csv::read(groups).into_iter().next().unwrap_or_default();
    role.insert("groups".to_owned(), json!(groups));
    Value::Object(role)
}

/// A time that the server told; none for one that is no date, as `infinity`.
pub(crate) fn date(text: &str) -> Option<&str> {
    let is_digit = |place: usize| text.as_bytes().get(place).is_some_and(u8::is_ascii_digit);
    (text.len() == "2000-01-01 00:00:00".len() && is_digit(0) && is_digit(18)).then_some(text)
}

/// One role; none when there is none of this name, or no server that answers.
pub(crate) fn get(
    server: &Server,
    name: &str,
    with_password: bool,
) -> Result<Option<Map<String, Value>>, Failure> {
    let roles = list(server, with_password)?.unwrap_or_default();
    Ok(roles.get(name).and_then(Value::as_object).cloned())
}

/// Makes a user. The arguments are those of the state, the password is what the server is to keep.
pub(crate) fn create(
    server: &Server,
    name: &str,
    args: &Args,
    password: Option<&str>,
) -> Result<bool, Failure> {
    let words = flags(args, None);
    run(server, "CREATE", name, args, words, password)
}

/// Changes a user to what the arguments of the state say.
pub(crate) fn update(
    server: &Server,
    name: &str,
    args: &Args,
    password: Option<&str>,
    present: &Map<String, Value>,
) -> Result<bool, Failure> {
    let words = flags(args, Some(present));
    run(server, "ALTER", name, args, words, password)
}

/// The truths that are said, and for a new user those that Salt says of it. Only who is above all others may speak of that, so it
/// is not said again of a role that is there.
fn flags(args: &Args, present: Option<&Map<String, Value>>) -> Vec<String> {
    let mut words = Vec::new();
    for (argument, word) in FLAGS {
        let value = args.value(argument);
        let is_default = present.is_none() && ["inherit", "login"].contains(&argument);
        let is_said_again = argument == "superuser"
            && present.is_some_and(|role| role.get("superuser") == Some(value));
        if is_said_again || (value.is_null() && !is_default) {
            continue;
        }
        let no = if value.is_null() || python::truthy(value) {
            ""
        } else {
            "NO"
        };
        words.push(format!("{no}{word}"));
    }
    words
}

fn run(
    server: &Server,
    verb: &str,
    name: &str,
    args: &Args,
    mut words: Vec<String>,
    password: Option<&str>,
) -> Result<bool, Failure> {
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        let kept = Kept::of(args.value("encrypted"))?;
        let un = if kept == Kept::Plain { "UN" } else { "" };
        words.push(format!("{un}ENCRYPTED PASSWORD {}", literal(password)));
    }
    if let Some(until) = args.optional_text("valid_until")? {
        words.push(format!("VALID UNTIL {}", literal(&until)));
    }
    let mut statement = format!("{verb} ROLE {}", quoted(name));
    if !words.is_empty() {
        statement.push_str(&format!(" WITH {}", words.join(" ")));
    }
    for group in groups(args) {
        statement.push_str(&format!("; GRANT {} TO {}", quoted(&group), quoted(name)));
    }
    server.execute_unseen(&format!("{statement};"))
}

/// The groups that the arguments name.
pub(crate) fn groups(args: &Args) -> Vec<String> {
    match args.value("groups") {
        Value::Array(groups) => groups.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        text => python::text(text).split(',').map(str::to_owned).collect(),
    }
}

/// Drops a role.
pub(crate) fn remove(server: &Server, name: &str) -> Result<bool, Failure> {
    server.execute(&format!("DROP ROLE {}", quoted(name)))?;
    Ok(get(server, name, false)?.is_none())
}
