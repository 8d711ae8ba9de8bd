//! `saltutil`: custom modules for the hub itself, of which there are none.

use serde_json::{Map, Value, json};

use super::Runner;
use super::call::{Answered, Call, Trouble};
use super::fileserver::paths;

const SIGNATURE: &str = "saltenv='base', extmod_whitelist=None, extmod_blacklist=None";
const DOC: &str = "Names no module: a hub loads none. What the roots have of this kind for masters is an error here; minions sync what is for them.";
const DOC_OF_ALL: &str = "As all of the others, by kind.";

macro_rules! syncs {
    ($($name:literal),* $(,)?) => {
        &[
            Runner { name: "saltutil.sync_all", signature: SIGNATURE, doc: DOC_OF_ALL, call: |call| Box::pin(sync_all(call)) },
            $(Runner { name: concat!("saltutil.sync_", $name), signature: SIGNATURE, doc: DOC, call: |call| Box::pin(sync(call)) },)*
        ]
    };
}

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = syncs![
    "clouds", "modules", "states", "grains", "renderers", "returners", "output", "proxymodules", "runners", "wheel", "engines", "thorium",
    "queues", "pillar", "utils", "sdb", "cache", "fileserver", "tops", "eauth_tokens", "serializers", "executors", "wrapper", "roster",
];

/// Kinds that minions load; a master of Salt loads them for itself as well.
const OF_MINIONS: [&str; 4] = ["modules", "states", "grains", "utils"];

/// The kinds of `saltutil.sync_all`.
fn kinds() -> impl Iterator<Item = &'static str> {
    let names = RUNNERS
        .iter()
        .filter_map(|runner| runner.name.strip_prefix("saltutil.sync_"));
    names.filter(|kind| *kind != "all")
}

/// The folder of a kind in the roots.
fn folder(kind: &str) -> String {
    match kind {
        "proxymodules" => "_proxy/".to_owned(),
        "eauth_tokens" => "_tokens/".to_owned(),
        kind => format!("_{kind}/"),
    }
}

/// Whether there is anything that would have to be loaded here.
fn check(kind: &str, paths: &[String]) -> Result<(), Trouble> {
    let folder = folder(kind);
    match paths.iter().find(|path| path.starts_with(&folder)) {
        Some(path) if !OF_MINIONS.contains(&kind) => Err(Trouble::refused(format!(
            "the roots have {path}, and a hub loads no custom modules: it would not be used"
        ))),
        _ => Ok(()),
    }
}

async fn sync(call: Call<'_>) -> Answered {
    let kind = call.fun.strip_prefix("saltutil.sync_").unwrap_or_default();
    check(kind, &paths(&call, &call.text("saltenv")?).await?)?;
    Ok(json!([]).into())
}

async fn sync_all(call: Call<'_>) -> Answered {
    let paths = paths(&call, &call.text("saltenv")?).await?;
    let mut answer = Map::new();
    for kind in kinds() {
        check(kind, &paths)?;
        let key = if kind == "eauth_tokens" {
            "tokens"
        } else {
            kind
        };
        answer.insert(key.to_owned(), json!([]));
    }
    Ok(Value::Object(answer).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hub_would_have_to_load_is_an_error() {
        let paths = ["_modules/a.py".to_owned(), "_runners/b.py".to_owned()];
        assert!(check("modules", &paths).is_ok());
        assert!(check("wheel", &paths).is_ok());
        let Err(Trouble::Failure(failure)) = check("runners", &paths) else {
            panic!("it is an error");
        };
        assert!(failure.text.contains("_runners/b.py"));
        assert_eq!(kinds().count(), 24);
    }
}
