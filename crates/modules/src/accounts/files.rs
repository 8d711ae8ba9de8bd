//! The files of accounts, read.

use std::fs;
use std::path::Path;

use super::{GroupInfo, Shadow, UserInfo};

/// The five parts of the comment of a user; those that lack are empty.
pub(super) fn gecos(text: &str) -> [String; 5] {
    let mut parts = text.splitn(5, ',').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// The entries of a file; lines of a directory service (`+`, `-`) and comments are none.
fn entries(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with(['#', '+', '-']);
    text.lines()
        .map(str::trim)
        .filter(is_entry)
        .map(|line| line.split(':').map(str::to_owned).collect())
        .collect()
}

pub(super) fn users(path: &Path) -> Vec<UserInfo> {
    let user = |fields: Vec<String>| {
        let [name, passwd, uid, gid, comment, home, shell, ..] = &fields[..] else {
            return None;
        };
        Some(UserInfo {
            name: name.clone(),
            passwd: passwd.clone(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            gecos: gecos(comment),
            home: home.clone(),
            shell: shell.clone(),
            groups: Vec::new(),
        })
    };
    entries(path).into_iter().filter_map(user).collect()
}

pub(super) fn groups(path: &Path) -> Vec<GroupInfo> {
    let group = |fields: Vec<String>| {
        let [name, passwd, gid, members, ..] = &fields[..] else {
            return None;
        };
        Some(GroupInfo {
            name: name.clone(),
            passwd: passwd.clone(),
            gid: gid.parse().ok()?,
            members: members
                .split(',')
                .filter(|member| !member.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    };
    entries(path).into_iter().filter_map(group).collect()
}

pub(super) fn shadows(path: &Path) -> Vec<Shadow> {
    let shadow = |fields: Vec<String>| {
        let (name, passwd) = (fields.first()?.clone(), fields.get(1)?.clone());
        let days = std::array::from_fn(|at| {
            fields
                .get(at + 2)
                .and_then(|days| days.parse().ok())
                .unwrap_or(-1)
        });
        Some(Shadow { name, passwd, days })
    };
    entries(path).into_iter().filter_map(shadow).collect()
}
