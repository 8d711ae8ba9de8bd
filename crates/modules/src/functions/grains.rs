//! `grains`: reading grains, and changing the static ones in their file.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::grains::read_static;
use crate::{pattern, python};

/// Mode of a grains file that this crate makes: grains may hold what not everybody should read.
const NEW_FILE_MODE: u32 = 0o600;

/// Grains that `sanitize` hides, and what it shows instead; a serial number keeps its first three quarters.
const SANITIZED: [(&str, &str); 6] = [
    ("domain", "DOMAINNAME"),
    ("fqdn", "MINION.DOMAINNAME"),
    ("id", "MINION.DOMAINNAME"),
    ("host", "MINION"),
    ("localhost", "MINION"),
    ("nodename", "MINION"),
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "grains.append",
        "key, val, convert=False, delimiter=':'",
        "Append a value (or the values of a list) to a list in the static grains. convert: make a list of what is \
         there. key may be a path into nested grains.",
        "grains.append roles web",
        append,
    ),
    Function::new(
        "grains.delkey",
        "key, force=False",
        "Remove a grain from the static grains, name and value. force: also when it is a list or a dictionary.",
        "grains.delkey key",
        |args, env| set(env, &args.text("key")?, Value::Null, args.flag("force"), true, python::DEFAULT_DELIMITER),
    ),
    Function::new(
        "grains.delval",
        "key, destructive=False, force=False",
        "Set a static grain to nothing. destructive: remove its name too. force: also when it is a list or a \
         dictionary.",
        "grains.delval key",
        |args, env| {
            let (force, destructive) = (args.flag("force"), args.flag("destructive"));
            set(env, &args.text("key")?, Value::Null, force, destructive, python::DEFAULT_DELIMITER)
        },
    ),
    Function::new(
        "grains.equals",
        "key, value",
        "Whether a grain has this value; both are compared as text.",
        "grains.equals fqdn web1.example.com",
        |args, env| {
            let grains = env.ctx.grains();
            let found = python::traverse(&grains, &args.text("key")?, python::DEFAULT_DELIMITER);
            let found = found.map(python::text).unwrap_or_default();
            Ok(json!(found == python::text(args.value("value"))))
        },
    )
    .quick(),
    Function::new(
        "grains.fetch",
        "key, default='', delimiter=':', ordered=True",
        "The same as grains.get.",
        "grains.fetch os",
        get,
    )
    .quick(),
    Function::new(
        "grains.filter_by",
        "lookup_dict, grain='os_family', merge=None, default='default', base=None",
        "Choose the value of a dictionary whose key matches (as a shell pattern) the value of a grain. default: key to \
         use when none matches. base: key whose dictionary the chosen one is laid over. merge: dictionary that is laid \
         over the result.",
        "grains.filter_by '{Debian: Debheads rule, RedHat: I love my hat}'",
        filter_by,
    ),
    Function::new(
        "grains.get",
        "key, default='', delimiter=':', ordered=True",
        "The value of a grain, or default. A path such as pkg:apache walks into nested grains; another delimiter helps \
         when names hold colons.",
        "grains.get pkg:apache",
        get,
    )
    .quick(),
    Function::new(
        "grains.has_value",
        "key",
        "Whether there is a grain of this name (or path).",
        "grains.has_value pkg:apache",
        |args, env| {
            let grains = env.ctx.grains();
            Ok(json!(python::traverse(&grains, &args.text("key")?, python::DEFAULT_DELIMITER).is_some()))
        },
    )
    .quick(),
    Function::new(
        "grains.item",
        "*args, **kwargs",
        "Some grains by name (or path). Accepts default, delimiter and sanitize as keywords.",
        "grains.item os osrelease oscodename",
        item,
    )
    .quick(),
    Function::new(
        "grains.items",
        "sanitize=False",
        "All grains. sanitize: hide names and serial numbers that identify the host.",
        "grains.items sanitize=True",
        |args, env| {
            let mut grains = env.ctx.grains().as_object().cloned().unwrap_or_default();
            if args.flag("sanitize") {
                sanitize(&mut grains);
            }
            Ok(Value::Object(grains))
        },
    )
    .quick(),
    Function::new(
        "grains.ls",
        "",
        "The names of all grains, in order.",
        "grains.ls",
        |_, env| {
            let grains = env.ctx.grains();
            let mut names: Vec<&String> = grains.as_object().into_iter().flat_map(Map::keys).collect();
            names.sort();
            Ok(json!(names))
        },
    )
    .quick(),
    Function::new(
        "grains.remove",
        "key, val, delimiter=':'",
        "Remove a value from a list in the static grains.",
        "grains.remove roles web",
        remove,
    ),
    Function::new(
        "grains.set",
        "key, val='', force=False, destructive=False, delimiter=':'",
        "Set a static grain, key may be a path. Answers result, comment and changes. force: overwrite a list or a \
         dictionary, or a simple value by one. destructive: remove the grain when the value is nothing.",
        "grains.set apps:myApp:port 2209",
        |args, env| {
            let (force, destructive) = (args.flag("force"), args.flag("destructive"));
            let key = args.text("key")?;
            set(env, &key, args.value("val").clone(), force, destructive, &args.text("delimiter")?)
        },
    ),
    Function::new(
        "grains.setval",
        "key, val, destructive=False, refresh_pillar=True",
        "Set a static grain in the grains file and load it. destructive: remove the grain when the value is nothing. \
         refresh_pillar is accepted: pillars here follow the grains by themselves.",
        "grains.setval key \"{'sub-key': 'val', 'sub-key2': 'val2'}\"",
        |args, env| {
            let _lock = lock();
            let grains = [(args.text("key")?, args.value("val").clone())].into_iter().collect();
            store(env, grains, args.flag("destructive"))
        },
    ),
    Function::new(
        "grains.setvals",
        "grains, destructive=False, refresh_pillar=True",
        "Set several static grains, given as a dictionary, in the grains file and load them. Options as for \
         grains.setval.",
        "grains.setvals \"{'key1': 'val1', 'key2': 'val2'}\"",
        |args, env| {
            let grains = args.value("grains").as_object();
            let grains =
                grains.ok_or_else(|| Failure::exception("SaltException", "setvals grains must be a dictionary."))?;
            let _lock = lock();
            store(env, grains.clone(), args.flag("destructive"))
        },
    ),
];

fn get(args: &Args, env: &Env) -> Answer {
    let grains = env.ctx.grains();
    let found = python::traverse(&grains, &args.text("key")?, &args.text("delimiter")?);
    Ok(found.unwrap_or(args.value("default")).clone())
}

fn item(args: &Args, env: &Env) -> Answer {
    let option = |name: &str| args.extra_kwargs.get(name);
    let default = option("default").cloned().unwrap_or_else(|| json!(""));
    let delimiter =
        option("delimiter").map_or_else(|| python::DEFAULT_DELIMITER.to_owned(), python::text);
    let grains = env.ctx.grains();
    let mut found = Map::new();
    for name in args.extra_args.iter().map(python::text) {
        let value = python::traverse(&grains, &name, &delimiter)
            .unwrap_or(&default)
            .clone();
        found.insert(name, value);
    }
    if option("sanitize").is_some_and(python::truthy) {
        sanitize(&mut found);
    }
    Ok(Value::Object(found))
}

fn sanitize(grains: &mut Map<String, Value>) {
    for (name, shown) in SANITIZED {
        if let Some(value) = grains.get_mut(name) {
            *value = json!(shown);
        }
    }
    if let Some(serial) = grains.get_mut("serialnumber") {
        let text: Vec<char> = python::text(serial).chars().collect();
        let kept = text.len() * 3 / 4;
        let hidden = std::iter::repeat_n('X', text.len() - kept);
        *serial = json!(
            text[..kept]
                .iter()
                .copied()
                .chain(hidden)
                .collect::<String>()
        );
    }
}

fn filter_by(args: &Args, env: &Env) -> Answer {
    let lookup = args.value("lookup_dict");
    let lookup = lookup
        .as_object()
        .ok_or_else(|| Failure::invocation("lookup_dict must be a dictionary"))?;
    let grains = env.ctx.grains();
    let empty = json!([]);
    let found = python::traverse(&grains, &args.text("grain")?, python::DEFAULT_DELIMITER)
        .unwrap_or(&empty);
    let values = found
        .as_array()
        .map_or_else(|| std::slice::from_ref(found), Vec::as_slice);
    let matches = |value: &Value, key: &str| {
        pattern::glob(key, false).is_some_and(|glob| glob.is_match(&python::text(value)))
    };
    let chosen = values
        .iter()
        .find_map(|value| {
            lookup
                .iter()
                .find(|(key, chosen)| !chosen.is_null() && matches(value, key))
        })
        .map(|(_, chosen)| chosen);
    let mut result = chosen
        .or_else(|| lookup.get(&args.text("default").ok()?))
        .cloned()
        .unwrap_or(Value::Null);
    if let Some(base) = args
        .optional_text("base")?
        .and_then(|base| lookup.get(&base))
    {
        result = match (base, result) {
            (base, Value::Null) => base.clone(),
            (Value::Object(base), Value::Object(over)) => {
                Value::Object(laid_over(base.clone(), &over))
            }
            (Value::Object(_), _) => {
                let text = "filter_by default and look-up values must both be dictionaries.";
                return Err(Failure::exception("SaltException", text));
            }
            (_, result) => result,
        };
    }
    match (args.value("merge"), result) {
        (merge, result) if !python::truthy(merge) => Ok(result),
        (Value::Object(merge), Value::Null) => Ok(Value::Object(merge.clone())),
        (Value::Object(merge), Value::Object(result)) => {
            Ok(Value::Object(laid_over(result, merge)))
        }
        _ => Err(Failure::exception(
            "SaltException",
            "filter_by merge argument must be a dictionary.",
        )),
    }
}

/// Lays a dictionary over another one, nested dictionaries too; other values are replaced.
fn laid_over(mut base: Map<String, Value>, over: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in over {
        let merged = match (base.remove(key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => {
                Value::Object(laid_over(below, value))
            }
            (_, value) => value.clone(),
        };
        base.insert(key.clone(), merged);
    }
    base
}

fn append(args: &Args, env: &Env) -> Answer {
    let (key, delimiter, added) = (
        args.text("key")?,
        args.text("delimiter")?,
        args.value("val"),
    );
    let _lock = lock();
    let grains = env.ctx.grains();
    let mut list = match python::traverse(&grains, &key, &delimiter) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(Value::Null) if args.flag("convert") => Vec::new(),
        Some(other) if args.flag("convert") => vec![other.clone()],
        Some(_) => return Ok(json!(format!("The key {key} is not a valid list"))),
    };
    if list.contains(added) {
        return Ok(json!(format!(
            "The val {} was already in the list {key}",
            python::text(added)
        )));
    }
    match added {
        Value::Array(items) => list.extend(items.iter().cloned()),
        value => list.push(value.clone()),
    }
    store_nested(env, &key, Value::Array(list), &delimiter)
}

fn remove(args: &Args, env: &Env) -> Answer {
    let (key, delimiter, removed) = (
        args.text("key")?,
        args.text("delimiter")?,
        args.value("val"),
    );
    let _lock = lock();
    let grains = env.ctx.grains();
    let mut list = match python::traverse(&grains, &key, &delimiter) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(_) => return Ok(json!(format!("The key {key} is not a valid list"))),
    };
    let Some(at) = list.iter().position(|item| item == removed) else {
        return Ok(json!(format!(
            "The val {} was not in the list {key}",
            python::text(removed)
        )));
    };
    list.remove(at);
    store_nested(env, &key, Value::Array(list), &delimiter)
}

/// Stores a value at a path: the first step is the grain, the others lead into dictionaries that are kept or made.
fn store_nested(env: &Env, path: &str, value: Value, delimiter: &str) -> Answer {
    let grains = env.ctx.grains();
    let (mut key, mut value) = (path, value);
    while let Some((parent, rest)) = rsplit(key, delimiter) {
        let mut map = python::traverse(&grains, parent, delimiter)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        map.insert(rest.to_owned(), value);
        (key, value) = (parent, Value::Object(map));
    }
    store(env, [(key.to_owned(), value)].into_iter().collect(), false)
}

fn rsplit<'a>(key: &'a str, delimiter: &str) -> Option<(&'a str, &'a str)> {
    if delimiter.is_empty() {
        None
    } else {
        key.rsplit_once(delimiter)
    }
}

fn set(
    env: &Env,
    path: &str,
    new: Value,
    force: bool,
    destructive: bool,
    delimiter: &str,
) -> Answer {
    let is_complex = |value: &Value| value.is_object() || value.is_array();
    let refused = |comment: String| Ok(json!({"comment": comment, "changes": {}, "result": false}));
    let _lock = lock();
    let grains = env.ctx.grains();
    let existing = python::traverse(&grains, path, delimiter);
    if let Some(existing) = existing {
        if *existing == new && !(new.is_null() && destructive) {
            return Ok(json!({"comment": "Grain is already set", "changes": {}, "result": true}));
        }
        if !existing.is_null() && !force {
            if is_complex(existing) {
                return refused(format!(
                    "The key '{path}' exists but is a dict or a list. Use 'force=True' to overwrite."
                ));
            }
            if is_complex(&new) {
                return refused(format!(
                    "The key '{path}' exists and the given value is a dict or a list. Use 'force=True' to overwrite."
                ));
            }
        }
    }
    let (mut key, mut value) = (path, new);
    while let Some((parent, rest)) = rsplit(key, delimiter) {
        let step = |value: Value| -> Value {
            [(rest.to_owned(), value)]
                .into_iter()
                .collect::<Map<_, _>>()
                .into()
        };
        value = match python::traverse(&grains, parent, delimiter)
            .cloned()
            .unwrap_or_else(|| json!({}))
        {
            Value::Object(mut map) => {
                if value.is_null() && destructive {
                    map.remove(rest);
                } else {
                    map.insert(rest.to_owned(), value);
                }
                Value::Object(map)
            }
            Value::Array(mut items) => {
                let at = items
                    .iter()
                    .position(|item| item == rest || item.get(rest).is_some());
                match at.map(|at| &mut items[at]) {
                    Some(Value::Object(map)) => {
                        map.insert(rest.to_owned(), value);
                    }
                    Some(item) => *item = step(value),
                    None => items.push(step(value)),
                }
                Value::Array(items)
            }
            other if other == rest || force => step(value),
            other => {
                return refused(format!(
                    "The key '{parent}' value is '{}', which is different from the provided key '{rest}'. Use \
                     'force=True' to overwrite.",
                    python::text(&other)
                ));
            }
        };
        key = parent;
    }
    let changes = store(
        env,
        [(key.to_owned(), value)].into_iter().collect(),
        destructive,
    )?;
    Ok(json!({"comment": "", "changes": changes, "result": true}))
}

/// Jobs run side by side, and a change of the file reads it first.
fn lock() -> MutexGuard<'static, ()> {
    static FILE: Mutex<()> = Mutex::new(());
    FILE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes the grains file and loads the grains again; answers what was set. The caller holds [`lock`].
fn store(env: &Env, new: Map<String, Value>, destructive: bool) -> Answer {
    let path = env.ctx.grains_file();
    let mut grains = read_static(path).map_err(Failure::Command)?;
    for (key, value) in &new {
        if value.is_null() && destructive {
            grains.remove(key);
        } else {
            grains.insert(key.clone(), value.clone());
        }
    }
    replace_file(path, &yaml::emit(&Value::Object(grains))).map_err(|error| {
        Failure::command(format!(
            "Unable to write to grains file at {}: {error}",
            path.display()
        ))
    })?;
    env.ctx.refresh_grains();
    Ok(Value::Object(new))
}

/// Replaces a file so that a reader sees the old text or the new one; keeps its mode.
fn replace_file(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mode = std::fs::metadata(path).map_or(NEW_FILE_MODE, |metadata| {
        metadata.permissions().mode() & 0o7777
    });
    let mut file = tempfile::Builder::new()
        .prefix(".grains")
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    fn call(host: &Host, fun: &str, args: Value) -> Value {
        let args = args.as_array().unwrap().clone();
        host.call(Call {
            fun: fun.to_owned(),
            args,
            kwargs: Map::new(),
        })
        .value
    }

    #[test]
    fn reading() {
        let host = Host::new();
        let check = |fun: &str, args: Value, expected: Value| {
            assert_eq!(call(&host, fun, args), expected, "{fun}")
        };
        check("grains.get", json!(["os"]), json!("Debian"));
        check("grains.get", json!(["deep:er:est"]), json!(7));
        check("grains.get", json!(["deep/er/est", "", "/"]), json!(7));
        check("grains.get", json!(["none"]), json!(""));
        check("grains.get", json!(["none", "x"]), json!("x"));
        check("grains.fetch", json!(["roles:0"]), json!("web"));
        check("grains.has_value", json!(["deep:er"]), json!(true));
        check("grains.has_value", json!(["none"]), json!(false));
        check(
            "grains.item",
            json!(["os", "none"]),
            json!({"os": "Debian", "none": ""}),
        );
        check("grains.equals", json!(["deep:er:est", "7"]), json!(true));
        check(
            "grains.ls",
            json!([]),
            json!(["deep", "kernel", "os", "os_family", "roles", "serialnumber"]),
        );
        let sanitized = host
            .call(Call::new("grains.items").kwarg("sanitize", true))
            .value;
        assert_eq!(
            (&sanitized["serialnumber"], &sanitized["os"]),
            (&json!("ABCDEFXX"), &json!("Debian"))
        );
    }

    #[test]
    fn filters() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        let by = |lookup: Value| Call::new("grains.filter_by").arg(lookup);
        check(by(json!({"Debian": 1, "RedHat": 2})), json!(1));
        check(by(json!({"RedHat": 2})), json!(null));
        check(by(json!({"RedHat": 2, "default": 3})), json!(3));
        check(
            by(json!({"RedHat": 2, "other": 4})).kwarg("default", "other"),
            json!(4),
        );
        check(
            by(json!({"d*": 2, "db": 3})).kwarg("grain", "roles"),
            json!(2),
        );
        let nested = json!({"default": {"a": {"x": 1}, "b": 2}, "Debian": {"a": {"y": 3}}});
        check(
            by(nested.clone()).kwarg("base", "default"),
            json!({"b": 2, "a": {"x": 1, "y": 3}}),
        );
        check(
            by(nested).kwarg("merge", json!({"a": {"z": 1}})),
            json!({"a": {"y": 3, "z": 1}}),
        );
        assert!(
            !host
                .call(by(json!({"default": {}, "Debian": 1})).kwarg("base", "default"))
                .success
        );
    }

    /// The static grains after some calls, each with the answer that it must give.
    fn check_file(host: &Host, calls: &[(&str, Value, Value)], expected: Value) {
        for (fun, args, answer) in calls {
            assert_eq!(call(host, fun, args.clone()), *answer, "{fun} {args}");
        }
        assert_eq!(
            Value::Object(read_static(&host.dir.path().join("grains")).unwrap()),
            expected
        );
    }

    #[test]
    fn writing() {
        check_file(
            &Host::new(),
            &[
                ("grains.setval", json!(["a", 1]), json!({"a": 1})),
                (
                    "grains.setvals",
                    json!([{"b": "yes", "c": [1]}]),
                    json!({"b": "yes", "c": [1]}),
                ),
                ("grains.setval", json!(["a", null]), json!({"a": null})),
                (
                    "grains.setval",
                    json!(["c", null, true]),
                    json!({"c": null}),
                ),
            ],
            json!({"a": null, "b": "yes"}),
        );
        check_file(
            &Host::new(),
            &[
                (
                    "grains.append",
                    json!(["roles", "web"]),
                    json!("The val web was already in the list roles"),
                ),
                (
                    "grains.append",
                    json!(["roles", "new"]),
                    json!({"roles": ["web", "db", "new"]}),
                ),
                (
                    "grains.append",
                    json!(["os", "x"]),
                    json!("The key os is not a valid list"),
                ),
                ("grains.append", json!(["x:y", 1]), json!({"x": {"y": [1]}})),
                (
                    "grains.remove",
                    json!(["roles", "gone"]),
                    json!("The val gone was not in the list roles"),
                ),
            ],
            json!({"roles": ["web", "db", "new"], "x": {"y": [1]}}),
        );
        check_file(
            &Host::new(),
            &[(
                "grains.remove",
                json!(["roles", "db"]),
                json!({"roles": ["web"]}),
            )],
            json!({"roles": ["web"]}),
        );
    }

    #[test]
    fn setting_paths() {
        let done = |changes: Value| json!({"comment": "", "changes": changes, "result": true});
        check_file(
            &Host::new(),
            &[
                (
                    "grains.set",
                    json!(["app:port", 80]),
                    done(json!({"app": {"port": 80}})),
                ),
                (
                    "grains.set",
                    json!(["os", "Debian"]),
                    json!({"comment": "Grain is already set", "changes": {}, "result": true}),
                ),
                (
                    "grains.set",
                    json!(["deep:er:est", 8]),
                    done(json!({"deep": {"er": {"est": 8}}})),
                ),
                (
                    "grains.set",
                    json!(["roles:web", 1]),
                    done(json!({"roles": [{"web": 1}, "db"]})),
                ),
                ("grains.delkey", json!(["os"]), done(json!({"os": null}))),
            ],
            json!({"app": {"port": 80}, "deep": {"er": {"est": 8}}, "roles": [{"web": 1}, "db"]}),
        );
        let host = Host::new();
        let refused = |args: Value| {
            let answer = call(&host, "grains.set", args);
            assert_eq!(answer["result"], json!(false), "{answer}");
            answer["comment"].as_str().unwrap().to_owned()
        };
        assert!(
            refused(json!(["roles", "x"]))
                .starts_with("The key 'roles' exists but is a dict or a list.")
        );
        assert!(refused(json!(["os", [1]])).contains("the given value is a dict or a list"));
        assert!(
            refused(json!(["os:sub", 1]))
                .contains("which is different from the provided key 'sub'")
        );
        assert_eq!(
            call(&host, "grains.set", json!(["roles", "x", true]))["result"],
            json!(true)
        );
    }

    #[test]
    fn a_broken_file_is_left_alone() {
        let host = Host::new();
        let path = host.write("grains", "a: [\n");
        let outcome = host.call(Call::new("grains.setval").arg("a").arg(1));
        assert!(
            !outcome.success
                && python::text(&outcome.value).contains("Unable to read existing grains file")
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a: [\n");
    }
}
