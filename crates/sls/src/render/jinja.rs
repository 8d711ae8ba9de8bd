//! Jinja2 as Salt's templates use it.
//!
//! An engine of its own: lists and dicts change in place, undefined names are errors, imports have contexts, and each step is
//! counted. Reading is in `lexer`, `parser` and `expression`, running in `machine`, `evaluate` and `calls`; the rest is Python.

mod arguments;
mod calls;
mod checks;
mod containers;
mod convert;
mod evaluate;
mod expression;
mod fault;
mod filters;
mod format;
mod fuel;
mod lexer;
mod machine;
mod operators;
mod parser;
mod patterns;
mod print;
mod scope;
mod strings;
mod syntax;
mod templates;
mod value;

pub(super) use convert::from_json;
pub use lexer::Whitespace;
pub(super) use machine::Machine;
pub(super) use value::Value;
