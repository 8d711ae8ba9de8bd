//! Who is at the other end of the control socket, as the kernel says.

use daemon::user::login_name;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::net::UnixStream;

/// A process that asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its login name, or its number where it has none.
    pub user: String,
    /// Names of its groups; empty for the hub's own user.
    pub groups: Vec<String>,
    /// Whether it is root or runs as the hub itself does.
    pub is_owner: bool,
    /// How deep in a row of reactions it asks; 0 for people.
    pub reaction: u8,
}

impl Caller {
    /// The hub itself.
    pub fn owner() -> Caller {
        Caller {
            user: login_name(Uid::effective()),
            groups: Vec::new(),
            is_owner: true,
            reaction: 0,
        }
    }

    /// The hub itself, for a reaction that comes of so many others.
    pub fn of_reaction(depth: u8) -> Caller {
        Caller {
            reaction: depth,
            ..Caller::owner()
        }
    }

    /// Who connected.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn of(stream: &UnixStream) -> std::io::Result<Caller> {
        let peer = daemon::socket::peer(stream)?;
        if peer.is_owner {
            return Ok(Caller::owner());
        }
        Ok(Caller {
            user: login_name(peer.uid),
            groups: group_names(peer.uid, peer.gid),
            is_owner: false,
            reaction: 0,
        })
    }

    /// A user of this host by name, as if it asked; None when there is none.
    pub fn named(user: &str) -> Option<Caller> {
        let known = User::from_name(user).ok().flatten()?;
        if known.uid.is_root() || known.uid == Uid::effective() {
            return Some(Caller::owner());
        }
        Some(Caller {
            groups: group_names(known.uid, known.gid),
            user: known.name,
            is_owner: false,
            reaction: 0,
        })
    }

    /// As rules see it.
    pub fn asker(&self) -> access::Asker<'_> {
        access::Asker {
            user: &self.user,
            groups: &self.groups,
            is_owner: self.is_owner,
        }
    }
}

/// The groups that the user is in by the host's books, and the one that the process has.
fn group_names(uid: Uid, process: Gid) -> Vec<String> {
    let mut gids = match User::from_uid(uid) {
        Ok(Some(user)) => std::ffi::CString::new(user.name)
            .ok()
            .and_then(|name| nix::unistd::getgrouplist(&name, user.gid).ok())
            .unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    };
    if !gids.contains(&process) {
        gids.push(process);
    }
    let name = |gid| match Group::from_gid(gid) {
        Ok(Some(group)) => Some(group.name),
        Ok(None) | Err(_) => None,
    };
    gids.into_iter().filter_map(name).collect()
}
