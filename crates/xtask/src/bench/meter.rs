//! Counts what travels between the top-master and its syndics: a forwarder of datagrams in their path.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Largest datagram.
const DATAGRAM: usize = 65_536;

/// UDP payload, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// From syndics to the top-master.
    pub up: u64,
    /// From the top-master to syndics.
    pub down: u64,
}

impl Bytes {
    /// What came since then.
    pub fn since(self, before: Bytes) -> Bytes {
        Bytes {
            up: self.up - before.up,
            down: self.down - before.down,
        }
    }
}

/// The counters of all forwarders.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    up: Arc<AtomicU64>,
    down: Arc<AtomicU64>,
}

impl Meter {
    /// So far.
    pub fn bytes(&self) -> Bytes {
        Bytes {
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
        }
    }

    /// A port that stands for `hub` towards one syndic; forwards until the process ends.
    pub fn between(&self, hub: SocketAddr) -> std::io::Result<SocketAddr> {
        let near = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        let far = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        far.connect(hub)?;
        let address = near.local_addr()?;
        let syndic = Arc::new(Mutex::new(None));
        let (from, to, last, counter) =
            (near.clone(), far.clone(), syndic.clone(), self.up.clone());
        std::thread::spawn(move || {
            let mut datagram = vec![0; DATAGRAM];
            while let Ok((len, peer)) = from.recv_from(&mut datagram) {
                counter.fetch_add(len as u64, Ordering::Relaxed);
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
                // A datagram may be lost, and QUIC sends it again.
                let _ = to.send(&datagram[..len]);
            }
        });
        let counter = self.down.clone();
        std::thread::spawn(move || {
            let mut datagram = vec![0; DATAGRAM];
            loop {
                // An error is a hub that has gone for now.
                let Ok(len) = far.recv(&mut datagram) else {
                    continue;
                };
                counter.fetch_add(len as u64, Ordering::Relaxed);
                let peer = *syndic.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(peer) = peer {
                    let _ = near.send_to(&datagram[..len], peer);
                }
            }
        });
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_counted() {
        let hub = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let meter = Meter::default();
        let address = meter.between(hub.local_addr().unwrap()).unwrap();
        let syndic = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        syndic.send_to(&[1; 7], address).unwrap();
        let mut buffer = [0; 64];
        let (len, from) = hub.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], &[1; 7]);
        hub.send_to(&[2; 5], from).unwrap();
        let (len, from) = syndic.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from), (&[2; 5][..], address));
        let expected = Bytes { up: 7, down: 5 };
        assert_eq!(meter.bytes(), expected);
        assert_eq!(meter.bytes().since(expected), Bytes::default());
    }
}
