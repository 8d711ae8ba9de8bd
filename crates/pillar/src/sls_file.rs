//! One SLS file of a pillar with all that it includes.

use std::collections::HashMap;

use data::{Strategy, python};
use serde_json::{Map, Value};
use sls::compile::{Available, PillarTop};
use targeting::Glob;

use crate::options::Options;
use crate::roots::RenderedRoots;
use crate::{INCLUDE_DEPTH_MAX, MERGED_BYTES_MAX, MERGED_VALUES_MAX, RENDERINGS_MAX};

/// Renders the files of one pillar.
pub(crate) struct Files<'a> {
    pub(crate) roots: &'a RenderedRoots<'a>,
    pub(crate) available: &'a Available,
    pub(crate) top: &'a PillarTop,
    pub(crate) options: &'a Options,
    pub(crate) details: Vec<String>,
    pub(crate) budget: Budget,
}

/// What is left of the limits.
pub(crate) struct Budget {
    renderings: usize,
    values: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            renderings: RENDERINGS_MAX,
            values: MERGED_VALUES_MAX,
            bytes: MERGED_BYTES_MAX,
        }
    }
}

/// A limit is passed: nothing more is rendered or merged.
#[derive(Debug)]
pub(crate) struct Passed(pub(crate) String);

impl Budget {
    fn render(&mut self) -> Result<(), Passed> {
        self.renderings = self.renderings.checked_sub(1).ok_or_else(|| {
            Passed(format!(
                "The pillar needs more than {RENDERINGS_MAX} SLS files"
            ))
        })?;
        Ok(())
    }

    fn merge(&mut self, value: &Value) -> Result<(), Passed> {
        let own = value.as_str().map_or(0, str::len);
        let keys = value.as_object().into_iter().flat_map(Map::keys);
        let bytes = own + keys.map(String::len).sum::<usize>();
        let left = self
            .values
            .checked_sub(1)
            .zip(self.bytes.checked_sub(bytes));
        (self.values, self.bytes) = left.ok_or_else(|| {
            Passed(format!(
                "The pillar merges more than {MERGED_VALUES_MAX} values or {MERGED_BYTES_MAX} bytes of text"
            ))
        })?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.merge(item)),
            Value::Object(map) => map.values().try_for_each(|item| self.merge(item)),
            _ => Ok(()),
        }
    }
}

/// The files of one environment that were rendered, each as it says itself, without what it includes. None for one that failed.
pub(crate) type Seen = HashMap<String, Option<Value>>;

impl Files<'_> {
    /// Lays one tree over another one. Only maps come here.
    pub(crate) fn merge(&mut self, below: Value, over: &Value) -> Result<Value, Passed> {
        self.budget.merge(over)?;
        if self.options.strategy == Strategy::List {
            self.budget.merge(&below)?;
        }
        let merged = data::merge(below, over, self.options.strategy, self.options.merge_lists);
        merged.map_err(|error| Passed(error.to_string()))
    }

    /// Renders a file and what it includes. None for one that says nothing, and perhaps no map; the errors are those that the minion hears of.
    ///
    /// A file that is included again counts as it says itself, and errors of the include before are told again, as Salt does both.
    pub(crate) fn sls(
        &mut self,
        env: &str,
        sls: &str,
        seen: &mut Seen,
        defaults: &Map<String, Value>,
        depth: usize,
    ) -> Result<(Option<Value>, Vec<String>), Passed> {
        if depth > INCLUDE_DEPTH_MAX {
            return Err(Passed(format!(
                "SLS '{sls}' is included through more than {INCLUDE_DEPTH_MAX} others"
            )));
        }
        self.budget.render()?;
        let rendered = match self.roots.sls(env, sls, defaults) {
            Ok(Some(rendered)) => rendered,
            Ok(None) => return Ok(self.missing(env, sls, seen)),
            Err(error) => {
                let full = format!("Rendering SLS '{sls}' failed, render error:\n{error}");
                self.details.push(full.clone());
                seen.insert(sls.to_owned(), None);
                let told = if self.options.hides_details {
                    format!("Rendering SLS '{sls}' failed. Please see master log for details.")
                } else {
                    full
                };
                return Ok((None, vec![told]));
            }
        };
        let mut state = match rendered.data {
            Value::Object(state) => state,
            data => {
                if !python::truthy(&data) {
                    seen.insert(sls.to_owned(), None);
                    return Ok((None, Vec::new()));
                }
                let error = format!("SLS '{sls}' does not render to a dictionary");
                self.details.push(error.clone());
                seen.insert(sls.to_owned(), Some(data.clone()));
                return Ok((Some(data), vec![error]));
            }
        };
        let includes = match state.get("include") {
            None => None,
            Some(Value::Array(_)) => state.shift_remove("include"),
            Some(_) => {
                let error = format!("Include Declaration in SLS '{sls}' is not formed as a list");
                self.details.push(error.clone());
                let state = Value::Object(state);
                seen.insert(sls.to_owned(), Some(state.clone()));
                return Ok((Some(state), vec![error]));
            }
        };
        let state = Value::Object(state);
        seen.insert(sls.to_owned(), Some(state.clone()));
        let Some(Value::Array(includes)) = includes else {
            return Ok((Some(state), Vec::new()));
        };
        let is_folder = rendered.source.ends_with("/init.sls");
        let file = Includer {
            env,
            sls,
            is_folder,
        };
        self.with_includes(&file, state, &includes, seen, defaults, depth)
    }

    fn with_includes(
        &mut self,
        file: &Includer<'_>,
        mut state: Value,
        includes: &[Value],
        seen: &mut Seen,
        defaults: &Map<String, Value>,
        depth: usize,
    ) -> Result<(Option<Value>, Vec<String>), Passed> {
        let mut defaults = defaults.clone();
        let mut errors = Vec::new();
        let mut told: Vec<String> = Vec::new();
        let mut below: Option<Value> = None;
        for include in includes {
            let (name, key) = match include {
                Value::String(name) => (name.clone(), None),
                Value::Object(map) => {
                    let Some((name, options)) = map.iter().next() else {
                        continue;
                    };
                    // The defaults go on to the includes that follow, as in Salt.
                    defaults = options
                        .get("defaults")
                        .and_then(Value::as_object)
                        .cloned()
                        .unwrap_or_default();
                    (
                        name.clone(),
                        options.get("key").filter(|key| python::truthy(key)),
                    )
                }
                other => {
                    errors.push(format!(
                        "Include Declaration in SLS '{}' has {}, which is no name of an SLS",
                        file.sls,
                        python::repr(other)
                    ));
                    continue;
                }
            };
            for name in self.matching(file, &name, &mut errors) {
                let mut found = match seen.get(&name) {
                    Some(own) => own.clone(),
                    None => {
                        let (found, new) = self.sls(file.env, &name, seen, &defaults, depth + 1)?;
                        told = new;
                        found
                    }
                };
                if let Some(key) = key {
                    for part in python::text(key).split(':').rev() {
                        found = found
                            .filter(python::truthy)
                            .map(|value| Value::Object(Map::from_iter([(part.to_owned(), value)])));
                    }
                }
                // What is no map stands under a key at best; it has its error already.
                if let Some(found) =
                    found.filter(|found| found.is_object() && python::truthy(found))
                {
                    if self.options.do_includes_override {
                        state = self.merge(state, &found)?;
                    } else {
                        below = Some(match below {
                            None => found,
                            Some(below) => self.merge(below, &found)?,
                        });
                    }
                }
                errors.extend(told.iter().cloned());
            }
        }
        if let Some(below) = below {
            state = self.merge(below, &state)?;
        }
        Ok((Some(state), errors))
    }

    /// The files that the name of an include means: those that fit it as it stands, then those that fit it from the place of the file.
    fn matching(&self, file: &Includer<'_>, name: &str, errors: &mut Vec<String>) -> Vec<String> {
        if !self.available.has(file.env) {
            errors.push(no_environment(file.env));
            return vec![name.to_owned()];
        }
        let plain = name.trim_start_matches('.').replace('/', ".");
        let full = match name.strip_prefix('.') {
            None => name.to_owned(),
            Some(rest) => {
                let mut parts: Vec<&str> = file.sls.split('.').collect();
                if !file.is_folder {
                    parts.pop();
                }
                parts.push(rest);
                parts.join(".")
            }
        };
        let names = self.available.names(file.env).iter();
        let fitting = |pattern: &str| {
            let glob = Glob::new(pattern);
            names
                .clone()
                .filter(move |name| glob.matches(name))
                .cloned()
        };
        let found: Vec<String> = fitting(&plain).chain(fitting(&full)).collect();
        if found.is_empty() { vec![full] } else { found }
    }

    /// A file that is not there: an empty one with an error, unless it may be missing or the roots have no such environment.
    fn missing(&mut self, env: &str, sls: &str, seen: &mut Seen) -> (Option<Value>, Vec<String>) {
        if self.top.may_be_missing(env, sls) {
            return (None, Vec::new());
        }
        if self.roots.has_files(env) {
            let error = format!(
                "Specified SLS '{sls}' in environment '{env}' is not available on the salt master"
            );
            self.details.push(error.clone());
            let empty = Value::Object(Map::new());
            seen.insert(sls.to_owned(), Some(empty.clone()));
            return (Some(empty), vec![error]);
        }
        self.details.push(format!(
            "SLS '{sls}' in environment '{env}' was not found: the pillar roots have no such environment. It is named in the top file of another one, or missing from pillar_roots"
        ));
        (None, Vec::new())
    }
}

/// The file that includes others.
struct Includer<'a> {
    env: &'a str,
    sls: &'a str,
    /// Whether it is the `init.sls` of a folder, from where relative names count.
    is_folder: bool,
}

/// The error of an environment that the roots lack.
pub(crate) fn no_environment(env: &str) -> String {
    format!("No matching pillar environment for environment '{env}' found")
}
