//! Users, changed.

use std::fs;

use super::{Accounts, UserInfo};
use crate::failure::Failure;
use crate::python;
use crate::signature::Args;

/// The parts of the comment of a user, in their order.
pub(crate) const GECOS: [&str; 5] = ["fullname", "roomnumber", "workphone", "homephone", "other"];

/// The exit code of `userdel` when the mailbox could not be removed.
const NO_MAILBOX: i32 = 12;

/// A user to be made.
#[derive(Debug)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
    pub(crate) gid: Option<String>,
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) home: Option<String>,
    pub(crate) shell: Option<String>,
    pub(crate) is_unique: bool,
    pub(crate) is_system: bool,
    pub(crate) makes_home: bool,
    /// Keeps the user out of the logs of logins.
    pub(crate) no_login_log: bool,
    /// Whether a group of the same name is made; by the rules of the host where nothing is said.
    pub(crate) user_group: Option<bool>,
    pub(crate) gecos: [String; 5],
}

impl NewUser {
    /// The user that the arguments of a call describe, by the names of Salt's parameters.
    pub(crate) fn of(args: &Args) -> Result<NewUser, Failure> {
        let groups = args.value("groups");
        let usergroup = args.value("usergroup");
        let gecos = |part: &str| args.optional_text(part).map(Option::unwrap_or_default);
        Ok(NewUser {
            name: args.text("name")?,
            uid: args.optional_text("uid")?,
            gid: args.optional_text("gid")?,
            groups: (!groups.is_null()).then(|| args.texts("groups")),
            home: args.optional_text("home")?,
            shell: args.optional_text("shell")?,
            is_unique: args.flag("unique"),
            is_system: args.flag("system"),
            makes_home: args.flag("createhome"),
            no_login_log: args.flag("nologinit"),
            user_group: (!usergroup.is_null()).then(|| python::truthy(usergroup)),
            gecos: [
                gecos("fullname")?,
                gecos("roomnumber")?,
                gecos("workphone")?,
                gecos("homephone")?,
                gecos("other")?,
            ],
        })
    }
}

impl Accounts<'_> {
    /// Makes a user; false when the program refuses.
    pub(crate) fn add_user(&self, new: &NewUser) -> Result<bool, Failure> {
        let own_group = self.own_group(new);
        let comment = comment(&new.gecos);
        let mut args: Vec<&str> = Vec::new();
        for (option, value) in [("-s", &new.shell), ("-u", &new.uid), ("-d", &new.home)] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                args.extend([option, value]);
            }
        }
        match (
            new.gid.as_deref().filter(|gid| !gid.is_empty()),
            new.user_group,
        ) {
            (Some(gid), _) => args.extend(["-g", gid]),
            (None, Some(true)) if !self.is_local => args.push("-U"),
            (None, _) => args.extend(own_group.iter().flat_map(|gid| ["-g", gid])),
        }
        let flags = [
            (
                new.user_group == Some(false),
                if self.is_local { "-n" } else { "-N" },
            ),
            (new.makes_home && !self.is_local, "-m"),
            (!new.makes_home, "-M"),
            (new.no_login_log, "-l"),
            (!new.is_unique, "-o"),
            (new.is_system, "-r"),
        ];
        args.extend(
            flags
                .into_iter()
                .filter(|(is_set, _)| *is_set)
                .map(|(_, flag)| flag),
        );
        if !comment.is_empty() {
            args.extend(["-c", &comment]);
        }
        args.push(&new.name);
        if !self.succeeds(&self.program("useradd"), &args)? {
            return Ok(false);
        }
        if let Some(groups) = new.groups.as_ref().filter(|groups| !groups.is_empty()) {
            self.set_groups(&new.name, groups, false)?;
        }
        Ok(true)
    }

    /// The group of the same name, where it is there already and the host gives each user one.
    fn own_group(&self, new: &NewUser) -> Option<String> {
        let group = self.group(&new.name)?;
        let is_wanted = new
            .groups
            .as_ref()
            .is_some_and(|groups| groups.contains(&new.name));
        let rules = fs::read_to_string(self.path("/etc/login.defs")).unwrap_or_default();
        let rule = rules
            .lines()
            .find(|line| line.starts_with("USERGROUPS_ENAB"))?;
        (is_wanted && rule.contains("yes")).then(|| group.gid.to_string())
    }

    /// Removes a user, with home and mailbox when `is_whole`.
    pub(crate) fn delete_user(
        &self,
        name: &str,
        is_whole: bool,
        is_forced: bool,
    ) -> Result<bool, Failure> {
        let mut args = Vec::new();
        if is_whole {
            args.push("-r");
        }
        if is_forced && !self.is_local {
            args.push("-f");
        }
        args.push(name);
        let (retcode, said) = self.run(&self.program("userdel"), &args, "-R", None)?;
        // The user is gone then; Debian has no mailbox for most.
        let is_mailbox =
            retcode == NO_MAILBOX && (said.contains("var/mail") || said.contains("var/spool/mail"));
        Ok(retcode == 0 || is_mailbox)
    }

    /// Changes one thing of a user by an option of `usermod`. An error when there is no such user.
    pub(crate) fn modify(&self, name: &str, args: &[&str]) -> Result<bool, Failure> {
        if self.user(name).is_none() {
            return Err(Failure::command(format!("User '{name}' does not exist")));
        }
        let mut all = args.to_vec();
        all.push(name);
        self.succeeds("usermod", &all)
    }

    /// Sets a part of the comment; false when there is no such user or it does not stand there afterwards.
    pub(crate) fn set_gecos(&self, name: &str, part: &str, value: &str) -> Result<bool, Failure> {
        let (Some(user), Some(at)) = (
            self.user(name),
            GECOS.iter().position(|known| *known == part),
        ) else {
            return Ok(false);
        };
        if user.gecos[at] == value {
            return Ok(true);
        }
        let mut gecos = user.gecos;
        gecos[at] = value.to_owned();
        self.modify(name, &["-c", &comment(&gecos)])?;
        Ok(self.user(name).is_some_and(|user| user.gecos[at] == value))
    }

    /// Sets the groups of a user beside the primary one, or adds some.
    pub(crate) fn set_groups(
        &self,
        name: &str,
        groups: &[String],
        is_added: bool,
    ) -> Result<bool, Failure> {
        let mut sorted = groups.to_vec();
        sorted.sort();
        if self
            .user(name)
            .is_some_and(|user: UserInfo| user.groups == sorted)
        {
            return Ok(true);
        }
        let list = groups.join(",");
        let mut args = Vec::new();
        if is_added {
            args.push("-a");
        }
        args.extend(["-G", &list, name]);
        let (retcode, said) = self.run("usermod", &args, "-R", None)?;
        if retcode != 0 && said.contains("not found in") {
            // A user of a directory service is not in the file that usermod changes.
            let mut is_done = true;
            for group in groups {
                is_done &= self.add_member(group, name)?;
            }
            return Ok(is_done);
        }
        Ok(retcode == 0)
    }
}

fn comment(gecos: &[String; 5]) -> String {
    gecos.join(",").trim_end_matches(',').to_owned()
}
