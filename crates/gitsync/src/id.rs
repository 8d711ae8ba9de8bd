//! Names of git objects.

use std::fmt;
use std::str::FromStr;

/// The text is not 40 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 40 hexadecimal digits")]
pub struct NotAnId;

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 20]);

        impl $name {
            /// The 20 raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 20] {
                &self.0
            }

            /// The id with these 20 raw bytes.
            pub const fn from_bytes(bytes: [u8; 20]) -> Self {
                Self(bytes)
            }

            pub(crate) fn from_oid(oid: git2::Oid) -> Self {
                let mut bytes = [0; 20];
                bytes.copy_from_slice(oid.as_bytes());
                Self(bytes)
            }

            pub(crate) fn oid(self) -> git2::Oid {
                git2::Oid::from_bytes(&self.0).expect("20 bytes are a SHA-1 id")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let text: &[u8; 40] = text.as_bytes().try_into().map_err(|_| NotAnId)?;
                let mut bytes = [0; 20];
                for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
                    let digit = |c: u8| (c as char).to_digit(16).ok_or(NotAnId);
                    *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
                }
                Ok(Self(bytes))
            }
        }
    };
}

object_id! {
    /// A commit, by its full hash; shown as 40 hexadecimal digits.
    CommitId
}

object_id! {
    /// The content of a file, by its full hash; shown as 40 hexadecimal digits.
    BlobId
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, valid: bool) {
        assert_eq!(text.parse::<CommitId>().is_ok(), valid, "{text}");
    }

    #[test]
    fn only_full_hashes_are_ids() {
        check("0123456789abcdef0123456789abcdef01234567", true);
        check("0123456789ABCDEF0123456789abcdef01234567", true);
        check("0123456789abcdef0123456789abcdef0123456", false);
        check("0123456789abcdef0123456789abcdef012345678", false);
        check("g123456789abcdef0123456789abcdef01234567", false);
        check("+123456789abcdef0123456789abcdef01234567", false);
        check("é123456789abcdef0123456789abcdef0123456", false);
        check("", false);
    }

    #[test]
    fn an_id_shows_as_it_was_read() {
        let text = "00ff456789abcdef0123456789abcdef01234567";
        assert_eq!(text.parse::<CommitId>().unwrap().to_string(), text);
    }
}
