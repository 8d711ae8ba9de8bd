//! How people compare keys.

use std::fmt;

/// The SHA-256 of a public key, printed as pairs of hexadecimal digits with colons between them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<wire::TreeId> for Fingerprint {
    fn from(tree: wire::TreeId) -> Self {
        Fingerprint(tree.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_pairs_that_a_tree_id_reads_back() {
        let tree = wire::TreeId([0xa7; 32]);
        let text = Fingerprint::from(tree).to_string();
        assert_eq!(text.len(), 32 * 3 - 1);
        assert!(text.starts_with("a7:a7:"));
        assert_eq!(text.parse(), Ok(tree));
    }
}
