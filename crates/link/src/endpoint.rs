//! A UDP socket that accepts or dials sessions.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use pki::{Peer, TlsIdentity};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AsyncUdpSocket, Connection, ConnectionError, RecvStream, Runtime, SendStream, TokioRuntime,
};
use rustls::pki_types::CertificateDer;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use wire::codec::PREFIX;
use wire::{Role, TreeId};

use crate::close::{CloseCode, Closed, printable};
use crate::expiry::Expiry;
use crate::session::{Greeted, Session};
use crate::socket::SharedSocket;
use crate::tuning::{
    ACCEPT_QUEUE, BULK_BUDGET, DIAL_DEADLINE, HANDSHAKE_DEADLINE, HANDSHAKES_MAX, RETRY_ABOVE,
    SYNDIC_BULK_STREAMS, SYNDIC_OUTBOX, SYNDIC_SEND_WINDOW, SYNDIC_WINDOW,
};
use crate::{Tuning, reset, socket};

/// The greeting on a new control stream, in both directions: an empty frame. The dialler's makes the stream known,
/// the hub's tells that it has looked at the dialler's certificate, which TLS 1.3 does not tell a client.
const GREETING: [u8; PREFIX] = [0; PREFIX];
/// TLS alerts (RFC 8446, 6) inside of QUIC's error codes (RFC 9000, 20.1).
const ALERT: u64 = 0x100;
const ALERT_UNKNOWN_CA: u64 = ALERT + 48;
const ALERT_NO_APPLICATION_PROTOCOL: u64 = ALERT + 120;
const ALERT_LAST: u64 = ALERT + 0xff;

/// Who this side is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The tree whose nodes it talks to.
    pub tree: TreeId,
    /// Its key and chain.
    pub tls: TlsIdentity,
}

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket can't be had.
    #[error("{address}: {source}")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The identity can't be used.
    #[error(transparent)]
    Tls(#[from] pki::TlsError),
    /// The TLS configuration has no suite for QUIC's first packets; a defect of ours.
    #[error("no initial cipher suite")]
    Suite,
}

/// Why a hub could not be reached, told apart by what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nobody answers there (now).
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// A hub of another tree, or not the tree that is pinned.
    #[error("the hub belongs to another tree than the pinned one")]
    OtherTree,
    /// The certificate of the hub is not accepted here.
    #[error("the hub's certificate is refused: {0}")]
    BadHub(String),
    /// The hub does not accept our certificate.
    #[error("the hub refuses our certificate: {0}")]
    Refused(String),
    /// Something answers, but no release that we understand.
    #[error("the other side speaks no protocol of ours")]
    Protocol,
    /// The hub closed the session before it began; overload or a stop.
    #[error(transparent)]
    Closed(Closed),
    /// The identity to dial with can't be used; nobody was dialled.
    #[error("the own identity can't be used: {0}")]
    Identity(String),
}

impl DialError {
    fn new(error: ConnectionError) -> DialError {
        match error {
            ConnectionError::TransportError(error) => match u64::from(error.code) {
                ALERT_UNKNOWN_CA => DialError::OtherTree,
                ALERT_NO_APPLICATION_PROTOCOL => DialError::Protocol,
                ALERT..=ALERT_LAST => DialError::BadHub(printable(error.reason.as_bytes())),
                _ => DialError::Unreachable(printable(error.to_string().as_bytes())),
            },
            ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
                ALERT_NO_APPLICATION_PROTOCOL => DialError::Protocol,
                ALERT..=ALERT_LAST => {
                    let text = format!("{}: {}", close.error_code, printable(&close.reason));
                    DialError::Refused(text)
                }
                _ => DialError::Unreachable(printable(close.to_string().as_bytes())),
            },
            ConnectionError::VersionMismatch => DialError::Protocol,
            error @ ConnectionError::ApplicationClosed(_) => DialError::Closed(Closed::new(error)),
            other => DialError::Unreachable(other.to_string()),
        }
    }
}

/// What became of connections that were not dialled from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointStats {
    /// Handshakes that gave a session.
    pub accepted: u64,
    /// Handshakes that failed, for the peer's certificate or any other reason.
    pub failed: u64,
    /// Handshakes that took too long.
    pub slow: u64,
    /// Turned away since too many handshakes were under way.
    pub overloaded: u64,
    /// Asked to prove their source address.
    pub retried: u64,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    failed: AtomicU64,
    slow: AtomicU64,
    overloaded: AtomicU64,
    retried: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A UDP socket with an identity. Dropping it ends all of its sessions.
#[derive(Debug)]
pub struct Endpoint {
    quinn: quinn::Endpoint,
    common: Arc<Common>,
    client: RwLock<quinn::ClientConfig>,
    /// Sessions that were accepted; `None` on an endpoint that only dials.
    sessions: Option<Mutex<mpsc::Receiver<Session>>>,
    receive_buffer: usize,
    tasks: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Common {
    tuning: Tuning,
    expiry: Arc<Expiry>,
    /// In bytes.
    bulk_budget: Arc<Semaphore>,
    counters: Counters,
}

impl Endpoint {
    /// An endpoint of a hub: it accepts, and can dial.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn hub(
        address: SocketAddr,
        identity: &Identity,
        tuning: Tuning,
    ) -> Result<Endpoint, BindError> {
        Self::bind(address, identity, tuning, true)
    }

    /// An endpoint that only dials. Any number of sessions may share it; `[::]:0` is a good address.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn dialler(
        address: SocketAddr,
        identity: &Identity,
        tuning: Tuning,
    ) -> Result<Endpoint, BindError> {
        Self::bind(address, identity, tuning, false)
    }

    fn bind(
        address: SocketAddr,
        identity: &Identity,
        tuning: Tuning,
        accepts: bool,
    ) -> Result<Endpoint, BindError> {
        let server = accepts
            .then(|| server_config(identity, &tuning))
            .transpose()?;
        let client = client_config(identity, &tuning)?;
        let socket_error = |source| BindError::Socket { address, source };
        let (socket, receive_buffer) =
            socket::bind(address, tuning.receive_buffer).map_err(socket_error)?;
        if receive_buffer < tuning.receive_buffer {
            tracing::warn!(
                asked = tuning.receive_buffer,
                got = receive_buffer,
                "the kernel gives a smaller receive buffer: raise net.core.rmem_max"
            );
        }
        let config = reset::config(&identity.tls);
        let runtime = Arc::new(TokioRuntime);
        let socket: Arc<dyn AsyncUdpSocket> = if accepts {
            SharedSocket::new(socket).map_err(socket_error)?
        } else {
            runtime.wrap_udp_socket(socket).map_err(socket_error)?
        };
        let quinn = quinn::Endpoint::new_with_abstract_socket(config, server, socket, runtime)
            .map_err(socket_error)?;
        let common = Arc::new(Common {
            tuning,
            expiry: Arc::default(),
            bulk_budget: Arc::new(Semaphore::new(BULK_BUDGET)),
            counters: Counters::default(),
        });
        let mut tasks = vec![tokio::spawn(common.expiry.clone().run()).abort_handle()];
        let sessions = accepts.then(|| {
            let (send, receive) = mpsc::channel(ACCEPT_QUEUE);
            let task = tokio::spawn(accept_all(quinn.clone(), common.clone(), send));
            tasks.push(task.abort_handle());
            Mutex::new(receive)
        });
        Ok(Endpoint {
            quinn,
            common,
            client: RwLock::new(client),
            sessions,
            receive_buffer,
            tasks,
        })
    }

    /// The next session that a peer has dialled; `None` when the endpoint is closed, or only dials.
    pub async fn accept(&self) -> Option<Session> {
        self.sessions.as_ref()?.lock().await.recv().await
    }

    /// Dials a hub, and waits until it has accepted this side.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self, address: SocketAddr) -> Result<Session, DialError> {
        let config = self
            .client
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.dial_with(config, address).await
    }

    /// As [`dial`](Self::dial), as somebody else than the endpoint's own identity: so one process can be many nodes
    /// without a socket for each of them.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial_as(
        &self,
        identity: &Identity,
        address: SocketAddr,
    ) -> Result<Session, DialError> {
        let config = client_config(identity, &self.common.tuning)
            .map_err(|e| DialError::Identity(e.to_string()))?;
        self.dial_with(config, address).await
    }

    async fn dial_with(
        &self,
        config: quinn::ClientConfig,
        address: SocketAddr,
    ) -> Result<Session, DialError> {
        let connecting = self
            .quinn
            .connect_with(config, address, pki::SERVER_NAME)
            .map_err(|e| DialError::Unreachable(e.to_string()))?;
        let dial = async {
            let connection = connecting.await.map_err(DialError::new)?;
            let lost = connection.clone();
            match greet(connection).await {
                Ok(greeted) => Ok(greeted),
                Err(failure) => Err(match (failure, lost.close_reason()) {
                    (_, Some(error)) => DialError::new(error),
                    (failure, None) => DialError::Unreachable(failure),
                }),
            }
        };
        let (connection, control) = timeout(DIAL_DEADLINE, dial)
            .await
            .map_err(|_| DialError::Unreachable("no answer in time".to_owned()))??;
        let peer = peer_of(&connection).map_err(|e| DialError::BadHub(e.to_string()))?;
        let Tuning {
            outbox,
            send_window: window,
            ..
        } = self.common.tuning;
        let greeted = Greeted {
            connection,
            peer,
            control,
            accepted: false,
            outbox,
            window,
        };
        Ok(Session::new(
            greeted,
            &self.common.expiry,
            &self.common.bulk_budget,
        ))
    }

    /// Takes another key or chain for all handshakes from now on. Sessions go on as they are: each ends when the
    /// certificate that it was made with ends.
    ///
    /// # Errors
    /// [`BindError`]; the old identity stays.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), BindError> {
        let tuning = &self.common.tuning;
        let client = client_config(identity, tuning)?;
        if self.sessions.is_some() {
            let server = server_config(identity, tuning)?;
            self.quinn.set_server_config(Some(server));
        }
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.quinn.local_addr()
    }

    /// The receive buffer that the kernel gave, in bytes.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Connections that are open now, handshakes included.
    pub fn open_connections(&self) -> usize {
        self.quinn.open_connections()
    }

    /// What became of connections so far.
    pub fn stats(&self) -> EndpointStats {
        let counters = &self.common.counters;
        EndpointStats {
            accepted: counters.accepted.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            slow: counters.slow.load(Ordering::Relaxed),
            overloaded: counters.overloaded.load(Ordering::Relaxed),
            retried: counters.retried.load(Ordering::Relaxed),
        }
    }

    /// Closes all sessions and accepts no more. [`idle`](Self::idle) waits until peers have been told.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.quinn.close(code.number(), reason.as_bytes());
    }

    /// Waits until no connection is left, after [`close`](Self::close).
    pub async fn idle(&self) {
        self.quinn.wait_idle().await;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.quinn
            .close(CloseCode::Stopping.number(), b"the endpoint was dropped");
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn server_config(identity: &Identity, tuning: &Tuning) -> Result<quinn::ServerConfig, BindError> {
    let tls = Arc::new(pki::server_config(&identity.tree, &identity.tls)?);
    let suite = pki::initial_cipher_suite().ok_or(BindError::Suite)?;
    let crypto = QuicServerConfig::with_initial(tls, suite).map_err(|_| BindError::Suite)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(tuning.transport(true));
    Tuning::harden(&mut config);
    Ok(config)
}

fn client_config(identity: &Identity, tuning: &Tuning) -> Result<quinn::ClientConfig, BindError> {
    let tls = Arc::new(pki::client_config(&identity.tree, &identity.tls)?);
    let suite = pki::initial_cipher_suite().ok_or(BindError::Suite)?;
    let crypto = QuicClientConfig::with_initial(tls, suite).map_err(|_| BindError::Suite)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(tuning.transport(false));
    Ok(config)
}

/// The peer of a connection whose handshake our verifier has accepted.
fn peer_of(connection: &Connection) -> Result<Peer, pki::ChainError> {
    let chain = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .unwrap_or_default();
    pki::identify(&chain)
}

type Control = (SendStream, RecvStream);

/// The dialler's part of the greeting.
async fn greet(connection: Connection) -> Result<(Connection, Control), String> {
    let (mut send, mut recv) = connection.open_bi().await.map_err(|e| e.to_string())?;
    send.write_all(&GREETING).await.map_err(|e| e.to_string())?;
    expect_greeting(&mut recv).await?;
    Ok((connection, (send, recv)))
}

/// The hub's part of the greeting.
async fn welcome(connection: &Connection) -> Result<Control, String> {
    let (mut send, mut recv) = connection.accept_bi().await.map_err(|e| e.to_string())?;
    expect_greeting(&mut recv).await?;
    send.write_all(&GREETING).await.map_err(|e| e.to_string())?;
    Ok((send, recv))
}

async fn expect_greeting(recv: &mut RecvStream) -> Result<(), String> {
    let mut greeting = [0; PREFIX];
    recv.read_exact(&mut greeting)
        .await
        .map_err(|e| e.to_string())?;
    if greeting == GREETING {
        Ok(())
    } else {
        Err("no greeting".to_owned())
    }
}

/// Starts a handshake for each connection that comes, within limits.
async fn accept_all(
    endpoint: quinn::Endpoint,
    common: Arc<Common>,
    sessions: mpsc::Sender<Session>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = endpoint.accept().await {
        let Ok(permit) = handshakes.clone().try_acquire_owned() else {
            count(&common.counters.overloaded);
            incoming.refuse();
            continue;
        };
        let under_way = HANDSHAKES_MAX - handshakes.available_permits();
        if under_way > RETRY_ABOVE && !incoming.remote_address_validated() {
            count(&common.counters.retried);
            // Only an address that was validated can't be asked again.
            let _ = incoming.retry();
            continue;
        }
        tokio::spawn(shake(incoming, common.clone(), sessions.clone(), permit));
    }
}

/// One handshake, to the end of the greeting and into the queue of sessions.
async fn shake(
    incoming: quinn::Incoming,
    common: Arc<Common>,
    sessions: mpsc::Sender<Session>,
    _permit: OwnedSemaphorePermit,
) {
    let remote = incoming.remote_address();
    let work = async {
        let connection = incoming.await.map_err(|e| e.to_string())?;
        let control = welcome(&connection).await?;
        let peer = peer_of(&connection).map_err(|e| e.to_string())?;
        let (outbox, window) = if peer
            .member()
            .is_some_and(|member| member.role == Role::Syndic)
        {
            connection.set_max_concurrent_uni_streams(SYNDIC_BULK_STREAMS.into());
            connection.set_receive_window(SYNDIC_WINDOW.into());
            connection.set_send_window(SYNDIC_SEND_WINDOW.into());
            (SYNDIC_OUTBOX, SYNDIC_SEND_WINDOW)
        } else {
            (common.tuning.outbox, common.tuning.send_window)
        };
        let greeted = Greeted {
            connection,
            peer,
            control,
            accepted: true,
            outbox,
            window,
        };
        let session = Session::new(greeted, &common.expiry, &common.bulk_budget);
        sessions
            .send(session)
            .await
            .map_err(|_| "the endpoint is closed".to_owned())
    };
    match timeout(HANDSHAKE_DEADLINE, work).await {
        Ok(Ok(())) => count(&common.counters.accepted),
        Ok(Err(reason)) => {
            count(&common.counters.failed);
            tracing::info!(%remote, reason = printable(reason.as_bytes()), "a handshake failed");
        }
        Err(_) => {
            count(&common.counters.slow);
            tracing::info!(%remote, "a handshake took too long");
        }
    }
}
