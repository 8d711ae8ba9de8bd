//! Enrolment and renewal: how a key becomes part of the tree. Travels on request streams.

use bincode::{Decode, Encode};

use crate::{Json, NodeId, Role};

/// From a key that wants into the tree, or one that wants a fresh certificate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EnrolRequest {
    /// The id that it wants.
    pub id: NodeId,
    /// Minion or syndic.
    pub role: Role,
    /// For a syndic: the label of its site below the parent's; its id when empty.
    pub site: String,
    /// A certificate signing request in DER for the link key; its signature proves the key's possession.
    pub link_csr: Vec<u8>,
    /// For a syndic: a signing request in DER for the key that certifies its own children.
    pub ca_csr: Vec<u8>,
    /// A join token, when there is one.
    pub token: Option<String>,
    /// The version of its program.
    pub software: String,
}

/// The parent's answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum EnrolAnswer {
    /// Waits for an operator; ask again after so many seconds (the request was held open until now).
    Pending {
        /// Seconds until the next attempt.
        retry_after_s: u32,
    },
    /// Welcome.
    Accepted(Credentials),
    /// Turned away, in words for people.
    Refused(String),
}

/// Certificates for one node, all in DER, leaf first, root last.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credentials {
    /// The chain for the link key.
    pub link_chain: Vec<Vec<u8>>,
    /// For a syndic: the chain for its certifying key.
    pub ca_chain: Vec<Vec<u8>>,
    /// The trust bundle in force ([`crate::trust::SignedBundle`], encoded).
    pub trust: Json,
}
