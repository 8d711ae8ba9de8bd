//! Users of this host.

use nix::unistd::{Uid, User};

/// The login name of a user, or the number where the host's books have none.
pub fn login_name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    }
}
