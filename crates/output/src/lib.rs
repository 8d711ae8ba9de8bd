//! Turns what the daemon tells into text that people and scripts read.
//!
//! Every function here is pure: words of [`wire::control`] go in, a `String` comes out. This crate never prints, never
//! reads a clock, a file or the environment, and does not know whether anyone looks: colour is asked for with [`Style`].
//! Anything that shows results may use it.
//!
//! Results come from hosts that may be hostile, so no form lets a control character through: see [`escape`].

mod document;
mod escape;
mod exit;
mod group;
mod highstate;
mod identity;
mod jobs;
mod keys;
mod nested;
mod note;
mod number;
mod preview;
mod progress;
mod render;
mod report;
mod roots;
mod style;
mod summary;
mod table;
mod time;
mod tokens;
mod tree;

#[cfg(test)]
mod sample;

pub use document::{document, json, ledger};
pub use escape::{escape, escape_lines, is_visible};
pub use exit::{FAILED, NOTHING_MATCHED, OK, REFUSED, UNKNOWN, exit_code};
pub use highstate::{Mode, Results, States, UnknownMode, hosts, is_of_states};
pub use identity::identity;
pub use jobs::jobs;
pub use keys::{decided, fingerprints, keys};
pub use nested::outline;
pub use note::notes;
pub use number::{count, grouped};
pub use preview::{preview, preview_notes};
pub use progress::{counts, progress_lines};
pub use render::{Form, Rendering, render};
pub use report::{Report, Row, Said};
pub use roots::roots;
pub use style::{Style, Tone};
pub use summary::summary;
pub use time::{iso, span};
pub use tokens::tokens;
pub use tree::tree;

/// Ids that are named before a list ends with "and so many more".
pub const LISTED_IDS_MAX: usize = 10;
