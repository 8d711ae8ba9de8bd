//! Settings: a flag wins over the environment (`BANYAN_<KEY>`), which wins over the files, which win over the default.
//!
//! Files are YAML. The main file is read first, then `<file>.d/*.conf` in lexical order, then what `include` names; of two
//! files that set a key the later one wins. Every problem in every source is reported, each with its place, and a program
//! with a problem does not start ([`crate::exit::CONFIG`]).
//!
//! [`keys::KEYS`] is the one definition of all keys. Code uses the derived types ([`HubConfig`], [`MinionConfig`]) alone.

pub mod keys;

mod derived;
mod environment;
mod files;
mod host;
mod job_cache;
mod paths;
mod problem;
mod reference;
mod roots;
mod settings;
mod shown;
mod value;

pub use derived::{
    AccessSettings, CertificateHours, HubConfig, JobSettings, JoinToken, Kept, LinkSettings,
    LocalRoots, LogFormat, LogLevel, LogSettings, MinionConfig, Nodegroup, Reactor, Secret,
    Startup, Upstream,
};
pub use environment::{Environment, ProcessEnvironment};
pub use files::{FILE_BYTES_MAX, FILES_MAX, INCLUDE_DEPTH_MAX};
pub use host::{HostPort, HostPortError};
pub use job_cache::{DatabaseHost, EventReturn, JobCacheKind, JobCacheServer, JobCacheSettings};
pub use paths::{Paths, Program};
pub use problem::{ConfigErrors, Place, Problem};
pub use reference::reference_markdown;
pub use roots::{RootsLayout, RootsSettings};
pub use shown::without_user;

use std::path::PathBuf;

use settings::Settings;

/// Where the settings of one program come from.
pub struct Sources<'a> {
    /// Which program asks.
    pub program: Program,
    /// The main file when it was named by a flag; it has to be there. None: `BANYAN_CONFIG`, or the default path, where
    /// no file has to be.
    pub config_file: Option<PathBuf>,
    /// Flags that were given: the key's name and what was typed.
    pub flags: Vec<(&'static str, String)>,
    /// The environment.
    pub environment: &'a dyn Environment,
}

impl Sources<'_> {
    /// The settings of a top-master or a syndic.
    ///
    /// # Errors
    /// Everything that is wrong, in all sources.
    pub fn hub(&self) -> Result<HubConfig, ConfigErrors> {
        self.derive(derived::hub)
    }

    /// The settings of a minion.
    ///
    /// # Errors
    /// Everything that is wrong, in all sources.
    pub fn minion(&self) -> Result<MinionConfig, ConfigErrors> {
        self.derive(derived::minion)
    }

    fn derive<T>(
        &self,
        make: impl FnOnce(&mut Settings, &Self) -> Option<T>,
    ) -> Result<T, ConfigErrors> {
        let mut settings = Settings::read(self);
        let made = make(&mut settings, self);
        match made {
            Some(made) if settings.problems.is_empty() => Ok(made),
            _ => Err(ConfigErrors::new(settings.problems)),
        }
    }
}

#[cfg(test)]
mod tests;
