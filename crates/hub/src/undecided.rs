//! Minions of this hub about which what the roster has does not decide: a target wants something of their pillar, or the site has
//! rules about orders from above. The pillars are made here, at the job's state of the roots, and stay here: what leaves is who
//! is meant.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use gitsync::Snapshot;
use relay::{Answer, Hub, HubInput, RosterView};
use serde_json::Value;
use sha2::{Digest, Sha256};
use targeting::{Facts, Kind, Nodegroups, Target, Verdict};
use tokio::task::JoinSet;
use wire::{IndexSet, Jid, JobEnvelope, JobOrder, Json, NodeId, SitePath, Warrant};

use crate::pillars::{Asked, Pillars};
use crate::roots::RootsHandle;
use crate::service::Service;

/// Pillars that are asked for at once: so many at most stand before one that a minion asks for itself.
const AT_ONCE: usize = 64;
/// Bytes of pillars that are kept for the next target, as JSON text.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A minion, and what its pillar is made of.
#[derive(Debug, Clone)]
pub struct Undecided {
    pub(crate) index: u32,
    id: NodeId,
    path: SitePath,
    /// None when they were never heard: there is no pillar then.
    grains: Option<Json>,
}

impl Undecided {
    fn of(node: RosterView<'_>) -> Undecided {
        Undecided {
            index: node.index(),
            id: node.id().clone(),
            path: node.path().clone(),
            grains: node.grains().cloned(),
        }
    }
}

/// What the machine asks about a job, or an inquiry.
#[derive(Debug)]
pub struct Question {
    order: Arc<JobOrder>,
    envelope: JobEnvelope,
    warrant: Option<Warrant>,
    minions: Vec<Undecided>,
    /// Nobody is to run it.
    is_inquiry: bool,
}

impl Question {
    /// About these minions, by their numbers; None for one that is gone.
    pub fn new(hub: &Hub, jid: Jid, who: &IndexSet) -> Option<Question> {
        let nodes = who.iter().filter_map(|index| hub.node(index));
        let minions = nodes.map(Undecided::of).collect();
        if let Some(inquiry) = hub.inquiry(jid) {
            return Some(Question {
                order: inquiry.order.clone(),
                envelope: inquiry.envelope.clone(),
                warrant: inquiry.warrant.clone(),
                minions,
                is_inquiry: true,
            });
        }
        let job = hub.job(jid)?;
        Some(Question {
            order: job.shared_order()?,
            envelope: job.envelope().clone(),
            warrant: job.warrant().cloned(),
            minions,
            is_inquiry: false,
        })
    }
}

/// What pillars decide, for minions of this hub by number.
#[derive(Debug, Clone, Default)]
pub struct Decided(HashMap<u32, Verdict>);

impl Decided {
    /// The verdict about a minion for which the roster has this one.
    pub fn verdict(&self, node: RosterView<'_>, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Unknown => *self.0.get(&node.index()).unwrap_or(&verdict),
            decided => decided,
        }
    }
}

/// Matches targets with pillars, and keeps these for a while: a job asks for them twice, and the next one again.
pub struct Matcher {
    roots: RootsHandle,
    pillars: Arc<Pillars>,
    kept: Mutex<Kept>,
}

impl Matcher {
    /// With pillars made by `pillars` from `roots`.
    pub fn new(roots: RootsHandle, pillars: Arc<Pillars>) -> Matcher {
        Matcher {
            roots,
            pillars,
            kept: Mutex::default(),
        }
    }

    /// The roots as targets see them: at a state, or at the one in service. A state that is not here is fetched, once for all
    /// minions that are asked about.
    async fn view(&self, target: &Target, roots: Option<&str>) -> View {
        let state = roots.map(str::to_owned).or_else(|| self.roots.served());
        let snapshot = match target.needs_pillar() {
            true => self.roots.pillar_snapshot(state.as_deref()).await,
            false => Ok(None),
        };
        View {
            state: state.unwrap_or_default(),
            snapshot,
        }
    }

    /// Whether the target means each of these minions.
    async fn decide(
        self: &Arc<Self>,
        target: &Target,
        view: &Arc<View>,
        minions: &[Undecided],
    ) -> Vec<(u32, Answer)> {
        let mut answers = JoinSet::new();
        for minion in minions {
            let (matcher, target, minion) = (self.clone(), target.clone(), minion.clone());
            let view = view.clone();
            answers.spawn(async move {
                let answer = matcher.answer(&target, &view, &minion).await;
                (minion.index, answer)
            });
        }
        // One that ends by a fault of the program is not answered: it stays undecided when the job's time is over.
        let mut done = Vec::new();
        while let Some(answered) = answers.join_next().await {
            done.extend(answered.ok());
        }
        done
    }

    async fn answer(&self, target: &Target, view: &View, minion: &Undecided) -> Answer {
        let known = Known::new(minion);
        let verdict = match (target.matches(&known), &minion.grains) {
            (Verdict::Unknown, Some(grains)) if target.needs_pillar() => {
                match self.pillar(view, &minion.id, grains).await {
                    Ok(pillar) => target.matches(&Known {
                        pillar: Some(&pillar),
                        ..known
                    }),
                    Err(text) => return Answer::Undecided(text),
                }
            }
            (verdict, _) => verdict,
        };
        match verdict {
            Verdict::Yes => Answer::Meant,
            Verdict::No => Answer::NotMeant,
            Verdict::Unknown => Answer::Undecided(
                "a regular expression of the target takes too many steps for it".to_owned(),
            ),
        }
    }

    /// A minion's pillar, from all environments and without values that only the minion knows of.
    async fn pillar(&self, view: &View, id: &NodeId, grains: &Json) -> Result<Arc<Value>, String> {
        let snapshot = view.snapshot.clone()?;
        let key = Key {
            state: view.state.clone(),
            id: id.clone(),
            grains: Sha256::digest(grains).into(),
        };
        if let Some(pillar) = self.kept().get(&key) {
            return Ok(pillar);
        }
        let asked = Asked {
            grains: grains.clone(),
            pillarenv: String::new(),
            saltenv: String::new(),
            values: b"{}"[..].into(),
        };
        let text = self.pillars.make(snapshot, id, asked).await?;
        let pillar: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
        // What went wrong stands in the log here: errors may quote what is in the pillar, and this goes up.
        if let Some(errors) = pillar.get(pillar::ERRORS).and_then(Value::as_array) {
            return Err(format!(
                "its pillar can't be made: {} errors, which the log of its hub names",
                errors.len()
            ));
        }
        let pillar = Arc::new(pillar);
        self.kept().insert(key, pillar.clone(), text.len());
        Ok(pillar)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The roots of one look at many minions.
struct View {
    /// Its commit; empty without roots.
    state: String,
    /// Its files of the pillar, or why there are none to be had.
    snapshot: Result<Option<Snapshot>, String>,
}

/// A minion as targets and rules see it.
pub(crate) struct Known<'a> {
    minion: &'a Undecided,
    grains: Option<Value>,
    pillar: Option<&'a Value>,
}

impl<'a> Known<'a> {
    /// Without its pillar.
    pub(crate) fn new(minion: &'a Undecided) -> Known<'a> {
        let grains = minion.grains.as_ref();
        Known {
            minion,
            grains: grains.and_then(|grains| serde_json::from_slice(grains).ok()),
            pillar: None,
        }
    }
}

impl Facts for Known<'_> {
    fn id(&self) -> &str {
        self.minion.id.as_str()
    }
    fn path(&self) -> &str {
        self.minion.path.as_str()
    }
    fn grains(&self) -> Option<&Value> {
        self.grains.as_ref()
    }
    fn pillar(&self) -> Option<&Value> {
        self.pillar
    }
}

/// What a pillar follows from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    state: String,
    id: NodeId,
    grains: [u8; 32],
}

/// Pillars that were made; the oldest go first.
#[derive(Default)]
struct Kept {
    pillars: HashMap<Key, (Arc<Value>, usize)>,
    ages: VecDeque<Key>,
    bytes: usize,
}

impl Kept {
    fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.pillars.get(key).map(|(pillar, _)| pillar.clone())
    }

    fn insert(&mut self, key: Key, pillar: Arc<Value>, bytes: usize) {
        if self.pillars.insert(key.clone(), (pillar, bytes)).is_some() {
            // Made twice at the same time, from the same: as long.
            return;
        }
        self.bytes += bytes;
        self.ages.push_back(key);
        while self.bytes > KEPT_BYTES_MAX
            && let Some(oldest) = self.ages.pop_front()
        {
            let gone = self.pillars.remove(&oldest);
            self.bytes -= gone.map_or(0, |(_, bytes)| bytes);
        }
    }
}

impl Service {
    /// Answers the machine: in parts, unless rules have to see everyone who is meant.
    pub(crate) async fn answer_question(&self, question: Question) -> anyhow::Result<()> {
        let Question {
            order,
            envelope,
            warrant,
            minions,
            is_inquiry,
        } = question;
        let (jid, compound) = (order.jid, &order.target.compound);
        if is_inquiry && order.origin != self.jobs.uid {
            let now = self.engine.clock().now();
            if let Err(text) = self.jobs.check_inquiry(&envelope, now) {
                tracing::warn!(alarm = true, %jid, "an inquiry from above is refused: {text}");
                let refused = Answer::Undecided(format!("its hub does not answer: {text}"));
                let answers = minions.iter().map(|m| (m.index, refused.clone()));
                let answers = answers.collect();
                self.engine
                    .input(HubInput::Answered { jid, answers })
                    .await?;
                return Ok(());
            }
        }
        let nodegroups = Nodegroups::default();
        let Ok(target) = Target::parse(Kind::Compound, compound, &nodegroups, ':') else {
            anyhow::bail!("the target does not parse");
        };
        let roots = order.options.roots.as_deref();
        let view = Arc::new(self.matcher.view(&target, roots).await);
        let is_judged = order.origin != self.jobs.uid && self.policy.binds_above();
        let mut meant = HashSet::new();
        for part in minions.chunks(AT_ONCE) {
            let mut answers = self.matcher.decide(&target, &view, part).await;
            if is_judged {
                let (yes, others) = answers.into_iter().partition(|(_, a)| *a == Answer::Meant);
                let yes: Vec<(u32, Answer)> = yes;
                meant.extend(yes.into_iter().map(|(index, _)| index));
                answers = others;
            }
            self.engine
                .input(HubInput::Answered { jid, answers })
                .await?;
        }
        if is_judged {
            let is_meant = |minion: &Undecided| meant.contains(&minion.index);
            let minions: Vec<Undecided> = minions.into_iter().filter(is_meant).collect();
            let warrant = warrant.filter(|warrant| self.is_vouched_for(&envelope, jid, warrant));
            let answers = self.judge_above(&order, warrant.as_ref(), &minions, is_inquiry);
            self.engine
                .input(HubInput::Answered { jid, answers })
                .await?;
        }
        Ok(())
    }

    /// What the pillars of this hub's own minions decide of a target. Minions of other hubs stay undecided, and so does one
    /// whose pillar can't be made.
    pub(crate) async fn decided(
        &self,
        target: &Target,
        scope: &SitePath,
        roots: Option<&str>,
    ) -> anyhow::Result<Decided> {
        if !target.needs_pillar() {
            return Ok(Decided::default());
        }
        let (asked, scope) = (target.clone(), scope.clone());
        let undecided = move |hub: &Hub| -> Vec<Undecided> {
            hub.meant(&asked, &scope)
                .filter(|(node, verdict)| *verdict == Verdict::Unknown && node.is_direct())
                .map(|(node, _)| Undecided::of(node))
                .collect()
        };
        let view = Arc::new(self.matcher.view(target, roots).await);
        let mut decided = Decided::default();
        for minions in self.engine.query(undecided).await?.chunks(AT_ONCE) {
            for (index, answer) in self.matcher.decide(target, &view, minions).await {
                let verdict = match answer {
                    Answer::Meant => Verdict::Yes,
                    Answer::NotMeant => Verdict::No,
                    Answer::Undecided(_) | Answer::Refused(_) => Verdict::Unknown,
                };
                decided.0.insert(index, verdict);
            }
        }
        Ok(decided)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::{KEPT_BYTES_MAX, Kept, Key};

    fn key(state: &str, id: &str) -> Key {
        Key {
            state: state.to_owned(),
            id: id.parse().expect("an id"),
            grains: [0; 32],
        }
    }

    #[test]
    fn pillars_are_kept_within_bounds() {
        let mut kept = Kept::default();
        let half = KEPT_BYTES_MAX / 2;
        kept.insert(key("a", "m1"), Arc::new(Value::Null), half);
        kept.insert(key("a", "m1"), Arc::new(Value::Null), half);
        kept.insert(key("b", "m1"), Arc::new(Value::Null), half);
        assert!(kept.get(&key("a", "m1")).is_some());
        assert!(kept.get(&key("a", "m2")).is_none());
        kept.insert(key("a", "m2"), Arc::new(Value::Null), 1);
        assert!(kept.get(&key("a", "m1")).is_none(), "the oldest");
        assert!(kept.get(&key("b", "m1")).is_some());
        assert_eq!((kept.pillars.len(), kept.bytes), (2, half + 1));
    }
}
