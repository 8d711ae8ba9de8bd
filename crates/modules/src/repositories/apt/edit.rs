//! Entries of source lists, changed as a call says.

use std::path::Path;

use serde_json::Value;

use super::entry::{Entry, Form, Line, Section, is_no};
use crate::packages::Options;
use crate::python;

/// The options of a section as those of a line.
pub(super) fn section_options(entry: &Entry) -> Vec<(String, String)> {
    let architectures = entry.architectures().join(",");
    let all = [("arch", architectures), ("signed-by", entry.signed_by())];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A line in the form of deb822.
pub(super) fn section(line: &Line, options: &Options) -> Section {
    let list = |name: &str, one: &str| match options.value(name) {
        Value::Array(_) => options.texts(name).join(" "),
        _ => one.to_owned(),
    };
    let mut section = Section::default();
    let mut set =
        |name: &str, value: String| section.set(name, (!value.is_empty()).then_some(value));
    set("Types", list("types", &line.kind));
    set("URIs", list("uris", &line.uri));
    set("Suites", list("suites", &line.dist));
    set("Components", line.comps.join(" "));
    set("Architectures", line.architectures().join(" "));
    set(
        "Trusted",
        if line.option("trusted").is_some_and(|word| !is_no(word)) {
            "yes".to_owned()
        } else {
            String::new()
        },
    );
    set("Signed-By", line.signed_by());
    set(
        "Enabled",
        if line.is_disabled {
            "no".to_owned()
        } else {
            String::new()
        },
    );
    if !line.comment.is_empty() {
        section.header = line
            .comment
            .lines()
            .map(|comment| format!("#{comment}"))
            .collect();
    }
    section
}

/// Changes a section as a repository says; its other suites and addresses stay.
pub(super) fn change(known: &mut Section, wanted: &Form, line: &Line, options: &Options) {
    let wanted = match wanted {
        Form::Section(wanted) => wanted.clone(),
        Form::Line(line) => section(line, options),
        Form::Other(_) => return,
    };
    for name in ["Components", "Architectures", "Signed-By", "Trusted"] {
        if let Some(value) = wanted.field(name) {
            known.set(name, Some(value.to_owned()));
        }
    }
    for (name, option) in [("Types", "types"), ("URIs", "uris"), ("Suites", "suites")] {
        if options.value(option).is_array() {
            known.set(name, wanted.field(name).map(str::to_owned));
        }
    }
    if options.has("uri") {
        let uris = known.words("URIs").into_iter().map(|uri| {
            if uri.trim_end_matches('/') == line.uri.trim_end_matches('/') {
                options.text("uri").unwrap_or(uri)
            } else {
                uri
            }
        });
        let uris = uris.collect::<Vec<_>>().join(" ");
        known.set("URIs", Some(uris));
    }
    known.set("Enabled", wanted.field("Enabled").map(str::to_owned));
    if !wanted.header.is_empty() {
        known.header = wanted.header;
    }
}

/// Comments as one line.
pub(super) fn comments(options: &Options) -> Option<String> {
    match options.value("comments") {
        Value::Null => None,
        Value::Array(items) => Some(
            items
                .iter()
                .map(python::text)
                .collect::<Vec<_>>()
                .join(" ")
                .trim()
                .to_owned(),
        ),
        one => Some(python::text(one).trim().to_owned()),
    }
}

/// All lines that are the same repository but for their components become one, in the main list.
pub(super) fn consolidated(entries: Vec<Entry>, main: &Path) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for mut entry in entries {
        let Form::Line(line) = &mut entry.form else {
            if matches!(entry.form, Form::Section(_)) {
                all.push(entry);
            }
            continue;
        };
        let same = all.iter_mut().find_map(|other| match &mut other.form {
            Form::Line(other) => {
                let is_same = (
                    other.is_disabled,
                    &other.kind,
                    &other.uri,
                    &other.dist,
                    other.architectures(),
                ) == (
                    line.is_disabled,
                    &line.kind,
                    &line.uri,
                    &line.dist,
                    line.architectures(),
                );
                is_same.then_some(other)
            }
            _ => None,
        });
        match same {
            Some(other) => {
                let more: Vec<String> = line
                    .comps
                    .iter()
                    .filter(|comp| !other.comps.contains(comp))
                    .cloned()
                    .collect();
                other.comps.extend(more);
            }
            None => {
                entry.file = main.to_path_buf();
                all.push(entry);
            }
        }
    }
    all
}

/// What is left of an entry without a repository: other suites of it, or other components.
pub(super) fn without(entry: &Entry, line: &Line, has_all_comps: bool) -> Option<Entry> {
    let mut left = entry.clone();
    match &mut left.form {
        Form::Other(_) => {}
        Form::Line(known) => {
            known.comps.retain(|comp| !line.comps.contains(comp));
            if has_all_comps || known.comps.is_empty() {
                return None;
            }
        }
        Form::Section(section) if has_all_comps => {
            let mut suites = section.words("Suites");
            suites.retain(|suite| *suite != line.dist);
            if suites.is_empty() {
                return None;
            }
            section.set("Suites", Some(suites.join(" ")));
        }
        Form::Section(section) => {
            let mut comps = section.words("Components");
            comps.retain(|comp| !line.comps.contains(comp));
            if comps.is_empty() {
                return None;
            }
            section.set("Components", Some(comps.join(" ")));
        }
    }
    Some(left)
}
