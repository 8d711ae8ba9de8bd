//! Who is who in a tree, and who may order: keys, certificates, join tokens, the trust bundle, signed jobs.
//!
//! Everything here is a calculation over bytes, keys and a time that the caller gives; only [`KeyStore`] touches
//! files. This crate opens no socket, starts no task and reads no clock. It is the only user of `rcgen`, and the
//! only place that builds a `rustls` configuration. `link` uses it for connections, the programs for the rest.
//!
//! Two layers that never mix: certificates say who is on the link ([`classify`]), and a signature under the
//! trust bundle says who ordered a job ([`TrustStore::verify`]). A certificate gives no right to order anything.

mod admission;
mod armour;
mod authority;
mod certificate;
mod fingerprint;
mod gate;
mod identity;
mod key;
mod keystore;
mod lifetimes;
mod order;
mod request;
mod root;
mod tls;
mod token;
mod trust;

#[cfg(test)]
mod fixture;

pub use admission::{AdmissionError, AdmissionGrant, AdmissionRequest};
pub use armour::ArmourError;
pub use authority::{Authority, ChildSpec, IssueError, verify_credentials};
pub use certificate::CertificateError;
pub use fingerprint::Fingerprint;
pub use gate::{ChainError, MAX_AUTHORITIES, Member, Peer, Stranger, classify, identify};
pub use identity::{CertificateKind, Identity};
pub use key::{CaKey, JobKey, KeyError, LinkKey, PrivateKey, PublicKey, RootKey};
pub use keystore::{KeyStore, KeyStoreError};
pub use lifetimes::{CLOCK_SKEW, Lifetimes, renewal_due, validity};
pub use order::{JobRefusal, ORDER_SKEW};
pub use request::{MAX_CSR, RequestError};
pub use root::TreeRoot;
pub use tls::{
    ALPN, SERVER_NAME, TlsError, TlsIdentity, client_config, initial_cipher_suite, server_config,
};
pub use token::{JoinToken, TokenError, TokenGrant, TokenRefusal};
pub use trust::{MAX_SIGNERS, TrustEditError, TrustEditor, TrustError, TrustStore};
