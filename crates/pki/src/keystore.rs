//! The directory with a node's keys, chains and trust bundle. The only part of this crate that touches files.
//!
//! | file | what |
//! |---|---|
//! | `link.key` `ca.key` `job.key` `root.key` | private keys, PKCS#8 in PEM |
//! | `link.crt` `ca.crt` `root.crt` | chains, own certificate first, in PEM |
//! | `trust.bundle` | the trust bundle in force |
//! | `tree` | the fingerprint of the tree that this node belongs to |
//!
//! Every file is written beside its place, synced, and moved there, so that a crash leaves the old or the new one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wire::enrol::Credentials;
use wire::trust::SignedBundle;
use wire::{Json, TreeId, codec};
use zeroize::Zeroizing;

use crate::armour::{self, ArmourError};
use crate::key::{CaKey, JobKey, LinkKey, PrivateKey};
use crate::{ChainError, Fingerprint, KeyError, TreeRoot};

const CERTIFICATE_LABEL: &str = "CERTIFICATE";
const TRUST_LABEL: &str = "BANYAN TRUST BUNDLE";
/// Longest file that is read, in bytes: a trust bundle of a hundred signers has some 30 KiB.
const MAX_FILE: u64 = 1 << 20;
/// Permissions that nobody but the owner may have on a key.
const OTHERS: u32 = 0o077;

/// Why the directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read a private key, so it may be stolen already.
    #[error(
        "{path} has mode {mode:o}: a private key must be closed to group and others (chmod 600)"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A key file holds something else.
    #[error("{path}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// A chain or a bundle file holds something else.
    #[error("{path}")]
    Armour {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ArmourError,
    },
    /// A file holds something else.
    #[error("{path}: {reason}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The root's key and certificate do not belong together.
    #[error("{path}")]
    Root {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ChainError,
    },
    /// This node belongs to another tree already.
    #[error("{path}: this node belongs to the tree {0}", Fingerprint::from(*pinned))]
    OtherTree {
        /// Which file.
        path: PathBuf,
        /// The tree that is pinned.
        pinned: TreeId,
    },
}

/// The directory.
#[derive(Debug, Clone)]
pub struct KeyStore {
    directory: PathBuf,
}

impl KeyStore {
    /// Opens the directory, and makes it (mode 0700) when it is missing.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<KeyStore, KeyStoreError> {
        let store = KeyStore {
            directory: directory.into(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&store.directory)
            .map_err(io_error(&store.directory))?;
        Ok(store)
    }

    /// The link key, made on first use.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn link_key(&self) -> Result<LinkKey, KeyStoreError> {
        self.key_or_new("link.key")
    }

    /// The certifying key, made on first use.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn ca_key(&self) -> Result<CaKey, KeyStoreError> {
        self.key_or_new("ca.key")
    }

    /// The job key, made on first use.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn job_key(&self) -> Result<JobKey, KeyStoreError> {
        self.key_or_new("job.key")
    }

    /// The root of the tree, where its key is.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn root(&self) -> Result<Option<TreeRoot>, KeyStoreError> {
        let Some(key) = self.key("root.key")? else {
            return Ok(None);
        };
        let path = self.directory.join("root.crt");
        let certificate = match self.read("root.crt")? {
            Some(text) => {
                armour::decode_one(CERTIFICATE_LABEL, &text).map_err(armour_error(&path))?
            }
            None => return Err(io_error(&path)(io::ErrorKind::NotFound.into())),
        };
        TreeRoot::load(key, certificate)
            .map(Some)
            .map_err(|source| KeyStoreError::Root { path, source })
    }

    /// The root of the tree from a directory elsewhere (a mounted medium) that holds `root.key` and `root.crt`.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn root_at(directory: &Path) -> Result<Option<TreeRoot>, KeyStoreError> {
        KeyStore {
            directory: directory.to_owned(),
        }
        .root()
    }

    /// Keeps the root of a new tree.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn save_root(&self, root: &TreeRoot) -> Result<(), KeyStoreError> {
        let certificate = armour::encode(CERTIFICATE_LABEL, root.certificate());
        self.write("root.crt", certificate.as_bytes())?;
        self.save_key("root.key", root.key())
    }

    /// The pinned tree.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn tree(&self) -> Result<Option<TreeId>, KeyStoreError> {
        let path = self.directory.join("tree");
        let malformed = |()| KeyStoreError::Malformed {
            path,
            reason: "not a fingerprint of 64 hexadecimal digits".to_owned(),
        };
        let text = self.read("tree")?;
        text.map(|text| text.parse().map_err(malformed)).transpose()
    }

    /// Pins the tree, once and for all.
    ///
    /// # Errors
    /// [`KeyStoreError::OtherTree`] when another one is pinned.
    pub fn pin_tree(&self, tree: &TreeId) -> Result<(), KeyStoreError> {
        match self.tree()? {
            Some(pinned) if pinned == *tree => Ok(()),
            Some(pinned) => {
                let path = self.directory.join("tree");
                Err(KeyStoreError::OtherTree { path, pinned })
            }
            None => self.write("tree", format!("{}\n", Fingerprint::from(*tree)).as_bytes()),
        }
    }

    /// The node's credentials; `None` before it was enrolled. Unverified: see [`crate::verify_credentials`].
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn credentials(&self) -> Result<Option<Credentials>, KeyStoreError> {
        let Some(link_chain) = self.chain("link.crt")? else {
            return Ok(None);
        };
        Ok(Some(Credentials {
            link_chain,
            ca_chain: self.chain("ca.crt")?.unwrap_or_default(),
            trust: self.trust_bytes()?.unwrap_or_default().into(),
        }))
    }

    /// Keeps credentials that were verified. The link's chain goes last: it is what makes the node a member.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn save_credentials(&self, credentials: &Credentials) -> Result<(), KeyStoreError> {
        if !credentials.trust.is_empty() {
            self.save_trust_bytes(&credentials.trust)?;
        }
        if !credentials.ca_chain.is_empty() {
            self.save_chain("ca.crt", &credentials.ca_chain)?;
        }
        self.save_chain("link.crt", &credentials.link_chain)
    }

    /// Keeps a chain for the certifying key, when only that was renewed.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn save_ca_chain(&self, chain: &[Vec<u8>]) -> Result<(), KeyStoreError> {
        self.save_chain("ca.crt", chain)
    }

    /// The trust bundle that was in force, unverified; `None` when there was none.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn trust(&self) -> Result<Option<SignedBundle>, KeyStoreError> {
        let path = self.directory.join("trust.bundle");
        let decode = |bytes: Vec<u8>| {
            codec::decode(&bytes).map_err(|e| KeyStoreError::Malformed {
                path,
                reason: e.to_string(),
            })
        };
        self.trust_bytes()?.map(decode).transpose()
    }

    /// Keeps a trust bundle that was accepted.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn save_trust(&self, signed: &SignedBundle) -> Result<(), KeyStoreError> {
        let bytes = codec::encode(signed).map_err(|e| KeyStoreError::Malformed {
            path: self.directory.join("trust.bundle"),
            reason: e.to_string(),
        })?;
        self.save_trust_bytes(&Json::from(bytes))
    }

    fn save_trust_bytes(&self, bytes: &Json) -> Result<(), KeyStoreError> {
        self.write(
            "trust.bundle",
            armour::encode(TRUST_LABEL, bytes).as_bytes(),
        )
    }

    fn trust_bytes(&self) -> Result<Option<Vec<u8>>, KeyStoreError> {
        let path = self.directory.join("trust.bundle");
        let decode = |text: Zeroizing<String>| {
            armour::decode_one(TRUST_LABEL, &text).map_err(armour_error(&path))
        };
        self.read("trust.bundle")?.map(decode).transpose()
    }

    fn chain(&self, name: &str) -> Result<Option<Vec<Vec<u8>>>, KeyStoreError> {
        let path = self.directory.join(name);
        let decode = |text: Zeroizing<String>| {
            armour::decode(CERTIFICATE_LABEL, &text).map_err(armour_error(&path))
        };
        self.read(name)?.map(decode).transpose()
    }

    fn save_chain(&self, name: &str, chain: &[Vec<u8>]) -> Result<(), KeyStoreError> {
        let encode = |der: &Vec<u8>| armour::encode(CERTIFICATE_LABEL, der);
        let text: String = chain.iter().map(encode).collect();
        self.write(name, text.as_bytes())
    }

    fn key_or_new<Purpose>(&self, name: &str) -> Result<PrivateKey<Purpose>, KeyStoreError> {
        if let Some(key) = self.key(name)? {
            return Ok(key);
        }
        let path = self.directory.join(name);
        let key = PrivateKey::generate().map_err(|source| KeyStoreError::Key { path, source })?;
        self.save_key(name, &key)?;
        Ok(key)
    }

    fn save_key<Purpose>(
        &self,
        name: &str,
        key: &PrivateKey<Purpose>,
    ) -> Result<(), KeyStoreError> {
        self.write(name, key.to_pem().as_bytes())
    }

    fn key<Purpose>(&self, name: &str) -> Result<Option<PrivateKey<Purpose>>, KeyStoreError> {
        let path = self.directory.join(name);
        let Some(text) = self.read_with(name, true)? else {
            return Ok(None);
        };
        PrivateKey::from_pem(&text)
            .map(Some)
            .map_err(|source| KeyStoreError::Key { path, source })
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, KeyStoreError> {
        self.read_with(name, false)
    }

    fn read_with(
        &self,
        name: &str,
        secret: bool,
    ) -> Result<Option<Zeroizing<String>>, KeyStoreError> {
        let path = self.directory.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error(&path)(e)),
        };
        // Of the opened file and not of the name, which may be moved in between.
        let metadata = file.metadata().map_err(io_error(&path))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if secret && mode & OTHERS != 0 {
            return Err(KeyStoreError::Exposed { path, mode });
        }
        let mut text = Zeroizing::new(String::with_capacity(metadata.len().min(MAX_FILE) as usize));
        file.take(MAX_FILE + 1)
            .read_to_string(&mut text)
            .map_err(io_error(&path))?;
        if text.len() as u64 > MAX_FILE {
            let reason = format!("longer than {MAX_FILE} bytes");
            return Err(KeyStoreError::Malformed { path, reason });
        }
        Ok(Some(text))
    }

    /// Atomic and durable; the file has mode 0600 from its first moment.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), KeyStoreError> {
        let path = self.directory.join(name);
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new()
                .prefix(".new-")
                .permissions(fs::Permissions::from_mode(0o600))
                .tempfile_in(&self.directory)?;
            file.write_all(content)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(io_error(&path))
    }

    /// Removes the root's key after it was moved to where it is kept; `false` when it was not here.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn remove_root_key(&self) -> Result<bool, KeyStoreError> {
        let path = self.directory.join("root.key");
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(io_error(&path)(e)),
        }
    }

    /// Where the root's key lies when it is here, for the operator who moves it.
    pub fn root_key_path(&self) -> PathBuf {
        self.directory.join("root.key")
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> KeyStoreError + use<> {
    let path = path.to_owned();
    move |source| KeyStoreError::Io {
        path: path.clone(),
        source,
    }
}

fn armour_error(path: &Path) -> impl Fn(ArmourError) -> KeyStoreError + use<> {
    let path = path.to_owned();
    move |source| KeyStoreError::Armour {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, Tree, root};
    use crate::{JobKey, TrustEditor};

    fn store() -> (tempfile::TempDir, KeyStore) {
        let directory = tempfile::tempdir().unwrap();
        let store = KeyStore::open(directory.path().join("keys")).unwrap();
        (directory, store)
    }

    #[test]
    fn keys_are_born_once_and_closed_to_others() {
        let (_guard, store) = store();
        let key = store.link_key().unwrap().public();
        assert_eq!(store.link_key().unwrap().public(), key);
        assert_ne!(store.ca_key().unwrap().public(), key);
        for entry in fs::read_dir(store.directory()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let mode = fs::metadata(store.directory())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn an_exposed_key_is_refused() {
        let (_guard, store) = store();
        store.link_key().unwrap();
        let path = store.directory().join("link.key");
        for mode in [0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = store.link_key().unwrap_err();
            assert!(matches!(&refused, KeyStoreError::Exposed { mode: m, .. } if *m == mode));
            assert!(refused.to_string().contains("chmod 600"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(store.link_key().is_ok());
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let (_guard, store) = store();
        store.write("job.key", b"gone").unwrap();
        assert!(matches!(store.job_key(), Err(KeyStoreError::Key { .. })));
    }

    #[test]
    fn what_is_saved_comes_back() {
        let (_guard, store) = store();
        assert!(store.credentials().unwrap().is_none());
        assert!(store.trust().unwrap().is_none());
        assert!(store.root().unwrap().is_none());
        let tree = Tree::new();
        let root = root();
        store.save_root(&root).unwrap();
        assert_eq!(store.root().unwrap().unwrap().tree(), root.tree());
        assert!(store.remove_root_key().unwrap());
        assert!(!store.remove_root_key().unwrap());
        assert!(store.root().unwrap().is_none());

        let mut editor = TrustEditor::new(&root, None).unwrap();
        let job = JobKey::generate().unwrap().public();
        editor
            .add_top(job.uid(), &"top".parse().unwrap(), &job)
            .unwrap();
        let signed = editor.sign(NOW).unwrap();
        store.save_trust(&signed).unwrap();
        assert_eq!(store.trust().unwrap(), Some(signed.clone()));

        let mut credentials = tree.ams.credentials.clone();
        credentials.trust = codec::encode(&signed).unwrap().into();
        store.save_credentials(&credentials).unwrap();
        assert_eq!(store.credentials().unwrap(), Some(credentials));
    }

    #[test]
    fn a_tree_is_pinned_once() {
        let (_guard, store) = store();
        let (mine, other) = (TreeId([1; 32]), TreeId([2; 32]));
        store.pin_tree(&mine).unwrap();
        store.pin_tree(&mine).unwrap();
        assert!(matches!(
            store.pin_tree(&other),
            Err(KeyStoreError::OtherTree { .. })
        ));
        assert_eq!(store.tree().unwrap(), Some(mine));
    }
}
