//! Top files of a pillar.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::Errors;
use super::matcher::Matcher;
use super::source::Render;
use super::top::{self, Matches};

/// Targets of each environment of a pillar, each with its SLS, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PillarTop {
    targets: IndexMap<String, Vec<(String, Entry)>>,
    /// SLS by environment that may be missing.
    ignored: IndexMap<String, Vec<String>>,
    env_order: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Entry {
    order: i64,
    items: Vec<Value>,
}

impl PillarTop {
    /// Renders the top files and merges them. A file that cannot be used is an error beside the others.
    ///
    /// `pillarenv` is the only environment that counts. Environments of `env_order` give their values first, in its order, and the others after them.
    pub fn read(
        source: &mut dyn Render,
        pillarenv: Option<&str>,
        env_order: &[String],
    ) -> (PillarTop, Vec<String>) {
        let mut errors = Vec::new();
        let envs = match pillarenv {
            Some(env) => vec![env.to_owned()],
            None => top::env_order(&*source, &[]),
        };
        let mut read = PillarTop {
            env_order: env_order.to_vec(),
            ..PillarTop::default()
        };
        for env in envs {
            let mut tops = Vec::new();
            let top = source
                .top(&env)
                .and_then(|top| top::sections(top.unwrap_or(Value::Null)));
            match top {
                Ok(top) => tops.push(top),
                Err(error) => errors.push(format!(
                    "Rendering Primary Top file failed, render error:\n{error}"
                )),
            }
            for sls in top::take_includes(&mut tops) {
                let rendered = source
                    .render(&env, &sls)
                    .and_then(|rendered| match rendered {
                        Some(rendered) => top::sections(rendered.data),
                        None => Err(format!(
                            "there is no such SLS in the pillar environment '{env}'"
                        )),
                    });
                match rendered {
                    Ok(top) => tops.push(top),
                    Err(error) => errors.push(format!(
                        "Rendering Top file {sls} failed, render error:\n{error}"
                    )),
                }
            }
            for top in tops {
                read.add(top, &mut errors);
            }
        }
        for targets in read.targets.values_mut() {
            targets.sort_by_key(|(_, entry)| entry.order);
        }
        (read, errors)
    }

    fn add(&mut self, top: Map<String, Value>, errors: &mut Vec<String>) {
        for (env, targets) in top {
            let Value::Object(targets) = targets else {
                errors.push(format!(
                    "Error encountered while rendering pillar top file: the section of the environment '{env}' is no map of targets"
                ));
                continue;
            };
            for (target, items) in targets {
                let mut entry = Entry::default();
                let mut may_be_missing = false;
                let mut names = Vec::new();
                for item in top::list(&items) {
                    if item.is_string() && !names.contains(item) {
                        names.push(item.clone());
                    }
                    if item.get("match").is_some() {
                        entry.items.push(item.clone());
                    }
                    if let Some(order) = item.get("order") {
                        entry.order = order
                            .as_i64()
                            .or_else(|| order.as_str()?.trim().parse().ok())
                            .unwrap_or(0);
                    }
                    may_be_missing |= item
                        .get("ignore_missing")
                        .is_some_and(super::value::is_truthy);
                }
                if may_be_missing {
                    let ignored = self.ignored.entry(env.clone()).or_default();
                    ignored.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                entry.items.extend(names);
                let targets = self.targets.entry(env.clone()).or_default();
                match targets.iter_mut().find(|(other, _)| *other == target) {
                    Some((_, old)) => *old = entry,
                    None => targets.push((target, entry)),
                }
            }
        }
    }

    /// The SLS for the minion that `matcher` knows, each once. Fails on a target that cannot be read.
    pub fn matches(
        &self,
        pillarenv: Option<&str>,
        matcher: &dyn Matcher,
    ) -> Result<Matches, Errors> {
        let mut matches = Matches::new();
        let mut errors = Vec::new();
        for (env, targets) in &self.targets {
            if pillarenv.is_some_and(|wanted| wanted != env) {
                continue;
            }
            for (target, entry) in targets {
                match top::confirm(matcher, target, &entry.items, env) {
                    Ok(false) => {}
                    Ok(true) => {
                        let found = matches.entry(env.clone()).or_default();
                        for name in entry.items.iter().filter_map(Value::as_str) {
                            if !found.iter().any(|other| other == name) {
                                found.push(name.to_owned());
                            }
                        }
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        Errors::none(errors)?;
        let mut ordered = Matches::new();
        for env in &self.env_order {
            ordered.extend(matches.shift_remove_entry(env));
        }
        ordered.extend(matches);
        Ok(ordered)
    }

    /// Whether an SLS may be missing without an error: `ignore_missing`.
    pub fn may_be_missing(&self, env: &str, sls: &str) -> bool {
        self.ignored
            .get(env)
            .is_some_and(|ignored| ignored.iter().any(|other| other == sls))
    }
}
