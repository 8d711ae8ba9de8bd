//! How a top-master, the first or another, becomes part of a tree: a request made where its keys are, a grant made
//! where the root's key is, both as text that a person carries.

use wire::enrol::{Credentials, EnrolRequest};
use wire::trust::SignedBundle;
use wire::{Json, NodeId, Role, TreeId, UnixMillis, codec};

use crate::armour::{self, ArmourError};
use crate::key::{CaKey, JobKey, LinkKey, PublicKey};
use crate::{
    Authority, CertificateError, ChainError, Fingerprint, IssueError, Lifetimes, RequestError,
    TreeRoot, TrustEditError, TrustEditor, TrustError, TrustStore,
};

const REQUEST_LABEL: &str = "BANYAN ADMISSION REQUEST";
const GRANT_LABEL: &str = "BANYAN ADMISSION GRANT";
/// Goes before what a job key signs to prove its possession.
const SIGNING_DOMAIN_ADMISSION: &[u8] = b"banyan/admission/v1\0";

/// Why a top-master is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// Not the text of a request or a grant.
    #[error(transparent)]
    Armour(#[from] ArmourError),
    /// The section holds something else.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A signing request in it is no good.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The request does not prove that its sender holds the job key.
    #[error("the request does not prove its job key")]
    JobKey,
    /// The grant names another id or other keys than this node's.
    #[error("the grant is for another node")]
    OtherNode,
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The chain in the grant is not one of the tree.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The link certificate could not be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The trust bundle is refused.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The trust bundle can't take another signer.
    #[error(transparent)]
    Edit(#[from] TrustEditError),
}

/// What a new top-master asks for: proof of three keys, and an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionRequest {
    id: NodeId,
    link_csr: Vec<u8>,
    ca_csr: Vec<u8>,
    job_key: PublicKey,
    /// The job key over the link key's signing request.
    job_proof: [u8; 64],
}

impl AdmissionRequest {
    /// The request of the node that holds these keys.
    ///
    /// # Errors
    /// [`AdmissionError::Certificate`] only.
    pub fn new(
        id: &NodeId,
        link: &LinkKey,
        ca: &CaKey,
        job: &JobKey,
    ) -> Result<AdmissionRequest, AdmissionError> {
        let link_csr = link.csr()?;
        Ok(AdmissionRequest {
            id: id.clone(),
            ca_csr: ca.csr()?,
            job_key: job.public(),
            job_proof: job.sign_in(SIGNING_DOMAIN_ADMISSION, &link_csr),
            link_csr,
        })
    }

    /// The id that it wants.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// The fingerprint of its link key, which people compare before they grant.
    ///
    /// # Errors
    /// [`AdmissionError::Request`] when the signing request is no good.
    pub fn fingerprint(&self) -> Result<Fingerprint, AdmissionError> {
        Ok(PublicKey::from_csr(&self.link_csr)?.fingerprint())
    }

    /// As text.
    ///
    /// # Errors
    /// [`AdmissionError::Malformed`] when it does not fit into a frame.
    pub fn to_text(&self) -> Result<String, AdmissionError> {
        let request = EnrolRequest {
            id: self.id.clone(),
            role: Role::TopMaster,
            site: String::new(),
            link_csr: self.link_csr.clone(),
            ca_csr: self.ca_csr.clone(),
            token: None,
            software: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let bytes = codec::encode(&(request, self.job_key.0, self.job_proof)).map_err(malformed)?;
        Ok(armour::encode(REQUEST_LABEL, &bytes))
    }

    /// Reads the text, and checks the proofs of all three keys.
    ///
    /// # Errors
    /// [`AdmissionError`].
    pub fn from_text(text: &str) -> Result<AdmissionRequest, AdmissionError> {
        let bytes = armour::decode_one(REQUEST_LABEL, text)?;
        let (request, job_key, job_proof): (EnrolRequest, [u8; 32], [u8; 64]) =
            codec::decode(&bytes).map_err(malformed)?;
        let request = AdmissionRequest {
            id: request.id,
            link_csr: request.link_csr,
            ca_csr: request.ca_csr,
            job_key: PublicKey(job_key),
            job_proof,
        };
        request.verify()?;
        Ok(request)
    }

    /// The link key and the certifying key, when all three keys are proven and different.
    fn verify(&self) -> Result<(PublicKey, PublicKey), AdmissionError> {
        let link = PublicKey::from_csr(&self.link_csr)?;
        let ca = PublicKey::from_csr(&self.ca_csr)?;
        let proven =
            self.job_key
                .verifies_in(SIGNING_DOMAIN_ADMISSION, &self.link_csr, &self.job_proof);
        if !proven || self.job_key == link || self.job_key == ca {
            return Err(AdmissionError::JobKey);
        }
        if link == ca {
            return Err(IssueError::Keys(Role::TopMaster).into());
        }
        Ok((link, ca))
    }
}

/// What the root's holder answers: the chain of the new top-master's certifying key, and a trust bundle that names its
/// job key. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionGrant {
    ca_chain: Vec<Vec<u8>>,
    trust: SignedBundle,
}

impl AdmissionGrant {
    /// Grants a request, on top of the trust bundle in force (`None` in a new tree). The same request granted again
    /// renews the certificate.
    ///
    /// # Errors
    /// [`AdmissionError`].
    pub fn new(
        root: &TreeRoot,
        request: &AdmissionRequest,
        current: Option<&SignedBundle>,
        lifetimes: &Lifetimes,
        now: UnixMillis,
    ) -> Result<AdmissionGrant, AdmissionError> {
        let (link, ca) = request.verify()?;
        let mut editor = TrustEditor::new(root, current)?;
        editor.add_top(link.uid(), &request.id, &request.job_key)?;
        Ok(AdmissionGrant {
            ca_chain: root.certify_top(&request.id, &link, &ca, lifetimes, now)?,
            trust: editor.sign(now)?,
        })
    }

    /// The trust bundle in it: the other top-masters want it too, and pass it down the tree.
    pub fn trust(&self) -> &SignedBundle {
        &self.trust
    }

    /// As text.
    ///
    /// # Errors
    /// [`AdmissionError::Malformed`] when it does not fit into a frame.
    pub fn to_text(&self) -> Result<String, AdmissionError> {
        let bytes =
            codec::encode(&(self.ca_chain.clone(), self.trust.clone())).map_err(malformed)?;
        Ok(armour::encode(GRANT_LABEL, &bytes))
    }

    /// Reads the text. Who may say it is checked when it is applied.
    ///
    /// # Errors
    /// [`AdmissionError`].
    pub fn from_text(text: &str) -> Result<AdmissionGrant, AdmissionError> {
        let bytes = armour::decode_one(GRANT_LABEL, text)?;
        let (ca_chain, trust) = codec::decode(&bytes).map_err(malformed)?;
        Ok(AdmissionGrant { ca_chain, trust })
    }

    /// Checks the grant against the tree and the node's own keys, and makes the node's credentials of it.
    ///
    /// # Errors
    /// [`AdmissionError`]; nothing is to be kept then.
    pub fn apply(
        &self,
        tree: &TreeId,
        link: &LinkKey,
        ca: CaKey,
        job: &PublicKey,
        lifetimes: &Lifetimes,
        now: UnixMillis,
    ) -> Result<Credentials, AdmissionError> {
        let authority = Authority::new(tree, ca, self.ca_chain.clone(), now)?;
        let mut store = TrustStore::new(*tree);
        store.accept(self.trust.clone())?;
        let uid = link.public().uid();
        let named = store
            .signer(&job.uid())
            .is_some_and(|signer| signer.node == uid);
        if authority.identity().uid != uid || !named {
            return Err(AdmissionError::OtherNode);
        }
        Ok(Credentials {
            link_chain: authority.issue_own(link, lifetimes, now)?,
            ca_chain: self.ca_chain.clone(),
            trust: Json::clone(&store.encoded()),
        })
    }
}

fn malformed(error: codec::CodecError) -> AdmissionError {
    AdmissionError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, root};

    struct Keys {
        link: LinkKey,
        ca: CaKey,
        job: JobKey,
    }

    fn keys() -> Keys {
        Keys {
            link: LinkKey::generate().unwrap(),
            ca: CaKey::generate().unwrap(),
            job: JobKey::generate().unwrap(),
        }
    }

    fn apply(
        grant: &AdmissionGrant,
        tree: &TreeId,
        keys: Keys,
    ) -> Result<Credentials, AdmissionError> {
        let lifetimes = Lifetimes::default();
        grant.apply(
            tree,
            &keys.link,
            keys.ca,
            &keys.job.public(),
            &lifetimes,
            NOW,
        )
    }

    fn request(keys: &Keys, id: &str) -> AdmissionRequest {
        AdmissionRequest::new(&id.parse().unwrap(), &keys.link, &keys.ca, &keys.job).unwrap()
    }

    #[test]
    fn two_top_masters_by_text() {
        let (root, lifetimes) = (root(), Lifetimes::default());
        let mut trust: Option<SignedBundle> = None;
        for (version, id) in [(1, "top-a"), (2, "top-b")] {
            let keys = keys();
            let text = request(&keys, id).to_text().unwrap();
            let asked = AdmissionRequest::from_text(&format!("mail:\n{text}")).unwrap();
            assert_eq!(
                asked.fingerprint().unwrap(),
                keys.link.public().fingerprint()
            );
            let grant =
                AdmissionGrant::new(&root, &asked, trust.as_ref(), &lifetimes, NOW).unwrap();
            let grant = AdmissionGrant::from_text(&grant.to_text().unwrap()).unwrap();
            trust = Some(grant.trust().clone());
            let job = keys.job.public().uid();
            let credentials = apply(&grant, &root.tree(), keys).unwrap();
            let mut store = TrustStore::new(root.tree());
            assert!(store.accept_encoded(&credentials.trust).unwrap());
            assert_eq!(store.version(), version);
            assert_eq!(u64::from(store.signer(&job).unwrap().number), version - 1);
            assert_eq!(credentials.link_chain.len(), 3);
        }
    }

    #[test]
    fn a_grant_is_for_one_node_of_one_tree() {
        let (root, other, lifetimes) = (root(), root(), Lifetimes::default());
        let mine = keys();
        let grant =
            AdmissionGrant::new(&root, &request(&mine, "top"), None, &lifetimes, NOW).unwrap();
        assert!(matches!(
            apply(&grant, &other.tree(), keys()),
            Err(AdmissionError::Chain(_))
        ));
        assert!(apply(&grant, &root.tree(), keys()).is_err());
        let mixed = Keys {
            link: LinkKey::generate().unwrap(),
            ..mine
        };
        assert!(matches!(
            apply(&grant, &root.tree(), mixed),
            Err(AdmissionError::OtherNode)
        ));
    }

    #[test]
    fn a_request_proves_every_key() {
        let (mine, theirs) = (keys(), keys());
        let good = request(&mine, "top");
        let mut stolen_job = good.clone();
        stolen_job.job_key = theirs.job.public();
        let text = stolen_job.to_text().unwrap();
        assert!(matches!(
            AdmissionRequest::from_text(&text),
            Err(AdmissionError::JobKey)
        ));
        let mut same = good.clone();
        same.ca_csr = same.link_csr.clone();
        assert!(AdmissionRequest::from_text(&same.to_text().unwrap()).is_err());
        let mut bent = good;
        bent.link_csr[40] ^= 1;
        assert!(AdmissionRequest::from_text(&bent.to_text().unwrap()).is_err());
        assert!(AdmissionGrant::from_text("nothing").is_err());
    }
}
