//! Frames over QUIC: the only user of `quinn`.
//!
//! An [`Endpoint`] is a UDP socket with an identity. It gives [`Session`]s, accepted or dialled, each with a peer
//! that `pki` has named. A session carries frames of `wire::codec` both ways and requests from the dialler:
//!
//! - one long-lived stream for frames up to [`wire::limits::BULK_FRAME`] (the control stream),
//! - one stream for each longer frame, so that a large one never delays a small one,
//! - one stream for each request with its answer and the answer's body.
//!
//! Frames of one kind keep their order; a long frame and a short one may overtake each other.
//!
//! This crate never looks into a frame, decides nothing about peers beyond what `pki` decides, and does not
//! reconnect: it dials when told. It needs a tokio runtime, of either kind.

mod cids;
mod close;
mod congestion;
mod endpoint;
mod expiry;
mod frames;
mod mailbag;
mod paced;
mod receiver;
mod request;
mod reset;
mod sender;
mod session;
mod socket;
mod trains;
mod trickle;
mod tuning;
pub mod udp;

pub use close::{CloseCode, Closed};
pub use endpoint::{BindError, DialError, Endpoint, EndpointStats, Identity};
pub use paced::{Held, Paced};
pub use receiver::{Event, Receiver};
pub use request::{BodyReader, BodyWriter, RequestError, Responder};
pub use sender::{SendError, Sender};
pub use session::{Session, SessionStats};
pub use trickle::trickle;
pub use tuning::Tuning;
