//! What proves who somebody is, or who ordered: trust bundles, orders, certificates, requests to be let in.

use std::sync::OnceLock;

use pki::{
    AdmissionGrant, AdmissionRequest, Authority, CaKey, ChildSpec, Identity, JobKey, JoinToken,
    Lifetimes, LinkKey, Peer, PublicKey, TokenGrant, TreeRoot, TrustEditor, TrustStore, classify,
    identify,
};
use wire::enrol::{Credentials, EnrolRequest};
use wire::trust::SignedBundle;
use wire::{JobEnvelope, Role, TreeId, codec};

use crate::script::Script;
use crate::words::NOW;

/// A tree with real keys, made once: a top-master, a syndic of `a`, a minion there.
struct World {
    tree: TreeId,
    authority: Authority,
    job: JobKey,
    bundle: SignedBundle,
    chains: Vec<Vec<Vec<u8>>>,
    signing_request: Vec<u8>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::make().expect("keys"))
}

impl World {
    fn make() -> Result<World, Box<dyn std::error::Error>> {
        let lifetimes = Lifetimes::default();
        let root = TreeRoot::create(&lifetimes, NOW)?;
        let (link, ca, job) = (
            LinkKey::generate()?,
            CaKey::generate()?,
            JobKey::generate()?,
        );
        let id = "hub".parse()?;
        let request = AdmissionRequest::new(&id, &link, &ca, &job)?;
        let mut editor = TrustEditor::new(&root, None)?;
        editor.add_top(link.public().uid(), &id, &job.public())?;
        let bundle = editor.sign(NOW)?;
        let grant = AdmissionGrant::new(&root, &request, None, &lifetimes, NOW)?;
        let copy = CaKey::from_pem(&ca.to_pem())?;
        let top = grant.apply(&root.tree(), &link, copy, &job.public(), &lifetimes, NOW)?;
        let authority = Authority::new(&root.tree(), ca, top.ca_chain.clone(), NOW)?;
        let signing_request = LinkKey::generate()?.csr()?;
        let issue =
            |role: Role, id: &str, site: &str| -> Result<Credentials, Box<dyn std::error::Error>> {
                let ca_csr = if role.is_hub() {
                    CaKey::generate()?.csr()?
                } else {
                    Vec::new()
                };
                let child = ChildSpec {
                    id: &id.parse()?,
                    role,
                    path: &site.parse()?,
                    link_csr: &LinkKey::generate()?.csr()?,
                    ca_csr: &ca_csr,
                };
                Ok(authority.issue(&child, &lifetimes, NOW, b"".as_slice().into())?)
            };
        let chains = vec![
            top.link_chain,
            top.ca_chain,
            issue(Role::Minion, "n1", "")?.link_chain,
            issue(Role::Syndic, "n2", "a")?.link_chain,
        ];
        Ok(World {
            tree: root.tree(),
            authority,
            job,
            bundle,
            chains,
            signing_request,
        })
    }
}

/// A bundle that is changed somewhere, or any bytes; then an order that is signed well, or changed after that.
pub(crate) fn orders(bytes: &[u8]) {
    let world = world();
    let mut script = Script::new(bytes);
    let mut store = TrustStore::new(world.tree);
    let good = codec::encode(&world.bundle).expect("it is short");
    let changed = change(&good, script.bytes());
    if store.accept_encoded(&changed).is_ok() {
        // Of the root's certificate only the key counts, so the rest of it may be anything.
        let signed = store.signed().map(|signed| &signed.bundle);
        let good = Some(&world.bundle.bundle);
        assert_eq!(signed, good, "nobody else has the root's key");
    }
    let good = store.accept(world.bundle.clone());
    assert!(good.is_ok(), "{good:?}");
    assert_eq!(store.version(), 1);

    let mut order = script.order();
    if !script.yes() {
        order.tree = world.tree;
        order.origin = world.bundle_node();
    }
    let envelope = world.job.sign(&order).expect("it is short");
    if let Ok(verified) = store.verify(&envelope, NOW) {
        assert_eq!(*verified, order);
        assert_eq!(order.tree, world.tree);
        assert!(
            order.jid.to_string().ends_with("00"),
            "the number of another signer"
        );
    }
    let bytes = codec::encode(&envelope).expect("it is short");
    let Ok(changed) = codec::decode::<JobEnvelope>(&change(&bytes, script.rest())) else {
        return;
    };
    if store.verify(&changed, NOW).is_ok() {
        assert_eq!(changed, envelope, "nobody else has the job key");
    }
}

impl World {
    fn bundle_node(&self) -> wire::Uid {
        let mut store = TrustStore::new(self.tree);
        let _ = store.accept(self.bundle.clone());
        let node = store
            .bundle()
            .and_then(|bundle| Some(bundle.signers.first()?.node));
        node.expect("the top-master signs")
    }
}

/// A chain with certificates that are changed, left out, or of another chain.
pub(crate) fn chains(bytes: &[u8]) {
    let world = world();
    let mut script = Script::new(bytes);
    let good = script.one_of(&world.chains);
    let mut chain: Vec<Vec<u8>> = Vec::new();
    for certificate in &good {
        match script.below(6) {
            0 => chain.push(change(certificate, script.bytes())),
            1 => {}
            2 => {
                let other = script.one_of(&world.chains);
                chain.push(script.one_of(&other));
            }
            _ => chain.push(certificate.clone()),
        }
    }
    let named: Vec<_> = chain.iter().cloned().map(Into::into).collect();
    let peer = classify(&world.tree, &named, NOW);
    let _ = identify(&named);
    if let Ok(Peer::Member(member)) = peer {
        // What passes is one of the tree's own nodes, whatever is written outside of what is signed.
        let is_known = world.chains.iter().any(|known| {
            let known: Vec<_> = known.iter().cloned().map(Into::into).collect();
            identify(&known) == Ok(Peer::Member(member.clone()))
        });
        assert!(is_known, "nobody else can certify: {member:?}");
    }
    if let Ok(text) = std::str::from_utf8(script.rest())
        && let Ok(identity) = text.parse::<Identity>()
    {
        assert_eq!(identity.to_string(), text, "one spelling for each name");
    }
}

/// A stranger's request to be let in, a token that it found, a grant that it made up.
pub(crate) fn enrolment(bytes: &[u8]) {
    let world = world();
    let mut script = Script::new(bytes);
    let link_csr = change(&world.signing_request, script.bytes());
    let ca_csr = script.bytes().to_vec();
    let role = script.one_of(&[Role::Minion, Role::Syndic, Role::TopMaster]);
    let request = EnrolRequest {
        id: "n3".parse().expect("an id"),
        role,
        site: script.text(),
        link_csr,
        ca_csr,
        token: None,
        software: String::new(),
    };
    let child = ChildSpec {
        id: &request.id,
        role: request.role,
        path: &script.site(),
        link_csr: &request.link_csr,
        ca_csr: &request.ca_csr,
    };
    let issued = world
        .authority
        .issue(&child, &Lifetimes::default(), NOW, b"".as_slice().into());
    if issued.is_ok() {
        let key = PublicKey::from_csr(&request.link_csr);
        let owner = PublicKey::from_csr(&world.signing_request);
        assert_eq!(key, owner, "the key's owner did not ask");
        assert_eq!(role, Role::Minion);
    }
    let text = String::from_utf8_lossy(script.rest());
    let mut grant = token();
    assert!(
        grant
            .redeem(
                &text,
                Role::Minion,
                &request.id,
                &wire::SitePath::top(),
                NOW
            )
            .is_err(),
        "a guessed token"
    );
    let _ = TokenGrant::name_in(&text);
    let _ = text.parse::<JoinToken>();
    let _ = AdmissionRequest::from_text(&text);
    let _ = AdmissionGrant::from_text(&text);
}

fn token() -> TokenGrant {
    let token = JoinToken::generate(world().tree, "t".parse().expect("a name")).expect("a secret");
    let site = wire::SitePath::top();
    token.grant(Role::Minion, Vec::new(), site, NOW + 1_000, 1)
}

/// Two bytes say where, one what.
fn change(good: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    bytes
}
