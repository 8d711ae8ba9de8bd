//! What the loop of a hub acts on beside links and store: trust, roots, late accounts, metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daemon::clock::Clock;
use daemon::metrics::HubMetrics;
use pki::{KeyStore, TrustStore};
use relay::{Hub, LinkId};
use tokio::sync::mpsc;
use wire::{
    Counts, IndexSet, Jid, JobEnvelope, JobOrder, Json, OutcomeKind, Presence, Role, SignerId,
    Standing,
};

use crate::engine::Surroundings;
use crate::errands::Errand;
use crate::events::{Bus, Chronicle};
use crate::job_journal::Journal;
use crate::parents::Parents;
use crate::roots::RootsHandle;
use crate::undecided::Question;

/// Outcomes that name a job's result when one of its minions has them; the first that is there does.
const WORST_FIRST: [OutcomeKind; 5] = [
    OutcomeKind::Failed,
    OutcomeKind::Lost,
    OutcomeKind::Unreachable,
    OutcomeKind::Expired,
    OutcomeKind::Refused,
];

/// The surroundings of a hub's loop.
pub struct HubSurroundings {
    /// The trust bundle in force.
    pub trust: Arc<Mutex<TrustStore>>,
    /// Names this hub's job key there.
    pub job_key: SignerId,
    /// Where it is kept.
    pub keys: Arc<KeyStore>,
    /// The roots.
    pub roots: RootsHandle,
    /// The parents.
    pub parents: Arc<Parents>,
    /// The event bus.
    pub bus: Arc<Bus>,
    /// What the hub knows by itself, for readers of events.
    pub chronicle: Arc<Mutex<Chronicle>>,
    /// The hub's clock.
    pub clock: Clock,
    /// What is done beside the loop.
    pub errands: mpsc::UnboundedSender<Errand>,
    /// What the metrics page shows.
    pub metrics: HubMetrics,
    /// Who ordered what.
    pub journal: Journal,
    /// What counters had at their last update.
    pub seen: Seen,
}

/// Totals of others, as the counters here saw them last.
#[derive(Debug, Default)]
pub struct Seen {
    returns: u64,
    refused: u64,
    drops: u64,
    roots_failed: bool,
}

impl HubSurroundings {
    fn chronicle(&self) -> MutexGuard<'_, Chronicle> {
        self.chronicle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Surroundings for HubSurroundings {
    fn trust_offered(&mut self, bundle: Json) -> Option<(Json, u64)> {
        match crate::trust::accept(&self.trust, &self.keys, &bundle) {
            Ok(newer) => newer,
            Err(error) => {
                tracing::warn!(
                    alarm = true,
                    "a parent offers a trust bundle that is not taken: {error:#}"
                );
                None
            }
        }
    }

    fn job_number(&self) -> Option<u8> {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        trust.signer(&self.job_key).map(|signer| signer.number)
    }

    fn has_other_tops(&self) -> bool {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        trust.has_other_tops(&self.job_key)
    }

    fn fetch_roots(&mut self) {
        self.roots.fetch();
    }

    fn parent_closed(&mut self, _link: LinkId, reason: &str, retry: bool) {
        tracing::warn!("a parent ended the session: {reason}");
        if !retry {
            self.parents.set_refused();
        }
    }

    fn child_welcomed(&mut self, link: LinkId, protocol: u16) {
        self.bus.child_welcomed(link, protocol);
    }

    fn child_refused(&mut self, link: LinkId) {
        self.bus.child_gone(link);
    }

    fn job_moved(&mut self, hub: &Hub, jid: Jid) {
        let now = self.clock.now();
        self.chronicle().job_moved(hub, jid, now);
    }

    fn job_finished(&mut self, hub: &Hub, jid: Jid, counts: &Counts) {
        if let Some(job) = hub.job(jid) {
            self.journal.finished(job, counts, self.clock.now());
        }
        let is_there = |kind: &OutcomeKind| counts.of(*kind) > 0;
        let result = WORST_FIRST.into_iter().find(is_there);
        let result = result.unwrap_or(OutcomeKind::Ok).as_str();
        self.metrics.jobs.with_label_values(&[result]).inc();
    }

    fn vouch(&mut self, envelope: &JobEnvelope) -> Option<Arc<JobOrder>> {
        let order: JobOrder = wire::codec::decode(&envelope.order).ok()?;
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        match trust.verify(envelope, order.issued) {
            Ok(order) => Some(order),
            Err(refusal) => {
                tracing::warn!(alarm = true, jid = %order.jid, "a job that is told from below is not taken: {refusal}");
                None
            }
        }
    }

    fn recall(&mut self, jid: Jid) {
        // Whoever listens lives as long as the process.
        let _ = self.errands.send(Errand::Recall(jid));
    }

    fn check_stage(&mut self, jid: Jid, stage: u32) {
        let _ = self.errands.send(Errand::CheckStage { jid, stage });
    }

    fn ask(&mut self, hub: &Hub, jid: Jid, who: &IndexSet) {
        if let Some(question) = Question::new(hub, jid, who) {
            let _ = self.errands.send(Errand::Answer(Box::new(question)));
        }
    }

    fn observe(&mut self, hub: &Hub) {
        let now = self.clock.now();
        self.chronicle().observe(hub, now);
        self.bus.observe();
        let stats = hub.stats();
        let metrics = &self.metrics;
        metrics.jobs_open.set(stats.jobs_open as i64);
        metrics
            .custody_backlog
            .set(i64::try_from(stats.backlog).unwrap_or(i64::MAX));
        metrics
            .returns
            .inc_by(stats.returns.saturating_sub(self.seen.returns));
        metrics
            .frames_refused
            .inc_by(stats.refused.saturating_sub(self.seen.refused));
        self.seen.returns = stats.returns;
        self.seen.refused = stats.refused;
        metrics
            .links
            .with_label_values(&["parent", "up"])
            .set(stats.parents as i64);
        let (mut minions, mut syndics) = (0, 0);
        let mut nodes = std::collections::BTreeMap::new();
        for node in hub.nodes() {
            let role = if node.role() == Role::Minion {
                "minion"
            } else {
                "syndic"
            };
            let state = match (node.standing(), node.link().presence) {
                (Standing::Accepted, Presence::Up) => "up",
                (Standing::Accepted, Presence::Down) => "down",
                (Standing::Accepted, Presence::CutOff) => "cut-off",
                (Standing::Pending, _) => "pending",
                (Standing::Rejected | Standing::Denied, _) => continue,
            };
            *nodes.entry((role, state)).or_insert(0) += 1;
            if state == "up" && node.is_direct() {
                if node.role() == Role::Minion {
                    minions += 1
                } else {
                    syndics += 1
                }
            }
        }
        for role in ["minion", "syndic"] {
            for state in ["up", "down", "cut-off", "pending"] {
                let count = nodes.get(&(role, state)).copied().unwrap_or(0);
                metrics
                    .roster_nodes
                    .with_label_values(&[role, state])
                    .set(count);
            }
        }
        metrics
            .links
            .with_label_values(&["minion", "down"])
            .set(minions);
        metrics
            .links
            .with_label_values(&["syndic", "down"])
            .set(syndics);
        let report = self.roots.report();
        metrics.set_roots_commit(&report.commit);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |d| d.as_secs_f64());
        metrics.roots_age.set(if report.checked == 0 {
            0.0
        } else {
            (now - report.checked as f64 / 1_000.0).max(0.0)
        });
        if report.error.is_some() && !self.seen.roots_failed {
            metrics.roots_errors.inc();
        }
        self.seen.roots_failed = report.error.is_some();
        if let Ok(drops) = link::udp::udp_receive_drops() {
            metrics
                .udp_receive_drops
                .inc_by(drops.saturating_sub(self.seen.drops));
            self.seen.drops = drops;
        }
    }
}
