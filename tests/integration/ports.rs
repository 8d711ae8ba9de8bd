//! Ports for hubs.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those that the system gives to sockets without a wish, so that no dialling node takes one meanwhile.
const FIRST: u16 = 11_000;
const COUNT: u16 = 20_000;

/// The next port to try, counted from [`FIRST`].
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of the loopback address that is free for UDP and TCP, and that this process has not given away before.
pub fn free_port() -> u16 {
    // Test programs may run at the same time: each begins somewhere else.
    let begin = std::process::id().wrapping_mul(7_919) % u32::from(COUNT);
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (begin + step) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).unwrap_or_default();
        let here = (Ipv4Addr::LOCALHOST, port);
        if UdpSocket::bind(here).is_ok() && TcpListener::bind(here).is_ok() {
            return port;
        }
    }
}
