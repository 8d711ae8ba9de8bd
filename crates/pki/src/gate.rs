//! The gate: from a chain of certificates to a peer. Every connection passes it, in both directions.
//!
//! A chain is leaf first and root last, nothing missing and nothing besides. `webpki` verifies signatures, dates
//! and basic constraints; the rules on names here are what keeps a hub inside of its own subtree.

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring::ED25519};
use wire::{NodeId, Role, SitePath, TreeId, Uid, UnixMillis};

use crate::certificate::{Certificate, CertificateError};
use crate::{CertificateKind, Fingerprint, Identity, SERVER_NAME};

/// Hubs above a node in one chain: a top-master and five levels of syndics. `webpki` builds no longer paths.
pub const MAX_AUTHORITIES: usize = 6;
/// A leaf, its authorities, the root.
const MAX_CHAIN: usize = MAX_AUTHORITIES + 2;
/// The shortest chain of a member: a leaf, a top-master, the root.
const MIN_CHAIN: usize = 3;

/// Who is on the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A node with a certificate of our tree.
    Member(Member),
    /// A key that nobody has vouched for. It may ask to be enrolled, and nothing else.
    Stranger(Stranger),
}

/// A node of the tree, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The identity of its link key.
    pub uid: Uid,
    /// The fingerprint of its link key.
    pub fingerprint: Fingerprint,
    /// Its id.
    pub id: NodeId,
    /// What it is.
    pub role: Role,
    /// Where it sits: of a minion its hub's site.
    pub path: SitePath,
    /// From when on its chain is worth nothing: the earliest end in it.
    pub not_after: UnixMillis,
    /// The hubs that vouch for it, from its own issuer to the top-master. When one of these keys is revoked, so
    /// is this member.
    pub via: Box<[Uid]>,
}

/// A key that nobody has vouched for, but whose possession is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The identity of its link key.
    pub uid: Uid,
    /// The fingerprint of its link key, for the operator who accepts it.
    pub fingerprint: Fingerprint,
}

impl Peer {
    /// The identity of the peer's link key.
    pub fn uid(&self) -> Uid {
        match self {
            Peer::Member(member) => member.uid,
            Peer::Stranger(stranger) => stranger.uid,
        }
    }

    /// The member, when it is one.
    pub fn member(&self) -> Option<&Member> {
        match self {
            Peer::Member(member) => Some(member),
            Peer::Stranger(_) => None,
        }
    }
}

/// Why a chain is refused. `index` counts from the leaf, which is 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No certificate, or more or fewer than a chain has.
    #[error("a chain has {MIN_CHAIN} to {MAX_CHAIN} certificates, this one {0}")]
    Length(usize),
    /// One certificate can't be read.
    #[error("certificate {index} of the chain is refused")]
    Certificate {
        /// Which.
        index: usize,
        /// Why.
        source: CertificateError,
    },
    /// The root at its end is not the root of our tree.
    #[error("the chain belongs to another tree: its root is {0}")]
    OtherTree(Fingerprint),
    /// A name in the chain says another tree than its root.
    #[error("certificate {0} names another tree than the chain's root")]
    NamesOtherTree(usize),
    /// A certificate's time is over.
    #[error("certificate {0} has expired")]
    Expired(usize),
    /// A certificate's time has not come; most likely a clock is wrong.
    #[error("certificate {0} is not valid yet")]
    NotYet(usize),
    /// Signatures, constraints or usages do not hold.
    #[error("the chain does not hold: {0}")]
    Path(String),
    /// The certificates do not follow each other.
    #[error("the chain is not in order from leaf to root")]
    Disorder,
    /// A lone certificate that its own key did not sign.
    #[error("a lone certificate that is not self-signed")]
    NotSelfSigned,
    /// The leaf is a certifying certificate, or an issuer is not one.
    #[error("certificate {0} is used for what it is not meant for")]
    Kind(usize),
    /// The uid in the leaf's name is not that of its key.
    #[error("the name of the leaf claims another key")]
    ForeignUid,
    /// A node of this role can't have this issuer.
    #[error("certificate {index}, of a {role}, has an issuer that may not certify it")]
    Issuer {
        /// Which.
        index: usize,
        /// Of which role.
        role: Role,
    },
    /// A hub certified something outside of its own site.
    #[error("certificate {0} is for a site that its issuer does not serve")]
    Escape(usize),
    /// The dialled peer is a member, but no hub.
    #[error("a {0} can't serve links")]
    NotAHub(Role),
    /// A dialled peer must be a member of the tree.
    #[error("the dialled peer has no certificate of the tree")]
    StrangeServer,
}

/// In which direction a peer's certificate is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// It dialled us.
    Client,
    /// We dialled it.
    Server,
}

/// Says who a chain belongs to, after every check.
///
/// # Errors
/// [`ChainError`], with the first rule that it breaks.
pub fn classify(
    tree: &TreeId,
    chain: &[CertificateDer<'_>],
    now: UnixMillis,
) -> Result<Peer, ChainError> {
    verify(tree, chain, now, Usage::Client)
}

/// Reads who a chain belongs to without verifying it again: only for the chain of a connection whose handshake
/// a configuration of this crate has accepted. It saves half of the signature checks of a storm of reconnects.
///
/// # Errors
/// [`ChainError`] for what no such handshake can have accepted.
pub fn identify(chain: &[CertificateDer<'_>]) -> Result<Peer, ChainError> {
    let certificates = parse(chain)?;
    if let [lone] = &certificates[..] {
        return Ok(stranger(lone));
    }
    member(&certificates, &identities(&certificates)?)
}

pub(crate) fn verify(
    tree: &TreeId,
    chain: &[CertificateDer<'_>],
    now: UnixMillis,
    usage: Usage,
) -> Result<Peer, ChainError> {
    let certificates = parse(chain)?;
    let root = match &certificates[..] {
        [lone] => {
            return match usage {
                Usage::Server => Err(ChainError::StrangeServer),
                Usage::Client if lone.is_self_signed() => Ok(stranger(lone)),
                Usage::Client => Err(ChainError::NotSelfSigned),
            };
        }
        [.., root] => root,
        [] => return Err(ChainError::Length(0)),
    };
    if root.public.tree() != *tree {
        return Err(ChainError::OtherTree(root.public.fingerprint()));
    }
    check_path(chain, &certificates, now, usage)?;
    let identities = identities(&certificates)?;
    check_names(tree, &certificates, &identities)?;
    let member = member(&certificates, &identities)?;
    if let (Usage::Server, Peer::Member(Member { role, .. })) = (usage, &member)
        && !role.is_hub()
    {
        return Err(ChainError::NotAHub(*role));
    }
    Ok(member)
}

fn parse(chain: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, ChainError> {
    if chain.len() != 1 && !(MIN_CHAIN..=MAX_CHAIN).contains(&chain.len()) {
        return Err(ChainError::Length(chain.len()));
    }
    let parse = |(index, der): (usize, &CertificateDer<'_>)| {
        Certificate::parse(der).map_err(|source| ChainError::Certificate { index, source })
    };
    chain.iter().enumerate().map(parse).collect()
}

/// The identities of all but the root, whose name is its key.
fn identities(certificates: &[Certificate]) -> Result<Vec<Identity>, ChainError> {
    let below_root = &certificates[..certificates.len() - 1];
    let read = |(index, certificate): (usize, &Certificate)| {
        certificate
            .identity()
            .map_err(|source| ChainError::Certificate { index, source })
    };
    below_root.iter().enumerate().map(read).collect()
}

fn stranger(lone: &Certificate) -> Peer {
    Peer::Stranger(Stranger {
        uid: lone.public.uid(),
        fingerprint: lone.public.fingerprint(),
    })
}

fn member(certificates: &[Certificate], identities: &[Identity]) -> Result<Peer, ChainError> {
    let ([leaf, issuers @ ..], [leaf_certificate, ..]) = (identities, certificates) else {
        return Err(ChainError::Length(certificates.len()));
    };
    let ends = certificates.iter().map(|c| c.not_after);
    Ok(Peer::Member(Member {
        uid: leaf.uid,
        fingerprint: leaf_certificate.public.fingerprint(),
        id: leaf.id.clone(),
        role: leaf.role,
        path: leaf.path.clone(),
        // The pinned key has no end; the root's own dates are for people (`check_path`).
        not_after: ends.take(identities.len()).min().unwrap_or(0),
        via: issuers.iter().map(|issuer| issuer.uid).collect(),
    }))
}

/// What `webpki` verifies, and that the path it found is the one that was presented.
fn check_path(
    chain: &[CertificateDer<'_>],
    certificates: &[Certificate],
    now: UnixMillis,
    usage: Usage,
) -> Result<(), ChainError> {
    // Dates first, for an answer that names the certificate.
    for (index, certificate) in certificates[..certificates.len() - 1].iter().enumerate() {
        if now >= certificate.not_after {
            return Err(ChainError::Expired(index));
        }
        if now < certificate.not_before {
            return Err(ChainError::NotYet(index));
        }
    }
    let path_error = |e: webpki::Error| ChainError::Path(e.to_string());
    let root = anchor_from_trusted_cert(&chain[chain.len() - 1]).map_err(path_error)?;
    let roots = [root];
    let issuers = &chain[1..chain.len() - 1];
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(path_error)?;
    let key_usage = match usage {
        Usage::Client => KeyUsage::client_auth(),
        Usage::Server => KeyUsage::server_auth(),
    };
    let path = leaf
        .verify_for_usage(
            &[ED25519],
            &roots,
            issuers,
            UnixTime::since_unix_epoch(std::time::Duration::from_millis(now)),
            key_usage,
            None,
            None,
        )
        .map_err(path_error)?;
    let used = path.intermediate_certificates().map(|c| c.der());
    if !used.eq(issuers.iter().cloned()) {
        return Err(ChainError::Disorder);
    }
    // `webpki` lets a certificate without any extended key usage pass for every usage; ours always say theirs.
    let says_so = match usage {
        Usage::Client => certificates[0].client_auth,
        Usage::Server => certificates[0].server_auth,
    };
    if !says_so {
        return Err(ChainError::Kind(0));
    }
    if usage == Usage::Server {
        let name =
            ServerName::try_from(SERVER_NAME).map_err(|e| ChainError::Path(e.to_string()))?;
        leaf.verify_is_valid_for_subject_name(&name)
            .map_err(path_error)?;
    }
    Ok(())
}

/// The rules on names: who may certify whom, and where.
fn check_names(
    tree: &TreeId,
    certificates: &[Certificate],
    identities: &[Identity],
) -> Result<(), ChainError> {
    if identities[0].uid != certificates[0].public.uid() {
        return Err(ChainError::ForeignUid);
    }
    for (index, subject) in identities.iter().enumerate() {
        if subject.tree != *tree {
            return Err(ChainError::NamesOtherTree(index));
        }
        let kind = if index == 0 {
            CertificateKind::Link
        } else {
            CertificateKind::Ca
        };
        if subject.kind != kind || certificates[index].is_ca != (kind == CertificateKind::Ca) {
            return Err(ChainError::Kind(index));
        }
        check_pair(subject, identities.get(index + 1), index)?;
    }
    Ok(())
}

/// Whether `issuer` (the root when none) may certify `subject`.
fn check_pair(
    subject: &Identity,
    issuer: Option<&Identity>,
    index: usize,
) -> Result<(), ChainError> {
    let wrong_issuer = ChainError::Issuer {
        index,
        role: subject.role,
    };
    let allowed = match (subject.role, subject.kind, issuer) {
        // Only the root makes top-masters, and a top-master renews its own link.
        (Role::TopMaster, CertificateKind::Ca, issuer) => issuer.is_none(),
        (Role::TopMaster, CertificateKind::Link, Some(issuer)) => {
            issuer.role == Role::TopMaster && issuer.uid == subject.uid
        }
        // A syndic that certified itself would live for ever.
        (Role::Syndic, _, Some(issuer)) => issuer.role.is_hub() && issuer.uid != subject.uid,
        (Role::Minion, CertificateKind::Link, Some(issuer)) => issuer.role.is_hub(),
        _ => false,
    };
    if !allowed {
        return Err(wrong_issuer);
    }
    let top = SitePath::top();
    let issuer_path = issuer.map_or(&top, |issuer| &issuer.path);
    let inside = match subject.role {
        Role::TopMaster => subject.path.is_top(),
        Role::Syndic => !subject.path.is_top() && issuer_path.contains(&subject.path),
        Role::Minion => subject.path == *issuer_path,
    };
    if inside {
        Ok(())
    } else {
        Err(ChainError::Escape(index))
    }
}

#[cfg(test)]
mod tests;
