//! How environments map to references.

use std::collections::BTreeMap;
use std::fmt::Write;

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

impl Layout {
    const ALL: [Layout; 4] = [
        Layout::Base,
        Layout::Branches,
        Layout::BranchesAndTags,
        Layout::Folders,
    ];

    fn name(self) -> &'static str {
        match self {
            Layout::Base => "base",
            Layout::Branches => "branches",
            Layout::BranchesAndTags => "branches-and-tags",
            Layout::Folders => "folders",
        }
    }
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
    /// The folder within the repository that holds the pillar of each environment. It is never served as files. None: there is no pillar.
    pub pillar_root: Option<String>,
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
    /// Refuses names that no branch could have, for they would not come back from a record as they were, and a folder of files that lies in
    /// that of the pillar.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(pillar) = self.pillar_root.as_deref().map(folder)
            && is_within(folder(&self.root), pillar)
        {
            return Err(Error::PillarRoot);
        }
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

    /// The rule as text, a line for each word of it, for a file and for children that follow their parent.
    pub fn to_text(&self) -> String {
        let mut text = format!("layout {}\nroot {}\n", self.layout.name(), self.root);
        let lines = [("base", &self.base), ("pillar", &self.pillar_root)];
        for (word, value) in lines {
            if let Some(value) = value {
                let _ = writeln!(text, "{word} {value}");
            }
        }
        for (env, reference) in &self.overrides {
            let _ = writeln!(text, "environment {reference} {env}");
        }
        text
    }

    /// Reads what [`EnvironmentRule::to_text`] writes.
    ///
    /// # Errors
    /// When it is anything else, or a rule that cannot be.
    pub fn from_text(text: &str) -> Result<EnvironmentRule, Error> {
        let malformed = || Error::Corrupt {
            detail: "the rule of the environments is malformed".to_owned(),
        };
        let mut rule = EnvironmentRule::default();
        for line in text.lines() {
            let (word, value) = line.split_once(' ').ok_or_else(malformed)?;
            match word {
                "layout" => {
                    let layout = Layout::ALL.iter().find(|layout| layout.name() == value);
                    rule.layout = *layout.ok_or_else(malformed)?;
                }
                "root" => rule.root = value.to_owned(),
                "base" => rule.base = Some(value.to_owned()),
                "pillar" => rule.pillar_root = Some(value.to_owned()),
                "environment" => {
                    let (reference, env) = value.split_once(' ').ok_or_else(malformed)?;
                    rule.overrides.insert(env.to_owned(), reference.to_owned());
                }
                _ => return Err(malformed()),
            }
        }
        rule.check()?;
        Ok(rule)
    }

    /// The folder of the pillar, when there is one and it lies in `root`: its path from there, empty for `root` itself.
    pub(crate) fn pillar_below(&self, root: &str) -> Option<&str> {
        let pillar = folder(self.pillar_root.as_deref()?);
        let root = folder(root);
        if root.is_empty() || pillar == root {
            return Some(pillar.strip_prefix(root).unwrap_or(pillar));
        }
        pillar.strip_prefix(root)?.strip_prefix('/')
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

/// A path of a folder as it stands in a git tree.
pub(crate) fn folder(path: &str) -> &str {
    path.trim_matches('/')
}

/// Whether a folder is another one or lies in it.
fn is_within(path: &str, other: &str) -> bool {
    other.is_empty()
        || path
            .strip_prefix(other)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
            ..EnvironmentRule::default()
        }
    }

    #[test]
    fn rules_come_back_as_written() {
        let full = EnvironmentRule {
            root: "a b/salt".to_owned(),
            pillar_root: Some("pillar".to_owned()),
            ..rule(Layout::Folders, "main", &[("prod x", "refs/tags/v1")])
        };
        for rule in [full, EnvironmentRule::default()] {
            let text = rule.to_text();
            assert_eq!(EnvironmentRule::from_text(&text).unwrap(), rule, "{text}");
        }
        for text in ["x", "layout other", "root a\npillar a", "environment x"] {
            assert!(EnvironmentRule::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pillar_lies_beside_the_files_or_in_them() {
        let check = |root: &str, pillar: &str, below: Option<&str>, is_right: bool| {
            let rule = EnvironmentRule {
                root: root.to_owned(),
                pillar_root: Some(pillar.to_owned()),
                ..EnvironmentRule::default()
            };
            assert_eq!(rule.pillar_below(root), below, "{root} {pillar}");
            assert_eq!(rule.check().is_ok(), is_right, "{root} {pillar}");
        };
        check("", "pillar", Some("pillar"), true);
        check("/", "a/pillar/", Some("a/pillar"), true);
        check("salt", "pillar", None, true);
        check("salt", "salt/pillar", Some("pillar"), true);
        check("salt", "saltpillar", None, true);
        check("salt", "salt", Some(""), false);
        check("a/salt", "a", None, false);
        check("", "", Some(""), false);
        check("salt", "", None, false);
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
