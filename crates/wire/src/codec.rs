//! Bytes of messages: one encoding with limits for links, disks and control sockets.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

use crate::limits::MAX_FRAME;

type Config = Configuration<LittleEndian, Varint, Limit<MAX_FRAME>>;

const CONFIG: Config = bincode::config::standard().with_limit::<MAX_FRAME>();

/// Bytes that are no message, or a message that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Longer than [`MAX_FRAME`].
    #[error("message of {0} bytes is over the limit of {MAX_FRAME}")]
    TooLong(usize),
    /// Not the bytes of such a message.
    #[error("malformed message: {0}")]
    Malformed(String),
}

/// The bytes of a value.
///
/// # Errors
/// [`CodecError::TooLong`] when they would not fit into a frame.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = to_vec(value)?;
    if bytes.len() > MAX_FRAME {
        Err(CodecError::TooLong(bytes.len()))
    } else {
        Ok(bytes)
    }
}

fn to_vec<T: Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::encode_to_vec(value, CONFIG).map_err(|e| CodecError::Malformed(e.to_string()))
}

/// The value of these bytes; nothing may be left over.
///
/// # Errors
/// [`CodecError`] for anything else than the bytes of one value within the limits.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_FRAME {
        return Err(CodecError::TooLong(bytes.len()));
    }
    match bincode::decode_from_slice(bytes, CONFIG) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok((_, used)) => Err(CodecError::Malformed(format!(
            "{} bytes left over",
            bytes.len() - used
        ))),
        Err(e) => Err(CodecError::Malformed(e.to_string())),
    }
}

/// Length of the prefix of a frame.
pub const PREFIX: usize = 4;

/// A value as one frame: four bytes of length, little endian, and its bytes.
///
/// # Errors
/// As [`encode`].
pub fn frame<T: Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = to_vec(&([0; PREFIX], value))?;
    let len = bytes.len() - PREFIX;
    if len > MAX_FRAME {
        return Err(CodecError::TooLong(len));
    }
    bytes[..PREFIX].copy_from_slice(&(len as u32).to_le_bytes());
    Ok(bytes)
}

/// The body's length that a frame's prefix announces.
///
/// # Errors
/// [`CodecError::TooLong`] before anything is allocated for it.
pub fn frame_len(prefix: [u8; PREFIX]) -> Result<usize, CodecError> {
    let len = u32::from_le_bytes(prefix) as usize;
    if len > MAX_FRAME {
        Err(CodecError::TooLong(len))
    } else {
        Ok(len)
    }
}
