//! How long an update may take, and who decides at its end.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::Error;

const RUNNING: u8 = 0;
const SWITCHING: u8 = 1;
const ABANDONED: u8 = 2;

/// The time limit of one update. The worker and its caller race for it at the end: either the worker may switch the
/// state, or the caller has given up and nothing will change any more. Never both.
pub(crate) struct Deadline {
    at: Option<Instant>,
    timeout: Duration,
    stage: AtomicU8,
}

impl Deadline {
    /// A time limit that starts now.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(timeout),
            timeout,
            stage: AtomicU8::new(RUNNING),
        }
    }

    /// Whether the update should stop.
    pub(crate) fn passed(&self) -> bool {
        self.stage.load(Ordering::Acquire) == ABANDONED
            || self.at.is_some_and(|at| Instant::now() >= at)
    }

    /// An error once the time is over.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.passed() {
            Err(self.error())
        } else {
            Ok(())
        }
    }

    pub(crate) fn error(&self) -> Error {
        Error::Timeout {
            after: self.timeout,
        }
    }

    /// The worker is about to switch; an error when the caller has given up.
    pub(crate) fn begin_switch(&self) -> Result<(), Error> {
        self.leave_running(SWITCHING)
    }

    /// The caller gives up; an error when the worker is switching, which is a matter of local disk writes.
    pub(crate) fn abandon(&self) -> Result<(), Error> {
        self.leave_running(ABANDONED)
    }

    fn leave_running(&self, to: u8) -> Result<(), Error> {
        match self
            .stage
            .compare_exchange(RUNNING, to, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(self.error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_side_decides() {
        let deadline = Deadline::after(Duration::from_secs(600));
        deadline.check().unwrap();
        deadline.begin_switch().unwrap();
        assert!(deadline.abandon().is_err());
        assert!(!deadline.passed());

        let deadline = Deadline::after(Duration::from_secs(600));
        deadline.abandon().unwrap();
        assert!(deadline.begin_switch().is_err());
        assert!(deadline.check().is_err());
    }

    #[test]
    fn no_time_is_over_at_once() {
        assert!(Deadline::after(Duration::ZERO).passed());
        assert!(!Deadline::after(Duration::MAX).passed());
    }
}
