//! What has to change in a user that is there.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Args, Failure};
use crate::accounts::{Accounts, DAYS, GECOS, UserInfo};
use crate::nested::nested;
use crate::python;

/// What stands for the password of a user that never had one.
const NO_PASSWORD: &str = "!";

/// Parameters for the times of a password, in the order of [`DAYS`].
pub(super) const TIMES: [&str; 6] = [
    "date",
    "mindays",
    "maxdays",
    "warndays",
    "inactdays",
    "expire",
];

/// The order in which times are compared and told.
const TOLD: [usize; 6] = [0, 1, 2, 4, 3, 5];

/// What a state wants, after groups and password were looked at.
pub(super) struct Wish<'a> {
    pub(super) args: &'a Args<'a>,
    pub(super) gid: Value,
    pub(super) groups: Option<Vec<String>>,
    /// Those of the optional groups that are there.
    pub(super) optional_groups: Option<Vec<String>>,
    /// The hash.
    pub(super) password: Option<String>,
    /// Numbers may change.
    pub(super) allows_numbers: bool,
}

impl Wish<'_> {
    /// The differences by name; nothing when there is no such user. An error when a number would change that may not.
    pub(super) fn changes(
        &self,
        accounts: &Accounts,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let args = self.args;
        let Some(user) = accounts.user(&args.text("name")?) else {
            return Ok(None);
        };
        let mut changes = Map::new();
        let mut add = |name: &str, value: Value| drop(changes.insert(name.to_owned(), value));
        let uid = args.value("uid");
        if python::truthy(uid) && *uid != json!(user.uid) {
            add("uid", uid.clone());
        }
        let gid = self.number_of_group(accounts);
        if !self.gid.is_null() && self.gid != json!(user.gid) && gid != Some(user.gid) {
            add("gid", self.gid.clone());
        }
        if let Some(groups) = self.changed_groups(accounts, &user, gid) {
            add("groups", json!(groups));
        }
        let home = args.optional_text("home")?.filter(|home| !home.is_empty());
        if home.as_ref().is_some_and(|home| *home != user.home) {
            add("home", json!(home));
        }
        let wanted_home = home.unwrap_or_else(|| user.home.clone());
        if args.flag("createhome") && !Path::new(&wanted_home).is_dir() {
            add("homeDoesNotExist", json!(wanted_home));
        }
        let shell = args
            .optional_text("shell")?
            .filter(|shell| !shell.is_empty());
        if shell.as_ref().is_some_and(|shell| *shell != user.shell) {
            add("shell", json!(shell));
        }
        self.add_shadow(accounts, &user.name, &mut add);
        for (part, is) in GECOS.iter().zip(&user.gecos) {
            if let Some(wanted) = args.optional_text(part)?
                && wanted != *is
            {
                add(part, json!(wanted));
            }
        }
        self.refuse_numbers(&changes, &user)?;
        Ok(Some(changes))
    }

    fn number_of_group(&self, accounts: &Accounts) -> Option<u32> {
        match &self.gid {
            Value::String(name) => accounts
                .group(name)
                .map(|group| group.gid)
                .or_else(|| name.parse().ok()),
            number => number
                .as_u64()
                .and_then(|number| u32::try_from(number).ok()),
        }
    }

    /// The groups that the user should be in beside the primary one, where they differ.
    fn changed_groups(
        &self,
        accounts: &Accounts,
        user: &UserInfo,
        gid: Option<u32>,
    ) -> Option<Vec<String>> {
        let removes = self.args.flag("remove_groups");
        let has_optional = self
            .optional_groups
            .as_ref()
            .is_some_and(|groups| !groups.is_empty());
        let said = self.groups.iter().chain(&self.optional_groups).flatten();
        let mut wanted: BTreeSet<String> = said.cloned().collect();
        if !removes || (self.groups.is_none() && !has_optional) {
            wanted.extend(user.groups.iter().cloned());
        }
        let mut current: BTreeSet<String> = user.groups.iter().cloned().collect();
        let primary = accounts.group_name(gid.unwrap_or(user.gid));
        let old_primary = accounts.group_name(user.gid);
        for group in primary.iter() {
            current.remove(group);
            wanted.remove(group);
        }
        if let Some(group) = old_primary.filter(|old| Some(old) != primary.as_ref()) {
            current.remove(&group);
        }
        // A group of the user's own name is not to be left by chance.
        if !wanted.contains(&user.name) {
            current.remove(&user.name);
        }
        if current == wanted || (!removes && wanted.is_subset(&current)) {
            return None;
        }
        let number = |name: &String| accounts.group(name).map(|group| group.gid);
        let differing: Vec<&String> = if removes {
            wanted.symmetric_difference(&current).collect()
        } else {
            wanted.difference(&current).collect()
        };
        // Two names of one number are one group.
        let all: BTreeSet<&String> = wanted.union(&current).collect();
        let is_alone = |name: &&String| {
            !all.iter()
                .any(|other| *other != *name && number(other) == number(name))
        };
        (differing.iter().any(is_alone) && (!wanted.is_empty() || removes))
            .then(|| wanted.into_iter().collect())
    }

    fn add_shadow(&self, accounts: &Accounts, name: &str, add: &mut impl FnMut(&str, Value)) {
        let args = self.args;
        let shadow = accounts.shadow(name);
        let hash = shadow
            .as_ref()
            .map(|shadow| shadow.passwd.as_str())
            .unwrap_or_default();
        let is_emptied = args.flag("empty_password");
        if let Some(password) = self.password.as_ref().filter(|_| !is_emptied)
            && (hash == NO_PASSWORD || args.flag("enforce_password"))
            && hash != password
        {
            add("passwd", json!(password));
        }
        if is_emptied && !hash.is_empty() {
            add("empty_password", json!(true));
        }
        for at in TOLD {
            let wanted = args.value(TIMES[at]);
            let is_said = if DAYS[at] == "expire" {
                python::truthy(wanted)
            } else {
                !wanted.is_null()
            };
            let stands = shadow.as_ref().map(|shadow| json!(shadow.days[at]));
            if is_said && stands.as_ref() != Some(wanted) {
                add(TIMES[at], wanted.clone());
            }
        }
        let is_locked = hash.starts_with('!');
        let lock = args.value("password_lock");
        if (python::truthy(lock) && !is_locked) || (*lock == json!(false) && is_locked) {
            add("password_lock", lock.clone());
        }
    }

    fn refuse_numbers(&self, changes: &Map<String, Value>, user: &UserInfo) -> Result<(), Failure> {
        let mut errors = Vec::new();
        for (name, now, permission) in [
            ("uid", user.uid, "allow_uid_change"),
            ("gid", user.gid, "allow_gid_change"),
        ] {
            if let Some(wanted) = changes.get(name)
                && !self.allows_numbers
                && !self.args.flag(permission)
            {
                errors.push(format!(
                    "Changing {name} ({now} -> {}) not permitted, set {permission} to True to force this change. Note that this will not \
                     change file ownership.",
                    python::text(wanted)
                ));
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let text = "Encountered error checking for needed changes. Additional info follows:\n\n";
        Err(Failure::Command(format!(
            "{text}{}",
            nested(&json!(errors))
        )))
    }
}
