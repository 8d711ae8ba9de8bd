//! What would change of a file, for test mode.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::gather::{self, Gathered, Trouble};
use super::place::{Managed, is_obfuscated};
use super::{Failure, StateEnv};
use crate::files::{attributes, change, permissions};

/// What would change.
pub(super) struct Foretold {
    pub(super) changes: Map<String, Value>,
    /// A change that is not ignored.
    pub(super) is_significant: bool,
}

/// The changes that a state would make. The source, when there is one, is fetched as far as it must be.
pub(super) fn changes(
    managed: &Managed,
    gathered: Option<&Gathered>,
    env: &StateEnv,
) -> Result<Foretold, Failure> {
    let path = Path::new(managed.name());
    let mut foretold = Foretold {
        changes: Map::new(),
        is_significant: false,
    };
    let found = permissions::found(path, managed.follows).ok();
    if found.is_none() && !managed.shows_new_file {
        let name = json!(managed.name());
        foretold.changes.insert("newfile".to_owned(), name);
        foretold.is_significant = true;
        return Ok(foretold);
    }
    let mut compare = |new: &[u8], is_always_told: bool| -> Result<(), Failure> {
        let old = match found {
            Some(_) => change::read(path)?,
            None => Vec::new(),
        };
        let diff = change::of(&old, new, ("", ""));
        foretold.is_significant |= managed.ignored.leaves_any(&diff);
        if !diff.is_empty() || is_always_told {
            let shown = if is_obfuscated(env) {
                json!("<Obfuscated Template>")
            } else {
                json!(diff)
            };
            foretold.changes.insert("diff".to_owned(), shown);
        }
        Ok(())
    };
    if let Some(gathered) = gathered
        && let Some(sum) = &gathered.sum
    {
        let is_same = path.is_file() && gather::Bytes::At(path.to_owned()).sum(&sum.kind)? == *sum;
        if !is_same {
            // Content with another hash than it shall have is told of even where it is the content that the file has.
            compare(
                &gather::fetched(&managed.source, gathered, env)?.read()?,
                true,
            )?;
        }
    }
    if let Some(contents) = &managed.contents {
        compare(contents, false)?;
    }
    let Some(found) = found else {
        return Ok(foretold);
    };
    let wanted = managed.wanted_permissions(env);
    let more = permissions::differences(&found, &wanted, false);
    foretold.changes.extend(more);
    if let Some(attrs) = wanted.attrs.as_ref().filter(|attrs| !attrs.is_empty()) {
        let has = attributes::list(path, env.env.cancel)?;
        if has.is_some_and(|has| !attributes::difference(&has, attrs).is_empty()) {
            foretold.changes.insert("attrs".to_owned(), json!(attrs));
        }
    }
    Ok(foretold)
}

/// The source of a managed file, when it has one and no content of its own.
pub(super) fn source(managed: &Managed, env: &StateEnv) -> Result<Option<Gathered>, Trouble> {
    if managed.contents.is_some() || managed.source.source.is_empty() {
        return Ok(None);
    }
    gather::gather(&managed.source, env).map(Some)
}
