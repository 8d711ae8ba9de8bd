//! The socket on which commands of the same host reach a daemon: how it is bound, and frames over it.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{UnixListener, UnixStream};
use wire::codec::{self, CodecError};

/// Who may use a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The daemon's own user and root. The directory is closed to others.
    Owner,
    /// As [`Audience::Owner`], in a directory that daemons with other rules may share: it stays as it is.
    OwnerWithin,
    /// All users of the host; the daemon says what each of them may do.
    Everybody,
}

/// Why a socket is not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A living daemon holds it.
    #[error("another daemon answers at {}", .0.display())]
    Held(PathBuf),
    /// The socket, or its directory.
    #[error("can't bind {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The other side has gone, or the connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It announced too much.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Binds the socket, in the place of one that a killed daemon left.
///
/// # Errors
/// [`BindError`]
pub fn bind(path: &Path, audience: Audience) -> Result<UnixListener, BindError> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(BindError::Held(path.to_owned()));
    }
    bind_anew(path, audience).map_err(|source| BindError::Io {
        path: path.to_owned(),
        source,
    })
}

fn bind_anew(path: &Path, audience: Audience) -> io::Result<UnixListener> {
    let (dir_mode, socket_mode) = match audience {
        Audience::Everybody => (0o755, 0o666),
        Audience::Owner | Audience::OwnerWithin => (0o700, 0o600),
    };
    if let Some(dir) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        // Only the last one is closed: a host's own directories stay as they are for all.
        if let Some(above) = dir.parent() {
            builder.create(above)?;
        }
        builder.mode(dir_mode).create(dir)?;
        if audience != Audience::OwnerWithin {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(dir_mode))?;
        }
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(socket_mode))?;
    Ok(listener)
}

/// A process at the other end of a socket, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: Uid,
    /// Its group.
    pub gid: Gid,
    /// Whether it is root or runs as this process does.
    pub is_owner: bool,
}

/// Who connected.
///
/// # Errors
/// When the kernel does not say.
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    let uid = Uid::from_raw(credentials.uid());
    Ok(Peer {
        uid,
        gid: Gid::from_raw(credentials.gid()),
        is_owner: uid.is_root() || uid == Uid::effective(),
    })
}

/// Reads the body of one frame.
///
/// # Errors
/// [`ReadError`]; an end of the connection is `UnexpectedEof`.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, ReadError> {
    let mut prefix = [0; codec::PREFIX];
    stream.read_exact(&mut prefix).await?;
    let mut body = vec![0; codec::frame_len(prefix)?];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// Ends when the other side says no more: it closed the connection, or its half of it.
pub async fn hung_up(stream: &mut (impl AsyncRead + Unpin)) {
    let mut byte = [0; 1];
    let _ = stream.read(&mut byte).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn only_the_owner_gets_in_and_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/banyan/a.sock");
        let listener = bind(&path, Audience::Owner).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert!(matches!(
            bind(&path, Audience::Owner),
            Err(BindError::Held(_))
        ));
        drop(listener);
        bind(&path, Audience::Everybody).unwrap();
        assert_eq!(mode(path.parent().unwrap()), 0o755);
        // A neighbour does not close the directory to whom it was opened.
        let neighbour = dir.path().join("run/banyan/b.sock");
        bind(&neighbour, Audience::OwnerWithin).unwrap();
        assert_eq!(mode(&neighbour), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o755);
    }

    #[tokio::test]
    async fn a_frame_is_read_whole_and_not_when_it_is_too_long() {
        let mut whole: &[u8] = &[2, 0, 0, 0, 7, 8, 9];
        assert_eq!(read_frame(&mut whole).await.unwrap(), [7, 8]);
        assert!(matches!(
            read_frame(&mut whole).await,
            Err(ReadError::Io(_))
        ));
        let mut long: &[u8] = &[255, 255, 255, 255, 0];
        assert!(matches!(
            read_frame(&mut long).await,
            Err(ReadError::Codec(_))
        ));
    }
}
