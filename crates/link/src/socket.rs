//! The UDP socket of an endpoint.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use socket2::{Domain, Protocol, Socket, Type};

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

/// Packets that leave by one call, at most. Each connection keeps a buffer for so many for as long as it lives, 13 KiB with
/// quinn's own bound of ten; most of it is never touched, but a minion costs its hub 1.4 KiB less with four (`cargo xtask bench
/// --minions 5000 --syndics 5`), and bulk is as fast.
const SEGMENTS_MAX: usize = 4;

/// A socket that sends short trains of packets, since its endpoint has many connections that say little.
#[derive(Debug)]
pub(crate) struct ShortTrains(pub(crate) Arc<dyn AsyncUdpSocket>);

impl AsyncUdpSocket for ShortTrains {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.0.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.max_transmit_segments().min(SEGMENTS_MAX)
    }

    fn max_receive_segments(&self) -> usize {
        self.0.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.may_fragment()
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
