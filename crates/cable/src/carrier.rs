//! The loop of a cable: one thread, the packets under way in the order of their times, and no wait but that for a packet
//! or a due time.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use crate::cable::{Direction, State};
use crate::weather::PACKET_BYTES_MAX;
use crate::{Dice, Ends, Way, within};

/// Receive buffer to ask for, so that a burst is not lost before its weather is known; the kernel may give less.
const RECEIVE_BUFFER: usize = 16 << 20;
/// Packets taken from one socket before the others have their turn.
const TURN: usize = 64;
/// Packets under way at a time; further ones are lost.
const UNDER_WAY_MAX: usize = 1 << 17;
/// Addresses of nodes that are remembered; the oldest is forgotten, as a router does.
const FLOWS_MAX: usize = 256;
/// A line of limited bandwidth queues packets for so long, and loses those behind.
const QUEUE: Duration = Duration::from_millis(100);

/// A socket on the loopback address that can take a burst.
pub(crate) fn bind(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nonblocking(true)?;
    // As root beyond the kernel's usual limit, else up to it.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    Ok(socket)
}

/// A node as the hub sees it: a socket of its own.
#[derive(Debug)]
struct Flow {
    node: SocketAddr,
    socket: UdpSocket,
}

#[derive(Debug)]
struct Packet {
    way: Way,
    node: SocketAddr,
    bytes: Vec<u8>,
}

/// One direction's dice, and when its line is free.
#[derive(Debug)]
struct Lane {
    dice: Dice,
    /// The last packet that keeps its place arrives then.
    last: Instant,
    /// The line has sent what it took by then.
    free: Instant,
}

/// Moves the packets of one cable.
#[derive(Debug)]
pub(crate) struct Carrier {
    face: UdpSocket,
    bell: UnixStream,
    ends: Ends,
    state: Arc<State>,
    flows: VecDeque<Flow>,
    lanes: [Lane; 2],
    /// Packets by the time when they are due, and by a number that decides among equal times.
    under_way: BTreeMap<(Instant, u64), Packet>,
    count: u64,
}

impl Carrier {
    pub fn new(face: UdpSocket, bell: UnixStream, ends: Ends, state: Arc<State>) -> Carrier {
        let now = Instant::now();
        let lane = |turn| Lane {
            dice: Dice::new(ends.seed ^ turn),
            last: now,
            free: now,
        };
        // Any number will do that tells the directions apart.
        let lanes = [lane(0), lane(u64::MAX / 3)];
        Carrier {
            face,
            bell,
            ends,
            state,
            flows: VecDeque::new(),
            lanes,
            under_way: BTreeMap::new(),
            count: 0,
        }
    }

    /// Until the cable is over.
    pub fn run(mut self) {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        while !self.state.is_over.load(Ordering::Relaxed) {
            let ready = self.wait();
            if self.state.rebind.swap(false, Ordering::Relaxed) {
                self.flows.clear();
                continue;
            }
            if ready.contains(&0) {
                self.take_up(&mut buffer);
            }
            for flow in ready.into_iter().filter(|place| *place > 0) {
                self.take_down(flow - 1, &mut buffer);
            }
            self.deliver();
        }
    }

    /// Waits for a packet, for a due time, or for the bell; tells who has packets: 0 the face, n the n-th flow.
    fn wait(&mut self) -> Vec<usize> {
        let rest = self.under_way.first_key_value().map(|((at, _), _)| {
            TimeSpec::from_duration(at.saturating_duration_since(Instant::now()))
        });
        let mut polled: Vec<PollFd<'_>> = [self.bell.as_fd(), self.face.as_fd()]
            .into_iter()
            .chain(self.flows.iter().map(|flow| flow.socket.as_fd()))
            .map(|socket| PollFd::new(socket, PollFlags::POLLIN))
            .collect();
        // An interrupted wait is a short one.
        if ppoll(&mut polled, rest, None).is_err() {
            return Vec::new();
        }
        let is_ready = |one: &PollFd<'_>| one.any().unwrap_or(true);
        let ready = polled[1..].iter().enumerate();
        let ready = ready
            .filter(|(_, one)| is_ready(one))
            .map(|(place, _)| place);
        let ready = ready.collect();
        if is_ready(&polled[0]) {
            let _ = io::Read::read(&mut &self.bell, &mut [0; 16]);
        }
        ready
    }

    fn take_up(&mut self, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Ok((length, node)) = self.face.recv_from(buffer) else {
                return;
            };
            self.send_off(Way::Up, node, &buffer[..length]);
        }
    }

    fn take_down(&mut self, flow: usize, buffer: &mut [u8]) {
        for _ in 0..TURN {
            // An error may be a hub that is down and refuses packets.
            let Some((Ok(length), node)) = self
                .flows
                .get(flow)
                .map(|flow| (flow.socket.recv(buffer), flow.node))
            else {
                return;
            };
            self.send_off(Way::Down, node, &buffer[..length]);
        }
    }

    /// A packet begins its way, and its fate is sealed.
    fn send_off(&mut self, way: Way, node: SocketAddr, bytes: &[u8]) {
        let direction = self.state.direction(way);
        let lane = &mut self.lanes[usize::from(way == Way::Down)];
        let Some(arrivals) = lane.send_off(direction, Instant::now(), bytes.len()) else {
            return;
        };
        let mut bytes = bytes.to_vec();
        if let Some(bit) = arrivals.turned_bit
            && !bytes.is_empty()
        {
            let bit = bit % (bytes.len() as u64 * 8);
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        for at in arrivals.at.into_iter().flatten() {
            if self.under_way.len() >= UNDER_WAY_MAX {
                return;
            }
            self.count += 1;
            let packet = Packet {
                way,
                node,
                bytes: bytes.clone(),
            };
            self.under_way.insert((at, self.count), packet);
        }
    }

    /// Hands over what is due.
    fn deliver(&mut self) {
        let now = Instant::now();
        while let Some(first) = self.under_way.first_entry() {
            if first.key().0 > now {
                return;
            }
            let packet = first.remove();
            if self.state.direction(packet.way).is_cut() {
                continue;
            }
            self.state.direction(packet.way).passed(packet.bytes.len());
            // A packet that is refused, or finds a full buffer, is lost, as on a real network.
            let _ = match packet.way {
                Way::Down => self.face.send_to(&packet.bytes, packet.node),
                Way::Up => match self.flow(packet.node) {
                    Some(flow) => flow.socket.send(&packet.bytes),
                    None => continue,
                },
            };
        }
    }

    fn flow(&mut self, node: SocketAddr) -> Option<&Flow> {
        let known = self.flows.iter().position(|flow| flow.node == node);
        let place = match known {
            Some(place) => place,
            None => {
                let opened = within(self.ends.hub_in.as_ref(), || {
                    let socket = bind(0)?;
                    socket.connect(self.ends.hub)?;
                    Ok(socket)
                });
                let socket = opened.ok()?;
                if self.flows.len() >= FLOWS_MAX {
                    self.flows.pop_front();
                }
                self.flows.push_back(Flow { node, socket });
                self.flows.len() - 1
            }
        };
        self.flows.get(place)
    }
}

/// When a packet arrives: once, or twice.
#[derive(Debug, PartialEq)]
struct Arrivals {
    at: [Option<Instant>; 2],
    turned_bit: Option<u64>,
}

impl Lane {
    /// When a packet of this length arrives that sets off now; none: never.
    fn send_off(&mut self, direction: &Direction, now: Instant, length: usize) -> Option<Arrivals> {
        let weather = *direction.weather();
        let fate = weather.fate(&mut self.dice);
        if fate.is_lost || direction.is_cut() || length > weather.payload_max {
            return None;
        }
        let mut begin = now;
        if let Some(rate) = weather.bytes_per_second {
            begin = self.free.max(now);
            if begin - now > QUEUE {
                return None;
            }
            begin += Duration::from_secs_f64(length as f64 / rate.max(1) as f64);
            self.free = begin;
        }
        let mut at = begin + fate.after;
        if !fate.is_overtaken {
            at = at.max(self.last);
            self.last = at;
        }
        Some(Arrivals {
            at: [Some(at), fate.is_doubled.then_some(at)],
            turned_bit: fate.turned_bit,
        })
    }
}
