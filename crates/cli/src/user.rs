//! Who asks, as jobs record it.

use daemon::config::Environment;
use daemon::user::login_name;
use nix::unistd::Uid;

/// The login name of this process; for root by way of sudo the one who called it, in Salt's form `sudo_alice`.
pub(crate) fn name(environment: &dyn Environment) -> String {
    told(
        &login_name(Uid::effective()),
        environment.variable("SUDO_USER"),
    )
}

fn told(login: &str, sudo_user: Option<String>) -> String {
    match sudo_user {
        Some(caller) if login == "root" && !caller.is_empty() => format!("sudo_{caller}"),
        _ => login.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_tells_who_is_behind_root() {
        let check = |login, caller: Option<&str>, expected: &str| {
            assert_eq!(told(login, caller.map(str::to_owned)), expected);
        };
        check("root", None, "root");
        check("root", Some("alice"), "sudo_alice");
        check("root", Some(""), "root");
        check("bob", Some("alice"), "bob");
    }
}
