//! Real Salt: a master of masters with lower masters, syndics and minions, or one master with all minions.

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
/// Makes the key pair of each minion whose directory is named.
const MAKE_KEYS: &str = "\
import sys, salt.crypt
for directory in sys.argv[1:]:
    salt.crypt.write_keys(directory, 'minion', 2048)
";
/// Where a minion and a syndic keep their keys, and where a master keeps those that it accepted and those that wait, below their
/// roots.
const OWN_KEYS: &str = "etc/salt/pki/minion";
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
    top: Group,
    /// A lower master and its syndic each.
    sites: Vec<Group>,
    minions: Group,
}

/// How masters are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A master of masters, and for each site a lower master with a syndic.
    Tree,
    /// One master with all minions: Salt's faster form.
    Flat,
}

/// A master's place.
struct Master {
    node: String,
    requests: u16,
    events: u16,
}

impl Salt {
    /// Starts all of it; minions and syndics connect later. `roots` are settings of all masters: where their files are.
    pub fn start(
        form: Form,
        programs: &Programs,
        work: &Path,
        plan: &Plan,
        roots: &Value,
    ) -> anyhow::Result<Salt> {
        let mut salt = Salt {
            form,
            programs: programs.clone(),
            work: work.to_owned(),
            top: Group::new()?,
            sites: Vec::new(),
            minions: Group::new()?,
        };
        let sites: Vec<String> = match form {
            Form::Tree => plan.sites().collect(),
            Form::Flat => Vec::new(),
        };
        let masters = masters(std::iter::once("top").chain(sites.iter().map(String::as_str)))?;
        let (top, lower) = (&masters[0], &masters[1..]);
        let above = |site: usize| lower.get(site).unwrap_or(top);
        let is_above = json!({"order_masters": form == Form::Tree});
        salt.configure_master(top, roots, &is_above)?;
        for master in lower {
            let upwards = json!({"syndic_master": "127.0.0.1", "syndic_master_port": top.requests});
            salt.configure_master(master, roots, &upwards)?;
            // Its syndic takes the id from there.
            salt.configure_minion(&master.node, top)?;
        }
        for minion in plan.minions() {
            salt.configure_minion(&minion.id, above(minion.site))?;
        }
        salt.make_keys(sites.iter().cloned().chain(plan.minions().map(|it| it.id)))?;
        for site in &sites {
            salt.place_key(&top.node, site, ACCEPTED_KEYS)?;
        }
        for minion in plan.minions() {
            let master = &above(minion.site).node;
            salt.place_key(master, &minion.id, ACCEPTED_KEYS)?;
        }
        let (master, log) = salt.daemon("salt-master", "top");
        salt.top.start(master, &log)?;
        for site in &sites {
            let mut group = Group::new()?;
            let (master, log) = salt.daemon("salt-master", site);
            group.start(master, &log)?;
            salt.sites.push(group);
        }
        wait_for(&masters)?;
        for (nth, site) in sites.iter().enumerate() {
            let (syndic, log) = salt.daemon("salt-syndic", site);
            salt.sites[nth].start(syndic, &log)?;
        }
        for minion in plan.minions() {
            let (mut program, log) = salt.daemon("salt-minion", &minion.id);
            // No second process that only watches the first.
            program.arg("--disable-keepalive");
            salt.minions.start(program, &log)?;
        }
        Ok(salt)
    }

    /// A daemon of a node, and its log.
    fn daemon(&self, program: &str, node: &str) -> (Command, PathBuf) {
        (
            self.tool(program, node),
            self.work.join(format!("{node}-{program}.log")),
        )
    }

    /// Timeouts, threads and everything else that is not named here are as Salt ships them.
    fn configure_master(&self, master: &Master, roots: &Value, more: &Value) -> anyhow::Result<()> {
        let root = self.work.join(&master.node);
        let settings = json!({
            "root_dir": root,
            "sock_dir": "/run/master",
            "interface": "127.0.0.1",
            "ret_port": master.requests,
            "publish_port": master.events,
            "log_level": "warning",
        });
        write_settings(&root, "master", &[&settings, roots, more])
    }

    fn configure_minion(&self, node: &str, master: &Master) -> anyhow::Result<()> {
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
        write_settings(&root, "minion", &[&settings])
    }

    fn make_keys(&self, nodes: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let mut command = self.programs.command("python");
        command.args(["-c", MAKE_KEYS]);
        for node in nodes {
            let keys = self.work.join(node).join(OWN_KEYS);
            std::fs::create_dir_all(&keys)?;
            command.arg(keys);
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
            Form::Flat => "Salt flat",
        }
    }

    fn command(&self) -> Command {
        self.tool("salt", "top")
    }

    fn processes(&self) -> anyhow::Result<[Vec<u32>; 3]> {
        let mut sites = Vec::new();
        for site in &self.sites {
            sites.extend(site.processes()?);
        }
        Ok([self.top.processes()?, sites, self.minions.processes()?])
    }

    fn cut(&mut self) -> bool {
        self.sites.pop().is_some()
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
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, master.requests).into();
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
