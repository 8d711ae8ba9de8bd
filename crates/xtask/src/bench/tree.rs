//! A tree of the built programs: a top-master, syndics, cables between them, and swarms of minions.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cable::{Cable, Ends, Way, Weather};
use wire::Role;
use wire::control::{Ask, MinionCounts, Tell};

use super::order::Order;
use super::process::{self, Part, Process};
use super::{PATIENCE, Programs, control};

/// Tokens live longer than any run.
const TOKEN_TTL_S: u64 = 86_400;

/// Resident memory of the hubs, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub top: u64,
    pub syndics: u64,
}

impl Memory {
    /// What came since then.
    pub fn since(self, before: Memory) -> Memory {
        Memory {
            top: self.top.saturating_sub(before.top),
            syndics: self.syndics.saturating_sub(before.syndics),
        }
    }
}

/// UDP payload between hubs, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// From children to their parents.
    pub up: u64,
    /// From parents to their children.
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

/// The tree; ended when dropped.
pub struct Tree {
    work: PathBuf,
    fingerprint: String,
    /// The top-master, and the syndics in the order in which they were added.
    hubs: Vec<Hub>,
    /// Other top-masters of the same tree.
    other_tops: Vec<Hub>,
    swarms: Vec<Process>,
    /// Minions with a program of their own.
    singles: Vec<Process>,
    /// All of them.
    minions: u32,
    /// Between each syndic and its parent.
    cables: Vec<Cable>,
}

struct Hub {
    name: String,
    program: &'static str,
    path: PathBuf,
    address: SocketAddr,
    process: Process,
}

impl Tree {
    /// A top-master with so many syndics.
    pub fn plant(programs: &Programs, work: &Path, count: u32) -> anyhow::Result<Tree> {
        Tree::plant_with(programs, work, count, "")
    }

    /// The same, with more lines in the top-master's configuration.
    pub fn plant_with(
        programs: &Programs,
        work: &Path,
        count: u32,
        settings: &str,
    ) -> anyhow::Result<Tree> {
        let mut tree = Tree::top(programs, work, settings)?;
        for _ in 0..count {
            tree.add_syndic(programs, 0, "")?;
        }
        tree.wait_for_daemons()?;
        Ok(tree)
    }

    /// A top-master with a syndic below it, and one below that, and so on.
    pub fn chain(programs: &Programs, work: &Path, levels: usize) -> anyhow::Result<Tree> {
        let mut tree = Tree::top(programs, work, "")?;
        for parent in 0..levels {
            tree.add_syndic(programs, parent, "")?;
            // The next one asks it for a token.
            tree.wait_for_daemons()?;
        }
        Ok(tree)
    }

    /// A top-master alone, with more lines in its configuration.
    pub fn top(programs: &Programs, work: &Path, settings: &str) -> anyhow::Result<Tree> {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()?).into();
        let root = configure(
            work,
            "top",
            "top-master",
            &top_settings("top", address, settings),
        )?;
        let init = Command::new(&programs.top_master)
            .arg("--root-dir")
            .arg(&root)
            .arg("init")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(init.success(), "`top-master init` failed");
        let mut tree = Tree {
            work: work.to_owned(),
            fingerprint: String::new(),
            hubs: Vec::new(),
            other_tops: Vec::new(),
            swarms: Vec::new(),
            singles: Vec::new(),
            minions: 0,
            cables: Vec::new(),
        };
        tree.serve("top", "top-master", &programs.top_master, address)?;
        tree.fingerprint = control::wait_for_daemon(&tree.socket(0))?;
        Ok(tree)
    }

    /// One more top-master of the tree, with more lines in its configuration. Syndics that are added later have all of them above
    /// them; [`wait_for_minions`](Self::wait_for_minions) waits for the counts of all.
    pub fn add_top(
        &mut self,
        programs: &Programs,
        name: &str,
        settings: &str,
    ) -> anyhow::Result<()> {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()?).into();
        configure(
            &self.work,
            name,
            "top-master",
            &top_settings(name, address, settings),
        )?;
        let (request, admission) = (self.work.join("request"), self.work.join("admission"));
        for (node, step, files) in [
            (name, "request", vec![&request]),
            ("top", "admit", vec![&request, &admission]),
            (name, "complete", vec![&admission]),
        ] {
            let mut command = Command::new(&programs.top_master);
            command.arg("--root-dir").arg(self.work.join(node));
            // It tells a person what to carry where.
            command.stderr(Stdio::null());
            process::timed(command.args(["join", step]).args(files))?;
        }
        let process = start(Part::Top, &programs.top_master, &self.work, name)?;
        self.other_tops.push(Hub {
            name: name.to_owned(),
            program: "top-master",
            path: programs.top_master.clone(),
            address,
            process,
        });
        self.wait_for_daemons()
    }

    /// One more syndic below a hub that answers, with more lines in its configuration.
    pub fn add_syndic(
        &mut self,
        programs: &Programs,
        parent: usize,
        settings: &str,
    ) -> anyhow::Result<()> {
        let number = self.hubs.len();
        let (name, port) = (format!("s{number}"), free_port()?);
        let token = token(&self.socket(parent), Role::Syndic, 1)?;
        let cable = Cable::lay(Ends {
            port: 0,
            nodes: None,
            hub: self.hubs[parent].address,
            hub_in: None,
            seed: number as u64,
        })?;
        let mut parents = vec![cable.address().to_string()];
        if parent == 0 {
            parents.extend(self.other_tops.iter().map(|top| top.address.to_string()));
        }
        let settings = format!(
            "id: {name}\ninterface: 127.0.0.1\nport: {port}\nmaster: [{}]\nmaster_finger: \"{}\"\njoin_token: {token}\n{settings}",
            parents.join(", "),
            self.fingerprint
        );
        self.cables.push(cable);
        configure(&self.work, &name, "syndic", &settings)?;
        self.serve(
            &name,
            "syndic",
            &programs.syndic,
            (Ipv4Addr::LOCALHOST, port).into(),
        )
    }

    fn serve(
        &mut self,
        name: &str,
        program: &'static str,
        path: &Path,
        address: SocketAddr,
    ) -> anyhow::Result<()> {
        let part = if self.hubs.is_empty() {
            Part::Top
        } else {
            Part::Hub
        };
        self.hubs.push(Hub {
            name: name.to_owned(),
            program,
            path: path.to_owned(),
            address,
            process: start(part, path, &self.work, name)?,
        });
        Ok(())
    }

    /// Waits until all hubs answer.
    pub fn wait_for_daemons(&self) -> anyhow::Result<()> {
        for hub in self.hubs.iter().chain(&self.other_tops) {
            control::wait_for_daemon(&self.socket_of(hub))?;
        }
        Ok(())
    }

    /// Where a hub is asked; the top-master is the first one.
    pub fn socket(&self, hub: usize) -> PathBuf {
        self.socket_of(&self.hubs[hub])
    }

    fn socket_of(&self, hub: &Hub) -> PathBuf {
        let Hub { name, program, .. } = hub;
        self.work
            .join(name)
            .join(format!("run/banyan/{program}.sock"))
    }

    /// The weather of all cables, both ways.
    pub fn weather(&self, weather: Weather) {
        for cable in &self.cables {
            cable.set_both(weather);
        }
    }

    /// Enrols and connects so many minions, the same number at each of these hubs, and waits until the top counts them all.
    pub fn populate(
        &mut self,
        programs: &Programs,
        minions: u32,
        hubs: Range<usize>,
        grains: Option<&Path>,
    ) -> anyhow::Result<()> {
        self.add_swarms(programs, minions, hubs, grains)?;
        self.wait_for_minions()
    }

    /// Starts the processes that enrol and connect so many minions, the same number at each of these hubs.
    pub fn add_swarms(
        &mut self,
        programs: &Programs,
        minions: u32,
        hubs: Range<usize>,
        grains: Option<&Path>,
    ) -> anyhow::Result<()> {
        let shares = shares(minions, hubs.len());
        for (hub, count) in hubs.zip(shares) {
            let prefix = format!("{}m", self.hubs[hub].name);
            self.add_swarm(programs, hub, count, &prefix, grains)?;
        }
        Ok(())
    }

    /// One more minion of a hub, the real program and no part of a swarm; [`wait_for_minions`](Self::wait_for_minions) waits
    /// for it.
    pub fn add_minion(&mut self, programs: &Programs, hub: usize, id: &str) -> anyhow::Result<()> {
        self.add_minion_with(programs, hub, id, "")
    }

    /// The same, with more lines in its configuration.
    pub fn add_minion_with(
        &mut self,
        programs: &Programs,
        hub: usize,
        id: &str,
        settings: &str,
    ) -> anyhow::Result<()> {
        let token = token(&self.socket(hub), Role::Minion, 1)?;
        let settings = format!(
            "id: {id}\nmaster: {}\nmaster_finger: \"{}\"\njoin_token: {token}\n{settings}",
            self.hubs[hub].address, self.fingerprint
        );
        configure(&self.work, id, "minion", &settings)?;
        let process = start(Part::Minions, &programs.minion, &self.work, id)?;
        self.singles.push(process);
        self.minions += 1;
        Ok(())
    }

    /// A minion that comes without a token, so that its key waits for an operator; returns when the hub has it.
    pub fn add_stranger(
        &mut self,
        programs: &Programs,
        hub: usize,
        id: &str,
    ) -> anyhow::Result<()> {
        let settings = format!(
            "id: {id}\nmaster: {}\nmaster_finger: \"{}\"\n",
            self.hubs[hub].address, self.fingerprint
        );
        configure(&self.work, id, "minion", &settings)?;
        let process = start(Part::Minions, &programs.minion, &self.work, id)?;
        self.singles.push(process);
        let deadline = Instant::now() + PATIENCE;
        let is_known = |tell| match tell {
            Tell::Keys(rows) => Some(rows.iter().any(|row| row.id == id)),
            _ => None,
        };
        while !control::ask(&self.socket(hub), &Ask::Keys, is_known)? {
            ensure!(Instant::now() < deadline, "the hub has no key of {id}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// A minion with a program of its own, in the order in which they were added.
    pub fn minion(&self, number: usize) -> &Process {
        &self.singles[number]
    }

    /// Kills it with SIGKILL.
    pub fn kill_minion(&mut self, number: usize) {
        self.singles[number].kill();
    }

    /// Starts it again.
    pub fn start_minion(
        &mut self,
        programs: &Programs,
        number: usize,
        id: &str,
    ) -> anyhow::Result<()> {
        self.singles[number] = start(Part::Minions, &programs.minion, &self.work, id)?;
        Ok(())
    }

    fn add_swarm(
        &mut self,
        programs: &Programs,
        hub: usize,
        count: u32,
        prefix: &str,
        grains: Option<&Path>,
    ) -> anyhow::Result<()> {
        let token = token(&self.socket(hub), Role::Minion, count)?;
        let mut command = Command::new(&programs.swarm);
        command
            .args(["--hub", &self.hubs[hub].address.to_string()])
            .args(["--token", &token])
            .args(["--count", &count.to_string()])
            .args(["--prefix", prefix])
            .arg("--roll")
            .arg(self.work.join(format!("{prefix}.roll")));
        if let Some(grains) = grains {
            command.arg("--grains").arg(grains);
        }
        let log = self.swarm_log(hub);
        let process = Process::start(Part::Minions, &mut command, &log)?;
        self.swarms.push(process.with_peers(count));
        self.minions += count;
        Ok(())
    }

    /// Waits until every top counts every minion that was added.
    pub fn wait_for_minions(&self) -> anyhow::Result<()> {
        let minions = self.minions;
        for swarm in &self.swarms {
            let line = swarm.hear()?;
            ensure!(line.starts_with("READY "), "a swarm says {line:?}");
        }
        let deadline = Instant::now() + PATIENCE;
        for top in self.hubs[..1].iter().chain(&self.other_tops) {
            let socket = self.socket_of(top);
            loop {
                let up = counts(&socket)?.up;
                if up == u64::from(minions) {
                    break;
                }
                ensure!(
                    Instant::now() < deadline,
                    "{} counts {up} of {minions}",
                    top.name
                );
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Ok(())
    }

    /// What the minions of a hub say when they lose it, and when they can't reach it.
    pub fn swarm_log(&self, hub: usize) -> PathBuf {
        self.work.join(format!("{}-swarm.log", self.hubs[hub].name))
    }

    /// How the top-master counts its minions.
    pub fn counts(&self) -> anyhow::Result<MinionCounts> {
        counts(&self.socket(0))
    }

    /// Kills a hub with SIGKILL.
    pub fn kill(&mut self, hub: usize) {
        self.hubs[hub].process.kill();
    }

    /// Kills a hub and starts it again.
    pub fn restart(&mut self, hub: usize) -> anyhow::Result<()> {
        let (part, path) = (self.hubs[hub].process.part, self.hubs[hub].path.clone());
        let name = self.hubs[hub].name.clone();
        self.kill(hub);
        self.hubs[hub].process = start(part, &path, &self.work, &name)?;
        Ok(())
    }

    /// The site that a syndic under the top-master serves.
    pub fn site(&self, syndic: usize) -> &str {
        &self.hubs[syndic].name
    }

    /// No packet passes between a syndic and its parent any more.
    pub fn cut(&self, syndic: usize) {
        self.cables[syndic - 1].cut();
    }

    /// Packets pass again.
    pub fn heal(&self, syndic: usize) {
        self.cables[syndic - 1].heal();
    }

    /// The process of a hub; the top-master is the first one.
    pub fn hub(&self, hub: usize) -> &Process {
        &self.hubs[hub].process
    }

    /// Everything that runs.
    pub fn processes(&self) -> Vec<&Process> {
        let hubs = self.hubs.iter().map(|hub| &hub.process);
        let others = self.other_tops.iter().map(|top| &top.process);
        hubs.chain(others)
            .chain(&self.swarms)
            .chain(&self.singles)
            .collect()
    }

    /// The syndics.
    pub fn syndics(&self) -> impl Iterator<Item = &Process> {
        self.hubs[1..].iter().map(|hub| &hub.process)
    }

    /// Resident memory of the hubs.
    pub fn hub_memory(&self) -> anyhow::Result<Memory> {
        let mut memory = Memory::default();
        for (number, hub) in self.hubs.iter().enumerate() {
            let of = if number == 0 {
                &mut memory.top
            } else {
                &mut memory.syndics
            };
            *of += hub.process.memory()?;
        }
        Ok(memory)
    }

    /// What has travelled between hubs.
    pub fn bytes(&self) -> Bytes {
        let of = |way| {
            self.cables
                .iter()
                .map(|cable| cable.traffic(way).bytes)
                .sum()
        };
        Bytes {
            up: of(Way::Up),
            down: of(Way::Down),
        }
    }

    /// The key directory of each syndic.
    pub fn key_directories(&self) -> impl Iterator<Item = PathBuf> {
        self.hubs[1..]
            .iter()
            .map(|hub| self.work.join(&hub.name).join("var/lib/banyan/syndic/keys"))
    }

    /// Runs a function on all minions, until the whole account is here; each of them must have succeeded.
    pub fn job(&self, fun: &str, args: &str, minions: u32) -> anyhow::Result<Duration> {
        let (wall, ok, expected) = Order::new("*", fun, args).run(&self.socket(0))?;
        ensure!(
            ok == u64::from(minions) && expected == ok,
            "of {minions}, {expected} are expected and {ok} are ok"
        );
        Ok(wall)
    }

    /// Where orders are given.
    pub fn top_socket(&self) -> PathBuf {
        self.socket(0)
    }

    /// The command line of the top-master as an operator begins it; words follow.
    pub fn operator(&self, programs: &Programs) -> Command {
        let mut command = Command::new(&programs.top_master);
        command.arg("--root-dir").arg(self.work.join("top"));
        command
    }

    /// Runs the command line of the top-master as an operator does, and gives how long the whole process took.
    pub fn command(&self, programs: &Programs, words: &[&str]) -> anyhow::Result<Duration> {
        process::timed(self.operator(programs).args(words))
    }
}

/// So many for each of `parts`, as even as can be.
pub fn shares(total: u32, parts: usize) -> impl Iterator<Item = u32> {
    let parts = parts as u32;
    (0..parts).map(move |nth| total / parts + u32::from(nth < total % parts))
}

/// How a hub counts its minions.
fn counts(socket: &Path) -> anyhow::Result<MinionCounts> {
    control::ask(socket, &Ask::Tree { minions: false }, |tell| match tell {
        Tell::Tree(tree) => Some(tree.totals),
        _ => None,
    })
}

fn top_settings(name: &str, address: SocketAddr, more: &str) -> String {
    let port = address.port();
    format!("id: {name}\ninterface: 127.0.0.1\nport: {port}\n{more}")
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

/// Starts the daemon of a node that is configured.
pub fn start(part: Part, program: &Path, work: &Path, node: &str) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command.arg("--root-dir").arg(work.join(node)).arg("serve");
    // By which the commands that it starts know where they are.
    command.env("NODE", node);
    Process::start(part, &mut command, &work.join(format!("{node}.log")))
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
