//! Changes of jobs as rows for a job cache outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcache::{Batch, Job, Return};
use serde_json::Value;
use store::{Change, HubReader};
use wire::{Jid, JobOrder, Json, LedgerDelta, Outcome, Uid, ValueRef};

use crate::report::{arguments, target_of};

/// Rows of one transaction.
const BATCH_ROWS_MAX: usize = 200;
/// Bytes of values of one transaction after which no further row is taken.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Collects rows in the order of the changes, cut into transactions. What is full is handed out after each change: one change may
/// be the returns of a whole site, and a backlog has many.
pub struct Rows<'a> {
    uid: Uid,
    reader: &'a HubReader,
    full: Vec<Batch>,
    last: Batch,
    /// Of values of the last batch.
    bytes: usize,
    /// The last change of which all rows are collected.
    through: u64,
    minions: BTreeMap<u32, Known>,
    values: BTreeMap<Jid, BTreeMap<u32, Json>>,
    /// Who adopted jobs.
    owners: BTreeMap<Jid, Option<Uid>>,
}

/// Whose returns of news are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    All,
    /// Minions of which no other hub tells.
    RightBelow,
}

/// A minion.
#[derive(Clone)]
struct Known {
    id: String,
    /// It is a child of this very hub, and of none below.
    right_below: bool,
}

/// What returns need of their job's order.
struct Ordered {
    fun: String,
    args: Arc<[Value]>,
    issued: u64,
}

impl<'a> Rows<'a> {
    /// Rows for the jobs of this hub's own, and for those that it has adopted; others are written by their origins. When a job
    /// was adopted from it, a hub writes what the one that owns it has not: the returns of minions right below itself.
    pub fn new(uid: Uid, reader: &'a HubReader) -> Rows<'a> {
        Rows {
            uid,
            reader,
            full: Vec::new(),
            last: Batch::default(),
            bytes: 0,
            through: 0,
            minions: BTreeMap::new(),
            values: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Adds the rows of a change. Gives the transactions that are full, in order.
    ///
    /// # Errors
    /// When the store can't be read, or what it holds is damaged.
    pub fn add(&mut self, change: Change) -> anyhow::Result<Vec<Batch>> {
        self.through = change.number.saturating_sub(1);
        let envelope = &change.head.envelope;
        let order: Option<JobOrder> = match envelope.order.is_empty() {
            true => None,
            false => Some(wire::codec::decode(&envelope.order)?),
        };
        let jid = change.head.jid;
        let ordered_here = match &order {
            Some(order) => order.origin == self.uid,
            // Returns whose order is lost; only their origin keeps them.
            None => change.head.parents.is_empty(),
        };
        let owner = match self.owners.get(&jid) {
            Some(known) => *known,
            None => {
                let owner = self.reader.owner(jid)?.map(|owner| owner.hub);
                self.owners.insert(jid, owner);
                owner
            }
        };
        let is_own = owner.map_or(ordered_here, |owner| owner == self.uid);
        match change.news {
            None if is_own || ordered_here => {
                self.add_job(jid, order.as_ref());
                if !ordered_here {
                    // It was passed over until it was adopted.
                    for news in self.reader.news_let_go(jid)? {
                        self.add_news(&news, order.as_ref(), Of::All)?;
                    }
                }
            }
            Some(news) if is_own => self.add_news(&news, order.as_ref(), Of::All)?,
            Some(news) if ordered_here => self.add_news(&news, order.as_ref(), Of::RightBelow)?,
            _ => {}
        }
        self.through = change.number;
        Ok(std::mem::take(&mut self.full))
    }

    /// The last transaction, with what is left.
    pub fn end(mut self) -> Batch {
        self.last.through = self.through;
        self.last
    }

    fn add_job(&mut self, jid: Jid, order: Option<&JobOrder>) {
        let Some(order) = order else { return };
        let (target, kind) = target_of(order);
        let job = Job {
            jid: jid.to_string(),
            fun: order.fun.clone(),
            arg: arguments(order),
            tgt: target.to_owned(),
            tgt_type: kind,
            user: order.user.clone(),
            origin: order.origin_id.to_string(),
        };
        let bytes = order.args.len() + order.kwargs.len();
        self.room(bytes).jobs.push(job);
    }

    fn add_news(
        &mut self,
        news: &LedgerDelta,
        order: Option<&JobOrder>,
        of: Of,
    ) -> anyhow::Result<()> {
        let ordered = Ordered {
            fun: order.map(|order| order.fun.clone()).unwrap_or_default(),
            args: order.map(arguments).unwrap_or_default().into(),
            issued: order.map_or(0, |order| order.issued),
        };
        for group in &news.groups {
            let Outcome::Returned {
                retcode,
                success,
                value,
            } = &group.outcome
            else {
                continue;
            };
            let value: Arc<str> = String::from_utf8_lossy(&self.value(news.jid, value)?).into();
            for (nth, number) in group.who.iter().enumerate() {
                let Known { id, right_below } = self.known(number)?;
                if of == Of::RightBelow && !right_below {
                    continue;
                }
                let timing = group.timings.get(nth).copied().unwrap_or_default();
                let ran = u64::from(timing.start_offset_ms) + u64::from(timing.duration_ms);
                let answer = Return {
                    jid: news.jid.to_string(),
                    id,
                    fun: ordered.fun.clone(),
                    fun_args: ordered.args.clone(),
                    value: value.clone(),
                    retcode: *retcode,
                    success: *success && *retcode == 0,
                    ended: ordered.issued + ran,
                };
                self.room(value.len()).returns.push(answer);
            }
        }
        Ok(())
    }

    /// The batch that the next row goes to.
    fn room(&mut self, bytes: usize) -> &mut Batch {
        let rows = self.last.jobs.len() + self.last.returns.len();
        if self.bytes >= BATCH_BYTES_MAX || rows >= BATCH_ROWS_MAX {
            let mut full = std::mem::take(&mut self.last);
            full.through = self.through;
            self.full.push(full);
            self.bytes = 0;
        }
        self.bytes += bytes;
        &mut self.last
    }

    fn value(&mut self, jid: Jid, value: &ValueRef) -> anyhow::Result<Json> {
        Ok(match value {
            ValueRef::Inline(json) | ValueRef::Define(_, json) => json.clone(),
            ValueRef::Known(number) => {
                if !self.values.contains_key(&jid) {
                    self.values.insert(jid, self.reader.values(jid)?);
                }
                let known = self.values.get(&jid).and_then(|values| values.get(number));
                known.cloned().unwrap_or_else(|| b"null".as_slice().into())
            }
        })
    }

    /// What is known of a minion. One that the store has forgotten is named by its number, so that its return is kept.
    fn known(&mut self, number: u32) -> anyhow::Result<Known> {
        if let Some(known) = self.minions.get(&number) {
            return Ok(known.clone());
        }
        let known = match self.reader.any_node(number)? {
            Some(node) => Known {
                id: node.id.to_string(),
                right_below: node.direct && node.via.is_empty(),
            },
            None => Known {
                id: format!("#{number}"),
                right_below: false,
            },
        };
        self.minions.insert(number, known.clone());
        Ok(known)
    }
}
