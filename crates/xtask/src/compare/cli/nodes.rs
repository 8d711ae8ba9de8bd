//! The masters and minions of both sides: two minions that are up, one that is down, and two whose keys wait.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use super::{Side, roots};
use crate::bench::salt::peer::{self, Form, Salt, Settings};
use crate::bench::salt::plan::Plan;
use crate::bench::salt::side::finish;
use crate::bench::tree::Tree;
use crate::bench::{PATIENCE, Programs};

const PLAN: Plan = Plan {
    syndics: 1,
    minions: 2,
};
/// Accepted, and not running.
const DOWN: &str = "gone";
/// Nobody decided about their keys.
const STRANGERS: [&str; 2] = ["new-1", "new-2"];
/// Whose configuration calls on a minion's host have.
const CALLER: &str = "web-1-1";

/// The programs of ours by Salt's names.
const LINKS: [(&str, &str); 5] = [
    ("salt", "top-master"),
    ("salt-key", "top-master"),
    ("salt-run", "top-master"),
    ("salt-cp", "top-master"),
    ("salt-call", "minion"),
];

/// Links the built programs in a directory by Salt's names.
pub fn link(programs: &Path, links: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(links)?;
    for (name, program) in LINKS {
        let program = programs.join(program);
        ensure!(
            program.exists(),
            "{} is not there: cargo build -p top-master -p syndic -p minion",
            program.display()
        );
        symlink(program, links.join(name)).context(name)?;
    }
    Ok(())
}

/// The node with whose configuration a command runs.
fn node_of(program: &str) -> &'static str {
    match program {
        "salt-call" => CALLER,
        _ => "top",
    }
}

/// A master and minions of real Salt; ended when dropped.
pub struct Salts {
    salt: Salt,
}

impl Salts {
    /// Starts them, and waits until the minions answer.
    pub fn start(venv: &Path, work: &Path) -> anyhow::Result<Salts> {
        let checkout = roots::checkout(work);
        let programs = peer::Programs::find(venv, work)?;
        let settings = json!({
            "file_roots": {"base": [checkout.join("salt")]},
            "pillar_roots": {"base": [checkout.join("pillar")]},
        });
        let place = work.join("salt");
        let settings = Settings::of_masters(&settings);
        let salt = Salt::start(Form::Flat, &programs, &place, &PLAN, &settings)?;
        salt.add_keys(&[DOWN], true)?;
        salt.add_keys(&STRANGERS, false)?;
        let side = Salts { salt };
        side.wait(work)?;
        Ok(side)
    }

    fn wait(&self, work: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let errors = work.join("command.log");
        for minion in PLAN.minions() {
            let answer = format!("{}: True", minion.id);
            loop {
                let mut command = self.tool("salt");
                command.args([minion.id.as_str(), "test.ping", "--out=txt"]);
                let ended = finish(command, "", &errors)?;
                if ended.out.lines().any(|line| line == answer) {
                    break;
                }
                ensure!(
                    Instant::now() < deadline,
                    "{} of Salt does not answer",
                    minion.id
                );
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Ok(())
    }
}

impl Side for Salts {
    fn name(&self) -> &'static str {
        "salt"
    }

    fn tool(&self, program: &str) -> Command {
        self.salt.tool(program, node_of(program))
    }
}

/// A top-master and minions of ours; ended when dropped.
pub struct Ours {
    place: PathBuf,
    links: PathBuf,
    /// Only its processes are needed.
    _tree: Tree,
}

impl Ours {
    /// Starts them, and waits until the top counts the minions.
    pub fn start(programs: &Path, work: &Path) -> anyhow::Result<Ours> {
        let (place, links) = (work.join("ours"), work.join("names"));
        let directory = std::path::absolute(programs)?;
        link(&directory, &links)?;
        let programs = Programs::of(&directory);
        let settings = format!(
            "roots:\n  remote: file://{}\n  root: salt\n  pillar_root: pillar\n",
            roots::remote(work).display()
        );
        let mut tree = Tree::plant_with(&programs, &place, 0, &settings)?;
        for minion in PLAN.minions() {
            tree.add_minion(&programs, 0, &minion.id)?;
        }
        tree.add_minion(&programs, 0, DOWN)?;
        tree.wait_for_minions()?;
        tree.kill_minion(PLAN.minions as usize);
        for stranger in STRANGERS {
            tree.add_stranger(&programs, 0, stranger)?;
        }
        Ok(Ours {
            place,
            links,
            _tree: tree,
        })
    }
}

impl Side for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(self.links.join(program));
        command
            .arg("--root-dir")
            .arg(self.place.join(node_of(program)));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_is_there() {
        assert!(PLAN.minions().any(|minion| minion.id == CALLER));
        assert!(PLAN.minions().all(|minion| minion.id != DOWN));
    }
}
