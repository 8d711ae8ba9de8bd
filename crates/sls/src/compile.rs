//! From rendered state files to calls in their order, and the machine that runs them, as Salt 3008 does it.
//!
//! The way of a run: [`Top`] files say which SLS are for a minion, [`load`] renders these and what they include into high data,
//! [`compile`] makes low chunks of it and orders them, and [`Run`] says which to call next, and hears what came out. Each step is a pure
//! function or machine; state files come in through [`Render`], names of state functions through [`Functions`], targets through [`Matcher`].
//!
//! Faults of state files are texts for people and are all reported together. They keep Salt's key words, for operators grep for them.

mod call;
mod chunk;
mod controls;
mod declarations;
mod event;
mod exclude;
mod extend;
mod graph;
mod keywords;
mod loader;
mod low;
mod matcher;
mod order;
mod pillar_top;
mod record;
mod requisite_in;
mod requisites;
mod retry;
mod run;
mod source;
mod summary;
mod top;
mod value;
mod verify;

pub use call::{Answer, Call, CallNumber, Pause};
pub use chunk::Chunk;
pub use controls::{Asked, Condition, Controls, Creates, Findings};
pub use event::event_tag;
pub use exclude::add_excludes;
pub use graph::Requisite;
pub use keywords::is_for_engine;
pub use loader::load;
pub use low::{Low, Settings, compile, compile_for_id};
pub use matcher::{Matcher, Minion};
pub use pillar_top::PillarTop;
pub use record::{Return, no_states};
pub use retry::Retry;
pub use run::{Options, Run, Step, UnknownCall};
pub use source::{Available, Functions, Render, Rendered, sls_paths};
pub use summary::{Summary, is_success};
pub use top::{Matches, Strategy, Top, TopSettings};
pub use verify::verify;

/// High data: a map from ids to states, with Salt's `__extend__` and `__exclude__`.
pub type High = serde_json::Map<String, serde_json::Value>;

/// Most SLS of one run.
pub const SLS_MAX: usize = 10_000;

/// Deepest include inside of includes.
pub const INCLUDE_DEPTH_MAX: usize = 200;

/// Most states of one run.
pub const CHUNKS_MAX: usize = 100_000;

/// Most requisites between states of one run. Requisites on a whole SLS count once for each of its states.
pub const EDGES_MAX: usize = 2_000_000;

/// Everything that keeps states from being run, each as a text for people; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Errors(pub Vec<String>);

impl Errors {
    /// Ok when there are none.
    pub fn none(errors: Vec<String>) -> Result<(), Errors> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Errors(errors))
        }
    }
}
