//! Ports for hubs.

use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those that the system gives to sockets without a wish, so that no dialling node takes one meanwhile.
const FIRST: u16 = 11_000;
const COUNT: u16 = 20_000;

/// Where the system lists its sockets, a line each.
const LISTS: [&str; 4] = [
    "/proc/net/udp",
    "/proc/net/udp6",
    "/proc/net/tcp",
    "/proc/net/tcp6",
];

/// The next port to try, counted from [`FIRST`].
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free for UDP and TCP, and that this process has not given away before.
///
/// It is read, not bound for a try: a program that another thread starts just then would hold the socket until its `exec`.
pub fn free_port() -> u16 {
    // Test programs may run at the same time: each begins somewhere else.
    let begin = std::process::id().wrapping_mul(7_919) % u32::from(COUNT);
    let lists = LISTS.map(|list| std::fs::read_to_string(list).unwrap_or_default());
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (begin + step) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).unwrap_or_default();
        if !lists.iter().any(|list| names(list, port)) {
            return port;
        }
    }
}

/// Whether a list has a socket with this port at its own end.
fn names(list: &str, port: u16) -> bool {
    let end = format!(":{port:04X}");
    list.lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|local| local.ends_with(&end))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{LISTS, free_port, names};

    #[test]
    fn a_port_is_free_while_programs_start() {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    assert!(
                        Command::new("true")
                            .status()
                            .is_ok_and(|status| status.success())
                    );
                }
            });
            let taken =
                (0..200).find_map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, free_port())).err());
            is_over.store(true, Ordering::Relaxed);
            assert!(taken.is_none(), "{taken:?}");
        });
    }

    #[test]
    fn a_port_in_use_is_seen() {
        let seen = |port| {
            LISTS
                .iter()
                .any(|list| names(&std::fs::read_to_string(list).unwrap_or_default(), port))
        };
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        assert!(seen(udp.local_addr().expect("its address").port()));
        assert!(seen(tcp.local_addr().expect("its address").port()));
    }
}
