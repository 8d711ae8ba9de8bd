//! Looks up, merges, filters and prints trees of data as Salt does: what pillar, configuration and the functions that templates call share.
//!
//! Pure: values go in, values and texts come out. Where Python's words matter (truth, `str`, `repr`), they stand in [`python`].

mod choose;
pub mod diff;
mod filter;
mod json;
mod merge;
pub mod net;
mod pretty;
pub mod python;
mod results;
mod serializer;
pub mod signature;
mod sources;
mod traverse;
mod wrap;

pub use choose::{choose_by, ifelse_lookup, search_by};
pub use filter::{FilterError, filter_by};
pub use json::{JsonStyle, json};
pub use merge::{NotMaps, Strategy, merge, update, update_map};
pub use pretty::pretty;
pub use results::is_of_states;
pub use serializer::{Serializer, SerializerError};
pub use sources::{first_of, merged_of, over_default, update_each};
pub use traverse::{DEFAULT_DELIMITER, traverse};
pub use wrap::wrap;
