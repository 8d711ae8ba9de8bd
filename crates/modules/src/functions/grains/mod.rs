//! `grains`: reading grains, and changing the static ones in their file.

mod change;

use serde_json::{Map, Value, json};

use self::change::{append, lock, remove, set, store};
use super::{Answer, Args, Env, Failure, Function, filter};
use crate::python;

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
        |args, env| set(env, &args.text("key")?, Value::Null, args.flag("force"), true, data::DEFAULT_DELIMITER),
    ),
    Function::new(
        "grains.delval",
        "key, destructive=False, force=False",
        "Set a static grain to nothing. destructive: remove its name too. force: also when it is a list or a \
         dictionary.",
        "grains.delval key",
        |args, env| {
            let (force, destructive) = (args.flag("force"), args.flag("destructive"));
            set(env, &args.text("key")?, Value::Null, force, destructive, data::DEFAULT_DELIMITER)
        },
    ),
    Function::new(
        "grains.equals",
        "key, value",
        "Whether a grain has this value; both are compared as text.",
        "grains.equals fqdn web1.example.com",
        |args, env| {
            let grains = env.ctx.grains();
            let found = data::traverse(&grains, &args.text("key")?, data::DEFAULT_DELIMITER);
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
            Ok(json!(data::traverse(&grains, &args.text("key")?, data::DEFAULT_DELIMITER).is_some()))
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
    let found = data::traverse(&grains, &args.text("key")?, &args.text("delimiter")?);
    Ok(found.unwrap_or(args.value("default")).clone())
}

fn item(args: &Args, env: &Env) -> Answer {
    let option = |name: &str| args.extra_kwargs.get(name);
    let default = option("default").cloned().unwrap_or_else(|| json!(""));
    let delimiter =
        option("delimiter").map_or_else(|| data::DEFAULT_DELIMITER.to_owned(), python::text);
    let grains = env.ctx.grains();
    let mut found = Map::new();
    for name in args.extra_args.iter().map(python::text) {
        let value = data::traverse(&grains, &name, &delimiter)
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
    let grains = env.ctx.grains();
    let found = data::traverse(&grains, &args.text("grain")?, data::DEFAULT_DELIMITER);
    filter::filter_by(args, found)
}

#[cfg(test)]
mod tests;
