//! Hashes of bytes and files, by the names that Salt gives them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::Digest;

use crate::failure::Failure;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Blake3,
}

impl Algorithm {
    const ALL: [(&'static str, Algorithm, usize); 7] = [
        ("md5", Algorithm::Md5, 32),
        ("sha1", Algorithm::Sha1, 40),
        ("sha224", Algorithm::Sha224, 56),
        ("sha256", Algorithm::Sha256, 64),
        ("sha384", Algorithm::Sha384, 96),
        ("sha512", Algorithm::Sha512, 128),
        ("blake3", Algorithm::Blake3, 64),
    ];

    /// The algorithm of this name, upper or lower case.
    pub(crate) fn named(name: &str) -> Result<Algorithm, Failure> {
        let lower = name.to_ascii_lowercase();
        let found = Algorithm::ALL.iter().find(|(known, ..)| *known == lower);
        found
            .map(|(_, algorithm, _)| *algorithm)
            .ok_or_else(|| Failure::exception("ValueError", format!("Invalid hash type: {name}")))
    }

    /// The names of all algorithms with the lengths of their hashes, for messages.
    pub(crate) fn lengths() -> String {
        let each = Algorithm::ALL
            .iter()
            .map(|(name, _, digits)| format!("{name} ({digits})"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// The algorithm whose hashes have this many hexadecimal digits; the SHA-2 family wins over blake3.
    pub(crate) fn by_length(digits: usize) -> Option<(&'static str, Algorithm)> {
        Algorithm::ALL
            .iter()
            .find(|(.., length)| *length == digits)
            .map(|(name, algorithm, _)| (*name, *algorithm))
    }
}

/// The hash of bytes, in lower-case hexadecimal.
pub(crate) fn of_bytes(algorithm: Algorithm, mut bytes: &[u8]) -> String {
    // Reading from memory does not fail.
    of_reader(algorithm, &mut bytes, 4096).unwrap_or_default()
}

/// The code of bytes with a secret: HMAC.
pub(crate) fn hmac(algorithm: Algorithm, secret: &[u8], bytes: &[u8]) -> Vec<u8> {
    fn hash(algorithm: Algorithm, parts: [&[u8]; 2]) -> Vec<u8> {
        let hash = of_bytes(algorithm, &parts.concat());
        // It was written by us.
        data_encoding::HEXLOWER
            .decode(hash.as_bytes())
            .unwrap_or_default()
    }
    let block = match algorithm {
        Algorithm::Sha384 | Algorithm::Sha512 => 128,
        _ => 64,
    };
    let mut key = if secret.len() > block {
        hash(algorithm, [secret, &[]])
    } else {
        secret.to_vec()
    };
    key.resize(block, 0);
    let padded = |pad: u8| key.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = hash(algorithm, [&padded(0x36), bytes]);
    hash(algorithm, [&padded(0x5c), &inner])
}

/// The hash of a file, read in pieces of `chunk_size` bytes.
pub(crate) fn of_file(
    algorithm: Algorithm,
    path: &Path,
    chunk_size: usize,
) -> Result<String, Failure> {
    let mut file = File::open(path).map_err(|error| Failure::io(path, error))?;
    of_reader(algorithm, &mut file, chunk_size).map_err(|error| Failure::io(path, error))
}

fn of_reader(
    algorithm: Algorithm,
    reader: &mut impl Read,
    chunk_size: usize,
) -> io::Result<String> {
    fn sum<D: Digest>(reader: &mut impl Read, chunk_size: usize) -> io::Result<String> {
        let mut state = D::new();
        each_chunk(reader, chunk_size, |chunk| state.update(chunk))?;
        Ok(hexadecimal(&state.finalize()))
    }
    match algorithm {
        Algorithm::Md5 => sum::<md5::Md5>(reader, chunk_size),
        Algorithm::Sha1 => sum::<sha1::Sha1>(reader, chunk_size),
        Algorithm::Sha224 => sum::<sha2::Sha224>(reader, chunk_size),
        Algorithm::Sha256 => sum::<sha2::Sha256>(reader, chunk_size),
        Algorithm::Sha384 => sum::<sha2::Sha384>(reader, chunk_size),
        Algorithm::Sha512 => sum::<sha2::Sha512>(reader, chunk_size),
        Algorithm::Blake3 => {
            let mut state = blake3::Hasher::new();
            each_chunk(reader, chunk_size, |chunk| {
                state.update(chunk);
            })?;
            Ok(state.finalize().to_hex().to_string())
        }
    }
}

fn each_chunk(
    reader: &mut impl Read,
    chunk_size: usize,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut chunk = vec![0; chunk_size.clamp(512, 1 << 20)];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_their_known_values() {
        let check = |name: &str, expected: &str| {
            assert_eq!(of_bytes(Algorithm::named(name).unwrap(), b"abc"), expected);
        };
        check("md5", "900150983cd24fb0d6963f7d28e17f72");
        check("SHA1", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(
            "sha256",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        check(
            "blake3",
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        );
        assert!(Algorithm::named("rot13").is_err());
        for (name, algorithm, digits) in Algorithm::ALL {
            assert_eq!(of_bytes(algorithm, b"").len(), digits, "{name}");
        }
        assert_eq!(Algorithm::by_length(64).unwrap().0, "sha256");
        assert!(Algorithm::by_length(7).is_none());
    }
}
