//! The wheel module `key`: keys of the whole tree, by standing. Nodes make their own keys, and only fingerprints travel, so nothing
//! here makes or prints one.

use data::python::texts;
use std::collections::BTreeMap;

use pki::Fingerprint;
use relay::Hub;
use serde_json::{Map, Value, json};
use targeting::Glob;
use wire::{KeyDecision, Role, Standing, Uid};

use super::call::{Answered, Call, Trouble};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("key.list_all", "", list_all,
        "Ids of all keys by standing, and under local the name of this hub's own."),
    runner!("key.list", "match", list,
        "Ids of the keys of one standing: acc, pre or un, rej, den, all."),
    runner!("key.glob_match", "match", glob_match,
        "Ids that match a glob, or one of several with commas between, by standing."),
    runner!("key.name_match", "match", glob_match, "As key.glob_match."),
    runner!("key.accept", "match, include_rejected=False, include_denied=False", accept,
        "Accept keys by a glob: those that wait, and on request others. Says where the ids are afterwards."),
    runner!("key.accept_dict", "match, include_rejected=False, include_denied=False", accept_dict,
        "Accept keys that are named by standing."),
    runner!("key.reject", "match, include_accepted=False, include_denied=False", reject,
        "Reject keys by a glob: those that wait, and on request others. Says where the ids are afterwards."),
    runner!("key.reject_dict", "match, include_accepted=False, include_denied=False", reject_dict,
        "Reject keys that are named by standing."),
    runner!("key.delete", "match", delete,
        "Forget keys of any standing by a glob. Says where the ids are afterwards."),
    runner!("key.delete_dict", "match", delete_dict,
        "Forget keys that are named by standing."),
    runner!("key.finger", "match, hash_type=None", finger,
        "Fingerprints of keys by a glob, by standing. They are SHA-256."),
    runner!("key.finger_master", "hash_type=None", finger_master,
        "The fingerprint that new nodes pin as master_finger: that of the tree. It is SHA-256."),
];

/// The name of this hub's own key, as Salt has it.
const OWN_KEY: &str = "master.pub";

/// Standings in Salt's order.
const STANDINGS: [Standing; 4] = [
    Standing::Accepted,
    Standing::Pending,
    Standing::Rejected,
    Standing::Denied,
];

/// A key of the roster.
#[derive(Clone)]
struct Key {
    uid: Uid,
    id: String,
    fingerprint: String,
}

/// Keys by standing, each in order of the ids.
type Keys = BTreeMap<Standing, Vec<Key>>;

async fn keys(call: &Call<'_>) -> Result<Keys, Trouble> {
    let read = |hub: &Hub| {
        let mut keys = Keys::new();
        for node in hub.nodes().filter(|node| node.role() != Role::TopMaster) {
            keys.entry(node.standing()).or_default().push(Key {
                uid: node.uid(),
                id: node.id().to_string(),
                fingerprint: Fingerprint(*node.fingerprint()).to_string(),
            });
        }
        keys
    };
    let mut keys: Keys = call.service.engine.query(read).await?;
    for keys in keys.values_mut() {
        keys.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(keys)
}

fn ids(keys: Option<&Vec<Key>>) -> Value {
    let keys = keys.into_iter().flatten();
    keys.map(|key| key.id.as_str()).collect()
}

/// Keys whose ids match; standings without any are left out.
fn matching(keys: &Keys, globs: &[Glob]) -> Keys {
    let matches = |key: &&Key| globs.iter().any(|glob| glob.matches(&key.id));
    let of = |keys: &Vec<Key>| keys.iter().filter(matches).cloned().collect::<Vec<_>>();
    let found = keys.iter().map(|(standing, keys)| (*standing, of(keys)));
    found.filter(|(_, keys)| !keys.is_empty()).collect()
}

fn by_place(keys: &Keys) -> Map<String, Value> {
    STANDINGS
        .iter()
        .filter(|standing| keys.contains_key(standing))
        .map(|standing| (standing.in_salt().to_owned(), ids(keys.get(standing))))
        .collect()
}

fn globs(value: &Value) -> Vec<Glob> {
    texts(value).iter().map(|glob| Glob::new(glob)).collect()
}

async fn list_all(call: Call<'_>) -> Answered {
    let keys = keys(&call).await?;
    Ok(all(&keys).into())
}

fn all(keys: &Keys) -> Value {
    let mut all: Map<String, Value> = STANDINGS
        .iter()
        .map(|standing| (standing.in_salt().to_owned(), ids(keys.get(standing))))
        .collect();
    all.insert("local".to_owned(), json!([OWN_KEY]));
    Value::Object(all)
}

async fn list(call: Call<'_>) -> Answered {
    let word = call.text("match")?;
    let keys = keys(&call).await?;
    let place = match word.as_str() {
        word if word.starts_with("acc") => 0,
        word if word.starts_with("pre") || word.starts_with("un") => 1,
        word if word.starts_with("rej") => 2,
        word if word.starts_with("den") => 3,
        word if word.starts_with("all") => return Ok(all(&keys).into()),
        word => {
            return Err(Trouble::usage(format!(
                "{word:?} is no standing: acc, pre, rej, den or all"
            )));
        }
    };
    let standing = STANDINGS[place];
    Ok(json!({ standing.in_salt(): ids(keys.get(&standing)) }).into())
}

async fn glob_match(call: Call<'_>) -> Answered {
    let found = matching(&keys(&call).await?, &globs(call.value("match")));
    Ok(Value::Object(by_place(&found)).into())
}

/// Keys that `match` names as a dictionary of standings.
fn named(call: &Call<'_>, keys: &Keys) -> Result<Keys, Trouble> {
    let Value::Object(wanted) = call.value("match") else {
        return Err(Trouble::usage(
            "match has to be a dictionary, such as {minions_pre: [web1]}",
        ));
    };
    let mut found = Keys::new();
    for (place, wanted) in wanted {
        let standing = STANDINGS.iter().find(|known| known.in_salt() == place);
        let Some(standing) = standing else {
            return Err(Trouble::usage(format!(
                "{place:?} is no standing: minions, minions_pre, minions_rejected or minions_denied"
            )));
        };
        let wanted = texts(wanted);
        let there = keys.get(standing).into_iter().flatten();
        let there = there.filter(|key| wanted.contains(&key.id)).cloned();
        found.entry(*standing).or_default().extend(there);
    }
    Ok(found)
}

async fn accept(call: Call<'_>) -> Answered {
    by_glob(&call, KeyDecision::Accept, &accepted(&call)).await
}

async fn accept_dict(call: Call<'_>) -> Answered {
    by_name(&call, KeyDecision::Accept, &accepted(&call)).await
}

/// The standings whose keys are accepted.
fn accepted(call: &Call<'_>) -> Vec<Standing> {
    included(
        call,
        [
            ("include_rejected", Standing::Rejected),
            ("include_denied", Standing::Denied),
        ],
    )
}

async fn reject(call: Call<'_>) -> Answered {
    by_glob(&call, KeyDecision::Reject, &rejected(&call)).await
}

async fn reject_dict(call: Call<'_>) -> Answered {
    by_name(&call, KeyDecision::Reject, &rejected(&call)).await
}

/// The standings whose keys are rejected.
fn rejected(call: &Call<'_>) -> Vec<Standing> {
    included(
        call,
        [
            ("include_accepted", Standing::Accepted),
            ("include_denied", Standing::Denied),
        ],
    )
}

/// Keys that wait, and those that an argument includes.
fn included(call: &Call<'_>, more: [(&str, Standing); 2]) -> Vec<Standing> {
    let more = more.into_iter().filter(|(name, _)| call.flag(name));
    let more = more.map(|(_, standing)| standing);
    [Standing::Pending].into_iter().chain(more).collect()
}

/// Every standing.
const ANY: [Standing; 4] = [
    Standing::Accepted,
    Standing::Pending,
    Standing::Rejected,
    Standing::Denied,
];

async fn delete(call: Call<'_>) -> Answered {
    by_glob(&call, KeyDecision::Delete, &ANY).await
}

async fn delete_dict(call: Call<'_>) -> Answered {
    by_name(&call, KeyDecision::Delete, &ANY).await
}

async fn by_glob(call: &Call<'_>, decision: KeyDecision, of: &[Standing]) -> Answered {
    let globs = globs(call.value("match"));
    let found = matching(&keys(call).await?, &globs);
    decide(call, decision, found, of).await?;
    let found = matching(&keys(call).await?, &globs);
    Ok(Value::Object(by_place(&found)).into())
}

async fn by_name(call: &Call<'_>, decision: KeyDecision, of: &[Standing]) -> Answered {
    let found = named(call, &keys(call).await?)?;
    let ids: Vec<Glob> = found
        .values()
        .flatten()
        .map(|key| Glob::new(&key.id))
        .collect();
    decide(call, decision, found, of).await?;
    let found = matching(&keys(call).await?, &ids);
    Ok(Value::Object(by_place(&found)).into())
}

/// Decides about the keys in these standings, and waits until that is in force. None is no error, as in Salt.
async fn decide(
    call: &Call<'_>,
    decision: KeyDecision,
    mut keys: Keys,
    of: &[Standing],
) -> Result<(), Trouble> {
    keys.retain(|standing, _| of.contains(standing));
    let uids: Vec<Uid> = keys.values().flatten().map(|key| key.uid).collect();
    if uids.is_empty() {
        return Ok(());
    }
    let refusals = call.service.decide_keys(uids, decision, call.user).await?;
    match refusals.into_iter().next() {
        Some(refusal) => Err(Trouble::refused(refusal)),
        None => Ok(()),
    }
}

/// Fingerprints are of one kind.
fn refuse_other_hashes(call: &Call<'_>) -> Result<(), Trouble> {
    match call.optional_text("hash_type")?.as_deref() {
        None | Some("sha256") => Ok(()),
        Some(other) => Err(Trouble::usage(format!(
            "hash_type {other:?} is not served: fingerprints are sha256"
        ))),
    }
}

async fn finger(call: Call<'_>) -> Answered {
    refuse_other_hashes(&call)?;
    let globs = globs(call.value("match"));
    let found = matching(&keys(&call).await?, &globs);
    let mut answer = Map::new();
    for standing in STANDINGS {
        if let Some(keys) = found.get(&standing) {
            let mut fingers = Map::new();
            for key in keys {
                fingers.insert(key.id.clone(), key.fingerprint.as_str().into());
            }
            answer.insert(standing.in_salt().to_owned(), fingers.into());
        }
    }
    if globs.iter().any(|glob| glob.matches(OWN_KEY)) {
        answer.insert("local".to_owned(), own_finger(&call));
    }
    Ok(Value::Object(answer).into())
}

async fn finger_master(call: Call<'_>) -> Answered {
    refuse_other_hashes(&call)?;
    Ok(json!({ "local": own_finger(&call) }).into())
}

fn own_finger(call: &Call<'_>) -> Value {
    json!({ OWN_KEY: Fingerprint(call.service.jobs.tree.0).to_string() })
}
