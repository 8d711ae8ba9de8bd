//! Names of connections, which a hub knows for its own also after a restart.

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid, RandomConnectionIdGenerator};

/// Random bytes of a name. With quinn's three a hub of 10,000 minions that was restarted gives so many new names that hundreds of
/// old ones are among them: to the packets of those it says nothing, since it takes them for damaged ones of another
/// connection, and their minions wait until the idle time is over.
const NONCE: usize = 5;
/// Bytes that tell the hub's own names from others: a wrong answer for one of 16 million strange packets does no harm.
const SIGNATURE: usize = 3;

/// Gives names, and knows them again.
pub(crate) struct Cids {
    key: [u8; 32],
    random: RandomConnectionIdGenerator,
}

impl Cids {
    /// All with one key know each other's names.
    pub fn new(key: [u8; 32]) -> Cids {
        let random = RandomConnectionIdGenerator::new(NONCE);
        Cids { key, random }
    }

    fn signature(&self, nonce: &[u8]) -> [u8; SIGNATURE] {
        let hash = blake3::keyed_hash(&self.key, nonce);
        let mut signature = [0; SIGNATURE];
        signature.copy_from_slice(&hash.as_bytes()[..SIGNATURE]);
        signature
    }
}

impl ConnectionIdGenerator for Cids {
    fn generate_cid(&mut self) -> ConnectionId {
        let nonce = self.random.generate_cid();
        let mut name = [0; NONCE + SIGNATURE];
        name[..NONCE].copy_from_slice(&nonce);
        name[NONCE..].copy_from_slice(&self.signature(&nonce));
        ConnectionId::new(&name)
    }

    fn validate(&self, cid: &ConnectionId) -> Result<(), InvalidCid> {
        match cid.split_at_checked(NONCE) {
            Some((nonce, signature)) if signature == self.signature(nonce) => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        NONCE + SIGNATURE
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_known_again_and_others_are_not() {
        let (mut before, after, other) =
            (Cids::new([1; 32]), Cids::new([1; 32]), Cids::new([2; 32]));
        let name = before.generate_cid();
        assert_eq!(name.len(), after.cid_len());
        assert!(after.validate(&name).is_ok());
        assert!(other.validate(&name).is_err());
        assert!(after.validate(&ConnectionId::new(&name[..7])).is_err());
        assert!(after.validate(&ConnectionId::new(&[])).is_err());
    }

    /// As a hub with 2,500 minions gives them in each of two lives: quinn names a connection eight times. One may be there by chance, once
    /// in 2,500 tests; with three random bytes it would be two dozen.
    #[test]
    fn a_restarted_hub_gives_no_old_names() {
        let names = || {
            let mut cids = Cids::new([1; 32]);
            (0..20_000).map(move |_| cids.generate_cid())
        };
        let before: HashSet<ConnectionId> = names().collect();
        assert!(names().filter(|name| before.contains(name)).count() <= 1);
    }
}
