//! What an operator sees of a hub: the tree, keys, roots and accounts, made from the machine's state.

use std::collections::BTreeMap;

use relay::{Hub, JobView, RosterView};
use serde_json::{Map, Value};
use wire::control::{
    HubRow, KeyRow, Ledger, MinionCounts, MinionRow, Progress, RootsRow, SiteRow, Tree,
};
use wire::{JobOrder, KEYWORDS_MARK, Presence, Role, Standing, UnixMillis};

/// The roster, counted by site; with a row for each minion when `minions`.
pub fn tree(hub: &Hub, minions: bool, now: UnixMillis) -> Tree {
    let own = hub.config();
    let mut sites: BTreeMap<String, SiteRow> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut totals = MinionCounts::default();
    // The hub's own site is there even when it is empty.
    site(&mut sites, own.path.as_str()).hubs.push(HubRow {
        id: own.id.to_string(),
        presence: Presence::Up,
        since: now,
        software: own.software.clone(),
    });
    for node in hub.nodes() {
        let row = site(&mut sites, node.path().as_str());
        match (node.role(), node.standing()) {
            (Role::Minion, Standing::Accepted) => {
                count(&mut row.counts, node.link().presence);
                count(&mut totals, node.link().presence);
                if minions {
                    rows.push(minion_row(node));
                }
            }
            (Role::Minion, Standing::Pending) => {
                row.counts.pending += 1;
                totals.pending += 1;
            }
            (Role::Syndic | Role::TopMaster, Standing::Accepted) => row.hubs.push(HubRow {
                id: node.id().to_string(),
                presence: node.link().presence,
                since: node.link().since,
                software: node.software().to_owned(),
            }),
            _ => {}
        }
    }
    for row in sites.values_mut() {
        row.hubs.sort_by(|a, b| a.id.cmp(&b.id));
        row.cut_since = if row.path == own.path.as_str() {
            None
        } else {
            hub.cut_since(&row.path)
        };
    }
    rows.sort_by(|a, b| (&a.path, &a.id).cmp(&(&b.path, &b.id)));
    Tree {
        id: own.id.to_string(),
        path: own.path.to_string(),
        software: own.software.clone(),
        as_of: now,
        totals,
        sites: sites
            .into_values()
            .filter(|row| !row.hubs.is_empty() || row.counts != MinionCounts::default())
            .collect(),
        minions: rows,
    }
}

fn site<'a>(sites: &'a mut BTreeMap<String, SiteRow>, path: &str) -> &'a mut SiteRow {
    sites.entry(path.to_owned()).or_insert_with(|| SiteRow {
        path: path.to_owned(),
        hubs: Vec::new(),
        counts: MinionCounts::default(),
        cut_since: None,
    })
}

fn count(counts: &mut MinionCounts, presence: Presence) {
    counts.accepted += 1;
    match presence {
        Presence::Up => counts.up += 1,
        Presence::Down => counts.down += 1,
        Presence::CutOff => counts.cut_off += 1,
    }
}

fn minion_row(node: RosterView<'_>) -> MinionRow {
    MinionRow {
        id: node.id().to_string(),
        path: node.path().to_string(),
        state: match node.link().presence {
            Presence::Up => "up",
            Presence::Down => "down",
            Presence::CutOff => "cut-off",
        }
        .to_owned(),
        since: node.link().since,
        software: node.software().to_owned(),
    }
}

/// Keys of the whole subtree, in order of standing, id and site.
pub fn keys(hub: &Hub) -> Vec<KeyRow> {
    let mut rows: Vec<KeyRow> = hub.nodes().map(key_row).collect();
    rows.sort_by(|a, b| (a.standing, &a.id, &a.path).cmp(&(b.standing, &b.id, &b.path)));
    rows
}

/// One key as it is listed.
pub fn key_row(node: RosterView<'_>) -> KeyRow {
    KeyRow {
        id: node.id().to_string(),
        role: node.role(),
        path: node.path().to_string(),
        standing: node.standing(),
        fingerprint: pki::Fingerprint(*node.fingerprint()).to_string(),
    }
}

/// Roots of this hub and of every hub below.
pub fn roots(hub: &Hub) -> Vec<RootsRow> {
    let own = hub.config();
    let mut rows = vec![RootsRow {
        id: own.id.to_string(),
        path: own.path.to_string(),
        report: hub.roots().clone(),
        presence: Presence::Up,
    }];
    for node in hub
        .nodes()
        .filter(|n| n.role().is_hub() && n.standing() == Standing::Accepted)
    {
        rows.push(RootsRow {
            id: node.id().to_string(),
            path: node.path().to_string(),
            report: node.roots().cloned().unwrap_or_default(),
            presence: node.link().presence,
        });
    }
    rows.sort_by(|a, b| (&a.path, &a.id).cmp(&(&b.path, &b.id)));
    rows
}

/// A job's counts by site.
pub fn progress(hub: &Hub, job: JobView<'_>, now: UnixMillis) -> Progress {
    let steps = hub.steps(job.jid());
    Progress {
        steps,
        ..job.progress(&|index| name(hub, index), &|path| hub.cut_since(path), now)
    }
}

/// Ids and sites of nodes that left the roster, by the number that they had.
pub type FormerNames = BTreeMap<u32, (String, String)>;

/// A job's whole account. Nodes that it names may have left; a minion that moved is shown where it is now.
pub fn ledger(hub: &Hub, former: &FormerNames, job: JobView<'_>, now: UnixMillis) -> Ledger {
    job.ledger(
        &|index| name(hub, index).or_else(|| former.get(&index).cloned()),
        &|path| hub.cut_since(path),
        now,
    )
}

fn name(hub: &Hub, index: u32) -> Option<(String, String)> {
    hub.node(index)
        .map(|node| (node.id().to_string(), node.path().to_string()))
}

/// A job's arguments as Salt lists them.
pub(crate) fn arguments(order: &JobOrder) -> Vec<Value> {
    let args = serde_json::from_slice(&order.args).unwrap_or_default();
    let named = serde_json::from_slice(&order.kwargs).unwrap_or_default();
    listed(args, named)
}

/// Arguments as Salt lists them: the positional ones, and then the named ones in a map with a mark.
pub(crate) fn listed(mut args: Vec<Value>, mut named: Map<String, Value>) -> Vec<Value> {
    if !named.is_empty() {
        named.insert(KEYWORDS_MARK.to_owned(), true.into());
        args.push(named.into());
    }
    args
}

/// A job's target and its kind, as Salt's job cache has them.
pub(crate) fn target_of(order: &JobOrder) -> (&str, &'static str) {
    let target = order.target.compound.as_str();
    match target.contains(['@', ' ', '(', ')']) {
        false => (target, "glob"),
        true => (target, "compound"),
    }
}
