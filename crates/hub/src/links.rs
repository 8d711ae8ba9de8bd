//! Sessions of children and parents: from the endpoint to the machine and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use link::{Endpoint, Event, Session};
use membership::{Backoff, ParentAddress, dial};
use pki::Peer;
use relay::{HubInput, LinkId};
use tokio::sync::Semaphore;
use wire::codec;
use wire::{Down, Up};

use crate::engine::{EngineGone, EngineHandle};
use crate::events::{Bus, Heard};
use crate::parents::Parents;
use crate::requests::Requests;
use crate::standing::SelfStanding;

/// Requests of all children that are answered at once; further ones wait on their streams.
const REQUESTS_MAX: usize = 1_024;
/// Waiting enrolments hold a place for long, so they have places of their own.
const ENROLMENTS_MAX: usize = 20_000;
/// A stranger's session ends after this long: time for one enrolment to be held open, answered, and asked again.
const STRANGER_MAX: Duration = Duration::from_secs(60);

/// A child that tells more events than it may is read this much later: a flood costs whoever makes it.
const EVENTS_PAUSE: Duration = Duration::from_millis(10);

/// Between two dials of a parent, at most. A whole site hangs on it, and there are few sites: after a storm they are back
/// before most minions are.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Gives each session its name.
#[derive(Debug, Default)]
pub struct LinkIds(AtomicU64);

impl LinkIds {
    /// A fresh one.
    pub fn next(&self) -> LinkId {
        LinkId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// The machine's view of a certified peer.
pub fn relay_peer(member: &pki::Member) -> relay::Peer {
    relay::Peer {
        uid: member.uid,
        id: member.id.clone(),
        role: member.role,
        path: member.path.clone(),
        fingerprint: member.fingerprint.0,
    }
}

/// Accepts children until the endpoint closes.
pub async fn accept(
    endpoint: Arc<Endpoint>,
    engine: EngineHandle,
    requests: Arc<Requests>,
    bus: Arc<Bus>,
    ids: Arc<LinkIds>,
    children_max: usize,
) {
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    let enrolments = Arc::new(Semaphore::new(ENROLMENTS_MAX));
    let children = Arc::new(Semaphore::new(children_max));
    while let Some(session) = endpoint.accept().await {
        let (engine, requests, bus) = (engine.clone(), requests.clone(), bus.clone());
        match session.peer() {
            Peer::Stranger(_) => {
                let Ok(place) = enrolments.clone().try_acquire_owned() else {
                    session
                        .split()
                        .0
                        .close(link::CloseCode::Overload, "too many enrolments wait");
                    continue;
                };
                tokio::spawn(async move {
                    let _place = place;
                    let _ = tokio::time::timeout(STRANGER_MAX, stranger(session, requests)).await;
                });
            }
            Peer::Member(member) => {
                let Ok(place) = children.clone().try_acquire_owned() else {
                    tracing::warn!(id = %member.id, "no room: max_minions children are connected");
                    session
                        .split()
                        .0
                        .close(link::CloseCode::Overload, "this hub is full");
                    continue;
                };
                let (link, places) = (ids.next(), places.clone());
                tokio::spawn(async move {
                    let _place = place;
                    // The only error is that the hub stops.
                    let _ = child(session, link, engine, requests, &bus, places).await;
                    bus.child_gone(link);
                });
            }
        }
    }
}

async fn stranger(session: Session, requests: Arc<Requests>) {
    let (sender, mut receiver) = session.split();
    while let Ok(event) = receiver.next().await {
        match event {
            Event::Request(request, responder) => {
                requests.answer(sender.peer(), request, responder).await
            }
            Event::Frame(_) => {
                sender.close(link::CloseCode::Malformed, "a stranger may only enrol");
                return;
            }
        }
    }
}

async fn child(
    session: Session,
    link: LinkId,
    engine: EngineHandle,
    requests: Arc<Requests>,
    bus: &Bus,
    places: Arc<Semaphore>,
) -> Result<(), EngineGone> {
    let (sender, mut receiver) = session.split();
    let Some(member) = sender.peer().member() else {
        return Ok(());
    };
    let vouchers = member.via.clone();
    if engine
        .query(move |hub| vouchers.iter().any(|uid| hub.is_revoked(*uid)))
        .await?
    {
        sender.close(
            link::CloseCode::Revoked,
            "a hub that vouches for this node is revoked",
        );
        return Ok(());
    }
    engine.link(link, sender.clone()).await?;
    bus.child_connected(link, relay_peer(member), sender.clone());
    engine
        .input(HubInput::ChildConnected {
            link,
            peer: relay_peer(member),
        })
        .await?;
    let why = loop {
        match receiver.next().await {
            Ok(Event::Frame(body)) => match codec::decode::<Up>(&body) {
                Ok(Up::Events(events)) => match bus.heard(link, events) {
                    Heard::Taken => {}
                    Heard::TooMuch => tokio::time::sleep(EVENTS_PAUSE).await,
                    // The machine says why, and ends the session.
                    Heard::Refused(events) => {
                        let message = Up::Events(events);
                        let input = HubInput::ChildMessage { link, message };
                        engine.message(input, body.len()).await?;
                    }
                },
                Ok(message) => {
                    let input = HubInput::ChildMessage { link, message };
                    engine.message(input, body.len()).await?;
                }
                Err(error) => {
                    tracing::warn!(id = %member.id, %error, "a frame that is no message of this protocol");
                    sender.close(link::CloseCode::Malformed, "not a message of this protocol");
                    break "malformed".to_owned();
                }
            },
            Ok(Event::Request(request, responder)) => {
                let (requests, peer, places) =
                    (requests.clone(), sender.peer().clone(), places.clone());
                tokio::spawn(async move {
                    let Ok(_place) = places.acquire().await else {
                        return;
                    };
                    requests.answer(&peer, request, responder).await;
                });
            }
            Err(closed) => break closed.to_string(),
        }
    };
    tracing::info!(id = %member.id, role = %member.role, "child gone: {why}");
    engine.input(HubInput::ChildClosed { link }).await
}

/// Hears of a session with a parent that stands: the way to it, and its protocol.
pub type CameUp = dyn Fn(&link::Sender, u16) + Send + Sync;

/// What a dialled link needs.
pub struct Uplink {
    /// Dials.
    pub endpoint: Arc<Endpoint>,
    /// Whom.
    pub parent: ParentAddress,
    /// The machine.
    pub engine: EngineHandle,
    /// Where the session is shown to requests.
    pub parents: Arc<Parents>,
    /// The event bus.
    pub bus: Arc<Bus>,
    /// Names for sessions.
    pub ids: Arc<LinkIds>,
    /// Becomes a member again when the parent no longer accepts this one.
    pub standing: Arc<SelfStanding>,
    /// Spreads the pauses.
    pub seed: u64,
    /// Told each time that the session stands, with the way to the parent and its protocol.
    pub came_up: Box<CameUp>,
}

/// Keeps a session with one parent, for as long as the hub runs.
pub async fn uplink(up: Uplink) {
    let Uplink {
        endpoint,
        parent,
        engine,
        parents,
        bus,
        ids,
        standing,
        seed,
        came_up,
    } = up;
    let mut backoff = Backoff::new(seed).up_to(PAUSE_MAX);
    let mut last = String::new();
    loop {
        if parents.take_refused() {
            standing.apply_again(std::slice::from_ref(&parent)).await;
        }
        match dial(&endpoint, &parent).await {
            Ok(session) => {
                let began = std::time::Instant::now();
                let word =
                    match one_uplink(session, &parent, &engine, &parents, &bus, &ids, &*came_up)
                        .await
                    {
                        Ok(word) => word,
                        Err(EngineGone) => return,
                    };
                tracing::warn!(%parent, "the session with the parent ended: {word}");
                backoff.ended(began.elapsed());
                last.clear();
            }
            Err(error) => {
                if matches!(error, link::DialError::Refused(_)) {
                    parents.set_refused();
                }
                let word = error.to_string();
                if word != last {
                    tracing::warn!(%parent, "no session with the parent: {word}");
                    last = word;
                }
            }
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

async fn one_uplink(
    session: Session,
    parent: &ParentAddress,
    engine: &EngineHandle,
    parents: &Parents,
    bus: &Bus,
    ids: &LinkIds,
    came_up: &CameUp,
) -> Result<String, EngineGone> {
    let Some(member) = session.peer().member().cloned() else {
        return Ok("it is no member of the tree".to_owned());
    };
    let link = ids.next();
    let (sender, mut receiver) = session.split();
    engine.link(link, sender.clone()).await?;
    engine
        .input(HubInput::ParentConnected {
            link,
            peer: relay_peer(&member),
        })
        .await?;
    tracing::info!(%parent, id = %member.id, "connected to the parent");
    parents.add(link, sender.clone());
    tokio::spawn(bus.parent_connected(link, sender.clone()));
    let why = loop {
        match receiver.next().await {
            Ok(Event::Frame(body)) => match codec::decode::<Down>(&body) {
                Ok(message) => {
                    match &message {
                        Down::Welcome(welcome) => {
                            parents.welcomed(link, welcome.protocol);
                            came_up(&sender, welcome.protocol);
                        }
                        Down::EventFilters(globs) => bus.parent_reads(link, globs),
                        _ => {}
                    }
                    let input = HubInput::ParentMessage { link, message };
                    engine.message(input, body.len()).await?;
                }
                Err(error) => {
                    sender.close(link::CloseCode::Malformed, "not a message of this protocol");
                    break format!("it sent a frame that is no message of this protocol: {error}");
                }
            },
            // Only diallers send requests, and this side is the dialler.
            Ok(Event::Request(..)) => {}
            Err(closed) => {
                // Also a hub above the parent may have been let go, with all that it vouches for.
                if closed.is_revocation() {
                    parents.set_refused();
                }
                break closed.to_string();
            }
        }
    };
    parents.remove(link);
    bus.parent_gone(link);
    engine.input(HubInput::ParentClosed { link }).await?;
    Ok(why)
}
