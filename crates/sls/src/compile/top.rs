//! Top files: which SLS of which environment are for a minion.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::Errors;
use super::matcher::Matcher;
use super::source::{Available, Render};
use super::value::{is_truthy, kind};

/// The SLS for a minion by environment, in the order of the top file. Names may be globs.
pub type Matches = IndexMap<String, Vec<String>>;

/// How the top files of several environments become one: `top_file_merging_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// `base` decides; other top files add their own environment where `base` does not name it.
    #[default]
    Merge,
    /// Each environment has its own top file, or the section in that of `default_top`.
    Same,
    /// All sections of all top files are joined.
    MergeAll,
}

impl Strategy {
    /// Reads the setting; a word that is unknown means `merge`, as in Salt.
    pub fn of(word: &str) -> Strategy {
        match word {
            "same" => Strategy::Same,
            "merge_all" => Strategy::MergeAll,
            _ => Strategy::Merge,
        }
    }
}

/// Options of a minion that decide about top files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopSettings {
    /// `top_file_merging_strategy`.
    pub strategy: Strategy,
    /// `default_top`: the environment that stands in, with [`Strategy::Same`].
    pub default_top: Option<String>,
    /// `env_order`: the environments that are read, in this order; empty for all.
    pub env_order: Vec<String>,
    /// `saltenv`: the only environment that counts.
    pub saltenv: Option<String>,
    /// `state_top_saltenv`: the only environment whose top file is read.
    pub top_env: Option<String>,
}

/// Targets of each environment, each with its SLS: the top files as one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Top(IndexMap<String, Map<String, Value>>);

/// The top files of each environment, included ones last.
type Tops = IndexMap<String, Vec<Map<String, Value>>>;

impl Top {
    /// Renders the top files and merges them.
    pub fn read(
        source: &mut dyn Render,
        available: &Available,
        settings: &TopSettings,
    ) -> Result<Top, Errors> {
        if settings.strategy == Strategy::Same
            && settings.saltenv.is_none()
            && settings.default_top.is_none()
        {
            return Err(Errors(vec![
                "Unable to render top file: top_file_merging_strategy set to 'same', but no default_top configuration option was set".to_owned(),
            ]));
        }
        let envs = environments(&*source, settings);
        let mut tops = gather(source, envs)?;
        add_includes(source, available, &mut tops)?;
        let merged = match settings.strategy {
            Strategy::Merge => merge(tops),
            Strategy::Same => merge_same(&tops, settings.default_top.as_deref()),
            Strategy::MergeAll => merge_all(tops),
        };
        merged.map(Top)
    }

    /// What is malformed in the top files.
    pub fn verify(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for (env, targets) in &self.0 {
            if env.is_empty() {
                errors.push("Empty saltenv statement in top file".to_owned());
            }
            for (target, items) in targets {
                let Value::Array(items) = items else {
                    errors.push(format!(
                        "Malformed topfile: state declarations for matcher '{target}' in saltenv '{env}' are not formed as a list, but are {}",
                        kind(items)
                    ));
                    continue;
                };
                for item in items {
                    match item {
                        Value::Object(options) => {
                            for value in options.values().filter(|value| !is_truthy(value)) {
                                errors.push(format!("Improperly formatted top file matcher in saltenv {env}: {item} has the value {value}"));
                            }
                        }
                        Value::String(name) if name.is_empty() => {
                            errors.push(format!("Environment {env} contains an empty sls index"));
                        }
                        _ => {}
                    }
                }
            }
        }
        errors
    }

    /// The SLS for the minion that `matcher` knows. Fails on a target that cannot be read.
    pub fn matches(
        &self,
        available: &Available,
        settings: &TopSettings,
        matcher: &dyn Matcher,
    ) -> Result<Matches, Errors> {
        let mut matches = Matches::new();
        let mut errors = Vec::new();
        for (env, targets) in &self.0 {
            if settings
                .saltenv
                .as_ref()
                .is_some_and(|wanted| wanted != env)
            {
                continue;
            }
            for (target, items) in targets {
                let mut choice = Choice {
                    env,
                    available,
                    matcher,
                    matches: &mut matches,
                };
                if let Err(error) = choice.target(target, items) {
                    errors.push(error);
                }
            }
        }
        Errors::none(errors).map(|()| matches)
    }
}

struct Choice<'a> {
    env: &'a str,
    available: &'a Available,
    matcher: &'a dyn Matcher,
    matches: &'a mut Matches,
}

impl Choice<'_> {
    fn target(&mut self, target: &str, items: &Value) -> Result<(), String> {
        let items = list(items);
        if !confirm(self.matcher, target, items, self.env)? {
            return Ok(());
        }
        self.matches.entry(self.env.to_owned()).or_default();
        for item in items {
            match item {
                Value::String(name) => self.add(self.env, name),
                Value::Object(map) => {
                    if let Some(Value::Object(inner)) = map.get("subfilter") {
                        for (target, items) in inner {
                            self.target(target, items)?;
                        }
                    }
                    if let Some((env, Value::String(name))) =
                        map.iter().rfind(|(key, _)| *key != "subfilter")
                        && self.available.has(env)
                    {
                        self.add(env, name);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, env: &str, name: &str) {
        self.matches
            .entry(env.to_owned())
            .or_default()
            .push(name.to_owned());
    }
}

/// Whether a target of a top file means the minion: `match` in its items says how it is read, `compound` if nothing does.
pub(super) fn confirm(
    matcher: &dyn Matcher,
    target: &str,
    items: &[Value],
    env: &str,
) -> Result<bool, String> {
    let kind = items
        .iter()
        .filter_map(|item| item.get("match")?.as_str())
        .next_back()
        .unwrap_or("compound");
    matcher.matches(kind, target).map_err(|error| {
        format!(
            "the target '{target}' in saltenv '{env}' of the top file cannot be matched: {error}"
        )
    })
}

/// The items of a list, or the one that stands for a list.
pub(super) fn list(items: &Value) -> &[Value] {
    match items {
        Value::Array(items) => items,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// The environments whose top files are read, in their order.
fn environments(source: &dyn Render, settings: &TopSettings) -> Vec<String> {
    if let Some(env) = settings.saltenv.as_ref().or(settings.top_env.as_ref()) {
        return vec![env.clone()];
    }
    env_order(source, &settings.env_order)
}

/// All environments with `base` first, or those of `env_order` that exist.
pub(super) fn env_order(source: &dyn Render, wanted: &[String]) -> Vec<String> {
    let existing = source.environments();
    let mut envs: Vec<String> = Vec::new();
    if wanted.is_empty() {
        envs.push("base".to_owned());
        envs.extend(existing.into_iter().filter(|env| env != "base"));
        return envs;
    }
    for env in wanted {
        if (existing.is_empty() || existing.contains(env)) && !envs.contains(env) {
            envs.push(env.clone());
        }
    }
    envs
}

fn gather(source: &mut dyn Render, envs: Vec<String>) -> Result<Tops, Errors> {
    let mut tops = Tops::new();
    for env in envs {
        let top = match source.top(&env) {
            Ok(top) => top.unwrap_or(Value::Null),
            Err(error) => return Err(unreadable(&env, &error)),
        };
        let top = sections(top).map_err(|error| unreadable(&env, &error))?;
        tops.insert(env, vec![top]);
    }
    Ok(tops)
}

/// Renders what top files include; includes in those are not heard.
fn add_includes(
    source: &mut dyn Render,
    available: &Available,
    tops: &mut Tops,
) -> Result<(), Errors> {
    for (env, tops) in tops {
        let mut done: Vec<String> = Vec::new();
        for include in take_includes(tops) {
            for sls in available.matching(env, &include) {
                if done.contains(&sls) {
                    continue;
                }
                let rendered = source
                    .render(env, &sls)
                    .map_err(|error| unreadable(env, &error))?;
                if let Some(rendered) = rendered {
                    tops.push(sections(rendered.data).map_err(|error| unreadable(env, &error))?);
                }
                done.push(sls);
            }
        }
    }
    Ok(())
}

pub(super) fn take_includes(tops: &mut [Map<String, Value>]) -> Vec<String> {
    tops.iter_mut()
        .filter_map(|top| top.shift_remove("include"))
        .flat_map(|includes| {
            list(&includes)
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

pub(super) fn sections(top: Value) -> Result<Map<String, Value>, String> {
    match top {
        Value::Object(top) => Ok(top),
        Value::Null => Ok(Map::new()),
        other => Err(format!(
            "Top data was not formed as a dict, but as {}",
            kind(&other)
        )),
    }
}

fn unreadable(env: &str, error: &str) -> Errors {
    Errors(vec![format!(
        "Unable to render top file of saltenv '{env}': {error}"
    )])
}

type Merged = IndexMap<String, Map<String, Value>>;

/// Sets the targets of one section.
fn add_section(merged: &mut Merged, env: &str, targets: &Value) -> Result<(), Errors> {
    let Value::Object(targets) = targets else {
        return Err(Errors(vec![format!(
            "Unable to render top file. No targets found: the section of saltenv '{env}' is {}",
            kind(targets)
        )]));
    };
    if !targets.is_empty() {
        merged
            .entry(env.to_owned())
            .or_default()
            .extend(targets.clone());
    }
    Ok(())
}

fn merge(mut tops: Tops) -> Result<Merged, Errors> {
    let mut merged = Merged::new();
    for (env, targets) in tops.shift_remove("base").into_iter().flatten().flatten() {
        if env != "include" {
            add_section(&mut merged, &env, &targets)?;
        }
    }
    for (own, tops) in tops {
        // An environment that an earlier file named is closed, and within one file the first section opens it.
        for top in tops {
            if let Some(targets) = top.get(&own)
                && !merged.contains_key(&own)
            {
                add_section(&mut merged, &own, targets)?;
            }
        }
    }
    Ok(merged)
}

fn merge_same(tops: &Tops, default_top: Option<&str>) -> Result<Merged, Errors> {
    let mut merged = Merged::new();
    for (env, own) in tops {
        let is_own_empty = own.iter().all(Map::is_empty);
        let chosen = match default_top.and_then(|default| tops.get(default)) {
            Some(fallback) if is_own_empty => fallback,
            _ => own,
        };
        for targets in chosen.iter().filter_map(|top| top.get(env)) {
            add_section(&mut merged, env, targets)?;
        }
    }
    Ok(merged)
}

fn merge_all(tops: Tops) -> Result<Merged, Errors> {
    let mut merged = Merged::new();
    for (env, targets) in tops.into_values().flatten().flatten() {
        if env == "include" {
            continue;
        }
        let Value::Object(targets) = targets else {
            add_section(&mut merged, &env, &targets)?;
            continue;
        };
        let section = merged.entry(env).or_default();
        for (target, items) in targets {
            match section.get_mut(&target) {
                None => {
                    section.insert(target, items);
                }
                Some(old) => *old = joined(old, &items),
            }
        }
    }
    Ok(merged)
}

/// The items of two sections for one target: one option of how to match, then each SLS once.
fn joined(old: &Value, new: &Value) -> Value {
    let option = |items: &Value| list(items).iter().rfind(|item| item.is_object()).cloned();
    let mut all: Vec<Value> = option(new).or_else(|| option(old)).into_iter().collect();
    all.extend(list(old).iter().filter(|item| item.is_string()).cloned());
    for name in list(new).iter().filter(|item| item.is_string()) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    json!(all)
}

#[cfg(test)]
mod tests {
    use super::joined;
    use serde_json::json;

    #[test]
    fn joins() {
        let old = json!([{"match": "glob"}, "a", "b"]);
        assert_eq!(
            joined(&old, &json!(["b", "c"])),
            json!([{"match": "glob"}, "a", "b", "c"])
        );
        assert_eq!(
            joined(&old, &json!([{"match": "pcre"}])),
            json!([{"match": "pcre"}, "a", "b"])
        );
    }
}
