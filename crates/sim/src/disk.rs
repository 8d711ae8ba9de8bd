//! What a node's disk holds: the fold over its saved records that the store does with files.

use std::collections::{BTreeMap, BTreeSet};

use relay::{HubRecovered, LeafRecovered, RecoveredJob};
use wire::control::JobSummary;
use wire::record::{JobHead, JournalRecord, NodeRecord, Record};
use wire::{
    Jid, Json, KeyDecision, LedgerDelta, Outcome, PlanRecord, Reason, Return, Revocation,
    RosterMark, Uid, UnixMillis, ValueRef,
};

/// How a minion stands in a job on disk, with its value.
#[derive(Debug, Clone, PartialEq)]
pub enum Saved {
    /// It returned.
    Returned {
        /// Exit code.
        retcode: i32,
        /// The value's JSON text.
        value: Json,
    },
    /// Anything else.
    Other(Outcome),
}

/// A job on a hub's disk.
#[derive(Debug, Clone)]
pub struct StoredJob {
    /// Its head.
    pub head: JobHead,
    /// Its account, as appended.
    pub news: Vec<LedgerDelta>,
    /// Its rollout, as appended.
    pub plan: Vec<PlanRecord>,
    /// Its summary.
    pub state: Option<JobSummary>,
    /// More may come.
    pub open: bool,
    /// The account by number, folded here and not by the machine's own code.
    pub rows: BTreeMap<u32, Saved>,
    values: BTreeMap<u32, Json>,
}

/// A hub's disk.
#[derive(Debug, Clone, Default)]
pub struct HubDisk {
    epoch: Option<u64>,
    /// The roster.
    pub nodes: BTreeMap<u32, NodeRecord>,
    next_index: u32,
    /// All jobs.
    pub jobs: BTreeMap<Jid, StoredJob>,
    revoked: BTreeMap<Uid, Revocation>,
    marks: BTreeMap<Uid, RosterMark>,
    trust: Option<(Json, u64)>,
    untold: BTreeSet<Jid>,
    undelivered: BTreeMap<(Uid, Uid), KeyDecision>,
    /// News of jobs that have no head here.
    pub homeless_news: u64,
    /// Every number that a key ever had.
    numbers: BTreeMap<Uid, Vec<u32>>,
    /// Whose a number is or was.
    holders: BTreeMap<u32, Uid>,
}

impl HubDisk {
    /// Saves one batch.
    pub fn save(&mut self, records: Vec<Record>) {
        for record in records {
            self.save_one(record);
        }
    }

    fn save_one(&mut self, record: Record) {
        match record {
            Record::Epoch(epoch) => self.epoch = Some(epoch),
            Record::Node(node) => {
                self.next_index = self.next_index.max(node.index + 1);
                let holder = *self.holders.entry(node.index).or_insert(node.uid);
                assert_eq!(holder, node.uid, "P1: #{} is given twice", node.index);
                let numbers = self.numbers.entry(node.uid).or_default();
                if !numbers.contains(&node.index) {
                    numbers.push(node.index);
                }
                self.nodes.insert(node.index, *node);
            }
            Record::NodeGone { index } => {
                self.next_index = self.next_index.max(index + 1);
                self.nodes.remove(&index);
            }
            Record::Job(head) => match self.jobs.get_mut(&head.jid) {
                Some(job) => job.head = *head,
                None => {
                    let job = StoredJob {
                        head: *head,
                        news: Vec::new(),
                        plan: Vec::new(),
                        state: None,
                        open: true,
                        rows: BTreeMap::new(),
                        values: BTreeMap::new(),
                    };
                    self.jobs.insert(job.head.jid, job);
                }
            },
            Record::JobNews(delta) => match self.jobs.get_mut(&delta.jid) {
                Some(job) => job.append(delta),
                None => self.homeless_news += 1,
            },
            Record::JobState { summary, open } => {
                if let Some(job) = self.jobs.get_mut(&summary.jid) {
                    job.state = Some(*summary);
                    job.open = open;
                }
            }
            Record::Revoked(revocation) => {
                self.revoked.insert(revocation.uid, revocation);
            }
            Record::ChildMark { hub, mark } => {
                self.marks.insert(hub, mark);
            }
            Record::JobPlan { jid, entry } => {
                if let Some(job) = self.jobs.get_mut(&jid) {
                    job.plan.push(entry);
                }
            }
            Record::JobUntold { jid, untold } => {
                match untold {
                    true => self.untold.insert(jid),
                    false => self.untold.remove(&jid),
                };
            }
            Record::Undelivered { hub, uid, decision } => {
                match decision {
                    Some(decision) => self.undelivered.insert((hub, uid), decision),
                    None => self.undelivered.remove(&(hub, uid)),
                };
            }
            Record::Trust(bundle) => {
                let version = self.trust.as_ref().map_or(0, |(_, version)| *version) + 1;
                self.trust = Some((bundle, version));
            }
        }
    }

    /// What a restarted hub finds.
    pub fn recovered(&self) -> HubRecovered {
        HubRecovered {
            epoch: self.epoch,
            next_index: self.next_index,
            nodes: self.nodes.values().cloned().collect(),
            marks: self.marks.iter().map(|(hub, mark)| (*hub, *mark)).collect(),
            jobs: self
                .jobs
                .values()
                .filter(|job| job.open)
                .map(StoredJob::recovered)
                .collect(),
            untold: self.untold.iter().copied().collect(),
            undelivered: self
                .undelivered
                .iter()
                .map(|((hub, uid), decision)| (*hub, *uid, *decision))
                .collect(),
            revocations: self.revoked.values().copied().collect(),
            trust: self.trust.clone(),
        }
    }

    /// Every number that a key ever had here.
    pub fn numbers(&self, uid: Uid) -> &[u32] {
        self.numbers.get(&uid).map_or(&[], Vec::as_slice)
    }

    /// Whose number this is or was; a number is never given again.
    pub fn holder(&self, index: u32) -> Option<Uid> {
        self.holders.get(&index).copied()
    }

    /// How a minion stands in a job, under any number that it ever had: a return if there is one.
    pub fn row(&self, jid: Jid, uid: Uid) -> Option<&Saved> {
        let rows = &self.jobs.get(&jid)?.rows;
        let said = self.numbers.get(&uid)?.iter().filter_map(|i| rows.get(i));
        said.max_by_key(|saved| matches!(saved, Saved::Returned { .. }))
    }
}

impl StoredJob {
    /// Whether it began with a return whose order nobody has any more.
    pub fn is_headless(&self) -> bool {
        self.head.envelope.order.is_empty()
    }

    /// What a hub finds that reads it again.
    pub fn recovered(&self) -> RecoveredJob {
        RecoveredJob {
            head: self.head.clone(),
            news: self.news.clone(),
            plan: self.plan.clone(),
            finished: self.state.as_ref().and_then(|s| s.finished),
        }
    }

    fn append(&mut self, delta: LedgerDelta) {
        for group in &delta.groups {
            let saved = match &group.outcome {
                Outcome::Returned { retcode, value, .. } => {
                    let value = match value {
                        ValueRef::Inline(json) => json.clone(),
                        ValueRef::Define(number, json) => {
                            self.values.insert(*number, json.clone());
                            json.clone()
                        }
                        ValueRef::Known(number) => self
                            .values
                            .get(number)
                            .cloned()
                            .unwrap_or_else(|| panic!("value {number} is not on the disk")),
                    };
                    Saved::Returned {
                        retcode: *retcode,
                        value,
                    }
                }
                other => Saved::Other(other.clone()),
            };
            for index in group.who.iter() {
                if !matches!(self.rows.get(&index), Some(Saved::Returned { .. })) {
                    self.rows.insert(index, saved.clone());
                }
            }
        }
        self.news.push(delta);
    }
}

#[derive(Debug, Clone, Default)]
struct Entry {
    started: Option<UnixMillis>,
    returned: Option<Return>,
    not_run: Option<Reason>,
    settled: bool,
}

/// A minion's journal. What is not simulated, since nothing can be promised of it: a journal that is put back to a time
/// before a run, which runs again when its order is heard again.
#[derive(Debug, Clone, Default)]
pub struct LeafDisk {
    jobs: BTreeMap<Jid, Entry>,
}

impl LeafDisk {
    /// Saves one batch.
    pub fn save(&mut self, records: Vec<JournalRecord>) {
        for record in records {
            match record {
                JournalRecord::Started { jid, forget_after } => {
                    self.jobs.entry(jid).or_default().started = Some(forget_after);
                }
                JournalRecord::Returned(ret) => {
                    let entry = self.jobs.entry(ret.jid).or_default();
                    entry.returned = Some(ret);
                }
                JournalRecord::NotRun { jid, reason } => {
                    self.jobs.entry(jid).or_default().not_run = Some(reason);
                }
                JournalRecord::Settled { jid } => {
                    let entry = self.jobs.entry(jid).or_default();
                    entry.settled = true;
                    entry.returned = None;
                    entry.not_run = None;
                }
            }
        }
    }

    /// Whether the start of this job is in the journal.
    pub fn has_start(&self, jid: Jid) -> bool {
        self.jobs.get(&jid).is_some_and(|e| e.started.is_some())
    }

    /// The return that is kept for its origin.
    pub fn kept(&self, jid: Jid) -> Option<&Return> {
        self.jobs.get(&jid)?.returned.as_ref()
    }

    /// Jobs whose outcome is kept for its origin.
    pub fn unsettled(&self) -> impl Iterator<Item = Jid> + '_ {
        let kept = |entry: &&Entry| entry.returned.is_some() || entry.not_run.is_some();
        let jobs = self.jobs.iter().filter(move |(_, entry)| kept(entry));
        jobs.map(|(jid, _)| *jid)
    }

    /// What a restarted minion finds.
    pub fn recovered(&self) -> LeafRecovered {
        let mut found = LeafRecovered::default();
        for (jid, entry) in &self.jobs {
            if let Some(forget_after) = entry.started {
                found.started.insert(*jid, forget_after);
            }
            if let Some(ret) = &entry.returned {
                found.returned.push(ret.clone());
            } else if let Some(reason) = &entry.not_run {
                found.not_run.push((*jid, reason.clone()));
            } else if entry.started.is_some() && !entry.settled {
                found.interrupted.push(*jid);
            }
        }
        found
    }
}
