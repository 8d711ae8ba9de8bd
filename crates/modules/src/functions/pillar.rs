//! `pillar`: the values that the hub keeps for this minion.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function, filter};
use crate::context::PillarWish;
use crate::mask::masked;
use crate::python;

const FRESH: &str =
    "*args, pillar=None, pillar_enc=None, pillarenv=None, saltenv=None, unmask=None";
const GET: &str = "key, default='', merge=False, merge_nested_lists=None, delimiter=':', pillarenv=None, saltenv=None, unmask=None";
const GET_DOC: &str = "A value of the pillar in memory, or default. A path such as pkg:apache walks into nested values. merge: lay a dictionary \
     that is found over the default, or add a list to it; merge_nested_lists: join lists in it, too. pillarenv, saltenv: of a pillar that is made \
     for this call. unmask=False shows stars for the values.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "pillar.data",
        FRESH,
        "The same as pillar.items.",
        "pillar.data",
        items,
    ),
    Function::new("pillar.fetch", GET, GET_DOC, "pillar.fetch pkg:apache", get),
    Function::new(
        "pillar.file_exists",
        "path, saltenv=None",
        "Whether the pillar roots of this host have a file: only where the minion itself compiles its pillar, without a hub.",
        "pillar.file_exists foo/bar.sls",
        file_exists,
    ),
    Function::new(
        "pillar.filter_by",
        "lookup_dict, pillar, merge=None, default='default', base=None",
        "Choose the value of a dictionary whose key matches (as a shell pattern) a value of the pillar; options as for grains.filter_by.",
        "pillar.filter_by '{web: Serve it up, db: I query, default: x_x}' role",
        |args, env| {
            let pillar = in_memory(env)?;
            let found = data::traverse(&pillar, &args.text("pillar")?, data::DEFAULT_DELIMITER);
            filter::filter_by(args, found)
        },
    ),
    Function::new("pillar.get", GET, GET_DOC, "pillar.get pkg:apache", get),
    Function::new(
        "pillar.item",
        "*args, default=None, delimiter=None, pillarenv=None, saltenv=None, unmask=None",
        "Some values of the pillar in memory by name (or path).",
        "pillar.item foo bar:baz",
        |args, env| item(args, env).map(|value| shown(args, value)),
    ),
    Function::new(
        "pillar.items",
        FRESH,
        "The whole pillar, made anew. With names, the same as pillar.item. pillar: values over those of the files. pillarenv: the only \
         environment that counts. unmask=False shows stars for the values.",
        "pillar.items",
        items,
    ),
    Function::new(
        "pillar.keys",
        "key, delimiter=':', unmask=None",
        "The keys of a dictionary in the pillar.",
        "pillar.keys web:sites",
        |args, env| {
            let key = args.text("key")?;
            let pillar = in_memory(env)?;
            match data::traverse(&pillar, &key, &args.text("delimiter")?) {
                None => Err(Failure::exception(
                    "KeyError",
                    format!("'Pillar key not found: {key}'"),
                )),
                Some(Value::Object(map)) => Ok(map.keys().map(String::as_str).collect()),
                Some(_) => {
                    let text = format!("Pillar value in key {key} is not a dict");
                    Err(Failure::exception("ValueError", text))
                }
            }
        },
    ),
    Function::new(
        "pillar.ls",
        FRESH,
        "The names at the top of the pillar, made anew.",
        "pillar.ls",
        |args, env| {
            let found = items(args, env)?;
            Ok(found
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .map(String::as_str)
                .collect())
        },
    ),
    Function::new(
        "pillar.obfuscate",
        FRESH,
        "The whole pillar, made anew, with the types of the values in their places.",
        "pillar.obfuscate",
        |args, env| items(args, env).map(|pillar| obfuscated(&pillar)),
    ),
    Function::new(
        "pillar.raw",
        "key=None, unmask=None",
        "The pillar in memory, or what is under one of its names. unmask=False shows stars for the values.",
        "pillar.raw roles",
        |args, env| {
            let pillar = in_memory(env)?;
            let value = match args.optional_text("key")?.filter(|key| !key.is_empty()) {
                Some(key) => pillar.get(key).cloned().unwrap_or_else(|| json!({})),
                None => (*pillar).clone(),
            };
            Ok(shown(args, value))
        },
    ),
];

fn in_memory(env: &Env) -> Result<Arc<Value>, Failure> {
    env.ctx.pillar().map_err(Failure::Command)
}

/// The pillar in memory, or one made for these environments.
fn of_environment(args: &Args, env: &Env) -> Result<Arc<Value>, Failure> {
    let (pillarenv, saltenv) = (
        args.optional_text("pillarenv")?,
        args.optional_text("saltenv")?,
    );
    if pillarenv.is_none() && saltenv.is_none() {
        return in_memory(env);
    }
    let wish = PillarWish {
        pillarenv,
        saltenv,
        values: Map::new(),
    };
    env.ctx.refresh_pillar(&wish).map_err(Failure::Command)
}

fn get(args: &Args, env: &Env) -> Answer {
    let (key, default) = (args.text("key")?, args.value("default"));
    let pillar = of_environment(args, env)?;
    let found = data::traverse(&pillar, &key, &args.text("delimiter")?);
    let option = |name: &str| {
        env.ctx
            .config(name)
            .is_some_and(|value| python::truthy(&value))
    };
    if found.is_none() && *default == json!("") && option("pillar_raise_on_missing") {
        let text = format!("'Pillar key not found: {key}'");
        return Err(Failure::exception("KeyError", text));
    }
    let merge_lists = match args.value("merge_nested_lists") {
        Value::Null => option("pillar_merge_lists"),
        said => python::truthy(said),
    };
    let value = if args.flag("merge") {
        data::over_default(found, default, merge_lists)
    } else {
        found.unwrap_or(default).clone()
    };
    Ok(shown(args, value))
}

fn item(args: &Args, env: &Env) -> Answer {
    let default = match args.value("default") {
        Value::Null => json!(""),
        default => default.clone(),
    };
    let delimiter = args.optional_text("delimiter")?;
    let delimiter = delimiter.as_deref().unwrap_or(data::DEFAULT_DELIMITER);
    let pillar = of_environment(args, env)?;
    let found = args.extra_args.iter().map(python::text).map(|key| {
        let value = data::traverse(&pillar, &key, delimiter).unwrap_or(&default);
        let value = value.clone();
        (key, value)
    });
    Ok(Value::Object(found.collect()))
}

fn items(args: &Args, env: &Env) -> Answer {
    if !args.extra_args.is_empty() {
        return item(args, env).map(|value| shown(args, value));
    }
    if args.flag("pillar_enc") {
        return Err(Failure::invocation(
            "pillar_enc: encrypted values of the command line are not supported; put them into the pillar files, which the gpg renderer decrypts",
        ));
    }
    let values = match args.value("pillar") {
        Value::Null => Map::new(),
        Value::Object(values) => values.clone(),
        _ => return Err(Failure::invocation("Pillar data must be a dictionary")),
    };
    let wish = PillarWish {
        pillarenv: args.optional_text("pillarenv")?,
        saltenv: args.optional_text("saltenv")?,
        values,
    };
    let pillar = env.ctx.refresh_pillar(&wish).map_err(Failure::Command)?;
    Ok(shown(args, (*pillar).clone()))
}

/// The value itself, unless `unmask` says no.
fn shown(args: &Args, value: Value) -> Value {
    match args.value("unmask") {
        Value::Null => value,
        unmask if python::truthy(unmask) => value,
        _ => masked(value),
    }
}

fn obfuscated(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(obfuscated).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), obfuscated(value)))
            .collect(),
        scalar => {
            let name = python::type_name(scalar)
                .trim_start_matches("<class '")
                .trim_end_matches("'>");
            json!(format!("<{name}>"))
        }
    }
}

fn file_exists(args: &Args, env: &Env) -> Answer {
    let path = args.text("path")?;
    let wanted = args.optional_text("saltenv")?;
    let Some(Value::Object(roots)) = env.ctx.config("pillar_roots") else {
        let text = "No pillar_roots found. Are you running this on the master?";
        return Err(Failure::command(text));
    };
    let mut folders = roots
        .iter()
        .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == *name))
        .flat_map(|(_, folders)| folders.as_array().into_iter().flatten())
        .filter_map(Value::as_str);
    Ok(json!(folders.any(|folder| {
        std::path::Path::new(folder).join(&path).is_file()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::mask::MASK;
    use crate::testing::Host;

    fn host() -> Host {
        let host = Host::new();
        *host.pillar.lock().unwrap() = Arc::new(json!({
            "role": ["web", "db"], "pkg": {"apache": "httpd", "list": [1], "n": 0}, "secret": "s",
        }));
        host
    }

    #[test]
    fn values_are_found() {
        let host = host();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        check(Call::new("pillar.get").arg("pkg:apache"), json!("httpd"));
        check(Call::new("pillar.get").arg("role:1"), json!("db"));
        check(Call::new("pillar.get").arg("none"), json!(""));
        check(
            Call::new("pillar.get").arg("none").arg(json!(null)),
            json!(null),
        );
        check(
            Call::new("pillar.get")
                .arg("pkg/apache")
                .kwarg("delimiter", "/"),
            json!("httpd"),
        );
        let merged = Call::new("pillar.get").arg("pkg").kwarg("merge", true);
        check(
            merged
                .clone()
                .kwarg("default", json!({"apache": "x", "list": [0], "new": 1})),
            json!({"apache": "httpd", "list": [1], "new": 1, "n": 0}),
        );
        check(
            merged
                .kwarg("default", json!({"list": [0]}))
                .kwarg("merge_nested_lists", true),
            json!({"list": [0, 1], "apache": "httpd", "n": 0}),
        );
        check(
            Call::new("pillar.item").arg("secret").arg("pkg:n").arg("x"),
            json!({"secret": "s", "pkg:n": 0, "x": ""}),
        );
        check(
            Call::new("pillar.keys").arg("pkg"),
            json!(["apache", "list", "n"]),
        );
        check(Call::new("pillar.raw").arg("role"), json!(["web", "db"]));
        check(Call::new("pillar.ls"), json!(["role", "pkg", "secret"]));
        check(
            Call::new("pillar.filter_by")
                .arg(json!({"w*": 1, "default": 2}))
                .arg("role"),
            json!(1),
        );
        assert!(!host.call(Call::new("pillar.keys").arg("secret")).success);
        assert!(!host.call(Call::new("pillar.file_exists").arg("x")).success);
    }

    #[test]
    fn the_whole_is_made_anew() {
        let host = host();
        let items = Call::new("pillar.items").kwarg("pillar", json!({"new": 1}));
        assert_eq!(host.call(items).value["new"], json!(1));
        assert!(
            !host
                .call(Call::new("pillar.items").kwarg("pillar", 5))
                .success
        );
        assert!(
            !host
                .call(Call::new("pillar.items").kwarg("pillar_enc", "gpg"))
                .success
        );
        let masked = host
            .call(Call::new("pillar.items").kwarg("unmask", false))
            .value;
        assert_eq!(
            masked,
            json!({"role": [MASK, MASK], "pkg": {"apache": MASK, "list": [MASK], "n": 0}, "secret": MASK})
        );
        assert_eq!(
            host.call(Call::new("pillar.obfuscate")).value["pkg"],
            json!({"apache": "<str>", "list": ["<int>"], "n": "<int>"})
        );
    }
}
