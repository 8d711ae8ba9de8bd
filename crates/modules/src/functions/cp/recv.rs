//! `cp.recv`: what `salt-cp` sends.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure};

/// What the name of a file ends with that has not come whole yet; before it stand a dot and the number of this
/// process, since two minions may share a disk.
const PART_END: &str = ".salt-cp";

/// Writes files, or the next piece of each. Answers the paths, and whether each is written.
pub(super) fn recv(args: &Args, _: &Env) -> Answer {
    let Value::Object(files) = args.value("files") else {
        return Err(Failure::invocation(
            "files is a dictionary of names with their contents",
        ));
    };
    let dest = args.text("dest")?;
    let is_base64 = match args.optional_text("encoding")?.as_deref() {
        None | Some("") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(Failure::invocation(format!(
                "there is no encoding '{other}', only base64"
            )));
        }
    };
    let below = args.optional_text("below")?;
    let piece = Piece {
        offset: u64::try_from(args.integer("offset")?)
            .map_err(|_| Failure::invocation("offset is not below 0"))?,
        is_last: args.flag("is_last"),
        mode: match args.optional_text("mode")? {
            None => None,
            Some(mode) => Some(
                u32::from_str_radix(&mode, 8)
                    .map_err(|_| Failure::invocation(format!("'{mode}' is no mode")))?,
            ),
        },
    };
    let mut written = Map::new();
    for (name, content) in files {
        let Value::String(text) = content else {
            return Err(Failure::invocation(format!(
                "the content of '{name}' is no text"
            )));
        };
        let bytes = if is_base64 {
            BASE64
                .decode(text.as_bytes())
                .map_err(|_| Failure::invocation(format!("the content of '{name}' is no base64")))?
        } else {
            text.as_bytes().to_vec()
        };
        let place = place(name, Path::new(&dest), below.as_deref(), files.len())?;
        piece.write(&place, &bytes)?;
        written.insert(place.display().to_string(), json!(true));
    }
    Ok(Value::Object(written))
}

/// Where a file goes: into a folder, or to a path whose folder is there. What lies below a folder that was sent brings its folders.
fn place(name: &str, dest: &Path, below: Option<&str>, files: usize) -> Result<PathBuf, Failure> {
    if !dest.is_absolute() {
        return Err(Failure::invocation(format!(
            "the destination '{}' is no absolute path",
            dest.display()
        )));
    }
    if let Some(below) = below {
        let below = Path::new(below);
        let is_plain = below
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !is_plain {
            return Err(Failure::invocation("below is a path without .."));
        }
        let place = dest.join(below);
        let folder = place.parent().unwrap_or(dest);
        fs::create_dir_all(folder).map_err(|error| Failure::io(folder, error))?;
        return Ok(place);
    }
    let base = Path::new(name)
        .file_name()
        .ok_or_else(|| Failure::invocation(format!("'{name}' names no file")))?;
    if dest.is_dir() {
        return Ok(dest.join(base));
    }
    let is_folder = dest.as_os_str().as_encoded_bytes().ends_with(b"/");
    if files == 1 && !is_folder && dest.parent().is_some_and(Path::is_dir) {
        return Ok(dest.to_owned());
    }
    Err(Failure::command("Destination unavailable"))
}

/// A part of a file, as every file of a call has it.
struct Piece {
    offset: u64,
    is_last: bool,
    mode: Option<u32>,
}

impl Piece {
    /// Adds it to what came before. The file takes its place with the last piece.
    fn write(&self, place: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let process = std::process::id();
        let part = place.with_file_name(format!(".{name}.{process}{PART_END}"));
        let failure = |error| Failure::io(&part, error);
        let mut options = OpenOptions::new();
        // Nobody's link leads the pieces elsewhere.
        options
            .write(true)
            .mode(0o600)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
        if self.offset == 0 {
            match fs::remove_file(&part) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failure(error));
                }
                _ => {}
            }
            options.create_new(true);
        } else {
            options.append(true);
        }
        let mut file = options.open(&part).map_err(failure)?;
        let length = file.metadata().map_err(failure)?.len();
        if length != self.offset {
            return Err(Failure::command(format!(
                "'{}' has {length} bytes and the next piece begins at {}: copy it again",
                part.display(),
                self.offset
            )));
        }
        file.write_all(bytes).map_err(failure)?;
        if !self.is_last {
            return Ok(());
        }
        if let Some(mode) = self.mode {
            file.set_permissions(Permissions::from_mode(mode))
                .map_err(failure)?;
        }
        file.sync_all().map_err(failure)?;
        fs::rename(&part, place).map_err(|error| Failure::io(place, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn pieces_become_a_file() {
        let host = Host::new();
        let dir = tempfile::tempdir().unwrap();
        let dest = dir.path().join("motd");
        let send = |offset: usize, text: &[u8], is_last: bool| {
            let call = Call::new("cp.recv")
                .arg(json!({ "/etc/motd": BASE64.encode(text) }))
                .arg(dest.to_str().unwrap())
                .kwarg("encoding", "base64")
                .kwarg("offset", offset)
                .kwarg("is_last", is_last)
                .kwarg("mode", "0640");
            host.call(call)
        };
        assert!(send(0, b"one\xff", false).success);
        assert!(!dest.exists());
        // A piece that is missing, or comes twice, spoils nothing.
        assert!(!send(9, b"three", true).success);
        let last = send(4, b"two", true);
        assert_eq!(last.value, json!({ dest.to_str().unwrap(): true }));
        assert_eq!(fs::read(&dest).unwrap(), b"one\xfftwo");
        let mode = fs::metadata(&dest).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn goes_into_a_folder_that_is_there() {
        let host = Host::new();
        let dir = tempfile::tempdir().unwrap();
        let recv = |dest: &str, below: Option<&str>| {
            let dest = dir.path().join(dest);
            let call = Call::new("cp.recv").arg(json!({"a/motd": "hi"}));
            let call = call.arg(dest.to_str().unwrap());
            host.call(match below {
                Some(below) => call.kwarg("below", below),
                None => call,
            })
        };
        assert!(recv("", None).success);
        assert_eq!(fs::read_to_string(dir.path().join("motd")).unwrap(), "hi");
        assert!(recv("new", Some("sub/motd")).success);
        assert!(dir.path().join("new/sub/motd").exists());
        for (dest, below) in [("none/such", None), ("none/", None), ("", Some("../motd"))] {
            assert!(!recv(dest, below).success, "{dest} {below:?}");
        }
    }
}
