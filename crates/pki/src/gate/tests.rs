//! Chains that hold, and one forged chain for each rule that must not.

use super::*;
use crate::fixture::{NOW, Node, Tree, root, top};
use crate::{Authority, CaKey, ChildSpec, IssueError, Lifetimes, LinkKey, PublicKey, certificate};

const DAY: UnixMillis = 86_400_000;

fn der(chain: &[Vec<u8>]) -> Vec<CertificateDer<'static>> {
    chain.iter().cloned().map(CertificateDer::from).collect()
}

/// A chain as a hub with stolen or evil keys can make it: any name, below any chain.
struct Forger {
    ca: CaKey,
    /// The chain of `ca`.
    chain: Vec<Vec<u8>>,
    identity: Identity,
}

impl Forger {
    /// An honest syndic at `path` below `hub` that turns evil.
    fn below(hub: &Node, id: &str, path: &str) -> Forger {
        let (link, ca) = (LinkKey::generate().unwrap(), CaKey::generate().unwrap());
        let child = ChildSpec {
            id: &id.parse().unwrap(),
            role: Role::Syndic,
            path: &path.parse().unwrap(),
            link_csr: &link.csr().unwrap(),
            ca_csr: &ca.csr().unwrap(),
        };
        let lifetimes = Lifetimes::default();
        let issued = hub
            .authority()
            .issue(&child, &lifetimes, NOW, (*b"").into())
            .unwrap();
        let identity = Certificate::parse(&issued.ca_chain[0])
            .unwrap()
            .identity()
            .unwrap();
        Forger {
            ca,
            chain: issued.ca_chain,
            identity,
        }
    }

    /// The name of a minion that it may certify.
    fn minion(&self, key: &PublicKey) -> Identity {
        Identity {
            kind: CertificateKind::Link,
            role: Role::Minion,
            uid: key.uid(),
            id: "m".parse().unwrap(),
            ..self.identity.clone()
        }
    }

    fn forge(&self, key: &PublicKey, identity: &Identity) -> Vec<CertificateDer<'static>> {
        let leaf = certificate::issue(&self.ca, key, identity, NOW, NOW + DAY).unwrap();
        let chain: Vec<_> = std::iter::once(leaf)
            .chain(self.chain.iter().cloned())
            .collect();
        der(&chain)
    }
}

#[test]
fn every_level_of_an_honest_tree_passes() {
    let tree = Tree::new();
    let id = tree.root.tree();
    let check = |node: &Node, role, path: &str, via: usize| {
        let chain = node.chain();
        let Ok(Peer::Member(member)) = classify(&id, &chain, NOW) else {
            panic!("{role} at {path:?}: {:?}", classify(&id, &chain, NOW));
        };
        assert_eq!(
            (member.role, member.path.as_str(), member.via.len()),
            (role, path, via)
        );
        assert_eq!(member.uid, node.link.public().uid());
        assert_eq!(member.fingerprint, node.link.public().fingerprint());
        assert_eq!(identify(&chain), Ok(Peer::Member(member)));
        let served = verify(&id, &chain, NOW, Usage::Server);
        assert_eq!(served.is_ok(), role.is_hub(), "{served:?}");
    };
    check(&tree.top, Role::TopMaster, "", 1);
    check(&tree.eu, Role::Syndic, "eu", 1);
    check(&tree.ams, Role::Syndic, "eu/ams", 2);
    check(&tree.minion, Role::Minion, "eu/ams", 3);
    check(&tree.top.adopt(Role::Minion, "m", ""), Role::Minion, "", 1);
    check(
        &tree.top.adopt(Role::Syndic, "deep", "us/ny/1"),
        Role::Syndic,
        "us/ny/1",
        1,
    );
}

#[test]
fn ends_are_those_of_the_shortest_certificate() {
    let tree = Tree::new();
    let Ok(Peer::Member(member)) = classify(&tree.root.tree(), &tree.minion.chain(), NOW) else {
        panic!("refused");
    };
    assert_eq!(member.not_after, NOW + 3 * DAY);
    // A minion that asks late in the life of its hub's certificate gets what is left of it.
    let late = NOW + 30 * DAY - 3_600_000;
    let link = LinkKey::generate().unwrap();
    let child = ChildSpec {
        id: &"late".parse().unwrap(),
        role: Role::Minion,
        path: &"eu/ams".parse().unwrap(),
        link_csr: &link.csr().unwrap(),
        ca_csr: &[],
    };
    let lifetimes = Lifetimes::default();
    let issue = |now| {
        tree.ams
            .authority()
            .issue(&child, &lifetimes, now, (*b"").into())
    };
    let issued = issue(late).unwrap();
    let (_, not_after) = crate::validity(&issued.link_chain[0]).unwrap();
    assert_eq!(not_after, NOW + 30 * DAY);
    assert_eq!(issue(NOW + 30 * DAY), Err(IssueError::Expired));
}

#[test]
fn dates() {
    let tree = Tree::new();
    let id = tree.root.tree();
    let check = |now, expected| {
        assert_eq!(classify(&id, &tree.minion.chain(), now).err(), expected);
    };
    check(NOW, None);
    check(NOW + 3 * DAY - 1, None);
    check(NOW + 3 * DAY, Some(ChainError::Expired(0)));
    check(NOW - 5 * 60_000, None);
    check(NOW - 5 * 60_000 - 1_000, Some(ChainError::NotYet(0)));
}

#[test]
fn another_tree_is_told_apart() {
    let (tree, other) = (Tree::new(), root());
    let refused = classify(&other.tree(), &tree.minion.chain(), NOW);
    assert_eq!(refused, Err(ChainError::OtherTree(tree.root.fingerprint())));
    // Our chain with their root behind it.
    let mut chain = tree.minion.chain();
    *chain.last_mut().unwrap() = CertificateDer::from(other.certificate().to_vec());
    assert!(matches!(
        classify(&other.tree(), &chain, NOW),
        Err(ChainError::Path(_))
    ));
    // Our root behind their chain.
    let mut chain = top(&other, "top").chain();
    *chain.last_mut().unwrap() = CertificateDer::from(tree.root.certificate().to_vec());
    assert!(matches!(
        classify(&tree.root.tree(), &chain, NOW),
        Err(ChainError::Path(_))
    ));
}

#[test]
fn the_shape_of_a_chain() {
    let tree = Tree::new();
    let id = tree.root.tree();
    let chain = tree.minion.chain();
    let check = |chain: &[CertificateDer<'_>], expected: fn(&ChainError) -> bool| {
        let refused = classify(&id, chain, NOW).unwrap_err();
        assert!(expected(&refused), "{refused:?}");
    };
    check(&[], |e| *e == ChainError::Length(0));
    check(&chain[..2], |e| *e == ChainError::Length(2));
    check(&chain[..1], |e| *e == ChainError::NotSelfSigned);
    check(&chain[..4], |e| matches!(e, ChainError::OtherTree(_)));
    let repeated: Vec<_> = chain.iter().chain(&chain).cloned().collect();
    check(&repeated, |e| *e == ChainError::Length(10));
    let mut swapped = chain.clone();
    swapped.swap(1, 2);
    check(&swapped, |e| *e == ChainError::Disorder);
    // Something that is not needed for the path, between root and top.
    let mut padded = chain.clone();
    padded.insert(4, Tree::new().eu.chain().remove(0));
    check(&padded, |e| *e == ChainError::Disorder);
    let mut garbage = chain.clone();
    garbage[2] = CertificateDer::from(vec![0x30, 0x00]);
    check(&garbage, |e| {
        matches!(
            e,
            ChainError::Certificate {
                index: 2,
                source: CertificateError::Malformed
            }
        )
    });
    let mut huge = chain;
    huge[0] = CertificateDer::from(vec![0x30; 10_000]);
    check(&huge, |e| {
        matches!(e, ChainError::Certificate { index: 0, .. })
    });
}

#[test]
fn strangers_are_no_members_and_serve_nobody() {
    let id = root().tree();
    let key = LinkKey::generate().unwrap();
    // It may claim what it wants: nobody reads it.
    let claim = Identity {
        tree: id,
        kind: CertificateKind::Link,
        role: Role::TopMaster,
        uid: key.public().uid(),
        id: "top".parse().unwrap(),
        path: SitePath::top(),
    };
    let chain = [certificate::issue_stranger(&key, claim.to_string()).unwrap()];
    let stranger = Peer::Stranger(Stranger {
        uid: key.public().uid(),
        fingerprint: key.public().fingerprint(),
    });
    assert_eq!(classify(&id, &chain, NOW), Ok(stranger.clone()));
    assert_eq!(identify(&chain), Ok(stranger));
    assert_eq!(
        verify(&id, &chain, NOW, Usage::Server),
        Err(ChainError::StrangeServer)
    );
    let mut bent = chain[0].to_vec();
    *bent.last_mut().unwrap() ^= 1;
    let bent = [CertificateDer::from(bent)];
    assert_eq!(classify(&id, &bent, NOW), Err(ChainError::NotSelfSigned));
}

#[test]
fn what_an_evil_hub_can_make_does_not_pass() {
    let tree = Tree::new();
    let id = tree.root.tree();
    let evil = Forger::below(&tree.eu, "evil", "eu/ams");
    let key = LinkKey::generate().unwrap().public();
    let check = |change: &dyn Fn(&mut Identity), expected: Option<ChainError>| {
        let mut identity = evil.minion(&key);
        change(&mut identity);
        let result = classify(&id, &evil.forge(&key, &identity), NOW);
        assert_eq!(result.err(), expected, "{identity}");
    };
    let at = |path: &str| path.parse::<SitePath>().unwrap();
    check(&|_| (), None);
    // Minions of other sites, also of sites below.
    for path in ["eu/fra", "eu", "", "us", "eu/ams/r1", "eu/amsterdam"] {
        check(&|i| i.path = at(path), Some(ChainError::Escape(0)));
    }
    // Syndics elsewhere.
    for path in ["eu/fra", "eu", "", "us"] {
        check(
            &|i| {
                i.role = Role::Syndic;
                i.path = at(path);
            },
            Some(ChainError::Escape(0)),
        );
    }
    // Top-masters, also one with its own uid.
    for uid in [key.uid(), evil.identity.uid] {
        let refused = if uid == key.uid() {
            ChainError::Issuer {
                index: 0,
                role: Role::TopMaster,
            }
        } else {
            ChainError::ForeignUid
        };
        check(
            &|i| {
                i.role = Role::TopMaster;
                i.path = SitePath::top();
                i.uid = uid;
            },
            Some(refused),
        );
    }
    // Somebody else's key.
    check(
        &|i| i.uid = tree.minion.link.public().uid(),
        Some(ChainError::ForeignUid),
    );
    check(
        &|i| i.tree = TreeId([0; 32]),
        Some(ChainError::NamesOtherTree(0)),
    );
    // A certifying certificate on a link: webpki sees it before our own rule.
    let mut ca = evil.minion(&key);
    ca.kind = CertificateKind::Ca;
    let refused = classify(&id, &evil.forge(&key, &ca), NOW);
    assert!(matches!(refused, Err(ChainError::Path(_))), "{refused:?}");
    // The evil hub certifies its own link, to outlive its parent's will.
    let own = Identity {
        kind: CertificateKind::Link,
        ..evil.identity.clone()
    };
    let refused = classify(&id, &evil.forge(&key, &own), NOW);
    assert_eq!(refused, Err(ChainError::ForeignUid));
}

#[test]
fn an_evil_hub_makes_no_hubs_outside_of_its_site() {
    let tree = Tree::new();
    let id = tree.root.tree();
    let evil = Forger::below(&tree.eu, "evil", "eu/ams");
    let puppet_ca = CaKey::generate().unwrap();
    let key = LinkKey::generate().unwrap().public();
    let check = |role, path: &str, expected| {
        let ca = Identity {
            kind: CertificateKind::Ca,
            role,
            uid: wire::Uid([9; 16]),
            path: path.parse().unwrap(),
            ..evil.identity.clone()
        };
        let der = certificate::issue(&evil.ca, &puppet_ca.public(), &ca, NOW, NOW + DAY).unwrap();
        let puppet = Forger {
            ca: CaKey::from_pem(&puppet_ca.to_pem()).unwrap(),
            chain: std::iter::once(der)
                .chain(evil.chain.iter().cloned())
                .collect(),
            identity: ca,
        };
        let minion = puppet.minion(&key);
        let result = classify(&id, &puppet.forge(&key, &minion), NOW);
        assert_eq!(result.err(), expected, "{role} at {path:?}");
    };
    check(Role::Syndic, "eu/ams/r1", None);
    check(Role::Syndic, "eu/fra", Some(ChainError::Escape(1)));
    check(Role::Syndic, "", Some(ChainError::Escape(1)));
    check(
        Role::TopMaster,
        "",
        Some(ChainError::Issuer {
            index: 1,
            role: Role::TopMaster,
        }),
    );
    check(
        Role::Minion,
        "eu/ams",
        Some(ChainError::Issuer {
            index: 0,
            role: Role::Minion,
        }),
    );
}

#[test]
fn a_link_certificate_certifies_nobody() {
    let tree = Tree::new();
    let id = tree.root.tree();
    let key = LinkKey::generate().unwrap().public();
    for node in [&tree.minion, &tree.ams] {
        let mut chain = node.chain();
        let name = Identity {
            tree: id,
            kind: CertificateKind::Link,
            role: Role::Minion,
            uid: key.uid(),
            id: "m".parse().unwrap(),
            path: "eu/ams".parse().unwrap(),
        };
        let forged = certificate::issue(&node.link, &key, &name, NOW, NOW + DAY).unwrap();
        chain.insert(0, CertificateDer::from(forged));
        let refused = classify(&id, &chain, NOW);
        assert!(matches!(refused, Err(ChainError::Path(_))), "{refused:?}");
    }
}

#[test]
fn an_honest_authority_stays_inside_of_its_site() {
    let tree = Tree::new();
    let lifetimes = Lifetimes::default();
    let (link, ca) = (LinkKey::generate().unwrap(), CaKey::generate().unwrap());
    let (link_csr, ca_csr) = (link.csr().unwrap(), ca.csr().unwrap());
    let id = "child".parse().unwrap();
    let check =
        |role, path: &str, link_csr: &[u8], ca_csr: &[u8], expected: fn(&IssueError) -> bool| {
            let path = path.parse().unwrap();
            let child = ChildSpec {
                id: &id,
                role,
                path: &path,
                link_csr,
                ca_csr,
            };
            let refused = tree
                .eu
                .authority()
                .issue(&child, &lifetimes, NOW, (*b"").into());
            let refused = refused.unwrap_err();
            assert!(expected(&refused), "{role} at {path:?}: {refused:?}");
        };
    let outside = |e: &IssueError| matches!(e, IssueError::Outside { .. });
    let keys = |e: &IssueError| matches!(e, IssueError::Keys(_));
    use Role::{Minion, Syndic, TopMaster};
    check(Minion, "eu/ams", &link_csr, &[], outside);
    check(Minion, "", &link_csr, &[], outside);
    check(Syndic, "us", &link_csr, &ca_csr, outside);
    check(Syndic, "", &link_csr, &ca_csr, outside);
    check(TopMaster, "", &link_csr, &ca_csr, |e| {
        *e == IssueError::TopMaster
    });
    check(Syndic, "eu/x", &link_csr, &[], keys);
    check(Syndic, "eu/x", &link_csr, &link_csr, keys);
    check(Minion, "eu", &link_csr, &ca_csr, keys);
    check(Minion, "eu", &tree.eu.link.csr().unwrap(), &[], keys);
    check(Minion, "eu", b"junk", &[], |e| {
        matches!(e, IssueError::Request(_))
    });
}

#[test]
fn a_tree_has_as_many_levels_as_verify() {
    let tree = Tree::new();
    let mut hub = tree.ams;
    let mut path = "eu/ams".to_owned();
    for level in 3..MAX_AUTHORITIES {
        path.push_str("/x");
        hub = hub.adopt(Role::Syndic, &format!("hub{level}"), &path);
    }
    hub.adopt(Role::Minion, "deepest", &path);
    let (link, ca) = (LinkKey::generate().unwrap(), CaKey::generate().unwrap());
    let child = ChildSpec {
        id: &"deeper".parse().unwrap(),
        role: Role::Syndic,
        path: &format!("{path}/y").parse().unwrap(),
        link_csr: &link.csr().unwrap(),
        ca_csr: &ca.csr().unwrap(),
    };
    let refused = hub
        .authority()
        .issue(&child, &Lifetimes::default(), NOW, (*b"").into());
    assert_eq!(refused, Err(IssueError::Deep));
}

#[test]
fn an_authority_needs_its_own_living_chain() {
    let tree = Tree::new();
    let id = tree.root.tree();
    let chain = || tree.ams.credentials.ca_chain.clone();
    let stolen = Authority::new(&id, CaKey::generate().unwrap(), chain(), NOW);
    assert_eq!(stolen.err(), Some(ChainError::Kind(1)));
    let empty = Authority::new(&id, CaKey::generate().unwrap(), Vec::new(), NOW);
    assert_eq!(empty.err(), Some(ChainError::Length(0)));
    assert_eq!(tree.ams.authority().not_after(), NOW + 30 * DAY);
}
