//! A tree of the built programs: a top-master, syndics, and swarms of minions.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use wire::Role;
use wire::control::{Ask, RunAsk, Tell};

use super::meter::{Bytes, Meter};
use super::process::{Part, Process};
use super::{PATIENCE, Programs, control};

/// Tokens live longer than any run.
const TOKEN_TTL_S: u64 = 86_400;

/// Resident memory of the hubs, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub top: u64,
    pub syndics: u64,
}

/// The tree; ended when dropped.
pub struct Tree {
    work: PathBuf,
    top: Process,
    syndics: Vec<(Process, SocketAddr)>,
    swarms: Vec<Process>,
    meter: Meter,
}

impl Tree {
    /// A top-master with syndics, connected through the meter.
    pub fn plant(programs: &Programs, work: &Path, count: u32) -> anyhow::Result<Tree> {
        let port = free_port()?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let settings = format!("id: top\ninterface: 127.0.0.1\nport: {port}\n");
        let root = configure(work, "top", "top-master", &settings)?;
        let init = Command::new(&programs.top_master)
            .arg("--root-dir")
            .arg(&root)
            .arg("init")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(init.success(), "`top-master init` failed");
        let top = serve(Part::Top, &programs.top_master, work, "top")?;
        let socket = socket(work, "top", "top-master");
        let finger = control::wait_for_daemon(&socket)?;
        let token = token(&socket, Role::Syndic, count)?;
        let meter = Meter::default();
        let mut syndics = Vec::new();
        for number in 1..=count {
            let (name, port) = (format!("s{number}"), free_port()?);
            let parent = meter.between(address)?;
            let settings = format!(
                "id: {name}\ninterface: 127.0.0.1\nport: {port}\nmaster: {parent}\nmaster_finger: \"{finger}\"\njoin_token: {token}\n"
            );
            configure(work, &name, "syndic", &settings)?;
            let process = serve(Part::Hub, &programs.syndic, work, &name)?;
            syndics.push((process, (Ipv4Addr::LOCALHOST, port).into()));
        }
        let tree = Tree {
            work: work.to_owned(),
            top,
            syndics,
            swarms: Vec::new(),
            meter,
        };
        for name in tree.names() {
            control::wait_for_daemon(&self::socket(work, &name, "syndic"))?;
        }
        Ok(tree)
    }

    fn names(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.syndics.len()).map(|number| format!("s{number}"))
    }

    /// Enrols and connects so many minions, the same number at each syndic, and waits until the top counts them all.
    pub fn populate(
        &mut self,
        programs: &Programs,
        minions: u32,
        grains: Option<&Path>,
    ) -> anyhow::Result<()> {
        let shares = shares(minions, self.syndics.len());
        for ((name, (_, hub)), count) in self.names().zip(&self.syndics).zip(shares) {
            let token = token(&socket(&self.work, &name, "syndic"), Role::Minion, count)?;
            let mut command = Command::new(&programs.swarm);
            command
                .args(["--hub", &hub.to_string(), "--token", &token])
                .args([
                    "--count",
                    &count.to_string(),
                    "--prefix",
                    &format!("{name}m"),
                ])
                .arg("--roll")
                .arg(self.work.join(format!("{name}.roll")));
            if let Some(grains) = grains {
                command.arg("--grains").arg(grains);
            }
            let log = self.work.join(format!("{name}-swarm.log"));
            self.swarms
                .push(Process::start(Part::Minions, &mut command, &log)?);
        }
        for swarm in &self.swarms {
            let line = swarm.hear()?;
            ensure!(line.starts_with("READY "), "a swarm says {line:?}");
        }
        let deadline = Instant::now() + PATIENCE;
        let top = socket(&self.work, "top", "top-master");
        loop {
            let up = control::ask(&top, &Ask::Tree { minions: false }, |tell| match tell {
                Tell::Tree(tree) => Some(tree.totals.up),
                _ => None,
            })?;
            if up == u64::from(minions) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the top counts {up} of {minions}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Everything that runs.
    pub fn processes(&self) -> Vec<&Process> {
        std::iter::once(&self.top)
            .chain(self.syndics.iter().map(|(process, _)| process))
            .chain(&self.swarms)
            .collect()
    }

    /// Resident memory of the hubs.
    pub fn hub_memory(&self) -> anyhow::Result<Memory> {
        let mut memory = Memory {
            top: self.top.memory()?,
            syndics: 0,
        };
        for (syndic, _) in &self.syndics {
            memory.syndics += syndic.memory()?;
        }
        Ok(memory)
    }

    /// What has travelled between the top-master and its syndics.
    pub fn bytes(&self) -> Bytes {
        self.meter.bytes()
    }

    /// The key directory of each syndic.
    pub fn key_directories(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let work = self.work.clone();
        self.names()
            .map(move |name| work.join(name).join("var/lib/banyan/syndic/keys"))
    }

    /// Runs a function on all minions, until the whole account is here; each of them must have succeeded.
    pub fn job(&self, fun: &str, args: &[u8], minions: u32) -> anyhow::Result<Duration> {
        let ask = Ask::Run(Box::new(RunAsk {
            target_kind: "glob".to_owned(),
            target: "*".to_owned(),
            site: None,
            delimiter: ':',
            fun: fun.to_owned(),
            args: args.into(),
            kwargs: (*b"{}").into(),
            user: "bench".to_owned(),
            start_within_ms: 60_000,
            run_ms_max: None,
            roots: None,
            hold_ms: None,
            plan: None,
            detach: false,
        }));
        let began = Instant::now();
        let socket = socket(&self.work, "top", "top-master");
        let counts = control::ask(&socket, &ask, |tell| match tell {
            Tell::Ledger(ledger) => Some(ledger.progress.counts),
            _ => None,
        })?;
        let wall = began.elapsed();
        ensure!(
            counts.ok == u64::from(minions) && counts.expected == counts.ok,
            "not all of {minions} are well: {counts:?}"
        );
        Ok(wall)
    }

    /// Runs `top-master run '*' test.ping` as an operator does.
    pub fn command(&self, programs: &Programs) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let status = Command::new(&programs.top_master)
            .arg("--root-dir")
            .arg(self.work.join("top"))
            .args(["run", "*", "test.ping", "--out", "quiet"])
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "`top-master run` ended with {status}");
        Ok(began.elapsed())
    }
}

/// So many for each of `parts`, as even as can be.
pub fn shares(total: u32, parts: usize) -> impl Iterator<Item = u32> {
    let parts = parts as u32;
    (0..parts).map(move |nth| total / parts + u32::from(nth < total % parts))
}

fn free_port() -> anyhow::Result<u16> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn configure(work: &Path, node: &str, program: &str, settings: &str) -> anyhow::Result<PathBuf> {
    let root = work.join(node);
    let etc = root.join("etc/banyan");
    std::fs::create_dir_all(&etc)?;
    std::fs::write(etc.join(program), settings)?;
    Ok(root)
}

fn serve(part: Part, program: &Path, work: &Path, node: &str) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command.arg("--root-dir").arg(work.join(node)).arg("serve");
    Process::start(part, &mut command, &work.join(format!("{node}.log")))
}

fn socket(work: &Path, node: &str, program: &str) -> PathBuf {
    work.join(node).join(format!("run/banyan/{program}.sock"))
}

fn token(socket: &Path, role: Role, uses: u32) -> anyhow::Result<String> {
    let ask = Ask::TokenCreate {
        role,
        ids: Vec::new(),
        ttl_s: TOKEN_TTL_S,
        uses,
    };
    control::ask(socket, &ask, |tell| match tell {
        Tell::Token { token, .. } => Some(token),
        _ => None,
    })
    .context("no join token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (total, parts, expected) in [
            (10, 3, vec![4, 3, 3]),
            (1, 2, vec![1, 0]),
            (4, 2, vec![2, 2]),
        ] {
            assert_eq!(shares(total, parts).collect::<Vec<_>>(), expected);
        }
    }
}
