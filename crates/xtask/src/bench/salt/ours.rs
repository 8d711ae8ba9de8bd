//! Our side: a top-master, syndics, and minions with a program each.

use std::path::Path;
use std::process::Command;

use super::super::Programs;
use super::super::process::Part;
use super::super::tree::Tree;
use super::plan::Plan;
use super::side::Side;

/// The tree; ended when dropped.
pub struct Ours<'a> {
    programs: &'a Programs,
    tree: Tree,
    /// The number of the last syndic; 0 when it is gone.
    last: usize,
}

impl Ours<'_> {
    /// Starts all of it, with roots behind it, and waits until the top counts every minion.
    pub fn start<'a>(
        programs: &'a Programs,
        work: &Path,
        plan: &Plan,
        remote: &Path,
    ) -> anyhow::Result<Ours<'a>> {
        let roots = format!("roots:\n  remote: file://{}\n", remote.display());
        let mut tree = Tree::plant_with(programs, work, plan.syndics, &roots)?;
        for minion in plan.minions() {
            tree.add_minion(programs, minion.site + 1, &minion.id)?;
        }
        tree.wait_for_minions()?;
        Ok(Ours {
            programs,
            tree,
            last: plan.syndics as usize,
        })
    }
}

impl Side for Ours<'_> {
    fn name(&self) -> &'static str {
        "Banyan"
    }

    fn command(&self) -> Command {
        let mut command = self.tree.operator(self.programs);
        command.arg("run");
        command
    }

    fn processes(&self) -> anyhow::Result<[Vec<u32>; 3]> {
        Ok([Part::Top, Part::Hub, Part::Minions].map(|part| {
            let all = self.tree.processes().into_iter();
            all.filter(|process| process.part == part)
                .map(|process| process.id())
                .collect()
        }))
    }

    fn cut(&mut self) -> bool {
        self.tree.kill(self.last);
        true
    }
}
