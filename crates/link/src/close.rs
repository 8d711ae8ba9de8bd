//! Why a connection ended.

use quinn::ConnectionError;

/// Characters of a peer's reason that are kept.
const REASON_MAX: usize = 200;

/// The number that travels when one side closes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum CloseCode {
    /// No more to say.
    Done = 0,
    /// Bytes that are no frame, or a stream that has no meaning.
    Malformed = 1,
    /// A certificate has ended.
    Expired = 2,
    /// No room; come back later.
    Overload = 3,
    /// The process stops; come back later.
    Stopping = 4,
    /// The peer may not be here; the reason was sent before.
    Refused = 5,
    /// A newer connection of the same key has taken over.
    Superseded = 6,
    /// The peer's key is no longer accepted.
    Revoked = 7,
    /// Something took too long.
    Slow = 8,
}

impl CloseCode {
    const ALL: [CloseCode; 9] = [
        CloseCode::Done,
        CloseCode::Malformed,
        CloseCode::Expired,
        CloseCode::Overload,
        CloseCode::Stopping,
        CloseCode::Refused,
        CloseCode::Superseded,
        CloseCode::Revoked,
        CloseCode::Slow,
    ];

    /// The code with this number; a number from a newer release is no code here.
    pub fn from_number(number: u64) -> Option<CloseCode> {
        Self::ALL.into_iter().find(|code| *code as u64 == number)
    }

    pub(crate) fn number(self) -> quinn::VarInt {
        (self as u32).into()
    }
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// This side closed it.
    #[error("closed here ({code:?}): {reason}")]
    Here {
        /// Why.
        code: CloseCode,
        /// In words.
        reason: String,
    },
    /// The peer closed it.
    #[error("closed by the peer ({}): {reason}", .code.map_or("unknown code".to_owned(), |c| format!("{c:?}")))]
    Peer {
        /// Why; `None` for a number that this release does not know.
        code: Option<CloseCode>,
        /// In words, cut and without control characters.
        reason: String,
    },
    /// Nothing was heard from the peer for the idle time.
    #[error("the peer has fallen silent")]
    Silent,
    /// The peer has restarted and knows nothing of this session.
    #[error("the peer has restarted")]
    Restarted,
    /// The transport gave up.
    #[error("transport: {0}")]
    Transport(String),
}

impl Closed {
    /// Whether the peer no longer accepts this side's certificate, so that only a new one helps.
    pub fn is_revocation(&self) -> bool {
        let revoked = Some(CloseCode::Revoked);
        matches!(self, Closed::Peer { code, .. } if *code == revoked)
    }

    pub(crate) fn new(error: ConnectionError) -> Closed {
        match error {
            ConnectionError::ApplicationClosed(close) => Closed::Peer {
                code: CloseCode::from_number(close.error_code.into_inner()),
                reason: printable(&close.reason),
            },
            ConnectionError::TimedOut => Closed::Silent,
            ConnectionError::Reset => Closed::Restarted,
            ConnectionError::LocallyClosed => Closed::Here {
                code: CloseCode::Done,
                reason: "the session was dropped".to_owned(),
            },
            other => Closed::Transport(printable(other.to_string().as_bytes())),
        }
    }
}

/// A text from outside for our logs.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control())
        .take(REASON_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable() {
        for (number, code) in CloseCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert_eq!(CloseCode::from_number(number as u64), Some(code));
        }
        assert_eq!(CloseCode::from_number(1 << 40), None);
    }

    #[test]
    fn foreign_texts_are_cut_and_cleaned() {
        assert_eq!(printable(b"a\x1b[31m\r\nb\xff"), "a[31mb\u{fffd}");
        assert_eq!(
            printable("ä".repeat(1_000).as_bytes()).chars().count(),
            REASON_MAX
        );
    }
}
