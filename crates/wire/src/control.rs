//! What a command line says to the daemon on the same host, and hears from it. Travels over a local socket.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::choice::{Choice, Confirm, Preview, PreviewRow};
use crate::find::JobFilter;
use crate::message::KeyDecision;
use crate::{
    BatchPlan, Counts, Jid, Json, OutcomeKind, Presence, Reason, Role, RootsReport, Standing,
    Steps, UnixMillis,
};

/// From the command line. New questions go to the end: a daemon of the release before must not take one for another.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Ask {
    /// Start a job. Answers: [`Tell::Accepted`], then as `Watch` unless `detach`.
    Run(Box<RunAsk>),
    /// Follow a job to its end: [`Tell::Progress`] repeatedly, then [`Tell::Ledger`].
    Watch {
        /// Which job.
        jid: Jid,
    },
    /// One job as it stands: [`Tell::Ledger`].
    Show {
        /// Which job.
        jid: Jid,
    },
    /// The newest jobs: [`Tell::Jobs`].
    Jobs {
        /// At most so many.
        limit: u32,
    },
    /// End a job wherever it runs: answers as `Run`, with the job that cancels.
    Cancel {
        /// Which job.
        jid: Jid,
        /// Who asks.
        user: String,
    },
    /// The roster: [`Tell::Tree`].
    Tree {
        /// With a row for each minion.
        minions: bool,
    },
    /// Keys: [`Tell::Keys`].
    Keys,
    /// Decide about keys, by id glob: [`Tell::Keys`] with those that changed, once the change is in force.
    Decide {
        /// Globs over ids.
        ids: Vec<String>,
        /// Only keys in these standings; empty: those for which the decision makes a difference.
        standings: Vec<Standing>,
        /// What.
        decision: KeyDecision,
        /// Who asks.
        user: String,
    },
    /// Make a join token: [`Tell::Token`].
    TokenCreate {
        /// What may join.
        role: Role,
        /// Globs of ids that may use it; empty for any.
        ids: Vec<String>,
        /// Seconds that it lives.
        ttl_s: u64,
        /// How often it may be used.
        uses: u32,
    },
    /// The join tokens in force: [`Tell::Tokens`].
    TokenList,
    /// End a join token: [`Tell::Done`].
    TokenRevoke {
        /// Its name in the list.
        name: String,
    },
    /// Roots of every site: [`Tell::Roots`].
    Roots,
    /// Fetch the roots at every site now; answers [`Tell::Roots`] when each site has answered or the time is up.
    RootsUpdate {
        /// Also accept a remote branch that was rewound (force-pushed).
        accept_rewind: bool,
        /// Wait at most so long for the sites.
        wait_ms: u64,
    },
    /// Let a syndic order jobs for its own subtree: [`Tell::Done`].
    Delegate {
        /// The syndic's id.
        syndic: String,
        /// Functions: exact names, `module.*`, `*`. Empty: take the delegation back.
        functions: Vec<String>,
        /// Seconds that it lives.
        ttl_s: u64,
    },
    /// Fingerprints and version of this hub: [`Tell::Identity`].
    Identity,
    /// Run a job again for minions that it left in these outcomes: answers as `Run`.
    Retry(Box<RetryAsk>),
    /// Give no more turns in a rollout; what runs goes on: [`Tell::Done`].
    Halt {
        /// Which job.
        jid: Jid,
        /// Who asks.
        user: String,
    },
    /// Go on with a rollout that asks after a stage: [`Tell::Done`].
    GoOn {
        /// Which job.
        jid: Jid,
        /// Who asks.
        user: String,
    },
    /// Whether a job would be let out: [`Tell::MayI`].
    MayI(Box<RunAsk>),
    /// Whom a job would be for; nothing runs: [`Tell::PreviewPart`] repeatedly, then [`Tell::Preview`].
    Preview(Box<RunAsk>),
    /// Follow the event bus: [`Tell::Done`] when it is read, then [`Tell::Event`] and [`Tell::EventsLost`] until the command line
    /// hangs up.
    Events {
        /// Globs over tags.
        globs: Vec<String>,
    },
    /// Call a function of the hub itself: [`Tell::Value`].
    Runner(Box<RunnerAsk>),
    /// Jobs that fit, newest first: [`Tell::Jobs`] or [`Tell::Owned`].
    Find(Box<JobFilter>),
    /// As [`Ask::Runner`], without waiting for its answer: [`Tell::Accepted`]. It goes on when the command line hangs up.
    RunnerDetached(Box<RunnerAsk>),
    /// Run an orchestration: answers as `Run`. Its function is one of the runners that orchestrate.
    Orchestrate(Box<RunnerAsk>),
    /// Own jobs of another top-master from now on: [`Tell::Jobs`] with those that are adopted.
    Adopt {
        /// Which.
        which: Adopted,
        /// Who asks.
        user: String,
    },
    /// As [`Ask::MayI`], for [`RunAsk::user`] instead of who asks, with what each rule says. For the hub's own user.
    MayOther(Box<RunAsk>),
}

/// Jobs of another top-master.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Adopted {
    /// This one.
    Job(Jid),
    /// All of the top-master with this id that have not ended.
    Of(String),
}

/// A runner that is to be called.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RunnerAsk {
    /// The runner: module.function.
    pub fun: String,
    /// JSON array.
    pub args: Json,
    /// JSON object.
    pub kwargs: Json,
    /// Who asks, as the local system names them.
    pub user: String,
}

/// A job that is asked for.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RunAsk {
    /// The target's kind: glob, list, pcre, grain, grain-pcre, compound, nodegroup, site, ipcidr, pillar, pillar-pcre.
    pub target_kind: String,
    /// The target's text.
    pub target: String,
    /// Only at or below this site.
    pub site: Option<String>,
    /// Delimiter of grain targets.
    pub delimiter: char,
    /// The function.
    pub fun: String,
    /// JSON array.
    pub args: Json,
    /// JSON object.
    pub kwargs: Json,
    /// Who asks, as the local system names them.
    pub user: String,
    /// A minion that has not started after so many milliseconds refuses; 0: as the hub is set.
    pub start_within_ms: u64,
    /// Bound of the run itself, in milliseconds.
    pub run_ms_max: Option<u64>,
    /// Roots: a commit, branch or tag to pin; None for what is served.
    pub roots: Option<String>,
    /// Keep it so long for minions that are down, in milliseconds; None: those are unreachable at once.
    pub hold_ms: Option<u64>,
    /// Roll it out in turns.
    pub plan: Option<BatchPlan>,
    /// Answer with the jid alone.
    pub detach: bool,
    /// Why rules that forbid the job are passed over; only for the hub's own user.
    pub override_reason: Option<String>,
    /// Which of the minions that match are meant.
    pub choice: Choice,
}

impl RunAsk {
    /// A job of this user, without a function and for nobody yet; all else as it is where nothing is said.
    pub fn of(user: String) -> RunAsk {
        RunAsk {
            target_kind: String::new(),
            target: String::new(),
            site: None,
            delimiter: ':',
            fun: String::new(),
            args: b"[]".as_slice().into(),
            kwargs: b"{}".as_slice().into(),
            user,
            start_within_ms: 0,
            run_ms_max: None,
            roots: None,
            hold_ms: None,
            plan: None,
            detach: false,
            override_reason: None,
            choice: Choice::default(),
        }
    }
}

/// A job that is to be run again for those that it left.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RetryAsk {
    /// Which job.
    pub jid: Jid,
    /// Minions that it left in one of these states.
    pub states: Vec<Left>,
    /// Who asks, as the local system names them.
    pub user: String,
    /// As in [`RunAsk`].
    pub start_within_ms: u64,
    /// As in [`RunAsk`].
    pub hold_ms: Option<u64>,
    /// As in [`RunAsk`].
    pub plan: Option<BatchPlan>,
    /// Answer with the jid alone.
    pub detach: bool,
    /// As in [`Choice`].
    pub expect: Option<u64>,
}

/// How a job left a minion, as a retry names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Left {
    /// It returned, and failed.
    Failed,
    /// It started and will never return.
    Lost,
    /// There was no contact.
    Unreachable,
    /// It is known not to have begun: not in time, not its turn, not taken.
    NotStarted,
}

impl Left {
    /// Everything that is left of a job.
    pub const ALL: [Left; 4] = [
        Left::Failed,
        Left::Lost,
        Left::Unreachable,
        Left::NotStarted,
    ];

    /// The word that the command line prints and reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Left::Failed => "failed",
            Left::Lost => "lost",
            Left::Unreachable => "unreachable",
            Left::NotStarted => "not-started",
        }
    }

    /// How an outcome left its minion; None when nothing is left to do, or it is still under way.
    pub fn of(kind: OutcomeKind) -> Option<Left> {
        match kind {
            OutcomeKind::Failed => Some(Left::Failed),
            OutcomeKind::Lost => Some(Left::Lost),
            OutcomeKind::Unreachable => Some(Left::Unreachable),
            OutcomeKind::Refused | OutcomeKind::Expired => Some(Left::NotStarted),
            OutcomeKind::Ok | OutcomeKind::Running | OutcomeKind::Queued => None,
        }
    }
}

/// From the daemon.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Tell {
    /// The job is on disk.
    Accepted {
        /// Its id.
        jid: Jid,
        /// How long a command line waits that was not told; None: to the end.
        wait_ms: Option<u64>,
    },
    /// How it stands now; sent when something changed, a few times a second at most.
    Progress(Progress),
    /// A part of an account that is too big for one frame: rows and values that come before those of the next
    /// part, and of the [`Tell::Ledger`] that ends it.
    LedgerPart {
        /// Rows.
        minions: Vec<LedgerRow>,
        /// Values.
        values: Vec<Json>,
    },
    /// The whole account, or what is left of it after its parts.
    Ledger(Box<Ledger>),
    /// Jobs, newest first.
    Jobs(Vec<JobSummary>),
    /// The roster.
    Tree(Box<Tree>),
    /// Keys.
    Keys(Vec<KeyRow>),
    /// A join token, shown once.
    Token {
        /// The secret to hand to the new nodes.
        token: String,
        /// Its name in lists.
        name: String,
        /// When it ends.
        expires: UnixMillis,
    },
    /// Join tokens.
    Tokens(Vec<TokenRow>),
    /// Roots.
    Roots(Vec<RootsRow>),
    /// This hub.
    Identity(Box<Identity>),
    /// It is so.
    Done,
    /// It can't be.
    Failed(Failure),
    /// Whether a job would be let out.
    MayI {
        /// It would.
        allowed: bool,
        /// Who asks, what for, by which rule, or why not; words for people.
        text: String,
        /// What the sites say, and rules that were explained.
        lines: Vec<String>,
    },
    /// The job is for more minions than are taken without a word: it is taken when the same is asked with this count as
    /// [`Choice::expect`].
    Confirm(Confirm),
    /// Rows that come before those of the next part, and of the [`Tell::Preview`] that ends it.
    PreviewPart(Vec<PreviewRow>),
    /// Whom a job would be for, after its parts.
    Preview(Box<Preview>),
    /// An event.
    Event {
        /// What kind.
        tag: String,
        /// A JSON object.
        data: Json,
    },
    /// So many events are missing here: there were too many for this command line, or on their way.
    EventsLost(u64),
    /// What a runner answered.
    Value {
        /// The answer.
        value: Json,
        /// 0 when all is well, as Salt's runners count it.
        retcode: i32,
    },
    /// As [`Tell::Jobs`], where some were adopted.
    Owned {
        /// Newest first.
        jobs: Vec<JobSummary>,
        /// Those of them that were adopted, and by which top-master.
        owners: Vec<(Jid, String)>,
    },
}

/// Why a request was not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Failure {
    /// What kind; decides the exit code.
    pub kind: FailureKind,
    /// Words for people.
    pub text: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, text: impl Into<String>) -> Failure {
        Failure {
            kind,
            text: text.into(),
        }
    }
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum FailureKind {
    /// The request makes no sense (a target that does not parse, a bad id).
    Usage,
    /// There is no such job, key, syndic.
    NotFound,
    /// Not allowed, or not possible here.
    Refused,
    /// The daemon's own fault.
    Internal,
}

/// Counts of one job, whole and by site.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Progress {
    /// Which job.
    pub jid: Jid,
    /// True once every expected minion is named.
    pub complete: bool,
    /// True once every outcome is known.
    pub finished: bool,
    /// Over all sites.
    pub counts: Counts,
    /// How its rollout stands, for a job that is given in turns.
    pub rollout: Option<Rollout>,
    /// How far its functions are, where they have steps and run.
    pub steps: Option<Steps>,
    /// By site, in order of path.
    pub sites: Vec<SiteCounts>,
}

/// How a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Rollout {
    /// What it is doing.
    pub doing: Doing,
    /// The stage, from 1.
    pub stage: u32,
    /// How many stages there are.
    pub stages: u32,
    /// Minions that have had their turn when the stage is over.
    pub goal: u64,
    /// Minions that have had their turn.
    pub turns: u64,
    /// Places that are taken: by minions that run, that may run out of sight, or that are done and keep theirs for a while.
    pub places: u64,
    /// Places that there are.
    pub size: u64,
}

/// What a rollout is doing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// Not everyone is named yet.
    Naming,
    /// Turns are given.
    Rolling,
    /// Between two stages.
    Pausing {
        /// It goes on then.
        until: UnixMillis,
    },
    /// Between two stages, until an operator says so.
    Asking,
    /// Between two stages, while a function looks whether it goes on.
    Checking,
    /// Nobody begins any more.
    Halted {
        /// Why.
        reason: String,
    },
}

/// Counts of one job at one site.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct SiteCounts {
    /// The site.
    pub path: String,
    /// Its minions.
    pub counts: Counts,
    /// When the hub last heard from the site: the time of the cut for one that is cut off, else now.
    pub as_of: UnixMillis,
    /// Since when the site is cut off, when it is.
    pub cut_since: Option<UnixMillis>,
}

/// The account of one job.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Ledger {
    /// Counts.
    pub progress: Progress,
    /// The function and its arguments (JSON text).
    pub fun: String,
    /// JSON array.
    pub args: Json,
    /// JSON object.
    pub kwargs: Json,
    /// What the operator typed as the target.
    pub target: String,
    /// Who asked.
    pub user: String,
    /// The hub that signed.
    pub origin: String,
    /// The roots state that the job reads.
    pub roots: Option<String>,
    /// When it was accepted.
    pub issued: UnixMillis,
    /// When its last outcome became known.
    pub finished: Option<UnixMillis>,
    /// One for each expected minion, in order of id.
    pub minions: Vec<LedgerRow>,
    /// Values that rows name by number.
    pub values: Vec<Json>,
    /// Ids that the target names and that no accepted minion has.
    pub unknown: Vec<String>,
    /// Minions for which the target could not be evaluated, with the reason; not expected.
    pub undecided: Vec<(String, Reason)>,
    /// The top-master that adopted it; None: whoever ordered it owns it.
    pub owner: Option<String>,
}

impl Ledger {
    /// Takes parts off the front until what is left fits into a frame; they are told first, in order.
    pub fn split_off_parts(&mut self) -> Vec<(Vec<LedgerRow>, Vec<Json>)> {
        let mut parts = Vec::new();
        let rows = std::mem::take(&mut self.minions);
        for chunk in rows.chunks(PART_ROWS) {
            parts.push((chunk.to_vec(), Vec::new()));
        }
        let mut bytes = 0;
        let mut values: Vec<Json> = Vec::new();
        for value in std::mem::take(&mut self.values) {
            if bytes + value.len() > PART_BYTES && !values.is_empty() {
                parts.push((Vec::new(), std::mem::take(&mut values)));
                bytes = 0;
            }
            bytes += value.len();
            values.push(value);
        }
        parts.push((Vec::new(), values));
        parts
    }

    /// Puts parts that came before back in front.
    pub fn join_parts(&mut self, mut minions: Vec<LedgerRow>, mut values: Vec<Json>) {
        minions.append(&mut self.minions);
        values.append(&mut self.values);
        self.minions = minions;
        self.values = values;
    }
}

/// Rows in one part of an account: a few hundred bytes each with their reasons.
const PART_ROWS: usize = 4_096;
/// Bytes of values in one part, unless a single one is longer.
const PART_BYTES: usize = 2 << 20;
const _: () = assert!(PART_BYTES + crate::limits::MAX_RETURN < crate::limits::MAX_FRAME);

/// How one minion stands.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct LedgerRow {
    /// Its id.
    pub id: String,
    /// Its site.
    pub path: String,
    /// How it stands.
    pub kind: OutcomeKind,
    /// Of a return.
    pub retcode: Option<i32>,
    /// Of a return: number in [`Ledger::values`].
    pub value: Option<u32>,
    /// Of a return: when the function started.
    pub started: Option<UnixMillis>,
    /// Of a return: how long it ran.
    pub duration_ms: Option<u32>,
    /// Why, when it is no return.
    pub reason: Option<Reason>,
}

/// One job in a list.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct JobSummary {
    /// Its id.
    pub jid: Jid,
    /// The function.
    pub fun: String,
    /// What the operator typed as the target.
    pub target: String,
    /// Who asked.
    pub user: String,
    /// The hub that signed.
    pub origin: String,
    /// When it was accepted.
    pub issued: UnixMillis,
    /// When its last outcome became known.
    pub finished: Option<UnixMillis>,
    /// How it stands.
    pub counts: Counts,
}

/// The roster, counted.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Tree {
    /// This hub.
    pub id: String,
    /// Its site.
    pub path: String,
    /// Its program's version.
    pub software: String,
    /// When this was true.
    pub as_of: UnixMillis,
    /// Over all sites.
    pub totals: MinionCounts,
    /// One row for each site that has hubs or minions, in order of path.
    pub sites: Vec<SiteRow>,
    /// One row for each accepted minion, when asked for.
    pub minions: Vec<MinionRow>,
}

/// Minions of a site. `accepted` is always `up + down + cut_off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
pub struct MinionCounts {
    /// Part of the tree.
    pub accepted: u64,
    /// Connected, and the way to them is whole.
    pub up: u64,
    /// Not connected to their hub.
    pub down: u64,
    /// Behind a hub that is cut off: as it was at the last roster.
    pub cut_off: u64,
    /// Wait for an operator.
    pub pending: u64,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct SiteRow {
    /// Its path.
    pub path: String,
    /// The hubs that serve it.
    pub hubs: Vec<HubRow>,
    /// Minions of this very site, without the sites below it.
    pub counts: MinionCounts,
    /// Since when every way to it is cut.
    pub cut_since: Option<UnixMillis>,
}

/// One hub of a site.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct HubRow {
    /// Its id.
    pub id: String,
    /// Connected to its parent or not.
    pub presence: Presence,
    /// Since when.
    pub since: UnixMillis,
    /// Its program's version.
    pub software: String,
}

/// One minion.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct MinionRow {
    /// Its id.
    pub id: String,
    /// Its site.
    pub path: String,
    /// up, down, cut-off.
    pub state: String,
    /// Since when.
    pub since: UnixMillis,
    /// Its program's version.
    pub software: String,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct KeyRow {
    /// The id that it has or wants.
    pub id: String,
    /// Minion or syndic.
    pub role: Role,
    /// Its site.
    pub path: String,
    /// Accepted or not.
    pub standing: Standing,
    /// SHA-256 of the public key, hexadecimal in pairs with colons.
    pub fingerprint: String,
}

/// One join token.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct TokenRow {
    /// Its name.
    pub name: String,
    /// What may join.
    pub role: Role,
    /// Globs of ids.
    pub ids: Vec<String>,
    /// When it ends.
    pub expires: UnixMillis,
    /// How often it may still be used.
    pub uses_left: u32,
}

/// Roots of one hub.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct RootsRow {
    /// The hub's id.
    pub id: String,
    /// Its site.
    pub path: String,
    /// What it serves.
    pub report: RootsReport,
    /// Connected, so that the report is fresh.
    pub presence: Presence,
}

/// This hub's names and keys.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub id: String,
    /// What it is.
    pub role: Role,
    /// Its site.
    pub path: String,
    /// Its program's version.
    pub software: String,
    /// The tree's fingerprint: what new nodes pin as `master_finger`.
    pub tree_fingerprint: String,
    /// The fingerprint of this hub's own key.
    pub fingerprint: String,
    /// Version of the trust bundle.
    pub trust_version: u64,
    /// Whether it may order jobs now, and within which site.
    pub job_scope: Option<String>,
}
