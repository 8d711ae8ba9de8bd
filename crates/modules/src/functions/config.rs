//! `config`: values of the minion's configuration, with those of its grains and pillar.

use data::Strategy;
use serde_json::{Map, Value, json};
use targeting::Glob;

use super::{Answer, Args, Env, Failure, Function};
use crate::python;

/// What the value of a reference to a secret begins with.
const SECRET: &str = "sdb://";

/// Schemes of the sources of files.
const SCHEMES: [&str; 7] = ["salt", "file", "http", "https", "ftp", "swift", "s3"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "config.backup_mode",
        "backup=''",
        "The mode of backups that is given, else that of the configuration.",
        "config.backup_mode",
        |args, env| match args.value("backup") {
            backup if python::truthy(backup) => Ok(backup.clone()),
            _ => Ok(env.ctx.config("backup_mode").unwrap_or_else(|| json!(""))),
        },
    )
    .quick(),
    Function::new(
        "config.dot_vals",
        "value",
        "The values of the hub's and the minion's configuration whose names begin with a word and a dot.",
        "config.dot_vals host",
        |args, env| {
            let prefix = format!("{}.", args.text("value")?);
            let (master, options) = (master(env)?, env.ctx.options());
            let entries = [&master, &*options]
                .into_iter()
                .filter_map(Value::as_object)
                .flatten();
            let wanted = entries.filter(|(name, _)| name.starts_with(&prefix));
            Ok(Value::Object(
                wanted
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            ))
        },
    ),
    Function::new(
        "config.get",
        "key, default='', delimiter=':', merge=None, omit_opts=False, omit_pillar=False, omit_master=False, omit_grains=False",
        "A value of the minion's configuration, else of its grains, else of its pillar, else of the hub's configuration in the pillar, else default. \
         A path such as mysql:host walks into nested values. merge: recurse or overwrite lays them all over each other instead.",
        "config.get pkg:apache",
        get,
    ),
    Function::new(
        "config.items",
        "",
        "The whole configuration of the minion.",
        "config.items",
        |_, env| Ok((*env.ctx.options()).clone()),
    )
    .quick(),
    Function::new(
        "config.manage_mode",
        "mode",
        "A file mode in four digits.",
        "config.manage_mode 0755",
        |args, _| {
            let mode = match args.value("mode") {
                Value::Null => return Ok(Value::Null),
                mode => python::text(mode).replace("0o", "0"),
            };
            let digits = mode
                .trim_matches('"')
                .trim_matches('\'')
                .trim_start_matches('0');
            Ok(json!(format!("{digits:0>4}")))
        },
    )
    .quick(),
    Function::new(
        "config.merge",
        "value, default='', omit_opts=False, omit_master=False, omit_pillar=False",
        "A value of the minion's configuration, of the hub's in the pillar, and of the pillar: maps laid over each other, lists joined, else the \
         first. The name is no path.",
        "config.merge schedule",
        merge,
    ),
    Function::new(
        "config.option",
        "value, default=None, omit_opts=False, omit_grains=False, omit_pillar=False, omit_master=False, omit_all=False, wildcard=False",
        "A value of the minion's configuration, else of its grains, its pillar, the hub's configuration in the pillar, else default. The name is no \
         path. wildcard: the name is a shell pattern, and all that fit are answered.",
        "config.option redis.host",
        option,
    ),
    Function::new(
        "config.valid_fileproto",
        "uri",
        "Whether files are fetched from sources of this scheme.",
        "config.valid_fileproto salt://path/to/file",
        |args, _| {
            let uri = args.text("uri")?;
            let scheme = uri
                .split_once(':')
                .map(|(scheme, _)| scheme.to_ascii_lowercase());
            Ok(json!(
                scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str()))
            ))
        },
    )
    .quick(),
];

/// The hub's configuration, where the pillar has it.
fn master(env: &Env) -> Result<Value, Failure> {
    let pillar = env.ctx.pillar().map_err(Failure::Command)?;
    let master = pillar.get("master").filter(|master| master.is_object());
    Ok(master.cloned().unwrap_or_else(|| json!({})))
}

fn get(args: &Args, env: &Env) -> Answer {
    let (key, delimiter) = (args.text("key")?, args.text("delimiter")?);
    let (options, grains) = (env.ctx.options(), env.ctx.grains());
    let found = if args.value("merge").is_null() {
        let is_wanted = |name: &str| !args.flag(name);
        let own = [(&options, "omit_opts"), (&grains, "omit_grains")];
        let own = own
            .iter()
            .filter(|(_, omit)| is_wanted(omit))
            .map(|(source, _)| &***source);
        // The pillar is made only when it is asked for.
        match data::first_of(own, &key, &delimiter) {
            Some(found) => Some(found.clone()),
            None if args.flag("omit_pillar") && args.flag("omit_master") => None,
            None => {
                let pillar = env.ctx.pillar().map_err(Failure::Command)?;
                let master = pillar.get("master");
                let sources = [
                    is_wanted("omit_pillar").then_some(&*pillar),
                    master.filter(|_| is_wanted("omit_master")),
                ];
                data::first_of(sources.into_iter().flatten(), &key, &delimiter).cloned()
            }
        }
    } else {
        let strategy = match args.text("merge")?.as_str() {
            "overwrite" => Strategy::Overwrite,
            _ => Strategy::Recurse,
        };
        let pillar = env.ctx.pillar().map_err(Failure::Command)?;
        let master = master(env)?;
        data::merged_of(
            &[&options, &grains, &pillar, &master],
            &key,
            &delimiter,
            strategy,
        )
    };
    match found {
        Some(Value::String(text)) if text.starts_with(SECRET) => Err(Failure::command(format!(
            "{key} is the reference {text}, and references to secrets (sdb) are not resolved here: put the value into the pillar"
        ))),
        Some(found) => Ok(found),
        None => Ok(args.value("default").clone()),
    }
}

fn option(args: &Args, env: &Env) -> Answer {
    let name = args.text("value")?;
    let is_wanted = |omit: &str| !args.flag("omit_all") && !args.flag(omit);
    let has_wildcard = args.flag("wildcard");
    let default = match args.value("default") {
        Value::Null if has_wildcard => json!({}),
        Value::Null => json!(""),
        default => default.clone(),
    };
    let (options, grains) = (env.ctx.options(), env.ctx.grains());
    let needs_pillar = is_wanted("omit_pillar") || is_wanted("omit_master");
    let own = [(&options, "omit_opts"), (&grains, "omit_grains")];
    let own: Vec<&Value> = own
        .iter()
        .filter(|(_, omit)| is_wanted(omit))
        .map(|(source, _)| &***source)
        .collect();
    if !has_wildcard && let Some(found) = own.iter().find_map(|source| source.get(&name)) {
        return Ok(found.clone());
    }
    let pillar = if needs_pillar {
        env.ctx.pillar().map_err(Failure::Command)?
    } else {
        std::sync::Arc::new(json!({}))
    };
    let master = pillar.get("master").filter(|_| is_wanted("omit_master"));
    let pillar = is_wanted("omit_pillar").then_some(&*pillar);
    let all: Vec<&Value> = own.into_iter().chain(pillar).chain(master).collect();
    if !has_wildcard {
        return Ok(all
            .iter()
            .find_map(|source| source.get(&name))
            .cloned()
            .unwrap_or(default));
    }
    let glob = Glob::new(&name);
    let mut found = Map::new();
    for (key, value) in all
        .iter()
        .rev()
        .filter_map(|source| source.as_object())
        .flatten()
    {
        if glob.matches(key) {
            found.insert(key.clone(), value.clone());
        }
    }
    Ok(if found.is_empty() {
        default
    } else {
        Value::Object(found)
    })
}

fn merge(args: &Args, env: &Env) -> Answer {
    let name = args.text("value")?;
    let options = env.ctx.options();
    let mut found = (!args.flag("omit_opts"))
        .then(|| options.get(&name).cloned())
        .flatten();
    if found.as_ref().is_some_and(Value::is_string) {
        return Ok(found.unwrap_or_default());
    }
    let pillar = env.ctx.pillar().map_err(Failure::Command)?;
    let master = pillar.get("master").filter(|_| !args.flag("omit_master"));
    let pillar = (!args.flag("omit_pillar")).then_some(&*pillar);
    for source in [master, pillar].into_iter().flatten() {
        let Some(value) = source.get(&name) else {
            continue;
        };
        found = Some(match (found, value) {
            (None, Value::String(_)) => return Ok(value.clone()),
            (None, value) => value.clone(),
            (Some(Value::Object(over)), Value::Object(below)) => {
                let mut merged = below.clone();
                merged.extend(over);
                Value::Object(merged)
            }
            (Some(Value::Array(mut items)), Value::Array(more)) => {
                items.extend(more.iter().cloned());
                Value::Array(items)
            }
            (Some(found), _) => found,
        });
    }
    Ok(found.unwrap_or_else(|| args.value("default").clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;
    use std::sync::Arc;

    #[test]
    fn values_are_found() {
        let host = Host::new();
        let pillar = json!({
            "os": "pillar", "p": {"x": 1}, "ports": {"https": 443}, "list": [2], "master": {"m": 5, "ports": {"ssh": 22}, "host.a": 1},
            "secret": "sdb://vault/x",
        });
        *host.pillar.lock().unwrap() = Arc::new(pillar);
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        let get = |key: &str| Call::new("config.get").arg(key);
        check(get("master"), json!("hub.example"));
        check(
            get("master").kwarg("omit_opts", true),
            json!({"m": 5, "ports": {"ssh": 22}, "host.a": 1}),
        );
        check(get("deep:er:est"), json!(7));
        check(get("deep:er").kwarg("omit_grains", true), json!(""));
        check(get("none").arg(5), json!(5));
        check(get("ports:http"), json!(8080));
        check(get("ports:https"), json!(443));
        check(get("ports:https").kwarg("omit_pillar", true), json!(""));
        check(get("m"), json!(5));
        check(get("m").kwarg("omit_master", true), json!(""));
        check(get("os"), json!("Debian"));
        check(
            get("ports").kwarg("merge", "recurse"),
            json!({"ssh": 22, "https": 443, "http": 8080}),
        );
        check(
            get("ports").kwarg("merge", "overwrite"),
            json!({"http": 8080}),
        );
        assert!(!host.call(get("secret")).success);
        let option = |key: &str| Call::new("config.option").arg(key);
        check(option("os"), json!("Debian"));
        check(option("deep:er"), json!(""));
        check(option("p"), json!({"x": 1}));
        check(
            option("p").kwarg("omit_all", true).kwarg("default", 3),
            json!(3),
        );
        check(
            option("o*").kwarg("wildcard", true),
            json!({"os": "Debian", "os_family": "Debian"}),
        );
        check(option("zz*").kwarg("wildcard", true), json!({}));
        let merge = |key: &str| Call::new("config.merge").arg(key);
        check(
            merge("ports"),
            json!({"https": 443, "ssh": 22, "http": 8080}),
        );
        check(merge("master"), json!("hub.example"));
        check(merge("list"), json!([2]));
        check(merge("zz").arg(1), json!(1));
        check(
            Call::new("config.dot_vals").arg("host"),
            json!({"host.a": 1}),
        );
    }

    #[test]
    fn words() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        check(
            Call::new("config.valid_fileproto").arg("salt://x"),
            json!(true),
        );
        check(
            Call::new("config.valid_fileproto").arg("gopher://x"),
            json!(false),
        );
        check(Call::new("config.valid_fileproto").arg("/x"), json!(false));
        check(Call::new("config.manage_mode").arg(644), json!("0644"));
        check(Call::new("config.manage_mode").arg("00755"), json!("0755"));
        check(
            Call::new("config.backup_mode").arg("minion"),
            json!("minion"),
        );
        check(Call::new("config.backup_mode"), json!(""));
        assert_eq!(
            host.call(Call::new("config.items")).value["master"],
            json!("hub.example")
        );
    }
}
