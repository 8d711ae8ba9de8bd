//! A job's account for people and programs: its summary, its progress by site, its whole ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::record::JobHead;
use wire::{
    Counts, JobEnvelope, JobOrder, Json, LedgerDelta, Reason, ReasonCode, UnixMillis, Warrant,
};

use crate::dispatch::target_of;
use crate::job::{Job, Origin};
use crate::state::{Source, State};

/// An account for people and programs.
#[derive(Debug, Clone, Copy)]
pub struct JobView<'a>(pub(crate) &'a Job);

/// An account read back from the disk.
#[derive(Debug)]
pub struct Replay(Job);

impl Replay {
    /// Builds the account of a stored job.
    pub fn new(head: JobHead, news: &[LedgerDelta], finished: Option<UnixMillis>) -> Self {
        let nobody = wire::Uid([0; 16]);
        let mut job = Job::replay_with(head, news, nobody, &|_| Source::Own);
        job.finished = finished;
        Replay(job)
    }

    /// The account.
    pub fn view(&self) -> JobView<'_> {
        JobView(&self.0)
    }
}

/// Finds the id and the site of a roster number.
pub type NameOf<'a> = &'a dyn Fn(u32) -> Option<(String, String)>;

/// One return in an account.
#[derive(Debug, Clone, Copy)]
pub struct Returned<'a> {
    /// The minion, in this hub's roster numbers.
    pub index: u32,
    /// As it returned.
    pub retcode: i32,
    /// As it returned.
    pub success: bool,
    /// JSON text.
    pub value: &'a Json,
}

impl<'a> JobView<'a> {
    /// The returns that are there.
    pub fn returns(self) -> impl Iterator<Item = Returned<'a>> {
        let values = self.0.values();
        self.0.rows().filter_map(move |(index, state)| match state {
            State::Returned {
                retcode,
                success,
                value,
                ..
            } => Some(Returned {
                index,
                retcode: *retcode,
                success: *success,
                value: values.get(*value as usize)?,
            }),
            _ => None,
        })
    }
}

impl JobView<'_> {
    /// Whether its last outcome is known.
    pub fn is_finished(&self) -> bool {
        self.0.finished.is_some()
    }

    /// The counts over all sites.
    pub fn counts(&self) -> Counts {
        self.0.counts()
    }

    /// Whether nobody has to wait for more outcomes: the last one is known, or the store knows more than this hub's memory.
    pub fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// Whether every expected minion is named.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    /// The order; None for an account that began with a return alone.
    pub fn order(&self) -> Option<&JobOrder> {
        self.0.order.as_deref()
    }

    /// The same, to keep.
    pub fn shared_order(&self) -> Option<Arc<JobOrder>> {
        self.0.order.clone()
    }

    /// As it travels.
    pub fn envelope(&self) -> &JobEnvelope {
        &self.0.head.envelope
    }

    /// Why it may pass over the rules of sites, when it may; nobody has looked at the signature.
    pub fn warrant(&self) -> Option<&Warrant> {
        self.0.warrant.as_ref()
    }

    /// Minions for which nobody can say whether the job means them.
    pub fn undecided(&self) -> usize {
        let states = self.0.rows().map(|(_, state)| state);
        states
            .filter(|state| matches!(state, State::Undecided(_)))
            .count()
    }

    /// Whether it is a job that this hub ordered.
    pub fn is_own(&self) -> bool {
        self.0.origin == Origin::Own
    }

    /// Whether this hub owns it and did not order it, and that is on disk.
    pub fn is_adopted(&self) -> bool {
        self.0.owner.is_some() && self.0.is_owner_saved && self.is_own()
    }

    /// The top-master that adopted it, and that is on disk; None: whoever ordered it owns it.
    pub fn adopter(&self) -> Option<wire::Uid> {
        let owner = self.0.owner.filter(|_| self.0.is_owner_saved);
        owner.map(|owner| owner.hub)
    }

    /// Whether another top-master ordered it, or has adopted it: it can be adopted here.
    pub fn is_beside(&self) -> bool {
        self.0.origin == Origin::Beside
    }

    /// Whether nothing is awaited but minions that are down, for which the job is kept.
    pub fn waits_for_held_alone(&self) -> bool {
        let counts = self.0.counts();
        let held = self.0.rows().filter(|(_, s)| matches!(s, State::Held(..)));
        self.is_complete() && counts.running == 0 && counts.queued == held.count() as u64
    }

    /// Numbers of the nodes that it names.
    pub fn named(&self) -> impl Iterator<Item = u32> + use<'_> {
        self.0.rows().map(|(index, _)| index)
    }

    /// Numbers of the minions that are known to run it.
    pub fn running(&self) -> impl Iterator<Item = u32> + use<'_> {
        let running = |(_, state): &(u32, &State)| matches!(state, State::Running);
        self.0.rows().filter(running).map(|(index, _)| index)
    }

    /// Minions that run it, may run it out of sight, or could still start it: those whom a cancellation has to reach.
    pub fn may_run(&self) -> Vec<u32> {
        let job = self.0;
        let may = |(index, state): (u32, &State)| {
            let given = !job.terms.by_release || job.leases.contains_key(&index);
            // Named by the mirror alone: the site has not had the job.
            let mirrored = || job.sources.values().any(|s| s.mirrored.contains(index));
            let told = match state {
                State::Running => true,
                State::Queued => given,
                State::Unreachable(reason) => reason.code != ReasonCode::MinionDown && !mirrored(),
                State::Held(reason, _) => match reason.code {
                    ReasonCode::ConnectionLost => true,
                    // The site was cut off before it could say that the minion had begun.
                    ReasonCode::SiteCutOff => given && !mirrored(),
                    _ => false,
                },
                _ => false,
            };
            told.then_some(index)
        };
        job.rows().filter_map(may).collect()
    }

    /// What its rollout runs between stages.
    pub fn check(&self) -> Option<&wire::Between> {
        self.0.plan.as_ref().map(|plan| plan.between())
    }

    /// Which job.
    pub fn jid(&self) -> wire::Jid {
        self.0.jid()
    }

    /// The job in one line.
    pub fn summary(&self) -> wire::control::JobSummary {
        let order = self.order();
        wire::control::JobSummary {
            jid: self.0.jid(),
            fun: order.map(|o| o.fun.clone()).unwrap_or_default(),
            target: order.map(|o| o.target.typed.clone()).unwrap_or_default(),
            user: order.map(|o| o.user.clone()).unwrap_or_default(),
            origin: order.map(|o| o.origin_id.to_string()).unwrap_or_default(),
            issued: order.map_or(self.0.head.received, |o| o.issued),
            finished: self.0.finished,
            counts: self.0.counts(),
        }
    }

    /// Counts by site; `cut_since` tells since when a site is cut off.
    pub fn progress(
        &self,
        name_of: NameOf<'_>,
        cut_since: &dyn Fn(&str) -> Option<UnixMillis>,
        now: UnixMillis,
    ) -> wire::control::Progress {
        let mut sites: BTreeMap<String, Counts> = BTreeMap::new();
        for (index, state) in self.0.rows() {
            let Some(kind) = state.kind() else { continue };
            let path = name_of(index).map(|(_, path)| path).unwrap_or_default();
            sites.entry(path).or_default().add(kind);
        }
        wire::control::Progress {
            jid: self.0.jid(),
            complete: self.0.is_complete(),
            finished: self.0.finished.is_some(),
            counts: self.0.counts(),
            rollout: self.0.plan.as_ref().map(crate::plan::Plan::status),
            steps: None,
            sites: sites
                .into_iter()
                .map(|(path, counts)| {
                    let cut_since = cut_since(&path);
                    wire::control::SiteCounts {
                        counts,
                        as_of: cut_since.unwrap_or(now),
                        cut_since,
                        path,
                    }
                })
                .collect(),
        }
    }

    /// The whole account.
    pub fn ledger(
        &self,
        name_of: NameOf<'_>,
        cut_since: &dyn Fn(&str) -> Option<UnixMillis>,
        now: UnixMillis,
    ) -> wire::control::Ledger {
        let job = self.0;
        let order = self.order();
        let null: Json = b"null".as_slice().into();
        let mut minions = Vec::new();
        let mut undecided = Vec::new();
        let issued = order.map_or(job.head.received, |o| o.issued);
        for (index, state) in job.rows() {
            let (id, path) = name_of(index).unwrap_or_else(|| (format!("#{index}"), String::new()));
            if let State::Undecided(reason) = state {
                undecided.push((id, (**reason).clone()));
                continue;
            }
            let Some(kind) = state.kind() else { continue };
            let mut row = wire::control::LedgerRow {
                id,
                path,
                kind,
                retcode: None,
                value: None,
                started: None,
                duration_ms: None,
                reason: state.reason().map(|r| (**r).clone()),
            };
            if let State::Returned {
                retcode,
                value,
                timing,
                ..
            } = state
            {
                row.retcode = Some(*retcode);
                row.value = Some(*value);
                row.started = Some(issued + u64::from(timing.start_offset_ms));
                row.duration_ms = Some(timing.duration_ms);
            }
            minions.push(row);
        }
        minions.sort_by(|a, b| a.id.cmp(&b.id));
        undecided.sort_by(|a, b| a.0.cmp(&b.0));
        let unknown = match order.filter(|_| job.is_complete()) {
            Some(order) => unknown_ids(order, &minions, &undecided),
            None => Vec::new(),
        };
        wire::control::Ledger {
            progress: self.progress(name_of, cut_since, now),
            fun: order.map(|o| o.fun.clone()).unwrap_or_default(),
            args: order.map_or_else(|| null.clone(), |o| o.args.clone()),
            kwargs: order.map_or_else(|| null.clone(), |o| o.kwargs.clone()),
            target: order.map(|o| o.target.typed.clone()).unwrap_or_default(),
            user: order.map(|o| o.user.clone()).unwrap_or_default(),
            origin: order.map(|o| o.origin_id.to_string()).unwrap_or_default(),
            roots: order.and_then(|o| o.options.roots.clone()),
            issued,
            finished: job.finished,
            minions,
            values: job.values().to_vec(),
            unknown,
            undecided,
            owner: None,
        }
    }
}

/// Ids that the target names literally and that are in nobody's account.
fn unknown_ids(
    order: &JobOrder,
    minions: &[wire::control::LedgerRow],
    undecided: &[(String, Reason)],
) -> Vec<String> {
    let target = target_of(order).ok();
    let Some(mut ids) = target.and_then(|t| t.literal_ids()) else {
        return Vec::new();
    };
    for row in minions {
        ids.remove(&row.id);
    }
    for (id, _) in undecided {
        ids.remove(id);
    }
    ids.into_iter().collect()
}
