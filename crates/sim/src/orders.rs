//! Orders, their toy signatures, and what a function gives: all follow from the job's and the minion's names.

use std::sync::Arc;

use relay::Verify;
use wire::{
    Jid, JobEnvelope, JobOptions, JobOrder, Json, NodeId, Return, RunTarget, SitePath, TreeId, Uid,
    UnixMillis, codec,
};

use crate::pillars;
use crate::rng::{hash, mix};
use crate::shape::Spec;

/// Whom a job is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Everybody.
    All,
    /// These ids; some may be nobody's.
    List(Vec<String>),
    /// Minions with this `os` grain.
    Os(&'static str),
    /// Minions at or below a site.
    Site(String),
    /// Minions with this role in their pillar.
    Role(&'static str),
}

impl Target {
    /// The compound text.
    pub fn compound(&self) -> String {
        match self {
            Target::All => "*".to_owned(),
            Target::List(ids) => format!("L@{}", ids.join(",")),
            Target::Os(os) => format!("G@os:{os}"),
            Target::Site(path) => format!("{path}/*"),
            Target::Role(role) => format!("I@role:{role}"),
        }
    }

    /// Whether this node is meant: the simulation's own word, not the matcher's.
    pub fn means(&self, spec: &Spec) -> bool {
        let peer = &spec.peer;
        !peer.role.is_hub()
            && match self {
                Target::All => true,
                Target::List(ids) => ids.iter().any(|id| id == peer.id.as_str()),
                Target::Os(os) => spec.os == *os,
                Target::Site(path) => {
                    peer.path.as_str() == path
                        || peer.path.as_str().starts_with(&format!("{path}/"))
                }
                Target::Role(role) => pillars::role(spec) == Some(*role),
            }
    }
}

/// A signed order and its parts.
#[derive(Debug, Clone)]
pub struct Signed {
    /// As it travels.
    pub envelope: JobEnvelope,
    /// Decoded.
    pub order: Arc<JobOrder>,
}

/// Signs an order for a target.
pub fn order(
    jid: Jid,
    origin: (Uid, NodeId, SitePath),
    target: &Target,
    fun: &str,
    issued: UnixMillis,
    start_within: u64,
    run_ms_max: Option<u64>,
) -> Signed {
    let (uid, id, scope) = origin;
    let order = JobOrder {
        tree: TreeId([7; 32]),
        jid,
        origin: uid,
        origin_id: id,
        scope,
        user: "operator".to_owned(),
        target: RunTarget {
            compound: target.compound(),
            typed: target.compound(),
        },
        fun: fun.to_owned(),
        args: json("[]"),
        kwargs: json("{}"),
        issued,
        start_by: issued + start_within,
        options: JobOptions {
            run_ms_max,
            ..JobOptions::default()
        },
    };
    let bytes: Json = codec::encode(&order)
        .unwrap_or_else(|e| panic!("{e}"))
        .into();
    let envelope = JobEnvelope {
        signature: signature(&bytes),
        order: bytes,
        signer: Uid([9; 16]),
    };
    Signed {
        envelope,
        order: Arc::new(order),
    }
}

fn signature(bytes: &[u8]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..8].copy_from_slice(&hash(bytes).to_be_bytes());
    signature
}

/// Checks the toy signature.
#[derive(Debug, Clone, Copy)]
pub struct Checker;

impl Verify for Checker {
    fn verify(&self, envelope: &JobEnvelope, _now: UnixMillis) -> Result<Arc<JobOrder>, String> {
        if envelope.signature != signature(&envelope.order) {
            return Err("the signature is not the signer's".to_owned());
        }
        codec::decode(&envelope.order)
            .map(Arc::new)
            .map_err(|e| e.to_string())
    }
}

/// A minion's grains.
pub fn grains(spec: &Spec) -> Json {
    let more = "x".repeat(spec.more_grains);
    json(&format!("{{\"os\":\"{}\",\"more\":\"{more}\"}}", spec.os))
}

/// How long a function takes at a minion, in milliseconds.
pub fn duration(order: &JobOrder, minion: Uid) -> u64 {
    let dice = dice(order.jid, minion, 1);
    let longest = order.options.run_ms_max.unwrap_or(u64::MAX);
    let takes = match order.fun.as_str() {
        "slow" => 1_000 + dice % 40_000,
        "mixed" if dice.is_multiple_of(4) => dice % 90_000,
        _ => dice % 20,
    };
    takes.min(longest)
}

/// What a function gives at a minion: equal, few or unique values, some big, some failures.
pub fn result(order: &JobOrder, minion: Uid, started: UnixMillis, duration_ms: u64) -> Return {
    let dice = dice(order.jid, minion, 2);
    let value = match order.fun.as_str() {
        "ping" => "true".to_owned(),
        "few" => format!("\"one of a few values, number {}\"", dice % 3),
        "big" if dice.is_multiple_of(3) => {
            format!("\"{}\"", "x".repeat(40_000 + (dice % 50_000) as usize))
        }
        _ => format!("{{\"minion\":\"{minion}\",\"dice\":{dice}}}"),
    };
    let retcode = i32::from(order.fun != "ping" && dice.is_multiple_of(5));
    Return {
        jid: order.jid,
        retcode,
        success: !dice.is_multiple_of(10),
        value: json(&value),
        started,
        duration_ms: duration_ms as u32,
    }
}

fn dice(jid: Jid, minion: Uid, salt: u64) -> u64 {
    mix(hash(jid.to_string().as_bytes()) ^ hash(&minion.0) ^ salt)
}

/// JSON text.
pub fn json(text: &str) -> Json {
    text.as_bytes().into()
}

/// The functions of the simulation.
pub const FUNCTIONS: [&str; 5] = ["ping", "few", "unique", "big", "mixed"];
