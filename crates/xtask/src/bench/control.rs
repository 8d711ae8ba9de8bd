//! Questions to a hub's daemon, without the process of a command line.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use wire::codec::{self, PREFIX};
use wire::control::{Ask, Ledger, Tell};

use super::PATIENCE;

/// Asks, and gives the first answer that `wanted` takes.
pub fn ask<T>(
    socket: &Path,
    ask: &Ask,
    wanted: impl FnMut(Tell) -> Option<T>,
) -> anyhow::Result<T> {
    ask_within(PATIENCE, socket, ask, wanted)
}

/// As [`ask`], of a daemon that is never silent for longer.
pub fn ask_within<T>(
    silence_max: Duration,
    socket: &Path,
    ask: &Ask,
    mut wanted: impl FnMut(Tell) -> Option<T>,
) -> anyhow::Result<T> {
    let mut stream =
        UnixStream::connect(socket).with_context(|| format!("nobody at {}", socket.display()))?;
    stream.set_read_timeout(Some(silence_max))?;
    stream.write_all(&codec::frame(ask)?)?;
    loop {
        let mut prefix = [0; PREFIX];
        stream.read_exact(&mut prefix).with_context(|| {
            format!(
                "no more answers; waited {} s at most",
                silence_max.as_secs()
            )
        })?;
        let mut body = vec![0; codec::frame_len(prefix)?];
        stream.read_exact(&mut body)?;
        match codec::decode(&body)? {
            Tell::Failed(failure) => bail!("{:?}: {}", failure.kind, failure.text),
            tell => {
                if let Some(answer) = wanted(tell) {
                    return Ok(answer);
                }
            }
        }
    }
}

/// Asks for an account, and puts its parts together.
pub fn account(silence_max: Duration, socket: &Path, question: &Ask) -> anyhow::Result<Ledger> {
    let mut parts = Vec::new();
    let mut ledger = ask_within(silence_max, socket, question, |tell| match tell {
        Tell::LedgerPart { minions, values } => {
            parts.push((minions, values));
            None
        }
        Tell::Ledger(ledger) => Some(*ledger),
        _ => None,
    })?;
    for (minions, values) in parts.into_iter().rev() {
        ledger.join_parts(minions, values);
    }
    Ok(ledger)
}

/// Waits until a daemon answers who it is; gives the fingerprint of its tree.
pub fn wait_for_daemon(socket: &Path) -> anyhow::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let identity = ask(socket, &Ask::Identity, |tell| match tell {
            Tell::Identity(identity) => Some(identity.tree_fingerprint),
            _ => None,
        });
        if identity.is_ok() || Instant::now() > deadline {
            return identity;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
