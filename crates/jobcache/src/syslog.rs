//! The host's log, as Salt's returner `syslog` writes there: a line of JSON for each return.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::{Batch, CacheError};

/// Where and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// The socket of the host's log.
    pub socket: PathBuf,
    /// Facility times 8 plus level.
    pub priority: u8,
    /// What lines begin with.
    pub tag: String,
}

/// Longest line, in bytes: what a socket takes by default with room to spare. What the log keeps of it is its own affair.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Sends the returns of a batch. What the log does with them is not known: it answers nothing.
pub(crate) fn send(syslog: &Syslog, batch: &Batch) -> Result<(), CacheError> {
    let wrap = |said| CacheError::File {
        path: Path::to_owned(&syslog.socket),
        said,
    };
    let socket = UnixDatagram::unbound().map_err(wrap)?;
    socket.connect(&syslog.socket).map_err(wrap)?;
    for answer in &batch.returns {
        let mut line = format!("<{}>{}: {}", syslog.priority, syslog.tag, answer.full());
        if line.len() > LINE_BYTES_MAX {
            line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
        }
        socket.send(line.as_bytes()).map_err(wrap)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::answer;

    #[test]
    fn a_line_for_each_return() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog {
            socket: path,
            priority: 14,
            tag: "banyan".to_owned(),
        };
        let mut long = answer();
        long.value = format!("\"{}\"", "ü".repeat(LINE_BYTES_MAX)).into();
        let batch = Batch {
            returns: vec![answer(), long],
            ..Batch::default()
        };
        send(&syslog, &batch).unwrap();
        let mut line = vec![0; 1 << 20];
        let length = log.recv(&mut line).unwrap();
        let text = str::from_utf8(&line[..length]).unwrap();
        assert!(
            text.starts_with("<14>banyan: {\"cmd\":\"_return\",\"id\":\"web1\""),
            "{text}"
        );
        assert!(log.recv(&mut line).unwrap() <= LINE_BYTES_MAX);
    }
}
