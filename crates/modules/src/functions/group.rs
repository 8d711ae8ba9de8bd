//! `group`: groups, read and changed.

use serde_json::json;

use super::{Args, Env, Failure, Function};
use crate::accounts::Accounts;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "group.add",
        "name, gid=None, system=False, root=None, non_unique=False, local=False",
        "Make a group. system: a number of system groups. non_unique: the number may be taken. local: by libuser.",
        "group.add foo 3456",
        |args, env| {
            let gid = Some(args.value("gid"))
                .filter(|gid| python::truthy(gid))
                .map(python::text);
            let (is_system, non_unique) = (args.flag("system"), args.flag("non_unique"));
            Ok(json!(accounts(args, env)?.add_group(
                &args.text("name")?,
                gid.as_deref(),
                is_system,
                non_unique
            )?))
        },
    ),
    Function::new(
        "group.adduser",
        "name, username, root=None",
        "Put a user into a group.",
        "group.adduser foo bar",
        |args, env| {
            Ok(json!(accounts(args, env)?.add_member(
                &args.text("name")?,
                &args.text("username")?
            )?))
        },
    ),
    Function::new(
        "group.chgid",
        "name, gid, root=None, non_unique=False",
        "Give a group another number.",
        "group.chgid foo 4376",
        |args, env| {
            let gid = u32::try_from(args.integer("gid")?)
                .map_err(|_| Failure::invocation("gid is no number of a group"))?;
            Ok(json!(accounts(args, env)?.set_group_number(
                &args.text("name")?,
                gid,
                args.flag("non_unique")
            )?))
        },
    ),
    Function::new(
        "group.delete",
        "name, root=None, local=False",
        "Remove a group.",
        "group.delete foo",
        |args, env| {
            Ok(json!(
                accounts(args, env)?.delete_group(&args.text("name")?)?
            ))
        },
    ),
    Function::new(
        "group.deluser",
        "name, username, root=None",
        "Take a user out of a group.",
        "group.deluser foo bar",
        |args, env| {
            Ok(json!(accounts(args, env)?.delete_member(
                &args.text("name")?,
                &args.text("username")?
            )?))
        },
    ),
    Function::new(
        "group.getent",
        "refresh=False, root=None",
        "All groups of /etc/group with their members.",
        "group.getent",
        |args, env| {
            Ok(accounts(args, env)?
                .groups()
                .iter()
                .map(|group| group.shown())
                .collect())
        },
    ),
    Function::new(
        "group.info",
        "name, root=None",
        "Number and members of a group, an empty dictionary when there is none.",
        "group.info adm",
        |args, env| {
            Ok(accounts(args, env)?
                .group(&args.text("name")?)
                .map_or_else(|| json!({}), |group| group.shown()))
        },
    ),
    Function::new(
        "group.members",
        "name, members_list, root=None",
        "Set all members of a group, with commas between.",
        "group.members foo 'user1,user2,user3'",
        |args, env| {
            let members = args.texts("members_list").join(",");
            Ok(json!(
                accounts(args, env)?.set_members(&args.text("name")?, &members)?
            ))
        },
    ),
];

fn accounts<'a>(args: &Args, env: &'a Env<'a>) -> Result<Accounts<'a>, Failure> {
    Ok(Accounts::new(
        env,
        args.optional_text("root")?,
        args.flag("local"),
    ))
}
