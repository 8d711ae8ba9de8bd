//! `saltutil.sync_*`: brings the custom modules of the roots onto this host.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::apply::{Wish, with_session};
use crate::custom::{self, KINDS, Wanted};
use crate::python;

/// What Salt answers for in `sync_all`. Only [`KINDS`] of them can be custom here.
const SALT_KINDS: &[&str] = &[
    "tops",
    "clouds",
    "beacons",
    "modules",
    "states",
    "sdb",
    "grains",
    "renderers",
    "returners",
    "output",
    "utils",
    "log_handlers",
    "executors",
    "proxymodules",
    "engines",
    "thorium",
    "serializers",
    "matchers",
    "resources",
    "pillar",
    "wrapper",
];

/// Those of them that it has without a hub alone.
const LOCAL_KINDS: &[&str] = &["tops", "pillar", "wrapper"];

/// The parameters that all of them have.
const SIGNATURE: &str = "saltenv=None, refresh=True, extmod_whitelist=None, extmod_blacklist=None";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "saltutil.refresh_modules",
        "**kwargs",
        "Look again at what custom modules offer; all other functions are part of the program. The answer comes when that is done.",
        "saltutil.refresh_modules",
        |_, env| {
            custom::describe_again(env)?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "saltutil.sync_all",
        "saltenv=None, refresh=True, extmod_whitelist=None, extmod_blacklist=None, clean_pillar_cache=False",
        "Bring all custom modules of the roots onto this host, and answer by kind what is new or has changed. Execution modules, states, \
         grains and utils are brought; other kinds have no use here and are always empty.\n\n\
         saltenv: environments, with commas or a list; those of the top files where it is not given.\n\
         extmod_whitelist, extmod_blacklist: dictionaries with the modules of a kind that alone are brought, or left out.\n\
         refresh, clean_pillar_cache: accepted; what was brought is known at once, and the pillar is not kept.",
        "saltutil.sync_all",
        |args, env| {
            let mut brought = bring(args, env, KINDS)?;
            let is_local = env.ctx.config("file_client") == Some(json!("local"));
            let kinds = SALT_KINDS
                .iter()
                .filter(|kind| is_local || !LOCAL_KINDS.contains(kind));
            let answer = kinds.map(|kind| {
                let names = brought.shift_remove(*kind);
                ((*kind).to_owned(), names.unwrap_or_else(|| json!([])))
            });
            Ok(Value::Object(answer.collect()))
        },
    ),
    Function::new(
        "saltutil.sync_grains",
        SIGNATURE,
        "Bring the custom grains of the roots (_grains) onto this host, and answer what is new or has changed.",
        "saltutil.sync_grains",
        |args, env| one(args, env, "grains"),
    ),
    Function::new(
        "saltutil.sync_modules",
        SIGNATURE,
        "Bring the custom execution modules of the roots (_modules) onto this host, and answer what is new or has changed.",
        "saltutil.sync_modules saltenv=base",
        |args, env| one(args, env, "modules"),
    ),
    Function::new(
        "saltutil.sync_states",
        SIGNATURE,
        "Bring the custom states of the roots (_states) onto this host, and answer what is new or has changed.",
        "saltutil.sync_states",
        |args, env| one(args, env, "states"),
    ),
    Function::new(
        "saltutil.sync_utils",
        SIGNATURE,
        "Bring what custom modules share (_utils) onto this host, and answer what is new or has changed.",
        "saltutil.sync_utils",
        |args, env| one(args, env, "utils"),
    ),
];

fn one(args: &Args, env: &Env, kind: &str) -> Answer {
    let brought = bring(args, env, &[kind])?;
    Ok(brought.get(kind).cloned().unwrap_or_default())
}

fn bring(args: &Args, env: &Env, kinds: &[&str]) -> Result<Map<String, Value>, Failure> {
    let environments = match args.value("saltenv") {
        Value::Null => of_top_files(env),
        _ => args.texts("saltenv"),
    };
    let wanted = Wanted {
        kinds,
        environments,
        whitelist: list(args, env, kinds, "extmod_whitelist")?,
        blacklist: list(args, env, kinds, "extmod_blacklist")?,
    };
    let brought = custom::sync(env, &wanted)?;
    Ok(brought
        .into_iter()
        .map(|(kind, names)| (kind, json!(names)))
        .collect())
}

/// The environments that the top files have for this minion; `base` when they have none or cannot be read.
fn of_top_files(env: &Env) -> Vec<String> {
    let top = with_session(env, &Wish::default(), |session| session.top());
    let names: Vec<String> = match top {
        Ok(Ok(matches)) => matches.keys().cloned().collect(),
        _ => Vec::new(),
    };
    if names.is_empty() {
        vec!["base".to_owned()]
    } else {
        names
    }
}

/// Modules by kind, of an argument or else of the configuration; names with commas are of the one kind that is brought.
fn list(args: &Args, env: &Env, kinds: &[&str], name: &str) -> Result<Map<String, Value>, Failure> {
    let said = args.value(name);
    let configured = env.ctx.config(name);
    match (said, configured) {
        (Value::Object(map), _) => Ok(map.clone()),
        (Value::Null, Some(Value::Object(map))) => Ok(map),
        (Value::Null, _) => Ok(Map::new()),
        (names, _) if kinds.len() == 1 => {
            let names: Vec<String> = match names {
                Value::Array(names) => names.iter().map(python::text).collect(),
                names => python::text(names)
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect(),
            };
            let kind = kinds.first().copied().unwrap_or_default();
            Ok(Map::from_iter([(kind.to_owned(), json!(names))]))
        }
        _ => Err(Failure::invocation(format!(
            "{name} must be a dictionary of kinds to lists of modules"
        ))),
    }
}
