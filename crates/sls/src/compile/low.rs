//! From high data to low chunks in their order.

use serde_json::{Map, Value, json};

use super::chunk::Chunk;
use super::graph::Graph;
use super::keywords::is_internal;
use super::source::Functions;
use super::value::first;
use super::{CHUNKS_MAX, Errors, High, exclude, extend, order, requisite_in, verify};

/// Options of a minion that decide how states are compiled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `state_aggregate`: true, or a list of states whose calls may be made as one.
    pub aggregate: Value,
    /// `disabled_requisites`: requisites that are ignored.
    pub disabled_requisites: Vec<String>,
    /// `state_runs_disabled`: globs over `state.function` that may not run.
    pub disabled_functions: Vec<String>,
}

/// Low chunks, the order in which they run, and what each waits for.
#[derive(Clone, Debug, Default)]
pub struct Low {
    pub(super) chunks: Vec<Chunk>,
    /// Indices of chunks. One that is asked first what it would change stands here twice.
    pub(super) order: Vec<usize>,
    pub(super) graph: Graph,
    /// Chunks that are switched off, each with the reason.
    pub(super) disabled: Vec<(Chunk, String)>,
}

impl Low {
    /// The chunks in the order in which they run: Salt's `state.show_lowstate`.
    pub fn ordered(&self) -> impl Iterator<Item = &Chunk> {
        self.order.iter().map(|index| &self.chunks[*index])
    }

    /// Chunks that run outside of any high data, one after the other: `state.single` and `state.low`.
    pub fn of_chunks(chunks: Vec<Chunk>) -> Low {
        Low {
            order: (0..chunks.len()).collect(),
            chunks,
            ..Low::default()
        }
    }
}

/// Compiles high data as `state.apply` and `state.high` do: extensions, form, requisites at the other end, exclusions, chunks, order.
pub fn compile(
    mut high: High,
    settings: &Settings,
    functions: &dyn Functions,
) -> Result<Low, Errors> {
    let mut errors = extend::apply(&mut high, false);
    errors.extend(verify::verify(&high));
    Errors::none(errors)?;
    let errors = requisite_in::resolve(&mut high, &settings.disabled_requisites);
    exclude::apply(&mut high);
    Errors::none(errors)?;
    chunks(&high, settings, functions)
}

/// Compiles high data as `state.sls_id` does. Like Salt it hears neither `extend` nor `exclude`.
pub fn compile_for_id(
    mut high: High,
    settings: &Settings,
    functions: &dyn Functions,
) -> Result<Low, Errors> {
    let mut errors = verify::verify(&high);
    errors.extend(requisite_in::resolve(
        &mut high,
        &settings.disabled_requisites,
    ));
    Errors::none(errors)?;
    chunks(&high, settings, functions)
}

fn chunks(high: &High, settings: &Settings, functions: &dyn Functions) -> Result<Low, Errors> {
    let mut low = Low::default();
    let switches: Vec<(&String, targeting::Glob)> = settings
        .disabled_functions
        .iter()
        .map(|pattern| (pattern, targeting::Glob::new(pattern)))
        .collect();
    for (id, body) in high.iter().filter(|(id, _)| !is_internal(id)) {
        let Some(body) = body.as_object() else {
            continue;
        };
        for (state, arguments) in body.iter().filter(|(state, _)| !is_internal(state)) {
            for chunk in declared(id, body, state, arguments) {
                if low.chunks.len() >= CHUNKS_MAX {
                    return Err(Errors(vec![format!(
                        "there are more than {CHUNKS_MAX} states"
                    )]));
                }
                let function = format!("{}.{}", chunk.state(), chunk.fun());
                if let Some((pattern, _)) =
                    switches.iter().find(|(_, glob)| glob.matches(&function))
                {
                    let reason = format!(
                        "The state function \"{function}\" is currently disabled by \"{pattern}\", to re-enable, run state.enable {pattern}."
                    );
                    low.disabled.push((chunk, reason));
                    continue;
                }
                let may_aggregate = may_aggregate(&chunk, &settings.aggregate, functions);
                low.graph.add_chunk(low.chunks.len(), &chunk, may_aggregate);
                low.chunks.push(chunk);
            }
        }
    }
    let errors = order::order(&mut low, &settings.disabled_requisites, functions);
    Errors::none(errors)?;
    Ok(low)
}

/// The chunks of one declaration: one, or one for each of its `names`.
fn declared(id: &str, body: &Map<String, Value>, state: &str, arguments: &Value) -> Vec<Chunk> {
    let mut chunk = Map::new();
    chunk.insert("state".to_owned(), json!(state));
    chunk.insert("name".to_owned(), json!(id));
    for key in ["__sls__", "__env__", "__sls_included_from__"] {
        if let Some(value) = body.get(key) {
            chunk.insert(key.to_owned(), value.clone());
        }
    }
    chunk.insert("__id__".to_owned(), json!(id));
    let mut function = None;
    let mut names: Vec<&Value> = Vec::new();
    for argument in arguments.as_array().into_iter().flatten() {
        match argument {
            Value::String(name) => function = Some(name),
            Value::Object(argument) => {
                for (key, value) in argument {
                    match (key.as_str(), value) {
                        ("names", Value::Array(values)) => {
                            for name in values {
                                if !names.contains(&name) {
                                    names.push(name);
                                }
                            }
                        }
                        ("names" | "state", _) => {}
                        // A name that is no text is none: the id stands in.
                        ("name", value) if !value.is_string() => {
                            chunk.insert(key.clone(), json!(id));
                        }
                        _ => {
                            chunk.insert(key.clone(), value.clone());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let Some(function) = function else {
        return Vec::new();
    };
    if names.is_empty() {
        chunk.insert("fun".to_owned(), json!(function));
        return vec![Chunk(chunk)];
    }
    let named = |(number, name): (usize, &Value)| {
        let mut chunk = chunk.clone();
        match name.as_object().and_then(first) {
            Some((name, overrides)) => {
                chunk.insert("name".to_owned(), json!(name));
                let overrides = overrides.as_array().into_iter().flatten();
                for (key, value) in overrides.filter_map(Value::as_object).flatten() {
                    chunk.insert(key.clone(), value.clone());
                }
            }
            None => {
                chunk.insert("name".to_owned(), name.clone());
            }
        }
        chunk.insert("name_order".to_owned(), json!(number + 1));
        chunk.insert("fun".to_owned(), json!(function));
        Chunk(chunk)
    };
    names.into_iter().enumerate().map(named).collect()
}

fn may_aggregate(chunk: &Chunk, setting: &Value, functions: &dyn Functions) -> bool {
    let state = chunk.state();
    let is_wanted = match chunk.0.get("aggregate").unwrap_or(setting) {
        Value::Bool(is_wanted) => *is_wanted,
        Value::Array(states) => states.iter().any(|other| other.as_str() == Some(&state)),
        _ => false,
    };
    is_wanted && functions.has(&format!("{state}.mod_aggregate"))
}
