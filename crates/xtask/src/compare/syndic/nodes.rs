//! The trees of both sides: one top or two, two sites with a hub each, and two minions at each site.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use super::super::cli::nodes::link;
use super::situation::{HarmKind, Tops};
use super::{PLAN, roots};
use crate::bench::process::signal;
use crate::bench::salt::peer::{Form, Programs as SaltPrograms, Salt, Settings};
use crate::bench::salt::side::finish;
use crate::bench::tree::Tree;
use crate::bench::{PATIENCE, Programs};

/// The names of tops.
pub const FIRST: &str = "top";
const SECOND: &str = "top2";
/// Who else than root types; every host knows this user.
pub const USER: &str = "nobody";
/// What this user may do, on which minions.
const MAY: &str = "test.ping";
const MAY_ON: &str = "web-1-*";
/// The site that forbids a function, and the function.
const STRICT: &str = "s2";
const FORBIDDEN: &str = "cmd.retcode";
/// Events that are answered at the top.
const REACTS_TO: &str = "site/build/*";
/// Directories of Salt's master that its manual wants open for users who are permitted something.
const OPEN: [&str; 7] = [
    "var",
    "var/cache",
    "var/cache/salt",
    "var/cache/salt/master",
    "var/cache/salt/master/jobs",
    "run",
    "run/master",
];

/// The socket of its events, without which other users hear no answers. It is open to the
/// group of Salt's master, and this user is in none.
const EVENTS: &str = "run/master/master_event_pub.ipc";

/// The nodes of one side.
pub trait Nodes {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Where it keeps everything.
    fn place(&self) -> &Path;

    /// A command by one of Salt's names with the configuration of a node.
    fn tool(&self, program: &str, node: &str) -> Command;

    /// Does harm to a top, to the hub of a site, or to a minion.
    fn harm(&mut self, kind: HarmKind, node: &str) -> anyhow::Result<()>;

    /// Mends it, and waits until all minions can be reached from the top.
    fn mend(&mut self, kind: HarmKind, node: &str) -> anyhow::Result<()>;
}

/// What a minion is for.
fn role(id: &str) -> &'static str {
    if id.ends_with("-1") { "front" } else { "back" }
}

/// Real Salt's; ended when dropped.
pub struct Salts {
    place: PathBuf,
    salt: Salt,
}

impl Salts {
    /// Starts them, and waits until the top reaches all minions.
    pub fn start(programs: &SaltPrograms, work: &Path, tops: Tops) -> anyhow::Result<Salts> {
        let roots_at = |place: PathBuf| {
            json!({
                "file_roots": {"base": [place.join("salt")]},
                "pillar_roots": {"base": [place.join("pillar")]},
            })
        };
        let mut top = roots_at(roots::top(work));
        for (name, value) in top_settings().as_object().into_iter().flatten() {
            top[name] = value.clone();
        }
        // As Salt ships it; jobs can be ended only so.
        let minion = |id: &str| json!({"multiprocessing": true, "grains": {"role": role(id)}});
        let forbids = json!({"publisher_acl_blacklist": {"modules": [FORBIDDEN]}});
        let settings = Settings {
            top,
            lower: roots_at(roots::below(work)),
            sites: BTreeMap::from([(STRICT.to_owned(), forbids)]),
            minions: PLAN
                .minions()
                .map(|it| (it.id.clone(), minion(&it.id)))
                .collect(),
        };
        let (place, form) = match tops {
            Tops::One => (work.join("salt"), Form::Tree),
            Tops::Two => (work.join("salt2"), Form::TwoTops),
        };
        let side = Salts {
            salt: Salt::start(form, programs, &place, &PLAN, &settings)?,
            place,
        };
        side.wait()?;
        let top = side.place.join(FIRST);
        for directory in OPEN {
            std::fs::set_permissions(top.join(directory), Permissions::from_mode(0o755))?;
        }
        std::fs::set_permissions(top.join(EVENTS), Permissions::from_mode(0o666))?;
        Ok(side)
    }

    fn wait(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let ids: Vec<String> = PLAN.minions().map(|it| it.id).collect();
        loop {
            let mut command = self.tool("salt", "top");
            command.args(["-L", &ids.join(","), "test.ping", "--out=txt"]);
            let ended = finish(command, "", &self.place.join("ping.log"))?;
            let is_there =
                |id: &String| ended.out.lines().any(|line| line == format!("{id}: True"));
            if ids.iter().all(is_there) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "Salt's minions do not answer: {}",
                ended.out
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Nodes for Salts {
    fn name(&self) -> &'static str {
        "salt"
    }

    fn place(&self) -> &Path {
        &self.place
    }

    fn tool(&self, program: &str, node: &str) -> Command {
        self.salt.tool(program, node)
    }

    fn harm(&mut self, kind: HarmKind, node: &str) -> anyhow::Result<()> {
        match kind {
            HarmKind::Kill => {
                self.salt.kill(node);
                Ok(())
            }
            HarmKind::Stop => self.salt.signal("STOP", node),
        }
    }

    fn mend(&mut self, kind: HarmKind, node: &str) -> anyhow::Result<()> {
        match kind {
            HarmKind::Kill => self.salt.revive(node)?,
            HarmKind::Stop => self.salt.signal("CONT", node)?,
        }
        self.wait()
    }
}

/// Settings of the top that both sides read alike.
fn top_settings() -> Value {
    json!({
        "nodegroups": {"fronts": "G@role:front"},
        "publisher_acl": {USER: [{MAY_ON: [MAY]}]},
        "reactor": [{REACTS_TO: ["salt://react.sls"]}],
    })
}

/// Ours; ended when dropped.
pub struct Banyan {
    place: PathBuf,
    links: PathBuf,
    programs: Programs,
    tree: Tree,
}

impl Banyan {
    /// Starts them, and waits until the top counts all minions.
    pub fn start(programs: &Path, work: &Path, tops: Tops) -> anyhow::Result<Banyan> {
        let place = match tops {
            Tops::One => work.join("ours"),
            Tops::Two => work.join("ours2"),
        };
        let links = place.join("names");
        let directory = std::path::absolute(programs)?;
        link(&directory, &links)?;
        let programs = Programs::of(&directory);
        let mut settings = top_settings();
        settings["roots"] = json!({
            "remote": format!("file://{}", roots::remote(work).display()),
            "root": "salt",
            "pillar_root": "pillar",
        });
        let settings = lines(&settings);
        let mut tree = Tree::top(&programs, &place, &settings)?;
        if tops == Tops::Two {
            tree.add_top(&programs, SECOND, &settings)?;
        }
        for site in PLAN.sites() {
            let forbids = json!({"policy": [{"who": "*", "deny": [FORBIDDEN]}]});
            let more = if site == STRICT {
                lines(&forbids)
            } else {
                String::new()
            };
            tree.add_syndic(&programs, 0, &more)?;
        }
        tree.wait_for_daemons()?;
        for minion in PLAN.minions() {
            let more = lines(&json!({"grains": {"role": role(&minion.id)}}));
            tree.add_minion_with(&programs, minion.site + 1, &minion.id, &more)?;
        }
        tree.wait_for_minions()?;
        Ok(Banyan {
            place,
            links,
            programs,
            tree,
        })
    }

    /// The number of a hub, or of a minion.
    fn place_of(&self, node: &str) -> anyhow::Result<Place> {
        let hub = PLAN.sites().position(|site| site == node);
        let minion = PLAN.minions().position(|it| it.id == node);
        match (hub, minion) {
            _ if node == FIRST => Ok(Place::Hub(0)),
            (Some(site), _) => Ok(Place::Hub(site + 1)),
            (_, Some(minion)) => Ok(Place::Minion(minion)),
            _ => anyhow::bail!("{node} is no node of the plan"),
        }
    }

    fn signal(&self, name: &str, place: Place) -> anyhow::Result<()> {
        let process = match place {
            Place::Hub(number) => self.tree.hub(number),
            Place::Minion(number) => self.tree.minion(number),
        };
        signal(name, &[process.id()])
    }
}

#[derive(Clone, Copy)]
enum Place {
    Hub(usize),
    Minion(usize),
}

/// Settings as lines of a configuration, each in the words of JSON, which are YAML's too.
fn lines(settings: &Value) -> String {
    let fields = settings.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect()
}

impl Nodes for Banyan {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn place(&self) -> &Path {
        &self.place
    }

    fn tool(&self, program: &str, node: &str) -> Command {
        let mut command = Command::new(self.links.join(program));
        command.arg("--root-dir").arg(self.place.join(node));
        command
    }

    fn harm(&mut self, kind: HarmKind, node: &str) -> anyhow::Result<()> {
        let place = self.place_of(node)?;
        match (kind, place) {
            (HarmKind::Stop, place) => return self.signal("STOP", place),
            (HarmKind::Kill, Place::Hub(number)) => self.tree.kill(number),
            (HarmKind::Kill, Place::Minion(number)) => self.tree.kill_minion(number),
        }
        Ok(())
    }

    fn mend(&mut self, kind: HarmKind, node: &str) -> anyhow::Result<()> {
        let place = self.place_of(node)?;
        match (kind, place) {
            (HarmKind::Stop, place) => self.signal("CONT", place)?,
            (HarmKind::Kill, Place::Hub(number)) => self.tree.restart(number)?,
            (HarmKind::Kill, Place::Minion(number)) => {
                self.tree.start_minion(&self.programs, number, node)?;
            }
        }
        self.tree.wait_for_daemons()?;
        self.tree.wait_for_minions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_is_there() {
        assert!(PLAN.sites().any(|site| site == STRICT));
        let roles: Vec<_> = PLAN.minions().map(|it| role(&it.id)).collect();
        assert_eq!(roles, ["front", "back", "front", "back"]);
        assert_eq!(lines(&json!({"a": {"b": [1]}})), "a: {\"b\":[1]}\n");
    }
}
