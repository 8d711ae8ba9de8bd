//! Read-only views of one state.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use git2::{ObjectType, Oid, Repository};

use crate::environments::folder;
use crate::objects::Objects;
use crate::record::Roots;
use crate::tree::{self, Kind, Tree};
use crate::{BlobId, CommitId, Entry, EnvironmentRule, Error, Limits, Skipped, SkippedReason};

/// All environments of one state, each at its commit. Cheap to clone; reads from any thread.
#[derive(Debug, Clone)]
pub struct Snapshot {
    view: Arc<View>,
    objects: Arc<Objects>,
}

/// A file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The content.
    pub bytes: Vec<u8>,
    /// Bytes of content.
    pub size: u64,
    /// Whether git has it as an executable.
    pub executable: bool,
    /// The name of the content.
    pub blob_id: BlobId,
}

impl Snapshot {
    pub(crate) fn new(view: Arc<View>, objects: Arc<Objects>) -> Self {
        Self { view, objects }
    }

    /// The id of the state: what a job pins.
    pub fn commit(&self) -> CommitId {
        self.view.id
    }

    /// The environments, in order, with the commit that each serves.
    pub fn environments(&self) -> impl Iterator<Item = (&str, CommitId)> {
        self.view
            .envs
            .iter()
            .map(|(env, view)| (env.as_str(), view.commit))
    }

    /// The same state, with the pillar of each environment in place of its files. None when the rule names no folder for it.
    pub fn pillar(&self) -> Option<Snapshot> {
        Some(Snapshot {
            view: self.view.pillar.clone()?,
            objects: self.objects.clone(),
        })
    }

    /// All files of an environment, ordered by path.
    pub fn list(&self, env: &str) -> Result<&[Entry], Error> {
        Ok(&self.tree(env)?.files)
    }

    /// A file's entry, without its content.
    pub fn entry(&self, env: &str, path: &str) -> Result<Option<&Entry>, Error> {
        Ok(self.tree(env)?.find(path))
    }

    /// A file's content. `path` is looked up as it is, so nothing outside the environment can be named.
    pub fn read(&self, env: &str, path: &str) -> Result<Option<File>, Error> {
        let Some(entry) = self.entry(env, path)? else {
            return Ok(None);
        };
        let bytes = self.objects.with(|repository| {
            let blob = repository
                .find_blob(entry.blob.oid())
                .map_err(Error::corrupt(format!("blob {}", entry.blob)))?;
            Ok(blob.content().to_vec())
        })?;
        Ok(Some(File {
            bytes,
            size: entry.size,
            executable: entry.executable,
            blob_id: entry.blob,
        }))
    }

    /// What is in the git trees and is not served. At most 1,000 entries for each environment.
    pub fn skipped(&self) -> &[Skipped] {
        &self.view.skipped
    }

    fn tree(&self, env: &str) -> Result<&Tree, Error> {
        let found = self.view.envs.get(env);
        let missing = || Error::NoEnvironment {
            environment: env.to_owned(),
            commit: self.commit(),
        };
        Ok(&found.ok_or_else(missing)?.tree)
    }
}

/// The listing of all environments of a state.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) id: CommitId,
    pub(crate) envs: BTreeMap<String, EnvView>,
    /// The same of the pillar.
    pillar: Option<Arc<View>>,
    skipped: Vec<Skipped>,
}

/// What a listing shows: a git tree, without a folder in it.
type Shown = (Oid, Option<String>);

#[derive(Debug, Clone)]
pub(crate) struct EnvView {
    pub(crate) commit: CommitId,
    /// The git tree; `None` when the environment has none.
    shown: Option<Shown>,
    tree: Arc<Tree>,
}

/// Makes a view, and so verifies that each object it serves is there. Trees that `known` views have are not read again.
pub(crate) fn view(
    repository: &Repository,
    id: CommitId,
    rule: &EnvironmentRule,
    limits: &Limits,
    known: &[Arc<View>],
) -> Result<View, Error> {
    let roots = Roots::read(repository, id)?.unwrap_or_else(|| rule.of_commit(id));
    let pillars = known.iter().filter_map(|view| view.pillar.as_ref());
    let listed = known
        .iter()
        .chain(pillars)
        .flat_map(|view| view.envs.values())
        .filter_map(|env| Some((env.shown.clone()?, env.tree.clone())));
    let mut listed: HashMap<Shown, Arc<Tree>> = listed.collect();
    let mut read = |root: &str| {
        let mut reader = Reader {
            repository,
            rule,
            limits,
            root,
            listed: &mut listed,
            view: View {
                id,
                envs: BTreeMap::new(),
                pillar: None,
                skipped: Vec::new(),
            },
        };
        if let Some(commit) = roots.folders {
            reader.add_folders(commit)?;
        }
        for (env, commit) in roots.envs.clone() {
            let tree = reader.tree_of(commit)?;
            reader.add(env, commit, tree, rule.pillar_below(root))?;
        }
        Ok(reader.view.with_skipped())
    };
    let mut view = read(&rule.root)?;
    if let Some(root) = &rule.pillar_root {
        view.pillar = Some(Arc::new(read(root)?));
    }
    Ok(view)
}

impl View {
    /// Names what the trees of the environments leave out.
    fn with_skipped(mut self) -> View {
        let skipped_in = |(env, env_view): (&String, &EnvView)| {
            let skipped = env_view.tree.skipped.iter();
            let named = skipped.map(|(path, reason)| Skipped {
                environment: env.clone(),
                path: path.clone(),
                reason: *reason,
            });
            named.collect::<Vec<_>>()
        };
        let skipped: Vec<Skipped> = self.envs.iter().flat_map(skipped_in).collect();
        self.skipped.extend(skipped);
        self
    }
}

struct Reader<'a> {
    repository: &'a Repository,
    rule: &'a EnvironmentRule,
    limits: &'a Limits,
    /// The folder within each commit that is read.
    root: &'a str,
    listed: &'a mut HashMap<Shown, Arc<Tree>>,
    view: View,
}

impl Reader<'_> {
    /// Adds an environment: a tree, without the folder `closed` in it.
    fn add(
        &mut self,
        env: String,
        commit: CommitId,
        tree_id: Option<Oid>,
        closed: Option<&str>,
    ) -> Result<(), Error> {
        let shown = tree_id.map(|id| (id, closed.map(str::to_owned)));
        let tree = match &shown {
            None => {
                let path = self.root.to_owned();
                self.view.skipped.push(Skipped {
                    environment: env.clone(),
                    path,
                    reason: SkippedReason::NoRoot,
                });
                Arc::default()
            }
            Some(shown) => match self.listed.get(shown) {
                Some(tree) => tree.clone(),
                None => {
                    let tree = Tree::read(self.repository, shown.0, closed, self.limits)?;
                    let tree = Arc::new(tree);
                    self.listed.insert(shown.clone(), tree.clone());
                    tree
                }
            },
        };
        let env_view = EnvView {
            commit,
            shown,
            tree,
        };
        self.view.envs.insert(env, env_view);
        Ok(())
    }

    fn add_folders(&mut self, commit: CommitId) -> Result<(), Error> {
        let Some(root) = self.tree_of(commit)? else {
            return Ok(());
        };
        let children = tree::children(self.repository, root)?;
        let folders = children
            .into_iter()
            .filter(|child| matches!(child.kind, Kind::Folder));
        for (count, folder) in folders.enumerate() {
            if count >= self.limits.refs {
                return Err(Error::Limit {
                    what: "environments",
                    limit: self.limits.refs as u64,
                });
            }
            match folder.path_below("", self.limits) {
                Ok(env) => match self.rule.pillar_below(&format!("{}/{env}", self.root)) {
                    // This folder is the pillar, and no environment.
                    Some("") => {}
                    closed => self.add(env, commit, Some(folder.id), closed)?,
                },
                Err((env, reason)) => {
                    self.view.skipped.push(Skipped {
                        environment: env,
                        path: String::new(),
                        reason,
                    });
                }
            }
        }
        Ok(())
    }

    /// The tree of the folder that is read, within a commit.
    fn tree_of(&self, commit: CommitId) -> Result<Option<Oid>, Error> {
        let found = self
            .repository
            .find_commit(commit.oid())
            .map_err(Error::corrupt(format!("commit {commit}")))?;
        let root = folder(self.root);
        if root.is_empty() {
            return Ok(Some(found.tree_id()));
        }
        let tree = found
            .tree()
            .map_err(Error::corrupt(format!("tree of {commit}")))?;
        match tree.get_path(Path::new(root)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => Ok(Some(entry.id())),
            Ok(_) => Ok(None),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(Error::corrupt(format!("tree of {commit}"))(error)),
        }
    }
}
