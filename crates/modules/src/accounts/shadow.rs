//! Passwords and their times, changed.

use super::{Accounts, DAYS};
use crate::failure::Failure;

/// Options of `chage` for [`DAYS`].
const CHAGE: [&str; 6] = ["-d", "-m", "-M", "-W", "-I", "-E"];

impl Accounts<'_> {
    /// Sets the hash of a password; true when it stands there afterwards. It never shows in the list of processes.
    pub(crate) fn set_password(&self, name: &str, hash: &str) -> Result<bool, Failure> {
        if self.user(name).is_none() {
            return Ok(false);
        }
        if hash.contains(['\n', ':']) {
            return Err(Failure::invocation(
                "a hash of a password has neither ':' nor line ends",
            ));
        }
        self.run("chpasswd", &["-e"], "-R", Some(format!("{name}:{hash}\n")))?;
        Ok(self
            .shadow(name)
            .is_some_and(|shadow| shadow.passwd == hash))
    }

    /// Empties a password.
    pub(crate) fn delete_password(&self, name: &str) -> Result<bool, Failure> {
        self.run("passwd", &["-d", name], "-R", None)?;
        Ok(self
            .shadow(name)
            .is_some_and(|shadow| shadow.passwd.is_empty()))
    }

    /// Locks a password or unlocks it.
    pub(crate) fn set_locked(&self, name: &str, is_locked: bool) -> Result<bool, Failure> {
        let stands = |accounts: &Self| {
            accounts
                .shadow(name)
                .map(|shadow| shadow.passwd.starts_with('!'))
        };
        match stands(self) {
            None => return Ok(false),
            Some(was_locked) if was_locked == is_locked => return Ok(true),
            Some(_) => {}
        }
        self.run(
            "passwd",
            &[if is_locked { "-l" } else { "-u" }, name],
            "-R",
            None,
        )?;
        Ok(stands(self) == Some(is_locked))
    }

    /// Sets one of [`DAYS`], a number of days or a date; true when it stands there afterwards, for dates when the program takes it.
    pub(crate) fn set_days(&self, name: &str, which: &str, days: &str) -> Result<bool, Failure> {
        let Some(at) = DAYS.iter().position(|known| *known == which) else {
            return Err(Failure::invocation(format!(
                "{which} is no time of a password"
            )));
        };
        let stands = |accounts: &Self| {
            accounts
                .shadow(name)
                .map(|shadow| shadow.days[at].to_string())
        };
        match stands(self) {
            None => return Ok(false),
            Some(now) if now == days => return Ok(true),
            Some(_) => {}
        }
        let is_taken = self.succeeds("chage", &[CHAGE[at], days, name])?;
        let is_date = matches!(which, "lstchg" | "expire");
        Ok(if is_date {
            is_taken
        } else {
            stands(self).as_deref() == Some(days)
        })
    }
}
