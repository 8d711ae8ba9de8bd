//! A piece of network between nodes that can be cut, without root: forwards UDP.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a waiting thread looks whether it is to end.
const LOOK_UP: Duration = Duration::from_millis(50);
/// The longest packet of UDP.
const PACKET_BYTES_MAX: usize = 64 << 10;

/// Forwards packets between the nodes that dial its port and one hub.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    upwards: AtomicBool,
    downwards: AtomicBool,
    is_over: AtomicBool,
}

impl Cable {
    /// A whole cable to the hub that listens on `hub`; nodes dial `port`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn new(port: u16, hub: u16) -> io::Result<Cable> {
        let face = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        face.set_read_timeout(Some(LOOK_UP))?;
        let state = Arc::new(State {
            upwards: AtomicBool::new(true),
            downwards: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
        });
        let thread = std::thread::spawn({
            let state = state.clone();
            move || carry_up(&face, hub, &state)
        });
        Ok(Cable {
            port,
            state,
            thread: Some(thread),
        })
    }

    /// The port for nodes.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on no packet passes.
    pub fn cut(&self) {
        self.set(false, false);
    }

    /// From now on packets pass from the nodes to the hub, and none comes back.
    pub fn cut_downwards(&self) {
        self.set(true, false);
    }

    /// From now on packets pass from the hub to the nodes, and none comes back.
    pub fn cut_upwards(&self) {
        self.set(false, true);
    }

    /// From now on all packets pass.
    pub fn heal(&self) {
        self.set(true, true);
    }

    fn set(&self, upwards: bool, downwards: bool) {
        self.state.upwards.store(upwards, Ordering::Relaxed);
        self.state.downwards.store(downwards, Ordering::Relaxed);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry_up(face: &UdpSocket, hub: u16, state: &Arc<State>) {
    // One socket towards the hub for each that dials, as a router that translates addresses has it.
    let mut ways: HashMap<SocketAddr, UdpSocket> = HashMap::new();
    let mut threads = Vec::new();
    let mut packet = vec![0; PACKET_BYTES_MAX];
    while !state.is_over.load(Ordering::Relaxed) {
        let Ok((length, from)) = face.recv_from(&mut packet) else {
            continue;
        };
        if !state.upwards.load(Ordering::Relaxed) {
            continue;
        }
        let way = match ways.entry(from) {
            Entry::Occupied(way) => way.into_mut(),
            Entry::Vacant(place) => {
                let Ok((way, back, face)) = open(face, hub) else {
                    continue;
                };
                let state = state.clone();
                threads.push(std::thread::spawn(move || {
                    carry_down(&back, &face, from, &state);
                }));
                place.insert(way)
            }
        };
        // A hub that is down refuses packets; they are lost, as on a real network.
        let _ = way.send(&packet[..length]);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn open(face: &UdpSocket, hub: u16) -> io::Result<(UdpSocket, UdpSocket, UdpSocket)> {
    let way = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    way.connect((Ipv4Addr::LOCALHOST, hub))?;
    way.set_read_timeout(Some(LOOK_UP))?;
    let back = way.try_clone()?;
    Ok((way, back, face.try_clone()?))
}

fn carry_down(back: &UdpSocket, face: &UdpSocket, to: SocketAddr, state: &State) {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    while !state.is_over.load(Ordering::Relaxed) {
        let Ok(length) = back.recv(&mut packet) else {
            continue;
        };
        if state.downwards.load(Ordering::Relaxed) {
            let _ = face.send_to(&packet[..length], to);
        }
    }
}
