//! Renewal: a member asks its parent for a fresh certificate, over the session that it has.

use link::Sender;
use pki::{KeyStore, validity};
use wire::UnixMillis;
use wire::enrol::EnrolAnswer;
use wire::files::{Answer, Request};

use crate::enrol::{Applicant, EnrolError, Membership};

/// Why a certificate was not renewed; the old one is in force until its end.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The key directory.
    #[error(transparent)]
    Own(#[from] EnrolError),
    /// The request did not get through.
    #[error(transparent)]
    Request(#[from] link::RequestError),
    /// The parent would not.
    #[error("the parent does not renew the certificate: {0}")]
    Refused(String),
}

/// When the membership's certificates are to be renewed: the first of them that is due.
pub fn renewal_at(membership: &Membership, seed: u64) -> UnixMillis {
    let chains = [
        &membership.credentials.link_chain,
        &membership.credentials.ca_chain,
    ];
    chains
        .into_iter()
        .filter_map(|chain| chain.first())
        .filter_map(|der| validity(der).ok())
        .map(|(not_before, not_after)| pki::renewal_due(not_before, not_after, seed))
        .min()
        .unwrap_or(0)
}

/// Asks over a session for fresh certificates, and keeps them.
///
/// # Errors
/// [`RenewError`]; to be tried again later.
pub async fn renew(
    applicant: &Applicant,
    keys: &KeyStore,
    session: &Sender,
    now: UnixMillis,
) -> Result<Membership, RenewError> {
    let request = Request::Enrol(applicant.request(keys)?);
    match session.request(&request).await?.0 {
        Answer::Enrol(answer) => match *answer {
            EnrolAnswer::Accepted(credentials) => applicant
                .take(keys, credentials, now)
                .map_err(RenewError::Refused),
            EnrolAnswer::Pending { .. } => Err(RenewError::Refused(
                "the key waits to be accepted".to_owned(),
            )),
            EnrolAnswer::Refused(text) => Err(RenewError::Refused(text)),
        },
        Answer::Refused(text) => Err(RenewError::Refused(text)),
        _ => Err(RenewError::Refused("it answered something else".to_owned())),
    }
}
