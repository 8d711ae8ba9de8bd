//! Hashes of passwords as `/etc/shadow` holds them: SHA-crypt.

use sha2::{Digest, Sha256, Sha512};

use crate::failure::Failure;
use crate::random::below;

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Longest salt that counts, and the length of one that is made here.
const SALT_MAX: usize = 16;

const ROUNDS_DEFAULT: u32 = 5_000;
const ROUNDS_MIN: u32 = 1_000;
/// More rounds than this are refused: they would keep a core busy for minutes.
const ROUNDS_MAX: u32 = 1_000_000;

/// Longest password in bytes; the work grows with its square.
const PASSWORD_MAX: usize = 1024;

/// The order in which the bytes of a hash are written, in threes.
const ORDER_512: [usize; 63] = [
    0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8,
    29, 9, 30, 51, 31, 52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58,
    16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41,
];
const ORDER_256: [usize; 30] = [
    0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28,
    8, 9, 19, 29,
];

/// The hash of a password with `sha512` or `sha256`; the salt may begin with `rounds=N$`, and is random where none is given.
pub(crate) fn hash(password: &str, salt: Option<&str>, algorithm: &str) -> Result<String, Failure> {
    let is_512 = match algorithm {
        "sha512" => true,
        "sha256" => false,
        other => {
            return Err(Failure::invocation(format!(
                "Cannot hash using '{other}' hash algorithm. Supported algorithms are: ['sha512', 'sha256']"
            )));
        }
    };
    if password.len() > PASSWORD_MAX {
        return Err(Failure::invocation(format!(
            "a password has at most {PASSWORD_MAX} bytes"
        )));
    }
    let salt = match salt {
        Some(salt) => salt.to_owned(),
        None => random_salt()?,
    };
    let (rounds, salt) = match salt
        .strip_prefix("rounds=")
        .and_then(|rest| rest.split_once('$'))
    {
        Some((rounds, salt)) => {
            let rounds: u32 = rounds
                .parse()
                .map_err(|_| Failure::invocation("rounds= is followed by no number"))?;
            if rounds > ROUNDS_MAX {
                return Err(Failure::invocation(format!(
                    "more than {ROUNDS_MAX} rounds take too long"
                )));
            }
            (Some(rounds.max(ROUNDS_MIN)), salt)
        }
        None => (None, salt.as_str()),
    };
    let salt = salt.split('$').next().unwrap_or_default();
    if salt.contains([':', '\n']) || !salt.is_ascii() {
        return Err(Failure::invocation("a salt has letters and digits"));
    }
    let salt = &salt[..salt.len().min(SALT_MAX)];
    let (id, hash) = if is_512 {
        (
            "6",
            rounds_of::<Sha512>(password.as_bytes(), salt.as_bytes(), rounds, &ORDER_512),
        )
    } else {
        (
            "5",
            rounds_of::<Sha256>(password.as_bytes(), salt.as_bytes(), rounds, &ORDER_256),
        )
    };
    let prefix = rounds.map_or_else(String::new, |rounds| format!("rounds={rounds}$"));
    Ok(format!("${id}${prefix}{salt}${hash}"))
}

fn random_salt() -> Result<String, Failure> {
    let letter = |_| Ok(char::from(ALPHABET[below(ALPHABET.len() as u64)? as usize]));
    (0..SALT_MAX).map(letter).collect()
}

/// The first bytes of a text that repeats itself.
fn cycled(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length).collect()
}

fn rounds_of<D: Digest>(
    password: &[u8],
    salt: &[u8],
    rounds: Option<u32>,
    order: &[usize],
) -> String {
    let other = D::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let mut first = D::new();
    first.update(password);
    first.update(salt);
    first.update(cycled(&other, password.len()));
    let mut bits = password.len();
    while bits > 0 {
        if bits & 1 == 1 {
            first.update(&other);
        } else {
            first.update(password);
        }
        bits >>= 1;
    }
    let mut digest = first.finalize();
    let by_password = D::digest(password.repeat(password.len()));
    let long_password = cycled(&by_password, password.len());
    let times = 16 + usize::from(digest.first().copied().unwrap_or_default());
    let by_salt = D::digest(salt.repeat(times));
    let long_salt = cycled(&by_salt, salt.len());
    for round in 0..rounds.unwrap_or(ROUNDS_DEFAULT) {
        let mut next = D::new();
        let is_odd = round % 2 == 1;
        if is_odd {
            next.update(&long_password);
        } else {
            next.update(&digest);
        }
        if round % 3 != 0 {
            next.update(&long_salt);
        }
        if round % 7 != 0 {
            next.update(&long_password);
        }
        if is_odd {
            next.update(&digest);
        } else {
            next.update(&long_password);
        }
        digest = next.finalize();
    }
    encoded(&digest, order)
}

fn encoded(digest: &[u8], order: &[usize]) -> String {
    let mut out = String::new();
    let mut push = |parts: [u8; 3], count: usize| {
        let mut bits = parts
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        for _ in 0..count {
            out.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    };
    let at = |index: usize| digest.get(index).copied().unwrap_or_default();
    for threes in order.chunks_exact(3) {
        push([at(threes[0]), at(threes[1]), at(threes[2])], 4);
    }
    match digest.len() - order.len() {
        1 => push([0, 0, at(order.len())], 2),
        _ => push([0, at(order.len() + 1), at(order.len())], 3),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_of_crypt() {
        let check = |password: &str, salt: &str, algorithm: &str, expected: &str| {
            assert_eq!(hash(password, Some(salt), algorithm).unwrap(), expected);
        };
        check(
            "secret",
            "saltsalt",
            "sha512",
            "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        );
        check(
            "",
            "s",
            "sha512",
            "$6$s$.ZBEl9liET9mKM6jGxl//vp8wOnIJwfkp.7sG2Ahu2q68bf4LasDRE6k5T5NPzLqBFx3oUbMl6xWpBsFfgm6..",
        );
        check(
            "a longer password that has more than sixty-four bytes, so that all is cycled",
            "abcdefghijklmnop",
            "sha512",
            "$6$abcdefghijklmnop$ngh7GXm.lPp5h3e2CHW/TVeAcAMcJVKO.GXFgxK0RTcf.XaDBga5J6.CtVxAY5g3ZIVdB0EO5Ig4YLQm4Qw/A1",
        );
        check(
            "secret",
            "rounds=1234$xyz",
            "sha512",
            "$6$rounds=1234$xyz$EdCtN.nqdbNyJLWs1cdIs1JfotyV5AO4C4VP1sp985Emim9EPKyRKYgRblPHHfWlg3Bdylrc6meD6QToNX3bb.",
        );
        check(
            "secret",
            "saltsalt",
            "sha256",
            "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        );
        check(
            "pppppppppppppppppppppppppppppppppppppppp",
            "0123456789",
            "sha256",
            "$5$0123456789$lZftgsm5Roceuv39NlecpGinqcWmN5mWzVM.THEANN5",
        );
    }

    #[test]
    fn salts_are_random() {
        let made = || hash("secret", None, "sha512").unwrap();
        assert_ne!(made(), made());
        assert!(hash("x", Some("s"), "md5").is_err());
        assert!(hash("x", Some("rounds=99999999$s"), "sha512").is_err());
        assert!(hash("x", Some("a:b"), "sha512").is_err());
        assert!(hash(&"x".repeat(PASSWORD_MAX + 1), Some("s"), "sha512").is_err());
    }
}
