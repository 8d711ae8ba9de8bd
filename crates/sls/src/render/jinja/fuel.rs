//! What is left of the steps that a rendering may take.
//!
//! It belongs to the thread: a rendering stays on one, and Python's operators, which walk values of any size deep inside of other
//! steps, take from it without being handed it.

use std::cell::Cell;

use super::fault::{Fault, Result};
use crate::render::limits::FUEL_MAX;

/// Bytes of text that are looked at in one step.
const BYTES_PER_STEP: usize = 8;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// A full tank, for as long as it lives; then the one before it is in use again. A function may render while a template runs.
pub(super) struct Tank {
    before: u64,
}

impl Tank {
    pub(super) fn full() -> Tank {
        Tank {
            before: LEFT.replace(FUEL_MAX),
        }
    }
}

impl Drop for Tank {
    fn drop(&mut self) {
        LEFT.set(self.before);
    }
}

/// Takes steps, or says that there are none left.
pub(super) fn spend(steps: usize) -> Result<()> {
    match LEFT.get().checked_sub(steps as u64) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => {
            LEFT.set(0);
            Err(Fault::limit("the number of steps"))
        }
    }
}

/// Takes the steps of looking at a text once.
pub(super) fn spend_text(text: &str) -> Result<()> {
    spend(text.len() / BYTES_PER_STEP)
}
