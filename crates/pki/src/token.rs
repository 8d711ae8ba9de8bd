//! Join tokens: a secret that lets a key into the tree without an operator at the moment of joining.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wire::{NodeId, Role, SitePath, TreeId, UnixMillis};
use zeroize::Zeroizing;

use crate::KeyError;

const PREFIX: &str = "banyan-";
/// Bytes of a secret: 128 bits.
const SECRET: usize = 16;

/// A token as the operator hands it out. The text alone is enough to join: it names the tree to trust and the
/// secret to be trusted by.
///
/// `banyan-<tree, 64 hexadecimal digits>-<name>-<secret, 26 letters and digits>`
#[derive(Clone)]
pub struct JoinToken {
    /// The tree, which the joining node pins.
    pub tree: TreeId,
    /// The token's name at the hub that made it.
    pub name: NodeId,
    secret: Zeroizing<[u8; SECRET]>,
}

/// Why a text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not of a token's form. The text is not repeated, since it may be a secret with a typing error.
    #[error("not a join token; it reads banyan-<tree>-<name>-<secret>")]
    Malformed,
}

impl JoinToken {
    /// A new token.
    ///
    /// # Errors
    /// [`KeyError::Random`] when the system has no randomness.
    pub fn generate(tree: TreeId, name: NodeId) -> Result<JoinToken, KeyError> {
        let mut secret = Zeroizing::new([0; SECRET]);
        getrandom::fill(&mut *secret).map_err(KeyError::Random)?;
        Ok(JoinToken { tree, name, secret })
    }

    /// What the joining node shows to the hub ([`wire::enrol::EnrolRequest::token`]): `<name>.<secret>`.
    pub fn shown(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}.{}", self.name, *self.secret_text()))
    }

    /// The whole text, once, for the operator.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{PREFIX}{}-{}-{}",
            self.tree,
            self.name,
            *self.secret_text()
        ))
    }

    fn secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&*self.secret).to_ascii_lowercase())
    }

    /// What the hub stores.
    pub fn grant(
        &self,
        role: Role,
        ids: Vec<String>,
        site: SitePath,
        expires: UnixMillis,
        uses: u32,
    ) -> TokenGrant {
        TokenGrant {
            name: self.name.clone(),
            secret_sha256: HEXLOWER.encode(&Sha256::digest(*self.secret)),
            role,
            ids,
            site,
            expires,
            uses,
        }
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.name)
    }
}

fn secret(text: &str) -> Option<Zeroizing<[u8; SECRET]>> {
    let bytes = Zeroizing::new(
        BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .ok()?,
    );
    <[u8; SECRET]>::try_from(&bytes[..])
        .ok()
        .map(Zeroizing::new)
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let parse = || {
            let (tree, rest) = text.trim().strip_prefix(PREFIX)?.split_once('-')?;
            // The name may have hyphens, the secret has none.
            let (name, secret_text) = rest.rsplit_once('-')?;
            Some(JoinToken {
                tree: tree.parse().ok()?,
                name: name.parse().ok()?,
                secret: secret(secret_text)?,
            })
        };
        parse().ok_or(TokenError::Malformed)
    }
}

/// A token as the hub that made it keeps it; the secret itself is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenGrant {
    /// The token's name.
    pub name: NodeId,
    /// SHA-256 of the secret, hexadecimal.
    secret_sha256: String,
    /// Lets in nodes of this role.
    pub role: Role,
    /// Lets in ids that match one of these globs (`*` any characters, `?` one).
    pub ids: Vec<String>,
    /// Lets in for this site.
    pub site: SitePath,
    /// Until when.
    pub expires: UnixMillis,
    /// How many more nodes.
    pub uses: u32,
}

/// Why a token does not let a node in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// Not this token's name and secret.
    #[error("the join token is unknown or wrong")]
    Wrong,
    /// Its time is over.
    #[error("the join token has expired")]
    Expired,
    /// All its uses are spent.
    #[error("the join token has been used up")]
    Spent,
    /// It lets in nodes of another role.
    #[error("the join token is for nodes of another role")]
    Role,
    /// It lets in other ids.
    #[error("the join token is not for this id")]
    Id,
    /// It lets in for another site.
    #[error("the join token is for another site")]
    Site,
}

impl TokenGrant {
    /// The name in a token that a node has shown, to find the grant by.
    pub fn name_in(shown: &str) -> Option<NodeId> {
        shown.rsplit_once('.')?.0.parse().ok()
    }

    /// Spends one use for the node that showed `shown`. The caller saves the grant before it issues anything.
    ///
    /// # Errors
    /// [`TokenRefusal`]; no use is spent then. Nothing but [`TokenRefusal::Wrong`] is told to one who does not
    /// know the secret.
    pub fn redeem(
        &mut self,
        shown: &str,
        role: Role,
        id: &NodeId,
        site: &SitePath,
        now: UnixMillis,
    ) -> Result<(), TokenRefusal> {
        let (name, text) = shown.rsplit_once('.').ok_or(TokenRefusal::Wrong)?;
        let secret = secret(text).ok_or(TokenRefusal::Wrong)?;
        let hash = HEXLOWER.encode(&Sha256::digest(*secret));
        // Both are hashes of equal length, and the name is no secret.
        if name != self.name.as_str() || !equal_in_constant_time(&hash, &self.secret_sha256) {
            return Err(TokenRefusal::Wrong);
        }
        if now >= self.expires {
            return Err(TokenRefusal::Expired);
        }
        if self.uses == 0 {
            return Err(TokenRefusal::Spent);
        }
        if role != self.role {
            return Err(TokenRefusal::Role);
        }
        if !self.ids.iter().any(|glob| glob_matches(glob, id.as_str())) {
            return Err(TokenRefusal::Id);
        }
        if *site != self.site {
            return Err(TokenRefusal::Site);
        }
        self.uses -= 1;
        Ok(())
    }
}

fn equal_in_constant_time(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |acc, (a, b)| acc | (a ^ b))
            == 0
}

/// Whether `*` and `?` of a glob cover the whole text. Time is bounded by the product of the lengths.
fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0, 0);
    // Where the last star stands, and up to where it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    g = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = 1_000;

    fn token() -> JoinToken {
        JoinToken::generate(TreeId([0xfe; 32]), "rack-7".parse().unwrap()).unwrap()
    }

    fn grant(token: &JoinToken) -> TokenGrant {
        let site = "eu/ams".parse().unwrap();
        token.grant(
            Role::Minion,
            vec!["web*".into(), "db?".into()],
            site,
            NOW + 1,
            2,
        )
    }

    #[test]
    fn a_token_reads_back_and_hides_its_secret() {
        let token = token();
        let read: JoinToken = token.to_text().parse().unwrap();
        assert_eq!((read.tree, &read.name), (token.tree, &token.name));
        assert_eq!(read.shown(), token.shown());
        assert_eq!(
            TokenGrant::name_in(&token.shown()),
            Some(token.name.clone())
        );
        assert!(!format!("{token:?}").contains(&*token.secret_text()));
        let stored = serde_json::to_string(&grant(&token)).unwrap();
        assert!(!stored.contains(&*token.secret_text()));
        for bad in [
            "",
            "banyan-",
            "banyan-00-a-b",
            &token.shown(),
            &token.to_text()[1..],
        ] {
            assert!(bad.parse::<JoinToken>().is_err(), "{bad}");
        }
    }

    #[test]
    fn uses_are_counted_and_conditions_kept() {
        let token = token();
        let mut grant = grant(&token);
        let (shown, other) = (token.shown(), self::token().shown());
        let mut check = |shown: &str, role, id: &str, site: &str, now, expected| {
            let result = grant.redeem(
                shown,
                role,
                &id.parse().unwrap(),
                &site.parse().unwrap(),
                now,
            );
            assert_eq!(result, expected);
        };
        use Role::{Minion, Syndic};
        check(
            &other,
            Minion,
            "web1",
            "eu/ams",
            NOW,
            Err(TokenRefusal::Wrong),
        );
        check(
            "rack-7.",
            Minion,
            "web1",
            "eu/ams",
            NOW,
            Err(TokenRefusal::Wrong),
        );
        check("", Minion, "web1", "eu/ams", NOW, Err(TokenRefusal::Wrong));
        check(
            &shown,
            Minion,
            "web1",
            "eu/ams",
            NOW + 1,
            Err(TokenRefusal::Expired),
        );
        check(
            &shown,
            Syndic,
            "web1",
            "eu/ams",
            NOW,
            Err(TokenRefusal::Role),
        );
        check(&shown, Minion, "db10", "eu/ams", NOW, Err(TokenRefusal::Id));
        check(
            &shown,
            Minion,
            "web1",
            "eu/fra",
            NOW,
            Err(TokenRefusal::Site),
        );
        check(&shown, Minion, "web1", "eu/ams", NOW, Ok(()));
        check(&shown, Minion, "db1", "eu/ams", NOW, Ok(()));
        check(
            &shown,
            Minion,
            "web2",
            "eu/ams",
            NOW,
            Err(TokenRefusal::Spent),
        );
        check(
            &other,
            Minion,
            "web2",
            "eu/ams",
            NOW,
            Err(TokenRefusal::Wrong),
        );
    }

    #[test]
    fn globs() {
        let check =
            |glob, text, expected| assert_eq!(glob_matches(glob, text), expected, "{glob} {text}");
        check("*", "", true);
        check("*", "web1", true);
        check("web?", "web1", true);
        check("web?", "web", false);
        check("w*b*1", "web-b-1", true);
        check("w*b*1", "web-b-12", false);
        check("", "a", false);
        check("*.eu", "a.eu.eu", true);
        check("a**", "a", true);
    }
}
