//! One job's account at one hub: who is expected, how each stands, and what has been told to whom.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use wire::record::JobHead;
use wire::{
    Counts, Halt, IndexSet, Jid, JobOrder, Json, LedgerDelta, Outcome, OutcomeGroup, PlanRecord,
    Reason, Release, Terms, Timing, Uid, UnixMillis, ValueRef, limits,
};

use crate::LinkId;
use crate::bounds;
use crate::plan::{Plan, Spans};
use crate::planted::{self, Bug};
use crate::rollout::PROTOCOL_TERMS;
use crate::state::{Source, State};

/// Values up to this many bytes travel with every group; longer ones are defined once a session and named by
/// number after that. A number costs up to five bytes and a table entry at both ends.
const INLINE_MAX: usize = 32;
/// Bytes of values in one delta, after which the rest waits for the next one: small enough to keep
/// a link's other messages moving.
const DELTA_BYTES_MAX: usize = 1 << 20;

/// A minion that has its turn must have started after so long. Short of a cut, that takes a round trip and two writes.
const TURN_MS: u64 = 120_000;
/// How long a run in a rollout lasts that has no bound of its own. Hubs give every such order a bound; this is for those
/// that come from elsewhere.
pub const BATCH_RUN_MS: u64 = 3_600_000;
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

/// What one reader of the account (the disk, or a parent in one session) has been told.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    /// In words of this protocol.
    protocol: u16,
    serial: u32,
    acked: u32,
    complete_told: bool,
    defined: HashSet<u32>,
    dirty: IndexSet,
}

impl Default for Sink {
    fn default() -> Self {
        Sink {
            protocol: wire::PROTOCOL,
            serial: 0,
            acked: 0,
            complete_told: false,
            defined: HashSet::new(),
            dirty: IndexSet::new(),
        }
    }
}

impl Sink {
    /// Deltas that were told and not acknowledged.
    pub(crate) fn in_flight(&self) -> u32 {
        self.serial - self.acked
    }

    /// Minions of which it has yet to hear.
    pub(crate) fn unsaved(&self) -> impl Iterator<Item = u32> + '_ {
        self.dirty.iter()
    }

    pub(crate) fn acked(&mut self, serial: u32) {
        self.acked = self.acked.max(serial.min(self.serial));
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
}

/// A turn that was given to a minion and not turned down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub round: u32,
    pub until: UnixMillis,
}

/// What a child hub has told of the job.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceState {
    /// Every expected minion below it is named (or it is cut off, and the mirror named them).
    pub complete: bool,
    /// It told of the job in its present session.
    pub told: bool,
    /// Minions that are named by this hub's mirror alone: the child has not had the job.
    pub mirrored: IndexSet,
    /// Minions of which it said something before, and nothing yet in its present session.
    pub silent: IndexSet,
    /// It has told all that it knew when its present session began.
    pub resumed: bool,
    values: HashMap<u32, u32>,
}

/// The search for the order of an account that began with returns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recall {
    /// Deltas that can be acknowledged once the account is on disk.
    pub unacked: Vec<(LinkId, u32)>,
    /// Children were asked.
    pub asked: bool,
}

/// The account.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub head: JobHead,
    /// None for an account that began with a return of a job that this hub never saw.
    pub order: Option<Arc<JobOrder>>,
    pub origin: Origin,
    pub terms: Terms,
    /// Turns of a job that goes by release.
    pub leases: BTreeMap<u32, Lease>,
    /// Where nobody begins any more.
    pub halts: Vec<Halt>,
    /// At the origin of a job that goes by release.
    pub plan: Option<Plan>,
    /// Rows that the plan has not seen as they are now.
    pub plan_dirty: IndexSet,
    /// What is known of it is being looked for; until then nothing of the account goes to the disk.
    pub recall: Option<Recall>,
    pub sources: BTreeMap<Uid, SourceState>,
    pub finished: Option<UnixMillis>,
    /// Returns that the origin has on disk.
    pub settled: IndexSet,
    pub disk: Sink,
    pub uplinks: BTreeMap<Uid, Sink>,
    rows: BTreeMap<u32, Row>,
    counts: Counts,
    values: Vec<Json>,
    numbers: HashMap<Json, u32>,
    own_complete: bool,
}

impl Job {
    /// An account at the hub `me`.
    pub(crate) fn new(head: JobHead, order: Option<Arc<JobOrder>>, me: Uid) -> Self {
        let origin = match &order {
            Some(order) if order.origin == me => Origin::Own,
            Some(_) if head.parents.contains(&me) => Origin::Below,
            _ => Origin::Above,
        };
        Job {
            head,
            order,
            origin,
            terms: Terms::default(),
            leases: BTreeMap::new(),
            halts: Vec::new(),
            plan: None,
            plan_dirty: IndexSet::new(),
            recall: None,
            sources: BTreeMap::new(),
            finished: None,
            settled: IndexSet::new(),
            disk: Sink::default(),
            uplinks: BTreeMap::new(),
            rows: BTreeMap::new(),
            counts: Counts::default(),
            values: Vec::new(),
            numbers: HashMap::new(),
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
            None => signer == Some(signer_of(self.jid())),
        }
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
            // A hub below settles its own.
            && (self.origin == Origin::Below
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
                    self.leases.remove(&index);
                }
            }
            PlanRecord::Halted(halt) => {
                if !self.halts.iter().any(|known| known.site == halt.site) {
                    self.halts.push(halt.clone());
                }
            }
            PlanRecord::Begun { .. } | PlanRecord::Stage(_) | PlanRecord::StageOver { .. } => {}
        }
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
                    sink.dirty.insert(index);
                }
            }
            return false;
        }
        let before = row.best.clone();
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
        if row.best == before {
            return false;
        }
        if let Some(kind) = before.kind()
            && !planted::is(Bug::KeepsOldCount)
        {
            self.counts.remove(kind);
        }
        if let Some(kind) = row.best.kind() {
            self.counts.add(kind);
        }
        self.mark_dirty(index);
        true
    }

    fn mark_dirty(&mut self, index: u32) {
        self.disk.dirty.insert(index);
        for sink in self.uplinks.values_mut() {
            sink.dirty.insert(index);
        }
    }

    /// A parent is told everything again: its session begins, or it asked. Serials count on within a session, also
    /// from an account of the same job that was let go: `told` is the last one.
    pub(crate) fn begin_uplink(&mut self, parent: Uid, protocol: u16, told: u32) {
        let sink = self.uplinks.entry(parent).or_insert_with(|| Sink {
            serial: told,
            acked: told,
            ..Sink::default()
        });
        *sink = Sink {
            protocol,
            serial: sink.serial,
            acked: sink.acked,
            dirty: self.rows.keys().copied().collect(),
            ..Sink::default()
        };
    }

    /// Whether this parent has something to hear.
    pub(crate) fn has_news(&self, sink: &Sink) -> bool {
        !sink.dirty.is_empty() || (self.is_complete() && !sink.complete_told)
    }

    /// What the disk has to hear; None when nothing changed.
    pub(crate) fn disk_delta(&mut self) -> Option<LedgerDelta> {
        let mut sink = std::mem::take(&mut self.disk);
        let delta = self.delta(&mut sink, true);
        sink.acked = sink.serial;
        self.disk = sink;
        delta
    }

    /// The next news for a parent; None when it knows everything that is on disk. What changed since the last batch
    /// is not, and waits for the next one.
    pub(crate) fn uplink_delta(&mut self, parent: Uid) -> Option<LedgerDelta> {
        let mut sink = self.uplinks.remove(&parent)?;
        let mut unsaved = IndexSet::new();
        for index in self.disk.dirty.iter().filter(|i| sink.dirty.contains(*i)) {
            if planted::is(Bug::TellsUnsaved) {
                break;
            }
            unsaved.insert(index);
        }
        for index in unsaved.iter() {
            sink.dirty.remove(index);
        }
        let named = !self.is_complete() || self.disk.complete_told;
        let is_all = named && unsaved.is_empty();
        let delta = match sink.dirty.is_empty() && !is_all {
            true => None,
            false => self.delta(&mut sink, is_all || planted::is(Bug::CompleteTooSoon)),
        };
        if planted::is(Bug::LosesUnsaved) {
            unsaved = IndexSet::new();
        }
        sink.dirty.extend(&unsaved);
        self.uplinks.insert(parent, sink);
        delta
    }

    /// `is_all`: what `sink` has is all that there is, so that it may hear that the account is complete.
    fn delta(&self, sink: &mut Sink, is_all: bool) -> Option<LedgerDelta> {
        if !self.has_news(sink) {
            return None;
        }
        let mut groups: HashMap<GroupKey, usize> = HashMap::new();
        let mut out: Vec<OutcomeGroup> = Vec::new();
        let mut bytes = 0;
        let mut told = Vec::new();
        for index in sink.dirty.iter() {
            if bytes >= DELTA_BYTES_MAX || told.len() >= limits::LEDGER_ROWS_PER_FRAME {
                break;
            }
            told.push(index);
            let Some(row) = self.rows.get(&index) else {
                continue;
            };
            let at = *groups.entry(GroupKey::of(&row.best)).or_insert_with(|| {
                out.push(OutcomeGroup {
                    outcome: self.outcome(&row.best, sink.protocol, &mut sink.defined, &mut bytes),
                    who: IndexSet::new(),
                    timings: Vec::new(),
                });
                out.len() - 1
            });
            out[at].who.insert(index);
            if let State::Returned { timing, .. } = row.best {
                out[at].timings.push(timing);
            }
        }
        for index in &told {
            sink.dirty.remove(*index);
        }
        let complete = is_all && self.is_complete() && sink.dirty.is_empty();
        sink.complete_told |= complete;
        sink.serial += 1;
        Some(LedgerDelta {
            jid: self.jid(),
            serial: sink.serial,
            roster: 0,
            complete,
            groups: out,
        })
    }

    fn outcome(
        &self,
        state: &State,
        protocol: u16,
        defined: &mut HashSet<u32>,
        bytes: &mut usize,
    ) -> Outcome {
        let reason = |reason: &Reason| Reason {
            code: reason.code.in_protocol(protocol),
            ..reason.clone()
        };
        match state {
            State::Queued => Outcome::Queued,
            State::Running => Outcome::Running,
            State::Returned {
                retcode,
                success,
                value,
                ..
            } => {
                let json = self
                    .values
                    .get(*value as usize)
                    .cloned()
                    .unwrap_or_else(|| b"null".as_slice().into());
                let value = if json.len() <= INLINE_MAX {
                    ValueRef::Inline(json)
                } else if defined.insert(*value) {
                    *bytes += json.len();
                    ValueRef::Define(*value, json)
                } else {
                    ValueRef::Known(*value)
                };
                Outcome::Returned {
                    retcode: *retcode,
                    success: *success,
                    value,
                }
            }
            State::Unreachable(r) => Outcome::Unreachable(reason(r)),
            State::Lost(r) => Outcome::Lost(reason(r)),
            State::Refused(r) => Outcome::Refused(reason(r)),
            State::Expired(r) => Outcome::Expired(reason(r)),
            State::Withdrawn => Outcome::Withdrawn,
            State::Undecided(r) => Outcome::Undecided(reason(r)),
            State::Held(..) if protocol < 2 => Outcome::Queued,
            State::Held(r, round) => Outcome::Held {
                reason: reason(r),
                round: *round,
            },
        }
    }

    /// Takes in what a child hub tells. `ours` translates its numbers; minions that it may not speak of are
    /// left out. True when the account changed.
    pub(crate) fn apply(
        &mut self,
        hub: Uid,
        delta: &LedgerDelta,
        ours: impl Fn(u32) -> Option<u32>,
    ) -> bool {
        let source = Source::Hub(hub);
        let was_complete = self.is_complete();
        let told = self.source_from(hub, was_complete);
        if delta.serial == 1 {
            told.values.clear();
        }
        let mut changed = false;
        for group in &delta.groups {
            let Some(state) = self.state_of(hub, &group.outcome) else {
                continue;
            };
            for (nth, theirs) in group.who.iter().enumerate() {
                let Some(index) = ours(theirs) else { continue };
                if let Some(told) = self.sources.get_mut(&hub) {
                    told.silent.remove(index);
                }
                let mut state = state.clone();
                if let State::Returned { timing, .. } = &mut state {
                    *timing = group.timings.get(nth).copied().unwrap_or_default();
                }
                if let Some(told) = self.sources.get_mut(&hub) {
                    told.mirrored.remove(index);
                }
                changed |= self.claim(index, source, state);
            }
        }
        let told = self.sources.entry(hub).or_default();
        told.told = true;
        told.complete |= delta.complete;
        if delta.complete {
            // The mirror named them, and the site itself does not.
            let absent = std::mem::take(&mut told.mirrored);
            for index in absent.iter() {
                if let Some(State::Held(..)) = self.claim_of(index, source) {
                    changed |= self.claim(index, source, State::Withdrawn);
                }
            }
        }
        changed || was_complete != self.is_complete()
    }

    /// What this child hub has told. One that was not asked has nobody to name, so it never makes the account incomplete.
    pub(crate) fn source_from(&mut self, hub: Uid, complete: bool) -> &mut SourceState {
        self.sources.entry(hub).or_insert_with(|| SourceState {
            complete: complete && !planted::is(Bug::UnaskedMustName),
            ..SourceState::default()
        })
    }

    /// A child hub's session begins: it has told nothing yet.
    pub(crate) fn source_returns(&mut self, hub: Uid) {
        if self.sources.contains_key(&hub) {
            let silent = self.claimed_by(Source::Hub(hub)).into_iter().collect();
            let told = self.sources.entry(hub).or_default();
            told.told = false;
            told.resumed = false;
            told.silent = silent;
        }
    }

    fn state_of(&mut self, hub: Uid, outcome: &Outcome) -> Option<State> {
        Some(match outcome {
            Outcome::Queued => State::Queued,
            Outcome::Running => State::Running,
            Outcome::Returned {
                retcode,
                success,
                value,
            } => {
                let value = match value {
                    ValueRef::Inline(json) => self.intern(json.clone()),
                    ValueRef::Define(theirs, json) => {
                        let number = self.intern(json.clone());
                        self.sources
                            .entry(hub)
                            .or_default()
                            .values
                            .insert(*theirs, number);
                        number
                    }
                    ValueRef::Known(theirs) => *self.sources.get(&hub)?.values.get(theirs)?,
                };
                State::Returned {
                    retcode: *retcode,
                    success: *success,
                    value,
                    timing: Timing::default(),
                }
            }
            Outcome::Unreachable(r) => State::Unreachable(bounds::reason(r)),
            Outcome::Lost(r) => State::Lost(bounds::reason(r)),
            Outcome::Refused(r) => State::Refused(bounds::reason(r)),
            Outcome::Expired(r) => State::Expired(bounds::reason(r)),
            Outcome::Withdrawn => State::Withdrawn,
            Outcome::Undecided(r) => State::Undecided(bounds::reason(r)),
            Outcome::Held { reason, round } => State::Held(bounds::reason(reason), *round),
        })
    }

    /// Whether parents hear of it without having asked: what a site ordered by itself is told as history, in protocol 1 to
    /// nobody; returns without an order are told, for someone above may know it.
    pub(crate) fn is_told_to(&self, protocol: u16, signer: Option<u8>) -> bool {
        let own = self.is_own(signer);
        self.recall.is_none()
            && match self.order {
                Some(_) => self.origin != Origin::Above && protocol >= PROTOCOL_TERMS,
                None => !own || protocol >= PROTOCOL_TERMS,
            }
    }

    /// Takes in an account that began before this one was found. Gives the returns that were settled before.
    pub(crate) fn take_in(&mut self, orphan: Job) -> IndexSet {
        let numbers: Vec<u32> = orphan
            .values
            .iter()
            .map(|v| self.intern(v.clone()))
            .collect();
        let number = |theirs: u32| numbers.get(theirs as usize).copied().unwrap_or(0);
        let mut again = IndexSet::new();
        for (index, row) in orphan.rows {
            let first = (row.from, row.best);
            for (source, mut state) in std::iter::once(first).chain(row.others) {
                if let State::Returned { value, .. } = &mut state {
                    *value = number(*value);
                    if self.settled.contains(index) {
                        again.insert(index);
                    }
                }
                self.claim(index, source, state);
            }
        }
        for (hub, told) in orphan.sources {
            let mine = self.source_from(hub, told.complete);
            mine.told |= told.told;
            mine.complete |= told.complete;
            mine.values = told
                .values
                .into_iter()
                .map(|(theirs, ours)| (theirs, number(ours)))
                .collect();
        }
        again
    }

    /// Builds an account again from the disk. Who said what is not kept there; `source_of` tells whose word it
    /// must have been.
    pub(crate) fn replay_with(
        head: JobHead,
        news: &[LedgerDelta],
        me: Uid,
        source_of: &dyn Fn(u32) -> Source,
    ) -> Self {
        let order = wire::codec::decode::<JobOrder>(&head.envelope.order)
            .ok()
            .map(Arc::new);
        let mut job = Job::new(head, order, me);
        // The disk's numbers of values are defined in its own deltas, under a name that no hub has.
        let disk = Uid([0; 16]);
        for delta in news {
            let mut relabelled = delta.clone();
            relabelled.serial = relabelled.serial.max(2);
            job.apply_as(disk, source_of, &relabelled);
            job.own_complete |= delta.complete;
        }
        job.sources.remove(&disk);
        // The numbers that the disk knows are this replay's own no longer: later deltas define values anew.
        job.disk = Sink {
            serial: news.last().map_or(0, |d| d.serial),
            complete_told: job.own_complete,
            ..Sink::default()
        };
        job
    }

    fn apply_as(
        &mut self,
        dictionary: Uid,
        source_of: &dyn Fn(u32) -> Source,
        delta: &LedgerDelta,
    ) {
        for group in &delta.groups {
            let Some(state) = self.state_of(dictionary, &group.outcome) else {
                continue;
            };
            for (nth, index) in group.who.iter().enumerate() {
                let mut state = state.clone();
                if let State::Returned { timing, .. } = &mut state {
                    *timing = group.timings.get(nth).copied().unwrap_or_default();
                }
                self.claim(index, source_of(index), state);
            }
        }
    }
}

/// How long things take in a rollout of this order: a turn lasts as long as a plain job has to start.
fn spans(order: &JobOrder) -> Spans {
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

/// The number of the key that signed a job: the last two digits of its jid.
pub(crate) fn signer_of(jid: Jid) -> u8 {
    let digits = jid.to_string();
    digits
        .bytes()
        .skip(digits.len().saturating_sub(2))
        .fold(0, |number, digit| number * 10 + (digit - b'0'))
}

fn best_of(others: &[(Source, State)]) -> Option<usize> {
    (0..others.len()).max_by_key(|&at| others[at].1.weight())
}

/// What makes outcomes equal enough to fold.
#[derive(PartialEq, Eq, Hash)]
enum GroupKey {
    Plain(u8),
    Returned(i32, bool, u32),
    Reasoned(u8, Arc<Reason>),
    Held(Arc<Reason>, u32),
}

impl GroupKey {
    fn of(state: &State) -> GroupKey {
        match state {
            State::Returned {
                retcode,
                success,
                value,
                ..
            } => GroupKey::Returned(*retcode, *success, *value),
            State::Queued => GroupKey::Plain(0),
            State::Running => GroupKey::Plain(1),
            State::Withdrawn => GroupKey::Plain(2),
            State::Unreachable(r) => GroupKey::Reasoned(0, r.clone()),
            State::Lost(r) => GroupKey::Reasoned(1, r.clone()),
            State::Refused(r) => GroupKey::Reasoned(2, r.clone()),
            State::Expired(r) => GroupKey::Reasoned(3, r.clone()),
            State::Undecided(r) => GroupKey::Reasoned(4, r.clone()),
            State::Held(r, round) => GroupKey::Held(r.clone(), *round),
        }
    }
}
