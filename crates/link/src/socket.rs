//! The UDP socket of an endpoint.

use std::io;
use std::net::{SocketAddr, UdpSocket};

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
