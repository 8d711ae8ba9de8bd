//! `pkgrepo`: repositories of packages that are to be configured or not.

use std::fs;

use serde_json::{Map, Value, json};

use super::pkg::Refresh;
use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::packages::{self, Options};
use crate::python;
use crate::repositories::{Known, Repositories, repositories, wants_refresh};

const MANAGED: &str = "name, ppa=None, copr=None, aptkey=True, **kwargs";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "pkgrepo.absent",
        "name, **kwargs",
        "Remove a repository; with keyid its key too.",
        |args, env| absent(repositories(env.env)?.as_ref(), args, env),
    ),
    StateFunction::new(
        "pkgrepo.managed",
        MANAGED,
        "Configure a repository. For apt the name is the complete line, or ppa names an archive of Ubuntu; file: where it stands; comps, \
         architectures, dist, disabled, comments, consolidate, clean_file; keyid with keyserver, key_url or key_text; refresh=False: do \
         not fetch the lists afterwards.",
        |args, env| managed(repositories(env.env)?.as_ref(), args, env),
    ),
];

/// Pairs of options for keys of which only one may be said.
const ONE_KEY: [(&str, &[&str], &str); 3] = [
    (
        "key_url",
        &["keyid", "keyserver"],
        "You may not use both \"keyid\"/\"keyserver\" and \"key_url\" argument.",
    ),
    (
        "key_text",
        &["keyid", "keyserver"],
        "You may not use both \"keyid\"/\"keyserver\" and \"key_text\" argument.",
    ),
    (
        "key_text",
        &["key_url"],
        "You may not use both \"key_url\" and \"key_text\" argument.",
    ),
];

/// What is wrong with the options, in the words for operators.
fn fault(kwargs: &Map<String, Value>) -> Option<&'static str> {
    let has = |name: &str| kwargs.contains_key(name);
    if let Some((.., text)) = ONE_KEY
        .iter()
        .find(|(one, others, _)| has(one) && others.iter().any(|other| has(other)))
    {
        return Some(text);
    }
    if has("repo") {
        return Some(
            "'repo' is not a supported argument for this state. The 'name' argument is probably what was intended.",
        );
    }
    let is_said = |name: &str| kwargs.get(name).is_some_and(|value| !value.is_null());
    if is_said("enabled") && is_said("disabled") {
        return Some("Only one of enabled/disabled is allowed");
    }
    let is_plain_http = kwargs
        .get("key_url")
        .and_then(Value::as_str)
        .is_some_and(|url| url.trim().starts_with("http:"));
    let is_refused = kwargs
        .get("allow_insecure_key")
        .is_some_and(|allowed| !python::truthy(allowed));
    (is_plain_http && is_refused)
        .then_some("Cannot have 'key_url' using http with 'allow_insecure_key' set to True")
}

/// The options of the repository, with whether it is disabled.
fn options(args: &Args, env: &StateEnv) -> Options {
    let mut kwargs = args.extra_kwargs.clone();
    kwargs.shift_remove("allow_insecure_key");
    let disabled = kwargs
        .shift_remove("disabled")
        .filter(|disabled| !disabled.is_null());
    let enabled = kwargs
        .shift_remove("enabled")
        .filter(|enabled| !enabled.is_null());
    let is_disabled = match (enabled, disabled) {
        (Some(enabled), _) => !python::is_true(&enabled),
        (None, Some(disabled)) => python::is_true(&disabled),
        (None, None) => false,
    };
    Options::new(&kwargs)
        .with("disabled", is_disabled)
        .with("aptkey", args.flag("aptkey"))
        .with("saltenv", env.saltenv())
}

fn managed(repositories: &dyn Repositories, args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if let Some(fault) = fault(&args.extra_kwargs) {
        return Ok(returned(false, fault));
    }
    if args.flag("copr") {
        return Err(Failure::invocation(
            "copr: repositories of dnf are not served",
        ));
    }
    let repo = match args.optional_text("ppa")? {
        Some(ppa) => format!("ppa:{ppa}"),
        None => name.clone(),
    };
    let options = options(args, env);
    let before = match repositories.get(&repo, &options) {
        Ok(before) => before,
        Err(failure) => {
            return Ok(returned(
                false,
                format!("Failed to examine repo '{name}': {failure}"),
            ));
        }
    };
    let wanted = match repositories.wanted(&repo, &options) {
        Ok(wanted) => wanted,
        Err(failure) => {
            return Ok(returned(
                false,
                format!("Failed to configure repo '{name}': {failure}"),
            ));
        }
    };
    if !before.is_empty() && !has_others(&name, &options) && is_same(&wanted, &before, &options) {
        return Ok(returned(
            true,
            format!("Package repo '{name}' already configured"),
        ));
    }
    if env.is_test {
        let comment = format!(
            "Package repo '{name}' would be configured. This may cause pkg states to behave differently than stated if this action is \
             repeated without test=True, due to the differences in the configured repositories."
        );
        let changes = if before.is_empty() {
            Map::from_iter([("repo".to_owned(), json!(name))])
        } else {
            differences(&wanted, &wanted, &before)
        };
        return Ok(changed(None, comment, changes));
    }
    if options.flag("clean_file")
        && let Some(file) = options.text("file")
    {
        fs::write(&file, "").map_err(|error| Failure::io(&file, error))?;
    }
    let configured = repositories
        .set(&repo, &options)
        .and_then(|()| refresh(env, wants_refresh(&options)));
    if let Err(failure) = configured {
        return Ok(returned(
            false,
            format!("Failed to configure repo '{name}': {failure}"),
        ));
    }
    let after = match repositories.get(&repo, &options) {
        Ok(after) => after,
        Err(failure) => {
            return Ok(returned(
                false,
                format!("Failed to confirm config of repo '{name}': {failure}"),
            ));
        }
    };
    let changes = if before.is_empty() {
        Map::from_iter([("repo".to_owned(), json!(repo))])
    } else {
        differences(&wanted, &after, &before)
    };
    Ok(changed(
        true,
        format!("Configured package repo '{name}'"),
        changes,
    ))
}

fn refresh(env: &StateEnv, is_wanted: bool) -> Result<(), Failure> {
    if !is_wanted {
        return Ok(());
    }
    let manager = packages::manager(env.env)?;
    manager.refresh(&Options::default())?;
    Refresh::done(manager.as_ref(), env);
    Ok(())
}

/// Whether the file of a repository that is to be alone there has other lines.
fn has_others(name: &str, options: &Options) -> bool {
    let file = options.text("file").filter(|_| options.flag("clean_file"));
    let text = file
        .and_then(|file| fs::read_to_string(file).ok())
        .unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.any(|line| !line.is_empty() && !line.starts_with('#') && line != name.trim())
}

/// The words of a line, its components in order, and its comment.
fn parts(line: &Value) -> (Vec<String>, String) {
    let line = python::text(line);
    let (line, comment) = line
        .split_once('#')
        .filter(|(line, _)| !line.is_empty())
        .unwrap_or((&line, ""));
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    words.get_mut(3..).into_iter().for_each(<[String]>::sort);
    (words, comment.trim().to_owned())
}

fn sorted(list: &Value) -> Vec<String> {
    let mut items: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(python::text)
        .collect();
    items.sort();
    items
}

fn is_same(wanted: &Known, before: &Known, options: &Options) -> bool {
    wanted
        .iter()
        .filter(|(key, _)| *key != "file")
        .all(|(key, value)| {
            let known = before.get(key).unwrap_or(&Value::Null);
            match key.as_str() {
                "comps" => sorted(value) == sorted(known),
                "architectures" => sorted(value).is_empty() || sorted(value) == sorted(known),
                "line" if wanted["disabled"] == json!(true) => true,
                "line" => {
                    let ((words, comment), (known_words, known_comment)) =
                        (parts(value), parts(known));
                    words == known_words && (!options.has("comments") || comment == known_comment)
                }
                // Addresses and suites of one section that are not said stay as they are.
                "suites" | "uris" | "types" if !options.has(key) => sorted(value)
                    .iter()
                    .all(|item| sorted(known).contains(item)),
                "uri" => {
                    python::text(value).trim_end_matches('/')
                        == python::text(known).trim_end_matches('/')
                }
                _ => python::text(value) == python::text(known),
            }
        })
}

/// What differs between two states of a repository, in what is asked for.
fn differences(wanted: &Known, after: &Known, before: &Known) -> Map<String, Value> {
    wanted
        .keys()
        .filter(|key| *key != "file" && after.get(*key) != before.get(*key))
        .map(|key| {
            (
                key.clone(),
                json!({"new": after.get(key), "old": before.get(key)}),
            )
        })
        .collect()
}

fn absent(repositories: &dyn Repositories, args: &Args, env: &StateEnv) -> StateAnswer {
    let options = Options::new(&args.extra_kwargs);
    let mut name = args.text("name")?;
    if let Some(ppa) = options.text("ppa") {
        name = if ppa.starts_with("ppa:") {
            ppa
        } else {
            format!("ppa:{ppa}")
        };
    }
    let repo = stripped(&name);
    let known = match repositories.get(&repo, &options) {
        Ok(known) => known,
        Err(failure) => {
            return Ok(returned(
                false,
                format!("Failed to configure repo '{name}': {failure}"),
            ));
        }
    };
    let is_other =
        |wanted: &Known| sorted(&wanted["architectures"]) != sorted(&known["architectures"]);
    let is_there = !known.is_empty()
        && !repositories
            .wanted(&repo, &Options::default())
            .is_ok_and(|wanted| is_other(&wanted));
    if !is_there {
        return Ok(returned(true, format!("Package repo {name} is absent")));
    }
    if env.is_test {
        let comment = format!(
            "Package repo '{name}' will be removed. This may cause pkg states to behave differently than stated if this action is \
             repeated without test=True, due to the differences in the configured repositories."
        );
        return Ok(returned(None, comment));
    }
    let deleted = repositories
        .delete(&repo, &options)
        .and_then(|_| refresh(env, true));
    if let Err(failure) = deleted {
        return Ok(returned(false, failure.to_string()));
    }
    let mut answer = changed(true, format!("Removed repo {name}"), json!({"repo": name}));
    if options.has("keyid") || options.has("keyid_ppa") {
        match repositories.delete_key(&options) {
            Ok(keyid) => {
                let keyid = keyid.map_or(json!(false), Value::String);
                answer.comment += &format!(", and keyid {}", python::text(&keyid));
                answer.changes.insert("keyid".to_owned(), keyid);
            }
            Err(failure) => {
                answer.result = Some(false);
                answer.comment += &format!(", but failed to remove key: {failure}");
            }
        }
    }
    Ok(answer)
}

/// A line whose address does not end in a slash.
fn stripped(name: &str) -> String {
    let is_address = |word: &str| {
        ["http://", "https://", "ftp://"]
            .iter()
            .any(|scheme| word.starts_with(scheme))
    };
    let words = name.split_whitespace().map(|word| {
        if is_address(word) {
            word.trim_end_matches('/')
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repositories::testing::Fake;
    use crate::testing::Host;

    fn told(
        fake: &Fake,
        is_managed: bool,
        args: Value,
        is_test: bool,
    ) -> (Option<bool>, String, Value) {
        let host = Host::new();
        let answer = host.with_state(MANAGED, args, is_test, |args, env| {
            fake.with(env.env, |repositories| {
                if is_managed {
                    managed(repositories, args, env)
                } else {
                    absent(repositories, args, env)
                }
            })
        });
        let answer = answer.unwrap();
        (answer.result, answer.comment, Value::Object(answer.changes))
    }

    #[test]
    fn repositories_are_configured_and_removed() {
        let fake = Fake::new();
        let line = "deb [signed-by=/k.gpg] http://a/debian stable main";
        let args =
            || json!({"name": line, "file": "/etc/apt/sources.list.d/a.list", "refresh": false});
        let check =
            |args: Value, is_test: bool, result: Option<bool>, comment: &str, changes: Value| {
                assert_eq!(
                    told(&fake, true, args, is_test),
                    (result, comment.to_owned(), changes)
                );
            };
        let would = format!(
            "Package repo '{line}' would be configured. This may cause pkg states to behave differently than stated if this action is \
             repeated without test=True, due to the differences in the configured repositories."
        );
        check(args(), true, None, &would, json!({"repo": line}));
        let done = format!("Configured package repo '{line}'");
        check(args(), false, Some(true), &done, json!({"repo": line}));
        assert_eq!(
            fake.text("etc/apt/sources.list.d/a.list"),
            format!("{line}\n")
        );
        let same = format!("Package repo '{line}' already configured");
        for is_test in [true, false] {
            check(args(), is_test, Some(true), &same, json!({}));
        }
        let mut more = args();
        more["comps"] = json!("main,contrib");
        let changes = told(&fake, true, more.clone(), false).2;
        assert_eq!(
            changes["comps"],
            json!({"old": ["main"], "new": ["main", "contrib"]})
        );
        check(more, false, Some(true), &same, json!({}));
        let mut disabled = args();
        disabled["enabled"] = json!(false);
        assert_eq!(
            told(&fake, true, disabled, false).2["disabled"],
            json!({"old": false, "new": true})
        );
        assert_eq!(
            fake.text("etc/apt/sources.list.d/a.list"),
            format!("# {line}\n")
        );
        let bad = json!({"name": "nonsense"});
        let text = "Failed to configure repo 'nonsense': Name nonsense is not valid. This must be the complete repo entry as seen in the sources file";
        check(bad, false, Some(false), text, json!({}));
        let twice = json!({"name": line, "key_url": "x", "keyid": "y"});
        check(twice, false, Some(false), ONE_KEY[0].2, json!({}));
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let fake = Fake::new();
        let args = json!({"name": "deb http://a stable main"});
        let expected = (
            Some(true),
            "Package repo deb http://a stable main is absent".to_owned(),
            json!({}),
        );
        assert_eq!(told(&fake, false, args, false), expected);
    }
}
