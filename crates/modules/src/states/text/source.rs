//! Sources of text: templates of the hub or of this host.

use serde_json::{Map, Value};

use super::{Args, Failure, Return, StateEnv, Stop, returned};
use crate::python;
use crate::source;

/// The sources that a state names.
pub(super) fn listed(args: &Args) -> Result<Vec<String>, Stop> {
    let is_set = |name: &str| args.flag(name);
    if is_set("source") && is_set("sources") {
        return Err(returned(false, "source and sources are mutually exclusive").into());
    }
    if is_set("source_hash") && is_set("source_hashes") {
        let comment = "source_hash and source_hashes are mutually exclusive";
        return Err(returned(false, comment).into());
    }
    if is_set("source") {
        return Ok(vec![python::text(args.value("source"))]);
    }
    Ok(match args.value("sources") {
        Value::Array(items) => items.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        one => vec![python::text(one)],
    })
}

/// The rendered texts.
pub(super) fn rendered(
    args: &Args,
    env: &StateEnv,
    sources: &[String],
) -> Result<Vec<String>, Stop> {
    let mut context = Map::new();
    for name in ["defaults", "context"] {
        if let Value::Object(values) = args.value(name) {
            context.extend(values.clone());
        }
    }
    let engine = args.text("template")?;
    let mut texts = Vec::new();
    for source in sources {
        let failed = |comment: String| {
            Stop::from(Return {
                name: Some(source.clone()),
                ..returned(false, comment)
            })
        };
        let text = match render(env, source, &engine, context.clone()) {
            Ok(text) => text,
            Err(failure) => {
                tracing::error!(source, "a template was not rendered: {failure}");
                return Err(failed(format!("Failed to load template file {source}")));
            }
        };
        if text.is_empty() {
            return Err(failed(format!(
                "Failed to read rendered template file {source} ({source})"
            )));
        }
        texts.push(text);
    }
    Ok(texts)
}

fn render(
    env: &StateEnv,
    source: &str,
    engine: &str,
    context: Map<String, Value>,
) -> Result<String, Failure> {
    let content = source::read(env.env.ctx, source, &env.saltenv())?;
    env.template(
        engine,
        &content.saltenv,
        &content.path,
        &content.bytes,
        context,
    )
}
