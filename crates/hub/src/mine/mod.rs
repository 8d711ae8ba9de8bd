//! The mine: what minions gave for others to read. A hub has that of its own minions; what is marked for export goes up from hub to
//! hub, and minions of other sites are answered from there.

mod book;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pki::Member;
use relay::Hub;
use serde_json::{Map, Value};
use targeting::{Nodegroups, Target, Verdict};
use tokio::sync::watch;
use wire::files::{Answer, MineExport, MineQuestion, Request};
use wire::limits::MAX_RETURN;
use wire::{Json, PROTOCOL_MINE, Role, SitePath, Uid};

use crate::engine::EngineHandle;
use crate::parents::Parents;
use crate::submit::target_kind;
use book::{Book, Entry, Record};

/// A parent has this long to answer; then the answer is without other sites.
const PARENT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a parent refuses is told again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(30);
/// Functions in one question.
const FUNCTIONS_MAX: usize = 64;

/// Values by function, and then by minion.
type Found = BTreeMap<String, BTreeMap<String, Value>>;

/// The mine of a hub.
pub struct Mine {
    engine: EngineHandle,
    parents: Arc<Parents>,
    nodegroups: Nodegroups,
    book: Mutex<Book>,
    changed: watch::Sender<()>,
}

/// A value that matches a question, before it is known who may have it.
struct Candidate {
    id: String,
    fun: String,
    entry: Entry,
}

impl Mine {
    /// With what the folder has.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn open(
        folder: &Path,
        engine: EngineHandle,
        parents: Arc<Parents>,
        nodegroups: Nodegroups,
    ) -> std::io::Result<Mine> {
        Ok(Mine {
            engine,
            parents,
            nodegroups,
            book: Mutex::new(Book::open(folder)?),
            changed: watch::Sender::new(()),
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is kept of keys that the roster no longer has.
    pub async fn forget_strangers(&self) {
        let keys = self.book().keys();
        let known = self.engine.query(move |hub: &Hub| {
            let known = keys
                .into_iter()
                .filter(|uid| hub.node_by_uid(*uid).is_some());
            known.collect::<BTreeSet<Uid>>()
        });
        // The hub stops otherwise, and then it forgets nothing.
        if let Ok(known) = known.await {
            self.book().forget(|uid| known.contains(uid));
        }
    }

    /// Keeps what a minion gives: all that it has, in the place of what it gave before. Whose it is follows from its certificate.
    ///
    /// # Errors
    /// Words for people: it is too much, or no minion's.
    pub fn give(self: &Arc<Self>, member: &Member, entries: &Json) -> Result<(), String> {
        if member.role != Role::Minion {
            return Err("only minions give to the mine".to_owned());
        }
        let record = Record::read(&member.id, &member.path, true, entries)?;
        self.put(member.uid, record)
    }

    /// Keeps what a hub below exports of one of its minions.
    ///
    /// # Errors
    /// Words for people: it is too much, or of a minion that is not below that hub.
    pub fn take_export(
        self: &Arc<Self>,
        member: &Member,
        export: &MineExport,
    ) -> Result<(), String> {
        if member.role != Role::Syndic || !member.path.contains(&export.path) {
            return Err(format!("{} is no minion of that site", export.id));
        }
        if self
            .book()
            .get(&export.uid)
            .is_some_and(|record| record.is_own)
        {
            // It has another hub beside this one, and tells this one itself.
            return Ok(());
        }
        let mut record = Record::read(&export.id, &export.path, false, &export.entries)?;
        record.entries.retain(|_, entry| entry.export);
        self.put(export.uid, record)
    }

    fn put(&self, uid: Uid, record: Record) -> Result<(), String> {
        self.book().put(uid, record)?;
        self.changed.send_replace(());
        Ok(())
    }

    /// Tells a parent what is exported here and below, now and whenever it changes, until the session ends.
    pub async fn tell_parent(self: Arc<Self>, sender: link::Sender) {
        let mut changed = self.changed.subscribe();
        let mut told = 0;
        loop {
            changed.mark_unchanged();
            let next = {
                let book = self.book();
                book.after(told).and_then(|(revision, uid, record)| {
                    let export = MineExport {
                        uid,
                        id: record.id.parse().ok()?,
                        path: record.path.parse().ok()?,
                        entries: record.exported().into(),
                    };
                    Some((revision, export))
                })
            };
            let Some((revision, export)) = next else {
                if changed.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let id = export.id.clone();
            match sender.request(&Request::MineExport(export)).await {
                Ok((Answer::Done, _)) => told = revision,
                Ok((Answer::Refused(text), _)) => {
                    tracing::warn!(%id, "a parent does not take what is exported: {text}");
                    tokio::time::sleep(TELL_AGAIN).await;
                    told = revision;
                }
                // The next session tells all again.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Answers a member: a minion of this hub, or a hub below for one of its minions.
    ///
    /// # Errors
    /// Words for people.
    pub async fn answer(&self, member: &Member, question: &MineQuestion) -> Result<Json, String> {
        let is_own = member.role == Role::Minion;
        let asker = if is_own { member.uid } else { question.asker };
        let path = member.path.clone();
        if !is_own {
            let is_below = self.engine.query(move |hub| {
                let node = hub.node_by_uid(asker);
                node.is_some_and(|node| path.contains(node.path()))
            });
            if !is_below.await.map_err(|error| error.to_string())? {
                return Err("the minion that asks is not known below that hub".to_owned());
            }
        }
        let mut found = self.find(question, Some(asker), is_own).await?;
        self.ask_parent(question, asker, &mut found).await;
        packed(&found)
    }

    /// What an operator of this hub sees: everything that is here.
    ///
    /// # Errors
    /// Words for people.
    pub async fn look(&self, question: &MineQuestion) -> Result<Value, String> {
        let found = self.find(question, None, true).await?;
        Ok(shown(&found))
    }

    /// All that is here of the minions that a target means, by minion.
    ///
    /// # Errors
    /// Words for people.
    pub async fn all(&self, tgt: &str, tgt_type: &str) -> Result<Value, String> {
        let meant = self.meant(tgt, tgt_type).await?;
        let book = self.book();
        let records = meant.iter().filter_map(|uid| book.get(uid));
        let all = records.map(|record| (record.id.clone(), record.values().into()));
        Ok(Value::Object(all.collect()))
    }

    /// Keys of the minions that a target means.
    async fn meant(&self, tgt: &str, tgt_type: &str) -> Result<Vec<Uid>, String> {
        let target = parsed(tgt, tgt_type, &self.nodegroups)?;
        let meant = self.engine.query(move |hub: &Hub| {
            let everywhere = SitePath::top();
            let meant = hub.meant(&target, &everywhere);
            let sure = meant.filter(|(_, verdict)| *verdict == Verdict::Yes);
            sure.map(|(node, _)| node.uid()).collect()
        });
        meant.await.map_err(|error| error.to_string())
    }

    /// What is here. An asker gets what is for it; `is_own`: also what is not exported.
    async fn find(
        &self,
        question: &MineQuestion,
        asker: Option<Uid>,
        is_own: bool,
    ) -> Result<Found, String> {
        if question.funs.len() > FUNCTIONS_MAX {
            return Err(format!("at most {FUNCTIONS_MAX} functions in one question"));
        }
        let meant = self.meant(&question.tgt, &question.tgt_type).await?;
        let mut candidates = Vec::new();
        {
            let book = self.book();
            for record in meant.iter().filter_map(|uid| book.get(uid)) {
                for fun in &question.funs {
                    let entry = record.entries.get(fun);
                    let entry = entry.filter(|entry| is_own || entry.export);
                    candidates.extend(entry.map(|entry| Candidate {
                        id: record.id.clone(),
                        fun: fun.clone(),
                        entry: entry.clone(),
                    }));
                }
            }
        }
        if let Some(asker) = asker {
            let allowed = self.allowed(&candidates, asker).await?;
            candidates.retain(|candidate| {
                let rule = rule(&candidate.entry);
                rule.is_none_or(|rule| allowed.contains(&rule))
            });
        }
        let mut found = Found::new();
        for Candidate { id, fun, entry } in candidates {
            found.entry(fun).or_default().insert(id, entry.data);
        }
        Ok(found)
    }

    /// The rules among those of the candidates that let the asker in.
    async fn allowed(
        &self,
        candidates: &[Candidate],
        asker: Uid,
    ) -> Result<BTreeSet<(String, String)>, String> {
        let rules: BTreeSet<(String, String)> = candidates
            .iter()
            .filter_map(|candidate| rule(&candidate.entry))
            .collect();
        let mut targets = Vec::new();
        for (tgt, kind) in rules {
            match parsed(&tgt, &kind, &self.nodegroups) {
                Ok(target) => targets.push(((tgt, kind), target)),
                Err(error) => tracing::warn!(allow_tgt = tgt, "nobody is let in: {error}"),
            }
        }
        let allowed = self.engine.query(move |hub: &Hub| {
            let Some(node) = hub.node_by_uid(asker) else {
                return BTreeSet::new();
            };
            let facts = node.facts();
            let in_force = targets.into_iter();
            let in_force = in_force.filter(|(_, target)| target.matches(&facts) == Verdict::Yes);
            in_force.map(|(rule, _)| rule).collect()
        });
        allowed.await.map_err(|error| error.to_string())
    }

    /// Adds what other sites export, as far as a parent answers.
    async fn ask_parent(&self, question: &MineQuestion, asker: Uid, found: &mut Found) {
        if self.parents.is_empty() {
            return;
        }
        let parent = self.parents.any();
        let Some(parent) = parent.filter(|parent| parent.protocol >= PROTOCOL_MINE) else {
            tracing::warn!("no parent answers for the mine: the data of other sites are left out");
            return;
        };
        let request = Request::MineGet(MineQuestion {
            asker,
            ..question.clone()
        });
        let asked = tokio::time::timeout(PARENT_TIMEOUT, parent.sender.request(&request)).await;
        let why = match asked {
            Ok(Ok((Answer::Mine(json), _))) => match serde_json::from_slice::<Found>(&json) {
                Ok(above) => {
                    for (fun, values) in above {
                        let here = found.entry(fun).or_default();
                        for (id, value) in values {
                            here.entry(id).or_insert(value);
                        }
                    }
                    return;
                }
                Err(error) => error.to_string(),
            },
            Ok(Ok((Answer::Refused(text), _))) => text,
            Ok(Ok(_)) => "it answered something else".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        tracing::warn!("the data of other sites are left out of an answer of the mine: {why}");
    }
}

/// Whom an entry is for: a target and its kind.
fn rule(entry: &Entry) -> Option<(String, String)> {
    let tgt = match entry.allow_tgt.as_ref()? {
        Value::String(tgt) => tgt.clone(),
        Value::Array(ids) => {
            let ids: Vec<&str> = ids.iter().filter_map(Value::as_str).collect();
            ids.join(",")
        }
        other => other.to_string(),
    };
    let kind = entry.allow_tgt_type.clone();
    Some((tgt, kind.unwrap_or_else(|| "glob".to_owned())))
}

fn parsed(tgt: &str, kind: &str, nodegroups: &Nodegroups) -> Result<Target, String> {
    let known = target_kind(&kind.replace('_', "-"));
    let known = known.ok_or_else(|| format!("the mine has no targets of the kind {kind:?}"))?;
    Target::parse(known, tgt, nodegroups, ':')
        .map_err(|errors| format!("the target does not parse:\n{}", errors.render(tgt)))
}

fn shown(found: &Found) -> Value {
    let of_fun = |values: &BTreeMap<String, Value>| {
        let values = values.iter();
        Value::Object(values.map(|(id, v)| (id.clone(), v.clone())).collect())
    };
    let all: Map<String, Value> = found
        .iter()
        .map(|(fun, values)| (fun.clone(), of_fun(values)))
        .collect();
    all.into()
}

fn packed(found: &Found) -> Result<Json, String> {
    let text = serde_json::to_vec(found).map_err(|error| error.to_string())?;
    if text.len() > MAX_RETURN {
        return Err(format!(
            "the mine's answer has {} bytes, and at most {MAX_RETURN} travel: name fewer minions",
            text.len()
        ));
    }
    Ok(text.into())
}
