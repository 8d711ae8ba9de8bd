//! Certificate signing requests: proof that the sender holds a key, and nothing more.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::certificate::{self, CertificateError};
use crate::key::{PrivateKey, PublicKey};

/// Longest request that is looked at, in bytes; ours have about 200.
pub const MAX_CSR: usize = 2_048;

/// Why a signing request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not DER of a PKCS#10 request, or longer than [`MAX_CSR`].
    #[error("not a certificate signing request")]
    Malformed,
    /// Another algorithm than Ed25519.
    #[error("the key in the signing request is not an Ed25519 key")]
    NotEd25519,
    /// The sender does not hold the key.
    #[error("the signature of the signing request is wrong")]
    Signature,
}

impl<Purpose> PrivateKey<Purpose> {
    /// A signing request for this key, in DER. It names nothing, since the issuer sets every name.
    ///
    /// # Errors
    /// [`CertificateError::Encode`] only.
    pub fn csr(&self) -> Result<Vec<u8>, CertificateError> {
        let request = certificate::params(&self.public()).serialize_request(&self.certifier())?;
        Ok(request.der().to_vec())
    }
}

impl PublicKey {
    /// The key of a signing request whose signature is right. All else in the request is ignored.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_csr(der: &[u8]) -> Result<PublicKey, RequestError> {
        if der.len() > MAX_CSR {
            return Err(RequestError::Malformed);
        }
        let Ok((&[], request)) = X509CertificationRequest::from_der(der) else {
            return Err(RequestError::Malformed);
        };
        let info = &request.certification_request_info;
        let public = PublicKey::from_spki(info.subject_pki.raw).ok_or(RequestError::NotEd25519)?;
        let signature = <&[u8; 64]>::try_from(&*request.signature_value.data)
            .map_err(|_| RequestError::Signature)?;
        if public.verifies(info.raw, signature) {
            Ok(public)
        } else {
            Err(RequestError::Signature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkKey;

    #[test]
    fn a_request_proves_its_key_and_each_flipped_bit_is_seen() {
        let key = LinkKey::generate().unwrap();
        let csr = key.csr().unwrap();
        assert_eq!(PublicKey::from_csr(&csr), Ok(key.public()));
        for index in 0..csr.len() {
            let mut bent = csr.clone();
            bent[index] ^= 0x01;
            // The outer algorithm field stands outside of the signature and is not read.
            if let Ok(public) = PublicKey::from_csr(&bent) {
                assert_eq!(public, key.public(), "byte {index}");
            }
        }
        assert_eq!(
            PublicKey::from_csr(&vec![0x30; MAX_CSR + 1]),
            Err(RequestError::Malformed)
        );
        let mut longer = csr;
        longer.push(0);
        assert_eq!(PublicKey::from_csr(&longer), Err(RequestError::Malformed));
    }
}
