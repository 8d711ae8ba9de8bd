//! Ctrl-C as an event instead of the end of the process.

use std::io;
use std::thread;

use nix::sys::signal::{self, SigSet, Signal};

/// What is called for each Ctrl-C; false: nobody listens, and it ends the process as it would have without this.
pub(crate) type OnInterrupt = Box<dyn FnMut() -> bool + Send>;

/// Calls back for each SIGINT from now on.
///
/// The signal is blocked in the calling thread and in those that it starts later, and one thread waits for it: no signal
/// handler, so nothing runs at an awkward moment. Call it from the main thread before any other is started.
///
/// # Errors
/// When the system has no room for a thread.
pub(crate) fn watch(mut on_interrupt: OnInterrupt) -> io::Result<()> {
    let mut interrupt = SigSet::empty();
    interrupt.add(Signal::SIGINT);
    interrupt.thread_block()?;
    thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            while interrupt.wait().is_ok() {
                if !on_interrupt() {
                    // The first fails only for what is no signal, and the second only where the first did.
                    let _ = interrupt.thread_unblock();
                    let _ = signal::raise(Signal::SIGINT);
                    return;
                }
            }
        })?;
    Ok(())
}
