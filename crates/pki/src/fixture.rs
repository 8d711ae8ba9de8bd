//! A small tree for tests: top, `eu`, `eu/ams`, and a minion there.

use rustls::pki_types::CertificateDer;
use wire::enrol::Credentials;
use wire::{Role, UnixMillis};

use crate::{
    AdmissionGrant, AdmissionRequest, Authority, CaKey, ChildSpec, JobKey, Lifetimes, LinkKey,
    TreeRoot,
};

/// 2026-11-22.
pub const NOW: UnixMillis = 1_795_387_039_000;

pub fn root() -> TreeRoot {
    TreeRoot::create(&Lifetimes::default(), NOW).unwrap()
}

/// A node with its keys and chains; hubs have an authority.
pub struct Node {
    pub link: LinkKey,
    pub credentials: Credentials,
    pub authority: Option<Authority>,
}

impl Node {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.credentials
            .link_chain
            .iter()
            .cloned()
            .map(CertificateDer::from)
            .collect()
    }

    pub fn authority(&self) -> &Authority {
        self.authority.as_ref().unwrap()
    }

    /// Certifies a child of this hub.
    pub fn adopt(&self, role: Role, id: &str, path: &str) -> Node {
        let (link, ca) = (LinkKey::generate().unwrap(), CaKey::generate().unwrap());
        let child = ChildSpec {
            id: &id.parse().unwrap(),
            role,
            path: &path.parse().unwrap(),
            link_csr: &link.csr().unwrap(),
            ca_csr: &if role.is_hub() {
                ca.csr().unwrap()
            } else {
                Vec::new()
            },
        };
        let credentials = self
            .authority()
            .issue(&child, &Lifetimes::default(), NOW, (*b"").into())
            .unwrap();
        let tree = self.authority().identity().tree;
        let ca = role.is_hub().then_some(ca);
        let (_, authority) =
            crate::verify_credentials(&tree, &link, ca, &credentials, NOW).unwrap();
        Node {
            link,
            credentials,
            authority,
        }
    }
}

pub struct Tree {
    pub root: TreeRoot,
    pub top: Node,
    pub eu: Node,
    pub ams: Node,
    pub minion: Node,
}

impl Tree {
    pub fn new() -> Tree {
        let root = root();
        let top = top(&root, "top");
        let eu = top.adopt(Role::Syndic, "eu", "eu");
        let ams = eu.adopt(Role::Syndic, "ams", "eu/ams");
        let minion = ams.adopt(Role::Minion, "web1", "eu/ams");
        Tree {
            root,
            top,
            eu,
            ams,
            minion,
        }
    }
}

/// A top-master as `top-master init` makes it.
pub fn top(root: &TreeRoot, id: &str) -> Node {
    let (link, ca, job) = (
        LinkKey::generate().unwrap(),
        CaKey::generate().unwrap(),
        JobKey::generate().unwrap(),
    );
    let lifetimes = Lifetimes::default();
    let request = AdmissionRequest::new(&id.parse().unwrap(), &link, &ca, &job).unwrap();
    let grant = AdmissionGrant::new(root, &request, None, &lifetimes, NOW).unwrap();
    let copy = CaKey::from_pem(&ca.to_pem()).unwrap();
    let credentials = grant
        .apply(&root.tree(), &link, copy, &job.public(), &lifetimes, NOW)
        .unwrap();
    let authority = Authority::new(&root.tree(), ca, credentials.ca_chain.clone(), NOW).unwrap();
    Node {
        link,
        credentials,
        authority: Some(authority),
    }
}
