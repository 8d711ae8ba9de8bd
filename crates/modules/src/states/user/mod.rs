//! `user`: users that are to be there or not.

mod changes;
mod present;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::accounts::Accounts;

const PRESENT: &str = "name, uid=None, gid=None, usergroup=None, groups=None, optional_groups=None, remove_groups=True, home=None, \
    createhome=True, persist_home=False, password=None, hash_password=False, enforce_password=True, empty_password=False, shell=None, \
    unique=True, system=False, fullname=None, roomnumber=None, workphone=None, homephone=None, other=None, loginclass=None, date=None, \
    mindays=None, maxdays=None, inactdays=None, warndays=None, expire=None, win_homedrive=None, win_profile=None, \
    win_logonscript=None, win_description=None, nologinit=False, allow_uid_change=False, allow_gid_change=False, password_lock=None, \
    local=False";
const ABSENT: &str = "name, purge=False, force=False, local=False";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "user.absent",
        ABSENT,
        "Remove a user. purge: home and mailbox too. force: also when it is logged in. local: by libuser.",
        |args, env| absent(&Accounts::new(env.env, None, args.flag("local")), args, env),
    ),
    StateFunction::new(
        "user.present",
        PRESENT,
        "Make a user, or change it. password: its hash, or with hash_password the password itself; with enforce_password=False only the \
         first one. groups: its groups beside the primary one, which have to be there; optional_groups: those that may. \
         remove_groups=False: keep others. usergroup: a group of the same name. date, mindays, maxdays, inactdays, warndays, expire: \
         the times of the password. allow_uid_change, allow_gid_change: numbers may change, files keep theirs.",
        |args, env| present::present(&Accounts::new(env.env, None, args.flag("local")), args, env),
    ),
];

fn absent(accounts: &Accounts, args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let Some(user) = accounts.user(&name) else {
        return Ok(returned(true, format!("User {name} is not present")));
    };
    if env.is_test {
        return Ok(returned(None, format!("User {name} set for removal")));
    }
    if !accounts.delete_user(&name, args.flag("purge"), args.flag("force"))? {
        return Ok(returned(false, format!("Failed to remove user {name}")));
    }
    let gone = user
        .groups
        .iter()
        .filter(|group| accounts.group(group).is_none());
    let mut changes: Map<String, Value> = gone
        .map(|group| (format!("{group} group"), json!("removed")))
        .collect();
    changes.insert(name.clone(), json!("removed"));
    Ok(changed(true, format!("Removed user {name}"), changes))
}
