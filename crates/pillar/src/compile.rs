//! The way from top files to the pillar.

use std::rc::Rc;

use data::python;
use serde_json::{Map, Value};
use sls::compile::{Available, Matches, Minion, PillarTop};
use sls::render::Renderer;
use targeting::{Glob, Nodegroups};

use crate::decrypt::decrypt;
use crate::options::Options;
use crate::roots::RenderedRoots;
use crate::sls_file::{Budget, Files, Passed, Seen, no_environment};
use crate::{Pillar, Request};

/// The key under which a minion finds the errors of its pillar.
pub const ERRORS: &str = "_errors";

/// Makes the pillar of a minion. What fails is an error in it, beside all that did not fail.
pub fn compile(request: &Request<'_>) -> Pillar {
    let options = Options::of(request);
    let mut compiler = Compiler {
        request,
        options: &options,
        pillar: Value::Object(Map::new()),
        errors: Vec::new(),
        top: Map::new(),
        details: Vec::new(),
        budget: Budget::default(),
    };
    if let Err(Passed(error)) = compiler.run() {
        compiler.details.push(error.clone());
        compiler.errors.push(error);
    }
    compiler.finish()
}

struct Compiler<'a, 'r> {
    request: &'a Request<'r>,
    options: &'a Options,
    pillar: Value,
    errors: Vec<String>,
    top: Map<String, Value>,
    details: Vec<String>,
    budget: Budget,
}

impl Compiler<'_, '_> {
    fn run(&mut self) -> Result<(), Passed> {
        if self.options.is_external_first {
            self.pillar = Value::Object(self.request.values.clone());
            self.external()?;
        }
        let before = self.pillar.clone();
        let top_errors = self.files(&before)?;
        if !self.options.is_external_first {
            self.external()?;
        }
        self.errors.extend(top_errors);
        Ok(())
    }

    /// Renders what the top files say, over the pillar that is there. The errors of the top files themselves are told last.
    fn files(&mut self, before: &Value) -> Result<Vec<String>, Passed> {
        let request = self.request;
        let functions = (request.functions)(Rc::new(before.clone()));
        let renderer = Renderer {
            files: request.roots.files,
            functions: &*functions,
            foreign: request.foreign,
            grains: request.grains,
            pillar: before,
            opts: &self.options.all,
        };
        let mut roots = RenderedRoots {
            roots: request.roots,
            renderer: &renderer,
            pipeline: &self.options.pipeline,
            top: &self.options.top,
        };
        let available = Available::of(&roots);
        let top_env = self.options.top_env.as_deref();
        let (top, top_errors) = PillarTop::read(&mut roots, top_env, &self.options.env_order);
        self.details.extend(top_errors.clone());
        let matches = self.matches(&top, before);
        let named = matches.iter();
        self.top = named
            .map(|(env, names)| (env.clone(), names.clone().into()))
            .collect();
        let mut files = Files {
            roots: &roots,
            available: &available,
            top: &top,
            options: self.options,
            details: std::mem::take(&mut self.details),
            budget: std::mem::take(&mut self.budget),
        };
        let rendered = render(&mut files, &matches, request.values, &mut self.errors);
        self.details = std::mem::take(&mut files.details);
        self.budget = std::mem::take(&mut files.budget);
        let rendered = rendered?;
        // What an external source said before counts less, and is merged; what nobody said before is taken as it is.
        self.pillar = if self.options.is_external_first {
            self.merge(before.clone(), &rendered)?
        } else {
            rendered
        };
        Ok(top_errors)
    }

    fn matches(&mut self, top: &PillarTop, pillar: &Value) -> Matches {
        let nodegroups = self.request.options.get("nodegroups");
        let nodegroups = Nodegroups::from_value(nodegroups.unwrap_or(&Value::Null));
        let minion = Minion {
            id: self.request.id.to_owned(),
            grains: self.request.grains.clone(),
            pillar: pillar.clone(),
            nodegroups: nodegroups.unwrap_or_else(|error| {
                self.details.push(error.to_string());
                self.errors.push(error.to_string());
                Nodegroups::default()
            }),
        };
        let pillarenv = self.options.pillarenv.as_deref();
        top.matches(pillarenv, &minion).unwrap_or_else(|errors| {
            self.details.extend(errors.0.clone());
            self.errors.extend(errors.0);
            Matches::new()
        })
    }

    fn merge(&mut self, below: Value, over: &Value) -> Result<Value, Passed> {
        let merged = data::merge(below, over, self.options.strategy, self.options.merge_lists);
        merged.map_err(|error| Passed(error.to_string()))
    }

    /// Asks the sources outside of the roots that the configuration names.
    fn external(&mut self) -> Result<(), Passed> {
        let malformed = "The \"ext_pillar\" option is malformed";
        let sources = match self.request.options.get("ext_pillar") {
            None => return Ok(()),
            Some(Value::Array(sources)) => sources,
            Some(_) => {
                self.errors.push(malformed.to_owned());
                return Ok(());
            }
        };
        if !self.request.values.is_empty() {
            let over = Value::Object(self.request.values.clone());
            self.pillar = self.merge(self.pillar.clone(), &over)?;
        }
        let excluded = self.request.options.get("exclude_ext_pillar");
        let excluded = excluded.and_then(Value::as_array);
        for source in sources {
            let Value::Object(source) = source else {
                self.errors.push(malformed.to_owned());
                return Ok(());
            };
            let is_excluded = |name: &str| {
                let mut excluded = excluded.into_iter().flatten();
                excluded.any(|other| other == name)
            };
            if source.keys().next().is_some_and(|name| is_excluded(name)) {
                continue;
            }
            for (name, configuration) in source {
                let id = self.request.id;
                match self
                    .request
                    .external
                    .values(name, configuration, id, &self.pillar)
                {
                    None => self.details.push(format!(
                        "ext_pillar interface named {name} is unavailable: it is not built in here"
                    )),
                    Some(Ok(values)) if python::truthy(&values) => {
                        self.pillar = self.merge(self.pillar.clone(), &values)?;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        let error = format!("Failed to load ext_pillar {name}: {error}");
                        self.details.push(error.clone());
                        self.errors.push(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Pillar {
        let mut pillar = match std::mem::take(&mut self.pillar) {
            Value::Object(pillar) => pillar,
            _ => Map::new(),
        };
        if self.options.has_master {
            pillar.insert("master".to_owned(), self.options.all.clone());
        }
        if !self.errors.is_empty() {
            pillar.insert(ERRORS.to_owned(), self.errors.clone().into());
        }
        if !self.request.values.is_empty() {
            let over = Value::Object(self.request.values.clone());
            if let Ok(Value::Object(merged)) = self.merge(Value::Object(pillar.clone()), &over) {
                pillar = merged;
            }
        }
        let failed = decrypt(&mut pillar, self.request.options, self.request.foreign);
        if !failed.is_empty() {
            self.details.extend(failed.iter().cloned());
            let errors = pillar
                .entry(ERRORS)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(errors) = errors {
                errors.extend(failed.into_iter().map(Value::String));
            }
        }
        Pillar {
            values: pillar,
            top: self.top,
            details: self.details,
        }
    }
}

/// Renders the SLS files of all environments, the later over the earlier.
fn render(
    files: &mut Files<'_>,
    matches: &Matches,
    values: &Map<String, Value>,
    errors: &mut Vec<String>,
) -> Result<Value, Passed> {
    let mut pillar = Value::Object(values.clone());
    for (env, names) in matches {
        let mut seen = Seen::new();
        let mut wanted = Vec::new();
        for name in names {
            let mut found = Vec::new();
            if files.available.has(env) {
                let glob = Glob::new(name);
                let names = files.available.names(env).iter();
                found.extend(names.filter(|name| glob.matches(name)).cloned());
            } else {
                errors.push(no_environment(env));
            }
            if found.is_empty() {
                found.push(name.clone());
            }
            wanted.append(&mut found);
        }
        for sls in wanted {
            let (found, new) = files.sls(env, &sls, &mut seen, &Map::new(), 0)?;
            errors.extend(new);
            if let Some(found) = found.filter(Value::is_object) {
                pillar = files.merge(pillar, &found)?;
            }
        }
    }
    Ok(pillar)
}
