//! Loads the SLS that were asked for, and what they include, into one high data.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::declarations;
use super::keywords::is_internal;
use super::source::{Available, Render, Rendered};
use super::top::Matches;
use super::value::{kind, list_mut, text_at};
use super::{High, INCLUDE_DEPTH_MAX, SLS_MAX};

/// The number of the first declaration without an `order`.
const FIRST_ORDER: i64 = 10_000;

/// Renders the SLS of `matches` and puts them together. Errors are many: each SLS that cannot be used has its own.
///
/// `is_ordered` is Salt's `state_auto_order`: whether declarations run in the order in which they are written.
pub fn load(
    source: &mut dyn Render,
    available: &Available,
    matches: &Matches,
    is_ordered: bool,
) -> (High, Vec<String>) {
    let mut loader = Loader {
        source,
        available,
        matches,
        is_ordered,
        next_order: FIRST_ORDER,
        seen: BTreeSet::new(),
    };
    let mut high = Map::new();
    let mut errors = Vec::new();
    for (env, wanted) in matches {
        for name in wanted {
            if !available.has(env) {
                errors.push(format!(
                    "No matching salt environment for environment '{env}' found"
                ));
            }
            let mut names = available.matching(env, name);
            if names.is_empty() {
                names.push(name.clone());
            }
            for sls in names {
                if loader.has_seen(env, &sls) {
                    continue;
                }
                let (state, mut found) = loader.sls(env, &sls, 0);
                merge(&mut high, state, &mut found);
                let missing = format!("Specified SLS {name} in saltenv");
                for error in &mut found {
                    if error.contains("is not available") && error.contains(&missing) {
                        *error = format!("No matching sls found for '{name}' in env '{env}'");
                    }
                }
                errors.extend(found);
            }
        }
    }
    drop_equal_extends(&mut high);
    (high, errors)
}

struct Loader<'a> {
    source: &'a mut dyn Render,
    available: &'a Available,
    matches: &'a Matches,
    is_ordered: bool,
    next_order: i64,
    /// Environment and name of each SLS that was rendered.
    seen: BTreeSet<(String, String)>,
}

impl Loader<'_> {
    fn has_seen(&self, env: &str, sls: &str) -> bool {
        self.seen.contains(&(env.to_owned(), sls.to_owned()))
    }

    /// One SLS with all that it includes.
    fn sls(&mut self, env: &str, sls: &str, depth: usize) -> (Map<String, Value>, Vec<String>) {
        let mut errors = Vec::new();
        if depth > INCLUDE_DEPTH_MAX || self.seen.len() >= SLS_MAX {
            errors.push(format!(
                "SLS '{env}:{sls}' is not loaded: there are more than {INCLUDE_DEPTH_MAX} includes inside of each other, or more than {SLS_MAX} SLS"
            ));
            return (Map::new(), errors);
        }
        let rendered = match self.source.render(env, sls) {
            Ok(rendered) => rendered,
            Err(error) => {
                self.seen.insert((env.to_owned(), sls.to_owned()));
                errors.push(format!("Rendering SLS '{env}:{sls}' failed: {error}"));
                return (Map::new(), errors);
            }
        };
        let Some(Rendered { data, source }) = rendered else {
            errors.push(format!(
                "Specified SLS {sls} in saltenv {env} is not available: the environment has neither {} nor {}",
                super::source::sls_paths(sls)[0],
                super::source::sls_paths(sls)[1]
            ));
            return (Map::new(), errors);
        };
        self.seen.insert((env.to_owned(), sls.to_owned()));
        let mut state = match data {
            Value::Object(state) => state,
            Value::Null => return (Map::new(), errors),
            data => {
                if super::value::is_truthy(&data) {
                    errors.push(format!(
                        "SLS {sls} does not render to a dictionary, but to {}",
                        kind(&data)
                    ));
                }
                return (Map::new(), errors);
            }
        };
        let includes = take_includes(&mut state, sls, &mut errors);
        declarations::take_extend(&mut state, sls, env, &mut errors);
        declarations::take_exclude(&mut state, sls, &mut errors);
        declarations::complete(&mut state, sls, env, &mut errors);
        for include in includes {
            let here = Here {
                env,
                sls,
                is_init: source == "init.sls" || source.ends_with("/init.sls"),
            };
            self.include(&here, &include, &mut state, depth, &mut errors);
        }
        if self.is_ordered {
            declarations::number(&mut state, &mut self.next_order);
        }
        (state, errors)
    }

    /// Adds one entry of `include` to the SLS that holds it.
    fn include(
        &mut self,
        here: &Here<'_>,
        include: &Value,
        state: &mut Map<String, Value>,
        depth: usize,
        errors: &mut Vec<String>,
    ) {
        let (env, name) = match include {
            Value::Object(map) => match map.iter().next_back() {
                Some((env, name)) => (env.as_str(), name),
                None => (here.env, include),
            },
            name => (here.env, name),
        };
        let Value::String(name) = name else {
            errors.push(format!(
                "Badly formatted include {include} found in SLS '{}:{}': it is neither a name nor 'environment: name'",
                here.env, here.sls
            ));
            return;
        };
        if env != ANY_ENV && !self.available.has(env) {
            errors.push(format!(
                "Nonexistent saltenv '{env}' found in include of '{name}' within SLS '{}:{}'",
                here.env, here.sls
            ));
            return;
        }
        let Some(name) = here.absolute(name) else {
            errors.push(format!(
                "Attempted relative include of '{name}' within SLS '{}:{}' goes beyond top level package",
                here.env, here.sls
            ));
            return;
        };
        let holds = |env: &str| !self.available.matching(env, &name).is_empty();
        let envs: Vec<&str> = if env == ANY_ENV {
            self.matches
                .keys()
                .map(String::as_str)
                .filter(|env| holds(env))
                .collect()
        } else if self.matches.contains_key(env) || holds(env) {
            vec![env]
        } else {
            Vec::new()
        };
        let env = match envs[..] {
            [] => {
                let asked: Vec<&str> = self.matches.keys().map(String::as_str).collect();
                let asked = if env == ANY_ENV {
                    asked.join(", ")
                } else {
                    env.to_owned()
                };
                errors.push(format!(
                    "Unknown include: Specified SLS {env}: {name} is not available in saltenv(s): {asked}"
                ));
                return;
            }
            [env] => env,
            _ if envs.contains(&here.env) => here.env,
            _ => {
                errors.push(format!(
                    "Ambiguous include: Specified SLS {env}: {name} is available in multiple saltenvs: {}",
                    envs.join(", ")
                ));
                return;
            }
        };
        let env = env.to_owned();
        let mut targets = self.available.matching(here.env, &name);
        if targets.is_empty() {
            targets.push(name);
        }
        for target in targets {
            if self.has_seen(&env, &target) {
                continue;
            }
            let (mut included, found) = self.sls(&env, &target, depth + 1);
            for (id, body) in &mut included {
                if let (false, Value::Object(body)) = (is_internal(id), body)
                    && let Some(list) = list_mut(body, "__sls_included_from__")
                {
                    list.push(json!(here.sls));
                }
            }
            merge(state, included, errors);
            errors.extend(found);
        }
    }
}

/// Stands for the environments that the top file matched.
const ANY_ENV: &str = "_xenv";

/// The SLS that includes another.
struct Here<'a> {
    env: &'a str,
    sls: &'a str,
    is_init: bool,
}

impl Here<'_> {
    /// The name that a relative one means: each dot but the first goes up by a folder. None above the top.
    fn absolute(&self, name: &str) -> Option<String> {
        let rest = name.trim_start_matches('.');
        let levels = name.len() - rest.len();
        if levels == 0 {
            return Some(name.to_owned());
        }
        let mut parts: Vec<&str> = self.sls.split('.').collect();
        if self.is_init {
            parts.push("init");
        }
        let kept = parts.len().checked_sub(levels)?;
        parts.truncate(kept);
        parts.push(rest);
        Some(parts.join("."))
    }
}

fn take_includes(
    state: &mut Map<String, Value>,
    sls: &str,
    errors: &mut Vec<String>,
) -> Vec<Value> {
    match state.get("include") {
        None => Vec::new(),
        Some(Value::Array(_)) => match state.shift_remove("include") {
            Some(Value::Array(includes)) => includes,
            _ => Vec::new(),
        },
        Some(_) => {
            state.shift_remove("include");
            errors.push(format!(
                "Include Declaration in SLS {sls} is not formed as a list"
            ));
            Vec::new()
        }
    }
}

/// Adds the states of one SLS to those of others. An id that is there already, and differs, is a conflict.
fn merge(into: &mut Map<String, Value>, mut state: Map<String, Value>, errors: &mut Vec<String>) {
    for key in ["__extend__", "__exclude__"] {
        if let Some(Value::Array(items)) = state.shift_remove(key)
            && let Some(list) = list_mut(into, key)
        {
            list.extend(items);
        }
    }
    for (id, body) in state {
        if let (Some(Value::Object(old)), Value::Object(new)) = (into.get(&id), &body)
            && old != new
        {
            let place = |body: &Map<String, Value>| {
                format!(
                    "{}:{}",
                    text_at(body, "__env__", "base"),
                    text_at(body, "__sls__", "?")
                )
            };
            errors.push(format!(
                "Detected conflicting IDs, SLS IDs need to be globally unique.\n    The conflicting ID is '{id}' and is found in SLS '{}' and SLS '{}'",
                place(old),
                place(new)
            ));
        }
        into.insert(id, body);
    }
}

/// Leaves one of each pair of equal extensions, one name in each.
fn drop_equal_extends(high: &mut High) {
    let Some(Value::Array(extends)) = high.get_mut("__extend__") else {
        return;
    };
    let mut kept: Vec<Value> = Vec::new();
    for (name, body) in extends
        .drain(..)
        .filter_map(|extend| match extend {
            Value::Object(extend) => Some(extend),
            _ => None,
        })
        .flatten()
    {
        let extend = json!({name: body});
        if !kept.contains(&extend) {
            kept.push(extend);
        }
    }
    *extends = kept;
}

#[cfg(test)]
mod tests {
    use super::Here;

    #[test]
    fn relative_includes() {
        #[track_caller]
        fn check(sls: &str, is_init: bool, name: &str, expected: Option<&str>) {
            let here = Here {
                env: "base",
                sls,
                is_init,
            };
            assert_eq!(here.absolute(name).as_deref(), expected, "{sls} {name}");
        }
        check("a.b", false, "c", Some("c"));
        check("a.b", false, ".c", Some("a.c"));
        check("a.b", true, ".c", Some("a.b.c"));
        check("a.b", false, "..c", Some("c"));
        check("a.b", true, "..c", Some("a.c"));
        check("a.b", false, "...c", None);
        check("a", false, "..c", None);
    }
}
