//! Symbolic links of a git tree: served as what they lead to, where that is a file or folder of the same environment.

use std::collections::BTreeMap;

use git2::{Oid, Repository};

use crate::tree::SkippedReason;
use crate::{Entry, Error, Limits};

/// Links that lead to links are followed so many times, as the kernel does.
const CHAIN_MAX: usize = 40;

/// A link: its path, and the blob that holds its target.
pub(crate) type Link = (String, Oid);

/// What became of the links of a tree.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Files that links add.
    pub(crate) files: Vec<Entry>,
    /// Links that are not served.
    pub(crate) skipped: Vec<(String, SkippedReason)>,
}

/// Follows the links of a tree whose own files are `files`, ordered by path. A link that leads out of the tree, nowhere, or in a circle is
/// skipped; so is one with which the tree would have more files than the limit.
pub(crate) fn resolve(
    repository: &Repository,
    files: &[Entry],
    links: Vec<Link>,
    limits: &Limits,
) -> Result<Resolved, Error> {
    let mut targets: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (path, blob) in links {
        let found = repository
            .find_blob(blob)
            .map_err(Error::corrupt(format!("blob {blob}")))?;
        let text = std::str::from_utf8(found.content()).ok();
        let target = text
            .filter(|text| text.len() <= limits.path_bytes)
            .and_then(|text| join(&path, text));
        targets.insert(path, target);
    }
    let mut resolved = Resolved::default();
    for path in targets.keys() {
        let room = limits
            .files
            .saturating_sub(files.len() + resolved.files.len());
        let added = end_of(path, &targets).map(|end| below(files, path, &end, room));
        match added {
            Some(added) if !added.is_empty() && added.len() <= room => {
                let fits = |entry: &Entry| entry.path.len() <= limits.path_bytes;
                resolved.files.extend(added.into_iter().filter(fits));
            }
            _ => resolved
                .skipped
                .push((path.clone(), SkippedReason::Symlink)),
        }
    }
    Ok(resolved)
}

/// Where a link leads in the end: a path that no link is part of.
fn end_of(link: &str, targets: &BTreeMap<String, Option<String>>) -> Option<String> {
    let mut path = link.to_owned();
    for _ in 0..CHAIN_MAX {
        // The first beginning of the path that is a link; the rest of the path lies below its target.
        let ends = path.match_indices('/').map(|(at, _)| at);
        let step = ends.chain([path.len()]).find_map(|at| {
            let (beginning, rest) = path.split_at(at);
            Some((targets.get(beginning)?, rest))
        });
        match step {
            None => return Some(path),
            Some((Some(target), rest)) => path = format!("{target}{rest}"),
            Some((None, _)) => return None,
        }
    }
    None
}

/// The files that a link adds when it leads to this file or folder; one more than `room` when there are more.
fn below(files: &[Entry], link: &str, end: &str, room: usize) -> Vec<Entry> {
    let file = files.binary_search_by(|entry| entry.path.as_str().cmp(end));
    if let Some(entry) = file.ok().and_then(|at| files.get(at)) {
        return vec![Entry {
            path: link.to_owned(),
            ..entry.clone()
        }];
    }
    let folder = format!("{end}/");
    let from = files.partition_point(|entry| entry.path < folder);
    let within = files.iter().skip(from);
    within
        .take_while(|entry| entry.path.starts_with(&folder))
        .map(|entry| Entry {
            path: format!(
                "{link}/{}",
                entry.path.strip_prefix(&folder).unwrap_or_default()
            ),
            ..entry.clone()
        })
        .take(room.saturating_add(1))
        .collect()
}

/// The path that a relative target means from a link's folder; none when it leads out of the tree, or to its top.
fn join(link: &str, target: &str) -> Option<String> {
    if target.is_empty() || target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_stay_in_the_tree() {
        for (link, target, expected) in [
            ("a/link", "x", Some("a/x")),
            ("a/link", "../b/./x", Some("b/x")),
            ("link", "a//b", Some("a/b")),
            ("link", "..", None),
            ("a/link", "../../x", None),
            ("a/link", "..", None),
            ("link", "/etc/passwd", None),
            ("link", "", None),
        ] {
            assert_eq!(join(link, target).as_deref(), expected, "{link} {target}");
        }
    }

    #[test]
    fn links_may_lead_to_links_but_not_in_circles() {
        let targets: BTreeMap<String, Option<String>> = [
            ("one", Some("two/x")),
            ("two", Some("three")),
            ("round", Some("about")),
            ("about", Some("round")),
            ("out", None),
        ]
        .map(|(link, target)| (link.to_owned(), target.map(str::to_owned)))
        .into();
        for (link, expected) in [
            ("one", Some("three/x")),
            ("two", Some("three")),
            ("round", None),
            ("out", None),
        ] {
            assert_eq!(end_of(link, &targets).as_deref(), expected, "{link}");
        }
    }
}
