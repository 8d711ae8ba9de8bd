//! Groups, changed.

use super::Accounts;
use crate::failure::Failure;

impl Accounts<'_> {
    /// Makes a group; false when the program refuses.
    pub(crate) fn add_group(
        &self,
        name: &str,
        gid: Option<&str>,
        is_system: bool,
        non_unique: bool,
    ) -> Result<bool, Failure> {
        let mut args = Vec::new();
        if let Some(gid) = gid {
            args.extend(["-g", gid]);
            if non_unique && !self.is_local {
                args.push("-o");
            }
        }
        if is_system {
            args.push("-r");
        }
        args.push(name);
        self.succeeds(&self.program("groupadd"), &args)
    }

    /// Removes a group.
    pub(crate) fn delete_group(&self, name: &str) -> Result<bool, Failure> {
        self.succeeds(&self.program("groupdel"), &[name])
    }

    /// Gives a group another number; true when it has it afterwards.
    pub(crate) fn set_group_number(
        &self,
        name: &str,
        gid: u32,
        non_unique: bool,
    ) -> Result<bool, Failure> {
        match self.group(name) {
            None => return Ok(false),
            Some(group) if group.gid == gid => return Ok(true),
            Some(_) => {}
        }
        let number = gid.to_string();
        let mut args = vec!["-g", &number];
        if non_unique {
            args.push("-o");
        }
        args.push(name);
        self.succeeds("groupmod", &args)?;
        Ok(self.group(name).is_some_and(|group| group.gid == gid))
    }

    /// Puts a user into a group.
    pub(crate) fn add_member(&self, group: &str, user: &str) -> Result<bool, Failure> {
        Ok(self
            .run("gpasswd", &["--add", user, group], "--root", None)?
            .0
            == 0)
    }

    /// Takes a user out of a group; true too when it was not in it.
    pub(crate) fn delete_member(&self, group: &str, user: &str) -> Result<bool, Failure> {
        if !self
            .group(group)
            .is_some_and(|group| group.members.iter().any(|member| member == user))
        {
            return Ok(true);
        }
        Ok(self
            .run("gpasswd", &["--del", user, group], "--root", None)?
            .0
            == 0)
    }

    /// Sets all members of a group, with commas between.
    pub(crate) fn set_members(&self, group: &str, members: &str) -> Result<bool, Failure> {
        Ok(self
            .run("gpasswd", &["--members", members, group], "--root", None)?
            .0
            == 0)
    }
}
