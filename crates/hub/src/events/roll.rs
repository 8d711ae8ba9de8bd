//! The roster as readers of events know it, and what is new in it: presence, keys, sites that are cut off, roots.

use std::collections::BTreeMap;

use events::Event;
use relay::{Hub, RosterView};
use serde_json::{Map, Value, json};
use wire::{NodeId, Presence, Role, RosterMark, Standing, Uid, UnixMillis};

/// What was told.
pub(super) struct Roll {
    mark: RosterMark,
    nodes: BTreeMap<Uid, Entry>,
    /// Sites that are cut off, and since when.
    cut: BTreeMap<String, UnixMillis>,
    /// By hub: its site, its commit, and what is wrong with its roots.
    roots: BTreeMap<String, Served>,
}

#[derive(Clone, PartialEq)]
struct Entry {
    id: NodeId,
    role: Role,
    standing: Standing,
    presence: Presence,
    since: UnixMillis,
}

#[derive(Clone, Default, PartialEq)]
struct Served {
    site: String,
    commit: String,
    error: Option<String>,
}

impl Entry {
    fn of(node: RosterView<'_>) -> Entry {
        let link = node.link();
        Entry {
            id: node.id().clone(),
            role: node.role(),
            standing: node.standing(),
            presence: link.presence,
            since: link.since,
        }
    }

    fn is_present(&self) -> bool {
        self.role == Role::Minion
            && self.standing == Standing::Accepted
            && self.presence == Presence::Up
    }
}

impl Roll {
    /// The tags of what is told here.
    pub(super) const TAGS: [&'static str; 6] = [
        "salt/minion/",
        "salt/presence/",
        "salt/key",
        "salt/auth",
        "banyan/site/",
        "banyan/roots/",
    ];

    /// Everything as it is now.
    pub(super) fn call(hub: &Hub) -> Roll {
        let nodes = hub.nodes().map(|node| (node.uid(), Entry::of(node)));
        Roll {
            mark: hub.roster_mark(),
            nodes: nodes.collect(),
            cut: cut(hub),
            roots: roots(hub),
        }
    }

    /// What changed since the last call.
    pub(super) fn news(&mut self, hub: &Hub, now: UnixMillis) -> Vec<Event> {
        let mut news = Vec::new();
        let roots = roots(hub);
        if self.mark == hub.roster_mark() && self.roots == roots {
            return news;
        }
        let fresh = Roll::call(hub);
        self.presence(&fresh, now, &mut news);
        self.keys(&fresh, now, &mut news);
        self.sites(&fresh, hub, now, &mut news);
        self.served(&fresh, now, &mut news);
        *self = fresh;
        news
    }

    fn presence(&self, fresh: &Roll, now: UnixMillis, news: &mut Vec<Event>) {
        let present = |roll: &Roll, uid: &Uid| roll.nodes.get(uid).is_some_and(Entry::is_present);
        let (mut came, mut lost) = (Vec::new(), Vec::new());
        for (uid, entry) in &fresh.nodes {
            let before = self.nodes.get(uid);
            let was_present = before.is_some_and(Entry::is_present);
            if !entry.is_present() {
                continue;
            }
            if !was_present {
                came.push(entry.id.as_str());
            }
            // One that was away and back in between has started too.
            if !was_present || before.is_some_and(|before| before.since != entry.since) {
                let id = entry.id.as_str();
                let words = json!({
                    "cmd": "_minion_event",
                    "data": format!("Minion {id} started at {}", events::stamp(entry.since)),
                    "id": id,
                    "pretag": null,
                    "tag": format!("salt/minion/{id}/start"),
                });
                news.push(made(format!("salt/minion/{id}/start"), words, now));
            }
        }
        for (uid, entry) in &self.nodes {
            if entry.is_present() && !present(fresh, uid) {
                lost.push(entry.id.as_str());
            }
        }
        if came.is_empty() && lost.is_empty() {
            return;
        }
        let words = json!({"new": came, "lost": lost});
        news.push(made("salt/presence/change".to_owned(), words, now));
        let all: Vec<&str> = fresh
            .nodes
            .values()
            .filter(|entry| entry.is_present())
            .map(|entry| entry.id.as_str())
            .collect();
        let words = json!({ "present": all });
        news.push(made("salt/presence/present".to_owned(), words, now));
    }

    fn keys(&self, fresh: &Roll, now: UnixMillis, news: &mut Vec<Event>) {
        let decided = |act: &str, id: &NodeId| {
            let words = json!({"act": act, "id": id.as_str(), "result": true});
            made("salt/key".to_owned(), words, now)
        };
        for (uid, entry) in &fresh.nodes {
            let before = self.nodes.get(uid).map(|before| before.standing);
            if before == Some(entry.standing) {
                continue;
            }
            match entry.standing {
                Standing::Pending => {
                    let words = json!({"act": "pend", "id": entry.id.as_str(), "result": true});
                    news.push(made("salt/auth".to_owned(), words, now));
                }
                Standing::Accepted => news.push(decided("accept", &entry.id)),
                Standing::Rejected => news.push(decided("reject", &entry.id)),
                Standing::Denied => news.push(decided("deny", &entry.id)),
            }
        }
        for (uid, entry) in &self.nodes {
            if !fresh.nodes.contains_key(uid) {
                news.push(decided("delete", &entry.id));
            }
        }
    }

    fn sites(&self, fresh: &Roll, hub: &Hub, now: UnixMillis, news: &mut Vec<Event>) {
        let minions = |site: &str| {
            let at = |node: &RosterView<'_>| {
                node.role() == Role::Minion
                    && node.standing() == Standing::Accepted
                    && node.path().as_str() == site
            };
            hub.nodes().filter(at).count()
        };
        for (site, since) in &fresh.cut {
            if !self.cut.contains_key(site) {
                let words = json!({"site": site, "since": since, "minions": minions(site)});
                news.push(made(format!("banyan/site/{site}/cut"), words, now));
            }
        }
        for (site, since) in &self.cut {
            if !fresh.cut.contains_key(site) {
                let words = json!({"site": site, "since": since, "minions": minions(site)});
                news.push(made(format!("banyan/site/{site}/back"), words, now));
            }
        }
    }

    fn served(&self, fresh: &Roll, now: UnixMillis, news: &mut Vec<Event>) {
        for (id, served) in &fresh.roots {
            let before = self.roots.get(id).cloned().unwrap_or_default();
            let words = || {
                json!({
                    "before": before.commit,
                    "commit": served.commit,
                    "error": served.error,
                    "id": id,
                    "site": served.site,
                })
            };
            if served.commit != before.commit {
                news.push(made(format!("banyan/roots/{id}/commit"), words(), now));
            }
            if served.error != before.error && served.error.is_some() {
                news.push(made(format!("banyan/roots/{id}/error"), words(), now));
            }
        }
    }
}

fn made(tag: String, words: Value, now: UnixMillis) -> Event {
    let data = match words {
        Value::Object(data) => data,
        _ => Map::new(),
    };
    Event::of_hub(tag, data, now)
}

fn cut(hub: &Hub) -> BTreeMap<String, UnixMillis> {
    let hubs = hub.nodes().filter(|node| node.role() != Role::Minion);
    hubs.filter_map(|node| {
        let path = node.path().as_str();
        Some((path.to_owned(), hub.cut_since(path)?))
    })
    .collect()
}

fn roots(hub: &Hub) -> BTreeMap<String, Served> {
    let own = hub.config();
    let of_this = (own.id.to_string(), own.path.to_string(), Some(hub.roots()));
    let others = hub
        .nodes()
        .filter(|node| node.role() != Role::Minion)
        .map(|node| (node.id().to_string(), node.path().to_string(), node.roots()));
    std::iter::once(of_this)
        .chain(others)
        .filter_map(|(id, site, report)| {
            let report = report?;
            let served = Served {
                site,
                commit: report.commit.clone(),
                error: report.error.clone(),
            };
            Some((id, served))
        })
        .collect()
}
