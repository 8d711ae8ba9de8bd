//! The trust bundle: what the tree's root says of keys. Signed by the root, versioned, never rolled back.

use bincode::{Decode, Encode};

use crate::job::SignerId;
use crate::{Json, SitePath, TreeId, Uid, UnixMillis};

/// Goes before the bytes of a bundle when it is signed.
pub const SIGNING_DOMAIN_TRUST: &[u8] = b"banyan/trust/v1\0";

/// Who may order jobs. Encoded, signed by the root's key, and sent down the tree.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TrustBundle {
    /// Whose bundle.
    pub tree: TreeId,
    /// Rises with each bundle; a node refuses a lower one than it has.
    pub version: u64,
    /// When it was signed.
    pub issued: UnixMillis,
    /// Lowest protocol that nodes may speak.
    pub protocol_min: u16,
    /// Keys that may sign jobs.
    pub signers: Vec<Signer>,
}

/// A key that may sign jobs, and how far.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Signer {
    /// Names the key; see [`SignerId`].
    pub signer: SignerId,
    /// The node that holds it.
    pub node: Uid,
    /// That node's id, for people.
    pub node_id: String,
    /// The last two digits of its jids.
    pub number: u8,
    /// Ed25519 public key.
    pub public_key: [u8; 32],
    /// Orders only minions at or below this site.
    pub scope: SitePath,
    /// Functions: exact names or `module.*` or `*`.
    pub functions: Vec<String>,
    /// Until when; 0 for no end (a top-master's key, until a bundle without it).
    pub expires: UnixMillis,
}

/// A bundle with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedBundle {
    /// The encoded [`TrustBundle`].
    pub bundle: Json,
    /// The root's certificate in DER; its public key hashes to the tree's id.
    pub root_certificate: Vec<u8>,
    /// Ed25519 by the root's key over [`SIGNING_DOMAIN_TRUST`] and the bundle's bytes.
    pub signature: [u8; 64],
}
