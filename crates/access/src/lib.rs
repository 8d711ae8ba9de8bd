//! Who may do what on a hub: the rules of the settings `publisher_acl`, `publisher_acl_blacklist` and `policy`, and what they
//! say of one wish.
//!
//! The hub's own user (and root) may do everything that no `deny` rule forbids; everyone else only what a rule permits. A job is
//! permitted as a whole or not at all: a rule has to cover every minion that the job is for. Orders of hubs above are judged
//! once more at each site, minion by minion, by the rules that are about them. Time is given, never read.
//!
//! This crate never reads a file, a clock or the network, and knows nothing of users but their names.

mod above;
mod call;
mod explain;
mod judge;
mod pattern;
mod policy;
mod read;
mod window;

pub use above::Order;
pub use judge::{Permission, Refusal};
pub use policy::{Area, Asker, Policy};
pub use window::Moment;
