//! A connection with a named peer.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pki::Peer;
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::Semaphore;
use wire::files::{Answer, Request};

use crate::close::{CloseCode, Closed};
use crate::expiry::{Expiry, Ticket};
use crate::request::{self, BodyReader, RequestError};
use crate::sender::Outbox;
use crate::{Receiver, Sender};

/// What sender, receiver and requests of a session have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub connection: Connection,
    pub peer: Peer,
    pub remote: SocketAddr,
    pub outbox: Outbox,
    /// Set when this side closes, since quinn does not keep our own words.
    closed_here: OnceLock<Closed>,
    expiry: Arc<Expiry>,
    ticket: Option<Ticket>,
}

impl Shared {
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.closed_here.get_or_init(|| Closed::Here {
            code,
            reason: reason.to_owned(),
        });
        self.connection.close(code.number(), reason.as_bytes());
    }

    /// The reason of a connection that is known to be lost.
    pub fn closed(&self, error: quinn::ConnectionError) -> Closed {
        match (&error, self.closed_here.get()) {
            (quinn::ConnectionError::LocallyClosed, Some(here)) => here.clone(),
            _ => Closed::new(error),
        }
    }

    /// Closes the session for something that the peer may not do.
    pub fn refuse(&self, code: CloseCode, reason: &str) -> Closed {
        self.close(code, reason);
        Closed::Here {
            code,
            reason: reason.to_owned(),
        }
    }

    pub async fn lost(&self) -> Closed {
        self.closed(self.connection.closed().await)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.expiry.forget(ticket);
        }
    }
}

/// A connection whose peer is known and whose control stream is open in both directions.
///
/// Dropping the session (or both of its halves) closes it with [`CloseCode::Done`]; what the peer has not
/// acknowledged by then may be lost.
#[derive(Debug)]
pub struct Session {
    sender: Sender,
    receiver: Receiver,
}

/// The streams and facts of a finished handshake.
pub(crate) struct Greeted {
    pub connection: Connection,
    pub peer: Peer,
    pub control: (SendStream, RecvStream),
    /// Whether the peer has dialled and may send requests.
    pub accepted: bool,
    /// Bytes of the outbox.
    pub outbox: usize,
    /// Bytes on their way to the peer and not acknowledged.
    pub window: u32,
}

impl Session {
    pub(crate) fn new(greeted: Greeted, expiry: &Arc<Expiry>, budget: &Arc<Semaphore>) -> Session {
        let Greeted {
            connection,
            peer,
            control: (send, recv),
            accepted,
            outbox,
            window,
        } = greeted;
        let ticket = peer.member().map(|member| expiry.ticket(member.not_after));
        let remote = connection.remote_address();
        let shared = Arc::new(Shared {
            remote: SocketAddr::new(remote.ip().to_canonical(), remote.port()),
            connection,
            peer,
            outbox: Outbox::new(send, outbox, window.into()),
            closed_here: OnceLock::new(),
            expiry: expiry.clone(),
            ticket,
        });
        if let Some(ticket) = ticket {
            expiry.watch(ticket, &shared);
        }
        Session {
            sender: Sender::new(shared.clone()),
            receiver: Receiver::new(shared, recv, accepted, budget.clone()),
        }
    }

    /// Who is on the other end.
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }

    /// From where it speaks.
    pub fn remote_addr(&self) -> SocketAddr {
        self.sender.remote_addr()
    }

    /// The two halves: a sender that can be cloned and shared, and the one receiver.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

/// Numbers of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionStats {
    /// Round trip time, smoothed.
    pub rtt: Duration,
    /// Packets that were lost on their way to the peer.
    pub lost_packets: u64,
    /// Bytes in UDP packets to the peer.
    pub sent_bytes: u64,
    /// Bytes in UDP packets from the peer.
    pub received_bytes: u64,
}

impl Sender {
    /// Who is on the other end.
    pub fn peer(&self) -> &Peer {
        &self.shared.peer
    }

    /// From where it speaks; an IPv4 address is one, also on a socket for both families.
    pub fn remote_addr(&self) -> SocketAddr {
        self.shared.remote
    }

    /// Closes the session. The first reason counts. The code and the text travel; frames that were not
    /// acknowledged may not arrive any more.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.shared.close(code, reason);
    }

    /// Waits until the session is over.
    pub async fn closed(&self) -> Closed {
        self.shared.lost().await
    }

    /// Why the session is over, if it is.
    pub fn close_reason(&self) -> Option<Closed> {
        let error = self.shared.connection.close_reason()?;
        Some(self.shared.closed(error))
    }

    /// Asks the hub that was dialled, and returns its answer with the bytes that follow. At most four requests are
    /// on their way at a time; more wait. The answer may take as long as the hub wants; a dead hub is noticed by the
    /// idle time.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn request(&self, request: &Request) -> Result<(Answer, BodyReader), RequestError> {
        request::ask(&self.shared, request).await
    }

    /// Numbers of the session so far.
    pub fn stats(&self) -> SessionStats {
        let stats = self.shared.connection.stats();
        SessionStats {
            rtt: stats.path.rtt,
            lost_packets: stats.path.lost_packets,
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
        }
    }
}
