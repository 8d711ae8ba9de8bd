//! How far a run of states is, on one line of a terminal.

use std::io::{IsTerminal, Write};

use wire::Steps;

/// The line; nothing is written where standard error is no terminal. It goes when it is dropped.
pub struct StepsLine {
    is_on_terminal: bool,
    is_shown: bool,
}

impl StepsLine {
    /// On standard error.
    pub fn on_terminal() -> StepsLine {
        StepsLine {
            is_on_terminal: std::io::stderr().is_terminal(),
            is_shown: false,
        }
    }

    /// Shows the newest numbers in the place of those before.
    pub fn show(&mut self, steps: &Steps) {
        if self.is_on_terminal {
            self.is_shown = true;
            write(&format!("\r{}\x1b[K", words(steps)));
        }
    }
}

impl Drop for StepsLine {
    fn drop(&mut self) {
        if self.is_shown {
            write("\r\x1b[K");
        }
    }
}

fn words(steps: &Steps) -> String {
    let Steps {
        done,
        total,
        failed,
    } = steps;
    match failed {
        0 => format!("{done} of {total} states"),
        _ => format!("{done} of {total} states, {failed} failed"),
    }
}

/// A terminal that has gone is no reason to end.
fn write(text: &str) {
    let mut screen = std::io::stderr();
    let _ = screen
        .write_all(text.as_bytes())
        .and_then(|()| screen.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named_when_there_are_some() {
        let steps = |failed| Steps {
            done: 3,
            total: 9,
            failed,
        };
        assert_eq!(words(&steps(0)), "3 of 9 states");
        assert_eq!(words(&steps(2)), "3 of 9 states, 2 failed");
    }
}
