//! What whoever measures says on standard input, and hears on standard output.

use std::io::{BufRead, Write};

use tokio::sync::mpsc;

use crate::Failure;

/// An order to a server.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// Say how many peers there are.
    Count,
    /// One round, with replies of so many bytes.
    Round(usize),
}

/// The orders of this process, until its input ends.
#[derive(Debug)]
pub struct Orders(mpsc::Receiver<String>);

impl Orders {
    pub fn new() -> Orders {
        let (lines, line) = mpsc::channel(1);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Orders(line)
    }

    /// The next one.
    pub async fn next(&mut self) -> Result<Option<Order>, Failure> {
        let Some(line) = self.0.recv().await else {
            return Ok(None);
        };
        let order = match line.split_once(' ') {
            None if line == "count" => Order::Count,
            Some(("round", bytes)) => Order::Round(bytes.parse()?),
            _ => return Err(format!("not an order: {line:?}").into()),
        };
        Ok(Some(order))
    }
}

pub fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not listen has ended us.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}
