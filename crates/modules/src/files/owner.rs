//! Users and groups that own files, by name and number.

use nix::unistd::{Gid, Group, Uid, User};
use serde_json::{Value, json};

use crate::python;

/// The id of a user: a number stands for itself.
pub(crate) fn user_id(user: &Value) -> Option<Uid> {
    match user.as_u64() {
        Some(number) => u32::try_from(number).ok().map(Uid::from_raw),
        None => User::from_name(&python::text(user))
            .ok()
            .flatten()
            .map(|user| user.uid),
    }
}

/// The id of a group: a number stands for itself.
pub(crate) fn group_id(group: &Value) -> Option<Gid> {
    match group.as_u64() {
        Some(number) => u32::try_from(number).ok().map(Gid::from_raw),
        None => Group::from_name(&python::text(group))
            .ok()
            .flatten()
            .map(|group| group.gid),
    }
}

/// The name of a user, its number when it has none.
pub(crate) fn user_name(uid: u32) -> Value {
    User::from_uid(Uid::from_raw(uid))
        .ok()
        .flatten()
        .map_or_else(|| json!(uid), |user| json!(user.name))
}

/// The name of a group, its number when it has none.
pub(crate) fn group_name(gid: u32) -> Value {
    Group::from_gid(Gid::from_raw(gid))
        .ok()
        .flatten()
        .map_or_else(|| json!(gid), |group| json!(group.name))
}

/// The group that a user belongs to first, by name; that of number 0 when there is no such user.
pub(crate) fn main_group(user: &Value) -> Value {
    let account = match user.as_u64() {
        Some(_) => user_id(user).and_then(|uid| User::from_uid(uid).ok().flatten()),
        None => User::from_name(&python::text(user)).ok().flatten(),
    };
    group_name(account.map_or(0, |account| account.gid.as_raw()))
}

/// Whether an owner that somebody wants is the one of this name and number.
pub(crate) fn is_same(wanted: &Value, name: &Value, id: u32) -> bool {
    wanted == name || wanted.as_u64() == Some(u64::from(id))
}

/// Whether somebody wants an owner at all: a name that is not empty. User 0 by number counts as none, as in Salt.
pub(crate) fn is_wanted(owner: &Value) -> bool {
    python::truthy(owner)
}

/// Why these owners cannot be had; empty when they can, or when nobody wants any.
pub(crate) fn missing(user: &Value, group: &Value) -> String {
    let mut text = String::new();
    if is_wanted(user) && user_id(user).is_none() {
        text += &format!("User {} is not available ", python::text(user));
    }
    if is_wanted(group) && group_id(group).is_none() {
        text += &format!("Group {} is not available", python::text(group));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_named() {
        assert_eq!(user_id(&json!("root")), Some(Uid::from_raw(0)));
        assert_eq!(group_id(&json!(12)), Some(Gid::from_raw(12)));
        assert_eq!(main_group(&json!("root")), json!("root"));
        assert!(
            is_same(&json!(0), &json!("root"), 0) && is_same(&json!("root"), &json!("root"), 0)
        );
        assert!(!is_same(&json!("0"), &json!("root"), 0));
        assert_eq!(missing(&json!("root"), &Value::Null), "");
        assert_eq!(
            missing(&json!("nobody-such"), &json!("none-such")),
            "User nobody-such is not available Group none-such is not available"
        );
    }
}
