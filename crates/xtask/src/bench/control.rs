//! Questions to a hub's daemon, without the process of a command line.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use wire::codec::{self, PREFIX};
use wire::control::{Ask, Tell};

use super::PATIENCE;

/// Asks, and gives the first answer that `wanted` takes.
pub fn ask<T>(
    socket: &Path,
    ask: &Ask,
    mut wanted: impl FnMut(Tell) -> Option<T>,
) -> anyhow::Result<T> {
    let mut stream =
        UnixStream::connect(socket).with_context(|| format!("nobody at {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&codec::frame(ask)?)?;
    loop {
        let mut prefix = [0; PREFIX];
        stream.read_exact(&mut prefix).context("no more answers")?;
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
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
