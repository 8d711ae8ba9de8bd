//! Processes that stay until they are ended.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait_for;

/// A command that starts several processes, which no other test starts.
#[derive(Debug)]
pub struct Sleepers {
    time: String,
}

impl Sleepers {
    /// Some that nobody has started.
    #[allow(clippy::new_without_default)] // Each is another one.
    pub fn new() -> Sleepers {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Sleepers {
            time: format!("300.{:07}{number:02}", std::process::id()),
        }
    }

    /// The command: it starts two processes, itself not counted, unless the shell becomes one of them.
    pub fn command(&self) -> String {
        format!("sleep {0} & sleep {0}", self.time)
    }

    /// How many of its `sleep` processes there are on this machine.
    pub fn count(&self) -> usize {
        self.pids().len()
    }

    /// Ends those that are left.
    pub fn end(&self) {
        for pid in self.pids() {
            // It may have ended by now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn pids(&self) -> Vec<i32> {
        fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let line = fs::read(entry.path().join("cmdline")).ok()?;
                (line == format!("sleep\0{}\0", self.time).into_bytes())
                    .then(|| entry.file_name().to_str()?.parse().ok())?
            })
            .collect()
    }

    /// Waits until there are so many.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        wait_for(&format!("{count} processes of the job"), || {
            (self.count() == count).then_some(())
        });
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} processes are left", self.count());
        }
    }
}
