//! Renders, compiles and orders states as Salt does.
//!
//! Pure: files, functions and foreign renderers come in through traits that the caller implements, and nothing here reads a clock,
//! a file or the environment. Text goes in, [`serde_json::Value`] with its order of keys comes out.

pub mod compile;
pub mod probe;
pub mod python_regex;
pub mod render;
