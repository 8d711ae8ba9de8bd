//! `group`: groups that are to be there or not.

use serde_json::{Map, Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::accounts::Accounts;
use crate::python;

const PRESENT: &str = "name, gid=None, system=False, addusers=None, delusers=None, members=None, non_unique=False, local=False";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "group.absent",
        "name, local=False",
        "Remove a group.",
        |args, env| absent(&Accounts::new(env.env, None, args.flag("local")), args, env),
    ),
    StateFunction::new(
        "group.present",
        PRESENT,
        "Make a group, or change it. gid: its number. system: a number of system groups. members: all its members; or addusers and \
         delusers. non_unique: the number may be taken. local: by libuser.",
        |args, env| present(&Accounts::new(env.env, None, args.flag("local")), args, env),
    ),
];

/// A list of users; nothing where the state says nothing of it.
fn users(args: &Args, parameter: &str) -> Option<Vec<String>> {
    (!args.value(parameter).is_null()).then(|| {
        args.texts(parameter)
            .into_iter()
            .filter(|user| !user.is_empty())
            .collect()
    })
}

/// What has to change in a group.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    gid: Option<u32>,
    members: Option<Vec<String>>,
    addusers: Vec<String>,
    delusers: Vec<String>,
    /// All members go: Salt shows them as a set.
    is_emptied: bool,
}

impl Changes {
    fn of(accounts: &Accounts, args: &Args) -> Result<Option<Changes>, Failure> {
        let Some(group) = accounts.group(&args.text("name")?) else {
            return Ok(None);
        };
        let mut changes = Changes::default();
        if python::truthy(args.value("gid")) {
            let gid = number(args)?;
            changes.gid = (group.gid != gid).then_some(gid);
        }
        let is_in = |user: &String| group.members.contains(user);
        match users(args, "members") {
            Some(members) if members.is_empty() && !group.members.is_empty() => {
                changes.delusers = group.members.clone();
                changes.is_emptied = true;
            }
            Some(members) => {
                let is_same = members.iter().all(is_in)
                    && group.members.iter().all(|member| members.contains(member));
                changes.members = (!is_same).then_some(members);
            }
            None => {}
        }
        changes.addusers = users(args, "addusers")
            .unwrap_or_default()
            .into_iter()
            .filter(|user| !is_in(user))
            .collect();
        if let Some(users) = users(args, "delusers") {
            changes
                .delusers
                .extend(users.into_iter().filter(|user| is_in(user)));
        }
        Ok(Some(changes))
    }

    fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        let mut add = |name: &str, value: Value| {
            if python::truthy(&value) {
                shown.insert(name.to_owned(), value);
            }
        };
        add("gid", json!(self.gid));
        if self.is_emptied {
            add("delusers", json!(self.delusers));
        }
        add("members", json!(self.members));
        add("addusers", json!(self.addusers));
        add("delusers", json!(self.delusers));
        shown
    }

    fn told(&self) -> String {
        let mut told = "The following group attributes are set to be changed:\n".to_owned();
        for (name, value) in self.shown() {
            let mut text = python::text(&value);
            if self.is_emptied && name == "delusers" {
                text = format!("{{{}}}", text.trim_matches(['[', ']']));
            }
            told += &format!("{name}: {text}\n");
        }
        told
    }

    fn is_empty(&self) -> bool {
        self.shown().is_empty()
    }
}

fn number(args: &Args) -> Result<u32, Failure> {
    args.integer("gid")
        .ok()
        .and_then(|gid| u32::try_from(gid).ok())
        .ok_or_else(|| Failure::command("Invalid gid"))
}

fn present(accounts: &Accounts, args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let (members, added, deleted) = (
        users(args, "members"),
        users(args, "addusers"),
        users(args, "delusers"),
    );
    if members.is_some() && (added.is_some() || deleted.is_some()) {
        let text = "Error: Conflicting options \"members\" with \"addusers\" and/or \"delusers\" can not be used together. ";
        return Ok(returned(None, text));
    }
    if let (Some(added), Some(deleted)) = (&added, &deleted)
        && added.iter().any(|user| deleted.contains(user))
    {
        return Ok(returned(
            None,
            "Error. Same user(s) can not be added and deleted simultaneously",
        ));
    }
    let Some(changes) = Changes::of(accounts, args)? else {
        return made(
            accounts,
            args,
            env,
            &members.filter(|members| !members.is_empty()).or(added),
        );
    };
    if changes.is_empty() {
        return Ok(returned(
            true,
            format!("Group {name} is present and up to date"),
        ));
    }
    let told = changes.told();
    if env.is_test {
        return Ok(returned(None, told));
    }
    if let Some(gid) = changes.gid {
        accounts.set_group_number(&name, gid, args.flag("non_unique"))?;
    }
    for user in &changes.addusers {
        accounts.add_member(&name, user)?;
    }
    for user in &changes.delusers {
        accounts.delete_member(&name, user)?;
    }
    if let Some(members) = &changes.members {
        accounts.set_members(&name, &members.join(","))?;
    }
    match Changes::of(accounts, args)? {
        Some(left) if left.is_empty() => Ok(changed(
            true,
            told,
            json!({"Final": "All changes applied successfully"}),
        )),
        left => {
            let left = left.map(|left| left.shown());
            Ok(changed(
                false,
                format!("{told}Some changes could not be applied"),
                json!({"Failed": left}),
            ))
        }
    }
}

fn made(
    accounts: &Accounts,
    args: &Args,
    env: &StateEnv,
    members: &Option<Vec<String>>,
) -> StateAnswer {
    let name = args.text("name")?;
    if env.is_test {
        return Ok(returned(None, format!("Group {name} set to be added")));
    }
    // Zero is a number too, and taken.
    let gid = Some(args.value("gid"))
        .filter(|gid| !gid.is_null())
        .map(|_| number(args))
        .transpose()?;
    let non_unique = args.flag("non_unique");
    if let Some(gid) = gid.filter(|_| !non_unique)
        && let Some(other) = accounts.groups().into_iter().find(|group| group.gid == gid)
    {
        let text = format!(
            "Group {name} is not present but gid {gid} is already taken by group {}",
            other.name
        );
        return Ok(returned(false, text));
    }
    let gid = gid.map(|gid| gid.to_string());
    if !accounts.add_group(&name, gid.as_deref(), args.flag("system"), non_unique)? {
        return Ok(returned(
            false,
            format!("Failed to create new group {name}"),
        ));
    }
    if let Some(members) = members.as_ref().filter(|members| !members.is_empty()) {
        accounts.set_members(&name, &members.join(","))?;
    }
    let left = Changes::of(accounts, args)?
        .map(|left| left.shown())
        .unwrap_or_default();
    if !left.is_empty() {
        let text = format!("Group {name} has been created but, some changes could not be applied");
        return Ok(changed(false, text, json!({"Failed": left})));
    }
    let shown = accounts
        .group(&name)
        .map(|group| group.shown())
        .unwrap_or_default();
    Ok(changed(true, format!("New group {name} created"), shown))
}

fn absent(accounts: &Accounts, args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if accounts.group(&name).is_none() {
        return Ok(returned(true, "Group not present"));
    }
    if env.is_test {
        return Ok(returned(None, format!("Group {name} is set for removal")));
    }
    if accounts.delete_group(&name)? {
        Ok(changed(
            true,
            format!("Removed group {name}"),
            json!({ name: "" }),
        ))
    } else {
        Ok(returned(false, format!("Failed to remove group {name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::fake::{self, Fake};
    use crate::testing::Host;

    #[test]
    fn groups_are_made_changed_and_removed() {
        if !fake::is_possible() {
            return;
        }
        let fake = Fake::new();
        fake.write(
            "etc/passwd",
            "root:x:0:0::/:/bin/sh\na:x:1001:0::/:/bin/sh\nb:x:1002:0::/:/bin/sh\n",
        );
        let accounts = fake.accounts();
        let check =
            |args: Value, is_test: bool, result: Option<bool>, comment: &str, changes: Value| {
                let answer = Host::new()
                    .with_state(PRESENT, args, is_test, |args, env| {
                        present(&accounts, args, env)
                    })
                    .unwrap();
                assert_eq!(
                    (
                        answer.result,
                        answer.comment.as_str(),
                        Value::Object(answer.changes)
                    ),
                    (result, comment, changes)
                );
            };
        let web = || json!({"name": "web", "gid": 2000, "members": ["a"]});
        check(web(), true, None, "Group web set to be added", json!({}));
        let made = json!({"name": "web", "passwd": "x", "gid": 2000, "members": ["a"]});
        check(web(), false, Some(true), "New group web created", made);
        check(
            web(),
            false,
            Some(true),
            "Group web is present and up to date",
            json!({}),
        );
        let both = json!({"name": "web", "gid": 2001, "addusers": ["b"], "delusers": ["a"]});
        let told = "The following group attributes are set to be changed:\ngid: 2001\naddusers: ['b']\ndelusers: ['a']\n";
        check(both.clone(), true, None, told, json!({}));
        check(
            both,
            false,
            Some(true),
            told,
            json!({"Final": "All changes applied successfully"}),
        );
        let none = json!({"name": "web", "members": []});
        let told = "The following group attributes are set to be changed:\ndelusers: {'b'}\n";
        check(
            none.clone(),
            false,
            Some(true),
            told,
            json!({"Final": "All changes applied successfully"}),
        );
        check(
            none,
            false,
            Some(true),
            "Group web is present and up to date",
            json!({}),
        );
        let taken = "Group other is not present but gid 2001 is already taken by group web";
        check(
            json!({"name": "other", "gid": 2001}),
            false,
            Some(false),
            taken,
            json!({}),
        );
        accounts.add_group("root", Some("0"), false, false).unwrap();
        check(
            json!({"name": "other", "gid": 0}),
            false,
            Some(false),
            "Group other is not present but gid 0 is already taken by group root",
            json!({}),
        );
        let odd = "Error: Conflicting options \"members\" with \"addusers\" and/or \"delusers\" can not be used together. ";
        check(
            json!({"name": "web", "members": ["a"], "addusers": ["b"]}),
            false,
            None,
            odd,
            json!({}),
        );
        let gone = |is_test| {
            let args = json!({"name": "web"});
            Host::new()
                .with_state("name, local=False", args, is_test, |args, env| {
                    absent(&accounts, args, env)
                })
                .unwrap()
        };
        assert_eq!(gone(true).comment, "Group web is set for removal");
        assert_eq!(Value::Object(gone(false).changes), json!({"web": ""}));
        assert_eq!(gone(false).comment, "Group not present");
    }
}
