//! The UDP socket of an endpoint.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::sync::Notify;

use crate::mailbag::{Mailbag, Postmark};
use crate::trains::{SEGMENTS_MAX, Trains};

/// A bound socket, and the receive buffer that the kernel gave it, in bytes. The kernel doubles what is asked
/// for, and cuts it at `net.core.rmem_max`.
pub(crate) fn bind(address: SocketAddr, receive_buffer: usize) -> io::Result<(UdpSocket, usize)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // One socket for both families when the address is the wildcard.
        socket.set_only_v6(false)?;
    }
    socket.set_recv_buffer_size(receive_buffer)?;
    let got = socket.recv_buffer_size()?;
    socket.bind(&address.into())?;
    Ok((socket.into(), got))
}

/// A socket with many peers that are told little each: packets to all of them leave by few calls.
///
/// A packet waits until the tasks that are ready now have had their turn, since each of them may add one, and no longer.
#[derive(Debug)]
pub(crate) struct SharedSocket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    waiting: Mutex<Mailbag>,
    trains: Trains,
    /// The kernel took nothing the last time.
    is_full: AtomicBool,
    /// Something waits.
    filled: Arc<Notify>,
}

impl SharedSocket {
    /// Takes a bound socket; must be called within the runtime that is to serve it.
    pub fn new(socket: UdpSocket) -> io::Result<Arc<SharedSocket>> {
        let state = UdpSocketState::new((&socket).into())?;
        let socket = Arc::new(SharedSocket {
            io: tokio::net::UdpSocket::from_std(socket)?,
            state,
            waiting: Mutex::default(),
            trains: Trains::default(),
            is_full: AtomicBool::new(false),
            filled: Arc::default(),
        });
        tokio::spawn(empty_always(Arc::downgrade(&socket), socket.filled.clone()));
        Ok(socket)
    }

    fn waiting(&self) -> MutexGuard<'_, Mailbag> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the kernel what waits.
    ///
    /// # Errors
    /// `WouldBlock`: the kernel does not take all of it now.
    fn empty(&self, bag: &mut Mailbag) -> io::Result<()> {
        while !bag.is_empty() {
            self.to_kernel(|| bag.send(&self.io, &self.state))?;
        }
        Ok(())
    }

    fn to_kernel(&self, send: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        let sent = self.io.try_io(Interest::WRITABLE, send);
        let is_full = matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.is_full.store(is_full, Ordering::Relaxed);
        sent
    }
}

/// Empties the bag of a socket for as long as there is one.
async fn empty_always(socket: Weak<SharedSocket>, filled: Arc<Notify>) {
    loop {
        filled.notified().await;
        let Some(socket) = socket.upgrade() else {
            return;
        };
        loop {
            let emptied = socket.empty(&mut socket.waiting());
            match emptied {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if socket.io.writable().await.is_err() {
                        return;
                    }
                }
                _ => break,
            }
        }
    }
}

impl Drop for SharedSocket {
    fn drop(&mut self) {
        // The last words of connections. What the kernel does not take now is lost, as any packet may be.
        let mut bag = std::mem::take(&mut *self.waiting());
        let _ = self.empty(&mut bag);
        self.filled.notify_one();
    }
}

impl AsyncUdpSocket for SharedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller {
            socket: self,
            writable: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.trains.saw(transmit);
        let mut bag = self.waiting();
        let postmark = Postmark::of(transmit);
        if postmark.is_none_or(|postmark| !bag.takes(postmark)) {
            self.empty(&mut bag)?;
        }
        let Some(postmark) = postmark else {
            return self.to_kernel(|| self.state.send((&self.io).into(), transmit));
        };
        if bag.is_empty() {
            self.filled.notify_one();
        }
        bag.add(postmark, transmit);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), bufs, meta)
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                received => return Poll::Ready(received),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        if self.trains.are_long() {
            self.state.max_gso_segments().min(SEGMENTS_MAX)
        } else {
            1
        }
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

type Writable = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// Waits for one connection until the socket takes packets again.
struct Poller {
    socket: Arc<SharedSocket>,
    /// Only while it waits: nearly no connection ever does.
    writable: Option<Writable>,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.writable.is_none() && !this.socket.is_full.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let writable = this.writable.get_or_insert_with(|| {
            let socket = this.socket.clone();
            Box::pin(async move { socket.io.writable().await })
        });
        let result = ready!(writable.as_mut().poll(cx));
        this.writable = None;
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_it_got() {
        let (socket, got) = bind("127.0.0.1:0".parse().unwrap(), 64 << 10).unwrap();
        assert!(socket.local_addr().unwrap().port() > 0);
        assert!(got >= 64 << 10, "{got}");
    }
}
