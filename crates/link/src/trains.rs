//! When packets to one peer leave as a train: several by one call, cut by the kernel.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use quinn::udp::Transmit;

/// Packets of a train, at most. A connection that once sent a train keeps a buffer for so many for as long as it lives;
/// quinn's own bound of ten is no faster for bulk, and 13 KiB.
pub(crate) const SEGMENTS_MAX: usize = 4;
/// So many long packets in a row to one peer are bulk, and no handshake: its flight has three or four.
const ROW: u32 = 8;
/// A packet that may be part of bulk; QUIC's shortest path takes 1,200 bytes.
const LONG: usize = 1_200;
/// After the last train or row so many packets may still begin one.
const PATIENCE: u32 = 4_096;

/// Whether somebody is sent bulk.
///
/// Only then may there be trains: else each connection would keep a buffer for one, since handshakes have long packets too,
/// and hardly any minion is ever sent more than that by its hub.
#[derive(Debug, Default)]
pub(crate) struct Trains {
    left: AtomicU32,
    row: Mutex<Row>,
}

#[derive(Debug, Default)]
struct Row {
    to: Option<SocketAddr>,
    len: u32,
}

impl Trains {
    /// Learns from what is sent.
    pub fn saw(&self, transmit: &Transmit<'_>) {
        let is_bulk = is_train(transmit) || {
            let mut row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
            row.add(transmit)
        };
        let left = self.left.load(Ordering::Relaxed);
        let next = if is_bulk {
            PATIENCE
        } else {
            left.saturating_sub(1)
        };
        if next != left {
            self.left.store(next, Ordering::Relaxed);
        }
    }

    /// Whether packets may leave as trains now.
    pub fn are_long(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }
}

/// Whether the kernel is to cut it.
pub(crate) fn is_train(transmit: &Transmit<'_>) -> bool {
    transmit
        .segment_size
        .is_some_and(|size| size < transmit.contents.len())
}

impl Row {
    /// Whether the row has become long enough.
    fn add(&mut self, transmit: &Transmit<'_>) -> bool {
        if transmit.contents.len() < LONG {
            *self = Row::default();
            return false;
        }
        if self.to != Some(transmit.destination) {
            *self = Row {
                to: Some(transmit.destination),
                len: 0,
            };
        }
        self.len += 1;
        self.len >= ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(trains: &Trains, port: u16, len: usize, times: usize) {
        let contents = vec![0; len];
        for _ in 0..times {
            trains.saw(&Transmit {
                destination: ([127, 0, 0, 1], port).into(),
                ecn: None,
                contents: &contents,
                segment_size: None,
                src_ip: None,
            });
        }
    }

    #[test]
    fn handshakes_and_commands_are_no_bulk() {
        let trains = Trains::default();
        for port in 1..1_000 {
            send(&trains, port, 1_200, 4);
            send(&trains, port, 200, 4);
        }
        assert!(!trains.are_long());
    }

    #[test]
    fn a_row_to_one_peer_is_and_ends() {
        let trains = Trains::default();
        send(&trains, 1, 1_200, 8);
        assert!(trains.are_long());
        send(&trains, 2, 200, 4_095);
        assert!(trains.are_long());
        send(&trains, 2, 200, 1);
        assert!(!trains.are_long());
    }

    #[test]
    fn a_train_keeps_trains_long() {
        let trains = Trains::default();
        send(&trains, 1, 1_200, 8);
        send(&trains, 2, 200, 4_000);
        let contents = [0; 2_400];
        trains.saw(&Transmit {
            destination: ([127, 0, 0, 1], 1).into(),
            ecn: None,
            contents: &contents,
            segment_size: Some(1_200),
            src_ip: None,
        });
        send(&trains, 2, 200, 4_000);
        assert!(trains.are_long());
    }
}
