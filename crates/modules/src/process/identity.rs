//! Users and groups that a command may run as.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use crate::failure::Failure;

/// Who a process is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// Supplementary groups, the primary one included.
    pub(crate) groups: Vec<Gid>,
    pub(crate) home: PathBuf,
    pub(crate) shell: PathBuf,
}

impl Identity {
    /// The identity for `runas` and `group`; `None` when neither is given. An error when the account does not exist or
    /// the minion may not switch to it.
    pub(crate) fn resolve(
        runas: Option<&str>,
        group: Option<&str>,
    ) -> Result<Option<Identity>, Failure> {
        if runas.is_none() && group.is_none() {
            return Ok(None);
        }
        let user = match runas {
            Some(name) => User::from_name(name)
                .ok()
                .flatten()
                .ok_or_else(|| missing("User", name))?,
            None => User::from_uid(Uid::effective())
                .ok()
                .flatten()
                .ok_or_else(|| missing("User", &Uid::effective().to_string()))?,
        };
        let gid = match group {
            Some(name) => {
                Group::from_name(name)
                    .ok()
                    .flatten()
                    .ok_or_else(|| missing("Group", name))?
                    .gid
            }
            None => user.gid,
        };
        if !Uid::effective().is_root() {
            if user.uid == Uid::effective() && gid == Gid::effective() {
                return Ok(None);
            }
            return Err(Failure::command(format!(
                "Cannot run as user '{}': the minion is not root (uid {}) and may not switch",
                user.name,
                Uid::effective()
            )));
        }
        let name = CString::new(user.name.as_str()).map_err(|_| missing("User", &user.name))?;
        let groups = getgrouplist(&name, gid).map_err(|errno| {
            Failure::command(format!(
                "Cannot list the groups of '{}': {}",
                user.name,
                errno.desc()
            ))
        })?;
        Ok(Some(Identity {
            name: user.name,
            uid: user.uid,
            gid,
            groups,
            home: user.dir,
            shell: user.shell,
        }))
    }
}

fn missing(kind: &str, name: &str) -> Failure {
    Failure::command(format!("{kind} '{name}' is not available"))
}
