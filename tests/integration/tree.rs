//! A tree of nodes on the loopback address.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use cable::{Ends, Namespace};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Cable, Cli, Node, Release, free_port, wait_for};

/// The id of the top-master that makes the tree.
const TOP: &str = "top";

/// Of which release the nodes of each role are.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The names are the roles.
pub struct Releases {
    pub top: Release,
    pub syndics: Release,
    pub minions: Release,
}

impl Releases {
    /// A tree of one release.
    pub fn all(release: Release) -> Releases {
        Releases {
            top: release,
            syndics: release,
            minions: release,
        }
    }

    fn of(&self, program: &str) -> Release {
        match program {
            "top-master" => self.top,
            "syndic" => self.syndics,
            _ => self.minions,
        }
    }
}

/// Nodes by id, cables by name. When it is dropped, all processes end and all files go.
#[derive(Debug)]
pub struct Tree {
    releases: Releases,
    fingerprint: String,
    nodes: BTreeMap<String, Node>,
    cables: BTreeMap<String, Cable>,
    /// Where each hub and each cable can be dialled.
    ports: BTreeMap<String, u16>,
    /// Nodes that have another network than the test.
    networks: BTreeMap<String, Namespace>,
    directory: TempDir,
}

impl Tree {
    /// A tree that has its top-master `top` alone, which answers.
    pub fn new() -> Tree {
        Tree::with_top("")
    }

    /// As [`Tree::new`], with more lines in the configuration.
    pub fn with_top(more: &str) -> Tree {
        Tree::of_releases(Releases::all(Release::Present), more)
    }

    /// As [`Tree::with_top`]; the nodes are of these releases, also those that are made later.
    pub fn of_releases(releases: Releases, more: &str) -> Tree {
        let mut tree = Tree {
            releases,
            fingerprint: String::new(),
            nodes: BTreeMap::new(),
            cables: BTreeMap::new(),
            ports: BTreeMap::new(),
            networks: BTreeMap::new(),
            directory: tempfile::Builder::new()
                .prefix("banyan-")
                .tempdir()
                .expect("a directory for the tree"),
        };
        tree.make_top(TOP, more);
        let made = tree.top().expect(0, &["init"]);
        let fingerprint = made.out.trim().strip_prefix("Made the tree ");
        fingerprint
            .expect("init tells the fingerprint")
            .clone_into(&mut tree.fingerprint);
        tree.node_mut(TOP).start();
        tree.answers(TOP);
        tree
    }

    /// A tree of three levels: the region `eu` with the sites `eu/ams` (minions ams-web1, ams-web2, with the grain
    /// `role: web`) and `eu/fra` (fra-db1, fra-db2, with the grain `role: db`). The hub `eu-hub` dials `top` through
    /// the cable `eu-wan`, the hubs `ams-hub` and `fra-hub` dial `eu-hub` through `ams-wan` and `fra-wan`.
    pub fn of_two_sites() -> Tree {
        Tree::of_two_sites_with("")
    }

    /// As [`Tree::of_two_sites`], with more lines in the configuration of the top-master.
    pub fn of_two_sites_with(more: &str) -> Tree {
        Tree::of_two_sites_of(Releases::all(Release::Present), more)
    }

    /// As [`Tree::of_two_sites_with`], of these releases.
    pub fn of_two_sites_of(releases: Releases, more: &str) -> Tree {
        let mut tree = Tree::of_releases(releases, more);
        tree.cable("eu-wan", TOP);
        tree.syndic("eu-hub", "eu", &["eu-wan"]);
        for (site, role) in [("ams", "web"), ("fra", "db")] {
            let (hub, wan) = (format!("{site}-hub"), format!("{site}-wan"));
            tree.cable(&wan, "eu-hub");
            tree.syndic(&hub, site, &[&wan]);
            for number in 1..=2 {
                let id = format!("{site}-{role}{number}");
                tree.new_minion(&id, &[&hub], &format!("grains:\n  role: {role}\n"));
            }
        }
        tree.settle();
        tree
    }

    /// A tree of two levels: these minions under the top-master.
    pub fn of_minions(ids: &[&str]) -> Tree {
        let mut tree = Tree::new();
        for id in ids {
            tree.new_minion(id, &[TOP], "");
        }
        tree.settle();
        tree
    }

    /// The tree's fingerprint.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The directory of all its files; a test may put its own there.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The command line of the top-master.
    pub fn top(&self) -> Cli {
        self.cli(TOP)
    }

    /// The command line of a node.
    pub fn cli(&self, id: &str) -> Cli {
        self.node(id).cli()
    }

    /// A node.
    ///
    /// # Panics
    /// When there is none with this id.
    pub fn node(&self, id: &str) -> &Node {
        &self.nodes[id]
    }

    /// A node, to start or end it.
    ///
    /// # Panics
    /// When there is none with this id.
    pub fn node_mut(&mut self, id: &str) -> &mut Node {
        self.nodes.get_mut(id).expect("a node of the tree")
    }

    /// A cable.
    ///
    /// # Panics
    /// When there is none with this name.
    pub fn wire(&self, name: &str) -> &Cable {
        &self.cables[name]
    }

    /// Where a hub or a cable can be dialled.
    ///
    /// # Panics
    /// When there is none with this name.
    pub fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }

    /// Gives nodes that are made later a network of their own together: cables alone lead out of it.
    ///
    /// # Errors
    /// When this process is not root.
    pub fn apart(&mut self, ids: &[&str]) -> io::Result<()> {
        let network = Namespace::new()?;
        let of_each = ids.iter().map(|id| ((*id).to_owned(), network.clone()));
        self.networks.extend(of_each);
        Ok(())
    }

    /// Lays a cable to a hub; nodes in the network of the test name it as their parent.
    pub fn cable(&mut self, name: &str, hub: &str) {
        self.cable_from(None, name, hub);
    }

    /// Lays a cable from the network of a node to a hub.
    pub fn cable_from(&mut self, node: Option<&str>, name: &str, hub: &str) {
        let port = free_port();
        let network = |id: &str| self.networks.get(id).cloned();
        // Each cable has its own dice, and the same ones in each run.
        let seed = name
            .bytes()
            .fold(0, |seed, byte| seed << 5 ^ seed >> 59 ^ u64::from(byte));
        let cable = Cable::lay(Ends {
            port,
            nodes: node.and_then(network),
            hub: (Ipv4Addr::LOCALHOST, self.port(hub)).into(),
            hub_in: network(hub),
            seed,
        });
        self.ports.insert(name.to_owned(), port);
        let cable = cable.expect("a port for the cable");
        self.cables.insert(name.to_owned(), cable);
    }

    /// Makes a top-master that does not run, and belongs to no tree yet.
    pub fn make_top(&mut self, id: &str, more: &str) {
        let head = self.hub_settings(id);
        self.add("top-master", id, &format!("{head}{more}"));
    }

    /// Adds a second top-master, and waits until it answers.
    ///
    /// # Panics
    /// When the three steps do not show the fingerprints that a person compares.
    #[track_caller]
    pub fn second_top(&mut self, id: &str) {
        self.second_top_with(id, "");
    }

    /// As [`Tree::second_top`], with more lines in its configuration.
    pub fn second_top_with(&mut self, id: &str, more: &str) {
        self.make_top(id, more);
        let file = |name: &str| self.directory().join(name).display().to_string();
        let (request, admission) = (file("request"), file("admission"));
        let (top, second) = (self.top(), self.cli(id));
        let asked = second.expect(0, &["join", "request", &request]).out;
        let admitted = top.expect(0, &["join", "admit", &request, &admission]).out;
        assert_eq!(asked, admitted, "both show the fingerprint of the new key");
        let joined = second.expect(0, &["join", "complete", &admission]).out;
        assert_eq!(joined.trim(), self.fingerprint());
        self.node_mut(id).start();
        self.answers(id);
    }

    /// Adds a syndic, and waits until it is part of the tree and answers.
    pub fn syndic(&mut self, id: &str, site: &str, parents: &[&str]) {
        self.new_syndic(id, site, parents, "");
        self.accept(id);
        self.answers(id);
    }

    /// Starts a syndic that nobody has accepted.
    pub fn new_syndic(&mut self, id: &str, site: &str, parents: &[&str], more: &str) {
        let head = self.hub_settings(id);
        let up = self.child_settings(parents);
        self.add("syndic", id, &format!("{head}site: {site}\n{up}{more}"));
        self.node_mut(id).start();
    }

    /// Starts a minion that nobody has accepted.
    pub fn new_minion(&mut self, id: &str, parents: &[&str], more: &str) {
        let up = self.child_settings(parents);
        self.add("minion", id, &format!("{}{up}{more}", settings(id)));
        self.node_mut(id).start();
    }

    /// Adds a node of another sort than the above: it does not run yet.
    pub fn add(&mut self, program: &'static str, id: &str, configuration: &str) {
        let network = self.networks.get(id).cloned();
        let mut node = Node::new(program, id, self.root_of(id), configuration).within(network);
        node.set_release(self.releases.of(program));
        self.nodes.insert(id.to_owned(), node);
    }

    /// The lines of a configuration that every hub needs. Its port stays the same when they are made again.
    pub fn hub_settings(&mut self, id: &str) -> String {
        let port = *self.ports.entry(id.to_owned()).or_insert_with(free_port);
        format!("{}interface: 127.0.0.1\nport: {port}\n", settings(id))
    }

    /// The lines of a configuration that name the parents and the tree.
    pub fn child_settings(&self, parents: &[&str]) -> String {
        let parents: Vec<_> = parents
            .iter()
            .map(|name| format!("127.0.0.1:{}", self.port(name)))
            .collect();
        format!(
            "master: [{}]\nmaster_finger: \"{}\"\n",
            parents.join(", "),
            self.fingerprint
        )
    }

    fn root_of(&self, id: &str) -> PathBuf {
        self.directory().join(id)
    }

    /// Waits until the daemon of a hub answers.
    #[track_caller]
    pub fn answers(&self, id: &str) {
        let cli = self.cli(id);
        wait_for(&format!("{id} answers"), || {
            (cli.call(&["identity"]).code == Some(0)).then_some(())
        });
    }

    /// Waits until a key waits for an operator, and accepts it at the top.
    #[track_caller]
    pub fn accept(&self, id: &str) {
        self.key_is(id, "pending");
        self.top().expect(0, &["keys", "accept", id, "-y"]);
    }

    /// Waits until the top-master shows a key in this standing.
    #[track_caller]
    pub fn key_is(&self, id: &str, standing: &str) {
        wait_for(&format!("the key {id} is {standing}"), || {
            (self.standing(id).as_deref() == Some(standing)).then_some(())
        });
    }

    /// The standing of a key as the top-master sees it; the first, when several want this id.
    #[track_caller]
    pub fn standing(&self, id: &str) -> Option<String> {
        let keys = self.top().json(&["keys", "list"]);
        let keys = keys.as_array().expect("a list of keys");
        let key = keys.iter().find(|key| key["id"] == id)?;
        key["standing"].as_str().map(str::to_owned)
    }

    /// Accepts every node that was started, and waits until the top-master counts them all as up.
    #[track_caller]
    pub fn settle(&self) {
        wait_for("every node is accepted and up", || {
            if self.is_whole() {
                return Some(());
            }
            let waits = self.top().json(&["keys", "list"]);
            if waits.to_string().contains("\"pending\"") {
                self.top().call(&["keys", "accept", "--all", "-y"]);
            }
            None
        });
    }

    /// Waits until the top-master counts every node of the tree as up, unaided.
    #[track_caller]
    pub fn heals(&self) {
        wait_for("every node is up", || self.is_whole().then_some(()));
    }

    /// Whether the top-master counts every syndic and minion that was made as up.
    pub fn is_whole(&self) -> bool {
        let count = |program: &str| {
            self.nodes
                .values()
                .filter(|node| node.program() == program)
                .count() as u64
        };
        let tree = self.roster();
        let hubs = tree["sites"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|site| site["path"] != "")
            .flat_map(|site| site["hubs"].as_array().into_iter().flatten())
            .filter(|hub| hub["presence"] == "up")
            .count() as u64;
        let totals = &tree["totals"];
        let minions = count("minion");
        hubs == count("syndic")
            && totals["up"].as_u64() == Some(minions)
            && totals["accepted"].as_u64() == Some(minions)
    }

    /// What `tree` of the top-master says, with every minion.
    #[track_caller]
    pub fn roster(&self) -> Value {
        self.top().json(&["tree", "--minions"])
    }

    /// The row of a site in `tree`.
    #[track_caller]
    pub fn site(&self, path: &str) -> Value {
        let tree = self.roster();
        let sites = tree["sites"].as_array().expect("sites");
        let site = sites.iter().find(|site| site["path"] == path);
        site.unwrap_or_else(|| panic!("no site {path} in {tree:#}"))
            .clone()
    }

    /// Waits until the top-master shows a minion in this state: up, down, cut-off.
    #[track_caller]
    pub fn minion_is(&self, id: &str, state: &str) {
        wait_for(&format!("{id} is {state}"), || {
            let tree = self.roster();
            let minions = tree["minions"].as_array()?;
            let minion = minions.iter().find(|minion| minion["id"] == id)?;
            (minion["state"] == state).then_some(())
        });
    }
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let words: String = self.nodes.values().map(Node::last_words).collect();
            eprintln!("The last words of each node:\n{words}");
        }
        // Before the directory goes, and in no order: each node has to bear that.
        self.nodes.clear();
        self.cables.clear();
    }
}

/// The lines of every node's configuration: signs of life that are quick enough for a test.
pub fn settings(id: &str) -> String {
    format!("id: {id}\nkeepalive_seconds: 1\nidle_timeout_seconds: 3\n")
}
