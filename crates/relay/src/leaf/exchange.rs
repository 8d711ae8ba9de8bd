//! What goes into the leaf machine, and what comes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::record::JournalRecord;
use wire::{
    Down, Jid, JobEnvelope, JobOrder, Json, NodeId, Reason, Return, SitePath, UnixMillis, Up,
};

use crate::LinkId;
use crate::gate::Peer;

/// Checks a signed order against the trust bundle in force.
pub trait Verify {
    /// The order, when its signature, its signer's scope and its times are good at `now`.
    ///
    /// # Errors
    /// Words for people: why it is not obeyed.
    fn verify(&self, envelope: &JobEnvelope, now: UnixMillis) -> Result<Arc<JobOrder>, String>;
}

/// Who this minion is.
#[derive(Debug, Clone)]
pub struct LeafConfig {
    /// Its label.
    pub id: NodeId,
    /// Its site, as its certificate says.
    pub path: SitePath,
    /// Its program's version.
    pub software: String,
    /// Bytes of values that it keeps for the origins of their jobs.
    pub spool_bytes_max: u64,
}

/// What the journal had.
#[derive(Debug, Default)]
pub struct LeafRecovered {
    /// Jobs that were started once, with the time after which the record may go.
    pub started: BTreeMap<Jid, UnixMillis>,
    /// Returns that are not settled.
    pub returned: Vec<Return>,
    /// Further ones that stay in the journal, with the bytes of their values.
    pub kept: Vec<(Jid, u64)>,
    /// Jobs that did not run or not to their end, and are not settled.
    pub not_run: Vec<(Jid, Reason)>,
    /// Started, and neither returned nor settled: the minion stopped in the middle.
    pub interrupted: Vec<Jid>,
    /// What became of the processes of interrupted jobs, in words.
    pub aftermath: BTreeMap<Jid, String>,
    /// Version of the trust bundle at hand.
    pub trust_version: u64,
}

/// What happens to a minion.
#[derive(Debug)]
pub enum LeafInput {
    /// A connection to a hub stands.
    Connected {
        /// The session.
        link: LinkId,
        /// Who, as its certificate says.
        peer: Peer,
    },
    /// A hub speaks.
    Message {
        /// The session.
        link: LinkId,
        /// What.
        message: Down,
    },
    /// A connection ended.
    Closed {
        /// The session.
        link: LinkId,
    },
    /// The records of this batch are in the journal.
    Saved {
        /// Which batch.
        token: u64,
    },
    /// A function ended.
    Finished(Return),
    /// The grains changed.
    Grains(Json),
    /// The trust bundle at hand changed to this version.
    Trust(u64),
    /// Why the journal has no room for further jobs; None: it has.
    NoRoom(Option<String>),
}

/// What a minion wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum LeafOutput {
    /// Write these to the journal, then say [`LeafInput::Saved`].
    Save {
        /// Names the batch.
        token: u64,
        /// In order.
        records: Vec<JournalRecord>,
    },
    /// Tell a hub.
    Send {
        /// The session.
        link: LinkId,
        /// What.
        message: Up,
    },
    /// Tell a hub the return of this job, which the journal has.
    SendKept {
        /// The session.
        link: LinkId,
        /// Which job.
        jid: Jid,
        /// Bytes of its value.
        bytes: u64,
    },
    /// Run the function; the start is in the journal.
    Start(Arc<JobOrder>),
    /// End a session.
    Close {
        /// The session.
        link: LinkId,
        /// Why, in words for the log.
        reason: String,
        /// Whether to dial again soon.
        retry: bool,
    },
    /// A hub sent a trust bundle: verify it, keep it if it is newer, and say [`LeafInput::Trust`].
    TrustOffered(Json),
}
