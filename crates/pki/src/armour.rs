//! Binary things as text that survives terminals and mail: PEM.

use data_encoding::BASE64;

/// Longest text that is read, in bytes: a chain or a trust bundle with room to spare.
const MAX_TEXT: usize = 1 << 20;
/// Characters in one line (RFC 7468, section 2).
const LINE: usize = 64;

/// Why a text is not the PEM that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmourError {
    /// Longer than a mebibyte.
    #[error("the text is too long: {0} bytes")]
    TooLong(usize),
    /// No such section in it.
    #[error("no section \"BEGIN {0}\"")]
    Missing(String),
    /// More than one section where one belongs.
    #[error("{count} sections \"BEGIN {label}\" where one belongs")]
    Several {
        /// The label.
        label: String,
        /// How many.
        count: usize,
    },
    /// A section without its end, or with something else than base64 in it.
    #[error("the section \"BEGIN {0}\" is damaged")]
    Damaged(String),
}

/// One section of PEM.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Every section with this label; text around sections is ignored.
pub(crate) fn decode(label: &str, text: &str) -> Result<Vec<Vec<u8>>, ArmourError> {
    if text.len() > MAX_TEXT {
        return Err(ArmourError::TooLong(text.len()));
    }
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut sections = Vec::new();
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once(&begin) {
        let damaged = || ArmourError::Damaged(label.to_owned());
        let (body, after) = tail.split_once(&end).ok_or_else(damaged)?;
        let digits: String = body.split_ascii_whitespace().collect();
        sections.push(BASE64.decode(digits.as_bytes()).map_err(|_| damaged())?);
        rest = after;
    }
    if sections.is_empty() {
        return Err(ArmourError::Missing(label.to_owned()));
    }
    Ok(sections)
}

/// The only section with this label.
pub(crate) fn decode_one(label: &str, text: &str) -> Result<Vec<u8>, ArmourError> {
    let mut sections = decode(label, text)?;
    match (sections.pop(), sections.len()) {
        (Some(section), 0) => Ok(section),
        (_, others) => Err(ArmourError::Several {
            label: label.to_owned(),
            count: others + 1,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_back_in_their_order() {
        let text = format!(
            "note\n{}between\n{}",
            encode("A", &[1; 100]),
            encode("A", b"")
        );
        assert_eq!(decode("A", &text), Ok(vec![vec![1; 100], vec![]]));
        assert!(text.lines().all(|line| line.len() <= LINE));
    }

    #[test]
    fn damage_is_named() {
        let whole = encode("A", b"some bytes of a section");
        let check = |text: &str, expected| assert_eq!(decode_one("A", text), Err(expected));
        check("", ArmourError::Missing("A".into()));
        check(&whole[..whole.len() - 4], ArmourError::Damaged("A".into()));
        check(&whole.replace("c2", "??"), ArmourError::Damaged("A".into()));
        check(
            &whole.repeat(2),
            ArmourError::Several {
                label: "A".into(),
                count: 2,
            },
        );
        check(
            &" ".repeat(MAX_TEXT + 1),
            ArmourError::TooLong(MAX_TEXT + 1),
        );
    }
}
