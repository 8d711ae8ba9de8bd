//! `mine.get` and `cache.mine`: what this hub has of the mine.

use serde_json::{Map, Value};
use wire::Uid;
use wire::control::{FailureKind, Tell};
use wire::files::MineQuestion;

use crate::control::failed;
use crate::service::Service;

impl Service {
    /// Answers from what is here: of this hub's own minions all, of other sites what is exported.
    pub(super) async fn mine_runner(
        &self,
        fun: &str,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
    ) -> anyhow::Result<Tell> {
        let names: &[&str] = match fun {
            "mine.get" => &["tgt", "fun", "tgt_type"],
            _ => &["tgt", "tgt_type"],
        };
        let said = match bound(fun, names, args, kwargs) {
            Ok(said) => said,
            Err(text) => return Ok(failed(FailureKind::Usage, text)),
        };
        let text = |name: &str, unset: &str| said.get(name).map_or(unset.to_owned(), words);
        let tgt_type = text("tgt_type", "glob");
        let answer = if fun == "mine.get" {
            let (funs, by_function) = functions(said.get("fun"));
            let question = MineQuestion {
                tgt: text("tgt", ""),
                tgt_type,
                funs: funs.clone(),
                asker: Uid([0; 16]),
            };
            let found = self.mine.look(&question).await;
            // One function alone is answered without its name.
            found.map(|mut found| match funs.first().filter(|_| !by_function) {
                Some(fun) => found
                    .get_mut(fun)
                    .map(Value::take)
                    .unwrap_or(Map::new().into()),
                None => found,
            })
        } else {
            self.mine.all(&text("tgt", "*"), &tgt_type).await
        };
        Ok(match answer {
            Ok(value) => Tell::Value {
                value: value.to_string().into_bytes().into(),
                retcode: 0,
            },
            Err(text) => failed(FailureKind::Usage, text),
        })
    }
}

/// Arguments under their names; all of `mine.get` but the last have to be there.
fn bound(
    fun: &str,
    names: &[&str],
    args: Vec<Value>,
    mut kwargs: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let words = names.join(", ");
    if args.len() > names.len() {
        return Err(format!("{fun} takes {words}"));
    }
    for (name, value) in names.iter().zip(args) {
        if kwargs.insert((*name).to_owned(), value).is_some() {
            return Err(format!("{fun} got {name} twice"));
        }
    }
    let is_strange = |name: &&String| !names.contains(&name.as_str());
    if let Some(name) = kwargs.keys().find(is_strange) {
        return Err(format!("{fun} has no argument {name}; it takes {words}"));
    }
    let needed = if fun == "mine.get" { 2 } else { 0 };
    match names[..needed]
        .iter()
        .find(|name| !kwargs.contains_key(**name))
    {
        Some(name) => Err(format!("{fun} needs {name}")),
        None => Ok(kwargs),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(ids) => ids.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The functions that are asked for, and whether the answer is parted by them.
fn functions(fun: Option<&Value>) -> (Vec<String>, bool) {
    match fun {
        Some(Value::Array(funs)) => (funs.iter().map(words).collect(), true),
        Some(fun) => {
            let funs: Vec<String> = words(fun)
                .split(',')
                .map(|fun| fun.trim().to_owned())
                .collect();
            let by_function = funs.len() > 1;
            (funs, by_function)
        }
        None => (Vec::new(), true),
    }
}
