//! The git remote behind the roots, from `roots` or from Salt's `gitfs_` keys.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use yaml::{Node, Spanned};

use super::derived::Secret;
use super::keys::ROOTS_KEYS;
use super::problem::Place;
use super::settings::Settings;

/// Which remote the roots follow, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootsSettings {
    /// `https://`, `ssh://`, `file://`, `user@host:path` or an absolute path.
    pub remote: String,
    /// The branch that is the environment `base`; None: the remote's default branch.
    pub base: Option<String>,
    /// The folder in the repository; empty for the top.
    pub root: String,
    /// The folder in the repository that holds the pillar; None: there is none.
    pub pillar_root: Option<String>,
    /// Where environments come from.
    pub layout: RootsLayout,
    /// Environments that follow a reference of their own.
    pub environments: BTreeMap<String, String>,
    /// The user name at the remote.
    pub user: Option<String>,
    /// For https.
    pub password: Option<Secret>,
    /// For ssh.
    pub privkey: Option<PathBuf>,
    /// For ssh.
    pub pubkey: Option<PathBuf>,
    /// Of the private key.
    pub passphrase: Option<Secret>,
    /// The file with the host keys that an ssh remote may have, when no fingerprints are given.
    pub known_hosts: PathBuf,
    /// Host keys that an ssh remote may have; when there are any, they alone count.
    pub host_fingerprints: Vec<String>,
    /// More certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// How long a fetch may take.
    pub timeout: Duration,
}

/// Where environments come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootsLayout {
    /// Only `base`, and what is named under `environments`.
    Base,
    /// Every branch.
    Branches,
    /// Every branch and every tag.
    BranchesAndTags,
    /// Folders of the base branch.
    Folders,
}

/// Names of the settings of a remote, and of the keys that hold for all of Salt's remotes.
const GITFS: &[(&str, &str)] = &[
    ("base", "gitfs_base"),
    ("root", "gitfs_root"),
    ("user", "gitfs_user"),
    ("password", "gitfs_password"),
    ("privkey", "gitfs_privkey"),
    ("pubkey", "gitfs_pubkey"),
    ("passphrase", "gitfs_passphrase"),
];

/// The roots, when there are any.
pub(super) fn derive(settings: &mut Settings) -> Option<RootsSettings> {
    let gitfs = settings.node("gitfs_remotes");
    let (mut roots, place) = match settings.block(ROOTS_KEYS, "roots") {
        Some(_) if gitfs.is_some() => {
            let place = settings.place("gitfs_remotes");
            settings.problem(
                &place,
                "`gitfs_remotes` and `roots` say the same: remove one",
            );
            return None;
        }
        Some(block) => block,
        None => match gitfs {
            Some(node) => {
                let place = settings.place("gitfs_remotes");
                let mut roots = salt_remote(settings, &node, &place)?;
                roots.adopt(settings, GITFS);
                (roots, place)
            }
            None => {
                for (_, key) in GITFS
                    .iter()
                    .filter(|(_, key)| settings.is_set(key))
                    .copied()
                    .collect::<Vec<_>>()
                {
                    let place = settings.place(key);
                    settings.problem(
                        &place,
                        format!("`{key}` is set, and `gitfs_remotes` is not"),
                    );
                }
                return None;
            }
        },
    };
    roots.defaults(ROOTS_KEYS.iter());
    let derived = of_table(&mut roots, &place);
    settings.problems.append(&mut roots.problems);
    derived
}

/// The first entry of Salt's list: an address, or a map of an address to a list of maps.
fn salt_remote(settings: &mut Settings, node: &Spanned, place: &Place) -> Option<Settings> {
    let items = match &node.node {
        Node::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let [item] = items else {
        settings.problem(
            place,
            format!("the roots follow one remote, not {}", items.len()),
        );
        return None;
    };
    let text = |text: &str| Spanned {
        node: Node::Scalar(text.into()),
        ..item.clone()
    };
    let mut entries = Vec::new();
    let address = match &item.node {
        Node::Scalar(serde_json::Value::String(address)) => address.clone(),
        Node::Map(map) if map.len() == 1 => {
            let (address, own) = &map[0];
            match &own.node {
                Node::List(parts) => {
                    for part in parts {
                        if let Node::Map(part) = &part.node {
                            entries.extend(part.iter().cloned());
                        }
                    }
                }
                Node::Map(map) => entries.extend(map.iter().cloned()),
                Node::Scalar(_) => {}
            }
            address.text().unwrap_or_default().into_owned()
        }
        _ => {
            settings.problem(place, "`gitfs_remotes` has to be a list with one address");
            return None;
        }
    };
    entries.push((text("remote"), text(&address)));
    Some(settings.nested(ROOTS_KEYS, &entries, place))
}

fn of_table(roots: &mut Settings, place: &Place) -> Option<RootsSettings> {
    let mut environments = BTreeMap::new();
    for (name, reference) in roots.text_map("environments") {
        match <[String; 1]>::try_from(reference.value) {
            Ok([reference]) => drop(environments.insert(name, reference)),
            Err(_) => roots.problem(
                &reference.place,
                format!("the environment `{name}` follows one reference"),
            ),
        }
    }
    if roots.is_set("password") && roots.is_set("privkey") {
        roots.problem(
            &roots.place("privkey"),
            "`password` is for https and `privkey` for ssh: remove one",
        );
    }
    let Some(remote) = roots.text("remote") else {
        if roots.is_missing("remote") {
            roots.problem(place, "`roots` needs `remote`");
        }
        return None;
    };
    let path = |name| roots.text(name).map(PathBuf::from);
    Some(RootsSettings {
        remote,
        base: roots.text("base"),
        root: roots.text("root").unwrap_or_default(),
        pillar_root: roots.text("pillar_root"),
        layout: match roots.text("layout").as_deref() {
            Some("base") => RootsLayout::Base,
            Some("branches-and-tags") => RootsLayout::BranchesAndTags,
            Some("folders") => RootsLayout::Folders,
            _ => RootsLayout::Branches,
        },
        environments,
        user: roots.text("user"),
        password: roots.text("password").map(Secret::new),
        privkey: path("privkey"),
        pubkey: path("pubkey"),
        passphrase: roots.text("passphrase").map(Secret::new),
        known_hosts: path("known_hosts")?,
        host_fingerprints: roots
            .texts("host_fingerprints")
            .into_iter()
            .map(|given| given.value)
            .collect(),
        ca_file: path("ca_file"),
        timeout: Duration::from_secs(roots.number("timeout_seconds")?),
    })
}
