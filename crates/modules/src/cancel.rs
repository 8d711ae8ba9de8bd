//! Stopping a running function from another thread.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::orphans::{Mark, Watch};

/// How a function is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelKind {
    /// SIGTERM to the processes of the function; what it does itself ends at its next check.
    Term,
    /// SIGKILL to the processes of the function.
    Kill,
    /// This signal. Only signals that end a process by custom (HUP, INT, QUIT, KILL, TERM) also cancel the function itself.
    Signal(i32),
}

impl CancelKind {
    /// The number of the signal that the function's processes get.
    pub fn signal_number(self) -> i32 {
        match self {
            CancelKind::Term => Signal::SIGTERM as i32,
            CancelKind::Kill => Signal::SIGKILL as i32,
            CancelKind::Signal(number) => number,
        }
    }

    fn ends_function(self) -> bool {
        [
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGKILL,
            Signal::SIGTERM,
        ]
        .iter()
        .any(|signal| *signal as i32 == self.signal_number())
    }
}

/// Lets another thread stop a running function: it signals the process groups that the function started and wakes its
/// sleeps. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Cancel {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    cancelled: Condvar,
    watch: Option<Arc<dyn Watch>>,
}

#[derive(Default)]
struct State {
    kind: Option<CancelKind>,
    /// Groups whose leader is not yet reaped, so that no number here can belong to a stranger.
    groups: BTreeSet<i32>,
}

impl Cancel {
    /// One that is not cancelled.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// One that tells of the process groups that the function starts.
    pub fn watched(watch: Arc<dyn Watch>) -> Cancel {
        Cancel {
            shared: Arc::new(Shared {
                watch: Some(watch),
                ..Shared::default()
            }),
        }
    }

    /// Signals the function's process groups. Repeating it with a stronger kind is useful, with a weaker one harmless.
    pub fn cancel(&self, kind: CancelKind) {
        let mut state = self.state();
        for group in &state.groups {
            signal_group(*group, kind);
        }
        if kind.ends_function() {
            state.kind = Some(kind);
            self.shared.cancelled.notify_all();
        }
    }

    /// Whether the function was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.state().kind.is_some()
    }

    /// Sleeps for `duration`, less when cancelled; true when cancelled.
    pub(crate) fn sleep(&self, duration: Duration) -> bool {
        // A duration beyond the clock's range is "for ever": the wait then ends by cancellation only.
        let deadline = Instant::now().checked_add(duration);
        let mut state = self.state();
        while state.kind.is_none() {
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return false;
            }
            state = self
                .shared
                .cancelled
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Puts a new process group under this cancel; one that is already used signals the group at once.
    pub(crate) fn register(&self, group: Pid) -> Registration {
        if let Some(watch) = &self.shared.watch
            && let Some(mark) = Mark::of(group.as_raw().cast_unsigned())
        {
            watch.begins(&mark);
        }
        let mut state = self.state();
        state.groups.insert(group.as_raw());
        if let Some(kind) = state.kind {
            signal_group(group.as_raw(), kind);
        }
        Registration {
            cancel: self.clone(),
            group: group.as_raw(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is valid after each statement, so a panic elsewhere does not spoil it.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}

/// A process group under a [`Cancel`]. Drop it before the leader is reaped: until then its number cannot be reused.
pub(crate) struct Registration {
    cancel: Cancel,
    group: i32,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.cancel.state().groups.remove(&self.group);
        if let Some(watch) = &self.cancel.shared.watch {
            watch.ends(self.group.cast_unsigned());
        }
    }
}

fn signal_group(group: i32, kind: CancelKind) {
    // A number that is no signal, or a group that is gone, has nobody to tell.
    if let Ok(signal) = Signal::try_from(kind.signal_number()) {
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ending_signals_cancel_the_function() {
        let check = |kind, expected| {
            let cancel = Cancel::new();
            cancel.cancel(kind);
            assert_eq!(cancel.is_cancelled(), expected, "{kind:?}");
        };
        check(CancelKind::Term, true);
        check(CancelKind::Kill, true);
        check(CancelKind::Signal(Signal::SIGINT as i32), true);
        check(CancelKind::Signal(Signal::SIGUSR1 as i32), false);
        check(CancelKind::Signal(-5), false);
    }

    #[test]
    fn cancel_wakes_a_sleep() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let sleeper = std::thread::spawn(move || other.sleep(Duration::MAX));
        cancel.cancel(CancelKind::Term);
        assert!(sleeper.join().unwrap());
        assert!(!Cancel::new().sleep(Duration::ZERO));
    }
}
