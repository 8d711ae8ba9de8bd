//! Policies of files and ports.

use serde_json::{Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, changed, returned};
use crate::functions::selinux::policy::{self, Files, Ports};
use crate::python;

/// The failure that a program's answer tells, if it tells one.
fn error(answer: &Value, what: &str) -> Option<Return> {
    (answer["retcode"] != json!(0))
        .then(|| returned(false, format!("{what}: {}", python::text(answer))))
}

pub(super) fn files_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Files::of(args)?;
    let label_type = args.text("sel_type")?;
    let kind = policy::file_kind(&args.text("filetype")?)?;
    let name = &wanted.name;
    if policy::files(env.env, &wanted)?.is_some() {
        let comment = format!(
            "SELinux policy for \"{name}\" already present with specified filetype \"{kind}\" and sel_type \"{label_type}\"."
        );
        return Ok(returned(true, comment));
    }
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let answer = policy::change_files(env.env, "add", &wanted)?;
    if let Some(failed) = error(&answer, "Error adding new rule") {
        return Ok(failed);
    }
    let new = json!({name.as_str(): {"filetype": kind, "sel_type": label_type}});
    Ok(changed(true, "", json!({"old": {}, "new": new})))
}

pub(super) fn files_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut wanted = Files::of(args)?;
    let name = wanted.name.clone();
    let Some(there) = policy::files(env.env, &wanted)? else {
        let (kind, label_type) = (args.text("filetype")?, python::text(args.value("sel_type")));
        let comment = format!(
            "SELinux policy for \"{name}\" already absent with specified filetype \"{kind}\" and sel_type \"{label_type}\"."
        );
        return Ok(returned(true, comment));
    };
    let changes = json!({"old": {name.as_str(): there}, "new": {}});
    if env.is_test {
        return Ok(changed(None, "", changes));
    }
    wanted.label_type = wanted
        .label_type
        .or_else(|| Some(python::text(&there["sel_type"])));
    let answer = policy::change_files(env.env, "delete", &wanted)?;
    let failed = error(&answer, "Error removing policy");
    let (result, comment) = failed.map_or((true, String::new()), |failed| (false, failed.comment));
    Ok(changed(result, comment, changes))
}

pub(super) fn files_applied(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, is_recursive) = (args.text("name")?, args.flag("recursive"));
    if policy::unapplied(env.env, &name, is_recursive)?.is_empty() {
        let comment = format!("SElinux policies are already applied for filespec \"{name}\"");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let answer = policy::apply(env.env, &name, is_recursive)?;
    if answer["retcode"] != json!(0) {
        return Ok(returned(false, python::text(&answer)));
    }
    Ok(changed(true, "", answer["changes"].clone()))
}

/// A policy of ports as a state shows it.
fn shown(args: &Args, word: &str) -> Result<String, Failure> {
    let text = |name: &str| python::text(args.value(name));
    Ok(format!(
        "SELinux policy for \"{}\" already {word} with specified sel_type \"{}\", protocol \"{}\" and port \"{}\".",
        args.text("name")?,
        text("sel_type"),
        text("protocol"),
        text("port")
    ))
}

pub(super) fn ports_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Ports::of(args)?;
    if policy::ports(env.env, &wanted)?.is_some() {
        return Ok(returned(true, shown(args, "present")?));
    }
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let any = Ports {
        label_type: None,
        ..Ports::of(args)?
    };
    let old = policy::ports(env.env, &any)?;
    let action = if old.is_some() { "modify" } else { "add" };
    let answer = policy::change_ports(env.env, action, &wanted)?;
    if let Some(failed) = error(&answer, "Error adding new policy") {
        return Ok(failed);
    }
    let new = policy::ports(env.env, &wanted)?;
    Ok(changed(true, "", json!({"old": old, "new": new})))
}

pub(super) fn ports_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = Ports::of(args)?;
    let Some(old) = policy::ports(env.env, &wanted)? else {
        return Ok(returned(true, shown(args, "absent")?));
    };
    if env.is_test {
        return Ok(returned(None, ""));
    }
    let named = Ports {
        label_type: None,
        ..Ports::of(args)?
    };
    let answer = policy::change_ports(env.env, "delete", &named)?;
    if let Some(failed) = error(&answer, "Error deleting policy") {
        return Ok(failed);
    }
    let new = policy::ports(env.env, &wanted)?;
    Ok(changed(true, "", json!({"old": old, "new": new})))
}
