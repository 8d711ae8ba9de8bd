//! The same fan-out by a transport alone: as many servers as syndics, as many peers as minions.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::Programs;
use super::process::{Part, Process, quiet};
use super::tree::{Tree, shares};

/// What has nothing above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// quinn.
    Quic,
    /// TLS over TCP.
    Tls,
    /// Datagrams that nobody protects, orders or repeats.
    Udp,
}

impl Transport {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Quic => "quinn alone",
            Transport::Tls => "TLS over TCP",
            Transport::Udp => "raw UDP",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Transport::Quic => "quic",
            Transport::Tls => "tls",
            Transport::Udp => "udp",
        }
    }
}

/// Servers and their clients; ended when dropped.
pub struct Floor {
    transport: Transport,
    servers: Vec<Process>,
    clients: Vec<Process>,
    /// Bytes that the servers took for the connections.
    memory: u64,
}

impl Floor {
    /// Connects as many clients as the tree has minions, with the keys of its syndics.
    pub fn connect(
        transport: Transport,
        programs: &Programs,
        work: &Path,
        tree: &Tree,
        minions: u32,
    ) -> anyhow::Result<Floor> {
        let word = transport.word();
        let mut floor = Floor {
            transport,
            servers: Vec::new(),
            clients: Vec::new(),
            memory: 0,
        };
        let keys: Vec<_> = tree.key_directories().collect();
        let shares: Vec<u32> = shares(minions, keys.len()).collect();
        let mut empty = 0;
        for (number, (keys, share)) in keys.iter().zip(&shares).enumerate() {
            let log = work.join(format!("{word}-{number}.log"));
            let mut command = Command::new(&programs.floor);
            command.args(["server", word]).arg(keys);
            let server = Process::start(Part::Hub, &mut command, &log)?;
            let port = server.hear()?;
            empty += server.memory()?;
            let log = work.join(format!("{word}-clients-{number}.log"));
            let mut command = Command::new(&programs.floor);
            command.args(["clients", word]).arg(keys);
            command.args([&format!("127.0.0.1:{port}"), &share.to_string()]);
            let clients = Process::start(Part::Minions, &mut command, &log)?;
            floor.servers.push(server);
            floor.clients.push(clients.with_peers(*share));
        }
        for clients in &floor.clients {
            clients.hear()?;
        }
        quiet(&floor.processes())?;
        for (server, share) in floor.servers.iter_mut().zip(shares) {
            server.say("count")?;
            let (line, expected) = (server.hear()?, format!("READY {share}"));
            ensure!(line == expected, "a server says {line:?}, not {expected:?}");
            floor.memory += server.memory()?;
        }
        floor.memory = floor.memory.saturating_sub(empty);
        Ok(floor)
    }

    /// What it is made of.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Everything that runs.
    pub fn processes(&self) -> Vec<&Process> {
        self.servers.iter().chain(&self.clients).collect()
    }

    /// Bytes that the servers took for the connections.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// One command to each client, one reply of so many bytes from each.
    pub fn round(&mut self, bytes: u64) -> anyhow::Result<Duration> {
        let began = Instant::now();
        for server in &mut self.servers {
            server.say(&format!("round {bytes}"))?;
        }
        for server in &self.servers {
            let line = server.hear()?;
            ensure!(line == "DONE", "a server says {line:?}");
        }
        Ok(began.elapsed())
    }
}
