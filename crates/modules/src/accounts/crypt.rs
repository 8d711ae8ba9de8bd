//! Hashes of passwords as the C library's `crypt` makes them, by SHA-256 (`$5$`) and SHA-512 (`$6$`).

use sha2::{Digest, Sha256, Sha512};

use crate::failure::Failure;
use crate::random;

/// Rounds of hashing where the salt names none.
const ROUNDS: usize = 5000;

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of a salt, its most.
const SALT_LENGTH: usize = 16;

/// The bytes of a hash in the order of its text: three at a time, from the highest; what lacks in a group counts as zero.
const ORDER_256: [[Option<usize>; 3]; 11] = {
    let mut order = [[None; 3]; 11];
    let (mut at, mut triple) = (0, [0, 10, 20]);
    while at < 10 {
        order[at] = [Some(triple[0]), Some(triple[1]), Some(triple[2])];
        triple = [triple[2] + 1, triple[0] + 1, triple[1] + 1];
        at += 1;
    }
    order[10] = [None, Some(31), Some(30)];
    order
};

const ORDER_512: [[Option<usize>; 3]; 22] = {
    let mut order = [[None; 3]; 22];
    let (mut at, mut triple) = (0, [0, 21, 42]);
    while at < 21 {
        order[at] = [Some(triple[0]), Some(triple[1]), Some(triple[2])];
        triple = [triple[1] + 1, triple[2] + 1, triple[0] + 1];
        at += 1;
    }
    order[21] = [None, None, Some(63)];
    order
};

/// The hash of a password. `salt`: a random one where there is none. `algorithm`: `sha512` or `sha256`.
pub(crate) fn hashed(
    password: &str,
    salt: Option<&str>,
    algorithm: &str,
) -> Result<String, Failure> {
    let salt = match salt {
        Some(salt) => salt
            .chars()
            .take_while(|c| *c != '$')
            .take(SALT_LENGTH)
            .collect(),
        None => random_salt()?,
    };
    let (key, bytes) = (password.as_bytes(), salt.as_bytes());
    match algorithm {
        "sha512" => Ok(format!(
            "$6${salt}${}",
            text(&digest::<Sha512>(key, bytes), &ORDER_512)
        )),
        "sha256" => Ok(format!(
            "$5${salt}${}",
            text(&digest::<Sha256>(key, bytes), &ORDER_256)
        )),
        other => Err(Failure::invocation(format!(
            "Algorithm '{other}' is not available: sha512 and sha256 are"
        ))),
    }
}

fn random_salt() -> Result<String, Failure> {
    (0..SALT_LENGTH)
        .map(|_| {
            let at = usize::try_from(random::below(64)?).unwrap_or(0);
            Ok(char::from(ALPHABET[at]))
        })
        .collect()
}

/// A digest over and over, up to a length.
fn repeated(digest: &[u8], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

fn digest<H: Digest>(key: &[u8], salt: &[u8]) -> Vec<u8> {
    let other = H::new()
        .chain_update(key)
        .chain_update(salt)
        .chain_update(key)
        .finalize();
    let mut hash = H::new()
        .chain_update(key)
        .chain_update(salt)
        .chain_update(repeated(&other, key.len()));
    let mut length = key.len();
    while length > 0 {
        if length & 1 == 1 {
            hash.update(&other);
        } else {
            hash.update(key);
        }
        length >>= 1;
    }
    let mut result = hash.finalize().to_vec();
    let mut keys = H::new();
    for _ in 0..key.len() {
        keys.update(key);
    }
    let keys = repeated(&keys.finalize(), key.len());
    let mut salts = H::new();
    for _ in 0..16 + usize::from(result[0]) {
        salts.update(salt);
    }
    let salts = repeated(&salts.finalize(), salt.len());
    for round in 0..ROUNDS {
        let mut hash = H::new();
        hash.update(if round % 2 == 1 { &keys } else { &result });
        if round % 3 != 0 {
            hash.update(&salts);
        }
        if round % 7 != 0 {
            hash.update(&keys);
        }
        hash.update(if round % 2 == 1 { &result } else { &keys });
        result = hash.finalize().to_vec();
    }
    result
}

fn text(hash: &[u8], order: &[[Option<usize>; 3]]) -> String {
    let mut text = String::new();
    for triple in order {
        let byte = |at: Option<usize>| at.map_or(0, |at| u32::from(hash[at]));
        let mut bits = (byte(triple[0]) << 16) | (byte(triple[1]) << 8) | byte(triple[2]);
        let count = triple.iter().flatten().count();
        for _ in 0..count + 1 {
            text.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_c_library() {
        let check = |algorithm: &str, password: &str, salt: &str, expected: &str| {
            assert_eq!(hashed(password, Some(salt), algorithm).unwrap(), expected);
        };
        let expected = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        check("sha512", "Hello world!", "saltstring", expected);
        let expected = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
        check("sha256", "Hello world!", "saltstring", expected);
        let random = hashed("x", None, "sha512").unwrap();
        assert_eq!(random.len(), 3 + SALT_LENGTH + 1 + 86);
        assert!(hashed("x", None, "md5").is_err());
    }
}
