//! Owner, group, mode and attributes of a file: what is wanted, and making it so.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{attributes, mode, owner};
use crate::failure::Failure;
use crate::python;
use crate::registry::Env;
use crate::states::Return;

/// What a file shall have; none and an empty owner stay as they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) user: Value,
    pub(crate) group: Value,
    /// In the form of [`mode::normalized`].
    pub(crate) mode: Option<String>,
    pub(crate) attrs: Option<String>,
}

/// What a file has.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) user: Value,
    pub(crate) group: Value,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: String,
    pub(crate) is_link: bool,
}

/// What a path has, or its link leads to. A link that leads nowhere has an owner of its own.
pub(crate) fn found(path: &Path, follow_symlinks: bool) -> Result<Found, Failure> {
    let link = || fs::symlink_metadata(path);
    let metadata = if follow_symlinks {
        fs::metadata(path).or_else(|_| link())
    } else {
        link()
    };
    let metadata =
        metadata.map_err(|_| Failure::command(format!("Path not found: {}", path.display())))?;
    Ok(Found {
        user: owner::user_name(metadata.uid()),
        group: owner::group_name(metadata.gid()),
        uid: metadata.uid(),
        gid: metadata.gid(),
        mode: mode::of(&metadata),
        is_link: metadata.is_symlink(),
    })
}

/// Gives a file what is wanted, or in test mode says what would change: `user`, `group`, `mode` and `attrs` in the changes. A failure to do so
/// is in the result and the comment. Answers the mode from before.
pub(crate) fn settle(
    path: &Path,
    answer: &mut Return,
    wanted: &Wanted,
    follow_symlinks: bool,
    is_test: bool,
    env: &Env,
) -> Result<String, Failure> {
    let before = found(path, follow_symlinks)?;
    let is_bare_link = path.is_symlink() && !follow_symlinks;
    let mut comments: Vec<String> = Vec::new();
    comments.extend(Some(std::mem::take(&mut answer.comment)).filter(|text| !text.is_empty()));
    let differs = |wanted: &Value, name: &Value, id: u32| {
        owner::is_wanted(wanted) && !owner::is_same(wanted, name, id)
    };
    let is_user_wrong = differs(&wanted.user, &before.user, before.uid);
    let is_group_wrong = differs(&wanted.group, &before.group, before.gid);
    if (is_user_wrong || is_group_wrong) && !is_test {
        let text = set_owner(path, wanted, &before, is_bare_link);
        if !text.is_empty() {
            answer.result = Some(false);
            comments.push(text);
        }
    }
    let wanted_mode = wanted.mode.as_ref().filter(|_| !is_bare_link);
    let is_mode_wrong = wanted_mode.is_some_and(|mode| *mode != before.mode);
    if let Some(bits) = wanted_mode.and_then(|mode| mode::bits(mode))
        && is_mode_wrong
        && !is_test
    {
        // Whether it took is seen below.
        let _ = fs::set_permissions(path, Permissions::from_mode(bits));
    }
    let after = found(path, follow_symlinks)?;
    let mut settled = |what: &str, value: &Value, was_wrong: bool, is_wrong: bool| {
        if is_wrong && !is_test {
            answer.result = Some(false);
            comments.push(format!(
                "Failed to change {what} to {}",
                python::text(value)
            ));
        } else if was_wrong || is_wrong {
            answer.changes.insert(what.to_owned(), value.clone());
        }
    };
    let is_user_still_wrong = differs(&wanted.user, &after.user, after.uid);
    settled("user", &wanted.user, is_user_wrong, is_user_still_wrong);
    let is_group_still_wrong = differs(&wanted.group, &after.group, after.gid);
    settled("group", &wanted.group, is_group_wrong, is_group_still_wrong);
    if let Some(mode) = wanted_mode {
        settled("mode", &json!(mode), is_mode_wrong, *mode != after.mode);
    }
    if let Some(attrs) = wanted
        .attrs
        .as_ref()
        .filter(|_| !path.is_dir() && !is_bare_link)
    {
        settle_attributes(path, attrs, answer, &mut comments, is_test, env)?;
    }
    answer.comment = comments.join("; ");
    if is_test && !answer.changes.is_empty() {
        answer.result = None;
    }
    Ok(before.mode)
}

/// Sets user and group; answers why it could not.
fn set_owner(path: &Path, wanted: &Wanted, before: &Found, is_bare_link: bool) -> String {
    let mut errors = String::new();
    let mut id = |value: &Value, id: Option<u32>, what: &str| match value {
        Value::Null => None,
        _ if !owner::is_wanted(value) => None,
        _ => {
            if id.is_none() {
                errors += &format!("{what} does not exist\n");
            }
            id
        }
    };
    let uid = id(
        &wanted.user,
        owner::user_id(&wanted.user).map(|id| id.as_raw()),
        "User",
    );
    let gid = id(
        &wanted.group,
        owner::group_id(&wanted.group).map(|id| id.as_raw()),
        "Group",
    );
    if !errors.is_empty() {
        return errors;
    }
    let done = if is_bare_link || !path.exists() {
        lchown(path, uid, gid)
    } else {
        chown(path, uid, gid)
    };
    // Changing the owner clears the bits of setuid and setgid. That it failed is seen by who asks afterwards.
    if done.is_ok()
        && !path.is_symlink()
        && let Some(bits) = mode::bits(&before.mode)
    {
        let _ = fs::set_permissions(path, Permissions::from_mode(bits));
    }
    String::new()
}

fn settle_attributes(
    path: &Path,
    wanted: &str,
    answer: &mut Return,
    comments: &mut Vec<String>,
    is_test: bool,
    env: &Env,
) -> Result<(), Failure> {
    let Some(old) = attributes::list(path, env.cancel)? else {
        return Ok(());
    };
    let difference = attributes::difference(&old, wanted);
    if difference.is_empty() {
        return Ok(());
    }
    let mut new = wanted.to_owned();
    if !is_test {
        let name = [path.to_string_lossy().into_owned()];
        for (sign, letters) in [('+', &difference.added), ('-', &difference.removed)] {
            if !letters.is_empty() {
                attributes::change(&name, sign, letters, &[], env.cancel)?;
            }
        }
        let now = attributes::list(path, env.cancel)?.unwrap_or_default();
        if !attributes::difference(&now, wanted).is_empty() {
            answer.result = Some(false);
            comments.push(format!("Failed to change attributes to {wanted}"));
            new = now;
        }
    }
    if old != new {
        let change = json!({"old": old, "new": new});
        answer.changes.insert("attrs".to_owned(), change);
    }
    Ok(())
}

/// What differs from what is wanted, by the names of the changes. `is_mode_kept` leaves the mode out, as for links.
pub(crate) fn differences(
    found: &Found,
    wanted: &Wanted,
    is_mode_kept: bool,
) -> Map<String, Value> {
    let mut changes = Map::new();
    let owners = [
        ("user", &wanted.user, &found.user, found.uid),
        ("group", &wanted.group, &found.group, found.gid),
    ];
    for (what, wanted, name, id) in owners {
        if !wanted.is_null() && !owner::is_same(wanted, name, id) {
            changes.insert(what.to_owned(), wanted.clone());
        }
    }
    if let Some(mode) = wanted
        .mode
        .as_ref()
        .filter(|mode| **mode != found.mode && !is_mode_kept)
    {
        changes.insert("mode".to_owned(), json!(mode));
    }
    changes
}
