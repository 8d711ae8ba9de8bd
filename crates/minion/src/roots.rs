//! Where a job's files and pillar come from: the hub, or folders of this host.

use modules::{FileSource, PillarWish};
use serde_json::Value;
use sls::render::{Foreign, Functions};

use crate::local::LocalFiles;

/// The files and the pillar of one job.
pub trait Roots: Send + Sync {
    /// Access to `salt://`.
    fn files(&self) -> &dyn FileSource;

    /// The state of the roots that the job pins; none for whatever is served.
    fn state(&self) -> Option<&str> {
        None
    }

    /// Makes the pillar. Templates of a pillar on this host may call `functions`; at a hub only those that touch no host.
    ///
    /// # Errors
    /// Words for people: why there is none.
    fn pillar(&self, asked: &Asked<'_>) -> Result<Value, String>;
}

/// What a pillar is made of, beside its files.
pub struct Asked<'a> {
    /// The minion's id.
    pub id: &'a str,
    /// Its grains.
    pub grains: &'a Value,
    /// Its configuration.
    pub options: &'a Value,
    /// How it is to be made.
    pub wish: &'a PillarWish,
    /// The functions of this host.
    pub functions: &'a dyn Functions,
    /// The renderers of this host that are not built in.
    pub renderers: &'a dyn Foreign,
}

/// Folders of this host.
pub struct LocalRoots {
    files: LocalFiles,
    pillar: LocalFiles,
}

impl LocalRoots {
    /// Those of the configuration.
    pub fn new(configured: &daemon::config::LocalRoots) -> LocalRoots {
        LocalRoots {
            files: LocalFiles::of_files(configured),
            pillar: LocalFiles::of_pillar(configured),
        }
    }
}

impl Roots for LocalRoots {
    fn files(&self) -> &dyn FileSource {
        &self.files
    }

    fn pillar(&self, asked: &Asked<'_>) -> Result<Value, String> {
        // As with Salt, the environment of one run's states is not that of its pillar.
        let own = asked.options.get("saltenv").and_then(Value::as_str);
        let env = asked.wish.pillarenv.as_deref().or(own);
        let pillar = self.pillar.only_of(env.unwrap_or("base"));
        let mut environments = Vec::new();
        for env in pillar.environments() {
            let files = pillar.list(&env, "")?;
            environments.push((env, files));
        }
        environments.sort_by_key(|(env, _)| env != "base");
        let mut options = asked.options.clone();
        if let Some(pillarenv) = &asked.wish.pillarenv {
            options["pillarenv"] = pillarenv.as_str().into();
        }
        let functions = |_| -> Box<dyn Functions + '_> { Box::new(asked.functions) };
        let made = pillar::compile(&pillar::Request {
            roots: pillar::Roots {
                files: &pillar,
                environments: &environments,
            },
            functions: &functions,
            foreign: asked.renderers,
            external: &pillar::NoExternal,
            id: asked.id,
            grains: asked.grains,
            options: &options,
            saltenv: asked.wish.saltenv.as_deref(),
            values: &asked.wish.values,
        });
        for detail in &made.details {
            tracing::warn!("pillar: {detail}");
        }
        Ok(Value::Object(made.values))
    }
}
