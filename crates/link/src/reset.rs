//! How peers of a hub that died hear at once that it is back and has forgotten them (RFC 9000, 10.3).
//!
//! What a hub answers to a packet of a session that it does not know is a token that only it can have made for that session.
//! The keys for it follow from the hub's own, so that they are the same after a restart.

use std::sync::Arc;
use std::time::Duration;

use pki::TlsIdentity;
use quinn::EndpointConfig;
use quinn::crypto::{CryptoError, HmacKey};

use crate::cids::Cids;

/// Between two such answers of a hub: nothing. Packets are read many at a time and at one instant, so that any pause would leave
/// all but the first of them without an answer, and their minions wait for longer and longer. An answer is shorter than what
/// it answers, so neither can a third party be flooded by it nor two hubs answer each other for ever.
const PAUSE: Duration = Duration::ZERO;

struct Key([u8; 32]);

impl HmacKey for Key {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(blake3::keyed_hash(&self.0, data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // Takes the same time wherever they differ.
        if blake3::keyed_hash(&self.0, data) == *signature {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}

/// The configuration of an endpoint whose resets are known after a restart too.
pub(crate) fn config(identity: &TlsIdentity) -> EndpointConfig {
    let key = Key(identity.secret("banyan/link/reset/v1"));
    let own = identity.secret("banyan/link/connection-id/v1");
    let mut config = EndpointConfig::new(Arc::new(key));
    config
        // Packets that can't be ours get no answer.
        .cid_generator(move || Box::new(Cids::new(own)))
        .min_reset_interval(PAUSE);
    config
}
