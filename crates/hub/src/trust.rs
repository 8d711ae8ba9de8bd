//! The trust bundle of this hub, and on a node that holds the root's key the right to change it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pki::{KeyStore, PublicKey, TreeRoot, TrustEditor, TrustStore};
use wire::{Json, NodeId, SitePath, Uid, UnixMillis};

/// The bundle in force, shared with everyone who verifies.
pub struct TrustDesk {
    store: Arc<Mutex<TrustStore>>,
    keys: Arc<KeyStore>,
    /// Changes are made one after the other.
    editing: tokio::sync::Mutex<()>,
}

impl TrustDesk {
    /// A desk over the bundle at hand.
    pub fn new(store: Arc<Mutex<TrustStore>>, keys: Arc<KeyStore>) -> Self {
        TrustDesk {
            store,
            keys,
            editing: tokio::sync::Mutex::new(()),
        }
    }

    /// The version in force.
    pub fn version(&self) -> u64 {
        self.store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .version()
    }

    /// Takes a bundle in when it is newer and good, and keeps it; gives it back with its version.
    ///
    /// # Errors
    /// A bundle of another tree, a forged one, or a key store that can't be written.
    pub fn accept(&self, bundle: &Json) -> anyhow::Result<Option<(Json, u64)>> {
        accept(&self.store, &self.keys, bundle)
    }

    /// The id of a node that may order, by its key; the key in words when the bundle does not have it any more.
    pub fn id_of(&self, node: Uid) -> String {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let mut signers = store.signers_of(node);
        let signer = signers.next();
        signer.map_or_else(|| node.to_string(), |signer| signer.node_id.clone())
    }

    /// Reads the key store's bundle again: an offline command may have put a newer one there.
    ///
    /// # Errors
    /// As [`TrustDesk::accept`].
    pub fn reload(&self) -> anyhow::Result<Option<(Json, u64)>> {
        match self.keys.trust()? {
            Some(signed) => self.accept(&wire::codec::encode(&signed)?.into()),
            None => Ok(None),
        }
    }

    /// Lets a syndic order functions within its own site until a time; no functions take the right back.
    ///
    /// # Errors
    /// When the root's key is not here, or the bundle is full.
    #[allow(clippy::too_many_arguments)]
    pub async fn delegate(
        &self,
        uid: Uid,
        id: &NodeId,
        path: &SitePath,
        job_key: &[u8; 32],
        functions: Vec<String>,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> anyhow::Result<(Json, u64)> {
        let _one = self.editing.lock().await;
        let root = self.root()?;
        let current = self
            .store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .signed()
            .cloned();
        let mut editor = TrustEditor::new(&root, current.as_ref())?;
        if functions.is_empty() {
            anyhow::ensure!(editor.remove_node(uid), "syndic {id} has no delegation");
        } else {
            editor.delegate(
                uid,
                id,
                &PublicKey(*job_key),
                path.clone(),
                functions,
                expires,
            )?;
        }
        let signed = editor.sign(now)?;
        let bytes: Json = wire::codec::encode(&signed)?.into();
        self.accept(&bytes)?
            .ok_or_else(|| anyhow::anyhow!("the new trust bundle was not taken"))
    }

    fn root(&self) -> anyhow::Result<TreeRoot> {
        self.keys.root()?.ok_or_else(|| {
            anyhow::anyhow!("the root's key is not on this node; bring root.key and root.crt back into its key directory first")
        })
    }
}

/// Takes a bundle in when it is newer and good.
///
/// # Errors
/// As [`TrustDesk::accept`].
pub fn accept(
    store: &Mutex<TrustStore>,
    keys: &KeyStore,
    bundle: &Json,
) -> anyhow::Result<Option<(Json, u64)>> {
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    if !store.accept_encoded(bundle)? {
        return Ok(None);
    }
    if let Some(signed) = store.signed() {
        keys.save_trust(signed)?;
    }
    Ok(Some((bundle.clone(), store.version())))
}

/// A fresh directory for the keys of a node, below its state.
pub fn key_directory(state: &Path) -> std::path::PathBuf {
    state.join("keys")
}
