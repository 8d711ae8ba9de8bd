//! A job's order: signed once by its origin, carried unchanged, verified by every minion.

use bincode::{Decode, Encode};

use crate::{Jid, Json, NodeId, SitePath, TreeId, Uid, UnixMillis};

/// Goes before the bytes of an order when it is signed, so that no other signature can pass for one.
pub const SIGNING_DOMAIN_JOB: &[u8] = b"banyan/job/v1\0";

/// Goes before a job's id and the reason when an override is signed.
pub const SIGNING_DOMAIN_OVERRIDE: &[u8] = b"banyan/override/v1\0";

/// Names a job key: the first 128 bits of the SHA-256 of the Ed25519 public key.
pub type SignerId = Uid;

/// The target that travels in a job: a self-contained compound expression, nodegroups expanded at the origin.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RunTarget {
    /// Canonical compound text; what minions and hubs evaluate.
    pub compound: String,
    /// What the operator typed, for people.
    pub typed: String,
}

/// What is to be done, by whom, until when. Signed as the bytes that [`crate::codec::encode`] gives.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JobOrder {
    /// Only minions of this tree obey.
    pub tree: TreeId,
    /// The job's id.
    pub jid: Jid,
    /// The hub that accepted the job.
    pub origin: Uid,
    /// The id of that hub, for people.
    pub origin_id: NodeId,
    /// Only minions at or below this site obey; the signer's scope may narrow it further.
    pub scope: SitePath,
    /// Who asked, as the origin authenticated them.
    pub user: String,
    /// Which minions.
    pub target: RunTarget,
    /// The function, `test.ping`; or several with commas between, which run one after the other.
    pub fun: String,
    /// Positional arguments: a JSON array. Of several functions an array of arrays, one for each, whose last element may be an object of
    /// keyword arguments that has [`KEYWORDS_MARK`].
    pub args: Json,
    /// Keyword arguments: a JSON object.
    pub kwargs: Json,
    /// When the origin accepted the job.
    pub issued: UnixMillis,
    /// A minion that has not started by then refuses.
    pub start_by: UnixMillis,
    /// What else the operator asked for.
    pub options: JobOptions,
}

impl JobOrder {
    /// The functions of the order.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        functions(&self.fun)
    }

    /// Whether it only looks at other jobs or orders them about: it has to get through where no other job does.
    pub fn is_control(&self) -> bool {
        self.functions().all(|fun| fun.starts_with("saltutil."))
    }
}

/// The functions that a text names, with commas between.
pub fn functions(fun: &str) -> impl Iterator<Item = &str> {
    fun.split(',')
}

/// Tells keyword arguments of one of several functions from an object that is an argument.
pub const KEYWORDS_MARK: &str = "__kwarg__";

/// Options of a job that minions or hubs act on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct JobOptions {
    /// The function's whole run may take this long, then its process groups are ended. None: no bound.
    pub run_ms_max: Option<u64>,
    /// The roots state (40 hexadecimal digits) that file functions of this job read; None: what the hub serves.
    pub roots: Option<String>,
}

/// Why an order passes over rules of sites that let themselves be passed over. It goes beside the order, signed by the same key, so that
/// no hub on the way can add one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Override {
    /// As the operator gave it; at most [`crate::limits::MAX_REASON`] characters.
    pub reason: String,
    /// Ed25519 over [`SIGNING_DOMAIN_OVERRIDE`], the twenty digits of the job's id and the reason.
    pub signature: [u8; 64],
}

/// An order with its signature, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JobEnvelope {
    /// The encoded [`JobOrder`].
    pub order: Json,
    /// Which key signed.
    pub signer: SignerId,
    /// Ed25519 over [`SIGNING_DOMAIN_JOB`] and the order's bytes.
    pub signature: [u8; 64],
}
