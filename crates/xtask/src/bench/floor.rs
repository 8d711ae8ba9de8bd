//! The same fan-out by quinn alone: as many servers as syndics, as many connections as minions.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::Programs;
use super::process::{Part, Process, quiet};
use super::tree::{Tree, shares};

/// Servers and their clients; ended when dropped.
pub struct Floor {
    servers: Vec<Process>,
    clients: Vec<Process>,
    /// Bytes that the servers took for the connections.
    memory: u64,
}

impl Floor {
    /// Connects as many clients as the tree has minions, with the keys of its syndics.
    pub fn connect(
        programs: &Programs,
        work: &Path,
        tree: &Tree,
        minions: u32,
    ) -> anyhow::Result<Floor> {
        let mut floor = Floor {
            servers: Vec::new(),
            clients: Vec::new(),
            memory: 0,
        };
        let keys: Vec<_> = tree.key_directories().collect();
        let shares: Vec<u32> = shares(minions, keys.len()).collect();
        let mut empty = 0;
        for (number, (keys, share)) in keys.iter().zip(&shares).enumerate() {
            let log = work.join(format!("floor-{number}.log"));
            let mut command = Command::new(&programs.floor);
            let server = Process::start(Part::Hub, command.arg("server").arg(keys), &log)?;
            let port = server.hear()?;
            empty += server.memory()?;
            let log = work.join(format!("floor-clients-{number}.log"));
            let mut command = Command::new(&programs.floor);
            command.arg("clients").arg(keys);
            command.args([&format!("127.0.0.1:{port}"), &share.to_string()]);
            let clients = Process::start(Part::Minions, &mut command, &log)?;
            floor.servers.push(server);
            floor.clients.push(clients);
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

    /// Everything that runs.
    pub fn processes(&self) -> Vec<&Process> {
        self.servers.iter().chain(&self.clients).collect()
    }

    /// Bytes that the servers took for the connections.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// One command to each client, one reply from each.
    pub fn round(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        for server in &mut self.servers {
            server.say("round")?;
        }
        for server in &self.servers {
            let line = server.hear()?;
            ensure!(line == "DONE", "a server says {line:?}");
        }
        Ok(began.elapsed())
    }
}
