//! Templates and state files in Python: what their function `run()` gives.

use serde_json::{Map, Value, json};
use sls::render::{Data, Source};

use super::talk::Fault;
use crate::registry::Env;

/// Runs the text. Its names are those of templates, and Salt's with underscores.
pub(crate) fn render(env: &Env, source: &Source<'_>, input: &Data) -> Result<Data, String> {
    let Data::Text(text) = input else {
        return Err("it needs text, and the renderer before it gives a tree".to_owned());
    };
    let mut names = source.names();
    names.extend(source.context.clone());
    let request = Map::from_iter([
        ("render".to_owned(), json!(text)),
        ("path".to_owned(), json!(source.path)),
        ("names".to_owned(), Value::Object(names)),
        (
            "test".to_owned(),
            json!(env.ctx.config("test") == Some(Value::Bool(true))),
        ),
    ]);
    let said = env
        .bridges
        .ask(env, source.path, request)
        .map_err(|failure| failure.to_string())?
        .map_err(Fault::into_text)?;
    Ok(match said.value {
        Value::String(text) => Data::Text(text),
        tree => Data::Tree(tree),
    })
}
