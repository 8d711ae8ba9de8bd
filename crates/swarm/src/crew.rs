//! All minions of the process: enrolled, connected, kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use link::{Endpoint, Identity, Tuning};
use pki::{LinkKey, TlsIdentity};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wire::enrol::{Credentials, EnrolAnswer, EnrolRequest};
use wire::files::{Answer, Request};
use wire::{Json, NodeId, Role, TreeId};

use crate::minion::{Minion, Surroundings, Trust};
use crate::roll::{Enrolled, Roll};

/// Handshakes under way at a time: below the number from which a hub asks for a proof of the address.
const HANDSHAKES_MAX: usize = 64;
/// Receive buffer, in bytes: all minions answer at once, and are answered at once. A small packet is charged 1 KiB.
const RECEIVE_BUFFER: usize = 64 << 20;
/// How often somebody looks whether all are welcomed.
const LOOK: Duration = Duration::from_millis(20);

/// The minions-to-be of one hub.
#[derive(Debug)]
pub struct Crew {
    tree: TreeId,
    token: Option<String>,
    grains: Map<String, Value>,
    around: Arc<Surroundings>,
}

impl Crew {
    /// Binds the socket.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(
        tree: TreeId,
        hub: SocketAddr,
        keep_alive: Duration,
        grains: Map<String, Value>,
        token: Option<String>,
    ) -> anyhow::Result<Crew> {
        let nobody = stranger(tree, &LinkKey::generate()?, &"swarm".parse()?)?;
        let tuning = Tuning {
            receive_buffer: RECEIVE_BUFFER,
            keep_alive: Some(keep_alive),
            ..Tuning::minion()
        };
        let any = SocketAddr::new(
            if hub.is_ipv4() {
                [0u8; 4].into()
            } else {
                [0u16; 8].into()
            },
            0,
        );
        let around = Surroundings {
            endpoint: Endpoint::dialler(any, &nobody, tuning)?,
            hub,
            handshakes: Semaphore::new(HANDSHAKES_MAX),
            welcomed: AtomicUsize::new(0),
            trust: Trust::new(tree),
        };
        Ok(Crew {
            tree,
            token,
            grains,
            around: Arc::new(around),
        })
    }

    /// Makes each id a member: from the roll, or by asking the hub.
    ///
    /// # Errors
    /// When one is turned away.
    pub async fn enrol(&self, mut roll: Roll, ids: Vec<NodeId>) -> anyhow::Result<Vec<Enrolled>> {
        let mut members = Vec::with_capacity(ids.len());
        let mut asking = JoinSet::new();
        for id in ids {
            if let Some(enrolled) = roll.member(&id) {
                members.push(enrolled);
                continue;
            }
            if asking.len() >= HANDSHAKES_MAX
                && let Some(answer) = asking.join_next().await
            {
                members.push(keep(&mut roll, answer?)?);
            }
            let (tree, token) = (self.tree, self.token.clone());
            asking.spawn(ask(self.around.clone(), tree, token, id));
        }
        while let Some(answer) = asking.join_next().await {
            members.push(keep(&mut roll, answer?)?);
        }
        Ok(members)
    }

    /// Connects all, says so once all are welcomed, and answers until the process is ended.
    ///
    /// # Errors
    /// When a minion's task breaks, which is a defect.
    pub async fn serve(self, members: Vec<Enrolled>, ready: impl Fn(usize)) -> anyhow::Result<()> {
        let count = members.len();
        let mut living = JoinSet::new();
        for enrolled in members {
            let mut grains = self.grains.clone();
            let id = Value::String(enrolled.member.id.to_string());
            grains.insert("id".to_owned(), id);
            let grains: Json = serde_json::to_vec(&grains)?.into();
            living.spawn(Minion::new(enrolled, grains, self.around.clone()).live());
        }
        while self.around.welcomed.load(Ordering::Relaxed) < count {
            tokio::time::sleep(LOOK).await;
        }
        ready(count);
        match living.join_next().await {
            Some(ended) => ended.context("a minion broke"),
            None => bail!("there are no minions"),
        }
    }
}

type Answered = anyhow::Result<(NodeId, LinkKey, Credentials)>;

fn keep(roll: &mut Roll, answer: Answered) -> anyhow::Result<Enrolled> {
    let (id, key, credentials) = answer?;
    roll.add(&id, &key, &credentials)
        .with_context(|| id.to_string())
}

fn stranger(tree: TreeId, key: &LinkKey, id: &NodeId) -> anyhow::Result<Identity> {
    let tls = TlsIdentity::stranger(key, Role::Minion, id)?;
    Ok(Identity { tree, tls })
}

/// Enrols with a fresh key.
async fn ask(
    around: Arc<Surroundings>,
    tree: TreeId,
    token: Option<String>,
    id: NodeId,
) -> Answered {
    ensure!(
        token.is_some(),
        "{id} is no member yet, and there is no token"
    );
    let key = LinkKey::generate()?;
    let identity = stranger(tree, &key, &id)?;
    let session = around
        .endpoint
        .dial_as(&identity, around.hub)
        .await
        .with_context(|| id.to_string())?;
    let request = Request::Enrol(EnrolRequest {
        id: id.clone(),
        role: Role::Minion,
        site: String::new(),
        link_csr: key.csr()?,
        ca_csr: Vec::new(),
        token,
        software: env!("CARGO_PKG_VERSION").to_owned(),
    });
    // The receiver is kept: without it the session would end.
    let (sender, _receiver) = session.split();
    let (answer, _) = sender.request(&request).await?;
    match answer {
        Answer::Enrol(answer) => match *answer {
            EnrolAnswer::Accepted(credentials) => Ok((id, key, credentials)),
            EnrolAnswer::Pending { .. } => bail!("{id} waits for an operator"),
            EnrolAnswer::Refused(text) => bail!("{id} is refused: {text}"),
        },
        Answer::Refused(text) => bail!("{id} is refused: {text}"),
        _ => bail!("the hub answered something else"),
    }
}
