//! A tree with real certificates, and endpoints on loopback.

use std::future::Future;
use std::time::Duration;

use link::{Endpoint, Event, Identity, Receiver, Session, Tuning};
use pki::{
    AdmissionGrant, AdmissionRequest, Authority, CaKey, ChildSpec, JobKey, Lifetimes, LinkKey,
    TlsIdentity, TreeRoot,
};
use wire::{Role, TreeId, UnixMillis};

/// Upper bound of everything that a test waits for; never a proof by itself.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn now() -> UnixMillis {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64
}

/// A top-master that certifies minions and syndics.
pub struct Tree {
    pub id: TreeId,
    authority: Authority,
    hub: TlsIdentity,
}

impl Tree {
    pub fn new() -> Tree {
        let (lifetimes, now) = (Lifetimes::default(), now());
        let root = TreeRoot::create(&lifetimes, now).unwrap();
        let (link, ca) = (LinkKey::generate().unwrap(), CaKey::generate().unwrap());
        let job = JobKey::generate().unwrap();
        let request = AdmissionRequest::new(&"top".parse().unwrap(), &link, &ca, &job).unwrap();
        let grant = AdmissionGrant::new(&root, &request, None, &lifetimes, now).unwrap();
        let copy = CaKey::from_pem(&ca.to_pem()).unwrap();
        let credentials = grant
            .apply(&root.tree(), &link, copy, &job.public(), &lifetimes, now)
            .unwrap();
        let chain = credentials.ca_chain.clone();
        Tree {
            id: root.tree(),
            authority: Authority::new(&root.tree(), ca, chain, now).unwrap(),
            hub: TlsIdentity::member(&link, &credentials).unwrap(),
        }
    }

    pub fn hub_identity(&self) -> Identity {
        Identity {
            tree: self.id,
            tls: self.hub.clone(),
        }
    }

    pub fn minion(&self, id: &str) -> Identity {
        self.minion_for(
            &LinkKey::generate().unwrap(),
            id,
            Duration::from_secs(3_600),
        )
    }

    pub fn minion_for(&self, link: &LinkKey, id: &str, life: Duration) -> Identity {
        let lifetimes = Lifetimes {
            minion: life,
            ..Lifetimes::default()
        };
        let child = ChildSpec {
            id: &id.parse().unwrap(),
            role: Role::Minion,
            path: &"".parse().unwrap(),
            link_csr: &link.csr().unwrap(),
            ca_csr: &[],
        };
        let issued = self
            .authority
            .issue(&child, &lifetimes, now(), (*b"").into())
            .unwrap();
        Identity {
            tree: self.id,
            tls: TlsIdentity::member(link, &issued).unwrap(),
        }
    }

    /// A key that nobody has certified.
    pub fn stranger(&self, link: &LinkKey) -> Identity {
        let tls = TlsIdentity::stranger(link, Role::Minion, &"new".parse().unwrap()).unwrap();
        Identity { tree: self.id, tls }
    }
}

pub fn hub(identity: &Identity) -> Endpoint {
    hub_with(identity, Tuning::hub())
}

pub fn hub_with(identity: &Identity, tuning: Tuning) -> Endpoint {
    let tuning = Tuning {
        receive_buffer: 128 << 10,
        ..tuning
    };
    Endpoint::hub("127.0.0.1:0".parse().unwrap(), identity, tuning).unwrap()
}

pub fn dialler(identity: &Identity) -> Endpoint {
    let tuning = Tuning {
        receive_buffer: 128 << 10,
        ..Tuning::minion()
    };
    Endpoint::dialler("127.0.0.1:0".parse().unwrap(), identity, tuning).unwrap()
}

/// A minion's session and the hub's end of it.
pub async fn pair(minion: &Endpoint, hub: &Endpoint) -> (Session, Session) {
    let address = hub.local_addr().unwrap();
    let (dialled, accepted) = tokio::join!(minion.dial(address), hub.accept());
    (dialled.unwrap(), accepted.unwrap())
}

/// Waits, but not for ever.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it took too long")
}

pub async fn frame(receiver: &mut Receiver) -> Vec<u8> {
    match soon(receiver.next()).await.unwrap() {
        Event::Frame(body) => body.to_vec(),
        Event::Request(request, _) => panic!("a request instead of a frame: {request:?}"),
    }
}

/// A frame of `len` bytes of `fill`.
pub fn framed(len: usize, fill: u8) -> bytes::Bytes {
    let mut bytes = (len as u32).to_le_bytes().to_vec();
    bytes.resize(4 + len, fill);
    bytes.into()
}
