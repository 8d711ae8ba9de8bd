//! `cron`: jobs, variables and whole crontabs of users.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::edit::diff;
use crate::functions::cron::job::{FIELDS, Job, When};
use crate::functions::cron::tab::{Set, Tab};
use crate::functions::cron::{install_text, raw, read, set_job, write};
use crate::process::which;
use crate::python;
use crate::source;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "cron.absent",
        "name, user='root', identifier=False, special=None, **kwargs",
        "Keep a job out of a user's crontab.",
        |args, env| with_program(env, "absent", || absent(args, env)),
    ),
    StateFunction::new(
        "cron.env_absent",
        "name, user='root'",
        "Keep a variable out of a user's crontab.",
        |args, env| with_program(env, "env_absent", || env_absent(args, env)),
    ),
    StateFunction::new(
        "cron.env_present",
        "name, value=None, user='root'",
        "Keep a variable in a user's crontab.",
        |args, env| with_program(env, "env_present", || env_present(args, env)),
    ),
    StateFunction::new(
        "cron.file",
        "name, source_hash='', source_hash_name=None, user='root', template=None, context=None, replace=True, defaults=None, backup=''",
        "Keep a user's crontab as a file of the hub or of this host says.",
        |args, env| with_program(env, "file", || file(args, env)),
    ),
    StateFunction::new(
        "cron.present",
        "name, user='root', minute='*', hour='*', daymonth='*', month='*', dayweek='*', comment=None, commented=False, identifier=False, special=None",
        "Keep a job in a user's crontab.",
        |args, env| with_program(env, "present", || present(args, env)),
    ),
];

fn with_program(env: &StateEnv, function: &str, run: impl FnOnce() -> StateAnswer) -> StateAnswer {
    if which("crontab").is_some() {
        return run();
    }
    let reason = "'cron' __virtual__ returned False: cron module could not be loaded";
    Ok(env.not_loaded(&format!("cron.{function}"), reason))
}

/// The job that a state describes; `identifier=False` stands for its command.
fn wanted(args: &Args) -> Result<Job, Failure> {
    let command = args.text("name")?.trim().to_owned();
    let identifier = match args.value("identifier") {
        Value::Bool(false) => Some(command.clone()),
        Value::Null => None,
        identifier => Some(python::text(identifier)),
    };
    let when = match args.optional_text("special")? {
        Some(special) => When::Special(special),
        None => When::Fields(FIELDS.map(|name| python::text(args.value(name)).to_lowercase())),
    };
    Ok(Job {
        when,
        command,
        identifier,
        comment: args.optional_text("comment")?,
        is_disabled: args.value("commented") == &json!(true),
    })
}

fn named(name: &str, returned: Return) -> Return {
    Return {
        name: Some(name.to_owned()),
        ..returned
    }
}

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (user, job) = (args.text("user")?, wanted(args)?);
    let name = job.command.clone();
    if env.is_test {
        let tab = read(env.env, &user)?;
        let is_special = matches!(job.when, When::Special(_));
        let (result, comment) = match tab.find(&name, job.identifier.as_deref(), is_special) {
            None => (None, format!("Cron {name} is set to be added")),
            Some(old) if old.suits(&job) => (Some(true), format!("Cron {name} already present")),
            Some(_) => (None, format!("Cron {name} is set to be updated")),
        };
        return Ok(named(&name, returned(result, comment)));
    }
    let changes = json!({user.as_str(): name});
    let done = match set_job(env.env, &user, job)?.as_str() {
        "present" => returned(true, format!("Cron {name} already present")),
        "new" => changed(
            true,
            format!("Cron {name} added to {user}'s crontab"),
            changes,
        ),
        "updated" => changed(true, format!("Cron {name} updated"), changes),
        error => returned(
            false,
            format!("Cron {name} for user {user} failed to commit with error \n{error}"),
        ),
    };
    Ok(named(&name, done))
}

fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let (user, job) = (args.text("user")?, wanted_absent(args)?);
    let name = job.command;
    let mut tab = read(env.env, &user)?;
    if env.is_test {
        // As in Salt, jobs with a special time are not foreseen.
        let is_there = tab.find(&name, job.identifier.as_deref(), false).is_some();
        let (result, comment) = if is_there {
            (None, format!("Cron {name} is set to be removed"))
        } else {
            (Some(true), format!("Cron {name} is absent"))
        };
        return Ok(named(&name, returned(result, comment)));
    }
    let special = match &job.when {
        When::Special(special) => Some(special.clone()),
        When::Fields(_) => None,
    };
    let fits = |when: &When| match (when, &special) {
        (When::Special(known), Some(special)) => known == special,
        _ => true,
    };
    let taken = tab.take(&name, job.identifier.as_deref(), special.is_some(), fits);
    if taken.is_none() {
        return Ok(named(
            &name,
            returned(true, format!("Cron {name} already absent")),
        ));
    }
    let done = removed(env, &user, &tab, &format!("Cron {name}"), &name)?;
    Ok(named(&name, done))
}

fn wanted_absent(args: &Args) -> Result<Job, Failure> {
    let mut job = wanted(args)?;
    if let When::Fields(fields) = &mut job.when {
        fields.fill("*".to_owned());
    }
    Ok(job)
}

/// Installs a crontab that something was taken from.
fn removed(env: &StateEnv, user: &str, tab: &Tab, what: &str, name: &str) -> StateAnswer {
    Ok(match write(env.env, user, tab, "removed")?.as_str() {
        "removed" => changed(
            true,
            format!("{what} removed from {user}'s crontab"),
            json!({user: name}),
        ),
        error => returned(
            false,
            format!("{what} for user {user} failed to commit with error {error}"),
        ),
    })
}

fn env_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (user, name) = (args.text("user")?, args.text("name")?);
    let value = args.optional_text("value")?.unwrap_or_default();
    let mut tab = read(env.env, &user)?;
    let set = tab.set_variable(&name, &value);
    if set == Set::Present {
        return Ok(returned(true, format!("Cron env {name} already present")));
    }
    if env.is_test {
        let verb = if set == Set::New { "added" } else { "updated" };
        return Ok(returned(
            None,
            format!("Cron env {name} is set to be {verb}"),
        ));
    }
    let changes = json!({user.as_str(): name});
    Ok(match write(env.env, &user, &tab, set.word())?.as_str() {
        "new" => changed(
            true,
            format!("Cron env {name} added to {user}'s crontab"),
            changes,
        ),
        "updated" => changed(true, format!("Cron env {name} updated"), changes),
        error => returned(
            false,
            format!("Cron env {name} for user {user} failed to commit with error \n{error}"),
        ),
    })
}

fn env_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let (user, name) = (args.text("user")?, args.text("name")?.trim().to_owned());
    let mut tab = read(env.env, &user)?;
    let is_there = tab.remove_variable(&name);
    let done = match (is_there, env.is_test) {
        (true, true) => returned(None, format!("Cron env {name} is set to be removed")),
        (false, true) => returned(true, format!("Cron env {name} is absent")),
        (false, false) => returned(true, format!("Cron env {name} already absent")),
        (true, false) => removed(env, &user, &tab, &format!("Cron env {name}"), &name)?,
    };
    Ok(named(&name, done))
}

fn file(args: &Args, env: &StateEnv) -> StateAnswer {
    let (user, name) = (args.text("user")?, args.text("name")?);
    if nix::unistd::User::from_name(&user).ok().flatten().is_none() {
        let comment = format!("Could not identify group for user {user}");
        return Ok(returned(false, comment));
    }
    if python::truthy(args.value("source_hash"))
        && !name.starts_with("salt://")
        && !Path::new(&name).is_absolute()
    {
        return Err(Failure::invocation(format!(
            "'{name}' is not served: salt:// and absolute paths are"
        )));
    }
    let mut old = raw(env.env, &user)?;
    if !old.ends_with('\n') {
        old.push('\n');
    }
    if !args.flag("replace") {
        let comment = format!("User {user} already has a crontab. No changes made");
        return Ok(returned(true, comment));
    }
    let new = match content(args, env, &name) {
        Ok(new) => new,
        Err(failure) => {
            let comment = format!("Unable to manage file: {failure}");
            return Ok(returned(false, comment));
        }
    };
    let diff = diff::of_texts(&old, &new, "", "");
    if diff.is_empty() {
        let comment = if env.is_test {
            "The file is in the correct state".to_owned()
        } else {
            format!("Crontab for user {user} is in the correct state")
        };
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment = format!("The following values are set to be changed:\ndiff: {diff}\n");
        return Ok(returned(None, comment));
    }
    let done = install_text(env.env, &user, &new)?;
    Ok(if done.retcode == 0 {
        let comment = format!("Crontab for user {user} was updated");
        changed(true, comment, json!({"diff": diff}))
    } else {
        let error = done.stderr.trim_end();
        returned(
            false,
            format!("Unable to update user {user} crontab. Error: {error}"),
        )
    })
}

/// The text of a source, rendered where a template engine is named.
fn content(args: &Args, env: &StateEnv, source: &str) -> Result<String, Failure> {
    let content = source::read(env.env.ctx, source, &env.saltenv())?;
    let Some(engine) = args.optional_text("template")? else {
        return Ok(String::from_utf8_lossy(&content.bytes).into_owned());
    };
    let mut context = Map::new();
    for name in ["defaults", "context"] {
        if let Value::Object(values) = args.value(name) {
            context.extend(values.clone());
        }
    }
    env.template(
        &engine,
        &content.saltenv,
        &content.path,
        &content.bytes,
        context,
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::functions::cron::tests::fake;
    use crate::testing::{Host, checked, play};

    #[test]
    fn jobs_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
            checked(host.state(fun, args, is_test), result, comment).changes
        };
        let args = json!({"name": "run ", "user": "root", "minute": "random", "comment": "why", "identifier": "r"});
        check(
            "cron.present",
            args.clone(),
            true,
            None,
            "Cron run is set to be added",
        );
        let changes = check(
            "cron.present",
            args.clone(),
            false,
            Some(true),
            "Cron run added to root's crontab",
        );
        assert_eq!(Value::Object(changes), json!({"root": "run"}));
        check(
            "cron.present",
            args.clone(),
            true,
            Some(true),
            "Cron run already present",
        );
        check(
            "cron.present",
            args.clone(),
            false,
            Some(true),
            "Cron run already present",
        );
        let later = json!({"name": "run", "hour": 4, "identifier": "r"});
        check(
            "cron.present",
            later.clone(),
            true,
            None,
            "Cron run is set to be updated",
        );
        check("cron.present", later, false, Some(true), "Cron run updated");
        let text = fs::read_to_string(host.path("spool")).unwrap();
        let end = " SALT_CRON_IDENTIFIER:r\n* 4 * * * run\n";
        assert!(text.ends_with(end) && text.contains("# why"), "{text}");
        let args = json!({"name": "run", "identifier": "r"});
        check(
            "cron.absent",
            args.clone(),
            true,
            None,
            "Cron run is set to be removed",
        );
        check(
            "cron.absent",
            args.clone(),
            false,
            Some(true),
            "Cron run removed from root's crontab",
        );
        check(
            "cron.absent",
            args,
            false,
            Some(true),
            "Cron run already absent",
        );
        let refused = json!({"name": "run", "user": "refused"});
        let comment = "Cron run for user refused failed to commit with error \nno such user";
        check("cron.present", refused, false, Some(false), comment);
        let args = json!({"name": "MAILTO", "value": "me"});
        check(
            "cron.env_present",
            args.clone(),
            true,
            None,
            "Cron env MAILTO is set to be added",
        );
        check(
            "cron.env_present",
            args.clone(),
            false,
            Some(true),
            "Cron env MAILTO added to root's crontab",
        );
        check(
            "cron.env_present",
            args,
            false,
            Some(true),
            "Cron env MAILTO already present",
        );
        let args = json!({"name": "MAILTO"});
        check(
            "cron.env_absent",
            args.clone(),
            true,
            None,
            "Cron env MAILTO is set to be removed",
        );
        check(
            "cron.env_absent",
            args,
            false,
            Some(true),
            "Cron env MAILTO removed from root's crontab",
        );
        host.write("roots/base/tab", "1 1 * * * {{ x }}\n");
        let args = json!({"name": "salt://tab", "template": "jinja", "context": {"x": "go"}});
        assert_eq!(host.state("cron.file", args.clone(), true).result, None);
        check(
            "cron.file",
            args.clone(),
            false,
            Some(true),
            "Crontab for user root was updated",
        );
        check(
            "cron.file",
            args,
            false,
            Some(true),
            "Crontab for user root is in the correct state",
        );
    }

    #[test]
    fn without_cron_there_is_no_such_state() {
        let host = Host::new();
        if which("crontab").is_none() {
            let done = host.state("cron.present", json!({"name": "x", "__sls__": "s"}), false);
            let expected = "State 'cron.present' was not found in SLS 's'\nReason: 'cron' __virtual__ returned False: cron module could not be loaded\n";
            assert_eq!(
                (done.result, done.comment.as_str()),
                (Some(false), expected)
            );
        }
    }

    #[test]
    fn states_answer_as_salt_does() {
        let set_up = |host: &Host| {
            fake(host);
            host.lend_root()
        };
        let sequences = include_str!("testdata/cron.json");
        play(sequences, "spool", set_up, |_, args| args);
    }
}
