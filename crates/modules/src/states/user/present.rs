//! `user.present`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::changes::{TIMES, Wish};
use super::{Args, Failure, Return, StateAnswer, StateEnv, changed, returned};
use crate::accounts::{Accounts, DAYS, GECOS, NewUser, Shadow, UserInfo, crypt};
use crate::python;

/// Stands for a password wherever people read it.
pub(super) const REDACTED: &str = concat!("XX", "X-REDACTED-XX", "X");

/// Parameters that only other systems know.
const FOREIGN: [&str; 5] = [
    "loginclass",
    "win_homedrive",
    "win_profile",
    "win_logonscript",
    "win_description",
];

/// Names of crypt's algorithms by their numbers in a hash.
const ALGORITHMS: [(&str, &str); 4] = [
    ("1", "md5"),
    ("2a", "blowfish"),
    ("5", "sha256"),
    ("6", "sha512"),
];

pub(super) fn present(accounts: &Accounts, args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if let Some(foreign) = FOREIGN.iter().find(|parameter| args.flag(parameter)) {
        return Err(Failure::invocation(format!(
            "{foreign}: Linux does not have it"
        )));
    }
    for part in &GECOS[..3] {
        if let Some(text) = args.optional_text(part)?.filter(|text| text.contains(',')) {
            return Ok(returned(false, format!("Unsupported char ',' in {text}")));
        }
    }
    let list = |parameter: &str| (!args.value(parameter).is_null()).then(|| args.texts(parameter));
    let is_there = |group: &String| accounts.group(group).is_some();
    let mut groups = list("groups");
    let missing: Vec<String> = groups
        .iter()
        .flatten()
        .filter(|group| !is_there(group))
        .cloned()
        .collect();
    if !missing.is_empty() {
        if !env.is_test {
            return Ok(returned(
                false,
                format!(
                    "The following group(s) are not present: {}",
                    missing.join(",")
                ),
            ));
        }
        groups = groups.map(|groups| groups.into_iter().filter(|group| is_there(group)).collect());
    }
    let optional = list("optional_groups").filter(|groups| !groups.is_empty());
    let optional =
        optional.map(|groups| groups.into_iter().filter(|group| is_there(group)).collect());
    let mut wish = Wish {
        args,
        gid: if args.flag("usergroup") && is_there(&name) {
            json!(name)
        } else {
            args.value("gid").clone()
        },
        groups,
        optional_groups: optional,
        password: password(accounts, args)?,
        allows_numbers: false,
    };
    let changes = match wish.changes(accounts) {
        Ok(changes) => changes,
        Err(failure) => return Ok(returned(false, failure.to_string())),
    };
    let Some(changes) = changes else {
        return made(accounts, &wish, env, &missing);
    };
    if changes.is_empty() {
        return Ok(returned(
            true,
            format!("User {name} is present and up to date"),
        ));
    }
    if env.is_test {
        return Ok(returned(None, foretold(&changes, &missing)));
    }
    let (Some(before), old_shadow) = (accounts.user(&name), accounts.shadow(&name)) else {
        return Ok(returned(false, format!("User {name} is gone")));
    };
    change(accounts, &wish, &before, changes)?;
    let mut answer = returned(true, format!("User {name} is present and up to date"));
    answer.changes = differences(accounts, &before, old_shadow.as_ref());
    if !answer.changes.is_empty() {
        answer.comment = format!("Updated user {name}");
    }
    wish.gid = args.value("gid").clone();
    wish.allows_numbers = true;
    if let Some(mut left) = wish.changes(accounts)?.filter(|left| !left.is_empty()) {
        if let Some(hash) = left.get_mut("passwd") {
            *hash = json!(REDACTED);
        }
        answer.result = Some(false);
        answer.comment = format!(
            "These values could not be changed: {}",
            python::map_repr(&left)
        );
    }
    Ok(answer)
}

/// The hash of the password that is asked for; one that is hashed here keeps the salt that it has.
fn password(accounts: &Accounts, args: &Args) -> Result<Option<String>, Failure> {
    let Some(password) = args
        .optional_text("password")?
        .filter(|password| !password.is_empty())
    else {
        return Ok(None);
    };
    if !args.flag("hash_password") {
        return Ok(Some(password));
    }
    let known = accounts
        .shadow(&args.text("name")?)
        .map(|shadow| shadow.passwd)
        .unwrap_or_default();
    let parts: Vec<&str> = known.split('$').collect();
    let hash = match parts[..] {
        ["", number, salt, _] => {
            let algorithm = ALGORITHMS
                .iter()
                .find(|(known, _)| *known == number)
                .map_or("sha512", |(_, name)| name);
            crypt::hashed(&password, Some(salt), algorithm)?
        }
        _ => crypt::hashed(&password, None, "sha512")?,
    };
    Ok(Some(hash))
}

fn foretold(changes: &Map<String, Value>, missing: &[String]) -> String {
    let mut comment = "The following user attributes are set to be changed:\n".to_owned();
    for (name, value) in changes {
        let value = if name == "passwd" {
            REDACTED.to_owned()
        } else {
            python::text(value)
        };
        comment += &format!("{name}: {value}\n");
    }
    if !missing.is_empty() {
        comment += &format!("groups (pending creation): {}\n", missing.join(","));
    }
    comment
}

fn change(
    accounts: &Accounts,
    wish: &Wish,
    before: &UserInfo,
    changes: Map<String, Value>,
) -> Result<(), Failure> {
    let name = before.name.as_str();
    let text = |key: &str| changes.get(key).map(python::text);
    if let (Some(_), Some(hash)) = (changes.get("passwd"), &wish.password) {
        accounts.set_password(name, hash)?;
    }
    if changes.contains_key("empty_password") {
        accounts.delete_password(name)?;
    }
    if let Some(lock) = changes.get("password_lock") {
        accounts.set_locked(name, python::truthy(lock))?;
    }
    let persist: &[&str] = if wish.args.flag("persist_home") {
        &["-m"]
    } else {
        &[]
    };
    let missing_home = text("homeDoesNotExist");
    if let Some(home) =
        text("home").or_else(|| missing_home.clone().filter(|home| *home != before.home))
    {
        accounts.modify(name, &[persist, &["-d", &home]].concat())?;
    }
    if let Some(home) = missing_home.filter(|home| !Path::new(home).is_dir()) {
        make_home(&home, before)?;
    }
    for (which, parameter) in DAYS.iter().zip(TIMES) {
        if let Some(days) = text(parameter) {
            accounts.set_days(name, which, &days)?;
        }
    }
    for (key, option) in [("uid", "-u"), ("gid", "-g"), ("shell", "-s")] {
        if let Some(value) = text(key) {
            accounts.modify(name, &[option, &value])?;
        }
    }
    for part in GECOS {
        if let Some(value) = text(part) {
            accounts.set_gecos(name, part, &value)?;
        }
    }
    if let Some(groups) = changes.get("groups").and_then(Value::as_array) {
        let groups: Vec<String> = groups.iter().map(python::text).collect();
        accounts.set_groups(name, &groups, !wish.args.flag("remove_groups"))?;
    }
    Ok(())
}

fn make_home(home: &str, user: &UserInfo) -> Result<(), Failure> {
    let failed = |error| Failure::io(home, error);
    fs::create_dir_all(home).map_err(failed)?;
    fs::set_permissions(home, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    chown(home, Some(user.uid), Some(user.gid)).map_err(failed)
}

fn differences(
    accounts: &Accounts,
    before: &UserInfo,
    old_shadow: Option<&Shadow>,
) -> Map<String, Value> {
    let mut changes = Map::new();
    let after = accounts
        .user(&before.name)
        .map(|user| user.shown())
        .unwrap_or_default();
    let before_shown = before.shown();
    for (key, value) in after.as_object().into_iter().flatten() {
        if before_shown[key] != *value {
            changes.insert(key.clone(), value.clone());
        }
    }
    let (old, new) = (
        Shadow::shown(old_shadow),
        Shadow::shown(accounts.shadow(&before.name).as_ref()),
    );
    for (key, value) in new.as_object().into_iter().flatten() {
        if old[key] != *value {
            changes.insert(
                key.clone(),
                if key == "passwd" {
                    json!(REDACTED)
                } else {
                    value.clone()
                },
            );
        }
    }
    changes
}

fn made(accounts: &Accounts, wish: &Wish, env: &StateEnv, missing: &[String]) -> StateAnswer {
    let args = wish.args;
    let name = args.text("name")?;
    if env.is_test {
        let pending = if missing.is_empty() {
            String::new()
        } else {
            format!(" (pending groups: {})", missing.join(","))
        };
        return Ok(returned(
            None,
            format!("User {name} set to be added{pending}"),
        ));
    }
    let mut groups = wish.groups.clone();
    if let Some(optional) = &wish.optional_groups {
        groups
            .get_or_insert_default()
            .extend(optional.iter().cloned());
    }
    let new = NewUser {
        groups,
        ..NewUser::of(args)?
    };
    if !accounts.add_user(&new)? {
        return Ok(returned(false, format!("Failed to create new user {name}")));
    }
    let shown = accounts
        .user(&name)
        .map(|user| user.shown())
        .unwrap_or_default();
    let mut answer = changed(true, format!("New user {name} created"), shown);
    if !args.flag("createhome") {
        answer.changes.insert("home".to_owned(), json!(""));
    }
    set_new_password(accounts, wish, &name, &mut answer)?;
    Ok(answer)
}

/// Sets password and times of a user that was just made.
fn set_new_password(
    accounts: &Accounts,
    wish: &Wish,
    name: &str,
    answer: &mut Return,
) -> Result<(), Failure> {
    let args = wish.args;
    let is_emptied = args.flag("empty_password");
    let fail = |answer: &mut Return, text: &str| {
        answer.comment = format!("User {name} created but failed to {text}");
        answer.result = Some(false);
    };
    match &wish.password {
        Some(hash) if !is_emptied => {
            if !accounts.set_password(name, hash)? {
                fail(answer, &format!("set password to {REDACTED}"));
            }
            answer
                .changes
                .insert("password".to_owned(), json!(REDACTED));
        }
        None if is_emptied => {
            if !accounts.delete_password(name)? {
                fail(answer, "empty password");
            }
            answer.changes.insert("password".to_owned(), json!(""));
        }
        _ => {}
    }
    let told = [
        "last change date",
        "minimum days",
        "maximum days",
        "warn days",
        "inactive days",
        "expire days",
    ];
    for (at, parameter) in TIMES.iter().enumerate() {
        let value = args.value(parameter);
        let is_said = if *parameter == "date" {
            !value.is_null()
        } else {
            python::truthy(value)
        };
        if !is_said {
            continue;
        }
        accounts.set_days(name, DAYS[at], &python::text(value))?;
        if accounts
            .shadow(name)
            .map(|shadow| json!(shadow.days[at]))
            .as_ref()
            != Some(value)
        {
            fail(
                answer,
                &format!("set {} to {}", told[at], python::text(value)),
            );
        }
        answer
            .changes
            .insert((*parameter).to_owned(), value.clone());
    }
    Ok(())
}
