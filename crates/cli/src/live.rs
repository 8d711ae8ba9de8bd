//! The progress of a job, redrawn in place on a terminal.

use std::io::Write;
use std::time::{Duration, Instant};

use wire::control::Progress;

/// Sites that are shown at a time: with the job's line and the line of further sites it fits every terminal.
const SITES_MAX: usize = 10;

/// A job that ends sooner shows no progress: it would only flicker.
const QUIET_TIME: Duration = Duration::from_millis(150);

/// Long lines are cut by the terminal while this is off, so that each line stays one line.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// What is on the screen, and what is to come.
pub(crate) struct Live {
    /// From when on something is shown; None: never, as without a terminal.
    from: Option<Instant>,
    /// Lines that are on the screen, the cursor being below them.
    shown: usize,
    newest: Option<Progress>,
}

impl Live {
    pub(crate) fn new(on_terminal: bool, now: Instant) -> Live {
        Live {
            from: on_terminal.then(|| now + QUIET_TIME),
            shown: 0,
            newest: None,
        }
    }

    /// Takes the newest numbers.
    pub(crate) fn update(&mut self, progress: Progress) {
        self.newest = Some(progress);
    }

    /// When [`Live::draw`] has something to show.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.from.filter(|_| self.newest.is_some())
    }

    /// Shows the newest numbers once their time has come. The screen is whole after each call, whenever the process ends.
    pub(crate) fn draw(&mut self, now: Instant, screen: &mut dyn Write) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        let Some(progress) = self.newest.take() else {
            return;
        };
        let lines = output::progress_lines(&progress, SITES_MAX);
        let mut text = self.to_top();
        text.push_str(WRAP_OFF);
        for line in &lines {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        text.push_str(WRAP_ON);
        text.push_str("\x1b[J");
        self.shown = lines.len();
        write(screen, &text);
    }

    /// Takes everything off the screen.
    pub(crate) fn erase(&mut self, screen: &mut dyn Write) {
        if self.shown > 0 {
            let text = self.to_top() + "\x1b[J";
            self.shown = 0;
            write(screen, &text);
        }
    }

    fn to_top(&self) -> String {
        match self.shown {
            0 => String::new(),
            lines => format!("\r\x1b[{lines}A"),
        }
    }
}

/// In one piece, so that nothing comes between. A screen that has gone needs no progress.
fn write(screen: &mut dyn Write, text: &str) {
    let _ = screen
        .write_all(text.as_bytes())
        .and_then(|()| screen.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Counts;

    fn progress(ok: u64) -> Progress {
        Progress {
            jid: "20261122231556000001".parse().expect("twenty digits"),
            complete: true,
            finished: false,
            counts: Counts {
                expected: 2,
                ok,
                running: 2 - ok,
                ..Counts::default()
            },
            rollout: None,
            steps: None,
            sites: vec![],
        }
    }

    #[test]
    fn draws_in_place_and_leaves_nothing() {
        let start = Instant::now();
        let mut live = Live::new(true, start);
        let mut screen = Vec::new();
        live.update(progress(0));
        live.draw(start, &mut screen);
        assert_eq!(String::from_utf8_lossy(&screen), "", "too early");
        live.draw(start + QUIET_TIME, &mut screen);
        live.draw(start + QUIET_TIME, &mut screen);
        live.update(progress(1));
        live.draw(start + QUIET_TIME, &mut screen);
        live.erase(&mut screen);
        live.erase(&mut screen);
        assert_eq!(
            String::from_utf8_lossy(&screen),
            "\x1b[?7l20261122231556000001  0/2 returned, 2 running\x1b[K\n\x1b[?7h\x1b[J\
             \r\x1b[1A\x1b[?7l20261122231556000001  1/2 returned, 1 running\x1b[K\n\x1b[?7h\x1b[J\
             \r\x1b[1A\x1b[J"
        );
    }

    #[test]
    fn without_a_terminal_nothing_is_drawn() {
        let start = Instant::now();
        let mut live = Live::new(false, start);
        let mut screen = Vec::new();
        live.update(progress(0));
        live.draw(start + QUIET_TIME, &mut screen);
        live.erase(&mut screen);
        assert!(screen.is_empty());
        assert_eq!(live.due(), None);
    }
}
