//! `file.absent`: a file, link or directory is not there.

use std::path::Path;

use serde_json::json;

use super::{Args, Return, StateAnswer, StateEnv, StateFunction, begin, fail, name_of, remove};

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.absent",
    "name, **kwargs",
    "Remove a file, a link, or a directory with all in it.",
    absent,
);

fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.absent"));
    }
    if !name.starts_with('/') {
        let comment = format!("Specified file {name} is not an absolute path");
        return Ok(fail(answer, comment));
    }
    if name == "/" {
        return Ok(fail(answer, "Refusing to make \"/\" absent"));
    }
    let path = Path::new(&name);
    let (title, noun) = match path {
        path if path.is_file() || path.is_symlink() => ("File", "file"),
        path if path.is_dir() => ("Directory", "directory"),
        _ => {
            return Ok(Return {
                comment: format!("File {name} is not present"),
                ..answer
            });
        }
    };
    let mut answer = answer;
    if env.is_test {
        answer.result = None;
        answer.comment = format!("{title} {name} is set for removal");
    } else {
        if let Err(failure) = remove(path) {
            return Ok(fail(answer, failure.to_string()));
        }
        answer.comment = format!("Removed {noun} {name}");
    }
    answer.changes.insert("removed".to_owned(), json!(name));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn things_are_removed() {
        let host = Host::new();
        let check = |name: &str, noun: &str| {
            let path = host.path(name);
            let answer = host.applies("file.absent", json!({"name": path}));
            assert_eq!(answer.changes["removed"], json!(path));
            assert_eq!(answer.comment, format!("Removed {noun} {path}"));
            assert!(Path::new(&path).symlink_metadata().is_err());
        };
        host.write("d/e/f", "x");
        host.write("f", "x");
        std::os::unix::fs::symlink("d", host.path("link")).unwrap();
        check("link", "file");
        check("f", "file");
        assert!(Path::new(&host.path("d/e/f")).exists());
        check("d", "directory");
        let refused = host.state("file.absent", json!({"name": "/"}), false);
        assert_eq!(refused.comment, "Refusing to make \"/\" absent");
        let refused = host.state("file.absent", json!({"name": "x"}), false);
        assert_eq!(refused.comment, "Specified file x is not an absolute path");
    }
}
