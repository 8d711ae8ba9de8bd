//! The whole command, in this process, against a daemon that answers what a test says.

#[path = "../../tests/fake/mod.rs"]
mod fake;

mod commands;
mod events;
mod find;
mod jobs;
mod runners;
mod typed;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::sync::Mutex;

use tempfile::TempDir;
use wire::control::{Ask, Tell};

use crate::interrupt::OnInterrupt;
use crate::seat::{Seat, Terminals};
use crate::{Program, Start, start};
use fake::{Asked, Peer};

/// What came of a command.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: u8,
    out: String,
    err: String,
}

/// A tree's directory, and what surrounds the commands that are called in it.
struct Place {
    root: TempDir,
    program: Program,
    terminals: Terminals,
    input: &'static str,
    /// Where the test gets what to call for a Ctrl-C.
    on_interrupt: Mutex<Option<OnInterrupt>>,
}

impl Place {
    fn new() -> Place {
        Place {
            root: tempfile::tempdir().expect("a directory"),
            program: Program::TopMaster,
            terminals: Terminals::default(),
            input: "",
            on_interrupt: Mutex::default(),
        }
    }

    /// With a daemon.
    fn with(answer: impl Fn(Ask, &mut Peer) + Send + Sync + 'static) -> (Place, Asked) {
        let place = Place::new();
        let socket =
            daemon::config::Paths::new(place.root.path(), daemon::config::Program::TopMaster)
                .control_socket();
        let asked = fake::listen(&socket, answer);
        (place, asked)
    }

    /// With a daemon that gives the same answers to each question.
    fn telling(tells: Vec<Tell>) -> (Place, Asked) {
        Place::with(move |_, peer| tells.iter().for_each(|tell| peer.tell(tell.clone())))
    }

    /// Calls the program in this place.
    fn call(&self, args: &[&str]) -> Outcome {
        let root = self.root.path().to_str().expect("a path of text");
        let outcome = self.call_bare(
            &[
                args.first().copied().into_iter().collect(),
                vec!["--root-dir", root],
                args.iter().skip(1).copied().collect(),
            ]
            .concat(),
        );
        Outcome {
            out: outcome.out.replace(root, "ROOT"),
            err: outcome.err.replace(root, "ROOT"),
            ..outcome
        }
    }

    /// Calls the program without saying where.
    fn call_bare(&self, args: &[&str]) -> Outcome {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let environment: BTreeMap<String, String> = [("SUDO_USER", "alice"), ("HOSTNAME", "top1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let args = std::iter::once(self.program.name())
            .chain(args.iter().copied())
            .map(OsString::from);
        let mut seat = Seat {
            out: &mut out,
            err: &mut err,
            input: &mut self.input.as_bytes(),
            terminals: self.terminals,
            environment: &environment,
            interrupts: &|on_interrupt| -> io::Result<()> {
                *self.on_interrupt.lock().expect("no thread panicked") = Some(on_interrupt);
                Ok(())
            },
        };
        let code = match start(self.program, args, &mut seat) {
            Start::Done(code) => code,
            Start::Local(..) => panic!("the program would have to do this"),
        };
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Outcome {
            code,
            out: text(out),
            err: text(err),
        }
    }
}
