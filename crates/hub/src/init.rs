//! Making a tree, and a second top-master for it: the offline commands of a top-master.

use std::path::{Path, PathBuf};

use daemon::config::HubConfig;
use pki::{AdmissionGrant, AdmissionRequest, Fingerprint, KeyStore, Lifetimes, TreeRoot};
use wire::trust::TrustBundle;
use wire::{TreeId, UnixMillis};

use daemon::clock::Clock;

/// What a fresh top-master tells its operator.
#[derive(Debug)]
pub struct Made {
    /// The tree's fingerprint: what every node pins as `master_finger`.
    pub tree: TreeId,
    /// The directory of the keys.
    pub keys: PathBuf,
}

/// The key directory of a hub.
pub fn key_directory(config: &HubConfig) -> PathBuf {
    config.paths.state_dir().join("keys")
}

/// Lives of the certificates that a hub gives.
pub fn lifetimes(config: &HubConfig) -> Lifetimes {
    Lifetimes {
        minion: config.certificates.minion,
        hub: config.certificates.hub,
        syndic_ca: config.certificates.syndic_ca,
        ..Lifetimes::default()
    }
}

/// Makes a new tree with this top-master at its root.
///
/// # Errors
/// When the node belongs to a tree already, or its directory can't be written.
pub fn init(config: &HubConfig) -> anyhow::Result<Made> {
    let (keys, now) = (KeyStore::open(key_directory(config))?, Clock::start().now());
    if let Some(tree) = keys.tree()? {
        anyhow::bail!(
            "this top-master belongs to the tree {} already; remove {} to start anew",
            Fingerprint::from(tree),
            key_directory(config).display()
        );
    }
    let root = TreeRoot::create(&lifetimes(config), now)?;
    let request = AdmissionRequest::new(
        &config.id,
        &keys.link_key()?,
        &keys.ca_key()?,
        &keys.job_key()?,
    )?;
    let grant = AdmissionGrant::new(&root, &request, None, &lifetimes(config), now)?;
    keys.save_root(&root)?;
    take_grant(config, &keys, root.tree(), &grant, now)?;
    Ok(Made {
        tree: root.tree(),
        keys: key_directory(config),
    })
}

fn take_grant(
    config: &HubConfig,
    keys: &KeyStore,
    tree: TreeId,
    grant: &AdmissionGrant,
    now: UnixMillis,
) -> anyhow::Result<()> {
    let job = keys.job_key()?.public();
    let credentials = grant.apply(
        &tree,
        &keys.link_key()?,
        keys.ca_key()?,
        &job,
        &lifetimes(config),
        now,
    )?;
    keys.save_credentials(&credentials)?;
    // The pin goes last: with it the node counts as made.
    keys.pin_tree(&tree)?;
    Ok(())
}

/// On a new top-master: makes its keys, and a request to be admitted to an existing tree.
///
/// # Errors
/// When the directory or the file can't be written.
pub fn request_admission(config: &HubConfig, out: &Path) -> anyhow::Result<Fingerprint> {
    let keys = KeyStore::open(key_directory(config))?;
    let request = AdmissionRequest::new(
        &config.id,
        &keys.link_key()?,
        &keys.ca_key()?,
        &keys.job_key()?,
    )?;
    std::fs::write(out, request.to_text()?)
        .map_err(|e| anyhow::anyhow!("{}: {e}", out.display()))?;
    Ok(request.fingerprint()?)
}

/// Where the root's key is: admits a top-master. A daemon that runs here takes the new trust bundle up by itself.
///
/// # Errors
/// When the request is no good, or the root's key is not here.
pub fn admit(config: &HubConfig, request: &Path, out: &Path) -> anyhow::Result<Fingerprint> {
    let keys = KeyStore::open(key_directory(config))?;
    let root = keys.root()?.ok_or_else(|| {
        anyhow::anyhow!(
            "the root's key is not in {}",
            key_directory(config).display()
        )
    })?;
    let text = std::fs::read_to_string(request)
        .map_err(|e| anyhow::anyhow!("{}: {e}", request.display()))?;
    let request = AdmissionRequest::from_text(&text)?;
    let grant = AdmissionGrant::new(
        &root,
        &request,
        keys.trust()?.as_ref(),
        &lifetimes(config),
        Clock::start().now(),
    )?;
    keys.save_trust(grant.trust())?;
    std::fs::write(out, grant.to_text()?).map_err(|e| anyhow::anyhow!("{}: {e}", out.display()))?;
    Ok(request.fingerprint()?)
}

/// On the new top-master: takes the grant, and belongs to the tree.
///
/// # Errors
/// When the grant is not for this node. Which tree it is of is for the operator to compare, who carried the file
/// here: the fingerprint is given back.
pub fn complete(config: &HubConfig, grant: &Path) -> anyhow::Result<TreeId> {
    let keys = KeyStore::open(key_directory(config))?;
    let text =
        std::fs::read_to_string(grant).map_err(|e| anyhow::anyhow!("{}: {e}", grant.display()))?;
    let grant = AdmissionGrant::from_text(&text)?;
    let tree = wire::codec::decode::<TrustBundle>(&grant.trust().bundle)?.tree;
    take_grant(config, &keys, tree, &grant, Clock::start().now())?;
    Ok(tree)
}
