//! Packets to any peers that leave by one call.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use quinn::udp::{EcnCodepoint, Transmit, UdpSocketState};
use tokio::net::UdpSocket;

use crate::trains::is_train;

/// Packets that leave by one call. More would make the first of them wait for longer than the call takes.
const PACKETS_MAX: usize = 64;

/// What all packets of a bag have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Postmark {
    ecn: Option<EcnCodepoint>,
    /// The own address that they leave from.
    from: Option<IpAddr>,
    /// Whether they travel by IPv4, which they also do to addresses that are mapped into IPv6.
    is_v4: bool,
}

impl Postmark {
    /// None for a train, which leaves by a call of its own.
    pub fn of(transmit: &Transmit<'_>) -> Option<Postmark> {
        (!is_train(transmit)).then(|| Postmark {
            ecn: transmit.ecn,
            from: transmit.src_ip,
            is_v4: transmit.destination.ip().to_canonical().is_ipv4(),
        })
    }
}

/// Packets that wait.
#[derive(Debug, Default)]
pub(crate) struct Mailbag {
    postmark: Option<Postmark>,
    /// Their bytes, one behind the other.
    contents: Vec<u8>,
    packets: Vec<Packet>,
    /// How many of them have left.
    sent: usize,
}

#[derive(Debug)]
struct Packet {
    to: SocketAddr,
    at: Range<usize>,
}

impl Mailbag {
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether there is room for a packet of this kind.
    pub fn takes(&self, postmark: Postmark) -> bool {
        self.is_empty() || (self.packets.len() < PACKETS_MAX && self.postmark == Some(postmark))
    }

    /// Puts a packet in; the bag must take it.
    pub fn add(&mut self, postmark: Postmark, transmit: &Transmit<'_>) {
        debug_assert!(self.takes(postmark));
        self.postmark = Some(postmark);
        let begin = self.contents.len();
        self.contents.extend_from_slice(transmit.contents);
        self.packets.push(Packet {
            to: transmit.destination,
            at: begin..self.contents.len(),
        });
    }

    /// Gives the kernel some packets. Those that it refuses for good are lost, as any packet may be.
    ///
    /// # Errors
    /// `WouldBlock`: it takes none now.
    pub fn send(&mut self, io: &UdpSocket, state: &UdpSocketState) -> io::Result<()> {
        let Some(postmark) = self.postmark else {
            return Ok(());
        };
        let waiting = &self.packets[self.sent..];
        let sent = match waiting {
            [] => 0,
            [packet] => self.send_one(packet, postmark, io, state)?,
            [first, ..] => match self.send_many(waiting, postmark, io) {
                Ok(sent) => sent,
                Err(Errno::EAGAIN) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(Errno::EINTR) => 0,
                // This way knows what older kernels and some cards can't do, and says what is in vain.
                Err(_) => self.send_one(first, postmark, io, state)?,
            },
        };
        self.sent += sent;
        if self.sent == self.packets.len() {
            self.packets.clear();
            self.contents.clear();
            self.sent = 0;
        }
        Ok(())
    }

    fn send_one(
        &self,
        packet: &Packet,
        postmark: Postmark,
        io: &UdpSocket,
        state: &UdpSocketState,
    ) -> io::Result<usize> {
        let transmit = Transmit {
            destination: packet.to,
            ecn: postmark.ecn,
            contents: &self.contents[packet.at.clone()],
            segment_size: None,
            src_ip: postmark.from,
        };
        state.send(io.into(), &transmit)?;
        Ok(1)
    }

    fn send_many(
        &self,
        packets: &[Packet],
        postmark: Postmark,
        io: &UdpSocket,
    ) -> nix::Result<usize> {
        let slices: Vec<[IoSlice<'_>; 1]> = packets
            .iter()
            .map(|packet| [IoSlice::new(&self.contents[packet.at.clone()])])
            .collect();
        let to: Vec<Option<SockaddrStorage>> = packets
            .iter()
            .map(|packet| Some(packet.to.into()))
            .collect();
        let ecn = postmark.ecn.map_or(0, |ecn| ecn as u8);
        let (class, v4, v6);
        let mut marks = Vec::with_capacity(2);
        // The kernel takes a buffer that is longer than the messages in it for damaged.
        let mut room = 0;
        if postmark.is_v4 {
            marks.push(ControlMessage::Ipv4Tos(&ecn));
            room += nix::cmsg_space!(u8).capacity();
        } else {
            class = i32::from(ecn);
            marks.push(ControlMessage::Ipv6TClass(&class));
            room += nix::cmsg_space!(i32).capacity();
        }
        match postmark.from {
            Some(IpAddr::V4(from)) => {
                v4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(from.octets()),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                marks.push(ControlMessage::Ipv4PacketInfo(&v4));
                room += nix::cmsg_space!(libc::in_pktinfo).capacity();
            }
            Some(IpAddr::V6(from)) => {
                v6 = libc::in6_pktinfo {
                    ipi6_ifindex: 0,
                    ipi6_addr: libc::in6_addr {
                        s6_addr: from.octets(),
                    },
                };
                marks.push(ControlMessage::Ipv6PacketInfo(&v6));
                room += nix::cmsg_space!(libc::in6_pktinfo).capacity();
            }
            None => (),
        }
        let space = Vec::with_capacity(room);
        let mut headers = MultiHeaders::preallocate(packets.len(), Some(space));
        let fd = io.as_raw_fd();
        let sent = sendmmsg(fd, &mut headers, &slices, to, marks, MsgFlags::empty())?;
        Ok(sent.count())
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as Plain;
    use std::time::Duration;

    use super::*;

    async fn socket(address: &str) -> (UdpSocket, UdpSocketState) {
        let plain = Plain::bind(address).unwrap();
        let state = UdpSocketState::new((&plain).into()).unwrap();
        (UdpSocket::from_std(plain).unwrap(), state)
    }

    fn peers(address: &str, count: usize) -> Vec<Plain> {
        let peer = || {
            let peer = Plain::bind(address).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            peer
        };
        (0..count).map(|_| peer()).collect()
    }

    /// What the peers get, and from where.
    async fn delivered(from: &str, src_ip: Option<&str>, to: &str, count: usize) {
        let (io, state) = socket(from).await;
        let peers = peers(to, count);
        let mut bag = Mailbag::default();
        for (nth, peer) in peers.iter().enumerate() {
            let text = format!("to {nth}");
            let transmit = Transmit {
                destination: peer.local_addr().unwrap(),
                ecn: Some(EcnCodepoint::Ect0),
                contents: text.as_bytes(),
                segment_size: None,
                src_ip: src_ip.map(|ip| ip.parse().unwrap()),
            };
            let postmark = Postmark::of(&transmit).unwrap();
            assert!(bag.takes(postmark));
            bag.add(postmark, &transmit);
        }
        while !bag.is_empty() {
            io.writable().await.unwrap();
            bag.send(&io, &state).unwrap();
        }
        for (nth, peer) in peers.iter().enumerate() {
            let mut buffer = [0; 64];
            let (len, sender) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], format!("to {nth}").as_bytes());
            if let Some(ip) = src_ip {
                assert_eq!(sender.ip().to_string(), ip);
            }
        }
    }

    #[tokio::test]
    async fn all_arrive() {
        for count in [1, 2, PACKETS_MAX] {
            delivered("127.0.0.1:0", None, "127.0.0.1:0", count).await;
        }
    }

    #[tokio::test]
    async fn the_source_address_is_that_of_the_postmark() {
        delivered("0.0.0.0:0", Some("127.0.0.7"), "127.0.0.1:0", 3).await;
        delivered("[::]:0", Some("::1"), "[::1]:0", 3).await;
    }

    #[tokio::test]
    async fn one_refused_packet_does_not_stop_the_others() {
        let (io, state) = socket("127.0.0.1:0").await;
        let peers = peers("127.0.0.1:0", 2);
        let mut bag = Mailbag::default();
        let good = |peer: &Plain| peer.local_addr().unwrap();
        // Longer than any packet may be.
        let long = vec![0; 70_000];
        for (to, contents) in [
            (good(&peers[0]), &b"a"[..]),
            (good(&peers[0]), &long),
            (good(&peers[1]), b"b"),
        ] {
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents,
                segment_size: None,
                src_ip: None,
            };
            bag.add(Postmark::of(&transmit).unwrap(), &transmit);
        }
        while !bag.is_empty() {
            io.writable().await.unwrap();
            bag.send(&io, &state).unwrap();
        }
        for peer in peers {
            assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
        }
    }

    #[test]
    fn a_bag_has_one_postmark_and_an_end() {
        let packet = |to: &str, ecn| Transmit {
            destination: to.parse().unwrap(),
            ecn,
            contents: b"x",
            segment_size: None,
            src_ip: None,
        };
        let here = packet("127.0.0.1:1", Some(EcnCodepoint::Ect0));
        let postmark = Postmark::of(&here).unwrap();
        let mut bag = Mailbag::default();
        bag.add(postmark, &here);
        let other = Postmark::of(&packet("127.0.0.1:1", None)).unwrap();
        let six = Postmark::of(&packet("[::1]:1", Some(EcnCodepoint::Ect0))).unwrap();
        let mapped = Postmark::of(&packet("[::ffff:127.0.0.1]:1", Some(EcnCodepoint::Ect0)));
        assert!(!bag.takes(other) && !bag.takes(six) && bag.takes(mapped.unwrap()));
        for _ in 1..PACKETS_MAX {
            assert!(bag.takes(postmark));
            bag.add(postmark, &here);
        }
        assert!(!bag.takes(postmark));
    }
}
