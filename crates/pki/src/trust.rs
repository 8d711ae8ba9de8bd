//! The trust bundle: kept by every node, changed only where the root's key is.

use std::sync::Arc;

use wire::trust::{SIGNING_DOMAIN_TRUST, SignedBundle, Signer, TrustBundle};
use wire::{Json, NodeId, SignerId, SitePath, TreeId, Uid, UnixMillis, codec};

use crate::certificate::Certificate;
use crate::key::PublicKey;
use crate::order::VerifiedOrders;
use crate::{CertificateError, Fingerprint, TreeRoot};

/// Signers in one bundle, since a signer's number is the last two digits of its jids.
/// The number after the last one is that of minions.
pub const MAX_SIGNERS: usize = wire::limits::MINIONS_JID_NUMBER as usize;

/// Why a node refuses a trust bundle. It keeps the one that it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not a signed bundle, or not one by the rules.
    #[error("malformed trust bundle: {0}")]
    Malformed(String),
    /// The certificate in it can't be read.
    #[error("the trust bundle's root certificate is refused")]
    Certificate(#[from] CertificateError),
    /// Signed by the root of another tree.
    #[error("the trust bundle is signed by another root: {0}")]
    OtherTree(Fingerprint),
    /// The signature is wrong.
    #[error("the signature of the trust bundle is wrong")]
    Signature,
    /// Older than what this node has; a replay, or a parent that is behind.
    #[error("trust bundle {got} is older than {have}, which is in force")]
    Older {
        /// Version in force.
        have: u64,
        /// Version offered.
        got: u64,
    },
    /// Two bundles of one version: the root's key was used in two places.
    #[error("there are two trust bundles of version {0}")]
    Fork(u64),
}

/// The highest bundle that a node has seen, verified.
#[derive(Debug)]
pub struct TrustStore {
    tree: TreeId,
    current: Option<Current>,
    pub(crate) verified: VerifiedOrders,
}

#[derive(Debug)]
struct Current {
    bundle: TrustBundle,
    signed: SignedBundle,
}

impl TrustStore {
    /// A store of `tree` without a bundle yet; it trusts nobody.
    pub fn new(tree: TreeId) -> TrustStore {
        TrustStore {
            tree,
            current: None,
            verified: VerifiedOrders::default(),
        }
    }

    /// Takes a bundle into force: `true` when it is newer, `false` when it is the one in force.
    ///
    /// The caller saves the bundle ([`crate::KeyStore::save_trust`]) before it acts on it, since a node that
    /// forgets a version over a restart can be rolled back.
    ///
    /// # Errors
    /// [`TrustError`]; the bundle in force stays.
    pub fn accept(&mut self, signed: SignedBundle) -> Result<bool, TrustError> {
        let bundle = open(&self.tree, &signed)?;
        if let Some(current) = &self.current {
            let (have, got) = (current.bundle.version, bundle.version);
            if got < have {
                return Err(TrustError::Older { have, got });
            }
            if got == have {
                return if signed.bundle == current.signed.bundle {
                    Ok(false)
                } else {
                    Err(TrustError::Fork(have))
                };
            }
        }
        self.current = Some(Current { bundle, signed });
        Ok(true)
    }

    /// As [`accept`](Self::accept), for the encoded form that travels.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn accept_encoded(&mut self, bytes: &[u8]) -> Result<bool, TrustError> {
        let signed = codec::decode(bytes).map_err(|e| TrustError::Malformed(e.to_string()))?;
        self.accept(signed)
    }

    /// The tree.
    pub fn tree(&self) -> &TreeId {
        &self.tree
    }

    /// The version in force; 0 for none.
    pub fn version(&self) -> u64 {
        self.current.as_ref().map_or(0, |c| c.bundle.version)
    }

    /// The bundle in force.
    pub fn bundle(&self) -> Option<&TrustBundle> {
        self.current.as_ref().map(|c| &c.bundle)
    }

    /// The bundle in force as it travels.
    pub fn signed(&self) -> Option<&SignedBundle> {
        self.current.as_ref().map(|c| &c.signed)
    }

    /// The bundle in force, encoded; empty for none.
    pub fn encoded(&self) -> Json {
        // It was decoded, so it encodes.
        let bytes = self.signed().and_then(|signed| codec::encode(signed).ok());
        Arc::from(bytes.unwrap_or_default())
    }

    /// A signer of the bundle in force.
    pub fn signer(&self, signer: &SignerId) -> Option<&Signer> {
        self.bundle()?.signers.iter().find(|s| s.signer == *signer)
    }

    /// Whether top-masters may order that hold another key than this one.
    pub fn has_other_tops(&self, own: &SignerId) -> bool {
        let signers = self.bundle().map_or(&[][..], |b| &b.signers);
        signers.iter().any(|s| s.scope.is_top() && s.signer != *own)
    }

    /// The signers of a node: a top-master's, or a syndic's delegation.
    pub fn signers_of(&self, node: Uid) -> impl Iterator<Item = &Signer> {
        let signers = self.bundle().map_or(&[][..], |b| &b.signers);
        signers.iter().filter(move |s| s.node == node)
    }
}

/// The bundle in a signed one, after every check that needs no history.
fn open(tree: &TreeId, signed: &SignedBundle) -> Result<TrustBundle, TrustError> {
    let root = Certificate::parse(&signed.root_certificate)?.public;
    if root.tree() != *tree {
        return Err(TrustError::OtherTree(root.fingerprint()));
    }
    if !root.verifies_in(SIGNING_DOMAIN_TRUST, &signed.bundle, &signed.signature) {
        return Err(TrustError::Signature);
    }
    let malformed = |text: &str| TrustError::Malformed(text.to_owned());
    let bundle: TrustBundle =
        codec::decode(&signed.bundle).map_err(|e| TrustError::Malformed(e.to_string()))?;
    if bundle.tree != *tree {
        return Err(malformed("it names another tree than its root"));
    }
    if bundle.version == 0 {
        return Err(malformed("version 0 stands for none"));
    }
    if bundle.signers.len() > MAX_SIGNERS {
        return Err(malformed("more signers than numbers"));
    }
    for (index, signer) in bundle.signers.iter().enumerate() {
        if signer.signer != PublicKey(signer.public_key).uid() {
            return Err(malformed("a signer is not named by its key"));
        }
        let before = &bundle.signers[..index];
        if usize::from(signer.number) >= MAX_SIGNERS
            || before
                .iter()
                .any(|b| b.number == signer.number || b.signer == signer.signer)
        {
            return Err(malformed("two signers with one number or one key"));
        }
    }
    Ok(bundle)
}

/// Why a change of the trust bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustEditError {
    /// All numbers are taken.
    #[error("a tree has at most {MAX_SIGNERS} signers")]
    Full,
    /// A delegation without functions would be one for nothing.
    #[error("a delegation names at least one function")]
    NoFunctions,
    /// The bundle to start from is not of this tree.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Makes the next bundle. Nothing is in force until [`sign`](Self::sign) and until nodes have accepted it.
#[derive(Debug)]
pub struct TrustEditor<'a> {
    root: &'a TreeRoot,
    next: TrustBundle,
}

impl<'a> TrustEditor<'a> {
    /// Starts from the bundle in force, or from nothing in a new tree.
    ///
    /// # Errors
    /// [`TrustError`] when `current` is not a good bundle of this root.
    pub fn new(
        root: &'a TreeRoot,
        current: Option<&SignedBundle>,
    ) -> Result<TrustEditor<'a>, TrustError> {
        let next = match current {
            Some(signed) => open(&root.tree(), signed)?,
            None => TrustBundle {
                tree: root.tree(),
                version: 0,
                issued: 0,
                protocol_min: wire::PROTOCOL_OLDEST,
                signers: Vec::new(),
            },
        };
        Ok(TrustEditor { root, next })
    }

    /// Lets the job key of a top-master order everything everywhere, until a bundle without it. Returns its number.
    ///
    /// # Errors
    /// [`TrustEditError::Full`].
    pub fn add_top(
        &mut self,
        node: Uid,
        node_id: &NodeId,
        job_key: &PublicKey,
    ) -> Result<u8, TrustEditError> {
        self.put(
            node,
            node_id,
            job_key,
            SitePath::top(),
            vec!["*".to_owned()],
            0,
        )
    }

    /// Lets the job key of a syndic order `functions` (exact names, `module.*`, `*`) at and below `scope` until
    /// `expires` (0 for no end). A key that has a delegation already gets this one instead. Returns its number.
    ///
    /// # Errors
    /// [`TrustEditError`].
    pub fn delegate(
        &mut self,
        node: Uid,
        node_id: &NodeId,
        job_key: &PublicKey,
        scope: SitePath,
        functions: Vec<String>,
        expires: UnixMillis,
    ) -> Result<u8, TrustEditError> {
        if functions.is_empty() {
            return Err(TrustEditError::NoFunctions);
        }
        self.put(node, node_id, job_key, scope, functions, expires)
    }

    fn put(
        &mut self,
        node: Uid,
        node_id: &NodeId,
        job_key: &PublicKey,
        scope: SitePath,
        functions: Vec<String>,
        expires: UnixMillis,
    ) -> Result<u8, TrustEditError> {
        let signer = job_key.uid();
        let known = self.next.signers.iter().find(|s| s.signer == signer);
        let taken = |number: &u8| self.next.signers.iter().any(|s| s.number == *number);
        let number = known
            .map(|s| s.number)
            .or_else(|| (0..MAX_SIGNERS as u8).find(|number| !taken(number)))
            .ok_or(TrustEditError::Full)?;
        self.next.signers.retain(|s| s.signer != signer);
        self.next.signers.push(Signer {
            signer,
            node,
            node_id: node_id.to_string(),
            number,
            public_key: job_key.0,
            scope,
            functions,
            expires,
        });
        Ok(number)
    }

    /// Takes every right from a key; `false` when it had none.
    pub fn remove(&mut self, signer: &SignerId) -> bool {
        let before = self.next.signers.len();
        self.next.signers.retain(|s| s.signer != *signer);
        self.next.signers.len() < before
    }

    /// Takes every right from the keys of a node; `false` when it had none.
    pub fn remove_node(&mut self, node: Uid) -> bool {
        let before = self.next.signers.len();
        self.next.signers.retain(|s| s.node != node);
        self.next.signers.len() < before
    }

    /// The lowest protocol that nodes may speak from this bundle on.
    pub fn require_protocol(&mut self, protocol_min: u16) {
        self.next.protocol_min = protocol_min;
    }

    /// The next bundle, signed.
    ///
    /// # Errors
    /// [`TrustError::Malformed`] when it does not fit into a frame.
    pub fn sign(mut self, now: UnixMillis) -> Result<SignedBundle, TrustError> {
        self.next.version += 1;
        self.next.issued = now;
        self.next.signers.sort_by_key(|s| s.number);
        let bundle: Json = codec::encode(&self.next)
            .map_err(|e| TrustError::Malformed(e.to_string()))?
            .into();
        Ok(SignedBundle {
            signature: self.root.key().sign_in(SIGNING_DOMAIN_TRUST, &bundle),
            bundle,
            root_certificate: self.root.certificate().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, root};
    use crate::{JobKey, Lifetimes};

    fn top(editor: &mut TrustEditor<'_>, key: &JobKey) -> u8 {
        editor
            .add_top(Uid([1; 16]), &"top".parse().unwrap(), &key.public())
            .unwrap()
    }

    fn bundle(root: &TreeRoot, current: Option<&SignedBundle>) -> SignedBundle {
        let mut editor = TrustEditor::new(root, current).unwrap();
        top(&mut editor, &JobKey::generate().unwrap());
        editor.sign(NOW).unwrap()
    }

    #[test]
    fn versions_only_rise() {
        let root = root();
        let first = bundle(&root, None);
        let second = bundle(&root, Some(&first));
        let fork = bundle(&root, Some(&first));
        let mut store = TrustStore::new(root.tree());
        assert_eq!(store.version(), 0);
        assert_eq!(store.accept(first.clone()), Ok(true));
        assert_eq!(store.accept(first.clone()), Ok(false));
        assert_eq!(store.accept(second.clone()), Ok(true));
        assert_eq!(
            store.accept(first),
            Err(TrustError::Older { have: 2, got: 1 })
        );
        assert_eq!(store.accept(fork), Err(TrustError::Fork(2)));
        assert_eq!(store.version(), 2);
        assert_eq!(store.signed(), Some(&second));
        assert_eq!(store.bundle().unwrap().signers.len(), 2);

        let mut restarted = TrustStore::new(root.tree());
        assert_eq!(restarted.accept_encoded(&store.encoded()), Ok(true));
        assert!(restarted.accept_encoded(b"no bundle").is_err());
    }

    #[test]
    fn only_the_root_of_the_tree_makes_bundles() {
        let (root, other) = (
            root(),
            TreeRoot::create(&Lifetimes::default(), NOW).unwrap(),
        );
        let mut store = TrustStore::new(root.tree());
        let foreign = bundle(&other, None);
        assert!(matches!(
            store.accept(foreign.clone()),
            Err(TrustError::OtherTree(_))
        ));
        // The certificate of our root beside a signature of theirs.
        let mixed = SignedBundle {
            root_certificate: root.certificate().to_vec(),
            ..foreign
        };
        assert_eq!(store.accept(mixed), Err(TrustError::Signature));
        assert!(TrustEditor::new(&root, Some(&bundle(&other, None))).is_err());
    }

    #[test]
    fn each_flipped_byte_of_a_bundle_is_refused() {
        let root = root();
        let good = bundle(&root, None);
        for index in 0..good.bundle.len() {
            let mut bytes = good.bundle.to_vec();
            bytes[index] ^= 0x10;
            let bent = SignedBundle {
                bundle: bytes.into(),
                ..good.clone()
            };
            let refused = TrustStore::new(root.tree()).accept(bent);
            assert_eq!(refused, Err(TrustError::Signature), "byte {index}");
        }
    }

    #[test]
    fn numbers_are_the_lowest_free_ones_and_stay() {
        let root = root();
        let keys: Vec<_> = (0..MAX_SIGNERS)
            .map(|_| JobKey::generate().unwrap())
            .collect();
        let mut editor = TrustEditor::new(&root, None).unwrap();
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(usize::from(top(&mut editor, key)), index);
        }
        let full = JobKey::generate().unwrap().public();
        let id = "late".parse().unwrap();
        assert_eq!(
            editor.add_top(Uid([2; 16]), &id, &full),
            Err(TrustEditError::Full)
        );
        assert!(editor.remove(&keys[7].public().uid()));
        assert!(!editor.remove(&keys[7].public().uid()));
        assert_eq!(editor.add_top(Uid([2; 16]), &id, &full), Ok(7));
        let again = editor.delegate(
            Uid([1; 16]),
            &id,
            &keys[50].public(),
            "eu".parse().unwrap(),
            vec!["test.*".into()],
            NOW,
        );
        assert_eq!(again, Ok(50));
        let none = editor.delegate(Uid([1; 16]), &id, &full, SitePath::top(), vec![], 0);
        assert_eq!(none, Err(TrustEditError::NoFunctions));
        let mut store = TrustStore::new(root.tree());
        assert_eq!(store.accept(editor.sign(NOW).unwrap()), Ok(true));
        assert_eq!(
            store
                .signer(&keys[50].public().uid())
                .unwrap()
                .scope
                .as_str(),
            "eu"
        );
        assert_eq!(store.signers_of(Uid([2; 16])).count(), 1);
    }
}
