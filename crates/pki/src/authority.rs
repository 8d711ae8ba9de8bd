//! A hub as the authority of its children.

use rustls::pki_types::CertificateDer;
use wire::enrol::Credentials;
use wire::{Json, NodeId, Role, SitePath, TreeId, Uid, UnixMillis};

use crate::certificate::{self, Certificate, CertificateError};
use crate::gate::{self, Usage};
use crate::key::{CaKey, KeyError, LinkKey, PublicKey};
use crate::lifetimes::end_of;
use crate::{
    CertificateKind, ChainError, Identity, Lifetimes, MAX_AUTHORITIES, Member, Peer, RequestError,
};

/// A hub's certifying key with the chain that makes it one.
#[derive(Debug)]
pub struct Authority {
    key: CaKey,
    identity: Identity,
    /// Own certificate first, root last.
    chain: Vec<Vec<u8>>,
    not_after: UnixMillis,
}

/// A child that is to be certified. Every name in its certificates is from here; from the signing requests
/// only the public keys are taken.
#[derive(Debug, Clone, Copy)]
pub struct ChildSpec<'a> {
    /// Its id.
    pub id: &'a NodeId,
    /// Minion or syndic.
    pub role: Role,
    /// A minion's is the hub's own path, a syndic's lies below it.
    pub path: &'a SitePath,
    /// Signing request of its link key, DER.
    pub link_csr: &'a [u8],
    /// Signing request of a syndic's certifying key, DER; empty for a minion.
    pub ca_csr: &'a [u8],
}

/// Why a hub does not certify a child.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// A signing request is no good.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Only the root certifies top-masters.
    #[error("a hub can't certify a top-master")]
    TopMaster,
    /// The child would sit where this hub has nothing to say.
    #[error("the site {child:?} is not one that this hub, at {hub:?}, can certify a {role} for")]
    Outside {
        /// Where the child would sit.
        child: SitePath,
        /// Where the hub sits.
        hub: SitePath,
        /// What the child is.
        role: Role,
    },
    /// A syndic needs a certifying key of its own, a minion may have none, and no two keys may be the same.
    #[error("the keys of the request do not fit a {0}")]
    Keys(Role),
    /// One more level of hubs would not verify anywhere.
    #[error("a tree has at most {MAX_AUTHORITIES} levels of hubs")]
    Deep,
    /// This hub's own chain is over; it has to renew first.
    #[error("the hub's own certificate has expired")]
    Expired,
    /// The encoder refused.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Authority {
    /// The authority of `key` by `chain` (own certificate first, root last).
    ///
    /// # Errors
    /// [`ChainError`] when certificates issued with it would not be accepted in the tree.
    pub fn new(
        tree: &TreeId,
        key: CaKey,
        chain: Vec<Vec<u8>>,
        now: UnixMillis,
    ) -> Result<Authority, ChainError> {
        let own = |source| ChainError::Certificate { index: 1, source };
        let der = chain.first().ok_or(ChainError::Length(0))?;
        let certificate = Certificate::parse(der).map_err(own)?;
        if certificate.public != key.public() {
            return Err(ChainError::Kind(1));
        }
        let identity = certificate.identity().map_err(own)?;
        let mut authority = Authority {
            key,
            identity,
            chain,
            not_after: 0,
        };
        authority.not_after = authority.probe(tree, now)?;
        Ok(authority)
    }

    /// Passes a certificate of its own through the gate, and returns until when it can pass: one set of rules for
    /// what is issued and what is accepted.
    fn probe(&self, tree: &TreeId, now: UnixMillis) -> Result<UnixMillis, ChainError> {
        let own = |source| ChainError::Certificate { index: 0, source };
        let key = LinkKey::generate()
            .map_err(|e: KeyError| own(CertificateError::Encode(e.to_string())))?;
        let (role, uid, path) = match self.identity.role {
            Role::Minion => return Err(ChainError::Kind(1)),
            Role::TopMaster | Role::Syndic => {
                (Role::Minion, key.public().uid(), self.identity.path.clone())
            }
        };
        let probe = Identity {
            kind: CertificateKind::Link,
            role,
            uid,
            path,
            ..self.identity.clone()
        };
        // X.509 ends with the year 9999; a day is enough for a certificate that nobody ever sees.
        let end = end_of(now, std::time::Duration::from_secs(86_400));
        let der = certificate::issue(&self.key, &key.public(), &probe, now, end).map_err(own)?;
        let chain: Vec<_> = std::iter::once(&der)
            .chain(&self.chain)
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        gate::verify(tree, &chain, now, Usage::Client)?;
        let mut not_after = UnixMillis::MAX;
        for (index, der) in self.chain[..self.chain.len() - 1].iter().enumerate() {
            let certificate =
                Certificate::parse(der).map_err(|source| ChainError::Certificate {
                    index: index + 1,
                    source,
                })?;
            not_after = not_after.min(certificate.not_after);
        }
        Ok(not_after)
    }

    /// The tree, site, id and uid of the hub.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When its chain ends, and so does everything that it issues.
    pub fn not_after(&self) -> UnixMillis {
        self.not_after
    }

    /// Its chain, own certificate first, root last, in DER.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// Certifies a child, new or known; `trust` is the encoded trust bundle that goes with the certificates.
    ///
    /// # Errors
    /// [`IssueError`]; nothing is issued then.
    pub fn issue(
        &self,
        child: &ChildSpec<'_>,
        lifetimes: &Lifetimes,
        now: UnixMillis,
        trust: Json,
    ) -> Result<Credentials, IssueError> {
        let inside = match child.role {
            Role::TopMaster => return Err(IssueError::TopMaster),
            Role::Minion => *child.path == self.identity.path,
            Role::Syndic => !child.path.is_top() && self.identity.path.contains(child.path),
        };
        if !inside {
            return Err(IssueError::Outside {
                child: child.path.clone(),
                hub: self.identity.path.clone(),
                role: child.role,
            });
        }
        let link = PublicKey::from_csr(child.link_csr)?;
        let ca = match (child.role, child.ca_csr) {
            (Role::Syndic, csr) if !csr.is_empty() => Some(PublicKey::from_csr(csr)?),
            (Role::Minion, []) => None,
            _ => return Err(IssueError::Keys(child.role)),
        };
        let own = self.key.public();
        if ca == Some(link)
            || [Some(link), ca].contains(&Some(own))
            || link.uid() == self.identity.uid
        {
            return Err(IssueError::Keys(child.role));
        }
        // The chain holds the root too, and the child's own certificate comes on top.
        if ca.is_some() && self.chain.len() > MAX_AUTHORITIES {
            return Err(IssueError::Deep);
        }
        let identity = |kind| Identity {
            tree: self.identity.tree,
            kind,
            role: child.role,
            uid: link.uid(),
            id: child.id.clone(),
            path: child.path.clone(),
        };
        let life = if child.role.is_hub() {
            lifetimes.hub
        } else {
            lifetimes.minion
        };
        let link_chain = self.certify(
            &link,
            &identity(CertificateKind::Link),
            now,
            end_of(now, life),
        )?;
        let ca_chain = match ca {
            None => Vec::new(),
            Some(ca) => {
                let end = end_of(now, lifetimes.syndic_ca);
                self.certify(&ca, &identity(CertificateKind::Ca), now, end)?
            }
        };
        Ok(Credentials {
            link_chain,
            ca_chain,
            trust,
        })
    }

    /// A top-master's link chain, issued by itself: only the root stands above it, and that may be offline.
    ///
    /// # Errors
    /// [`IssueError::Keys`] when this is not the authority of `link`'s top-master.
    pub fn issue_own(
        &self,
        link: &LinkKey,
        lifetimes: &Lifetimes,
        now: UnixMillis,
    ) -> Result<Vec<Vec<u8>>, IssueError> {
        let public = link.public();
        if self.identity.role != Role::TopMaster || public.uid() != self.identity.uid {
            return Err(IssueError::Keys(self.identity.role));
        }
        let identity = Identity {
            kind: CertificateKind::Link,
            ..self.identity.clone()
        };
        self.certify(&public, &identity, now, end_of(now, lifetimes.hub))
    }

    fn certify(
        &self,
        public: &PublicKey,
        identity: &Identity,
        now: UnixMillis,
        not_after: UnixMillis,
    ) -> Result<Vec<Vec<u8>>, IssueError> {
        if now >= self.not_after {
            return Err(IssueError::Expired);
        }
        let end = not_after.min(self.not_after);
        let leaf = certificate::issue(&self.key, public, identity, now, end)?;
        Ok(std::iter::once(leaf)
            .chain(self.chain.iter().cloned())
            .collect())
    }
}

/// What a node checks before it keeps credentials that it was given: that they are of its tree and for its keys.
/// Returns how they name it, and for a hub its authority.
///
/// # Errors
/// [`ChainError`] when the tree would not accept them.
pub fn verify_credentials(
    tree: &TreeId,
    link: &LinkKey,
    ca: Option<CaKey>,
    credentials: &Credentials,
    now: UnixMillis,
) -> Result<(Member, Option<Authority>), ChainError> {
    let chain: Vec<_> = credentials
        .link_chain
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let Peer::Member(member) = gate::verify(tree, &chain, now, Usage::Client)? else {
        return Err(ChainError::Length(chain.len()));
    };
    if member.uid != link.public().uid() {
        return Err(ChainError::ForeignUid);
    }
    let authority = match ca {
        None => None,
        Some(key) => {
            let authority = Authority::new(tree, key, credentials.ca_chain.clone(), now)?;
            let identity: (Uid, Role, &SitePath) = (
                authority.identity.uid,
                authority.identity.role,
                &authority.identity.path,
            );
            if identity != (member.uid, member.role, &member.path) {
                return Err(ChainError::ForeignUid);
            }
            Some(authority)
        }
    };
    Ok((member, authority))
}
