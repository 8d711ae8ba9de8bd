//! `user` and `group`: reading accounts.

use std::ffi::CString;
use std::fs;

use nix::unistd::{Gid, Group, User, getgrouplist};
use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "group.getent",
        "",
        "All groups of /etc/group with their members.",
        "group.getent",
        |_, _| {
            Ok(names("/etc/group")?
                .iter()
                .filter_map(|name| group_info(name))
                .collect())
        },
    ),
    Function::new(
        "group.info",
        "name",
        "Number and members of a group, an empty dictionary when there is none.",
        "group.info adm",
        |args, _| Ok(group_info(&args.text("name")?).unwrap_or_else(|| json!({}))),
    ),
    Function::new(
        "user.getent",
        "",
        "All users of /etc/passwd.",
        "user.getent",
        |_, _| {
            Ok(names("/etc/passwd")?
                .iter()
                .filter_map(|name| user_info(name))
                .collect())
        },
    ),
    Function::new(
        "user.info",
        "name",
        "What is known of a user: numbers, groups, home, shell, full name. An empty dictionary when there is none.",
        "user.info root",
        |args, _| Ok(user_info(&args.text("name")?).unwrap_or_else(|| json!({}))),
    ),
    Function::new(
        "user.list_groups",
        "name",
        "The groups that a user is in.",
        "user.list_groups foo",
        list_groups,
    ),
    Function::new(
        "user.list_users",
        "",
        "The names of all users of /etc/passwd.",
        "user.list_users",
        |_, _| {
            let mut names = names("/etc/passwd")?;
            names.sort();
            Ok(json!(names))
        },
    ),
    Function::new(
        "user.primary_group",
        "name",
        "The primary group of a user.",
        "user.primary_group root",
        |args, _| {
            let user = User::from_name(&args.text("name")?).ok().flatten();
            let group = user.and_then(|user| Group::from_gid(user.gid).ok().flatten());
            Ok(group.map_or_else(|| json!(""), |group| json!(group.name)))
        },
    ),
];

/// The first fields of a file of accounts. Directories of a whole company (LDAP) are not listed, only asked by name.
fn names(path: &str) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::io(path, error))?;
    let names = text.lines().filter_map(|line| line.split(':').next());
    Ok(names
        .filter(|name| !name.is_empty() && !name.starts_with(['#', '+', '-']))
        .map(str::to_owned)
        .collect())
}

fn list_groups(args: &Args, _: &Env) -> Answer {
    let user = User::from_name(&args.text("name")?).ok().flatten();
    Ok(json!(
        user.map(|user| group_names(&user)).unwrap_or_default()
    ))
}

fn group_names(user: &User) -> Vec<String> {
    let name = CString::new(user.name.as_str()).unwrap_or_default();
    let ids: Vec<Gid> = getgrouplist(&name, user.gid).unwrap_or_default();
    let mut names: Vec<String> = ids
        .into_iter()
        .filter_map(|id| Group::from_gid(id).ok().flatten())
        .map(|group| group.name)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn user_info(name: &str) -> Option<Value> {
    let user = User::from_name(name).ok().flatten()?;
    let gecos = user.gecos.to_string_lossy().into_owned();
    let mut gecos = gecos.splitn(5, ',').map(str::to_owned);
    let mut field = || gecos.next().unwrap_or_default();
    Some(json!({
        "gid": user.gid.as_raw(),
        "groups": group_names(&user),
        "home": user.dir.to_string_lossy(),
        "name": user.name,
        "passwd": user.passwd.to_string_lossy(),
        "shell": user.shell.to_string_lossy(),
        "uid": user.uid.as_raw(),
        "fullname": field(),
        "roomnumber": field(),
        "workphone": field(),
        "homephone": field(),
        "other": field(),
    }))
}

fn group_info(name: &str) -> Option<Value> {
    let group = Group::from_name(name).ok().flatten()?;
    Some(json!({
        "name": group.name,
        "passwd": group.passwd.to_string_lossy(),
        "gid": group.gid.as_raw(),
        "members": group.mem,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn root_is_known() {
        let host = Host::new();
        let call = |fun: &str, name: &str| host.call(Call::new(fun).arg(name)).value;
        let root = call("user.info", "root");
        assert_eq!(
            (&root["uid"], &root["gid"], &root["name"]),
            (&json!(0), &json!(0), &json!("root"))
        );
        assert!(root["groups"].as_array().unwrap().contains(&json!("root")));
        assert_eq!(call("user.primary_group", "root"), json!("root"));
        assert_eq!(call("group.info", "root")["gid"], json!(0));
        for fun in ["user.info", "group.info"] {
            assert_eq!(call(fun, "no-such-name"), json!({}));
        }
        assert_eq!(call("user.list_groups", "no-such-name"), json!([]));
        let users = host.call(Call::new("user.list_users")).value;
        assert!(users.as_array().unwrap().contains(&json!("root")));
        assert_eq!(
            host.call(Call::new("user.getent"))
                .value
                .as_array()
                .unwrap()
                .len(),
            users.as_array().unwrap().len()
        );
        assert!(
            !host
                .call(Call::new("group.getent"))
                .value
                .as_array()
                .unwrap()
                .is_empty()
        );
    }
}
