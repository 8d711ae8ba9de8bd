//! One job's account at one hub: who is expected, and how each stands. What was heard of it and told of it stands in files of
//! their own.

mod heard;
mod told;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use wire::record::JobHead;
use wire::{
    Counts, Halt, IndexSet, Jid, JobOrder, Json, Owner, PlanRecord, Release, Terms, Uid,
    UnixMillis, Warrant,
};

use heard::SourceState;
use told::Sink;

use crate::LinkId;
use crate::adoption::Handover;
use crate::plan::{Plan, Spans};
use crate::planted::{self, Bug};
use crate::state::{Source, State};

/// A minion that has its turn must have started after so long. Short of a cut, that takes a round trip and two writes.
const TURN_MS: u64 = 120_000;
/// How long a run in a rollout lasts that has no bound of its own. Hubs give every such order a bound; this is for those
/// that come from elsewhere.
pub const BATCH_RUN_MS: u64 = 3_600_000;
/// Entries of a plan that a hub keeps which does not decide it, at most: two for each stage.
const KNOWN_PLAN_MAX: usize = 4_096;
/// A run that is over its bound is ended within this time.
const RUN_END_MS: u64 = 30_000;

/// One minion of the account.
#[derive(Debug, Clone)]
struct Row {
    best: State,
    from: Source,
    /// What further sources say, for a minion with two parents; empty for almost all.
    others: Vec<(Source, State)>,
}

impl Row {
    /// How it stands, for a reader who hears of one source: one source's word that a turn was turned down is not the last
    /// while the minion may have got it from another.
    fn summary(&self) -> Cow<'_, State> {
        match &self.best {
            State::Held(reason, round)
                if self.others.iter().any(|(_, state)| state.may_run(*round))
                    && !planted::is(Bug::HidesRuns) =>
            {
                Cow::Owned(State::Held(reason.clone(), 0))
            }
            best => Cow::Borrowed(best),
        }
    }
}

/// Where a job comes from, as this hub sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This hub ordered it.
    Own,
    /// A hub above, or another top-master.
    Above,
    /// A hub below, for its own site: this hub keeps its history.
    Below,
    /// Another top-master, or one that adopted it, and this one hears of it by the sites that both have below them: it keeps its history.
    Beside,
}

/// A turn that was given to a minion and not turned down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub round: u32,
    pub until: UnixMillis,
}

/// The search for the order of an account that began with returns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recall {
    /// Children were asked.
    pub asked: bool,
    /// Those that have returns of it alone.
    pub without: BTreeSet<Uid>,
}

/// The account.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub head: JobHead,
    /// None for an account that began with a return of a job that this hub never saw.
    pub order: Option<Arc<JobOrder>>,
    pub origin: Origin,
    pub terms: Terms,
    /// It may pass over the rules of sites.
    pub warrant: Option<Warrant>,
    /// Turns of a job that goes by release.
    pub leases: BTreeMap<u32, Lease>,
    /// The last turn of each minion that was turned down: told again, it is not given.
    declined: BTreeMap<u32, u32>,
    /// Where nobody begins any more.
    pub halts: Vec<Halt>,
    /// At the owner of a job that goes by release.
    pub plan: Option<Plan>,
    /// What an owner above has told of its plan.
    pub known_plan: Vec<PlanRecord>,
    /// The top-master that adopted the job; None: the hub that ordered it owns it.
    pub owner: Option<Owner>,
    /// That is on disk.
    pub is_owner_saved: bool,
    /// At the top-master that adopted it, until it goes on.
    pub handover: Option<Handover>,
    /// This very hub.
    pub me: Uid,
    /// Rows that the plan has not seen as they are now.
    pub plan_dirty: IndexSet,
    /// Minions of this very hub about which the shell was asked: whether they are meant is not known yet.
    pub asked: IndexSet,
    /// What is known of it is being looked for; until then nothing of the account goes to the disk.
    pub recall: Option<Recall>,
    pub sources: BTreeMap<Uid, SourceState>,
    /// Deltas that can be acknowledged once all of the account is on disk: the session, and the last one's serial.
    pub unacked: BTreeMap<LinkId, u32>,
    pub finished: Option<UnixMillis>,
    /// Returns that the origin has on disk.
    pub settled: IndexSet,
    /// It was over, and is read again for parents that have yet to hear of it.
    pub is_history: bool,
    pub disk: Sink,
    pub uplinks: BTreeMap<Uid, Sink>,
    rows: BTreeMap<u32, Row>,
    counts: Counts,
    values: Vec<Json>,
    numbers: HashMap<Json, u32>,
    /// Bytes of values that are new since the disk was told.
    pub fresh_bytes: usize,
    own_complete: bool,
}

impl Job {
    /// An account at the hub `me`.
    pub(crate) fn new(head: JobHead, order: Option<Arc<JobOrder>>, me: Uid) -> Self {
        let origin = match &order {
            Some(order) if order.origin == me => Origin::Own,
            Some(order) if head.parents.contains(&me) && head.parents.contains(&order.origin) => {
                Origin::Beside
            }
            Some(_) if head.parents.contains(&me) => Origin::Below,
            _ => Origin::Above,
        };
        Job {
            head,
            order,
            origin,
            terms: Terms::default(),
            warrant: None,
            leases: BTreeMap::new(),
            declined: BTreeMap::new(),
            halts: Vec::new(),
            plan: None,
            known_plan: Vec::new(),
            owner: None,
            is_owner_saved: false,
            handover: None,
            me,
            plan_dirty: IndexSet::new(),
            asked: IndexSet::new(),
            recall: None,
            sources: BTreeMap::new(),
            unacked: BTreeMap::new(),
            finished: None,
            settled: IndexSet::new(),
            is_history: false,
            disk: Sink::default(),
            uplinks: BTreeMap::new(),
            rows: BTreeMap::new(),
            counts: Counts::default(),
            values: Vec::new(),
            numbers: HashMap::new(),
            fresh_bytes: 0,
            own_complete: false,
        }
    }

    pub(crate) fn jid(&self) -> Jid {
        self.head.jid
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether every expected minion is named.
    pub(crate) fn is_complete(&self) -> bool {
        self.own_complete && self.sources.values().all(|s| s.complete)
    }

    /// This hub has named its own minions, and those behind hubs that are cut off.
    pub(crate) fn named_own(&mut self) {
        self.own_complete = true;
    }

    /// Whether every outcome is known.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_complete() && self.counts.running == 0 && self.counts.queued == 0
    }

    /// Whether outcomes are awaited, and nothing but the account waits for them.
    pub(crate) fn has_more_to_come(&self) -> bool {
        let turns = self.plan.is_some() || self.terms.by_release;
        self.recall.is_none() && self.order.is_some() && !turns && !self.is_finished()
    }

    /// Whether every return is with the origin.
    fn is_settled(&self) -> bool {
        self.rows.iter().all(|(index, row)| {
            !matches!(row.best, State::Returned { .. }) || self.settled.contains(*index)
        })
    }

    /// Whether this hub is the job's origin. An account that began with a return has no order to tell; but the jid
    /// names its signer.
    pub(crate) fn is_own(&self, signer: Option<u8>) -> bool {
        match self.order {
            Some(_) => self.origin == Origin::Own,
            None => signer == Some(self.jid().number()),
        }
    }

    /// Whether returns that are on this hub's disk are safe there: it is the owner, or it ordered the job and another top-master has
    /// adopted it since, which may not hear of all that this one does.
    pub(crate) fn settles(&self, signer: Option<u8>) -> bool {
        let ordered = self.order.as_ref().is_some_and(|o| o.origin == self.me);
        self.is_own(signer) || ordered && self.owner.is_some()
    }

    /// Whether nobody has to wait for more outcomes: the last one is known. Returns that came without their order are no account:
    /// the store has what is known of it.
    pub(crate) fn has_ended(&self) -> bool {
        self.finished.is_some() || self.order.is_none()
    }

    /// Whether another hub that is not above this one ordered it.
    pub(crate) fn keeps_history(&self) -> bool {
        matches!(self.origin, Origin::Below | Origin::Beside)
    }

    /// Whether nothing more is awaited: the returns are with the origin, and every parent has the account on disk.
    pub(crate) fn is_over(&self, signer: Option<u8>) -> bool {
        let knows = |sink: &Sink| !self.has_news(sink) && sink.in_flight() == 0;
        let told = self.uplinks.values().all(knows);
        if self.has_news(&self.disk) || !told || self.recall.is_some() {
            return false;
        }
        if self.order.is_none() && !self.is_own(signer) {
            // The minions keep these returns for their origin; this hub only hands them on.
            return !self.uplinks.is_empty();
        }
        let asked = |parent| self.uplinks.contains_key(parent);
        // An amended job may run again: what counts is how it stands now.
        let finished = self.finished.is_some() && self.is_finished();
        (finished || self.order.is_none())
            // Its origin settles it.
            && (self.keeps_history() || self.is_history
                || self.is_settled() && self.head.parents.iter().all(asked))
    }

    /// Whether a minion of this hub's own has not been given the job.
    pub(crate) fn waits_here(&self, index: u32) -> bool {
        match self.claim_of(index, Source::Own) {
            Some(State::Held(..)) => true,
            Some(State::Queued) => self.terms.by_release && !self.leases.contains_key(&index),
            _ => false,
        }
    }

    /// Whether a minion that is lost sight of gets the job when it is back, unless it has it already.
    pub(crate) fn is_kept_for(&self, index: u32) -> bool {
        self.terms.hold && self.halts.is_empty() && !self.leases.contains_key(&index)
    }

    /// Takes in an entry of the rollout, one from the disk or one that goes there.
    pub(crate) fn note_plan(&mut self, entry: &PlanRecord) {
        match entry {
            PlanRecord::Terms(terms) => self.terms = *terms,
            PlanRecord::Plan(_) if self.origin != Origin::Own => self.note_known(entry),
            PlanRecord::Plan(spec) => {
                self.plan = self
                    .order
                    .as_ref()
                    .map(|order| Plan::new(spec.clone(), spans(order)));
            }
            PlanRecord::Released(release) => {
                for index in release.who.iter() {
                    let Release { round, until, .. } = *release;
                    self.leases.insert(index, Lease { round, until });
                }
            }
            PlanRecord::TurnedDown(who) => {
                for index in who.iter() {
                    if let Some(lease) = self.leases.remove(&index) {
                        self.declined.insert(index, lease.round);
                    }
                }
            }
            PlanRecord::Halted(halt) => {
                if !self.halts.iter().any(|known| known.site == halt.site) {
                    self.halts.push(halt.clone());
                }
            }
            PlanRecord::Warrant(warrant) => self.warrant = Some(warrant.clone()),
            PlanRecord::Owned(owner) => self.note_owner(*owner),
            PlanRecord::Begun { .. } | PlanRecord::Stage(_) | PlanRecord::StageOver { .. } => {
                if self.origin != Origin::Own {
                    self.note_known(entry);
                }
            }
        }
    }

    fn note_known(&mut self, entry: &PlanRecord) {
        if self.known_plan.len() < KNOWN_PLAN_MAX && !self.known_plan.contains(entry) {
            self.known_plan.push(entry.clone());
        }
    }

    /// Whether this turn of a minion, or a later one, was turned down.
    pub(crate) fn has_declined(&self, index: u32, round: u32) -> bool {
        let declined = self.declined.get(&index);
        declined.is_some_and(|last| *last >= round) && !planted::is(Bug::ForgetsDeclined)
    }

    /// Of these minions those whose turn was turned down by every source that might have given it.
    pub(crate) fn turned_down(&self, who: &IndexSet) -> IndexSet {
        let all_said_no = |index: &u32| {
            let round = self.leases.get(index).map(|lease| lease.round);
            round
                .zip(self.claims(*index))
                .is_some_and(|(round, (best, mut claims))| {
                    matches!(best, State::Held(..) | State::Unreachable(_))
                        && !claims.any(|claim| claim.may_run(round))
                })
        };
        who.iter().filter(all_said_no).collect()
    }

    /// Everything that is said of a minion: the best of it, and all of it.
    pub(crate) fn claims(&self, index: u32) -> Option<(&State, impl Iterator<Item = &State>)> {
        let row = self.rows.get(&index)?;
        let all = std::iter::once(&row.best).chain(row.others.iter().map(|(_, state)| state));
        Some((&row.best, all))
    }

    /// Whether the minion's return is here: the first one stays.
    pub(crate) fn has_returned(&self, index: u32) -> bool {
        let row = self.rows.get(&index);
        row.is_some_and(|row| matches!(row.best, State::Returned { .. }))
    }

    pub(crate) fn source(&self, index: u32) -> Option<Source> {
        self.rows.get(&index).map(|row| row.from)
    }

    /// What this source says of the minion.
    pub(crate) fn claim_of(&self, index: u32, source: Source) -> Option<&State> {
        let row = self.rows.get(&index)?;
        if row.from == source {
            return Some(&row.best);
        }
        row.others
            .iter()
            .find(|(s, _)| *s == source)
            .map(|(_, state)| state)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &State)> {
        self.rows.iter().map(|(index, row)| (*index, &row.best))
    }

    /// Minions of which a source says something, in order.
    pub(crate) fn claimed_by(&self, source: Source) -> Vec<u32> {
        self.rows
            .iter()
            .filter(|(_, row)| row.from == source || row.others.iter().any(|(s, _)| *s == source))
            .map(|(index, _)| *index)
            .collect()
    }

    pub(crate) fn values(&self) -> &[Json] {
        &self.values
    }

    /// The number of a value.
    pub(crate) fn intern(&mut self, value: Json) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = self.values.len() as u32;
        self.fresh_bytes += value.len();
        self.values.push(value.clone());
        let mixed = u32::from(planted::is(Bug::MixesValues));
        self.numbers.insert(value, number >> mixed);
        number
    }

    /// A source says how a minion stands. True when the account changed.
    ///
    /// The first return stays, whatever comes after it: a minion counts once.
    pub(crate) fn claim(&mut self, index: u32, source: Source, state: State) -> bool {
        if self.plan.is_some() {
            self.plan_dirty.insert(index);
        }
        let Some(row) = self.rows.get_mut(&index) else {
            if let Some(kind) = state.kind() {
                self.counts.add(kind);
            }
            self.rows.insert(
                index,
                Row {
                    best: state,
                    from: source,
                    others: Vec::new(),
                },
            );
            self.mark_dirty(index);
            return true;
        };
        if matches!(row.best, State::Returned { .. }) {
            if matches!(state, State::Returned { .. }) && !self.settled.contains(index) {
                // The minion still keeps it, so the origin's word did not get here: it may have no way to a minion that moved.
                for sink in self.uplinks.values_mut() {
                    sink.changed(index);
                }
            }
            return false;
        }
        let (kind, told) = (row.best.kind(), row.summary().into_owned());
        if row.from == source {
            row.best = state;
            if let Some(at) =
                best_of(&row.others).filter(|at| row.others[*at].1.weight() > row.best.weight())
            {
                let (from, best) = row.others.swap_remove(at);
                row.others
                    .push((row.from, std::mem::replace(&mut row.best, best)));
                row.from = from;
            }
        } else {
            row.others.retain(|(s, _)| *s != source);
            if state.weight() > row.best.weight() {
                row.others
                    .push((row.from, std::mem::replace(&mut row.best, state)));
                row.from = source;
            } else {
                row.others.push((source, state));
            }
        }
        if row.best.kind() != kind {
            if let Some(kind) = kind.filter(|_| !planted::is(Bug::KeepsOldCount)) {
                self.counts.remove(kind);
            }
            if let Some(kind) = row.best.kind() {
                self.counts.add(kind);
            }
        }
        let changed = *row.summary() != told;
        if changed {
            self.mark_dirty(index);
        }
        changed
    }

    fn mark_dirty(&mut self, index: u32) {
        self.disk.changed(index);
        for sink in self.uplinks.values_mut() {
            sink.changed(index);
        }
    }
}

/// How long things take in a rollout of this order: a turn lasts as long as a plain job has to start.
pub(crate) fn spans(order: &JobOrder) -> Spans {
    Spans {
        window_ms: TURN_MS,
        run_ms: order
            .options
            .run_ms_max
            .unwrap_or(BATCH_RUN_MS)
            .saturating_add(RUN_END_MS),
        until: order.start_by,
    }
}

fn best_of(others: &[(Source, State)]) -> Option<usize> {
    (0..others.len()).max_by_key(|&at| others[at].1.weight())
}
