//! What a hub knows by itself, made into events while somebody on this host reads them: jobs and their returns, who is there, keys,
//! sites and roots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use events::Event;
use relay::{Hub, JobView, RosterView};
use serde_json::{Map, Value, json};
use wire::{IndexSet, Jid, Json, UnixMillis};

use super::Bus;
use super::roll::Roll;
use crate::report::arguments;

/// Jobs that are remembered as told when they have left the hub's memory: news of a late return may bring them back.
const OVER_MAX: usize = 4_096;

/// What was told already.
pub struct Chronicle {
    bus: Arc<Bus>,
    jobs: Option<Jobs>,
    roll: Option<Roll>,
}

/// Jobs as readers know them.
struct Jobs {
    /// What was issued before this is old news.
    began: UnixMillis,
    followed: BTreeMap<Jid, Followed>,
    over: BTreeSet<Jid>,
}

#[derive(Default)]
struct Followed {
    /// Whose returns were told, in the hub's roster numbers.
    returned: IndexSet,
    is_done: bool,
}

const OF_JOBS: [&str; 2] = ["salt/job/", "banyan/job/"];

impl Chronicle {
    /// Nothing was told yet.
    pub fn new(bus: Arc<Bus>) -> Chronicle {
        Chronicle {
            bus,
            jobs: None,
            roll: None,
        }
    }

    /// Somebody began to read: what there is now is no news.
    pub fn begin(&mut self, hub: &Hub, now: UnixMillis) {
        if self.jobs.is_none() && self.are_read(&OF_JOBS) {
            let followed = hub
                .jobs()
                .map(|job| (job.jid(), Followed::as_it_is(job)))
                .collect();
            self.jobs = Some(Jobs {
                began: now,
                followed,
                over: BTreeSet::new(),
            });
        }
        if self.roll.is_none() && self.are_read(&Roll::TAGS) {
            self.roll = Some(Roll::call(hub));
        }
    }

    fn are_read(&self, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|prefix| self.bus.is_read_below(prefix))
    }

    /// A job was taken, or something of it changed.
    pub fn job_moved(&mut self, hub: &Hub, jid: Jid, now: UnixMillis) {
        if self.jobs.is_none() {
            return;
        }
        if !self.are_read(&OF_JOBS) {
            self.jobs = None;
            return;
        }
        let (Some(jobs), Some(job)) = (&mut self.jobs, hub.job(jid)) else {
            return;
        };
        let told = jobs.followed.entry(jid).or_insert_with(|| {
            let is_news = job
                .order()
                .is_some_and(|order| order.issued >= jobs.began && !jobs.over.contains(&jid));
            if !is_news {
                return Followed::as_it_is(job);
            }
            self.bus.publish(&begun(hub, job, now));
            Followed::default()
        });
        let news: Vec<_> = job
            .returns()
            .filter(|returned| !told.returned.contains(returned.index))
            .collect();
        for returned in news {
            told.returned.insert(returned.index);
            let Some(node) = hub.node(returned.index) else {
                continue;
            };
            let tag = format!("salt/job/{jid}/ret/{}", node.id());
            // A value may be long, so it is not read for nobody.
            if self.bus.is_read(&tag) {
                self.bus
                    .publish(&Event::of_hub(tag, returns(job, &returned, node), now));
            }
        }
        if !told.is_done && job.is_finished() {
            told.is_done = true;
            self.bus.publish(&done(job, now));
        }
    }

    /// Now and then.
    pub fn observe(&mut self, hub: &Hub, now: UnixMillis) {
        if let Some(jobs) = &mut self.jobs {
            let gone: Vec<Jid> = jobs
                .followed
                .keys()
                .filter(|jid| hub.job(**jid).is_none())
                .copied()
                .collect();
            for jid in gone {
                jobs.followed.remove(&jid);
                jobs.over.insert(jid);
            }
            while jobs.over.len() > OVER_MAX {
                jobs.over.pop_first();
            }
        }
        if self.roll.is_some() && !self.are_read(&Roll::TAGS) {
            self.roll = None;
        }
        if let Some(roll) = &mut self.roll {
            for event in roll.news(hub, now) {
                self.bus.publish(&event);
            }
        }
    }
}

impl Followed {
    fn as_it_is(job: JobView<'_>) -> Followed {
        Followed {
            returned: job.returns().map(|returned| returned.index).collect(),
            is_done: job.is_finished(),
        }
    }
}

fn parsed(text: &Json) -> Value {
    serde_json::from_slice(text).unwrap_or(Value::Null)
}

fn begun(hub: &Hub, job: JobView<'_>, now: UnixMillis) -> Event {
    let jid = job.jid().to_string();
    let mut data = Map::new();
    data.insert("jid".to_owned(), jid.as_str().into());
    if let Some(order) = job.order() {
        data.insert("tgt".to_owned(), order.target.compound.as_str().into());
        data.insert("tgt_type".to_owned(), "compound".into());
        data.insert("fun".to_owned(), order.fun.as_str().into());
        data.insert("arg".to_owned(), arguments(order).into());
        data.insert("user".to_owned(), order.user.as_str().into());
    }
    let named = job.named().filter_map(|index| hub.node(index));
    let minions: Vec<&str> = named.map(|node| node.id().as_str()).collect();
    data.insert("minions".to_owned(), minions.into());
    Event::of_hub(format!("salt/job/{jid}/new"), data, now)
}

fn returns(
    job: JobView<'_>,
    returned: &relay::Returned<'_>,
    node: RosterView<'_>,
) -> Map<String, Value> {
    let order = job.order();
    let words = json!({
        "cmd": "_return",
        "fun": order.map(|order| order.fun.as_str()),
        "fun_args": order.map(arguments),
        "id": node.id().as_str(),
        "jid": job.jid().to_string(),
        "retcode": returned.retcode,
        "return": parsed(returned.value),
        "site": node.path().as_str(),
        "success": returned.success,
    });
    match words {
        Value::Object(data) => data,
        _ => Map::new(),
    }
}

fn done(job: JobView<'_>, now: UnixMillis) -> Event {
    let summary = job.summary();
    let mut data = Map::new();
    data.insert("jid".to_owned(), summary.jid.to_string().into());
    data.insert("fun".to_owned(), summary.fun.into());
    data.insert("tgt".to_owned(), summary.target.into());
    data.insert("user".to_owned(), summary.user.into());
    data.insert("origin".to_owned(), summary.origin.into());
    data.insert(
        "counts".to_owned(),
        serde_json::to_value(summary.counts).unwrap_or_default(),
    );
    Event::of_hub(format!("banyan/job/{}/done", summary.jid), data, now)
}
