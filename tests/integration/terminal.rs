//! A command on a terminal, and what it shows there.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::pty::openpty;

use crate::command::plain;
use crate::wait_for;

/// A command that runs on a pseudo-terminal. It is killed when it is dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts a command on a terminal of its own, in a plain environment.
    ///
    /// # Panics
    /// When there is no terminal, or the command does not start.
    #[track_caller]
    pub fn start(mut command: Command) -> Terminal {
        plain(&mut command);
        let pair = openpty(None, None).expect("a pseudo-terminal");
        let end = || pair.slave.try_clone().expect("a descriptor");
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // This process keeps no end of the command's side: reading ends when the command does.
        drop((command, pair.slave));
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, written) = (File::from(pair.master), Arc::clone(&shown));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                // What programs draw here is ASCII, of which no piece is cut.
                text(&written).push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        Terminal { child, shown }
    }

    /// Everything that was written to it so far, marks that move the cursor included.
    pub fn written(&self) -> String {
        text(&self.shown).clone()
    }

    /// Waits until it has shown this.
    #[track_caller]
    pub fn shows(&self, words: &str) {
        wait_for(&format!("the terminal shows {words:?}"), || {
            text(&self.shown).contains(words).then_some(())
        });
    }

    /// Waits for the command's end, and gives its exit code.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn finish(&mut self) -> Option<i32> {
        let status = wait_for("the command ends", || self.child.try_wait().ok().flatten());
        status.code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(shown: &Mutex<String>) -> MutexGuard<'_, String> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}
