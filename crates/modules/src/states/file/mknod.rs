//! `file.mknod`: a device or a pipe.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};
use serde_json::json;

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, fail, name_of};
use crate::files::node::{self, Kind};
use crate::files::permissions::{self, Wanted};
use crate::files::{directories, mode};
use crate::python;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.mknod",
    "name, ntype, major=0, minor=0, user=None, group=None, mode='0600'",
    "Make a character device (ntype c), block device (b) or pipe (p) with owner and mode.",
    mknod,
);

fn mknod(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.mknod"));
    }
    let letter = args.text("ntype")?;
    let Some(kind) = Kind::of_letter(&letter) else {
        let comment = format!(
            "Node type unavailable: '{letter}'. Available node types are character ('c'), block ('b'), and pipe ('p')"
        );
        return Ok(fail(answer, comment));
    };
    let title = kind.title();
    let noun = title.to_lowercase();
    let number = |name: &str| {
        let number = args.integer(name)?;
        u64::try_from(number).map_err(|_| Failure::invocation(format!("{number} is no device")))
    };
    let device = (number("major")?, number("minor")?);
    let wanted = Wanted {
        user: args.value("user").clone(),
        group: args.value("group").clone(),
        mode: mode::normalized(args.value("mode")),
        attrs: None,
    };
    let path = Path::new(&name);
    if path.is_file() {
        let comment = format!("File {name} exists and is not a {noun}. Refusing to continue");
        return Ok(fail(answer, comment));
    }
    let found = path.metadata().ok().filter(|found| kind.is_of(found));
    let Some(found) = found else {
        if env.is_test {
            return Ok(Return {
                result: None,
                comment: format!("{title} {name} is set to be created"),
                ..answer
            });
        }
        return create(answer, path, kind, device, &wanted, env);
    };
    let has = (major(found.rdev()), minor(found.rdev()));
    if kind != Kind::Pipe && has != device {
        let comment = format!(
            "{title} {name} exists and has a different major/minor {}/{}. Refusing to continue",
            has.0, has.1
        );
        return Ok(fail(answer, comment));
    }
    let mut answer = answer;
    permissions::settle(path, &mut answer, &wanted, false, env.is_test, env.env)?;
    if answer.changes.is_empty() {
        answer.comment = format!("{title} {name} is in the correct state");
    }
    Ok(answer)
}

fn create(
    mut answer: Return,
    path: &Path,
    kind: Kind,
    device: (u64, u64),
    wanted: &Wanted,
    env: &StateEnv,
) -> StateAnswer {
    directories::make_parents(path, &wanted.user, &wanted.group, None)?;
    let bits = wanted.mode.as_deref().and_then(mode::bits).ok_or_else(|| {
        Failure::invocation(format!(
            "Invalid Mode {}",
            python::text(&json!(wanted.mode))
        ))
    })?;
    if !node::make(path, kind, bits, device)? {
        let comment = format!("File {} exists and cannot be overwritten", path.display());
        return Ok(fail(answer, comment));
    }
    let text = format!("{} {} created.", kind.title(), path.display());
    answer.changes.insert("new".to_owned(), json!(text));
    // What the mask took away is given back; that is no change to tell of.
    let mut settled = begin(&path.to_string_lossy());
    permissions::settle(path, &mut settled, wanted, false, false, env.env)?;
    if settled.result == Some(false) {
        return Ok(fail(answer, settled.comment));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn pipes_are_made() {
        let host = Host::new();
        let pipe = host.path("d/pipe");
        let args = json!({"name": pipe, "ntype": "p", "mode": "0640"});
        let foretold = host.state("file.mknod", args.clone(), true);
        assert_eq!(
            foretold.comment,
            format!("Fifo pipe {pipe} is set to be created")
        );
        let done = host.applies("file.mknod", args);
        assert_eq!(
            done.changes["new"],
            json!(format!("Fifo pipe {pipe} created."))
        );
        assert_eq!(Path::new(&pipe).metadata().unwrap().mode() & 0o7777, 0o640);
        let kept = host.state(
            "file.mknod",
            json!({"name": pipe, "ntype": "p", "mode": "0640"}),
            false,
        );
        assert_eq!(
            kept.comment,
            format!("Fifo pipe {pipe} is in the correct state")
        );
        let file = host.write("f", "");
        let refused = host.state("file.mknod", json!({"name": file, "ntype": "c"}), false);
        assert_eq!(
            refused.comment,
            format!("File {file} exists and is not a character device. Refusing to continue")
        );
        let refused = host.state("file.mknod", json!({"name": file, "ntype": "x"}), false);
        assert!(refused.comment.starts_with("Node type unavailable: 'x'."));
    }
}
