//! Compiles the pillar of one minion from the files of its roots, as Salt does.
//!
//! Pure: files, execution functions, foreign renderers and values from outside of the roots come in through traits that the caller
//! implements; the pillar goes out with its errors. [`functions::Hub`] are the execution functions that need no host: those that a hub
//! gives to the templates of a pillar.

mod compile;
mod decrypt;
pub mod functions;
mod options;
mod roots;
mod sls_file;

use std::rc::Rc;

use serde_json::{Map, Value};
use sls::render::{Foreign, Functions};

pub use compile::{ERRORS, compile};
pub use roots::Roots;

/// Most renderings of SLS files for one pillar; a file that is included twice in one environment is rendered once.
pub const RENDERINGS_MAX: usize = 10_000;

/// Deepest include inside of includes.
pub const INCLUDE_DEPTH_MAX: usize = 200;

/// Most values that are merged into one pillar, each counted at each merge.
pub const MERGED_VALUES_MAX: usize = 2_000_000;

/// Most bytes of text that are merged into one pillar, counted at each merge.
pub const MERGED_BYTES_MAX: usize = 128 << 20;

/// Values from outside of the roots: `ext_pillar`.
pub trait External {
    /// The values that the interface `name` has for the minion, by its configuration and over what the pillar is so far. None if there is no
    /// such interface.
    fn values(
        &self,
        name: &str,
        configuration: &Value,
        id: &str,
        pillar: &Value,
    ) -> Option<Result<Value, String>>;
}

/// No values from outside.
pub struct NoExternal;

impl External for NoExternal {
    fn values(&self, _: &str, _: &Value, _: &str, _: &Value) -> Option<Result<Value, String>> {
        None
    }
}

/// The execution functions as they see a pillar, which grows while it is made.
pub type FunctionsOf<'a> = dyn Fn(Rc<Value>) -> Box<dyn Functions + 'a> + 'a;

/// Whose pillar is to be made, of what.
pub struct Request<'a> {
    /// The files.
    pub roots: Roots<'a>,
    /// The execution functions of templates.
    pub functions: &'a FunctionsOf<'a>,
    /// Renderers that are not built in.
    pub foreign: &'a dyn Foreign,
    /// Values from outside of the roots.
    pub external: &'a dyn External,
    /// The minion's id.
    pub id: &'a str,
    /// The minion's grains.
    pub grains: &'a Value,
    /// The configuration: `pillarenv`, `pillar_source_merging_strategy`, `ext_pillar`, `nodegroups` and their kin; templates see it as `opts`.
    pub options: &'a Value,
    /// The environment of states of who asks.
    pub saltenv: Option<&'a str>,
    /// Values over those of the files: `pillar=` of the command line.
    pub values: &'a Map<String, Value>,
}

/// A pillar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pillar {
    /// The values, `_errors` among them where there were any.
    pub values: Map<String, Value>,
    /// The SLS files that it is made of, by environment, as the top files name them.
    pub top: Map<String, Value>,
    /// All errors with their details, for the log of who made it: they may show what the minion must not see.
    pub details: Vec<String>,
}
