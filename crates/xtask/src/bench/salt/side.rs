//! One of those that are compared, and how an order is given to it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;

/// A command that takes longer is ended, and what it printed until then counts.
const COMMAND_WITHIN: Duration = Duration::from_secs(120);

/// A tree of one product.
pub trait Side {
    /// What tables call it.
    fn name(&self) -> &'static str;

    /// The operator's command, without the order.
    fn command(&self) -> Command;

    /// The processes of the top master, of the sites' hubs, and of the minions.
    fn processes(&self) -> anyhow::Result<[Vec<u32>; 3]>;

    /// Kills the hub of the last site; false when there are no sites.
    fn cut(&mut self) -> bool;
}

/// What an operator saw.
#[derive(Debug)]
pub struct Seen {
    /// From the start of the command to its end.
    pub wall: Duration,
    /// The exit code; None when it was ended.
    pub exit: Option<i32>,
    /// Lines of its output and after them those of its errors.
    pub text: String,
}

impl Seen {
    /// The single lines that minions returned, with their ids.
    pub fn returns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().filter_map(|line| line.split_once(": "))
    }

    /// Whether an id stands anywhere in the text.
    pub fn names(&self, id: &str) -> bool {
        let is_letter = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        self.text.split(|c| !is_letter(c)).any(|word| word == id)
    }
}

/// Gives an order, and waits until the command ends. `errors` is a file that it may write.
pub fn give(side: &dyn Side, order: &[&str], errors: &Path) -> anyhow::Result<Seen> {
    let mut command = side.command();
    command.args(order);
    let ended = finish(command, "", errors)?;
    Ok(Seen {
        wall: ended.wall,
        exit: ended.exit,
        text: ended.out + &ended.err,
    })
}

/// What a command printed.
#[derive(Debug)]
pub struct Ended {
    /// From the start of the command to its end.
    pub wall: Duration,
    /// The exit code; None when it was ended.
    pub exit: Option<i32>,
    /// Its output.
    pub out: String,
    /// Its errors.
    pub err: String,
}

/// Runs a command that reads `input`, to its end. `errors` is a file that it may write.
pub fn finish(mut command: Command, input: &str, errors: &Path) -> anyhow::Result<Ended> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(errors)?);
    let began = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("can't start {command:?}"))?;
    if let Some(mut keyboard) = child.stdin.take() {
        // It may end without reading.
        let _ = keyboard.write_all(input.as_bytes());
    }
    let mut output = child.stdout.take().context("no output")?;
    let (said, heard) = mpsc::channel();
    // Ends with the command.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.read_to_end(&mut bytes);
        said.send(read.map(|_| bytes))
    });
    let bytes = match heard.recv_timeout(COMMAND_WITHIN) {
        Ok(bytes) => bytes,
        Err(_) => {
            child.kill()?;
            heard.recv()?
        }
    };
    let status = child.wait()?;
    let wall = began.elapsed();
    Ok(Ended {
        wall,
        exit: status.code(),
        out: String::from_utf8_lossy(&bytes?).into_owned(),
        err: String::from_utf8_lossy(&std::fs::read(errors)?).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen() {
        let seen = Seen {
            wall: Duration::ZERO,
            exit: Some(0),
            text: "web-1-1: True\nweb-1-12: Minion did not return.\nNote of web-2-1.\n".to_owned(),
        };
        let returns: Vec<_> = seen.returns().collect();
        let expected = [("web-1-1", "True"), ("web-1-12", "Minion did not return.")];
        assert_eq!(returns, expected);
        for (id, expected) in [("web-2-1", true), ("web-1-12", true), ("web-1", false)] {
            assert_eq!(seen.names(id), expected, "{id}");
        }
    }
}
