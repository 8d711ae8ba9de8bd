//! Finding programs, and asking them short questions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::{Finished, Spec, run};
use crate::cancel::Cancel;
use crate::cut::WHOLE_BYTES_MAX;
use crate::environment;
use crate::failure::Failure;

/// Searched after `PATH`, as service managers start daemons with a short one.
const USUAL_DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Tools that the functions ask must answer within this time.
const QUERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether a path is a file that this process may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

/// The path of a program: of a name along `PATH` and the usual directories, of an absolute path itself.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    if name.is_empty() {
        return None;
    }
    if name.contains('/') {
        let path = PathBuf::from(name);
        return (path.is_absolute() && is_executable(&path)).then_some(path);
    }
    #[cfg(test)]
    if let Some(root) = crate::root::lent::root() {
        let path = root.join("bin").join(name);
        if is_executable(&path) {
            return Some(path);
        }
    }
    let path = environment::get("PATH").unwrap_or_default();
    let usual = USUAL_DIRECTORIES.iter().map(PathBuf::from);
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .chain(usual)
        .map(|dir| dir.join(name))
        .find(|path| is_executable(path))
}

/// Runs a tool with English messages and waits for its answer. No shell is involved.
pub(crate) fn query(argv: &[&str], cancel: &Cancel) -> Result<Finished, Failure> {
    let (name, args) = argv
        .split_first()
        .ok_or_else(|| Failure::command("no program was named"))?;
    let program = which(name).ok_or_else(|| Failure::MissingProgram((*name).to_owned()))?;
    let mut spec = Spec::new(argv);
    spec.argv = std::iter::once(program.to_string_lossy().into_owned())
        .chain(args.iter().map(|&arg| arg.to_owned()))
        .collect();
    spec.env = vec![("LC_ALL".to_owned(), "C".to_owned())];
    spec.timeout = Some(QUERY_TIMEOUT);
    let finished = run(spec, cancel).map_err(|error| Failure::io(&program, error))?;
    if finished.timed_out {
        return Err(Failure::command(format!(
            "{} : Timed out after {} seconds",
            argv.join(" "),
            QUERY_TIMEOUT.as_secs()
        )));
    }
    if finished.stdout.is_cut() {
        // Half an answer would be taken for a whole one.
        return Err(Failure::command(format!(
            "{} answers more than {WHOLE_BYTES_MAX} bytes",
            argv.join(" ")
        )));
    }
    Ok(finished)
}
