//! Functions that are no part of this program: modules of the roots, in Python or as programs of their own, and templates in Python.
//!
//! Files come with the roots and are copied into the cache; what they offer is described once and kept beside them. A call goes to a process
//! that asks back for other functions in the same way as it was asked. `docs/custom-modules.md` has the protocol.

mod bridge;
mod call;
mod catalog;
mod grains;
mod python;
mod sync;
mod talk;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub(crate) use self::bridge::Bridges;
pub(crate) use self::call::{function, returned, state};
pub(crate) use self::catalog::Catalog;
pub use self::grains::grains;
pub(crate) use self::python::render;
pub(crate) use self::sync::{KINDS, Wanted, autoload, describe_again, sync};

/// Whether the minion's configuration lets modules of the roots run.
pub(crate) fn are_on(options: &Value) -> bool {
    options.get("custom_modules") == Some(&Value::Bool(true))
}
