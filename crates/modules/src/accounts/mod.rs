//! Users, groups and their passwords: read from the services of names or from files, changed by `useradd` and its kin.

pub(crate) mod crypt;
mod files;
mod groups;
mod shadow;
mod users;

use std::ffi::CString;

use nix::unistd::{Gid, Group, User, getgrouplist};
use serde_json::{Value, json};

pub(crate) use self::users::{GECOS, NewUser};
use crate::failure::Failure;
use crate::registry::Env;
use crate::tools::{Tools, Way};

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupInfo {
    pub(crate) name: String,
    pub(crate) passwd: String,
    pub(crate) gid: u32,
    pub(crate) members: Vec<String>,
}

impl GroupInfo {
    /// As `group.info` shows it.
    pub(crate) fn shown(&self) -> Value {
        json!({"name": self.name, "passwd": self.passwd, "gid": self.gid, "members": self.members})
    }
}

/// A user with the names of all groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserInfo {
    pub(crate) name: String,
    pub(crate) passwd: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Full name, room, phone at work, phone at home, other.
    pub(crate) gecos: [String; 5],
    pub(crate) home: String,
    pub(crate) shell: String,
    pub(crate) groups: Vec<String>,
}

impl UserInfo {
    /// As `user.info` shows it.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!({
            "gid": self.gid, "groups": self.groups, "home": self.home, "name": self.name, "passwd": self.passwd,
            "shell": self.shell, "uid": self.uid,
        });
        for (name, value) in GECOS.iter().zip(&self.gecos) {
            shown[*name] = json!(value);
        }
        shown
    }
}

/// What the shadow file says of a user; days are counted from 1970, and -1 stands for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shadow {
    pub(crate) name: String,
    pub(crate) passwd: String,
    /// `lstchg`, `min`, `max`, `warn`, `inact`, `expire`.
    pub(crate) days: [i64; 6],
}

/// The names of [`Shadow::days`].
pub(crate) const DAYS: [&str; 6] = ["lstchg", "min", "max", "warn", "inact", "expire"];

impl Shadow {
    /// As `shadow.info` shows it; all is empty for a user without an entry.
    pub(crate) fn shown(shadow: Option<&Shadow>) -> Value {
        let Some(shadow) = shadow else {
            return json!({
                "name": "", "passwd": "", "lstchg": "", "min": "", "max": "", "warn": "", "inact": "", "expire": "",
            });
        };
        let mut shown = json!({"name": shadow.name, "passwd": shadow.passwd});
        for (name, days) in DAYS.iter().zip(shadow.days) {
            shown[*name] = json!(days);
        }
        shown
    }
}

/// The accounts of this host, or of a root directory below it.
pub(crate) struct Accounts<'a> {
    tools: Tools<'a>,
    /// The directory that programs take as their root.
    root: Option<String>,
    /// The files alone count, and the programs are those of libuser.
    is_local: bool,
}

impl<'a> Accounts<'a> {
    /// `root`: a directory below which the accounts are. `is_local`: only those of the files, changed by libuser's programs.
    pub(crate) fn new(env: &'a Env<'a>, root: Option<String>, is_local: bool) -> Accounts<'a> {
        Accounts {
            tools: Tools::new(env),
            root: root.filter(|root| root != "/"),
            is_local,
        }
    }

    /// Accounts in the files of a test.
    #[cfg(test)]
    pub(crate) fn of(tools: Tools<'a>) -> Accounts<'a> {
        Accounts {
            tools,
            root: None,
            is_local: false,
        }
    }

    /// Whether the services of names answer, not the files alone.
    fn asks_services(&self) -> bool {
        self.root.is_none() && !self.is_local && self.tools.is_host()
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        match &self.root {
            Some(root) => std::path::Path::new(root).join(path.trim_start_matches('/')),
            None => self.tools.path(path),
        }
    }

    /// Runs a program; true for success. `word` is its option for a root directory.
    fn run(
        &self,
        program: &str,
        args: &[&str],
        root_option: &str,
        stdin: Option<String>,
    ) -> Result<(i32, String), Failure> {
        let mut argv = vec![program];
        if let Some(root) = &self.root {
            argv.extend([root_option, root]);
        }
        argv.extend(args);
        let way = Way {
            stdin,
            ..Way::default()
        };
        if self.tools.which(program).is_none() {
            return Err(Failure::command(format!(
                "Command '{program}' cannot be found"
            )));
        }
        let finished = self.tools.run(&argv, &way)?;
        if finished.retcode != 0 {
            tracing::warn!(program, retcode = finished.retcode, "{}", &*finished.stderr);
        }
        Ok((finished.retcode, finished.stderr.to_string()))
    }

    fn succeeds(&self, program: &str, args: &[&str]) -> Result<bool, Failure> {
        Ok(self.run(program, args, "-R", None)?.0 == 0)
    }

    /// `useradd`, or libuser's `luseradd`.
    fn program(&self, name: &str) -> String {
        if self.is_local {
            format!("l{name}")
        } else {
            name.to_owned()
        }
    }

    /// A user by name.
    pub(crate) fn user(&self, name: &str) -> Option<UserInfo> {
        if self.asks_services() {
            return User::from_name(name)
                .ok()
                .flatten()
                .map(|user| self.known_to_services(&user));
        }
        self.users().into_iter().find(|user| user.name == name)
    }

    fn known_to_services(&self, user: &User) -> UserInfo {
        let name = CString::new(user.name.as_str()).unwrap_or_default();
        let ids: Vec<Gid> = getgrouplist(&name, user.gid).unwrap_or_default();
        let named = ids
            .into_iter()
            .filter_map(|id| Group::from_gid(id).ok().flatten())
            .map(|group| group.name);
        let mut groups: Vec<String> = named.collect();
        groups.sort();
        groups.dedup();
        UserInfo {
            name: user.name.clone(),
            passwd: user.passwd.to_string_lossy().into_owned(),
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            gecos: files::gecos(&user.gecos.to_string_lossy()),
            home: user.dir.to_string_lossy().into_owned(),
            shell: user.shell.to_string_lossy().into_owned(),
            groups,
        }
    }

    /// All users of the file.
    pub(crate) fn users(&self) -> Vec<UserInfo> {
        let groups = self.groups();
        let mut users = files::users(&self.path("/etc/passwd"));
        for user in &mut users {
            let is_in =
                |group: &&GroupInfo| group.gid == user.gid || group.members.contains(&user.name);
            user.groups = groups
                .iter()
                .filter(is_in)
                .map(|group| group.name.clone())
                .collect();
            user.groups.sort();
            user.groups.dedup();
        }
        users
    }

    /// A group by name.
    pub(crate) fn group(&self, name: &str) -> Option<GroupInfo> {
        if self.asks_services() {
            return Group::from_name(name).ok().flatten().map(from_service);
        }
        self.groups().into_iter().find(|group| group.name == name)
    }

    /// All groups of the file.
    pub(crate) fn groups(&self) -> Vec<GroupInfo> {
        files::groups(&self.path("/etc/group"))
    }

    /// The name of a group by its number.
    pub(crate) fn group_name(&self, gid: u32) -> Option<String> {
        if self.asks_services() {
            return Group::from_gid(Gid::from_raw(gid))
                .ok()
                .flatten()
                .map(|group| group.name);
        }
        self.groups()
            .into_iter()
            .find(|group| group.gid == gid)
            .map(|group| group.name)
    }

    /// What the shadow file says of a user.
    pub(crate) fn shadow(&self, name: &str) -> Option<Shadow> {
        self.shadows()
            .into_iter()
            .find(|shadow| shadow.name == name)
    }

    /// All entries of the shadow file.
    pub(crate) fn shadows(&self) -> Vec<Shadow> {
        files::shadows(&self.path("/etc/shadow"))
    }
}

fn from_service(group: Group) -> GroupInfo {
    GroupInfo {
        name: group.name,
        passwd: group.passwd.to_string_lossy().into_owned(),
        gid: group.gid.as_raw(),
        members: group.mem,
    }
}

#[cfg(test)]
pub(crate) mod fake;
