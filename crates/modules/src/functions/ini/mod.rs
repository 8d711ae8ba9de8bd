//! `ini`: files of options in sections.

pub(crate) mod file;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Function};
use crate::functions::file::expand_user;
pub(crate) use file::Ini;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "ini.get_ini",
        "file_name, separator='=', encoding=None",
        "All options of a file, those of sections below their names.",
        "ini.get_ini /path/to/ini",
        |args, _| Ok(open(args, "file_name")?.top().report(false)),
    ),
    Function::new(
        "ini.get_option",
        "file_name, section, option, separator='=', encoding=None",
        "An option of a section, or with an empty section one above them; nothing when there is none.",
        "ini.get_option /path/to/ini section_name option_name",
        |args, _| {
            let section = args.optional_text("section")?;
            let ini = open(args, "file_name")?;
            let option = args.text("option")?;
            let is_above = section.as_deref().is_none_or(str::is_empty);
            if let Some(section) = ini.section(&option).filter(|_| is_above) {
                return Ok(section.report(true));
            }
            Ok(json!(ini.option(section.as_deref(), &option)))
        },
    ),
    Function::new(
        "ini.get_section",
        "file_name, section, separator='=', encoding=None",
        "The options of a section.",
        "ini.get_section /path/to/ini section_name",
        |args, _| {
            let ini = open(args, "file_name")?;
            let section = ini.section(&args.text("section")?);
            Ok(section.map_or_else(|| json!({}), |section| section.report(false)))
        },
    ),
    Function::new(
        "ini.remove_option",
        "file_name, section, option, separator='=', encoding=None",
        "Remove an option and answer its value; nothing when there is none.",
        "ini.remove_option /path/to/ini section_name option_name",
        |args, _| {
            let section = args.optional_text("section")?;
            let removed = open(args, "file_name")?
                .remove_option(section.as_deref(), &args.text("option")?)?;
            Ok(json!(removed))
        },
    ),
    Function::new(
        "ini.remove_section",
        "file_name, section, separator='=', encoding=None",
        "Remove a section and answer its options; nothing when there is none.",
        "ini.remove_section /path/to/ini section_name",
        |args, _| {
            Ok(open(args, "file_name")?
                .remove_section(&args.text("section")?)?
                .unwrap_or_default())
        },
    ),
    Function::new(
        "ini.set_option",
        "file_name, sections=None, separator='=', encoding=None, no_spaces=False",
        "Set options, those of sections below their names, and answer what changed.",
        "ini.set_option /path/to/ini '{section_foo: {key: value}}'",
        |args, _| {
            let wanted = args
                .value("sections")
                .as_object()
                .cloned()
                .unwrap_or_default();
            Ok(Value::Object(open(args, "file_name")?.set(&wanted)?))
        },
    ),
];

/// The file that a parameter names, read as `separator`, `encoding` and `no_spaces` say.
pub(crate) fn open(args: &Args, parameter: &str) -> Result<Ini, Failure> {
    if let Some(encoding) = args.optional_text("encoding")? {
        let plain = encoding.to_ascii_lowercase().replace('_', "-");
        if !matches!(plain.as_str(), "utf-8" | "utf8" | "ascii") {
            return Err(Failure::invocation(format!(
                "encoding '{encoding}' is not served: utf-8 is"
            )));
        }
    }
    let path = expand_user(&args.text(parameter)?);
    Ini::read(&path, &args.text("separator")?, args.flag("no_spaces"))
}

/// The names that a parameter lists, or of a dictionary its keys.
pub(crate) fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(names) => names.iter().map(crate::python::text).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// A dictionary parameter; empty when it is none.
pub(crate) fn sections(args: &Args) -> Map<String, Value> {
    args.value("sections")
        .as_object()
        .cloned()
        .unwrap_or_default()
}
