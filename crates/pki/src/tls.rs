//! The only TLS configurations of the product: TLS 1.3, both sides named, nothing resumed, nothing early.
//!
//! A server takes a chain of its tree or a lone self-signed certificate (a stranger, who may only enrol). A
//! dialler takes a hub of the tree that it has pinned. There is no switch that weakens either.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError as TlsCertificateError, ClientConfig, DigitallySignedStruct,
    DistinguishedName, OtherError, ServerConfig, SignatureScheme,
};
use sha2::{Digest, Sha256};
use wire::enrol::Credentials;
use wire::{NodeId, Role, TreeId, UnixMillis};

use crate::gate::{self, Usage};
use crate::{CertificateError, ChainError, LinkKey, certificate, identity};

/// The protocol's name in ALPN. Its number changes only when two releases can't even say hello.
pub const ALPN: &[u8] = b"banyan/1";
/// The name that every dialler asks for. Nodes are found by address and known by key, so no DNS is trusted.
pub const SERVER_NAME: &str = "hub.banyan.internal";

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The TLS library refuses the key or the chain.
    #[error("the TLS library refuses this identity: {0}")]
    Refused(#[from] rustls::Error),
    /// The chain is empty.
    #[error("an identity needs a certificate")]
    Empty,
    /// A stranger's certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// With which key and chain a node speaks.
#[derive(Debug)]
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
}

impl Clone for TlsIdentity {
    fn clone(&self) -> Self {
        TlsIdentity {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl TlsIdentity {
    /// A node of the tree.
    ///
    /// # Errors
    /// [`TlsError::Empty`] when the credentials have no chain.
    pub fn member(key: &LinkKey, credentials: &Credentials) -> Result<TlsIdentity, TlsError> {
        if credentials.link_chain.is_empty() {
            return Err(TlsError::Empty);
        }
        let chain = credentials.link_chain.iter().cloned();
        Ok(TlsIdentity {
            chain: chain.map(CertificateDer::from).collect(),
            key: key.for_tls(),
        })
    }

    /// A key that wants into the tree. Its role and id are for the logs of the other side.
    ///
    /// # Errors
    /// [`TlsError::Certificate`] only.
    pub fn stranger(key: &LinkKey, role: Role, id: &NodeId) -> Result<TlsIdentity, TlsError> {
        let name = identity::stranger_name(role, id);
        Ok(TlsIdentity {
            chain: vec![certificate::issue_stranger(key, name)?],
            key: key.for_tls(),
        })
    }

    /// A secret that only the holder of the key knows, the same after each restart, and another one for each purpose.
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        let hash = Sha256::new().chain_update(purpose).chain_update([0]);
        hash.chain_update(self.key.secret_der()).finalize().into()
    }
}

/// The cryptography of all connections: the one place that names a provider.
fn provider() -> Arc<CryptoProvider> {
    use rustls::crypto::ring;
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
            ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
            ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![ring::kx_group::X25519],
        ..ring::default_provider()
    })
}

/// The suite that protects the first packets of a QUIC connection (RFC 9001, 5.2).
pub fn initial_cipher_suite() -> Option<rustls::quic::Suite> {
    rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .and_then(|suite| suite.quic_suite())
}

/// The configuration of a hub that is dialled.
///
/// # Errors
/// [`TlsError`] when the identity is unusable.
pub fn server_config(tree: &TreeId, identity: &TlsIdentity) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let gate = Gate::new(tree, &provider);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(gate)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A ticket would let a client back in after its certificate ended.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}

/// The configuration of a node that dials hubs of `tree`.
///
/// # Errors
/// [`TlsError`] when the identity is unusable.
pub fn client_config(tree: &TreeId, identity: &TlsIdentity) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let gate = Gate::new(tree, &provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(gate)
        .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}

/// Our verifier, for both directions.
#[derive(Debug)]
struct Gate {
    tree: TreeId,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Gate {
    fn new(tree: &TreeId, provider: &CryptoProvider) -> Arc<Gate> {
        Arc::new(Gate {
            tree: *tree,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        now: UnixTime,
        usage: Usage,
    ) -> Result<(), rustls::Error> {
        let chain: Vec<_> = std::iter::once(leaf).chain(issuers).cloned().collect();
        let now = UnixMillis::from(now.as_secs()).saturating_mul(1_000);
        gate::verify(&self.tree, &chain, now, usage)
            .map(|_| ())
            .map_err(|error| rustls::Error::InvalidCertificate(alert_of(error)))
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }
}

/// The peer sees one of three alerts, our own log the whole reason.
fn alert_of(error: ChainError) -> TlsCertificateError {
    match error {
        ChainError::OtherTree(_) => TlsCertificateError::UnknownIssuer,
        ChainError::Expired(_) | ChainError::NotYet(_) => TlsCertificateError::Expired,
        other => TlsCertificateError::Other(OtherError(Arc::new(other))),
    }
}

fn no_tls12() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken here".to_owned())
}

impl ClientCertVerifier for Gate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(leaf, issuers, now, Usage::Client)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ServerCertVerifier for Gate {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(leaf, issuers, now, Usage::Server)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
