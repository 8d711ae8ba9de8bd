//! Ed25519 key pairs, each of a type that says what it is for.

use std::fmt;
use std::marker::PhantomData;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use wire::{TreeId, Uid};
use zeroize::Zeroizing;

use crate::Fingerprint;
use crate::armour::{self, ArmourError};

/// What stands before the 32 bytes of a key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// What stands before the 32 bytes of a seed in PKCS#8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// PEM label of PKCS#8.
const PRIVATE_LABEL: &str = "PRIVATE KEY";

/// The key of mutual TLS; its public half is the node's identity.
pub type LinkKey = PrivateKey<Link>;
/// The key with which a hub certifies its children.
pub type CaKey = PrivateKey<Ca>;
/// The key with which a hub signs jobs; worth nothing until the trust bundle names it.
pub type JobKey = PrivateKey<Job>;
/// The key of a tree: it certifies top-masters and signs the trust bundle. It may live offline.
pub type RootKey = PrivateKey<Root>;

/// Purpose of [`LinkKey`].
#[derive(Debug)]
pub enum Link {}
/// Purpose of [`CaKey`].
#[derive(Debug)]
pub enum Ca {}
/// Purpose of [`JobKey`].
#[derive(Debug)]
pub enum Job {}
/// Purpose of [`RootKey`].
#[derive(Debug)]
pub enum Root {}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(getrandom::Error),
    /// The text is no PEM.
    #[error("not a private key in PEM")]
    Armour(#[from] ArmourError),
    /// The PEM holds something else than an Ed25519 key in PKCS#8.
    #[error("not an Ed25519 private key in PKCS#8")]
    NotEd25519,
}

/// An Ed25519 key pair for one purpose. Wiped from memory when dropped; never printed.
pub struct PrivateKey<Purpose> {
    key: SigningKey,
    purpose: PhantomData<fn() -> Purpose>,
}

impl<Purpose> PrivateKey<Purpose> {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`] when the system has none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(KeyError::Random)?;
        Ok(Self::from_seed(&seed))
    }

    fn from_seed(seed: &[u8; 32]) -> Self {
        PrivateKey {
            key: SigningKey::from_bytes(seed),
            purpose: PhantomData,
        }
    }

    /// Reads what [`to_pem`](Self::to_pem) wrote, or what `openssl genpkey -algorithm ed25519` writes.
    ///
    /// # Errors
    /// [`KeyError`] for any other text.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = Zeroizing::new(armour::decode_one(PRIVATE_LABEL, text)?);
        let seed = der
            .strip_prefix(&PKCS8_PREFIX)
            .and_then(|seed| <&[u8; 32]>::try_from(seed).ok())
            .ok_or(KeyError::NotEd25519)?;
        Ok(Self::from_seed(seed))
    }

    /// The key as PKCS#8 in PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(armour::encode(PRIVATE_LABEL, &self.pkcs8()))
    }

    fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + 32));
        der.extend_from_slice(&PKCS8_PREFIX);
        der.extend_from_slice(self.key.as_bytes());
        der
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    /// Signs `message` behind `domain`, so that no signature for one use passes for another.
    pub(crate) fn sign_in(&self, domain: &[u8], message: &[u8]) -> [u8; 64] {
        self.key.sign(&[domain, message].concat()).to_bytes()
    }

    /// A copy for the TLS stack.
    pub(crate) fn for_tls(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8().to_vec()))
    }

    /// This key as rcgen wants to see one.
    pub(crate) fn certifier(&self) -> Certifier<'_> {
        Certifier {
            key: &self.key,
            public: self.public(),
        }
    }
}

impl<Purpose> fmt::Debug for PrivateKey<Purpose> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public().uid())
    }
}

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The key in a SubjectPublicKeyInfo, when that is an Ed25519 key.
    pub fn from_spki(der: &[u8]) -> Option<PublicKey> {
        let key = der.strip_prefix(&SPKI_PREFIX)?;
        key.try_into().ok().map(PublicKey)
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo in DER.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(SPKI_PREFIX);
        hash.update(self.0);
        Fingerprint(hash.finalize().into())
    }

    /// The identity of a node whose link key this is, or of a signer whose job key it is.
    pub fn uid(&self) -> Uid {
        let mut uid = [0; 16];
        uid.copy_from_slice(&self.fingerprint().0[..16]);
        Uid(uid)
    }

    /// The id of the tree whose root key this is.
    pub fn tree(&self) -> TreeId {
        TreeId(self.fingerprint().0)
    }

    /// Whether this key signed `message`. Refuses weak keys and malleable signatures.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &Signature::from_bytes(signature))
                .is_ok()
        })
    }

    /// Whether this key signed `message` behind `domain`.
    pub(crate) fn verifies_in(&self, domain: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
        self.verifies(&[domain, message].concat(), signature)
    }
}

impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

/// A private key that signs certificates and requests.
pub(crate) struct Certifier<'a> {
    key: &'a SigningKey,
    public: PublicKey,
}

impl rcgen::PublicKeyData for Certifier<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for Certifier<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).to_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem() {
        let key = LinkKey::generate().unwrap();
        let read = LinkKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(read.public(), key.public());
        assert!(!format!("{key:?}").contains(&*key.to_pem()));
    }

    #[test]
    fn reads_the_key_of_rfc_8410() {
        // The example of RFC 8410, section 10.3, and the public key of its section 10.1.
        let private = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
            -----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        let spki = armour::decode_one("PUBLIC KEY", public).unwrap();
        assert_eq!(
            Some(LinkKey::from_pem(private).unwrap().public()),
            PublicKey::from_spki(&spki)
        );
    }

    #[test]
    fn refuses_what_is_no_ed25519_key() {
        for text in [
            String::new(),
            armour::encode("CERTIFICATE", b"x"),
            armour::encode(PRIVATE_LABEL, b"x"),
            armour::encode(PRIVATE_LABEL, &[PKCS8_PREFIX.as_slice(), &[1; 33]].concat()),
        ] {
            assert!(LinkKey::from_pem(&text).is_err(), "{text}");
        }
    }
}
