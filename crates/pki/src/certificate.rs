//! Certificates: writing them with rcgen, and reading what our gate looks at.

use std::time::{Duration, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use wire::UnixMillis;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::key::{PrivateKey, PublicKey};
use crate::{CLOCK_SKEW, CertificateKind, Identity, SERVER_NAME};

/// Longest certificate that is looked at, in bytes; ours have about 600.
const MAX_CERTIFICATE: usize = 4_096;

/// Why bytes are no certificate that we read, or none was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER of an X.509 certificate, or too long.
    #[error("not a certificate")]
    Malformed,
    /// Another algorithm than Ed25519.
    #[error("its key is not an Ed25519 key")]
    NotEd25519,
    /// Not exactly one URI name of our form.
    #[error("it carries no identity of a tree")]
    NoIdentity,
    /// The encoder refused; a defect of ours.
    #[error("a certificate can't be encoded: {0}")]
    Encode(String),
}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        CertificateError::Encode(error.to_string())
    }
}

/// What the gate reads of a certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub public: PublicKey,
    /// The text of its URI names.
    uris: Vec<String>,
    pub not_before: UnixMillis,
    pub not_after: UnixMillis,
    pub is_ca: bool,
    pub client_auth: bool,
    pub server_auth: bool,
    /// The signed part and its signature, for self-signed ones.
    signed: (Vec<u8>, Vec<u8>),
}

impl Certificate {
    pub fn parse(der: &[u8]) -> Result<Certificate, CertificateError> {
        let malformed = CertificateError::Malformed;
        if der.len() > MAX_CERTIFICATE {
            return Err(malformed);
        }
        let Ok((&[], certificate)) = X509Certificate::from_der(der) else {
            return Err(malformed);
        };
        let millis = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
        let mut uris = Vec::new();
        if let Some(names) = certificate
            .subject_alternative_name()
            .map_err(|_| malformed.clone())?
        {
            for name in &names.value.general_names {
                if let GeneralName::URI(uri) = name {
                    uris.push((*uri).to_owned());
                }
            }
        }
        let usage = certificate
            .extended_key_usage()
            .map_err(|_| malformed.clone())?;
        let constraints = certificate.basic_constraints().map_err(|_| malformed)?;
        Ok(Certificate {
            public: PublicKey::from_spki(certificate.public_key().raw)
                .ok_or(CertificateError::NotEd25519)?,
            uris,
            not_before: millis(certificate.validity().not_before.timestamp()),
            not_after: millis(certificate.validity().not_after.timestamp()),
            is_ca: constraints.is_some_and(|c| c.value.ca),
            client_auth: usage.as_ref().is_some_and(|u| u.value.client_auth),
            server_auth: usage.as_ref().is_some_and(|u| u.value.server_auth),
            signed: (
                certificate.tbs_certificate.as_ref().to_vec(),
                certificate.signature_value.data.to_vec(),
            ),
        })
    }

    /// The identity in its only URI name.
    pub fn identity(&self) -> Result<Identity, CertificateError> {
        match &self.uris[..] {
            [uri] => uri.parse().map_err(|()| CertificateError::NoIdentity),
            _ => Err(CertificateError::NoIdentity),
        }
    }

    /// Whether its own key signed it.
    pub fn is_self_signed(&self) -> bool {
        let (message, signature) = &self.signed;
        <&[u8; 64]>::try_from(&signature[..])
            .is_ok_and(|signature| self.public.verifies(message, signature))
    }
}

/// The distinguished name of the holder of a key. Derived from the key, so that issuer and subject match by it
/// and path building never has to choose.
fn key_name(public: &PublicKey) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("banyan {}", public.uid()));
    name
}

fn time(millis: UnixMillis) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// What is the same in all our certificates and requests.
pub(crate) fn params(public: &PublicKey) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = key_name(public);
    params
}

fn dated(
    public: &PublicKey,
    now: UnixMillis,
    not_after: UnixMillis,
) -> Result<CertificateParams, CertificateError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|e| CertificateError::Encode(e.to_string()))?;
    // A serial number is positive and its first octet not zero (RFC 5280, 4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = params(public);
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    params.not_before = time(now.saturating_sub(CLOCK_SKEW.as_millis() as u64)).into();
    params.not_after = time(not_after).into();
    Ok(params)
}

fn uri(text: String) -> Result<SanType, CertificateError> {
    Ok(SanType::URI(text.try_into()?))
}

/// A certificate for `public`, signed by `issuer`.
pub(crate) fn issue<Purpose>(
    issuer: &PrivateKey<Purpose>,
    public: &PublicKey,
    identity: &Identity,
    now: UnixMillis,
    not_after: UnixMillis,
) -> Result<Vec<u8>, CertificateError> {
    let mut params = dated(public, now, not_after)?;
    params.subject_alt_names.push(uri(identity.to_string())?);
    match identity.kind {
        CertificateKind::Ca => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        CertificateKind::Link => {
            params.key_usages.push(KeyUsagePurpose::DigitalSignature);
            params
                .extended_key_usages
                .push(ExtendedKeyUsagePurpose::ClientAuth);
            if identity.role.is_hub() {
                params
                    .extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ServerAuth);
                params
                    .subject_alt_names
                    .push(SanType::DnsName(SERVER_NAME.to_owned().try_into()?));
            }
        }
    }
    let issuer = Issuer::new(self::params(&issuer.public()), issuer.certifier());
    Ok(params.signed_by(public, &issuer)?.der().to_vec())
}

/// The self-signed certificate of a root.
pub(crate) fn issue_root(
    key: &crate::RootKey,
    now: UnixMillis,
    not_after: UnixMillis,
) -> Result<Vec<u8>, CertificateError> {
    let public = key.public();
    let mut params = dated(&public, now, not_after)?;
    params
        .subject_alt_names
        .push(uri(crate::identity::root_name(&public.tree()))?);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    Ok(params.self_signed(&key.certifier())?.der().to_vec())
}

/// The self-signed certificate with which a node without a certificate of the tree dials. Its dates mean nothing.
pub(crate) fn issue_stranger(
    key: &crate::LinkKey,
    name: String,
) -> Result<CertificateDer<'static>, CertificateError> {
    let mut params = params(&key.public());
    params.subject_alt_names.push(uri(name)?);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params.self_signed(&key.certifier())?.der().clone())
}
