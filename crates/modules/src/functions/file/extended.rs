//! What file systems keep of files beside owner and mode: attributes, security contexts, and what is left of their space.

use nix::sys::statvfs::statvfs;
use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function, absolute_path, path};
use crate::files::permissions::{self, Wanted};
use crate::files::{attributes, mode};
use crate::states::Return;
use crate::{process, python};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.chattr",
        "*files, **kwargs",
        "Change the attributes of files by the chattr program. operator: add or remove. attributes: letters of \
         aAcCdDeijPsStTu. flags: letters of the options R, V, f. version: the version of the file.",
        "file.chattr foo1.txt foo2.txt operator=add attributes=ai",
        chattr,
    ),
    Function::new(
        "file.check_perms",
        "name, ret, user, group, mode, attrs=None, follow_symlinks=False, seuser=None, serole=None, setype=None, serange=None",
        "Give a file owner, group, mode and attributes, and answer what a state would: ret with changes, comment and result, \
         and what the file had before. SELinux contexts are not served.",
        "file.check_perms /etc/sudoers '{}' root root 400 ai",
        check_perms,
    ),
    Function::new(
        "file.get_selinux_context",
        "path",
        "The SELinux context of a file.",
        "file.get_selinux_context /etc/hosts",
        |args, env| {
            let path = args.text("path")?;
            let finished = process::query(&["stat", "-c", "%C", &path], env.cancel)?;
            Ok(json!(match finished.retcode {
                0 => finished.stdout.trim_end().to_owned(),
                _ => format!("No selinux context information is available for {path}"),
            }))
        },
    ),
    Function::new(
        "file.lsattr",
        "path",
        "The attributes of a file, by the lsattr program; empty without that program.",
        "file.lsattr foo1.txt",
        |args, env| {
            let path = path(args, "path")?;
            let name = path.to_string_lossy().into_owned();
            if !path.exists() {
                return Err(Failure::invocation(format!(
                    "File or directory does not exist: {name}"
                )));
            }
            if process::which("lsattr").is_none() {
                return Ok(Value::Null);
            }
            let found = attributes::list(&path, env.cancel)?;
            let letters = |found: String| -> Value {
                found
                    .chars()
                    .map(|letter| json!(letter.to_string()))
                    .collect()
            };
            Ok(found.map_or_else(|| json!({}), |found| json!({name: letters(found)})))
        },
    ),
    Function::new(
        "file.restorecon",
        "path, recursive=False",
        "Give a file the SELinux context that the policy has for it.",
        "file.restorecon /home/user/.ssh/authorized_keys",
        |args, env| {
            let option = if args.flag("recursive") { "-FR" } else { "-F" };
            let finished =
                process::query(&["restorecon", option, &args.text("path")?], env.cancel)?;
            Ok(json!(finished.retcode == 0))
        },
    ),
    Function::new(
        "file.statvfs",
        "path",
        "The numbers of the file system that a path is on.",
        "file.statvfs /path/to/file",
        |args, _| {
            let path = absolute_path(args, "path", "File path")?;
            let found = statvfs(&path)
                .map_err(|_| Failure::command(format!("Could not statvfs '{}'", path.display())))?;
            Ok(json!({
                "f_bavail": found.blocks_available(),
                "f_bfree": found.blocks_free(),
                "f_blocks": found.blocks(),
                "f_bsize": found.block_size(),
                "f_favail": found.files_available(),
                "f_ffree": found.files_free(),
                "f_files": found.files(),
                "f_flag": found.flags().bits(),
                "f_frsize": found.fragment_size(),
                "f_namemax": found.name_max(),
            }))
        },
    ),
];

fn chattr(args: &Args, env: &Env) -> Answer {
    let text = |name: &str| args.extra_kwargs.get(name).map(python::text);
    let sign = match text("operator").as_deref() {
        Some("add") => '+',
        Some("remove") => '-',
        _ => {
            let text = "Need an operator: 'add' or 'remove' to modify attributes.";
            return Err(Failure::invocation(text));
        }
    };
    let letters = text("attributes")
        .ok_or_else(|| Failure::invocation("Need attributes: [aAcCdDeijPsStTu]"))?;
    let mut options: Vec<String> = text("flags")
        .iter()
        .map(|flags| format!("-{flags}"))
        .collect();
    options.extend(
        text("version")
            .into_iter()
            .flat_map(|version| ["-v".to_owned(), version]),
    );
    let files: Vec<String> = args.extra_args.iter().map(python::text).collect();
    Ok(json!(attributes::change(
        &files, sign, &letters, &options, env.cancel
    )?))
}

fn check_perms(args: &Args, env: &Env) -> Answer {
    for name in ["seuser", "serole", "setype", "serange"] {
        if args.flag(name) {
            return Err(Failure::invocation(format!(
                "'{name}' is not served: set the context by chcon or semanage"
            )));
        }
    }
    let name = path(args, "name")?;
    let said = args.value("ret").as_object().cloned().unwrap_or_default();
    let mut answer = Return {
        result: said.get("result").map_or(Some(true), Value::as_bool),
        comment: said.get("comment").map(python::text).unwrap_or_default(),
        changes: said
            .get("changes")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
        ..Return::default()
    };
    let wanted = Wanted {
        user: args.value("user").clone(),
        group: args.value("group").clone(),
        mode: mode::normalized(args.value("mode")),
        attrs: args.optional_text("attrs")?,
    };
    let follows = args.flag("follow_symlinks");
    let before = permissions::found(&name, follows)?;
    let id = |wanted: &Value, id: u32, name: &Value| match wanted.is_number() {
        true => json!(id),
        false => name.clone(),
    };
    let perms = json!({
        "luser": id(&wanted.user, before.uid, &before.user),
        "lgroup": id(&wanted.group, before.gid, &before.group),
        "lmode": before.mode,
    });
    permissions::settle(&name, &mut answer, &wanted, follows, false, env)?;
    let mut ret = said;
    let parts: [(&str, Value); 4] = [
        ("name", json!(name.to_string_lossy())),
        ("changes", Value::Object(answer.changes)),
        ("comment", json!(answer.comment)),
        ("result", json!(answer.result)),
    ];
    ret.extend(parts.map(|(key, value)| (key.to_owned(), value)));
    Ok(json!([
        Value::Object(ret.into_iter().collect::<Map<_, _>>()),
        perms
    ]))
}
