//! What travels between the programs of a tree, as plain words.
//!
//! Ids, messages, framing, limits and the protocol version live here, and nothing else: this crate opens no
//! socket, reads no clock, and holds no key. It is the only crate that uses `bincode`; every other crate sees
//! bytes or the types below. Any crate may use it.
//!
//! Directions have names: [`Up`] travels from a child to its parent, [`Down`] from a parent to its child, and
//! [`control`] between a command line and the hub on the same host, and [`call`] between one and the minion.

pub mod call;
pub mod choice;
pub mod codec;
pub mod control;
pub mod enrol;
mod event;
pub mod files;
pub mod find;
mod id;
mod indices;
mod inquiry;
mod job;
mod ledger;
pub mod limits;
mod message;
mod own;
mod plan;
pub mod record;
mod roster;
pub mod trust;

pub use event::{Event, Events};
pub use id::{Jid, JidClock, NodeId, NodeIdError, Role, SitePath, SitePathError, TreeId, Uid};
pub use indices::IndexSet;
pub use inquiry::{Finding, Stance};
pub use job::{
    Called, JobEnvelope, JobOptions, JobOrder, KEYWORDS_MARK, RunTarget, SIGNING_DOMAIN_INQUIRY,
    SIGNING_DOMAIN_JOB, SIGNING_DOMAIN_WARRANT, SignerId, Warrant, WarrantFor, functions,
};
pub use ledger::{
    Counts, LedgerDelta, Outcome, OutcomeGroup, OutcomeKind, Reason, ReasonCode, Timing, ValueRef,
};
pub use message::{
    Down, Hello, HelloBody, KeyDecision, ProtocolRange, Refusal, RefusalCode, Return, Revocation,
    Steps, Up, Welcome,
};
pub use own::{OwnRun, RunSource};
pub use plan::{
    Amount, AmountError, BatchPlan, Between, Halt, Owner, PlanRecord, Release, StopOn, StopRule,
    StopScope, Terms,
};
pub use roster::{Link, NodeEntry, Presence, RootsReport, RosterDelta, RosterMark, Standing};

/// Opaque JSON text of a value: hubs carry it, and never look inside.
pub type Json = std::sync::Arc<[u8]>;

/// Milliseconds since the Unix epoch.
pub type UnixMillis = u64;

/// The newest protocol that this build speaks. Protocol 2 knows terms of jobs: holds and releases, and asks for orders.
pub const PROTOCOL: u16 = 2;
/// The oldest protocol that this build still speaks.
pub const PROTOCOL_OLDEST: u16 = 1;
/// The first protocol in which states are applied over the tree: pillar, the rule of the roots, and steps are asked and told from here on.
pub const PROTOCOL_STATES: u16 = 2;
/// The first protocol whose targets know addresses and pillars.
pub const PROTOCOL_TARGETS: u16 = 2;
/// The first protocol with events: what is subscribed to is told to children, and what happens to parents.
pub const PROTOCOL_EVENTS: u16 = 2;
/// The first protocol with the mine.
pub const PROTOCOL_MINE: u16 = 2;
/// The first protocol that tells hubs of runs which none ordered.
pub const PROTOCOL_OWN_RUNS: u16 = 2;
