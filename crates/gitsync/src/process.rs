//! Settings that libgit2 keeps for the whole process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use git2::ConfigLevel;

use crate::Error;

/// Time to connect. Longer than any healthy handshake over a satellite.
const CONNECT_TIMEOUT_MS: i32 = 30_000;
/// Time without a single byte before a connection counts as dead. It bounds how long a hung remote can hold a thread.
const SILENCE_TIMEOUT_MS: i32 = 60_000;
/// Certificate files one process may add. A hub has one remote; the bound stops a caller that makes up a path each time.
const CA_FILES_MAX: usize = 16;

static SETTINGS: OnceLock<Result<(), String>> = OnceLock::new();
static CA_FILES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Makes libgit2 bounded in time and deaf to configuration outside the mirror. Runs once, before its first use.
#[expect(
    unsafe_code,
    reason = "git2 marks setters of process-wide options unsafe: they need an order, which OnceLock gives"
)]
pub(crate) fn prepare() -> Result<(), Error> {
    let apply = || -> Result<(), git2::Error> {
        // SAFETY: these setters race with other uses of libgit2's globals. This crate is the only user of git2, every
        // entry point comes through here first, and OnceLock runs this once while all others wait.
        unsafe {
            git2::opts::set_server_connect_timeout_in_milliseconds(CONNECT_TIMEOUT_MS)?;
            git2::opts::set_server_timeout_in_milliseconds(SILENCE_TIMEOUT_MS)?;
            // A user's or system's git configuration could rewrite URLs or name proxies behind our back.
            for level in [
                ConfigLevel::ProgramData,
                ConfigLevel::System,
                ConfigLevel::XDG,
                ConfigLevel::Global,
            ] {
                git2::opts::set_search_path(level, "")?;
            }
            // A `file://` remote usually belongs to another user. Git refuses those since their configuration can name
            // programs to run; libgit2 runs none.
            git2::opts::set_verify_owner_validation(false)?;
        }
        git2::opts::strict_hash_verification(true);
        Ok(())
    };
    let outcome = SETTINGS.get_or_init(|| apply().map_err(|error| error.message().to_owned()));
    outcome.clone().map_err(|detail| Error::Remote { detail })
}

/// Adds the certificates of a PEM file to those that https remotes of this process are checked against.
#[expect(
    unsafe_code,
    reason = "git2 marks setters of process-wide options unsafe: they need an order, which the mutex gives"
)]
pub(crate) fn trust_ca_file(path: &Path) -> Result<(), Error> {
    let failed = |reason: String| Error::KeyFile {
        path: path.to_owned(),
        reason,
    };
    let mut trusted = CA_FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if trusted.iter().any(|known| known == path) {
        return Ok(());
    }
    if trusted.len() >= CA_FILES_MAX {
        return Err(failed(format!(
            "more than {CA_FILES_MAX} certificate files in one process"
        )));
    }
    // SAFETY: callers are serialised by the mutex; connections in progress only read the certificate store, which
    // OpenSSL locks itself.
    unsafe { git2::opts::set_ssl_cert_file(path) }
        .map_err(|error| failed(error.message().to_owned()))?;
    trusted.push(path.to_owned());
    Ok(())
}
