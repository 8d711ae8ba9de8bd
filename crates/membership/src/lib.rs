//! How a node becomes a member of the tree, and stays one: it enrols with a parent, and renews its certificate.
//!
//! Plain sequences over one link; no machine, no decision about anybody else. The programs of syndics and
//! minions use it; it uses `link` and `pki`.

mod backoff;
mod dialling;
mod enrol;
mod failover;
mod pin;
mod renew;

pub use backoff::Backoff;
pub use dialling::{ParentAddress, dial};
pub use enrol::{Applicant, EnrolError, Membership, apply, enrol};
pub use failover::{Failover, Step, shuffled};
pub use pin::{PinError, pinned};
pub use renew::{RenewError, renew, renewal_at};
