//! Where the command sits: its streams, what it knows of them, and its ways to the daemon and to the user.

use std::io::{self, BufRead, ErrorKind, Write};
use std::sync::Arc;

use daemon::config::Environment;
use output::Style;

use crate::control::{Control, ControlError};
use crate::interrupt::OnInterrupt;
use crate::lowargs::When;

/// Makes a connection for one question.
pub(crate) type Connect = Arc<dyn Fn() -> Result<Box<dyn Control>, ControlError> + Send + Sync>;

/// Everything around a command; a test brings its own.
pub(crate) struct Seat<'a> {
    /// Data goes here.
    pub(crate) out: &'a mut dyn Write,
    /// Talk goes here.
    pub(crate) err: &'a mut dyn Write,
    /// Answers come from here.
    pub(crate) input: &'a mut dyn BufRead,
    /// Which of them are terminals.
    pub(crate) terminals: Terminals,
    /// Variables.
    pub(crate) environment: &'a dyn Environment,
    /// Starts to listen for Ctrl-C.
    pub(crate) interrupts: &'a dyn Fn(OnInterrupt) -> io::Result<()>,
}

/// Which streams are terminals.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terminals {
    pub(crate) input: bool,
    pub(crate) out: bool,
    pub(crate) err: bool,
}

impl Seat<'_> {
    /// Colour for data, as asked for: on a terminal, unless the environment is against it.
    pub(crate) fn style(&self, when: When) -> Style {
        let set = |name: &str| {
            self.environment
                .variable(name)
                .filter(|value| !value.is_empty())
        };
        let color = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                self.terminals.out
                    && set("NO_COLOR").is_none()
                    && set("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Style { color }
    }

    /// Prints data. A reader that has gone (`| head`) has what it wants.
    ///
    /// # Errors
    /// When it cannot be written, as on a full disk.
    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        match self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
        {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Says something beside the data. Nothing depends on whether anyone hears it.
    pub(crate) fn say(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn colour_only_on_a_terminal_that_wants_it() {
        let check = |when, on_terminal, variables: &[(&str, &str)], expected| {
            let environment: BTreeMap<String, String> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let seat = Seat {
                out: &mut io::sink(),
                err: &mut io::sink(),
                input: &mut io::empty(),
                terminals: Terminals {
                    out: on_terminal,
                    ..Terminals::default()
                },
                environment: &environment,
                interrupts: &|_| Ok(()),
            };
            assert_eq!(
                seat.style(when).color,
                expected,
                "{when:?} {on_terminal} {variables:?}"
            );
        };
        check(When::Auto, true, &[], true);
        check(When::Auto, false, &[], false);
        check(When::Auto, true, &[("NO_COLOR", "1")], false);
        check(When::Auto, true, &[("NO_COLOR", "")], true);
        check(When::Auto, true, &[("TERM", "dumb")], false);
        check(When::Always, false, &[("NO_COLOR", "1")], true);
        check(When::Never, true, &[], false);
    }
}
