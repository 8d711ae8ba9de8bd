//! `file.symlink`: a symbolic link leads to a target.

use std::fs;
use std::os::unix::fs::{lchown, symlink as make_link};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, fail, name_of, own_user,
    remove, user_of,
};
use crate::failure::{os_text, python_text};
use crate::files::{directories, mode, owner, permissions};
use crate::functions::normal;
use crate::python;

const SIGNATURE: &str = "name, target, force=False, backupname=None, makedirs=False, user=None, group=None, \
     mode=None, win_owner=None, win_perms=None, win_deny_perms=None, win_inheritance=None, atomic=False, \
     disallow_copy_and_unlink=False, inherit_user_and_group=False, follow_symlinks=True, **kwargs";

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.symlink",
    SIGNATURE,
    "Make a symbolic link. force: replace a file or an empty place. backupname: move what is there to this name first. \
     makedirs: make missing directories, with user, group and mode. atomic: replace without a moment in which there is \
     no link. The win_ parameters have no meaning here.",
    symlink,
);

/// A link that is wanted.
struct Link<'a> {
    name: &'a str,
    target: &'a str,
    user: Value,
    group: Value,
    is_forced: bool,
    is_atomic: bool,
    follows: bool,
}

fn symlink(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let target = args.text("target")?;
    let answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.symlink"));
    }
    let path = Path::new(&name);
    let (mut user, mut group) = (user_of(args), args.value("group").clone());
    if args.flag("inherit_user_and_group") && path.is_symlink() {
        let found = permissions::found(path, false)?;
        user = if user.is_null() { found.user } else { user };
        group = if group.is_null() { found.group } else { group };
    }
    let user = own_user(user, env);
    if group.is_null() {
        group = owner::main_group(&user);
    }
    let mut errors = Vec::new();
    if owner::user_id(&user).is_none() {
        errors.push(format!("User {} does not exist", python::text(&user)));
    }
    if owner::group_id(&group).is_none() {
        errors.push(format!("Group {} does not exist", python::text(&group)));
    }
    if !name.starts_with('/') {
        errors.push(format!("Specified file {name} is not an absolute path"));
    }
    if !errors.is_empty() {
        let end = if errors.len() > 1 { "." } else { "" };
        return Ok(fail(answer, format!("{}{end}", errors.join(". "))));
    }
    let link = Link {
        name: &name,
        target: &target,
        user,
        group,
        is_forced: args.flag("force"),
        is_atomic: args.flag("atomic"),
        follows: args.flag("follow_symlinks"),
    };
    let directory = directories::above(&name);
    let is_homeless = !Path::new(directory).is_dir();
    if env.is_test {
        let mut answer = link.foretell(answer)?;
        if is_homeless && args.flag("makedirs") {
            answer.comment += &format!("\n{directory} will be created");
        } else if is_homeless {
            answer.comment += &format!("\nDirectory {directory} for symlink is not present");
        }
        return Ok(answer);
    }
    if is_homeless {
        if !args.flag("makedirs") {
            let comment = format!("Directory {directory} for symlink is not present");
            return Ok(fail(answer, comment));
        }
        let mode = mode::normalized(args.value("mode"));
        directories::make(
            Path::new(directory),
            &link.user,
            &link.group,
            mode.as_deref(),
        )?;
    }
    link.apply(answer, args)
}

impl Link<'_> {
    fn path(&self) -> &Path {
        Path::new(self.name)
    }

    /// Whether something is in the place, of a link that leads nowhere only where links are not followed.
    fn is_occupied(&self) -> bool {
        if self.follows {
            self.path().exists()
        } else {
            self.path().symlink_metadata().is_ok()
        }
    }

    fn owners(&self) -> Result<(Value, Value), Failure> {
        let found = permissions::found(self.path(), false)?;
        Ok((found.user, found.group))
    }

    fn has_owners(&self) -> Result<bool, Failure> {
        let found = permissions::found(self.path(), false)?;
        Ok(owner::is_same(&self.user, &found.user, found.uid)
            && owner::is_same(&self.group, &found.group, found.gid))
    }

    /// Gives the link its owners; whether it has them now.
    fn set_owners(&self) -> Result<bool, Failure> {
        let uid = owner::user_id(&self.user).map(|id| id.as_raw());
        let gid = owner::group_id(&self.group).map(|id| id.as_raw());
        // Whether it worked is asked next.
        let _ = lchown(self.path(), uid, gid);
        self.has_owners()
    }

    fn owners_text(&self) -> String {
        format!("{}:{}", python::text(&self.user), python::text(&self.group))
    }

    fn foretell(&self, answer: Return) -> Result<Return, Failure> {
        let (name, target) = (self.name, self.target);
        let mut changes = Map::new();
        let (result, comment) = if self.path().is_symlink() {
            let is_right = fs::read_link(self.path()).is_ok_and(|found| found == Path::new(target));
            if !is_right {
                changes.insert("change".to_owned(), json!(name));
                (
                    None,
                    format!("Link {name} target is set to be changed to {target}"),
                )
            } else if self.has_owners()? {
                (Some(true), format!("The symlink {name} is present"))
            } else {
                let (user, group) = self.owners()?;
                let now = format!("{}:{}", python::text(&user), python::text(&group));
                let comment = format!(
                    "The symlink {name} is present, but the ownership of the symlink would be changed from {now} to {}",
                    self.owners_text()
                );
                changes.insert("ownership".to_owned(), json!(now));
                (None, comment)
            }
        } else if !self.is_occupied() {
            changes.insert("new".to_owned(), json!(name));
            (
                None,
                format!("Symlink {name} to {target} is set for creation"),
            )
        } else if self.is_forced {
            let comment = format!(
                "The file or directory {name} is set for removal to make way for a new symlink targeting {target}"
            );
            (None, comment)
        } else {
            let comment = format!(
                "File or directory exists where the symlink {name} should be. Did you mean to use force?"
            );
            (Some(false), comment)
        };
        Ok(Return {
            result,
            comment,
            changes,
            ..answer
        })
    }

    fn apply(&self, mut answer: Return, args: &Args) -> StateAnswer {
        let (name, target) = (self.name, self.target);
        if self.path().is_symlink() {
            let is_right = fs::read_link(self.path())
                .is_ok_and(|found| normal(&found.to_string_lossy()) == normal(target));
            if is_right {
                return self.keep(answer);
            }
            if !self.is_atomic {
                remove(self.path())?;
            }
        } else if self.is_occupied() {
            if let Some(backup) = args.optional_text("backupname")? {
                if let Err(comment) = self.back_up(&backup) {
                    return Ok(fail(answer, comment));
                }
            } else if !self.is_forced && !self.is_atomic {
                let noun = match self.path() {
                    path if path.is_file() => "File",
                    path if path.is_dir() => "Directory",
                    _ => "File system entry",
                };
                let comment = format!("{noun} exists where the symlink {name} should be");
                return Ok(fail(answer, comment));
            }
        }
        if let Err(error) = self.make() {
            let comment = format!("Unable to create new symlink {name} -> {target}: {error}");
            return Ok(fail(answer, comment));
        }
        answer.comment = format!("Created new symlink {name} -> {target}");
        answer.changes.insert("new".to_owned(), json!(name));
        if !self.has_owners()? && !self.set_owners()? {
            answer.result = Some(false);
            answer.comment += &format!(
                ", but was unable to set ownership to {}",
                self.owners_text()
            );
        }
        Ok(answer)
    }

    /// The link is right; its owners are made so.
    fn keep(&self, mut answer: Return) -> StateAnswer {
        let (name, owners) = (self.name, self.owners_text());
        if self.has_owners()? {
            answer.comment = format!("Symlink {name} is present and owned by {owners}");
        } else if self.set_owners()? {
            answer.comment = format!("Set ownership of symlink {name} to {owners}");
            answer.changes.insert("ownership".to_owned(), json!(owners));
        } else {
            answer.result = Some(false);
            answer.comment = format!("Failed to set ownership of symlink {name} to {owners}");
        }
        Ok(answer)
    }

    fn back_up(&self, backup: &str) -> Result<(), String> {
        let (name, target) = (self.name, self.target);
        let backup = match backup {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            plain if !plain.contains('/') => {
                format!("{}/{plain}", directories::above(name).trim_end_matches('/'))
            }
            other => {
                return Err(format!(
                    "Backupname must be an absolute path or a file name: {other}"
                ));
            }
        };
        if Path::new(&backup).symlink_metadata().is_ok() {
            if !self.is_forced {
                return Err(format!(
                    "Symlink & backup dest exists and Force not set. {name} -> {target} - backup: {backup}"
                ));
            }
            remove(Path::new(&backup)).map_err(|failure| failure.to_string())?;
        }
        fs::rename(name, &backup).map_err(|error| {
            format!(
                "Unable to rename {name} to backup {backup} -> : {}",
                os_text(&error)
            )
        })
    }

    fn make(&self) -> Result<(), String> {
        let failed = |error: std::io::Error| {
            tracing::warn!("{}: {error}", self.name);
            format!("Could not create '{}'", self.name)
        };
        if self.is_atomic {
            let directory = self.path().parent().unwrap_or(Path::new("/"));
            let link = tempfile::Builder::new()
                .prefix(".link")
                .make_in(directory, |at| make_link(self.target, at))
                .map_err(failed)?;
            let (_, link) = link.into_parts();
            return link
                .persist(self.path())
                .map_err(|error| failed(error.error));
        }
        if self.is_forced && self.path().symlink_metadata().is_ok() {
            // A directory is only replaced when a backup has taken it away.
            fs::remove_file(self.path()).map_err(|error| python_text(self.path(), &error))?;
        }
        make_link(self.target, self.path()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn links_are_made_and_kept() {
        let host = Host::new();
        let link = host.path("d/link");
        let args = json!({"name": link, "target": "/etc/hostname"});
        let refused = host.state("file.symlink", args.clone(), false);
        let comment = format!("Directory {} for symlink is not present", host.path("d"));
        assert_eq!((refused.result, refused.comment), (Some(false), comment));
        let args = json!({"name": link, "target": "/etc/hostname", "makedirs": true});
        let foretold = host.state("file.symlink", args.clone(), true);
        let comment = format!(
            "Symlink {link} to /etc/hostname is set for creation\n{} will be created",
            host.path("d")
        );
        assert_eq!(foretold.comment, comment);
        let made = host.applies("file.symlink", args);
        assert_eq!(
            made.comment,
            format!("Created new symlink {link} -> /etc/hostname")
        );
        assert_eq!(Value::Object(made.changes), json!({"new": link}));
        let again = json!({"name": link, "target": "/etc//hostname"});
        let kept = host.state("file.symlink", again, false);
        assert!(
            kept.changes.is_empty()
                && kept
                    .comment
                    .starts_with(&format!("Symlink {link} is present and owned by "))
        );
        let other = json!({"name": link, "target": "/etc/passwd"});
        let foretold = host.state("file.symlink", other.clone(), true);
        let comment = format!("Link {link} target is set to be changed to /etc/passwd");
        assert_eq!(
            (foretold.comment, Value::Object(foretold.changes)),
            (comment, json!({"change": link}))
        );
        assert_eq!(host.state("file.symlink", other, false).result, Some(true));
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/etc/passwd"));
    }

    #[test]
    fn files_make_way_when_forced() {
        let host = Host::new();
        let file = host.write("f", "x");
        let args = |more: Value| {
            let mut args = json!({"name": file, "target": "t"});
            args.as_object_mut()
                .unwrap()
                .extend(more.as_object().cloned().unwrap());
            args
        };
        let refused = host.state("file.symlink", args(json!({})), false);
        assert_eq!(
            refused.comment,
            format!("File exists where the symlink {file} should be")
        );
        let foretold = host.state("file.symlink", args(json!({})), true);
        assert_eq!(foretold.result, Some(false));
        let done = host.state("file.symlink", args(json!({"backupname": "old"})), false);
        assert_eq!(done.result, Some(true), "{done:?}");
        assert_eq!(fs::read_to_string(host.path("old")).unwrap(), "x");
        fs::remove_file(&file).unwrap();
        host.write("f", "y");
        let done = host.state("file.symlink", args(json!({"force": true})), false);
        assert_eq!(done.result, Some(true), "{done:?}");
        assert_eq!(fs::read_link(&file).unwrap(), Path::new("t"));
        let refused = host.state("file.symlink", args(json!({"user": "nobody-such"})), false);
        assert_eq!(refused.comment, "User nobody-such does not exist");
    }
}
