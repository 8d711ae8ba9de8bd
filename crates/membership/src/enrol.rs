//! Enrolment: from a fresh key to a member of the tree.

use std::net::SocketAddr;
use std::time::Duration;

use link::{Endpoint, Identity, Tuning};
use pki::{Authority, KeyStore, LinkKey, Member, TlsIdentity, verify_credentials};
use wire::enrol::{Credentials, EnrolAnswer, EnrolRequest};
use wire::files::{Answer, Request};
use wire::{NodeId, Role, TreeId, UnixMillis};

use crate::backoff::Backoff;
use crate::dialling::{ParentAddress, dial};

/// A parent holds an enrolment open for half a minute; one that says nothing for longer has gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// While the parent holds the request open nothing else keeps the connection alive, and the parent's idle time may
/// be short.
const WAIT_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// A refusal may be taken back by an operator, so the node goes on asking, rarely.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// A node that wants to be a member.
#[derive(Debug, Clone)]
pub struct Applicant {
    /// The id that it wants.
    pub id: NodeId,
    /// Minion or syndic.
    pub role: Role,
    /// For a syndic: the label of its site below its parent's.
    pub site: String,
    /// Its program's version.
    pub software: String,
    /// The shown part of a join token.
    pub token: Option<String>,
    /// The tree that it trusts.
    pub tree: TreeId,
}

/// What a member has.
#[derive(Debug)]
pub struct Membership {
    /// The link key.
    pub key: LinkKey,
    /// Certificates and trust bundle.
    pub credentials: Credentials,
    /// How the certificate names the node.
    pub member: Member,
    /// A syndic's right to certify its own children.
    pub authority: Option<Authority>,
}

impl Membership {
    /// What to connect with.
    ///
    /// # Errors
    /// When the key or chain can't be used for TLS.
    pub fn identity(&self, tree: TreeId) -> Result<Identity, pki::TlsError> {
        Ok(Identity {
            tree,
            tls: TlsIdentity::member(&self.key, &self.credentials)?,
        })
    }
}

/// Why a node is no member, for good: trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The key directory.
    #[error(transparent)]
    KeyStore(#[from] pki::KeyStoreError),
    /// A key could not be made or used.
    #[error("the node's key: {0}")]
    Key(String),
    /// No UDP socket.
    #[error(transparent)]
    Bind(#[from] link::BindError),
}

impl Applicant {
    /// The membership that the key directory has, when it is still good at `now`.
    ///
    /// # Errors
    /// When the directory can't be read. Credentials that are over, or of another tree, count as none.
    pub fn stored(
        &self,
        keys: &KeyStore,
        now: UnixMillis,
    ) -> Result<Option<Membership>, EnrolError> {
        let Some(credentials) = keys.credentials()? else {
            return Ok(None);
        };
        let key = keys.link_key()?;
        let ca = if self.role.is_hub() {
            Some(keys.ca_key()?)
        } else {
            None
        };
        match verify_credentials(&self.tree, &key, ca, &credentials, now) {
            Ok((member, authority)) if member.id == self.id && member.role == self.role => {
                Ok(Some(Membership {
                    key,
                    credentials,
                    member,
                    authority,
                }))
            }
            Ok((member, _)) => {
                tracing::warn!(had = %member.id, wants = %self.id, "the certificate names another id; the node enrols anew");
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate is no longer good; the node enrols anew");
                Ok(None)
            }
        }
    }

    pub(crate) fn request(&self, keys: &KeyStore) -> Result<EnrolRequest, EnrolError> {
        let key = |e: pki::CertificateError| EnrolError::Key(e.to_string());
        Ok(EnrolRequest {
            id: self.id.clone(),
            role: self.role,
            site: self.site.clone(),
            link_csr: keys.link_key()?.csr().map_err(key)?,
            ca_csr: if self.role.is_hub() {
                keys.ca_key()?.csr().map_err(key)?
            } else {
                Vec::new()
            },
            token: self.token.clone(),
            software: self.software.clone(),
        })
    }

    /// Checks credentials that a parent gave, keeps them, and makes a membership of them.
    pub(crate) fn take(
        &self,
        keys: &KeyStore,
        credentials: Credentials,
        now: UnixMillis,
    ) -> Result<Membership, String> {
        let text = |e: pki::KeyStoreError| e.to_string();
        let key = keys.link_key().map_err(text)?;
        let ca = if self.role.is_hub() {
            Some(keys.ca_key().map_err(text)?)
        } else {
            None
        };
        let (member, authority) = verify_credentials(&self.tree, &key, ca, &credentials, now)
            .map_err(|e| e.to_string())?;
        if member.id != self.id || member.role != self.role {
            return Err(format!(
                "the certificate names {} {}",
                member.role, member.id
            ));
        }
        keys.save_credentials(&credentials).map_err(text)?;
        Ok(Membership {
            key,
            credentials,
            member,
            authority,
        })
    }
}

/// Asks the parents in turn, for as long as it takes, until one lets this node in. Each change of the answer is
/// told to `say`, in words for an operator.
///
/// # Errors
/// [`EnrolError`] for what no waiting mends.
pub async fn enrol(
    applicant: &Applicant,
    keys: &KeyStore,
    parents: &[ParentAddress],
    clock: impl Fn() -> UnixMillis,
    say: impl FnMut(&str),
) -> Result<Membership, EnrolError> {
    if let Some(membership) = applicant.stored(keys, clock())? {
        return Ok(membership);
    }
    apply(applicant, keys, parents, clock, say).await
}

/// As [`enrol`], whatever credentials are stored: for a member that its parent no longer accepts.
///
/// # Errors
/// As [`enrol`].
pub async fn apply(
    applicant: &Applicant,
    keys: &KeyStore,
    parents: &[ParentAddress],
    clock: impl Fn() -> UnixMillis,
    mut say: impl FnMut(&str),
) -> Result<Membership, EnrolError> {
    let key = keys.link_key()?;
    let fingerprint = key.public().fingerprint();
    let identity = Identity {
        tree: applicant.tree,
        tls: TlsIdentity::stranger(&key, applicant.role, &applicant.id)
            .map_err(|e| EnrolError::Key(e.to_string()))?,
    };
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let tuning = Tuning {
        keep_alive: Some(WAIT_KEEP_ALIVE),
        ..Tuning::minion()
    };
    let endpoint = Endpoint::dialler(any, &identity, tuning)?;
    let request = Request::Enrol(applicant.request(keys)?);
    let mut backoff = Backoff::new(u64::from_le_bytes(
        fingerprint.0[..8].try_into().unwrap_or_default(),
    ));
    let mut last = String::new();
    for parent in parents.iter().cycle() {
        let (pause, word) = match ask(&endpoint, parent, &request).await {
            Ok(EnrolAnswer::Accepted(credentials)) => {
                match applicant.take(keys, credentials, clock()) {
                    Ok(membership) => return Ok(membership),
                    Err(text) => (
                        REFUSED_PAUSE,
                        format!("{parent} gave credentials that are no good: {text}"),
                    ),
                }
            }
            Ok(EnrolAnswer::Pending { retry_after_s }) => {
                backoff.reset();
                let word = format!(
                    "{} {} waits to be accepted at {parent}; fingerprint of its key: {fingerprint}",
                    applicant.role, applicant.id
                );
                (Duration::from_secs(u64::from(retry_after_s)), word)
            }
            Ok(EnrolAnswer::Refused(text)) => {
                (REFUSED_PAUSE, format!("{parent} refuses this node: {text}"))
            }
            Err(text) => (backoff.pause(), format!("{parent}: {text}")),
        };
        if word != last {
            say(&word);
            last = word;
        }
        tokio::time::sleep(pause).await;
    }
    Err(EnrolError::Key("no parent is configured".to_owned()))
}

async fn ask(
    endpoint: &Endpoint,
    parent: &ParentAddress,
    request: &Request,
) -> Result<EnrolAnswer, String> {
    let session = dial(endpoint, parent).await.map_err(|e| e.to_string())?;
    // The receiver is kept: without it the session would end.
    let (sender, _receiver) = session.split();
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, sender.request(request))
        .await
        .map_err(|_| "no answer".to_owned())?
        .map_err(|e| e.to_string())?;
    match answer.0 {
        Answer::Enrol(answer) => Ok(*answer),
        Answer::Refused(text) => Ok(EnrolAnswer::Refused(text)),
        _ => Err("the hub answered something else".to_owned()),
    }
}
