//! `shadow`: passwords and their times.

use serde_json::json;

use super::{Answer, Args, Env, Failure, Function};
use crate::accounts::{Accounts, Shadow, crypt};

/// A function that sets a time.
macro_rules! days {
    ($param:literal, $which:literal, $what:literal, $example:literal) => {
        Function::new(
            concat!("shadow.set_", $param),
            concat!("name, ", $param, ", root=None"),
            concat!("Set ", $what, "."),
            concat!("shadow.set_", $param, " username ", $example),
            |args, env| set_days(args, env, $which, $param),
        )
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "shadow.default_hash",
        "",
        "What stands for the password of a user that never had one.",
        "shadow.default_hash",
        |_, _| Ok(json!("!")),
    ),
    Function::new(
        "shadow.del_password",
        "name, root=None",
        "Empty the password of a user.",
        "shadow.del_password username",
        |args, env| {
            Ok(json!(
                accounts(args, env)?.delete_password(&args.text("name")?)?
            ))
        },
    ),
    Function::new(
        "shadow.gen_password",
        "password, crypt_salt=None, algorithm='sha512'",
        "The hash of a password, with a random salt where none is given. algorithm: sha512 or sha256.",
        "shadow.gen_password 'I_am_password' crypt_salt='I_am_salt' algorithm=sha256",
        |args, _| {
            let salt = args.optional_text("crypt_salt")?;
            Ok(json!(crypt::hashed(
                &args.text("password")?,
                salt.as_deref(),
                &args.text("algorithm")?
            )?))
        },
    ),
    Function::new(
        "shadow.info",
        "name, root=None",
        "What the shadow file says of a user.",
        "shadow.info root",
        |args, env| {
            Ok(Shadow::shown(
                accounts(args, env)?.shadow(&args.text("name")?).as_ref(),
            ))
        },
    ),
    Function::new(
        "shadow.list_users",
        "root=None",
        "The names of all users of the shadow file.",
        "shadow.list_users",
        |args, env| {
            let mut names: Vec<String> = accounts(args, env)?
                .shadows()
                .into_iter()
                .map(|shadow| shadow.name)
                .collect();
            names.sort();
            Ok(json!(names))
        },
    ),
    Function::new(
        "shadow.lock_password",
        "name, root=None",
        "Lock the password of a user.",
        "shadow.lock_password username",
        |args, env| {
            Ok(json!(
                accounts(args, env)?.set_locked(&args.text("name")?, true)?
            ))
        },
    ),
    days!(
        "date",
        "lstchg",
        "the day of the last change of a password, in days since 1970 or as YYYY-MM-DD",
        "0"
    ),
    days!(
        "expire",
        "expire",
        "the day on which an account expires, in days since 1970 or as YYYY-MM-DD",
        "-1"
    ),
    days!(
        "inactdays",
        "inact",
        "the days that an account stays usable after its password has expired",
        "7"
    ),
    days!(
        "maxdays",
        "max",
        "the most days between changes of a password",
        "90"
    ),
    days!(
        "mindays",
        "min",
        "the fewest days between changes of a password",
        "7"
    ),
    Function::new(
        "shadow.set_password",
        "name, password, use_usermod=False, root=None",
        "Set the hash of the password of a user. use_usermod is accepted: the hash is always set by chpasswd, which hides it from the list \
         of processes.",
        "shadow.set_password root '$1$UYCIxa628.9qXjpQCjM4a..'",
        |args, env| {
            Ok(json!(accounts(args, env)?.set_password(
                &args.text("name")?,
                &args.text("password")?
            )?))
        },
    ),
    days!(
        "warndays",
        "warn",
        "the days before a password expires in which the user is warned",
        "7"
    ),
    Function::new(
        "shadow.unlock_password",
        "name, root=None",
        "Unlock the password of a user.",
        "shadow.unlock_password username",
        |args, env| {
            Ok(json!(
                accounts(args, env)?.set_locked(&args.text("name")?, false)?
            ))
        },
    ),
];

fn accounts<'a>(args: &Args, env: &'a Env<'a>) -> Result<Accounts<'a>, Failure> {
    Ok(Accounts::new(env, args.optional_text("root")?, false))
}

fn set_days(args: &Args, env: &Env, which: &str, param: &str) -> Answer {
    Ok(json!(accounts(args, env)?.set_days(
        &args.text("name")?,
        which,
        &args.text(param)?
    )?))
}
