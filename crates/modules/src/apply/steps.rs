//! How far a run is, told to who watches while it goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Who watches hears how far a run is at most so often.
const TELL: Duration = Duration::from_secs(1);

/// The states of a run that have ended.
#[derive(Debug)]
pub(super) struct Steps {
    done: AtomicUsize,
    total: AtomicUsize,
    failed: AtomicUsize,
}

impl Steps {
    /// Runs something of so many states, and tells meanwhile how many are done, of how many, and how many failed: also while one
    /// state takes long, so that it is seen how many ended before it.
    pub(super) fn told<T>(
        total: usize,
        tell: impl Fn(usize, usize, usize) + Send,
        run: impl FnOnce(&Steps) -> T,
    ) -> T {
        Steps::told_every(TELL, total, tell, run)
    }

    fn told_every<T>(
        pause: Duration,
        total: usize,
        tell: impl Fn(usize, usize, usize) + Send,
        run: impl FnOnce(&Steps) -> T,
    ) -> T {
        let steps = Steps {
            done: AtomicUsize::new(0),
            total: AtomicUsize::new(total),
            failed: AtomicUsize::new(0),
        };
        let (running, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let counted = &steps;
            scope.spawn(move || {
                let mut told = None;
                while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    let counts = counted.counts();
                    if told.replace(counts) != Some(counts) {
                        let (done, total, failed) = counts;
                        tell(done, total, failed);
                    }
                }
            });
            // It goes also when the run panics, and the thread with it.
            let _running = running;
            run(&steps)
        })
    }

    /// A state has ended.
    pub(super) fn ended(&self, has_failed: bool) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // `listen` and parts of a function add steps.
        self.total.fetch_max(done, Ordering::Relaxed);
        if has_failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counts(&self) -> (usize, usize, usize) {
        let of = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        (of(&self.done), of(&self.total), of(&self.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_far_it_is_while_a_state_takes_long() {
        let (tell, told) = mpsc::channel();
        let tell = move |done, total, failed| tell.send((done, total, failed)).expect("heard");
        let pause = Duration::from_millis(1);
        Steps::told_every(pause, 2, tell, |steps| {
            assert_eq!(told.recv(), Ok((0, 2, 0)));
            steps.ended(false);
            assert_eq!(told.recv(), Ok((1, 2, 0)));
            steps.ended(true);
            assert_eq!(told.recv(), Ok((2, 2, 1)));
            // `listen` runs one more.
            steps.ended(false);
            assert_eq!(told.recv(), Ok((3, 3, 1)));
        });
        assert!(told.recv().is_err(), "nothing is said twice");
    }
}
