//! How environments map to references.

use std::collections::BTreeMap;

use crate::record::Roots;
use crate::{CommitId, Error, names};

/// The environment that always exists.
pub(crate) const BASE: &str = "base";

/// Where environments come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Only `base`, from the base branch, and what [`EnvironmentRule::overrides`] adds.
    Base,
    /// Every branch is an environment of its name, except the base branch, which is `base`.
    #[default]
    Branches,
    /// As [`Layout::Branches`], and every tag as well. A branch wins over a tag of the same name.
    BranchesAndTags,
    /// The top-level folders of the base branch are the environments.
    Folders,
}

/// How the environments of a mirror follow from the references of its remote. All hubs of a tree need the same rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvironmentRule {
    /// Where environments come from.
    pub layout: Layout,
    /// The base branch. Without it: the branch that the remote's `HEAD` names, else `main`, else `master`.
    pub base: Option<String>,
    /// Environments that follow a branch, a tag or a full reference name of their own, by environment.
    pub overrides: BTreeMap<String, String>,
    /// The folder within the repository that holds the roots, `/` between names. Empty: the top.
    pub root: String,
}

/// What a rule makes of a set of references.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) roots: Roots,
    /// The commit of the base branch.
    pub(crate) base: CommitId,
    /// The references that decide environments; these may not be rewound.
    pub(crate) followed: Vec<String>,
}

impl EnvironmentRule {
    /// Refuses names that no branch could have: they would not come back from a record as they were.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refused = |env: &&String| {
            !env.split('/')
                .all(|name| names::is_servable(name.as_bytes()))
        };
        match self.overrides.keys().find(refused) {
            Some(env) => Err(Error::EnvironmentName {
                name: env.escape_debug().to_string(),
            }),
            None => Ok(()),
        }
    }

    /// Decides the environments. `head` is the full name of the branch that the remote's `HEAD` names.
    pub(crate) fn resolve(
        &self,
        refs: &BTreeMap<String, CommitId>,
        head: Option<&str>,
    ) -> Result<Resolved, Error> {
        let base_ref = self.base_ref(refs, head)?;
        let base = refs[&base_ref];
        let mut envs = BTreeMap::new();
        if matches!(self.layout, Layout::Branches | Layout::BranchesAndTags) {
            let tags = refs
                .iter()
                .filter(|_| self.layout == Layout::BranchesAndTags);
            let tags = tags.filter_map(|(name, _)| Some((name.strip_prefix("refs/tags/")?, name)));
            let branches = refs
                .keys()
                .filter_map(|name| Some((name.strip_prefix("refs/heads/")?, name)));
            // Branches come last and so replace tags.
            envs.extend(
                tags.chain(branches)
                    .filter(|(_, name)| **name != base_ref)
                    .map(|(env, name)| (env.to_owned(), name.clone())),
            );
        }
        let folders = match self.layout {
            Layout::Folders => Some(base),
            _ => {
                envs.insert(BASE.to_owned(), base_ref.clone());
                None
            }
        };
        for (env, text) in &self.overrides {
            envs.insert(
                env.clone(),
                find(refs, text).ok_or_else(|| no_reference(env, text))?,
            );
        }
        let mut followed: Vec<String> = envs.values().cloned().collect();
        followed.extend(folders.map(|_| base_ref));
        let envs = envs
            .into_iter()
            .map(|(env, name)| (env, refs[&name]))
            .collect();
        Ok(Resolved {
            roots: Roots { folders, envs },
            base,
            followed,
        })
    }

    /// How a plain commit is read, one that no record wraps.
    pub(crate) fn of_commit(&self, commit: CommitId) -> Roots {
        match self.layout {
            Layout::Folders => Roots {
                folders: Some(commit),
                envs: BTreeMap::new(),
            },
            _ => Roots {
                folders: None,
                envs: BTreeMap::from([(BASE.to_owned(), commit)]),
            },
        }
    }

    fn base_ref(
        &self,
        refs: &BTreeMap<String, CommitId>,
        head: Option<&str>,
    ) -> Result<String, Error> {
        if let Some(text) = self
            .overrides
            .get(BASE)
            .filter(|_| self.layout != Layout::Folders)
            .or(self.base.as_ref())
        {
            return find(refs, text).ok_or_else(|| no_reference(BASE, text));
        }
        let usual = [
            head.unwrap_or_default(),
            "refs/heads/main",
            "refs/heads/master",
        ];
        let found = usual
            .into_iter()
            .find(|name| name.starts_with("refs/heads/") && refs.contains_key(*name));
        found
            .map(str::to_owned)
            .ok_or_else(|| no_reference(BASE, "HEAD, main or master"))
    }
}

/// The full name that `text` stands for: itself, a branch, or a tag.
pub(crate) fn find(refs: &BTreeMap<String, CommitId>, text: &str) -> Option<String> {
    ["", "refs/heads/", "refs/tags/"]
        .iter()
        .map(|prefix| format!("{prefix}{text}"))
        .find(|name| refs.contains_key(name))
}

fn no_reference(environment: &str, reference: &str) -> Error {
    Error::NoReference {
        environment: environment.to_owned(),
        reference: reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(n: u8) -> CommitId {
        CommitId::from_bytes([n; 20])
    }

    fn rule(layout: Layout, base: &str, overrides: &[(&str, &str)]) -> EnvironmentRule {
        let overrides = overrides
            .iter()
            .map(|(env, name)| (env.to_string(), name.to_string()))
            .collect();
        EnvironmentRule {
            layout,
            base: (!base.is_empty()).then(|| base.to_owned()),
            overrides,
            root: String::new(),
        }
    }

    /// The remote has main (1), dev (2), feature/x (3) and the tags v1 (4) and dev (5); its `HEAD` names `head`.
    fn check(rule: EnvironmentRule, head: &str, expected: &str) {
        let refs = [
            ("heads/main", 1),
            ("heads/dev", 2),
            ("heads/feature/x", 3),
            ("tags/v1", 4),
            ("tags/dev", 5),
        ];
        let refs = refs
            .map(|(name, n)| (format!("refs/{name}"), commit(n)))
            .into();
        let found = match rule.resolve(&refs, Some(head)) {
            Ok(resolved) => {
                let folders = resolved.roots.folders.map(|id| ("*".to_owned(), id));
                let all = folders.into_iter().chain(resolved.roots.envs);
                all.map(|(env, id)| format!("{env}={}", id.as_bytes()[0]))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn environments_follow_from_references() {
        let head = "refs/heads/main";
        check(rule(Layout::Base, "", &[]), head, "base=1");
        check(rule(Layout::Base, "dev", &[]), head, "base=2");
        check(
            rule(Layout::Base, "v1", &[("prod", "refs/tags/dev")]),
            head,
            "base=4 prod=5",
        );
        check(
            rule(Layout::Branches, "", &[]),
            head,
            "base=1 dev=2 feature/x=3",
        );
        check(
            rule(Layout::Branches, "", &[]),
            "refs/heads/dev",
            "base=2 feature/x=3 main=1",
        );
        check(
            rule(Layout::Branches, "", &[]),
            "refs/heads/gone",
            "base=1 dev=2 feature/x=3",
        );
        check(
            rule(Layout::Branches, "", &[("base", "dev")]),
            head,
            "base=2 feature/x=3 main=1",
        );
        check(
            rule(Layout::BranchesAndTags, "", &[]),
            head,
            "base=1 dev=2 feature/x=3 v1=4",
        );
        check(rule(Layout::Folders, "", &[]), head, "*=1");
        check(
            rule(Layout::Folders, "dev", &[("old", "v1")]),
            head,
            "*=2 old=4",
        );
        check(
            rule(Layout::Base, "gone", &[]),
            head,
            "environment `base`: remote has no `gone`",
        );
        check(
            rule(Layout::Base, "", &[("prod", "gone")]),
            head,
            "environment `prod`: remote has no `gone`",
        );
    }
}
