//! What a child does between fork and exec. The only file of this crate with `unsafe` code: the standard library can set
//! user and group of a child, but neither its supplementary groups (it drops all of them) nor its umask.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{setgid, setgroups, setuid};

use super::Identity;

/// Makes the child take on an identity and a file mode mask. The spawn fails when the system refuses either.
#[expect(
    unsafe_code,
    reason = "pre_exec is the only way to set supplementary groups and umask of a child"
)]
pub(super) fn switch_before_exec(
    command: &mut Command,
    identity: Option<&Identity>,
    mask: Option<u32>,
) {
    let identity = identity.cloned();
    let switch = move || -> io::Result<()> {
        if let Some(identity) = &identity {
            // Groups first: whoever has given up uid 0 may no longer change them.
            setgroups(&identity.groups)?;
            setgid(identity.gid)?;
            setuid(identity.uid)?;
        }
        if let Some(mask) = mask {
            umask(Mode::from_bits_truncate(mask));
        }
        Ok(())
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe work is allowed. It makes plain system
    // calls on data that was allocated before the fork; it neither allocates, locks, nor unwinds.
    unsafe {
        command.pre_exec(switch);
    }
}
