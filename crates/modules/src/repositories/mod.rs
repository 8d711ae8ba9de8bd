//! Repositories of packages behind one trait: apt's source lists so far.

mod apt;

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::packages::{Family, Options};
use crate::python;
use crate::registry::Env;
use crate::tools::Tools;

/// What is known of a repository, by name: Salt's words.
pub(crate) type Known = Map<String, Value>;

/// The repositories of a host.
pub(crate) trait Repositories {
    /// All repositories, by their addresses or names.
    fn list(&self) -> Result<Map<String, Value>, Failure>;

    /// A repository as it is configured; empty when it is not.
    fn get(&self, repo: &str, options: &Options) -> Result<Known, Failure>;

    /// What a repository would be with these options.
    fn wanted(&self, repo: &str, options: &Options) -> Result<Known, Failure>;

    /// Configures a repository. `refresh` and `refresh_db` are for who calls.
    fn set(&self, repo: &str, options: &Options) -> Result<(), Failure>;

    /// Removes a repository and says from where.
    fn delete(&self, repo: &str, options: &Options) -> Result<String, Failure>;

    /// Adds a key; false when it cannot be.
    fn add_key(&self, options: &Options) -> Result<bool, Failure>;

    /// Removes a key by its number, and answers that; nothing when there is none.
    fn delete_key(&self, options: &Options) -> Result<Option<String>, Failure>;

    /// The keys, by number.
    fn keys(&self, options: &Options) -> Result<Map<String, Value>, Failure>;
}

/// The repositories of this host.
pub(crate) fn repositories<'a>(env: &'a Env<'a>) -> Result<Box<dyn Repositories + 'a>, Failure> {
    let grains = env.ctx.grains();
    match Family::of(&grains) {
        Some(Family::Debian) => Ok(Box::new(apt::Sources::new(env, Tools::new(env), &grains))),
        _ => Err(Failure::command(
            "Repo management not implemented on this platform",
        )),
    }
}

/// Whether the lists of packages are fetched after a repository has changed.
pub(crate) fn wants_refresh(options: &Options) -> bool {
    let name = if options.has("refresh_db") {
        "refresh_db"
    } else {
        "refresh"
    };
    !options.has(name) || python::truthy(options.value(name))
}

#[cfg(test)]
pub(crate) use self::apt::tests as testing;
