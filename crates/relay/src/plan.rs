//! A rollout in turns: who may begin now, what stops it, when a stage is over.
//!
//! The plan lives at the job's origin alone, so that there is one budget for the whole tree. It sees the account row by row
//! ([`Plan::note`]) and answers with entries for the disk ([`Plan::decide`]); replaying the entries makes the same plan
//! again. A minion that has its turn takes a place. The place is free again when the account proves that the minion does
//! not run the job (any more), or when its lease has run out: then it can't have started late, and its run was bounded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wire::control::{Doing, Rollout};
use wire::{
    Amount, BatchPlan, Between, Halt, IndexSet, OutcomeKind, PlanRecord, Reason, ReasonCode,
    Release, SitePath, StopOn, StopRule, StopScope, UnixMillis,
};

use crate::planted::{self, Bug};
use crate::state::{State, is_withheld};

/// The clocks of two nodes of one tree differ by less than this; a lease lasts that much longer.
pub const CLOCK_SKEW_MS: u64 = 60_000;
/// Entries of one decision, at most: stages that are over at once. The rest is decided next.
pub(crate) const ENTRIES_MAX: usize = 64;

/// What one row counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    site: u32,
    /// Nobody has said that it began, and it is there: it can begin if it has its turn.
    queued: bool,
    /// It was heard to begin.
    begun: bool,
    failed: bool,
    unreachable: bool,
}

/// Sums over the rows of a site, or of all.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    expected: u64,
    failed: u64,
    unreachable: u64,
    /// Places that are taken, or stay empty for a while.
    places: u64,
    /// Minions that had their turn.
    turns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    round: u32,
    ends: UnixMillis,
    site: u32,
}

/// How long things take in one job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    /// A minion has so long to start when it is its turn.
    pub window_ms: u64,
    /// A run ends by itself within this time.
    pub run_ms: u64,
    /// Nothing begins after this.
    pub until: UnixMillis,
}

/// A rollout and how it stands.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    spec: BatchPlan,
    spans: Spans,
    /// How many were expected when everyone was named: what percentages are of.
    expected: Option<u64>,
    stage: u32,
    stage_over: Option<UnixMillis>,
    /// Whoever checks has been asked to, in this run of the hub.
    check_asked: bool,
    round: u32,
    rows: BTreeMap<u32, Mark>,
    waiting: BTreeMap<u32, BTreeSet<u32>>,
    places: BTreeMap<u32, Place>,
    /// When leases run out.
    ends: BTreeSet<(UnixMillis, u32)>,
    /// Were down when their turn came; not written down yet.
    turned_down: IndexSet,
    /// Places that stay empty until then.
    cooling: BTreeSet<(UnixMillis, u32, u32)>,
    turns: IndexSet,
    all: Tally,
    by_site: HashMap<u32, Tally>,
    sites: Vec<SitePath>,
    site_numbers: HashMap<SitePath, u32>,
    halted: Option<Reason>,
    halted_sites: BTreeSet<u32>,
}

impl Plan {
    pub(crate) fn new(spec: BatchPlan, spans: Spans) -> Self {
        Plan {
            spec,
            spans,
            expected: None,
            stage: 0,
            stage_over: None,
            check_asked: false,
            round: 0,
            rows: BTreeMap::new(),
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
            ends: BTreeSet::new(),
            turned_down: IndexSet::new(),
            cooling: BTreeSet::new(),
            turns: IndexSet::new(),
            all: Tally::default(),
            by_site: HashMap::new(),
            sites: Vec::new(),
            site_numbers: HashMap::new(),
            halted: None,
            halted_sites: BTreeSet::new(),
        }
    }

    pub(crate) fn stage(&self) -> u32 {
        self.stage
    }

    /// How it is to go and how far it is, but for turns.
    pub(crate) fn entries(&self) -> Vec<PlanRecord> {
        let mut entries = vec![PlanRecord::Plan(self.spec.clone())];
        let begun = self.expected.map(|expected| PlanRecord::Begun { expected });
        entries.extend(begun);
        if self.stage > 0 {
            entries.push(PlanRecord::Stage(self.stage));
        }
        let stage = self.stage;
        let over = self
            .stage_over
            .map(|at| PlanRecord::StageOver { stage, at });
        entries.extend(over);
        entries
    }

    pub(crate) fn between(&self) -> &Between {
        &self.spec.between
    }

    /// How it stands, for people.
    pub(crate) fn status(&self) -> Rollout {
        let all = self.expected.unwrap_or(self.all.expected);
        let goal = self.goal().min(all);
        Rollout {
            doing: self.doing(),
            stage: self.stage + 1,
            stages: self.stages(),
            goal,
            turns: self.all.turns,
            places: self.all.places,
            size: self.spec.size.map_or(goal, |size| size.of(all)),
        }
    }

    /// How many stages there are, with the last one that takes everybody.
    fn stages(&self) -> u32 {
        let all = self.expected.unwrap_or(self.all.expected);
        let takes_all = |amount: &Amount| amount.of(all) >= all;
        let named = self.spec.stages.iter().position(takes_all);
        named.map_or(self.spec.stages.len(), |last| last) as u32 + 1
    }

    fn doing(&self) -> Doing {
        if let Some(reason) = &self.halted {
            return Doing::Halted {
                reason: reason.text.clone(),
            };
        }
        match (self.expected, self.stage_over, &self.spec.between) {
            (None, ..) => Doing::Naming,
            (_, Some(at), Between::Pause(ms)) => Doing::Pausing {
                until: at.saturating_add(*ms),
            },
            (_, Some(_), Between::Confirm) => Doing::Asking,
            (_, Some(_), Between::Check { .. }) => Doing::Checking,
            _ => Doing::Rolling,
        }
    }

    fn site_number(&mut self, site: &SitePath) -> u32 {
        if let Some(number) = self.site_numbers.get(site) {
            return *number;
        }
        let number = self.sites.len() as u32;
        self.sites.push(site.clone());
        self.site_numbers.insert(site.clone(), number);
        number
    }

    /// The release that a minion had last; 0 for none.
    fn round_of(&self, index: u32) -> u32 {
        self.places.get(&index).map_or(0, |place| place.round)
    }

    /// Whether a minion's turn still takes a place.
    pub(crate) fn holds(&self, index: u32, round: u32) -> bool {
        self.places
            .get(&index)
            .is_some_and(|place| place.round == round)
    }

    /// A row of the account as it stands now: the best that is known, and what every source says.
    pub(crate) fn note<'a>(
        &mut self,
        now: UnixMillis,
        index: u32,
        site: &SitePath,
        best: &State,
        mut claims: impl Iterator<Item = &'a State>,
    ) {
        let site = self.site_number(site);
        let kind = best.kind();
        let round = self.round_of(index);
        let returned = matches!(best, State::Returned { .. });
        let may_run = round > 0 && !returned && claims.any(|claim| claim.may_run(round));
        // A turn that was turned down since the minion was away can be given again; any other can't.
        let again = matches!(best, State::Held(..));
        let mark = Mark {
            site,
            queued: matches!(best, State::Queued),
            begun: matches!(best, State::Running),
            failed: match kind {
                Some(OutcomeKind::Failed | OutcomeKind::Lost) => true,
                Some(OutcomeKind::Unreachable) => planted::is(Bug::CountsUnreachable),
                Some(OutcomeKind::Refused) => best.reason().is_some_and(|r| !is_withheld(r)),
                _ => false,
            },
            unreachable: matches!(kind, Some(OutcomeKind::Unreachable | OutcomeKind::Expired)),
        };
        if !may_run && let Some(place) = self.leave(index) {
            // Of the site that it had its turn at: a key may have moved since.
            let taken = match planted::is(Bug::FreesAtNewSite) {
                true => site,
                false => place.site,
            };
            self.vacate(now, index, taken, returned);
            if again {
                self.turned_down.insert(index);
                self.give_back(index, place.site);
            }
        }
        self.mark(index, kind.is_some().then_some(mark));
    }

    fn leave(&mut self, index: u32) -> Option<Place> {
        let place = self.places.remove(&index)?;
        self.ends.remove(&(place.ends, index));
        Some(place)
    }

    /// It did not begin: its turn is yet to come.
    fn give_back(&mut self, index: u32, site: u32) {
        if self.turns.remove(index) {
            self.all.turns -= 1;
            self.site_tally(site).turns -= 1;
        }
    }

    /// Takes a row into the sums, or out of them.
    fn mark(&mut self, index: u32, mark: Option<Mark>) {
        let before = self.rows.remove(&index);
        if let Some(before) = before {
            self.count(&before, u64::wrapping_sub);
            if let Some(waiting) = self.waiting.get_mut(&before.site) {
                waiting.remove(&index);
            }
        }
        let Some(mark) = mark else { return };
        self.count(&mark, u64::wrapping_add);
        if mark.queued && !self.turns.contains(index) {
            self.waiting.entry(mark.site).or_default().insert(index);
        }
        self.rows.insert(index, mark);
    }

    fn count(&mut self, mark: &Mark, change: fn(u64, u64) -> u64) {
        for tally in [&mut self.all, self.by_site.entry(mark.site).or_default()] {
            tally.expected = change(tally.expected, 1);
            tally.failed = change(tally.failed, u64::from(mark.failed));
            tally.unreachable = change(tally.unreachable, u64::from(mark.unreachable));
        }
    }

    fn site_tally(&mut self, site: u32) -> &mut Tally {
        self.by_site.entry(site).or_default()
    }

    /// A place is free, after a while if the plan wants that.
    fn vacate(&mut self, now: UnixMillis, index: u32, site: u32, cools: bool) {
        if cools && self.spec.wait_ms > 0 {
            self.cooling
                .insert((now.saturating_add(self.spec.wait_ms), index, site));
            return;
        }
        self.all.places -= 1;
        self.site_tally(site).places -= 1;
    }

    /// What is to be written down next, in order; the caller acts on an entry once it is on disk. `is_complete`: everyone is
    /// named.
    pub(crate) fn decide(&mut self, now: UnixMillis, is_complete: bool) -> Vec<PlanRecord> {
        let mut entries = Vec::new();
        while entries.len() < ENTRIES_MAX {
            let Some(entry) = self.next_entry(now, is_complete) else {
                break;
            };
            self.apply(&entry, None);
            entries.push(entry);
        }
        entries
    }

    fn next_entry(&mut self, now: UnixMillis, is_complete: bool) -> Option<PlanRecord> {
        self.free(now);
        if !self.turned_down.is_empty() {
            return Some(PlanRecord::TurnedDown(std::mem::take(
                &mut self.turned_down,
            )));
        }
        if self.halted.is_some() {
            return None;
        }
        if self.expected.is_none() {
            return is_complete.then_some(PlanRecord::Begun {
                expected: self.all.expected,
            });
        }
        if let Some(halt) = self.due_halt(now) {
            return Some(PlanRecord::Halted(halt));
        }
        if let Some(over) = self.stage_over {
            let goes_on = match self.spec.between {
                Between::Nothing => true,
                Between::Pause(ms) => now >= over.saturating_add(ms),
                Between::Confirm | Between::Check { .. } => false,
            };
            return goes_on.then_some(PlanRecord::Stage(self.stage + 1));
        }
        if let Some(release) = self.due_release(now) {
            return Some(PlanRecord::Released(release));
        }
        let is_over = self.places.is_empty() && self.all.turns >= self.goal();
        (is_over && !self.is_last_stage()).then_some(PlanRecord::StageOver {
            stage: self.stage,
            at: now,
        })
    }

    /// Places whose lease has run out, and those that stayed empty long enough.
    fn free(&mut self, now: UnixMillis) {
        while let Some(&(at, index, site)) = self.cooling.first()
            && at <= now
        {
            self.cooling.remove(&(at, index, site));
            self.all.places -= 1;
            self.site_tally(site).places -= 1;
        }
        while let Some(&(at, index)) = self.ends.first()
            && at <= now
        {
            self.ends.remove(&(at, index));
            if let Some(place) = self.places.remove(&index) {
                self.vacate(now, index, place.site, false);
                let Some(mark) = self.rows.get(&index).copied() else {
                    continue;
                };
                // Whoever has not begun by now can't any more with this turn, and may have another one.
                if !mark.begun {
                    self.turned_down.insert(index);
                    self.give_back(index, place.site);
                }
                self.mark(index, Some(mark));
            }
        }
    }

    fn is_last_stage(&self) -> bool {
        // After the named stages comes everybody.
        self.stage as usize >= self.spec.stages.len() || self.goal() >= self.expected.unwrap_or(0)
    }

    /// Minions that have had their turn when the stage is over.
    fn goal(&self) -> u64 {
        let all = self.expected.unwrap_or(0);
        match self.spec.stages.get(self.stage as usize) {
            Some(amount) => amount.of(all).min(all),
            None => u64::MAX,
        }
    }

    fn due_halt(&self, now: UnixMillis) -> Option<Halt> {
        let halt = |rule: &StopRule, tally: &Tally, site: Option<SitePath>| {
            let counted = match rule.on {
                StopOn::Failed => tally.failed,
                StopOn::Unreachable => tally.unreachable,
            };
            let place = site
                .as_ref()
                .map(|site| format!(" at {site}"))
                .unwrap_or_default();
            (counted > 0 && counted >= rule.at.of(tally.expected)).then(|| Halt {
                reason: Reason {
                    code: ReasonCode::Halted,
                    text: format!(
                        "the rollout stopped before its turn: {counted} of {}{place}, and it stops at {rule}",
                        tally.expected
                    ),
                    since: now,
                },
                site,
            })
        };
        let fleet = self
            .spec
            .stops
            .iter()
            .filter(|r| r.scope == StopScope::Fleet);
        let mut fleet = fleet.filter_map(|rule| halt(rule, &self.all, None));
        if let Some(halt) = fleet.next() {
            return Some(halt);
        }
        let by_site = self
            .spec
            .stops
            .iter()
            .filter(|r| r.scope == StopScope::Site);
        by_site
            .flat_map(|rule| self.by_site.iter().map(move |site| (rule, site)))
            .filter(|(_, (number, _))| !self.halted_sites.contains(number))
            .find_map(|(rule, (number, tally))| {
                halt(rule, tally, self.sites.get(*number as usize).cloned())
            })
    }

    /// Who begins now: one after the other from the site that had the fewest turns, so that a turn never takes one site
    /// alone.
    fn due_release(&self, now: UnixMillis) -> Option<Release> {
        if now >= self.spans.until {
            return None;
        }
        let expected = self.expected.unwrap_or(0);
        let budget = self.spec.size.map_or(u64::MAX, |size| size.of(expected));
        let spare = u64::from(planted::is(Bug::OneTooMany));
        let room = budget.saturating_add(spare).saturating_sub(self.all.places);
        let room = room.min(self.goal().saturating_sub(self.all.turns));
        if room == 0 {
            return None;
        }
        let per_site = self.spec.per_site.map_or(u64::MAX, u64::from);
        let mut queues = BTreeSet::new();
        let mut heads: HashMap<u32, (std::collections::btree_set::Iter<'_, u32>, u64)> =
            HashMap::new();
        for (site, waiting) in &self.waiting {
            let tally = self.by_site.get(site).copied().unwrap_or_default();
            let room = per_site.saturating_sub(tally.places);
            if waiting.is_empty() || room == 0 || self.halted_sites.contains(site) {
                continue;
            }
            queues.insert((tally.turns, *site));
            heads.insert(*site, (waiting.iter(), room));
        }
        let mut who = IndexSet::new();
        while (who.len() as u64) < room
            && let Some((turns, site)) = queues.pop_first()
        {
            let Some((head, site_room)) = heads.get_mut(&site) else {
                continue;
            };
            if let Some(index) = head.next()
                && *site_room > 0
            {
                who.insert(*index);
                *site_room -= 1;
                queues.insert((turns + 1, site));
            }
        }
        (!who.is_empty()).then(|| Release {
            round: self.round.saturating_add(1),
            until: (now + self.spans.window_ms).min(self.spans.until),
            who,
        })
    }

    /// Takes an entry in: one that was just decided, or, with the time at which the hub started again, one from the disk.
    pub(crate) fn apply(&mut self, entry: &PlanRecord, restarted: Option<UnixMillis>) {
        match entry {
            PlanRecord::Terms(_)
            | PlanRecord::Plan(_)
            | PlanRecord::Warrant(_)
            | PlanRecord::Owned(_) => {}
            PlanRecord::Begun { expected } => self.expected = Some(*expected),
            PlanRecord::Released(release) => self.released(release, restarted),
            PlanRecord::TurnedDown(who) => {
                for index in who.iter() {
                    let Some(site) = self.rows.get(&index).map(|mark| mark.site) else {
                        continue;
                    };
                    if self.leave(index).is_some() {
                        self.all.places -= 1;
                        self.site_tally(site).places -= 1;
                    }
                    self.give_back(index, site);
                }
            }
            PlanRecord::Stage(stage) => {
                self.stage = *stage;
                self.stage_over = None;
                self.check_asked = false;
            }
            PlanRecord::StageOver { at, .. } => self.stage_over = Some(*at),
            PlanRecord::Halted(halt) => match &halt.site {
                None => self.halted = Some(halt.reason.clone()),
                Some(site) => {
                    let number = self.site_number(site);
                    self.halted_sites.insert(number);
                }
            },
        }
    }

    fn released(&mut self, release: &Release, restarted: Option<UnixMillis>) {
        self.round = self.round.max(release.round);
        // A clock that was put forward while the hub was down must not end leases early.
        let until = release.until.max(restarted.unwrap_or(0));
        let run_ms = match planted::is(Bug::LeaseWithoutRun) {
            true => 0,
            false => self.spans.run_ms,
        };
        let ends = until.saturating_add(run_ms).saturating_add(CLOCK_SKEW_MS);
        for index in release.who.iter() {
            let Some(mark) = self.rows.get(&index).copied() else {
                continue;
            };
            let place = Place {
                round: release.round,
                ends,
                site: mark.site,
            };
            match self.places.insert(index, place) {
                Some(before) => {
                    self.ends.remove(&(before.ends, index));
                }
                None => {
                    self.all.places += 1;
                    self.site_tally(mark.site).places += 1;
                }
            }
            self.ends.insert((ends, index));
            if self.turns.insert(index) {
                self.all.turns += 1;
                self.site_tally(mark.site).turns += 1;
            }
            self.mark(index, Some(mark));
        }
    }

    /// Whoever checks between stages has to be asked now.
    pub(crate) fn wants_check(&mut self) -> bool {
        let wants = self.halted.is_none()
            && self.stage_over.is_some()
            && matches!(self.spec.between, Between::Check { .. })
            && !self.check_asked;
        self.check_asked |= wants;
        wants
    }

    /// Someone says that a stage may follow on `stage`; None when it is not asked for.
    pub(crate) fn go_on(&self, stage: u32) -> Option<PlanRecord> {
        let asks = self.halted.is_none() && self.stage_over.is_some() && stage == self.stage;
        asks.then_some(PlanRecord::Stage(stage + 1))
    }

    /// When time alone changes something.
    pub(crate) fn wake(&self) -> Option<UnixMillis> {
        if self.halted.is_some() {
            return None;
        }
        let lease = self.ends.first().map(|(at, _)| *at);
        let cool = self.cooling.first().map(|(at, ..)| *at);
        let pause = match (&self.spec.between, self.stage_over) {
            (Between::Pause(ms), Some(over)) => Some(over.saturating_add(*ms)),
            _ => None,
        };
        [lease, cool, pause].into_iter().flatten().min()
    }
}
