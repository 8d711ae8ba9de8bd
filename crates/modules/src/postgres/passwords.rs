//! What a server keeps in place of a role's password.

use crate::digest::{self, Algorithm};
use crate::failure::Failure;
use crate::random;

/// The beginning of what is a hash already.
const MD5: &str = "md5";
const SCRAM: &str = "SCRAM-SHA-256";
/// Rounds of a hash that is made here, and bytes of its salt, as the server itself makes them.
const ITERATIONS: u32 = 4096;
const SALT_BYTES: usize = 16;
/// More rounds than that are nobody's.
const ITERATIONS_MAX: u32 = 1_000_000;

/// How a password is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Plain,
    Md5,
    Scram,
}

impl Kept {
    /// Reads `encrypted`: nothing, a truth, or the name of a way.
    pub(crate) fn of(encrypted: &serde_json::Value) -> Result<Kept, Failure> {
        use serde_json::Value::{Bool, Null};
        match (encrypted, encrypted.as_str()) {
            (Null | Bool(true), _) | (_, Some("md5")) => Ok(Kept::Md5),
            (Bool(false), _) => Ok(Kept::Plain),
            (_, Some("scram-sha-256")) => Ok(Kept::Scram),
            (other, _) => Err(Failure::exception(
                "ValueError",
                format!("Unknown password algorithm: {}", crate::python::text(other)),
            )),
        }
    }

    /// What the server is given for a password, which may be a hash already.
    pub(crate) fn hash(self, role: &str, password: &str) -> Result<String, Failure> {
        Ok(match self {
            Kept::Md5 if !password.starts_with(MD5) => md5(role, password),
            Kept::Scram if !password.starts_with(SCRAM) => {
                let salt = random::bytes::<SALT_BYTES>()?;
                scram(password, &salt, ITERATIONS)
            }
            _ => password.to_owned(),
        })
    }

    /// Whether a password is the one that the server keeps.
    pub(crate) fn is_kept(self, role: &str, password: &str, kept: &str) -> bool {
        match self {
            Kept::Plain => password == kept,
            Kept::Md5 if password.starts_with(MD5) => password == kept,
            Kept::Md5 => md5(role, password) == kept,
            Kept::Scram if password.starts_with(SCRAM) => password == kept,
            Kept::Scram => rehashed(password, kept).is_some_and(|hash| hash == kept),
        }
    }
}

fn md5(role: &str, password: &str) -> String {
    let bytes = format!("{password}{role}");
    format!(
        "{MD5}{}",
        digest::of_bytes(Algorithm::Md5, bytes.as_bytes())
    )
}

/// The hash of a password with the salt and the rounds of another.
fn rehashed(password: &str, kept: &str) -> Option<String> {
    let (iterations, rest) = kept
        .strip_prefix(SCRAM)?
        .strip_prefix('$')?
        .split_once(':')?;
    let (salt, _) = rest.split_once('$')?;
    let iterations = iterations
        .parse()
        .ok()
        .filter(|count| *count <= ITERATIONS_MAX)?;
    let salt = data_encoding::BASE64.decode(salt.as_bytes()).ok()?;
    Some(scram(password, &salt, iterations))
}

/// The verifier of RFC 7677. Passwords are taken as they are: other characters than ASCII are not normalised.
fn scram(password: &str, salt: &[u8], iterations: u32) -> String {
    let hmac = |secret: &[u8], bytes: &[u8]| digest::hmac(Algorithm::Sha256, secret, bytes);
    let mut round = hmac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()].concat());
    let mut salted = round.clone();
    for _ in 1..iterations {
        round = hmac(password.as_bytes(), &round);
        salted
            .iter_mut()
            .zip(&round)
            .for_each(|(sum, byte)| *sum ^= byte);
    }
    let client = hmac(&salted, b"Client Key");
    let stored = digest::of_bytes(Algorithm::Sha256, &client);
    let stored = data_encoding::HEXLOWER
        .decode(stored.as_bytes())
        .unwrap_or_default();
    let server = hmac(&salted, b"Server Key");
    let text = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    format!(
        "{SCRAM}${iterations}:{}${}:{}",
        text(salt),
        text(&stored),
        text(&server)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hashes_are_those_of_salt() {
        assert_eq!(md5("role", "secret"), "md5c73f3ee71d73bd55c2c77c3185b0ed1d");
        assert_eq!(
            scram("secret", b"0123456789abcdef", 4096),
            "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$bpSY5Ze9NUH+I35LC3gVq+DpBfK46iXBxvhAKqVu9pE=:VpYlBuxyzeCI1KnctrefdljpB1mk3Gp7sBI/t11+NkQ="
        );
        let kept = scram("secret", b"0123456789abcdef", 4096);
        assert!(Kept::Scram.is_kept("role", "secret", &kept));
        assert!(Kept::Scram.is_kept("role", &kept, &kept));
        assert!(!Kept::Scram.is_kept("role", "other", &kept));
        assert!(!Kept::Scram.is_kept("role", "secret", "SCRAM-SHA-256$999999999999:x$y:z"));
        assert!(Kept::Md5.is_kept("role", "secret", &md5("role", "secret")));
        assert!(!Kept::Md5.is_kept("other", "secret", &md5("role", "secret")));
        assert_ne!(
            Kept::Scram.hash("r", "p").unwrap(),
            Kept::Scram.hash("r", "p").unwrap()
        );
        assert_eq!(Kept::of(&json!(null)).unwrap(), Kept::Md5);
        assert!(Kept::of(&json!("rot13")).is_err());
    }
}
