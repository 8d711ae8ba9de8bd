//! Real Salt: a master of masters with lower masters, syndics and minions, or one master with all minions.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use super::super::PATIENCE;
use super::group::Group;
use super::plan::Plan;
use super::side::Side;

/// Keeps syndics alive on older Pythons; it lies in a directory of its own, which Python searches.
const REPAIR: &str = include_str!("sitecustomize.py");
/// Makes a key pair of this name in each directory that is named.
const MAKE_KEYS: &str = "\
import sys, salt.crypt
for directory in sys.argv[2:]:
    salt.crypt.write_keys(directory, sys.argv[1], 2048)
";
/// Where a minion and a syndic keep their keys, and where a master keeps its own, those that it accepted and those that wait, below
/// their roots.
const OWN_KEYS: &str = "etc/salt/pki/minion";
const MASTER_KEYS: &str = "etc/salt/pki/master";
const ACCEPTED_KEYS: &str = "etc/salt/pki/master/minions";
const WAITING_KEYS: &str = "etc/salt/pki/master/minions_pre";
/// The longest path of a socket, by Linux, and what Salt appends to a root.
const SOCKET_PATH_MAX: usize = 107;
const SOCKET: &str = "/run/minion/minion_event_0123456789_pull.ipc";

/// Salt's programs.
#[derive(Clone)]
pub struct Programs {
    bin: PathBuf,
    repair: PathBuf,
    /// What they say of their version.
    pub version: String,
}

impl Programs {
    /// Those of a virtual environment; the repair is written below `work`.
    pub fn find(venv: &Path, work: &Path) -> anyhow::Result<Programs> {
        // Daemons start elsewhere.
        let venv = std::path::absolute(venv)?;
        let mut programs = Programs {
            bin: venv.join("bin"),
            repair: work.join("repair"),
            version: String::new(),
        };
        std::fs::create_dir_all(&programs.repair)?;
        std::fs::write(programs.repair.join("sitecustomize.py"), REPAIR)?;
        let output = programs.command("salt").arg("--version").output();
        let output = output.with_context(|| format!("no Salt in {}", venv.display()))?;
        ensure!(
            output.status.success(),
            "`salt --version` failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        programs.version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(programs)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env("PYTHONPATH", &self.repair)
            // It would compile the same modules at each start.
            .env_remove("PYTHONDONTWRITEBYTECODE");
        command
    }
}

/// A Salt tree; ended when dropped.
pub struct Salt {
    form: Form,
    programs: Programs,
    work: PathBuf,
    masters: Vec<Master>,
    /// One, or two of the same rank.
    tops: BTreeMap<String, Group>,
    /// A lower master and its syndic each, by the id of the syndic.
    sites: BTreeMap<String, Group>,
    minions: BTreeMap<String, Group>,
}

/// What the programs are told beside who they are and where the others are; all else is as Salt ships it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the top master.
    pub top: Value,
    /// Of the lower masters.
    pub lower: Value,
    /// Of single lower masters beside that, by the ids of their syndics.
    pub sites: BTreeMap<String, Value>,
    /// Of minions, by their ids.
    pub minions: BTreeMap<String, Value>,
}

impl Settings {
    /// The same for all masters.
    pub fn of_masters(settings: &Value) -> Settings {
        Settings {
            top: settings.clone(),
            lower: settings.clone(),
            sites: BTreeMap::new(),
            minions: BTreeMap::new(),
        }
    }
}

/// How masters are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A master of masters, and for each site a lower master with a syndic.
    Tree,
    /// The same with two masters of masters, which share one key.
    TwoTops,
    /// One master with all minions: Salt's faster form.
    Flat,
}

/// The names of tops.
const TOP: &str = "top";
const SECOND_TOP: &str = "top2";

impl Form {
    fn tops(self) -> &'static [&'static str] {
        match self {
            Form::Tree | Form::Flat => &[TOP],
            Form::TwoTops => &[TOP, SECOND_TOP],
        }
    }
}

/// A master's place.
struct Master {
    node: String,
    address: Ipv4Addr,
    requests: u16,
    events: u16,
}

impl Salt {
    /// Starts all of it; minions and syndics connect later.
    pub fn start(
        form: Form,
        programs: &Programs,
        work: &Path,
        plan: &Plan,
        settings: &Settings,
    ) -> anyhow::Result<Salt> {
        let mut salt = Salt {
            form,
            programs: programs.clone(),
            work: work.to_owned(),
            masters: Vec::new(),
            tops: BTreeMap::new(),
            sites: BTreeMap::new(),
            minions: BTreeMap::new(),
        };
        let sites: Vec<String> = match form {
            Form::Tree | Form::TwoTops => plan.sites().collect(),
            Form::Flat => Vec::new(),
        };
        let mut masters = masters(std::iter::once(TOP).chain(sites.iter().map(String::as_str)))?;
        let mut tops = vec![masters.remove(0)];
        let lower = &masters;
        if form == Form::TwoTops {
            tops.push(tops[0].second());
        }
        let top = &tops[0];
        let above = |site: usize| lower.get(site).unwrap_or(top);
        for top in &tops {
            let mut is_above = json!({"order_masters": form != Form::Flat});
            if form == Form::TwoTops {
                // By what syndics call it they know to whom a return belongs.
                is_above["master_id"] = json!(top.address);
            }
            salt.configure_master(top, &[&settings.top, &is_above])?;
        }
        salt.share_master_key(&tops)?;
        let addresses: Vec<Ipv4Addr> = tops.iter().map(|top| top.address).collect();
        for master in lower {
            let upwards = json!({"syndic_master": addresses, "syndic_master_port": top.requests});
            let own = settings.sites.get(&master.node).unwrap_or(&Value::Null);
            salt.configure_master(master, &[&settings.lower, own, &upwards])?;
            // Its syndic takes the id from there.
            salt.configure_minion(&master.node, top, &Value::Null)?;
        }
        for minion in plan.minions() {
            let more = settings.minions.get(&minion.id).unwrap_or(&Value::Null);
            salt.configure_minion(&minion.id, above(minion.site), more)?;
        }
        salt.make_keys(sites.iter().cloned().chain(plan.minions().map(|it| it.id)))?;
        for (top, site) in tops
            .iter()
            .flat_map(|top| sites.iter().map(move |site| (top, site)))
        {
            salt.place_key(&top.node, site, ACCEPTED_KEYS)?;
        }
        for minion in plan.minions() {
            let master = &above(minion.site).node;
            salt.place_key(master, &minion.id, ACCEPTED_KEYS)?;
        }
        masters.append(&mut tops);
        salt.masters = masters;
        for top in form.tops() {
            salt.start_top(top)?;
        }
        for site in &sites {
            salt.start_master(site)?;
        }
        wait_for(&salt.masters)?;
        for site in &sites {
            salt.start_syndic(site)?;
        }
        for minion in plan.minions() {
            salt.start_minion(&minion.id)?;
        }
        Ok(salt)
    }

    fn start_top(&mut self, node: &str) -> anyhow::Result<()> {
        let mut group = Group::new()?;
        let (master, log) = self.daemon("salt-master", node);
        group.start(master, &log)?;
        self.tops.insert(node.to_owned(), group);
        Ok(())
    }

    fn start_master(&mut self, site: &str) -> anyhow::Result<()> {
        let mut group = Group::new()?;
        let (master, log) = self.daemon("salt-master", site);
        group.start(master, &log)?;
        self.sites.insert(site.to_owned(), group);
        Ok(())
    }

    fn start_syndic(&mut self, site: &str) -> anyhow::Result<()> {
        let (syndic, log) = self.daemon("salt-syndic", site);
        let group = self.sites.get_mut(site);
        group.context("no such site")?.start(syndic, &log)
    }

    fn start_minion(&mut self, id: &str) -> anyhow::Result<()> {
        let mut group = Group::new()?;
        let (mut program, log) = self.daemon("salt-minion", id);
        // No second process that only watches the first.
        program.arg("--disable-keepalive");
        group.start(program, &log)?;
        self.minions.insert(id.to_owned(), group);
        Ok(())
    }

    /// The processes of a node.
    fn group(&self, node: &str) -> Option<&Group> {
        let all = [&self.tops, &self.sites, &self.minions];
        all.into_iter().find_map(|groups| groups.get(node))
    }

    /// Sends a signal, by its name without SIG, to all processes of a top, of a site's hub or of a minion.
    pub fn signal(&self, name: &str, node: &str) -> anyhow::Result<()> {
        let group = self.group(node);
        group
            .with_context(|| format!("{node} does not run"))?
            .signal(name)
    }

    /// Kills all processes of a top, of a site's hub or of a minion.
    pub fn kill(&mut self, node: &str) {
        for groups in [&mut self.tops, &mut self.sites, &mut self.minions] {
            groups.remove(node);
        }
    }

    /// Starts what was killed.
    pub fn revive(&mut self, node: &str) -> anyhow::Result<()> {
        // The number in it may be that of another process by now, and then Salt does not start.
        for run in ["var/run", "run"] {
            let Ok(files) = std::fs::read_dir(self.work.join(node).join(run)) else {
                continue;
            };
            for file in files {
                let path = file?.path();
                if path.extension().is_some_and(|extension| extension == "pid") {
                    std::fs::remove_file(path)?;
                }
            }
        }
        if self.form.tops().contains(&node) {
            self.start_top(node)?;
            return wait_for(&self.masters);
        }
        if self.masters.iter().all(|master| master.node != node) {
            return self.start_minion(node);
        }
        self.start_master(node)?;
        wait_for(&self.masters)?;
        self.start_syndic(node)
    }

    /// A daemon of a node, and its log.
    fn daemon(&self, program: &str, node: &str) -> (Command, PathBuf) {
        let mut command = self.tool(program, node);
        // By which the commands that it starts know where they are.
        command.env("NODE", node);
        (command, self.work.join(format!("{node}-{program}.log")))
    }

    fn configure_master(&self, master: &Master, layers: &[&Value]) -> anyhow::Result<()> {
        let root = self.work.join(&master.node);
        let own = json!({
            "root_dir": root,
            "sock_dir": "/run/master",
            "interface": master.address,
            "ret_port": master.requests,
            "publish_port": master.events,
            "log_level": "warning",
        });
        write_settings(&root, "master", &[&[&own], layers].concat())
    }

    fn configure_minion(&self, node: &str, master: &Master, more: &Value) -> anyhow::Result<()> {
        let root = self.work.join(node);
        ensure!(
            root.as_os_str().len() + SOCKET.len() <= SOCKET_PATH_MAX,
            "{} is too long a path for Salt's sockets: work in a shorter one (CARGO_TARGET_DIR)",
            root.display()
        );
        let settings = json!({
            "root_dir": root,
            "sock_dir": "/run/minion",
            "id": node,
            "master": "127.0.0.1",
            "master_port": master.requests,
            // A syndic would take that of its own master, which Salt expects to be the same number.
            "publish_port": master.events,
            // A thread for each job instead of a process: less time and memory.
            "multiprocessing": false,
            // They take seconds at the start.
            "enable_fqdns_grains": false,
            "enable_gpu_grains": false,
            "log_level": "warning",
        });
        write_settings(&root, "minion", &[&settings, more])
    }

    fn make_keys(&self, nodes: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let directories = nodes.map(|node| self.work.join(node).join(OWN_KEYS));
        self.make_keys_in("minion", &directories.collect::<Vec<_>>())
    }

    /// Several tops have to be one for those below them.
    fn share_master_key(&self, tops: &[Master]) -> anyhow::Result<()> {
        let [first, others @ ..] = tops else {
            return Ok(());
        };
        let keys = |top: &Master| self.work.join(&top.node).join(MASTER_KEYS);
        if !others.is_empty() {
            self.make_keys_in("master", &[keys(first)])?;
        }
        for other in others {
            std::fs::create_dir_all(keys(other))?;
            for name in ["master.pem", "master.pub"] {
                std::fs::copy(keys(first).join(name), keys(other).join(name))?;
            }
        }
        Ok(())
    }

    fn make_keys_in(&self, name: &str, directories: &[PathBuf]) -> anyhow::Result<()> {
        let mut command = self.programs.command("python");
        command.args(["-c", MAKE_KEYS, name]);
        for directory in directories {
            std::fs::create_dir_all(directory)?;
            command.arg(directory);
        }
        let output = command.output()?;
        ensure!(
            output.status.success(),
            "Salt makes no keys: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The master knows the node's key before it asks, so nobody waits for acceptance.
    fn place_key(&self, master: &str, node: &str, place: &str) -> anyhow::Result<()> {
        let place = self.work.join(master).join(place);
        std::fs::create_dir_all(&place)?;
        let key = self.work.join(node).join(OWN_KEYS).join("minion.pub");
        std::fs::copy(key, place.join(node))?;
        Ok(())
    }

    /// Keys of minions that never start: accepted at the top, or waiting there for an operator.
    pub fn add_keys(&self, minions: &[&str], are_accepted: bool) -> anyhow::Result<()> {
        self.make_keys(minions.iter().map(|id| (*id).to_owned()))?;
        let place = if are_accepted {
            ACCEPTED_KEYS
        } else {
            WAITING_KEYS
        };
        for minion in minions {
            self.place_key("top", minion, place)?;
        }
        Ok(())
    }

    /// A command of an operator, with the configuration of a node.
    pub fn tool(&self, program: &str, node: &str) -> Command {
        let mut command = self.programs.command(program);
        command.arg("-c").arg(self.work.join(node).join("etc/salt"));
        command
    }
}

impl Side for Salt {
    fn name(&self) -> &'static str {
        match self.form {
            Form::Tree => "Salt's tree",
            Form::TwoTops => "Salt's tree of two tops",
            Form::Flat => "Salt flat",
        }
    }

    fn command(&self) -> Command {
        self.tool("salt", "top")
    }

    fn processes(&self) -> anyhow::Result<[Vec<u32>; 3]> {
        let mut all = [Vec::new(), Vec::new(), Vec::new()];
        for (part, groups) in all.iter_mut().zip([&self.tops, &self.sites, &self.minions]) {
            for group in groups.values() {
                part.extend(group.processes()?);
            }
        }
        Ok(all)
    }

    fn cut(&mut self) -> bool {
        self.sites.pop_last().is_some()
    }
}

impl Master {
    /// A second top beside it: those below want the same ports of all.
    fn second(&self) -> Master {
        Master {
            node: SECOND_TOP.to_owned(),
            address: Ipv4Addr::new(127, 0, 0, 2),
            ..*self
        }
    }
}

/// Gives ports to masters.
fn masters<'n>(nodes: impl Iterator<Item = &'n str>) -> anyhow::Result<Vec<Master>> {
    // Held until all have theirs, so that no two get the same.
    let mut held = Vec::new();
    let mut port = || -> anyhow::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok(port)
    };
    nodes
        .map(|node| {
            Ok(Master {
                node: node.to_owned(),
                address: Ipv4Addr::LOCALHOST,
                requests: port()?,
                events: port()?,
            })
        })
        .collect()
}

/// Writes the configuration of a program; later layers go over earlier ones.
fn write_settings(root: &Path, program: &str, layers: &[&Value]) -> anyhow::Result<()> {
    let layers = layers.iter().filter_map(|layer| layer.as_object());
    let settings: Map<String, Value> = layers
        .flatten()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let etc = root.join("etc/salt");
    std::fs::create_dir_all(&etc)?;
    // JSON is YAML.
    std::fs::write(etc.join(program), Value::Object(settings).to_string())?;
    Ok(())
}

/// Waits until masters take requests.
fn wait_for(masters: &[Master]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for master in masters {
        let address: SocketAddr = (master.address, master.requests).into();
        while TcpStream::connect(address).is_err() {
            ensure!(
                Instant::now() < deadline,
                "Salt's master {} does not listen",
                master.node
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}
