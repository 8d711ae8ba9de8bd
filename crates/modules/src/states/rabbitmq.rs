//! `rabbitmq_user`, `rabbitmq_vhost`, `rabbitmq_plugin`: users, virtual hosts and plugins of RabbitMQ.

use serde_json::{Map, Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::process::which;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "rabbitmq_plugin.disabled",
        "name, runas=None",
        "Keep a plugin disabled.",
        |args, env| loaded(env, "rabbitmq_plugin.disabled", || plugin(args, env, false)),
    ),
    StateFunction::new(
        "rabbitmq_plugin.enabled",
        "name, runas=None",
        "Keep a plugin enabled.",
        |args, env| loaded(env, "rabbitmq_plugin.enabled", || plugin(args, env, true)),
    ),
    StateFunction::new(
        "rabbitmq_user.absent",
        "name, runas=None",
        "Keep a user deleted.",
        |args, env| loaded(env, "rabbitmq_user.absent", || user_absent(args, env)),
    ),
    StateFunction::new(
        "rabbitmq_user.present",
        "name, password=None, force=False, tags=None, perms=[], runas=None",
        "Keep a user with password, tags and permissions: a list of virtual hosts, each with what may be configured, written and read. force: set or clear the password in any case.",
        |args, env| loaded(env, "rabbitmq_user.present", || user_present(args, env)),
    ),
    StateFunction::new(
        "rabbitmq_vhost.absent",
        "name",
        "Keep a virtual host deleted.",
        |args, env| loaded(env, "rabbitmq_vhost.absent", || vhost(args, env, false)),
    ),
    StateFunction::new(
        "rabbitmq_vhost.present",
        "name",
        "Keep a virtual host.",
        |args, env| loaded(env, "rabbitmq_vhost.present", || vhost(args, env, true)),
    ),
];

/// Runs a state where RabbitMQ is installed. A failure of its programs is the comment.
fn loaded(env: &StateEnv, fun: &str, run: impl FnOnce() -> StateAnswer) -> StateAnswer {
    if which("rabbitmqctl").is_none() {
        let module = fun.split('.').next().unwrap_or_default();
        let reason =
            format!("'{module}' __virtual__ returned False: Command not found: rabbitmqctl");
        return Ok(env.not_loaded(fun, &reason));
    }
    match run() {
        Err(Failure::Command(text)) => Ok(returned(false, format!("Error: {text}"))),
        done => done,
    }
}

/// A call for the state's own name and user.
fn call(args: &Args, fun: &str) -> Call {
    let call = Call::new(format!("rabbitmq.{fun}")).arg(args.value("name").clone());
    call.kwarg("runas", args.value("runas").clone())
}

fn plugin(args: &Args, env: &StateEnv, enable: bool) -> StateAnswer {
    let name = args.text("name")?;
    let (verb, changes) = if enable {
        ("enable", json!({"old": "", "new": name}))
    } else {
        ("disable", json!({"old": name, "new": ""}))
    };
    if env.call(&call(args, "plugin_is_enabled"))? == enable {
        let comment = format!("Plugin '{name}' is already {verb}d.");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment = format!("Plugin '{name}' is set to be {verb}d.");
        return Ok(changed(None, comment, changes));
    }
    env.call(&call(args, &format!("{verb}_plugin")))?;
    Ok(changed(
        true,
        format!("Plugin '{name}' was {verb}d."),
        changes,
    ))
}

fn vhost(args: &Args, env: &StateEnv, wanted: bool) -> StateAnswer {
    let name = args.text("name")?;
    let exists = env.call(&Call::new("rabbitmq.vhost_exists").arg(name.as_str()))?;
    let (fun, word, kept, foretold, changes) = if wanted {
        (
            "add_vhost",
            "Added",
            "already exists",
            "created",
            json!({"old": "", "new": name}),
        )
    } else {
        (
            "delete_vhost",
            "Deleted",
            "is not present",
            "removed",
            json!({"new": "", "old": name}),
        )
    };
    if exists == wanted {
        return Ok(returned(true, format!("Virtual Host '{name}' {kept}.")));
    }
    if env.is_test {
        let comment = format!("Virtual Host '{name}' will be {foretold}.");
        return Ok(changed(None, comment, changes));
    }
    let answer = env.call(&Call::new(format!("rabbitmq.{fun}")).arg(name.as_str()))?;
    Ok(changed(true, python::text(&answer[word]), changes))
}

fn user_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if env.call(&call(args, "user_exists"))? != true {
        return Ok(returned(true, format!("The user '{name}' is not present.")));
    }
    let changes = json!({"name": {"old": name, "new": ""}});
    if env.is_test {
        let comment = format!("The user '{name}' will be removed.");
        return Ok(changed(None, comment, changes));
    }
    env.call(&call(args, "delete_user"))?;
    Ok(changed(
        true,
        format!("The user '{name}' was removed."),
        changes,
    ))
}

/// The tags that a state asks for: a list, or words.
fn tags(value: &Value) -> Vec<String> {
    match value {
        Value::Array(tags) => tags.iter().map(python::text).collect(),
        text => python::text(text)
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    }
}

/// The permissions that a state asks for: virtual hosts with what may be configured, written and read.
fn wanted_permissions(args: &Args) -> Result<Vec<(String, [String; 3])>, Failure> {
    let hosts = args.value("perms").as_array().into_iter().flatten();
    let hosts = hosts.filter_map(Value::as_object).flatten();
    let host = |(host, patterns): (&String, &Value)| {
        let patterns = patterns.as_array().map(Vec::as_slice).unwrap_or_default();
        let [configure, write, read] = patterns else {
            return Err(Failure::invocation(format!(
                "the permissions on '{host}' must be three patterns: configure, write and read"
            )));
        };
        Ok((host.clone(), [configure, write, read].map(python::text)))
    };
    hosts.map(host).collect()
}

fn user_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let password = args.optional_text("password")?;
    let permissions = wanted_permissions(args)?;
    let exists = env.call(&call(args, "user_exists"))? == true;
    let mut is_other_password = false;
    if let (true, Some(password)) = (exists, &password) {
        let check = call(args, "check_password").kwarg("password", password.as_str());
        is_other_password = env.call(&check)? != true;
    }
    let sets_password = args.flag("force") || is_other_password;
    if exists && !sets_password && permissions.is_empty() && !args.flag("tags") {
        return Ok(returned(true, format!("User '{name}' is already present.")));
    }
    let mut changes = Map::new();
    if !exists {
        changes.insert("user".to_owned(), json!({"old": "", "new": name}));
        if env.is_test {
            let comment = format!("User '{name}' is set to be created.");
            return Ok(changed(None, comment, changes));
        }
        env.call(&call(args, "add_user").kwarg("password", args.value("password").clone()))?;
    } else if sets_password {
        let (set, change) = match &password {
            Some(password) => (
                call(args, "change_password").kwarg("password", password.as_str()),
                json!({"old": "", "new": "Set password."}),
            ),
            None => (
                call(args, "clear_password"),
                json!({"old": "Removed password.", "new": ""}),
            ),
        };
        if !env.is_test {
            env.call(&set)?;
        }
        changes.insert("password".to_owned(), change);
    }
    keep_tags(args, env, &name, &mut changes)?;
    keep_permissions(args, env, &permissions, &mut changes)?;
    if changes.is_empty() {
        let comment = format!("'{name}' is already in the desired state.");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment = format!("Configuration for '{name}' will change.");
        return Ok(changed(None, comment, changes));
    }
    Ok(changed(true, format!("'{name}' was configured."), changes))
}

fn keep_tags(
    args: &Args,
    env: &StateEnv,
    name: &str,
    changes: &mut Map<String, Value>,
) -> Result<(), Failure> {
    if args.value("tags").is_null() {
        return Ok(());
    }
    let users = Call::new("rabbitmq.list_users").kwarg("runas", args.value("runas").clone());
    let users = env.call(&users)?;
    // One without tags has an empty one.
    let told: Vec<String> = users.get(name).map(tags).unwrap_or_default();
    let current: Vec<String> = told.iter().filter(|tag| !tag.is_empty()).cloned().collect();
    let wanted = tags(args.value("tags"));
    let has_all = |some: &[String], all: &[String]| some.iter().all(|tag| all.contains(tag));
    if has_all(&wanted, &current) && has_all(&current, &wanted) {
        return Ok(());
    }
    if !env.is_test {
        env.call(&call(args, "set_user_tags").kwarg("tags", json!(wanted)))?;
    }
    changes.insert("tags".to_owned(), json!({"old": told, "new": wanted}));
    Ok(())
}

fn keep_permissions(
    args: &Args,
    env: &StateEnv,
    permissions: &[(String, [String; 3])],
    changes: &mut Map<String, Value>,
) -> Result<(), Failure> {
    if permissions.is_empty() {
        return Ok(());
    }
    let current = env.call(&call(args, "list_user_permissions"))?;
    for (host, [configure, write, read]) in permissions {
        let wanted = json!({"configure": configure, "write": write, "read": read});
        if current.get(host) == Some(&wanted) {
            continue;
        }
        if !env.is_test {
            let set = Call::new("rabbitmq.set_permissions")
                .arg(host.as_str())
                .arg(args.value("name").clone())
                .arg(configure.as_str())
                .arg(write.as_str())
                .arg(read.as_str())
                .kwarg("runas", args.value("runas").clone());
            env.call(&set)?;
        }
        let change = changes.entry("perms").or_insert_with(|| json!({}));
        if let Some(Value::Object(old)) = current.get(host) {
            for (key, value) in old {
                change["old"][key.as_str()] = value.clone();
            }
        }
        change["new"][host.as_str()] = wanted;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::rabbitmq::tests::fake;
    use crate::testing::Host;

    #[test]
    fn users_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let args = json!({
            "name": "u", "password": "p", "tags": ["monitoring", "user"], "perms": [{"h": [".*", "", "^x"]}],
        });
        let foretold = host.state("rabbitmq_user.present", args.clone(), true);
        assert_eq!(foretold.comment, "User 'u' is set to be created.");
        let done = host.applies("rabbitmq_user.present", args);
        assert_eq!(done.comment, "'u' was configured.");
        assert_eq!(
            Value::Object(done.changes),
            json!({
                "user": {"old": "", "new": "u"}, "tags": {"old": [""], "new": ["monitoring", "user"]},
                "perms": {"new": {"h": {"configure": ".*", "write": "", "read": "^x"}}},
            })
        );
        let done = host.applies(
            "rabbitmq_user.present",
            json!({"name": "u", "password": "q"}),
        );
        assert_eq!(
            done.changes["password"],
            json!({"old": "", "new": "Set password."})
        );
        let again = host.state("rabbitmq_user.present", json!({"name": "u"}), false);
        assert_eq!(again.comment, "User 'u' is already present.");
        let bad = json!({"name": "bad", "password": "x"});
        let failed = host.state("rabbitmq_user.present", bad, false);
        assert_eq!(failed.comment, "Error: RabbitMQ command failed: Error: no");
        let done = host.applies("rabbitmq_user.absent", json!({"name": "u"}));
        assert_eq!(done.comment, "The user 'u' was removed.");
    }

    #[test]
    fn hosts_and_plugins_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        let missing = host.state("rabbitmq_vhost.present", json!({"name": "h"}), false);
        assert_eq!(missing.result, Some(false));
        fake(&host);
        let done = host.applies("rabbitmq_vhost.present", json!({"name": "h"}));
        assert_eq!(done.comment, "Adding vhost h");
        assert_eq!(
            (&done.changes["old"], &done.changes["new"]),
            (&json!(""), &json!("h"))
        );
        host.applies("rabbitmq_vhost.absent", json!({"name": "h"}));
        let done = host.applies("rabbitmq_plugin.enabled", json!({"name": "web"}));
        assert_eq!(done.comment, "Plugin 'web' was enabled.");
        host.applies("rabbitmq_plugin.disabled", json!({"name": "web"}));
    }
}
