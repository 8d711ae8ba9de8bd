//! Which tree a node trusts: decided once, by a fingerprint or a join token, and kept.

use std::io;

use pki::{Fingerprint, JoinToken, KeyStore, KeyStoreError};
use wire::TreeId;

/// Why a node does not know its tree.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The key directory.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// The file of the join token can't be read.
    #[error("join_token_file: {0}")]
    TokenFile(#[source] io::Error),
    /// The join token is malformed.
    #[error("join_token: {0}")]
    Token(#[from] pki::TokenError),
    /// Nothing says which tree.
    #[error(
        "this node does not know its tree: set master_finger to the fingerprint that `top-master identity` prints, \
         or join_token to a token from `top-master token create`"
    )]
    None,
    /// Two sources say different things.
    #[error("{one} names the tree {a}, {other} names the tree {b}")]
    Differ {
        /// A source.
        one: &'static str,
        /// What it says.
        a: Fingerprint,
        /// Another source.
        other: &'static str,
        /// What that says.
        b: Fingerprint,
    },
}

/// The tree that this node trusts, and the secret of its join token to show.
///
/// `token` is only asked before the node has certificates: a used token may be deleted.
///
/// # Errors
/// [`PinError`] when nothing names a tree, or when key directory, configuration and token disagree.
pub fn pinned(
    keys: &KeyStore,
    configured: Option<TreeId>,
    token: impl FnOnce() -> io::Result<Option<String>>,
) -> Result<(TreeId, Option<String>), PinError> {
    let token = match keys.credentials()? {
        Some(_) => None,
        None => token().map_err(PinError::TokenFile)?,
    };
    let token = token.map(|text| text.parse::<JoinToken>()).transpose()?;
    let sources = [
        ("the key directory", keys.tree()?),
        ("master_finger", configured),
        ("the join token", token.as_ref().map(|t| t.tree)),
    ];
    let mut found: Option<(&'static str, TreeId)> = None;
    for (source, tree) in sources {
        match (found, tree) {
            (Some((one, a)), Some(b)) if a != b => {
                return Err(PinError::Differ {
                    one,
                    a: a.into(),
                    other: source,
                    b: b.into(),
                });
            }
            (None, Some(tree)) => found = Some((source, tree)),
            _ => {}
        }
    }
    let (_, tree) = found.ok_or(PinError::None)?;
    keys.pin_tree(&tree)?;
    Ok((tree, token.map(|t| t.shown().to_string())))
}
