//! Daemons that start processes of their own, as one process group.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::super::process::signal;
use super::meter;

/// A process group; all of it is killed when this is dropped, and also when this program dies without dropping it.
pub struct Group {
    /// Leads the group and waits for the end of its input, which only this program holds.
    keeper: Child,
    daemons: Vec<Child>,
}

impl Group {
    /// A group without daemons.
    pub fn new() -> anyhow::Result<Group> {
        let mut command = Command::new("sh");
        command.args(["-c", "read -r _; kill -KILL 0"]);
        command.stdin(Stdio::piped()).process_group(0);
        Ok(Group {
            keeper: command.spawn().context("can't start sh")?,
            daemons: Vec::new(),
        })
    }

    /// Starts a daemon in the group; what it says goes to `log`.
    pub fn start(&mut self, mut command: Command, log: &Path) -> anyhow::Result<()> {
        let said = OpenOptions::new().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .process_group(self.keeper.id() as i32);
        let daemon = command
            .spawn()
            .with_context(|| format!("can't start {command:?}"))?;
        self.daemons.push(daemon);
        Ok(())
    }

    /// All processes of the daemons.
    pub fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let mut processes = meter::group(self.keeper.id())?;
        processes.retain(|process| *process != self.keeper.id());
        Ok(processes)
    }

    /// Sends a signal, by its name without SIG, to all processes of the daemons.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        signal(name, &self.processes()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        for process in std::iter::once(&mut self.keeper).chain(&mut self.daemons) {
            // Whoever was killed before is waited for all the same.
            let _ = process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_ends_with_all_that_it_started() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut group = Group::new().expect("a group");
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & sleep 600"]);
        group
            .start(command, &dir.path().join("log"))
            .expect("it starts");
        let leader = group.keeper.id();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while group.processes().expect("processes").len() < 3 {
            assert!(std::time::Instant::now() < deadline, "three of them");
            std::thread::yield_now();
        }
        drop(group);
        while !meter::group(leader).expect("processes").is_empty() {
            assert!(std::time::Instant::now() < deadline, "they are gone");
            std::thread::yield_now();
        }
    }
}
