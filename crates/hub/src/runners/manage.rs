//! `manage`: who of the roster is up and who is down, and in which release. Nobody is asked.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use access::Area;
use relay::Hub;
use serde_json::{Map, Value, json};
use targeting::{Target, Verdict};
use wire::{KeyDecision, Presence, Role, Standing, Uid};

use super::call::{Answered, Call, Trouble};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("manage.status", "output=True, tgt='*', tgt_type='glob', timeout=None, gather_job_timeout=None", status,
        "Ids of the minions that are up, and of those that are down. Also those behind a site that is cut off are down. Nobody is waited for, so the \
         timeouts bound nothing, and as in Salt output means nothing."),
    runner!("manage.up", "tgt='*', tgt_type='glob', timeout=None, gather_job_timeout=None", up,
        "Ids of the minions that are up."),
    runner!("manage.down", "removekeys=False, tgt='*', tgt_type='glob', timeout=None, gather_job_timeout=None", down,
        "Ids of the minions that are down. removekeys: delete their keys, but for those behind a site that is cut off; needs the right to decide about keys."),
    runner!("manage.versions", "", versions,
        "The versions of the minions beside that of this hub. As in Salt, in groups; those that are down have false."),
    runner!("manage.list_state", "subset=None, show_ip=False", present,
        "Ids of the minions that are connected, of these ids where subset names some. Addresses are not kept, so show_ip is refused."),
    runner!("manage.list_not_state", "subset=None, show_ip=False", not_present,
        "Ids of the minions that are not connected, of these ids where subset names some."),
    runner!("manage.present", "subset=None, show_ip=False", present, "As manage.list_state."),
    runner!("manage.not_present", "subset=None, show_ip=False", not_present, "As manage.list_not_state."),
    runner!("manage.joined", "subset=None, show_ip=False", present, "As manage.list_state."),
    runner!("manage.not_joined", "subset=None, show_ip=False", not_present, "As manage.list_not_state."),
    runner!("manage.allowed", "subset=None, show_ip=False", present, "As manage.list_state."),
    runner!("manage.not_allowed", "subset=None, show_ip=False", not_present, "As manage.list_not_state."),
    runner!("manage.alived", "subset=None, show_ip=False", present, "As manage.list_state."),
    runner!("manage.not_alived", "subset=None, show_ip=False", not_present, "As manage.list_not_state."),
    runner!("manage.reaped", "subset=None, show_ip=False", present, "As manage.list_state."),
    runner!("manage.not_reaped", "subset=None, show_ip=False", not_present, "As manage.list_not_state."),
];

/// A minion of the roster.
struct Entry {
    uid: Uid,
    id: String,
    presence: Presence,
    software: String,
}

impl Entry {
    fn is_up(&self) -> bool {
        self.presence == Presence::Up
    }
}

/// The accepted minions that a target means, in order of their ids.
async fn roll(call: &Call<'_>, target: Option<Target>) -> Result<Vec<Entry>, Trouble> {
    let read = move |hub: &Hub| {
        let minions = hub.nodes().filter(|node| {
            node.role() == Role::Minion
                && node.standing() == Standing::Accepted
                && target
                    .as_ref()
                    .is_none_or(|target| target.matches(&node.facts()) == Verdict::Yes)
        });
        let entry = |node: relay::RosterView<'_>| Entry {
            uid: node.uid(),
            id: node.id().to_string(),
            presence: node.link().presence,
            software: node.software().to_owned(),
        };
        minions.map(entry).collect()
    };
    let mut entries: Vec<Entry> = call.service.engine.query(read).await?;
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(entries)
}

fn ids<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Value {
    entries.into_iter().map(|entry| entry.id.as_str()).collect()
}

async fn status(call: Call<'_>) -> Answered {
    let entries = roll(&call, Some(call.target()?)).await?;
    let (up, down): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_up());
    Ok(json!({ "up": ids(up), "down": ids(down) }).into())
}

async fn up(call: Call<'_>) -> Answered {
    let entries = roll(&call, Some(call.target()?)).await?;
    Ok(ids(entries.iter().filter(|entry| entry.is_up())).into())
}

async fn down(call: Call<'_>) -> Answered {
    let entries = roll(&call, Some(call.target()?)).await?;
    let down: Vec<&Entry> = entries.iter().filter(|entry| !entry.is_up()).collect();
    if call.flag("removekeys") {
        call.needs(Area::Wheel)?;
        // Nobody knows how minions are behind a cut.
        let gone = down.iter().filter(|entry| entry.presence == Presence::Down);
        let uids = gone.map(|entry| entry.uid).collect();
        let decided = call
            .service
            .decide_keys(uids, KeyDecision::Delete, call.user);
        if let Some(refusal) = decided.await?.into_iter().next() {
            return Err(Trouble::refused(refusal));
        }
    }
    Ok(ids(down).into())
}

/// The ids that `subset` names; None for all.
fn subset(call: &Call<'_>) -> Result<Option<BTreeSet<String>>, Trouble> {
    call.refuse(
        "show_ip",
        "the roster does not keep the addresses from which minions connect",
    )?;
    Ok(match call.value("subset") {
        Value::Null => None,
        _ => Some(call.texts("subset").into_iter().collect()),
    })
}

async fn present(call: Call<'_>) -> Answered {
    listed(&call, true).await
}

async fn not_present(call: Call<'_>) -> Answered {
    listed(&call, false).await
}

async fn listed(call: &Call<'_>, is_up: bool) -> Answered {
    let subset = subset(call)?;
    let entries = roll(call, None).await?;
    let meant = entries.iter().filter(|entry| {
        entry.is_up() == is_up && subset.as_ref().is_none_or(|ids| ids.contains(&entry.id))
    });
    Ok(ids(meant).into())
}

async fn versions(call: Call<'_>) -> Answered {
    let own = |hub: &Hub| hub.config().software.clone();
    let own = call.service.engine.query(own).await?;
    let entries = roll(&call, None).await?;
    let mut groups = Map::new();
    groups.insert("Master".to_owned(), own.as_str().into());
    for entry in &entries {
        let (group, version) = match entry.is_up() {
            false => ("Minion offline", Value::from(false)),
            true => {
                let group = match compared(&entry.software, &own) {
                    Ordering::Less => "Minion requires update",
                    Ordering::Equal => "Up to date",
                    Ordering::Greater => "Minion newer than master",
                };
                (group, entry.software.as_str().into())
            }
        };
        groups.entry(group).or_insert_with(|| json!({}))[&entry.id] = version;
    }
    Ok(Value::Object(groups).into())
}

/// Versions by their numbers; what is no number counts as 0.
fn compared(one: &str, other: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let plain = version.split(['-', '+']).next().unwrap_or_default();
        plain
            .split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect()
    };
    numbers(one).cmp(&numbers(other))
}

/// Ids of the minions that are connected, sorted.
pub(super) async fn connected(call: Call<'_>) -> Answered {
    let entries = roll(&call, None).await?;
    Ok(ids(entries.iter().filter(|entry| entry.is_up())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(compared("0.2.0", "0.2.0"), Ordering::Equal);
        assert_eq!(compared("0.10.0", "0.9.3"), Ordering::Greater);
        assert_eq!(compared("0.2.0", "0.2.1-rc1"), Ordering::Less);
        assert_eq!(compared("", "0.1.0"), Ordering::Less);
    }
}
