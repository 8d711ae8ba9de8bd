//! `rabbitmq`: users, virtual hosts and plugins of RabbitMQ, through its programs.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process::which;
use crate::python;
use crate::random;

const NAME: &str = "name, runas=None";

/// Letters of the password that a user has between being added and losing it.
const PASSWORD_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Its length.
const PASSWORD_LENGTH: usize = 24;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "rabbitmq.add_user",
        "name, password=None, runas=None",
        "Add a user; without a password it cannot log in by one.",
        "rabbitmq.add_user rabbit_user password",
        add_user,
    ),
    Function::new(
        "rabbitmq.add_vhost",
        "vhost, runas=None",
        "Add a virtual host.",
        "rabbitmq.add_vhost '<vhost_name>'",
        |args, env| done(args, env, "Added", &["add_vhost", &args.text("vhost")?]),
    ),
    Function::new(
        "rabbitmq.change_password",
        "name, password, runas=None",
        "Set the password of a user.",
        "rabbitmq.change_password rabbit_user password",
        |args, env| {
            let (name, password) = (args.text("name")?, args.text("password")?);
            done(
                args,
                env,
                "Password Changed",
                &["change_password", &name, &password],
            )
        },
    ),
    Function::new(
        "rabbitmq.check_password",
        "name, password, runas=None",
        "Whether a user has a password.",
        "rabbitmq.check_password rabbit_user password",
        |args, env| {
            let (name, password) = (args.text("name")?, args.text("password")?);
            let ran = control(args, env, &["authenticate_user", &name, &password])?;
            Ok(json!(ran["retcode"] == 0 && ran["stderr"] == ""))
        },
    ),
    Function::new(
        "rabbitmq.clear_password",
        NAME,
        "Take the password from a user.",
        "rabbitmq.clear_password rabbit_user",
        |args, env| {
            done(
                args,
                env,
                "Password Cleared",
                &["clear_password", &args.text("name")?],
            )
        },
    ),
    Function::new(
        "rabbitmq.delete_user",
        NAME,
        "Delete a user.",
        "rabbitmq.delete_user rabbit_user",
        |args, env| done(args, env, "Deleted", &["delete_user", &args.text("name")?]),
    ),
    Function::new(
        "rabbitmq.delete_vhost",
        "vhost, runas=None",
        "Delete a virtual host.",
        "rabbitmq.delete_vhost '<vhost_name>'",
        |args, env| {
            done(
                args,
                env,
                "Deleted",
                &["delete_vhost", &args.text("vhost")?],
            )
        },
    ),
    Function::new(
        "rabbitmq.disable_plugin",
        NAME,
        "Disable a plugin.",
        "rabbitmq.disable_plugin foo",
        |args, env| {
            let ran = plugins(args, env, &["disable", &args.text("name")?])?;
            Ok(json!({"Disabled": checked(&ran)?}))
        },
    ),
    Function::new(
        "rabbitmq.enable_plugin",
        NAME,
        "Enable a plugin.",
        "rabbitmq.enable_plugin foo",
        |args, env| {
            let ran = plugins(args, env, &["enable", &args.text("name")?])?;
            Ok(json!({"Enabled": checked(&ran)?}))
        },
    ),
    Function::new(
        "rabbitmq.list_available_plugins",
        "runas=None",
        "All plugins.",
        "rabbitmq.list_available_plugins",
        |args, env| Ok(words(&checked(&plugins(args, env, &["list", "-m"])?)?)),
    ),
    Function::new(
        "rabbitmq.list_enabled_plugins",
        "runas=None",
        "The plugins that are enabled.",
        "rabbitmq.list_enabled_plugins",
        |args, env| Ok(words(&enabled(args, env)?)),
    ),
    Function::new(
        "rabbitmq.list_permissions",
        "vhost, runas=None",
        "What users may do on a virtual host.",
        "rabbitmq.list_permissions /myvhost",
        |args, env| {
            let vhost = args.text("vhost")?;
            let line = ["list_permissions", "--formatter=json", "-p", &vhost];
            permissions(args, env, &line, "user")
        },
    ),
    Function::new(
        "rabbitmq.list_user_permissions",
        NAME,
        "What a user may do on virtual hosts.",
        "rabbitmq.list_user_permissions user",
        |args, env| {
            let name = args.text("name")?;
            let line = ["list_user_permissions", &name, "--formatter=json"];
            permissions(args, env, &line, "vhost")
        },
    ),
    Function::new(
        "rabbitmq.list_users",
        "runas=None",
        "The users with their tags.",
        "rabbitmq.list_users",
        |args, env| Ok(Value::Object(users(args, env)?)),
    ),
    Function::new(
        "rabbitmq.list_vhosts",
        "runas=None",
        "The virtual hosts.",
        "rabbitmq.list_vhosts",
        |args, env| Ok(words(&vhosts(args, env)?)),
    ),
    Function::new(
        "rabbitmq.plugin_is_enabled",
        NAME,
        "Whether a plugin is enabled.",
        "rabbitmq.plugin_is_enabled rabbitmq_plugin_name",
        |args, env| {
            Ok(json!(holds(
                &words(&enabled(args, env)?),
                &args.text("name")?
            )))
        },
    ),
    Function::new(
        "rabbitmq.set_permissions",
        "vhost, user, conf='.*', write='.*', read='.*', runas=None",
        "Set what a user may do on a virtual host, by regular expressions of names.",
        "rabbitmq.set_permissions myvhost myuser",
        |args, env| {
            let mut line = vec!["set_permissions".to_owned(), "-p".to_owned()];
            for name in ["vhost", "user", "conf", "write", "read"] {
                line.push(args.text(name)?);
            }
            let line: Vec<&str> = line.iter().map(String::as_str).collect();
            done(args, env, "Permissions Set", &line)
        },
    ),
    Function::new(
        "rabbitmq.set_user_tags",
        "name, tags, runas=None",
        "Set the tags of a user, one or a list.",
        "rabbitmq.set_user_tags myadmin administrator",
        |args, env| {
            let tags: Vec<String> = match args.value("tags") {
                Value::Array(tags) => tags.iter().map(python::text).collect(),
                tag => vec![python::text(tag)],
            };
            let name = args.text("name")?;
            let mut line = vec!["set_user_tags", name.as_str()];
            line.extend(tags.iter().map(String::as_str));
            done(args, env, "Tag(s) set", &line)
        },
    ),
    Function::new(
        "rabbitmq.user_exists",
        NAME,
        "Whether there is a user.",
        "rabbitmq.user_exists rabbit_user",
        |args, env| Ok(json!(users(args, env)?.contains_key(&args.text("name")?))),
    ),
    Function::new(
        "rabbitmq.vhost_exists",
        NAME,
        "Whether there is a virtual host.",
        "rabbitmq.vhost_exists rabbit_host",
        |args, env| {
            Ok(json!(holds(
                &words(&vhosts(args, env)?),
                &args.text("name")?
            )))
        },
    ),
];

fn run(args: &Args, env: &Env, program: &str, words: &[&str]) -> Answer {
    let path = which(program).ok_or_else(|| Failure::MissingProgram(program.to_owned()))?;
    let mut line = vec![path.to_string_lossy().into_owned()];
    line.extend(words.iter().map(|&word| word.to_owned()));
    let run = Call::new("cmd.run_all")
        .arg(line)
        .kwarg("runas", args.value("runas").clone())
        .kwarg("python_shell", false)
        .kwarg("ignore_retcode", true)
        // There may be a password among the words.
        .kwarg("output_loglevel", "quiet");
    env.call(&run).map(|outcome| outcome.value)
}

fn control(args: &Args, env: &Env, words: &[&str]) -> Answer {
    run(args, env, "rabbitmqctl", words)
}

fn plugins(args: &Args, env: &Env, words: &[&str]) -> Answer {
    run(args, env, "rabbitmq-plugins", words)
}

/// The output of a command that has nothing to complain of.
fn checked(ran: &Value) -> Result<String, Failure> {
    let error = python::text(&ran["stderr"]);
    if ran["retcode"] != 0 || !error.is_empty() {
        return Err(Failure::command(format!(
            "RabbitMQ command failed: {error}"
        )));
    }
    Ok(python::text(&ran["stdout"]))
}

fn done(args: &Args, env: &Env, word: &str, words: &[&str]) -> Answer {
    Ok(json!({word: checked(&control(args, env, words)?)?}))
}

/// The lines of a list without its head and its end.
fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| {
        let is_head =
            line.starts_with("Listing") && (line.ends_with("...") || !line.contains('\t'));
        !is_head && !line.contains("...done") && !line.starts_with("WARNING:") && !line.is_empty()
    })
}

fn words(text: &str) -> Value {
    rows(text)
        .flat_map(str::split_whitespace)
        .map(Value::from)
        .collect()
}

fn holds(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|one| one == name))
}

fn vhosts(args: &Args, env: &Env) -> Result<String, Failure> {
    checked(&control(args, env, &["list_vhosts", "-q"])?)
}

fn enabled(args: &Args, env: &Env) -> Result<String, Failure> {
    checked(&plugins(args, env, &["list", "-m", "-e"])?)
}

fn users(args: &Args, env: &Env) -> Result<Map<String, Value>, Failure> {
    let told = checked(&control(args, env, &["list_users", "-q"])?)?;
    let user = |row: &str| match row.split_once('\t') {
        Some((name, tags)) => {
            let tags = tags.trim().trim_start_matches('[').trim_end_matches(']');
            let mark = if tags.contains(',') { ',' } else { ' ' };
            let tags: Vec<&str> = tags.split(mark).map(str::trim).collect();
            (name.to_owned(), json!(tags))
        }
        None => (row.to_owned(), json!("")),
    };
    Ok(rows(&told).map(user).collect())
}

fn permissions(args: &Args, env: &Env, line: &[&str], key: &str) -> Answer {
    let told = checked(&control(args, env, line)?)?;
    let told: Vec<Map<String, Value>> = serde_json::from_str(&told)
        .map_err(|error| Failure::command(format!("rabbitmqctl answers no JSON: {error}")))?;
    let mut permissions = Map::new();
    for mut entry in told {
        let name = entry.shift_remove(key).unwrap_or_default();
        permissions.insert(python::text(&name), Value::Object(entry));
    }
    Ok(Value::Object(permissions))
}

fn add_user(args: &Args, env: &Env) -> Answer {
    let name = args.text("name")?;
    if let Some(password) = args.optional_text("password")? {
        return done(args, env, "Added", &["add_user", &name, &password]);
    }
    // The server wants a password first.
    let mut password = String::new();
    for _ in 0..PASSWORD_LENGTH {
        let at = random::below(PASSWORD_LETTERS.len() as u64)?;
        password.push(char::from(PASSWORD_LETTERS[at as usize]));
    }
    let answer = done(args, env, "Added", &["add_user", &name, &password])?;
    let cleared = control(args, env, &["clear_password", &name]).and_then(|ran| checked(&ran));
    if let Err(failure) = cleared {
        // Nobody knows the password that it would keep.
        control(args, env, &["delete_user", &name])?;
        return Err(failure);
    }
    Ok(answer)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;

    /// Programs that keep users, permissions, hosts and plugins in files.
    pub(crate) fn fake(host: &Host) {
        let script = r#"kept=DIR; mkdir -p $kept/users $kept/perms $kept/vhosts; command=$1; shift
        case $command in
        list_users) printf 'Listing users\n'; for user in $kept/users/*; do [ -f $user ] && printf '%s\t[%s]\n' $(basename $user) "$(tail -n +2 $user)"; done; exit 0;;
        add_user) [ "$1" = bad ] && { echo "Error: no" >&2; exit 70; }; echo "$2" > $kept/users/$1; echo 'Adding user ...';;
        change_password) { echo "$2"; tail -n +2 $kept/users/$1; } > $kept/new; mv $kept/new $kept/users/$1;;
        clear_password) { echo; tail -n +2 $kept/users/$1; } > $kept/new; mv $kept/new $kept/users/$1;;
        authenticate_user) [ "$(head -n 1 $kept/users/$1)" = "$2" ] || { echo "Error" >&2; exit 65; };;
        set_user_tags) user=$1; shift; { head -n 1 $kept/users/$user; echo "$*" | sed 's/ /, /g'; } > $kept/new; mv $kept/new $kept/users/$user;;
        delete_user) rm $kept/users/$1;;
        list_vhosts) echo /; ls $kept/vhosts;;
        add_vhost) touch $kept/vhosts/$1; echo "Adding vhost $1";;
        delete_vhost) rm $kept/vhosts/$1;;
        set_permissions) printf '{"vhost": "%s", "configure": "%s", "write": "%s", "read": "%s"}' "$2" "$4" "$5" "$6" > $kept/perms/$3-$2;;
        list_user_permissions) comma=; printf '['; for perm in $kept/perms/$1-*; do [ -f $perm ] && printf '%s' "$comma" && cat $perm && comma=,; done; printf ']';;
        esac"#;
        host.program("rabbitmqctl", &script.replace("DIR", &host.path("rabbit")));
        let script = r#"kept=DIR; touch $kept
        case $1 in
        list) cat $kept;;
        enable) echo $2 >> $kept; echo "enabled";;
        disable) grep -vxF $2 $kept > $kept.new; mv $kept.new $kept; echo "disabled";;
        esac"#;
        host.program(
            "rabbitmq-plugins",
            &script.replace("DIR", &host.path("plugins")),
        );
    }

    #[test]
    fn users_and_hosts_are_told() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let call = |call: Call| host.call(call).value;
        let add = Call::new("rabbitmq.add_user").arg("u").arg("secret");
        assert_eq!(call(add), json!({"Added": "Adding user ..."}));
        let check = Call::new("rabbitmq.check_password").arg("u");
        assert_eq!(call(check.clone().arg("secret")), json!(true));
        assert_eq!(call(check.arg("other")), json!(false));
        assert_eq!(call(Call::new("rabbitmq.list_users")), json!({"u": [""]}));
        let tags = Call::new("rabbitmq.set_user_tags")
            .arg("u")
            .arg(json!(["a", "b"]));
        call(tags);
        assert_eq!(
            call(Call::new("rabbitmq.list_users")),
            json!({"u": ["a", "b"]})
        );
        call(Call::new("rabbitmq.add_user").arg("silent"));
        let users = call(Call::new("rabbitmq.user_exists").arg("silent"));
        assert_eq!(users, json!(true));
        let kept = std::fs::read_to_string(host.path("rabbit/users/silent")).unwrap();
        assert_eq!(kept, "\n", "the password is gone");
        assert_eq!(call(Call::new("rabbitmq.list_vhosts")), json!(["/"]));
        call(
            Call::new("rabbitmq.set_permissions")
                .arg("h")
                .arg("u")
                .kwarg("read", ""),
        );
        assert_eq!(
            call(Call::new("rabbitmq.list_user_permissions").arg("u")),
            json!({"h": {"configure": ".*", "write": ".*", "read": ""}})
        );
        assert_eq!(
            call(Call::new("rabbitmq.add_user").arg("bad").arg("x")),
            json!("ERROR: RabbitMQ command failed: Error: no")
        );
    }
}
