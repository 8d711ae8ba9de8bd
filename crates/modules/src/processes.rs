//! The processes of this host, from `/proc`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Uid, User};

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Name of the owner, the number of one without a name.
    pub(crate) user: String,
    /// The short name.
    pub(crate) name: String,
    /// The command line; the name in brackets for a kernel thread.
    pub(crate) command: String,
}

/// All processes in order of their ids. Those that end meanwhile are left out.
pub(crate) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids.into_iter().filter_map(one).collect()
}

/// One process; `None` when there is none.
pub(crate) fn one(pid: u32) -> Option<Process> {
    let owner = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name stands in parentheses and may hold anything, parentheses too.
    let name = stat.rsplit_once(')')?.0.split_once('(')?.1.to_owned();
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let command = if words.trim().is_empty() {
        format!("[{name}]")
    } else {
        words.trim_end().to_owned()
    };
    let user = User::from_uid(Uid::from_raw(owner))
        .ok()
        .flatten()
        .map_or_else(|| owner.to_string(), |user| user.name);
    Some(Process {
        pid,
        user,
        name,
        command,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_is_found() {
        let own = super::one(std::process::id()).unwrap();
        assert!(
            super::all()
                .iter()
                .any(|process| process.pid == own.pid && process.command == own.command)
        );
        assert!(super::one(u32::MAX).is_none());
    }
}
