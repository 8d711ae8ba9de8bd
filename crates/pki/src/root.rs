//! The root of a tree: one key and its self-signed certificate.

use wire::{NodeId, Role, SitePath, TreeId, UnixMillis};

use crate::certificate::{self, Certificate, CertificateError};
use crate::key::{PublicKey, RootKey};
use crate::lifetimes::end_of;
use crate::{CertificateKind, ChainError, Fingerprint, Identity, KeyError, Lifetimes};

/// The root's key and certificate. Wanted only to admit top-masters and to change the trust bundle; between
/// such days it may lie in a safe.
#[derive(Debug)]
pub struct TreeRoot {
    key: RootKey,
    certificate: Vec<u8>,
}

impl TreeRoot {
    /// A new tree.
    ///
    /// # Errors
    /// [`KeyError`] when the system has no randomness.
    pub fn create(lifetimes: &Lifetimes, now: UnixMillis) -> Result<TreeRoot, KeyError> {
        let key = RootKey::generate()?;
        let certificate = certificate::issue_root(&key, now, end_of(now, lifetimes.root))
            // All inputs are our own: a refusal can only come from the system's randomness.
            .map_err(|_| KeyError::Random(getrandom::Error::UNSUPPORTED))?;
        Ok(TreeRoot { key, certificate })
    }

    /// The root of a key and the certificate that was made with it.
    ///
    /// # Errors
    /// [`ChainError`] when they do not belong together.
    pub fn load(key: RootKey, certificate: Vec<u8>) -> Result<TreeRoot, ChainError> {
        let parsed = Certificate::parse(&certificate)
            .map_err(|source| ChainError::Certificate { index: 0, source })?;
        if parsed.public != key.public() {
            return Err(ChainError::OtherTree(parsed.public.fingerprint()));
        }
        Ok(TreeRoot { key, certificate })
    }

    /// The tree's id.
    pub fn tree(&self) -> TreeId {
        self.key.public().tree()
    }

    /// What nodes pin, as people compare it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.public().fingerprint()
    }

    /// The certificate in DER. Public.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The key.
    pub fn key(&self) -> &RootKey {
        &self.key
    }

    /// Makes the holder of `link` and `ca` a top-master: the chain of its certifying key.
    pub(crate) fn certify_top(
        &self,
        id: &NodeId,
        link: &PublicKey,
        ca: &PublicKey,
        lifetimes: &Lifetimes,
        now: UnixMillis,
    ) -> Result<Vec<Vec<u8>>, CertificateError> {
        let identity = Identity {
            tree: self.tree(),
            kind: CertificateKind::Ca,
            role: Role::TopMaster,
            uid: link.uid(),
            id: id.clone(),
            path: SitePath::top(),
        };
        let end = end_of(now, lifetimes.top_ca);
        let own = certificate::issue(&self.key, ca, &identity, now, end)?;
        Ok(vec![own, self.certificate.clone()])
    }
}
