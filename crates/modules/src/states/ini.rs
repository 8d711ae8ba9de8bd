//! `ini`: options and sections of files.

use serde_json::{Map, Value, json};

use super::{Args, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::ini::{names, open, sections};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "ini.options_absent",
        "name, sections=None, separator='=', encoding=None",
        "Keep options out of a file.",
        options_absent,
    ),
    StateFunction::new(
        "ini.options_present",
        "name, sections=None, separator='=', strict=False, encoding=None, no_spaces=False",
        "Keep the values of options; strict: and no others.",
        options_present,
    ),
    StateFunction::new(
        "ini.sections_absent",
        "name, sections=None, separator='=', encoding=None",
        "Keep sections out of a file.",
        sections_absent,
    ),
    StateFunction::new(
        "ini.sections_present",
        "name, sections=None, separator='=', encoding=None",
        "Keep sections in a file.",
        sections_present,
    ),
];

/// The return for a file that was only looked at.
fn foretold(comment: String, has_changes: bool) -> Return {
    let comment = if comment.is_empty() {
        "No changes detected.".to_owned()
    } else {
        comment
    };
    returned(if has_changes { None } else { Some(true) }, comment)
}

/// The return for changes that were made, or for none.
fn made(changes: Map<String, Value>) -> Return {
    if changes.is_empty() {
        return returned(true, "No anomaly detected");
    }
    changed(true, "Changes take effect", changes)
}

/// Behind the name of a key: the section that it is in.
fn place(section: &str) -> String {
    if section.is_empty() {
        String::new()
    } else {
        format!(" in section {section}")
    }
}

fn options_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = sections(args);
    let mut ini = open(args, "name")?;
    if wanted.is_empty() {
        if !env.is_test {
            ini.set(&wanted)?;
        }
        return Ok(returned(
            true,
            if env.is_test {
                ""
            } else {
                "No anomaly detected"
            },
        ));
    }
    let (bodies, options): (Map<String, Value>, Map<String, Value>) =
        wanted.into_iter().partition(|(_, body)| body.is_object());
    let there = ini
        .top()
        .report(false)
        .as_object()
        .cloned()
        .unwrap_or_default();
    let (there_sections, there_options): (Map<String, Value>, Map<String, Value>) =
        there.into_iter().partition(|(_, body)| body.is_object());
    let is_strict = args.flag("strict");
    let (mut changes, mut comment, mut has_changes) = (Map::new(), String::new(), false);
    let mut tell = |line: String, is_change: bool| {
        comment.push_str(&line);
        has_changes |= is_change;
    };
    let same = |known: Option<&Value>, value: &Value| {
        known.is_some_and(|known| python::text(known) == python::text(value))
    };
    if env.is_test {
        for (option, value) in &options {
            let is_same = same(there_options.get(option), value);
            let word = if is_same { "Unchanged" } else { "Changed" };
            tell(format!("{word} key {option}.\n"), !is_same);
        }
    } else {
        changes.extend(ini.set(&options)?);
        // What was written may read otherwise: sections that stood twice are one now.
        ini = open(args, "name")?;
    }
    if is_strict {
        for (option, value) in there_options
            .iter()
            .filter(|(name, _)| !options.contains_key(*name))
        {
            if env.is_test {
                tell(format!("Removed key {option}.\n"), true);
            } else {
                ini.remove_option(None, option)?;
                changes.insert(option.clone(), json!({"before": value, "after": null}));
            }
        }
        for (section, body) in there_sections
            .iter()
            .filter(|(name, _)| !bodies.contains_key(*name))
        {
            if env.is_test {
                tell(format!("Removed section {section}.\n"), true);
            } else {
                ini.remove_section(section)?;
                changes.insert(section.clone(), json!({"before": body, "after": null}));
            }
        }
    }
    for (section, body) in &bodies {
        let place = place(section);
        let empty = Map::new();
        let body = body.as_object().unwrap_or(&empty);
        let there = there_sections
            .get(section)
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let mut of_section = Map::new();
        if is_strict {
            for (option, value) in there.iter().filter(|(name, _)| !body.contains_key(*name)) {
                if env.is_test {
                    tell(format!("Deleted key {option}{place}.\n"), true);
                } else {
                    ini.remove_option(Some(section), option)?;
                    of_section.insert(option.clone(), json!({"before": value, "after": null}));
                }
            }
        }
        if env.is_test {
            for (option, value) in body {
                let is_same = same(there.get(option), value);
                let word = if is_same { "Unchanged" } else { "Changed" };
                tell(format!("{word} key {option}{place}.\n"), !is_same);
            }
            continue;
        }
        let mut set = ini.set(&Map::from_iter([(
            section.clone(),
            Value::Object(body.clone()),
        )]))?;
        if let Some(Value::Object(set)) = set.remove(section) {
            of_section.extend(set);
        }
        if !of_section.is_empty() {
            changes.insert(section.clone(), Value::Object(of_section));
        }
    }
    if env.is_test {
        return Ok(returned(
            if has_changes { None } else { Some(true) },
            comment,
        ));
    }
    Ok(made(changes))
}

fn options_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let wanted = sections(args);
    let mut ini = open(args, "name")?;
    let (mut comment, mut has_changes) = (String::new(), false);
    let mut changes = Map::new();
    for (section, keys) in &wanted {
        let Value::Array(keys) = keys else {
            // The name of an option above all sections.
            let value = ini
                .option(None, section)
                .filter(|value| !value.is_empty())
                .map(str::to_owned);
            has_changes |= value.is_some();
            comment.push_str(&match value {
                Some(_) => format!("Deleted key {section}.\n"),
                None => format!("Key {section} does not exist.\n"),
            });
            if !env.is_test {
                let removed = ini
                    .remove_option(None, section)?
                    .filter(|value| !value.is_empty());
                changes.extend(removed.map(|value| (section.clone(), json!(value))));
            }
            continue;
        };
        let place = place(section);
        let mut of_section = Map::new();
        for key in keys.iter().map(python::text) {
            if env.is_test {
                let value = ini
                    .option(Some(section), &key)
                    .filter(|value| !value.is_empty());
                has_changes |= value.is_some();
                comment.push_str(&match value {
                    Some(_) => format!("Deleted key {key}{place}.\n"),
                    None => format!("Key {key}{place} does not exist.\n"),
                });
                continue;
            }
            let removed = ini
                .remove_option(Some(section), &key)?
                .filter(|value| !value.is_empty());
            of_section.extend(removed.map(|value| (key, json!(value))));
        }
        if !of_section.is_empty() {
            changes.insert(section.clone(), Value::Object(of_section));
        }
    }
    if env.is_test {
        return Ok(foretold(comment, has_changes));
    }
    Ok(made(changes))
}

fn sections_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut ini = open(args, "name")?;
    let wanted = names(args.value("sections"));
    if !env.is_test {
        let empty = wanted.into_iter().map(|name| (name, json!({}))).collect();
        return Ok(made(ini.set(&empty)?));
    }
    let (mut comment, mut has_changes) = (String::new(), false);
    for section in wanted {
        let is_there = ini.section(&section).is_some();
        has_changes |= !is_there;
        comment.push_str(&if is_there {
            format!("Section unchanged {section}.\n")
        } else {
            format!("Created new section {section}.\n")
        });
    }
    Ok(foretold(comment, has_changes))
}

fn sections_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut ini = open(args, "name")?;
    let (mut comment, mut has_changes) = (String::new(), false);
    let mut changes = Map::new();
    for section in names(args.value("sections")) {
        let is_there = ini.section(&section).is_some();
        has_changes |= is_there;
        comment.push_str(&if is_there {
            format!("Deleted section {section}.\n")
        } else {
            format!("Section {section} does not exist.\n")
        });
        if env.is_test || !is_there {
            continue;
        }
        let removed = ini.remove_section(&section)?.filter(python::truthy);
        changes.extend(removed.map(|options| (section, options)));
    }
    if env.is_test {
        return Ok(foretold(comment, has_changes));
    }
    Ok(made(changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, play};

    #[test]
    fn states_answer_as_salt_does() {
        play(
            include_str!("testdata/ini.json"),
            "f",
            |_| (),
            |host, mut args| {
                args["name"] = json!(host.path("f"));
                args
            },
        );
    }

    #[test]
    fn sections_are_made() {
        let host = Host::new();
        let path = host.write("f", "[a]\nx = 1\n");
        let args = json!({"name": path, "sections": ["a", "b"]});
        let foretold = host.state("ini.sections_present", args.clone(), true);
        assert_eq!(
            foretold.comment,
            "Section unchanged a.\nCreated new section b.\n"
        );
        let done = host.state("ini.sections_present", args.clone(), false);
        assert_eq!(done.changes["b"], json!({"before": null, "after": {}}));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "[a]\nx = 1\n\n[b]\n"
        );
        assert!(
            host.state("ini.sections_present", args, false)
                .changes
                .is_empty()
        );
    }
}
