//! What `minion call` says to the minion on the same host, and hears from it. Travels over a local socket; one connection
//! carries one question.

use bincode::{Decode, Encode};

use crate::control::Failure;
use crate::{Jid, Json, Steps, UnixMillis};

/// Longest value of one answer, in bytes of its JSON text; a longer one is cut and marked as cut.
pub const MAX_VALUE: usize = 64 << 20;
/// Bytes of a value in one [`CallTell::Part`].
pub const PART: usize = 256 << 10;

const _: () = assert!(PART < crate::limits::MAX_FRAME);

/// From the command line. New questions go to the end.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CallAsk {
    /// Run a function: [`CallTell::Begun`], then [`CallTell::Steps`] as they are made, [`CallTell::Part`] and [`CallTell::Ended`]. A command
    /// line that closes its half of the connection has the run ended.
    Run(CallRun),
    /// Who answers: [`CallTell::Who`]. The connection then stays until the process ends.
    Who,
}

/// A function to run.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CallRun {
    /// The minion that is meant; empty for whichever answers.
    pub id: String,
    /// The function.
    pub fun: String,
    /// Positional arguments, a JSON list.
    pub args: Json,
    /// Keyword arguments, a JSON object.
    pub kwargs: Json,
    /// Whether hubs hear of its return, by an event.
    pub is_told: bool,
}

/// To the command line. New answers go to the end.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CallTell {
    /// The function runs.
    Begun {
        /// Under this id.
        jid: Jid,
    },
    /// How far it is.
    Steps(Steps),
    /// The next bytes of its value.
    Part(Json),
    /// It has ended; its value has been told.
    Ended(CallEnd),
    /// It does not run.
    Failed(Failure),
    /// Who answers.
    Who {
        /// A daemon; else a call that is the minion for as long as it lasts.
        is_daemon: bool,
        /// Its process.
        pid: u32,
    },
}

/// How a function ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CallEnd {
    /// Its return code.
    pub retcode: i32,
    /// Whether it succeeded.
    pub success: bool,
    /// When it began.
    pub started: UnixMillis,
}
