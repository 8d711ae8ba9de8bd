//! `user`: users, read and changed.

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::accounts::{Accounts, NewUser};
use crate::python;

/// A function that changes a part of the comment.
macro_rules! gecos {
    ($name:literal, $part:literal, $what:literal) => {
        Function::new(
            concat!("user.ch", $part),
            concat!("name, ", $part, ", root=None"),
            concat!("Change ", $what, " of a user."),
            concat!("user.ch", $part, " foo '", $name, "'"),
            |args, env| {
                let value = args.optional_text($part)?.unwrap_or_default();
                Ok(json!(accounts(args, env)?.set_gecos(
                    &args.text("name")?,
                    $part,
                    &value
                )?))
            },
        )
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "user.add",
        "name, uid=None, gid=None, groups=None, home=None, shell=None, unique=True, system=False, fullname='', roomnumber='', \
         workphone='', homephone='', other='', createhome=True, loginclass=None, nologinit=False, root=None, usergroup=None, \
         local=False",
        "Make a user. unique=False: the number may be taken. system: a number of system users. createhome: make the home directory. \
         nologinit: keep it out of the logs of logins. usergroup: make a group of the same name. local: by libuser. root: below this \
         directory.",
        "user.add foo uid=1200 home=/srv/foo",
        |args, env| Ok(json!(accounts(args, env)?.add_user(&new_user(args)?)?)),
    ),
    gecos!("Foo Bar", "fullname", "the full name"),
    Function::new(
        "user.chgid",
        "name, gid, root=None",
        "Change the primary group of a user.",
        "user.chgid foo 1300",
        |args, env| modified(args, env, "gid", "-g", &[]),
    ),
    Function::new(
        "user.chgroups",
        "name, groups, append=False, root=None",
        "Change the groups of a user beside the primary one. append: add these, and keep the others.",
        "user.chgroups foo wheel,root append=True",
        |args, env| {
            let groups = args.texts("groups");
            Ok(json!(accounts(args, env)?.set_groups(
                &args.text("name")?,
                &groups,
                args.flag("append")
            )?))
        },
    ),
    Function::new(
        "user.chhome",
        "name, home, persist=False, root=None",
        "Change the home directory of a user. persist: move what is in it.",
        "user.chhome foo /home/users/foo persist=True",
        |args, env| {
            modified(
                args,
                env,
                "home",
                "-d",
                if args.flag("persist") { &["-m"] } else { &[] },
            )
        },
    ),
    gecos!("7735551234", "homephone", "the phone at home"),
    gecos!("a note", "other", "the rest of the comment"),
    gecos!("123", "roomnumber", "the room"),
    Function::new(
        "user.chshell",
        "name, shell, root=None",
        "Change the login shell of a user.",
        "user.chshell foo /bin/zsh",
        |args, env| modified(args, env, "shell", "-s", &[]),
    ),
    Function::new(
        "user.chuid",
        "name, uid, root=None",
        "Change the number of a user.",
        "user.chuid foo 4376",
        |args, env| modified(args, env, "uid", "-u", &[]),
    ),
    gecos!("7735551234", "workphone", "the phone at work"),
    Function::new(
        "user.delete",
        "name, remove=False, force=False, root=None, local=False",
        "Remove a user. remove: the home directory and the mailbox too. force: also when it is logged in.",
        "user.delete foo remove=True",
        |args, env| {
            let (is_whole, is_forced) = (args.flag("remove"), args.flag("force"));
            Ok(json!(accounts(args, env)?.delete_user(
                &args.text("name")?,
                is_whole,
                is_forced
            )?))
        },
    ),
    Function::new(
        "user.getent",
        "refresh=False, root=None",
        "All users of /etc/passwd.",
        "user.getent",
        |args, env| {
            Ok(accounts(args, env)?
                .users()
                .iter()
                .map(|user| user.shown())
                .collect())
        },
    ),
    Function::new(
        "user.info",
        "name, root=None",
        "What is known of a user: numbers, groups, home, shell, full name. An empty dictionary when there is none.",
        "user.info root",
        |args, env| {
            Ok(accounts(args, env)?
                .user(&args.text("name")?)
                .map_or_else(|| json!({}), |user| user.shown()))
        },
    ),
    Function::new(
        "user.list_groups",
        "name",
        "The groups that a user is in.",
        "user.list_groups foo",
        |args, env| {
            Ok(json!(
                accounts(args, env)?
                    .user(&args.text("name")?)
                    .map(|user| user.groups)
                    .unwrap_or_default()
            ))
        },
    ),
    Function::new(
        "user.list_users",
        "root=None",
        "The names of all users of /etc/passwd.",
        "user.list_users",
        |args, env| {
            let mut names: Vec<String> = accounts(args, env)?
                .users()
                .into_iter()
                .map(|user| user.name)
                .collect();
            names.sort();
            Ok(json!(names))
        },
    ),
    Function::new(
        "user.primary_group",
        "name",
        "The primary group of a user.",
        "user.primary_group root",
        |args, env| {
            let accounts = accounts(args, env)?;
            let user = accounts.user(&args.text("name")?);
            Ok(json!(
                user.and_then(|user| accounts.group_name(user.gid))
                    .unwrap_or_default()
            ))
        },
    ),
    Function::new(
        "user.rename",
        "name, new_name, root=None",
        "Give a user another name.",
        "user.rename foo bar",
        |args, env| {
            let (accounts, new_name) = (accounts(args, env)?, args.text("new_name")?);
            if accounts.user(&new_name).is_some() {
                return Err(Failure::command(format!(
                    "User '{new_name}' already exists"
                )));
            }
            accounts.modify(&args.text("name")?, &["-l", &new_name])?;
            Ok(json!(accounts.user(&new_name).is_some()))
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

fn new_user(args: &Args) -> Result<NewUser, Failure> {
    if args.flag("loginclass") {
        return Err(Failure::invocation(
            "loginclass: only BSD has login classes",
        ));
    }
    NewUser::of(args)
}

/// Changes a thing by an option of usermod; true when it stands there afterwards.
fn modified(args: &Args, env: &Env, what: &str, option: &str, more: &[&str]) -> Answer {
    let (accounts, name, value) = (accounts(args, env)?, args.text("name")?, args.text(what)?);
    let stands = || {
        accounts
            .user(&name)
            .map(|user| python::text(&user.shown()[what]))
    };
    if stands().is_some_and(|now| now == value) {
        return Ok(json!(true));
    }
    let mut words = more.to_vec();
    words.extend([option, value.as_str()]);
    accounts.modify(&name, &words)?;
    let named_group =
        |accounts: &Accounts| accounts.group(&value).map(|group| group.gid.to_string());
    let stands = stands();
    let is_named = what == "gid" && stands.is_some() && stands == named_group(&accounts);
    Ok(Value::Bool(is_named || stands == Some(value)))
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
        let all = host.call(Call::new("user.getent")).value;
        assert_eq!(
            all.as_array().unwrap().len(),
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

    #[test]
    fn another_root_has_its_own_users() {
        let host = Host::new();
        host.write(
            "etc/passwd",
            "foo:x:1000:1000:Foo Bar,12:/home/foo:/bin/sh\n",
        );
        host.write("etc/group", "foo:x:1000:\nadm:x:4:foo\n");
        let root = host.path("");
        let info = host
            .call(
                Call::new("user.info")
                    .arg("foo")
                    .kwarg("root", root.as_str()),
            )
            .value;
        let expected = json!({
            "gid": 1000, "groups": ["adm", "foo"], "home": "/home/foo", "name": "foo", "passwd": "x", "shell": "/bin/sh",
            "uid": 1000, "fullname": "Foo Bar", "roomnumber": "12", "workphone": "", "homephone": "", "other": "",
        });
        assert_eq!(info, expected);
        let names = host
            .call(Call::new("user.list_users").kwarg("root", root))
            .value;
        assert_eq!(names, json!(["foo"]));
    }
}
