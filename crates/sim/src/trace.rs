//! What happened, as one number, and as text for whoever looks for a fault.

use wire::{UnixMillis, codec};

use crate::net::Side;
use crate::rng::{hash, mix};
use crate::world::DAWN;

/// Characters of a message in the printed trace.
const PRINTED_MAX: usize = 700;

/// The trace of a world.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    print: bool,
}

impl Trace {
    /// An empty trace.
    pub fn new(print: bool) -> Self {
        Trace { hash: 0, print }
    }

    /// Whether someone reads along.
    pub fn is_printed(&self) -> bool {
        self.print
    }

    /// Everything that happened, as a number: equal for equal runs.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    fn fold(&mut self, now: UnixMillis, node: usize, kind: u64, bytes: &[u8]) {
        self.hash = mix(self.hash ^ now.rotate_left(20) ^ (node as u64) ^ mix(kind) ^ hash(bytes));
    }

    /// Notes an event at a node.
    pub fn note(&mut self, now: UnixMillis, node: usize, what: &str, detail: &[u8]) {
        self.fold(now, node, hash(what.as_bytes()), detail);
        if self.print {
            let text = match std::str::from_utf8(detail) {
                Ok(text) if !text.contains('\0') => text.to_owned(),
                _ => format!(
                    "{}",
                    detail.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b))
                ),
            };
            println!("{:>8} {node:>2} {what} {text}", now - DAWN);
        }
    }

    /// Notes a message that arrives.
    pub fn message(&mut self, now: UnixMillis, node: usize, to: Side, bytes: &[u8]) {
        self.fold(now, node, to as u64, bytes);
        if self.print {
            let text = match to {
                Side::Parent => codec::decode::<wire::Up>(bytes).map(|m| format!("{m:?}")),
                Side::Child => codec::decode::<wire::Down>(bytes).map(|m| format!("{m:?}")),
            };
            let mut text = text.unwrap_or_else(|e| e.to_string());
            if let Some((end, _)) = text.char_indices().nth(PRINTED_MAX) {
                text.truncate(end);
            }
            let arrow = if to == Side::Parent { "^" } else { "v" };
            println!("{:>8} {node:>2} {arrow} {text}", now - DAWN);
        }
    }
}
