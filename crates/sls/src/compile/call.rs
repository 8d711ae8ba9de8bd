//! A call that the machine wants made, and what comes back.

use std::fmt;

use serde_json::Value;

use super::chunk::Chunk;
use super::record::Return;

/// Tells the calls of one run apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallNumber(pub(super) u64);

impl fmt::Display for CallNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A wait before a call that is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Seconds.
    pub seconds: u64,
    /// Most seconds that may be added by chance.
    pub splay_s: u64,
}

/// A state function that is to be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What [`super::Run::done`] wants to hear.
    pub number: CallNumber,
    /// The key of the result.
    pub tag: String,
    /// The function and its arguments. For `mod_watch` with `sfun`, the function that is declared, and `__reqs__`, the requisites.
    pub chunk: Chunk,
    /// Whether it may change nothing and says what it would change.
    pub is_test: bool,
    /// Whether the machine may be asked for the next step before this one has an answer.
    pub is_parallel: bool,
    /// Chunks that may be made as one call with this one, which `mod_aggregate` decides; empty without aggregation.
    pub group: Vec<Chunk>,
    /// The wait before it, when it is tried again.
    pub pause: Option<Pause>,
}

impl Call {
    /// The tags of the states whose requisites led to a `mod_watch`.
    pub fn requisites(&self) -> impl Iterator<Item = String> {
        let kinds = self.chunk.0.get("__reqs__").and_then(Value::as_object);
        kinds
            .into_iter()
            .flat_map(|kinds| kinds.values())
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(|chunk| Some(Chunk(chunk.as_object()?.clone()).tag()))
    }
}

/// What came out of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What the function returned, or [`super::Controls::skip`].
    pub returned: Return,
    /// Whether all commands of `check_cmd` succeeded; none when there are none, or the function judges them itself.
    pub check_cmd: Option<bool>,
    /// The time of day at its start, as `10:20:30.123456`.
    pub start_time: String,
    /// Milliseconds that it took, without the wait before it.
    pub duration_ms: f64,
    /// Seconds that were waited before it, chance included.
    pub waited_s: u64,
}
