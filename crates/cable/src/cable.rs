//! A piece of network between nodes and a hub.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::carrier::{Carrier, bind};
use crate::{Namespace, Weather, within};

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the nodes to the hub.
    Up,
    /// From the hub to the nodes.
    Down,
}

/// Where a cable ends, and the seed of its dice.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The port that nodes dial; 0 for any.
    pub port: u16,
    /// The network of the nodes; none is that of this process.
    pub nodes: Option<Namespace>,
    /// Where the hub listens.
    pub hub: SocketAddr,
    /// The network of the hub.
    pub hub_in: Option<Namespace>,
    /// What becomes of packets follows from it.
    pub seed: u64,
}

/// What has passed in a direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// UDP payload, in bytes.
    pub bytes: u64,
}

/// Carries packets between the nodes that dial its port and one hub, until it is dropped.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    state: Arc<State>,
    /// A byte wakes the carrier.
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

/// What the owner of a cable and its thread share.
#[derive(Debug)]
pub(crate) struct State {
    up: Direction,
    down: Direction,
    /// The addresses that the hub sees are to change.
    pub rebind: AtomicBool,
    pub is_over: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Direction {
    weather: Mutex<Weather>,
    pub is_cut: AtomicBool,
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl State {
    pub fn direction(&self, way: Way) -> &Direction {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

impl Direction {
    fn fair() -> Direction {
        Direction {
            weather: Mutex::new(Weather::FAIR),
            is_cut: AtomicBool::new(false),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    pub fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    pub fn passed(&self, bytes: usize) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Cable {
    /// A cable on the loopback address, in fair weather, to the hub that listens on port `hub`; nodes dial `port`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn new(port: u16, hub: u16) -> io::Result<Cable> {
        Cable::lay(Ends {
            port,
            nodes: None,
            hub: (Ipv4Addr::LOCALHOST, hub).into(),
            hub_in: None,
            seed: u64::from(port),
        })
    }

    /// A cable in fair weather. Nodes find it on the loopback address of their network.
    ///
    /// # Errors
    /// When the port is taken, or a network can't be entered.
    pub fn lay(ends: Ends) -> io::Result<Cable> {
        let face = within(ends.nodes.as_ref(), || bind(ends.port))?;
        let address = face.local_addr()?;
        let state = Arc::new(State {
            up: Direction::fair(),
            down: Direction::fair(),
            rebind: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let (bell, heard) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        let carrier = Carrier::new(face, heard, ends, state.clone());
        Ok(Cable {
            address,
            state,
            bell,
            thread: Some(std::thread::spawn(move || carrier.run())),
        })
    }

    /// The port that nodes dial.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where nodes dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The weather of one direction.
    pub fn weather(&self, way: Way) -> Weather {
        *self.state.direction(way).weather()
    }

    /// The weather of one direction from now on; packets that are under way have had theirs.
    pub fn set(&self, way: Way, weather: Weather) {
        *self.state.direction(way).weather() = weather;
    }

    /// The weather of both directions from now on.
    pub fn set_both(&self, weather: Weather) {
        self.set(Way::Up, weather);
        self.set(Way::Down, weather);
    }

    /// From now on no packet passes, not even one that is under way.
    pub fn cut(&self) {
        self.cut_ways(true, true);
    }

    /// From now on packets pass from the nodes to the hub, and none comes back.
    pub fn cut_downwards(&self) {
        self.cut_ways(false, true);
    }

    /// From now on packets pass from the hub to the nodes, and none comes back.
    pub fn cut_upwards(&self) {
        self.cut_ways(true, false);
    }

    /// From now on packets pass both ways, through whatever weather there is.
    pub fn heal(&self) {
        self.cut_ways(false, false);
    }

    /// From now on the hub sees the nodes at other addresses, as after a restart of a router that translates them:
    /// what the hub sends to the old ones vanishes.
    pub fn rebind(&self) {
        self.state.rebind.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// What has passed in a direction so far.
    pub fn traffic(&self, way: Way) -> Traffic {
        let direction = self.state.direction(way);
        Traffic {
            packets: direction.packets.load(Ordering::Relaxed),
            bytes: direction.bytes.load(Ordering::Relaxed),
        }
    }

    fn cut_ways(&self, up: bool, down: bool) {
        self.state.up.is_cut.store(up, Ordering::Relaxed);
        self.state.down.is_cut.store(down, Ordering::Relaxed);
    }

    fn ring(&self) {
        // The carrier looks at the state after each byte, and has gone when there is nobody to hear it.
        let _ = io::Write::write(&mut &self.bell, &[1]);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        self.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dice;
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    /// A node, a hub, and a cable between them that nobody has touched.
    struct Pair {
        node: UdpSocket,
        hub: UdpSocket,
        cable: Cable,
    }

    impl Pair {
        fn new(seed: u64) -> Pair {
            let socket = || {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                socket
            };
            let (node, hub) = (socket(), socket());
            let cable = Cable::lay(Ends {
                port: 0,
                nodes: None,
                hub: hub.local_addr().unwrap(),
                hub_in: None,
                seed,
            });
            let cable = cable.unwrap();
            node.connect(cable.address()).unwrap();
            Pair { node, hub, cable }
        }

        /// The bodies that the hub has until the one that is sent in fair weather as the last.
        fn bodies(&self, sent: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
            for body in sent {
                self.node.send(&body).unwrap();
            }
            // What was sent has its fate once the carrier has counted or dropped it; a packet behind all others tells.
            let mut got = Vec::new();
            let mut buffer = [0; 2_048];
            let end = b"the end";
            loop {
                self.node.send(end).unwrap();
                while let Ok(length) = self.hub.recv(&mut buffer) {
                    if buffer[..length] == *end {
                        return got;
                    }
                    got.push(buffer[..length].to_vec());
                }
            }
        }
    }

    fn numbers(count: u16) -> impl Iterator<Item = Vec<u8>> {
        (0..count).map(|number| number.to_be_bytes().to_vec())
    }

    #[test]
    fn fair_weather_changes_nothing() {
        let pair = Pair::new(1);
        assert_eq!(pair.bodies(numbers(20)), numbers(20).collect::<Vec<_>>());
        // And back.
        let mut buffer = [0; 16];
        pair.node.send(b"up").unwrap();
        let (_, from) = pair.hub.recv_from(&mut buffer).unwrap();
        pair.hub.send_to(b"down", from).unwrap();
        let length = pair.node.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"down");
        let down = Traffic {
            packets: 1,
            bytes: 4,
        };
        assert_eq!(pair.cable.traffic(Way::Down), down);
    }

    #[test]
    fn the_seed_decides_who_is_lost() {
        let lossy = Weather {
            loss: 0.3,
            ..Weather::FAIR
        };
        let lost = |seed| {
            let pair = Pair::new(seed);
            pair.cable.set(Way::Up, lossy);
            // The end may be lost and come again, at a place in the row that is behind all that counts.
            pair.bodies(numbers(100))
        };
        let expected = |seed: u64| -> Vec<Vec<u8>> {
            let mut dice = Dice::new(seed);
            numbers(100)
                .filter(|_| !lossy.fate(&mut dice).is_lost)
                .collect()
        };
        assert_eq!(lost(5), expected(5));
        assert_ne!(expected(5), expected(6));
    }

    #[test]
    fn packets_arrive_twice_and_damaged_by_one_bit() {
        let pair = Pair::new(2);
        let foul = Weather {
            duplicate: 1.0,
            corrupt: 1.0,
            ..Weather::FAIR
        };
        pair.cable.set(Way::Up, foul);
        pair.node.send(&[0; 100]).unwrap();
        let mut buffer = [0; 200];
        let mut once = || {
            assert_eq!(pair.hub.recv(&mut buffer).unwrap(), 100);
            buffer[..100]
                .iter()
                .map(|byte| byte.count_ones())
                .sum::<u32>()
        };
        assert_eq!((once(), once()), (1, 1));
    }

    #[test]
    fn long_packets_vanish() {
        let pair = Pair::new(3);
        pair.cable.set_both(Weather::NARROW);
        let sent = [vec![1; 1_232], vec![2; 1_233], vec![3; 7]];
        let expected = vec![sent[0].clone(), sent[2].clone()];
        assert_eq!(pair.bodies(sent.into_iter()), expected);
    }

    #[test]
    fn a_delay_is_never_shorter_than_it_says() {
        let pair = Pair::new(4);
        let delay = Duration::from_millis(40);
        pair.cable.set(Way::Up, Weather::far(delay));
        let begin = Instant::now();
        pair.node.send(b"x").unwrap();
        pair.hub.recv(&mut [0; 4]).unwrap();
        assert!(begin.elapsed() >= delay);
    }

    #[test]
    fn cuts_take_their_direction_alone() {
        let pair = Pair::new(5);
        let mut buffer = [0; 16];
        pair.node.send(b"hello").unwrap();
        let (_, from) = pair.hub.recv_from(&mut buffer).unwrap();
        pair.cable.cut_downwards();
        pair.hub.send_to(b"lost", from).unwrap();
        pair.node.send(b"up").unwrap();
        assert_eq!(pair.hub.recv(&mut buffer).unwrap(), 2);
        pair.cable.heal();
        pair.hub.send_to(b"back", from).unwrap();
        let length = pair.node.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"back");
    }

    #[test]
    fn after_a_rebinding_the_hub_sees_another_address() {
        let pair = Pair::new(6);
        let from = || {
            pair.node.send(b"x").unwrap();
            pair.hub.recv_from(&mut [0; 4]).unwrap().1
        };
        let old = from();
        assert_eq!(from(), old);
        pair.cable.rebind();
        // The carrier hears of it in its own time.
        let begin = Instant::now();
        while from() == old {
            assert!(begin.elapsed() < Duration::from_secs(5));
        }
    }
}
