//! The connection to the daemon on the same host.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wire::Json;
use wire::codec::{self, CodecError};
use wire::control::{Ask, LedgerRow, Tell};

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// One question to the daemon and its answers. A connection carries one [`Ask`]; for the next one, make another.
pub trait Control: Send {
    /// Sends the question.
    ///
    /// # Errors
    /// When the daemon has gone, or the question does not fit into a frame.
    fn ask(&mut self, ask: Ask) -> Result<(), ControlError>;

    /// The next answer; None when the time is up or the daemon says no more. Without a timeout it waits for as long as the
    /// connection lasts.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no answer of this version.
    fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Tell>, ControlError>;
}

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens at the socket.
    #[error("no daemon answers at {}", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The socket is there, and this user may not use it.
    #[error("not allowed to talk to the daemon at {}", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the daemon broke")]
    Broken(#[source] io::Error),
    /// The bytes are no message, as with a daemon of another version, or too many.
    #[error("the daemon and this command do not understand each other")]
    Codec(#[from] CodecError),
}

/// A connection over the daemon's Unix socket.
#[derive(Debug)]
pub struct SocketControl {
    stream: UnixStream,
    /// Bytes of a frame that is not whole yet.
    pending: Vec<u8>,
    /// Parts of an account whose end has not come yet.
    parts: Vec<(Vec<LedgerRow>, Vec<Json>)>,
}

impl SocketControl {
    /// Connects.
    ///
    /// # Errors
    /// [`ControlError::NoDaemon`], [`ControlError::NotAllowed`].
    pub fn connect(path: &Path) -> Result<SocketControl, ControlError> {
        match UnixStream::connect(path) {
            Ok(stream) => Ok(SocketControl {
                stream,
                pending: Vec::new(),
                parts: Vec::new(),
            }),
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                Err(ControlError::NotAllowed {
                    path: path.to_owned(),
                    source,
                })
            }
            Err(source) => Err(ControlError::NoDaemon {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Takes a whole frame out of what has come.
    fn take_frame(&mut self) -> Result<Option<Tell>, ControlError> {
        let Some((prefix, rest)) = self.pending.split_first_chunk::<{ codec::PREFIX }>() else {
            return Ok(None);
        };
        let len = codec::frame_len(*prefix)?;
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        let tell = codec::decode(body)?;
        self.pending.drain(..codec::PREFIX + len);
        Ok(Some(tell))
    }
}

impl Control for SocketControl {
    fn ask(&mut self, ask: Ask) -> Result<(), ControlError> {
        let frame = codec::frame(&ask)?;
        self.stream.write_all(&frame).map_err(ControlError::Broken)
    }

    fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Tell>, ControlError> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut chunk = vec![0; READ_BYTES];
        loop {
            match self.take_frame()? {
                Some(Tell::LedgerPart { minions, values }) => {
                    self.parts.push((minions, values));
                    continue;
                }
                Some(Tell::Ledger(mut ledger)) => {
                    for (minions, values) in self.parts.drain(..).rev() {
                        ledger.join_parts(minions, values);
                    }
                    return Ok(Some(Tell::Ledger(ledger)));
                }
                Some(tell) => return Ok(Some(tell)),
                None => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            self.stream
                .set_read_timeout(left)
                .map_err(ControlError::Broken)?;
            match self.stream.read(&mut chunk) {
                Ok(0) if self.pending.is_empty() => return Ok(None),
                Ok(0) => return Err(ControlError::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(None);
                }
                Err(e) => return Err(ControlError::Broken(e)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use wire::control::FailureKind;

    fn pair() -> (SocketControl, UnixStream) {
        let (stream, peer) = UnixStream::pair().expect("a pair of sockets");
        (
            SocketControl {
                stream,
                pending: Vec::new(),
                parts: Vec::new(),
            },
            peer,
        )
    }

    #[test]
    fn frames_may_come_in_pieces_or_together() {
        let (mut control, mut peer) = pair();
        let tell = Tell::Failed(wire::control::Failure {
            kind: FailureKind::NotFound,
            text: "no".to_owned(),
        });
        let frame = codec::frame(&tell).expect("it fits");
        let (first, second) = frame.split_at(3);
        peer.write_all(first).expect("peer writes");
        assert_eq!(
            control
                .next(Some(Duration::from_millis(1)))
                .expect("time is up"),
            None
        );
        peer.write_all(&[second, &frame].concat())
            .expect("peer writes");
        drop(peer);
        assert_eq!(control.next(None).expect("whole"), Some(tell.clone()));
        assert_eq!(control.next(None).expect("whole"), Some(tell));
        assert_eq!(control.next(None).expect("the end"), None);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let (mut control, mut peer) = pair();
        peer.write_all(&u32::MAX.to_le_bytes())
            .expect("peer writes");
        assert!(matches!(
            control.next(None),
            Err(ControlError::Codec(CodecError::TooLong(_)))
        ));

        let (mut control, mut peer) = pair();
        peer.write_all(&[2, 0, 0, 0, 255, 255])
            .expect("peer writes");
        assert!(matches!(
            control.next(None),
            Err(ControlError::Codec(CodecError::Malformed(_)))
        ));

        let (mut control, mut peer) = pair();
        peer.write_all(&[9, 0]).expect("peer writes");
        drop(peer);
        assert!(matches!(control.next(None), Err(ControlError::Broken(_))));
    }

    #[test]
    fn nobody_at_the_socket() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sock");
        assert!(matches!(
            SocketControl::connect(&path),
            Err(ControlError::NoDaemon { .. })
        ));
        drop(UnixListener::bind(&path).expect("a socket"));
        // A socket that a killed daemon left.
        assert!(matches!(
            SocketControl::connect(&path),
            Err(ControlError::NoDaemon { .. })
        ));
    }
}
