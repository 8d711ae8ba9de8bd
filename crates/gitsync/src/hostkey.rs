//! Whether an ssh host is who it should be.

use std::fs::File;
use std::io::Read;

use data_encoding::{BASE64, BASE64_NOPAD};
use sha1::{Digest, Sha1};

use crate::{Error, HostKeys};

/// A `known_hosts` file with the keys of thousands of hosts.
const KNOWN_HOSTS_BYTES_MAX: u64 = 4 << 20;

/// A host key as it was presented.
pub(crate) struct Presented<'a> {
    /// The key in ssh's wire format.
    pub(crate) key: &'a [u8],
    pub(crate) sha256: &'a [u8; 32],
}

impl HostKeys {
    /// Whether `presented` is right for the host.
    pub(crate) fn contain(
        &self,
        host: &str,
        port: u16,
        presented: &Presented<'_>,
    ) -> Result<bool, Error> {
        match self {
            Self::Fingerprints(pinned) => {
                let shown = fingerprint(presented.sha256);
                Ok(pinned.iter().any(|pin| pin.trim_end_matches('=') == shown))
            }
            Self::KnownHosts(path) => {
                let mut text = Vec::new();
                let read = File::open(path)
                    .and_then(|file| file.take(KNOWN_HOSTS_BYTES_MAX).read_to_end(&mut text));
                read.map_err(|error| Error::KeyFile {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                let text = String::from_utf8_lossy(&text);
                let name = if port == 22 {
                    host.to_owned()
                } else {
                    format!("[{host}]:{port}")
                };
                let mut known = false;
                for line in text.lines() {
                    match Line::parse(line) {
                        Some(line) if line.key != presented.key || !line.names(&name) => {}
                        Some(line) if line.revoked => return Ok(false),
                        Some(_) => known = true,
                        None => {}
                    }
                }
                Ok(known)
            }
        }
    }
}

/// As `ssh-keygen -l` prints it.
pub(crate) fn fingerprint(sha256: &[u8; 32]) -> String {
    format!("SHA256:{}", BASE64_NOPAD.encode(sha256))
}

/// `[@revoked] hosts type key`.
struct Line<'a> {
    revoked: bool,
    hosts: &'a str,
    key: Vec<u8>,
}

impl<'a> Line<'a> {
    /// `None` for comments, certificate authorities and what does not parse: such a line vouches for nothing.
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().peekable();
        let revoked = words.next_if_eq(&"@revoked").is_some();
        let hosts = words
            .next()
            .filter(|hosts| !hosts.starts_with(['#', '@']))?;
        let _type = words.next()?;
        let key = BASE64.decode(words.next()?.as_bytes()).ok()?;
        Some(Self {
            revoked,
            hosts,
            key,
        })
    }

    fn names(&self, name: &str) -> bool {
        self.hosts
            .split(',')
            .any(|host| match host.strip_prefix("|1|") {
                Some(hashed) => is_hash_of(hashed, name),
                None => host.eq_ignore_ascii_case(name),
            })
    }
}

/// OpenSSH's `HashKnownHosts`: `salt|HMAC-SHA1(salt, name)`, both in base64.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    const BLOCK_BYTES: usize = 64;
    let decode = |text: &str| BASE64.decode(text.as_bytes()).ok();
    let Some((salt, hash)) = hashed
        .split_once('|')
        .and_then(|(salt, hash)| Some((decode(salt)?, decode(hash)?)))
    else {
        return false;
    };
    if salt.len() > BLOCK_BYTES {
        return false;
    }
    let pad = |byte: u8| {
        let mut block = [byte; BLOCK_BYTES];
        block
            .iter_mut()
            .zip(&salt)
            .for_each(|(block, salt)| *block ^= salt);
        block
    };
    let inner = Sha1::new()
        .chain_update(pad(0x36))
        .chain_update(name.to_ascii_lowercase())
        .finalize();
    let outer = Sha1::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    outer.as_slice() == hash
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"the key in wire format";
    const SHA256: [u8; 32] = [7; 32];

    fn check(keys: HostKeys, host: &str, port: u16, expected: bool) {
        let presented = Presented {
            key: KEY,
            sha256: &SHA256,
        };
        assert_eq!(
            keys.contain(host, port, &presented).unwrap(),
            expected,
            "{keys:?} {host}:{port}"
        );
    }

    #[test]
    fn a_fingerprint_pins_one_key() {
        let pin = |text: &str| HostKeys::Fingerprints(vec!["SHA256:other".into(), text.into()]);
        check(pin(&fingerprint(&SHA256)), "any", 22, true);
        check(pin(&format!("{}=", fingerprint(&SHA256))), "any", 22, true);
        check(pin(&fingerprint(&[8; 32])), "any", 22, false);
        check(HostKeys::Fingerprints(vec![]), "any", 22, false);
    }

    #[test]
    fn known_hosts_are_read_as_openssh_does() {
        let (key, other) = (BASE64.encode(KEY), BASE64.encode(b"another"));
        let file = tempfile::NamedTempFile::new().unwrap();
        // The hashed entry stands for `hashed.example`, salted with twenty bytes of zeros; computed with Python's hmac.
        let text = format!(
            "# git.example ssh-ed25519 {key}\n\
             git.example,192.0.2.1 ssh-ed25519 {key} comment\n\
             [git.example]:2222 ssh-ed25519 {other}\n\
             [port.example]:2222 ssh-ed25519 {key}\n\
             @cert-authority ca.example ssh-ed25519 {key}\n\
             *.wild.example ssh-ed25519 {key}\n\
             gone.example ssh-ed25519 {key}\n\
             @revoked gone.example ssh-ed25519 {key}\n\
             |1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|jIFFEspqmha9A38gAcMzPm2TXIY= ssh-ed25519 {key}\n\
             short.example\n"
        );
        std::fs::write(file.path(), text).unwrap();
        let known = || HostKeys::KnownHosts(file.path().to_owned());
        check(known(), "git.example", 22, true);
        check(known(), "GIT.example", 22, true);
        check(known(), "192.0.2.1", 22, true);
        check(known(), "git.example", 2222, false);
        check(known(), "port.example", 2222, true);
        check(known(), "port.example", 22, false);
        check(known(), "ca.example", 22, false);
        check(known(), "a.wild.example", 22, false);
        check(known(), "gone.example", 22, false);
        check(known(), "hashed.example", 22, true);
        check(known(), "unknown.example", 22, false);
        let missing = HostKeys::KnownHosts("/nonexistent/known_hosts".into());
        let presented = Presented {
            key: KEY,
            sha256: &SHA256,
        };
        assert!(missing.contain("git.example", 22, &presented).is_err());
    }
}
