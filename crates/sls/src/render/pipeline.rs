//! The renderers of a file, one after the other.

use std::borrow::Cow;

use serde_json::Value;

use super::error::{RenderError, excerpt};
use super::limits::FILE_BYTES_MAX;
use super::{Data, Renderer, Source, Whitespace, stateconf};

/// What an SLS file goes through if its first line says nothing.
pub const DEFAULT_PIPELINE: &str = "jinja|yaml";

/// What a second first line sets the white space of one template with.
const HEADER: &str = "#jinja2:";

/// One renderer of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What stands behind its name, such as options.
    pub arguments: String,
}

/// The steps that a first line or a default names.
fn steps(text: &str, default: &str) -> Vec<Step> {
    let first = text.lines().next().unwrap_or_default();
    let pipe = match first.strip_prefix("#!") {
        Some(pipe) if !pipe.starts_with('/') => pipe,
        _ => default,
    };
    pipe.split('|')
        .map(str::trim)
        .map(|step| {
            let (name, arguments) = step.split_once(' ').unwrap_or((step, ""));
            Step {
                name: name.to_owned(),
                arguments: arguments.trim().to_owned(),
            }
        })
        .filter(|step| !step.name.is_empty())
        .collect()
}

pub(super) fn error(source: &Source<'_>, message: impl Into<String>) -> Box<RenderError> {
    Box::new(RenderError {
        sls: source.sls.to_owned(),
        saltenv: source.saltenv.to_owned(),
        file: None,
        line: None,
        message: message.into(),
        excerpt: String::new(),
    })
}

pub(super) fn text_of(source: &Source<'_>) -> Result<String, Box<RenderError>> {
    if source.text.len() > FILE_BYTES_MAX {
        return Err(error(
            source,
            format!("the file has more than {FILE_BYTES_MAX} bytes"),
        ));
    }
    let text =
        std::str::from_utf8(source.text).map_err(|_| error(source, "the file is not UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
}

pub(super) fn run(
    renderer: &Renderer<'_>,
    source: &Source<'_>,
    default: &str,
) -> Result<Data, Box<RenderError>> {
    let text = text_of(source)?;
    if text.trim().is_empty() {
        return Ok(Data::Tree(Value::Object(serde_json::Map::new())));
    }
    let has_windows_lines = text.contains("\r\n");
    let steps = steps(&text, default);
    let mut data = Data::Text(text);
    for step in &steps {
        data = one(renderer, source, step, data)?;
    }
    match data {
        Data::Text(text) if has_windows_lines && !text.contains("\r\n") => {
            Ok(Data::Text(text.replace('\n', "\r\n")))
        }
        data => Ok(data),
    }
}

fn one(
    renderer: &Renderer<'_>,
    source: &Source<'_>,
    step: &Step,
    data: Data,
) -> Result<Data, Box<RenderError>> {
    match (step.name.as_str(), data) {
        ("jinja", Data::Text(text)) => renderer.jinja(source, &text).map(Data::Text),
        ("yaml", Data::Text(text)) => yaml(source, &text),
        ("json", Data::Text(text)) => json(source, &text),
        ("stateconf", Data::Text(text)) => stateconf::render(renderer, source, step, &text),
        ("text", data) => Ok(data),
        ("jinja" | "yaml" | "json" | "stateconf", Data::Tree(_)) => Err(error(
            source,
            format!(
                "the renderer '{}' needs text, and the one before it gives a tree",
                step.name
            ),
        )),
        (name, data) => match renderer.foreign.render(step, source, &data) {
            Some(result) => {
                result.map_err(|problem| error(source, format!("renderer '{name}': {problem}")))
            }
            None => Err(error(
                source,
                format!(
                    "the renderer '{name}' is not available: use jinja, yaml, json, text or stateconf, or set up '{name}'"
                ),
            )),
        },
    }
}

pub(super) fn yaml(source: &Source<'_>, text: &str) -> Result<Data, Box<RenderError>> {
    yaml::parse(text)
        .map(Data::Tree)
        .map_err(|problem| at_line(source, text, problem.line, problem.message))
}

/// JSON below a first line that names its renderers, as Salt reads it.
pub(super) fn json(source: &Source<'_>, text: &str) -> Result<Data, Box<RenderError>> {
    let body = match text.strip_prefix("#!") {
        Some(_) => text.split_once('\n').map_or("", |(_, body)| body),
        None => text,
    };
    let skipped = usize::from(body.len() != text.len());
    if body.trim().is_empty() {
        return Ok(Data::Tree(Value::Null));
    }
    serde_json::from_str(body)
        .map(Data::Tree)
        .map_err(|problem| {
            let line = problem.line() + skipped;
            at_line(source, text, line, format!("JSON: {problem}"))
        })
}

fn at_line(source: &Source<'_>, text: &str, line: usize, message: String) -> Box<RenderError> {
    let mut error = error(source, message);
    error.line = Some(line);
    error.excerpt = excerpt(text, line);
    error
}

/// How white space is treated, by the settings and by a header line, which is taken out.
pub(super) fn whitespace<'t>(
    opts: &Value,
    source: &Source<'_>,
    text: &'t str,
) -> (Whitespace, Cow<'t, str>) {
    let mut whitespace = Whitespace::default();
    let section = if source.sls.is_empty() {
        "jinja_env"
    } else {
        "jinja_sls_env"
    };
    let flag = |map: &Value, name: &str| map.get(name).and_then(Value::as_bool);
    if let Some(map) = opts.get(section) {
        set(&mut whitespace, map);
    }
    whitespace.trim_blocks |= flag(opts, "jinja_trim_blocks").unwrap_or(false);
    whitespace.lstrip_blocks |= flag(opts, "jinja_lstrip_blocks").unwrap_or(false);
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = usize::from(
        lines
            .first()
            .is_some_and(|line| line.starts_with("#!") && !line.starts_with("#!/")),
    );
    let header = lines.get(at).and_then(|line| line.strip_prefix(HEADER));
    let settings = header
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
        .filter(Value::is_object);
    let Some(settings) = settings else {
        return (whitespace, Cow::Borrowed(text));
    };
    set(&mut whitespace, &settings);
    lines.remove(at);
    (whitespace, Cow::Owned(lines.concat()))
}

fn set(whitespace: &mut Whitespace, map: &Value) {
    for (name, value) in map.as_object().into_iter().flatten() {
        let Some(value) = value.as_bool() else {
            continue;
        };
        match name.to_lowercase().as_str() {
            "trim_blocks" => whitespace.trim_blocks = value,
            "lstrip_blocks" => whitespace.lstrip_blocks = value,
            "keep_trailing_newline" => whitespace.keep_trailing_newline = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_renderers() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found = steps(text, DEFAULT_PIPELINE);
            let found: Vec<_> = found
                .iter()
                .map(|step| (step.name.as_str(), step.arguments.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("a: 1\n", &[("jinja", ""), ("yaml", "")]);
        check("#!yaml\na: 1\n", &[("yaml", "")]);
        check("#!jinja | json\n", &[("jinja", ""), ("json", "")]);
        check(
            "#!stateconf yaml . jinja\n",
            &[("stateconf", "yaml . jinja")],
        );
        check("#!/bin/sh\n", &[("jinja", ""), ("yaml", "")]);
    }
}
