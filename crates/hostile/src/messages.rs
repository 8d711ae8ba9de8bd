//! Bytes as they come from a stream: frames, and what is in them.

use wire::codec::{self, PREFIX};
use wire::control::{Ask, Tell};
use wire::enrol::{EnrolAnswer, EnrolRequest};
use wire::files::{Answer, Request};
use wire::limits::MAX_FRAME;
use wire::record::{JournalRecord, Record};
use wire::trust::{SignedBundle, TrustBundle};
use wire::{Down, JobEnvelope, JobOrder, Up};

/// What decodes encodes, and reads back as the same. The bytes may differ: a number can be written longer than it need be.
macro_rules! again {
    ($kind:ty, $bytes:expr) => {
        if let Ok(value) = codec::decode::<$kind>($bytes) {
            let written = codec::encode(&value).expect("what fitted into a frame fits again");
            let read = codec::decode::<$kind>(&written);
            assert_eq!(read.ok().as_ref(), Some(&value));
        }
    };
}

/// Bytes of a stream, cut into frames as a receiver does.
pub(crate) fn frames(mut bytes: &[u8]) {
    while let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() {
        let Ok(length) = codec::frame_len(*prefix) else {
            assert!(u32::from_le_bytes(*prefix) as usize > MAX_FRAME);
            return;
        };
        let Some((body, rest)) = rest.split_at_checked(length) else {
            return;
        };
        again!(Up, body);
        again!(Down, body);
        bytes = rest;
    }
}

/// Bytes of one message; the first byte says which kind is expected.
pub(crate) fn messages(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else {
        return;
    };
    match kind % 14 {
        0 => again!(Up, body),
        1 => again!(Down, body),
        2 => again!(Request, body),
        3 => again!(Answer, body),
        4 => again!(Ask, body),
        5 => again!(Tell, body),
        6 => again!(EnrolRequest, body),
        7 => again!(EnrolAnswer, body),
        8 => again!(Record, body),
        9 => again!(JournalRecord, body),
        10 => again!(JobOrder, body),
        11 => again!(JobEnvelope, body),
        12 => again!(TrustBundle, body),
        _ => again!(SignedBundle, body),
    }
}
