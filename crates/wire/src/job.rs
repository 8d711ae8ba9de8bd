//! A job's order: signed once by its origin, carried unchanged, verified by every minion.

use std::sync::LazyLock;

use bincode::{Decode, Encode};
use serde_json::{Map, Value};

use crate::{Jid, Json, NodeId, SitePath, TreeId, Uid, UnixMillis};

/// Goes before the bytes of an order when it is signed, so that no other signature can pass for one.
pub const SIGNING_DOMAIN_JOB: &[u8] = b"banyan/job/v1\0";

/// Goes before the bytes of what a warrant says of one job when it is signed.
pub const SIGNING_DOMAIN_WARRANT: &[u8] = b"banyan/warrant/v1\0";

/// Goes before the bytes of an order that nobody is to run, when it is signed: an inquiry is no order, whoever carries it.
pub const SIGNING_DOMAIN_INQUIRY: &[u8] = b"banyan/inquiry/v1\0";

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

/// What an order calls, decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Called<'a> {
    /// As [`JobOrder::fun`].
    pub fun: &'a str,
    /// As [`JobOrder::args`].
    pub args: &'a [Value],
    /// As [`JobOrder::kwargs`].
    pub kwargs: &'a Map<String, Value>,
}

impl<'a> Called<'a> {
    /// The functions one by one, each with its own arguments; the keyword arguments of several have [`KEYWORDS_MARK`] among them.
    pub fn each(self) -> Vec<Called<'a>> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        if !self.fun.contains(',') {
            return vec![self];
        }
        let one = |(nth, fun): (usize, &'a str)| {
            let args = self.args.get(nth).and_then(Value::as_array);
            let args = args.map_or(&[][..], Vec::as_slice);
            match args.split_last() {
                Some((Value::Object(kwargs), args))
                    if kwargs.get(KEYWORDS_MARK) == Some(&Value::Bool(true)) =>
                {
                    Called { fun, args, kwargs }
                }
                _ => Called {
                    fun,
                    args,
                    kwargs: &NONE,
                },
            }
        };
        functions(self.fun).enumerate().map(one).collect()
    }
}

/// Options of a job that minions or hubs act on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct JobOptions {
    /// The function's whole run may take this long, then its process groups are ended. None: no bound.
    pub run_ms_max: Option<u64>,
    /// The roots state (40 hexadecimal digits) that file functions of this job read; None: what the hub serves.
    pub roots: Option<String>,
}

/// What the hub that gives an order says of who asked for it. Sites judge the order by it. It goes beside the order, signed by the same
/// key, so that no hub on the way can make or change one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Warrant {
    /// Groups of who asked, by the books of that hub's host: [`crate::limits::MAX_GROUPS`] at most.
    pub groups: Vec<String>,
    /// Why the order may pass over rules of sites that let themselves be passed over, as the operator gave it; at most
    /// [`crate::limits::MAX_REASON`] characters.
    pub reason: Option<String>,
    /// Ed25519 over [`SIGNING_DOMAIN_WARRANT`] and the encoded [`WarrantFor`].
    pub signature: [u8; 64],
}

/// What the signature of a [`Warrant`] is over.
#[derive(Debug, Encode)]
pub struct WarrantFor<'a> {
    /// The one job that it is for.
    pub jid: Jid,
    /// As [`Warrant::groups`].
    pub groups: &'a [String],
    /// As [`Warrant::reason`].
    pub reason: Option<&'a str>,
}

impl Warrant {
    /// Whether it keeps the limits; one that does not counts for nothing.
    pub fn is_bounded(&self) -> bool {
        self.groups.len() <= crate::limits::MAX_GROUPS
            && self.groups.iter().all(|name| name.len() <= crate::limits::MAX_GROUP)
            // A character has four bytes at most.
            && self.reason.as_ref().is_none_or(|reason| reason.len() <= 4 * crate::limits::MAX_REASON)
    }
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
