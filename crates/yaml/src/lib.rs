//! Reads and writes the product's YAML: configuration files, command line arguments, pillar and state files.
//!
//! The dialect is YAML 1.1 as Salt reads it: PyYAML's safe loader with Salt's own constructors on top. That means
//! `yes`/`on` are booleans, `1:30` is ninety, `1e3` is a string, dates stay strings, merge keys work, and two equal keys
//! in one mapping are an error. Values are [`serde_json::Value`], so three things that JSON cannot hold change form:
//!
//! - integers beyond `i64`/`u64` become the string that was written, since a rounded number would be a lie;
//! - `.inf`, `-.inf` and `.nan` become the strings `inf`, `-inf` and `nan`;
//! - keys that are not strings become the string that Python's `str()` gives: `True`, `None`, `1`, `1.5`.
//!
//! Integers with leading zeros follow Salt and not PyYAML: Salt's constructor drops the zeros, so `0644` is 644, and a file
//! mode keeps its digits. A signed one (`-0644`) is octal in both.
//!
//! This crate never touches a file, a clock or the environment, never builds objects from tags, and never grows beyond
//! [`NODES_MAX`], [`DEPTH_MAX`] and [`COPIED_BYTES_MAX`], whatever the text says. Any crate may use it; it is the only one that may use `libyaml-safer`.

mod argument;
mod compose;
mod emit;
mod number;
mod scalar;
mod spanned;

pub use argument::{parse_argument, parse_arguments};
pub use compose::{COPIED_BYTES_MAX, DEPTH_MAX, NODES_MAX};
pub use emit::{double_quoted, emit, emit_flow, emit_leaves_flow};
pub use number::python_float;
pub use spanned::{Node, Spanned};

/// Why a text could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// Line of the fault, counted from 1.
    pub line: usize,
    /// Column of the fault in characters, counted from 1.
    pub column: usize,
    /// What is wrong, without the place.
    pub message: String,
}

/// Reads a text that holds one document; a text without any is `Null`.
///
/// Fails on bad syntax, a second document, an unknown tag, two equal keys in one mapping, and when a limit of this crate is passed.
pub fn parse(text: &str) -> Result<serde_json::Value, Error> {
    parse_spanned(text).map(|tree| tree.to_value())
}

/// Reads a text like [`parse`] and keeps the place of every node, for messages that point into the text.
pub fn parse_spanned(text: &str) -> Result<Spanned, Error> {
    compose::document(text)
}
