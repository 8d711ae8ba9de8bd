//! A call by way of the minion that runs on this host.

use std::io::ErrorKind;
use std::path::Path;

use daemon::exit;
use daemon::signals::EndSignals;
use daemon::socket::{self, ReadError};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use wire::call::{CallAsk, CallEnd, CallRun, CallTell, MAX_VALUE, PART};
use wire::control::FailureKind;
use wire::{Jid, codec};

use crate::steps::StepsLine;

/// What a function answered.
pub struct Answered {
    /// The id of its run.
    pub jid: Jid,
    /// Its value, JSON text.
    pub value: Vec<u8>,
    /// How it ended.
    pub end: CallEnd,
}

/// Why there is no answer.
pub struct Trouble {
    /// The exit code.
    pub code: u8,
    /// Words for people.
    pub text: String,
}

impl Trouble {
    /// With this exit code.
    pub fn new(code: u8, text: impl Into<String>) -> Trouble {
        let text = text.into();
        Trouble { code, text }
    }

    /// A fault of this host or this program.
    pub fn internal(why: &impl std::fmt::Display) -> Trouble {
        Trouble::new(exit::INTERNAL, why.to_string())
    }
}

/// Asks whoever listens at this socket, and waits for the end of the run. SIGINT, SIGTERM and SIGHUP end the run, and what it returns then is
/// the answer; the second one is not waited for. None: nobody listens.
///
/// # Errors
/// What keeps it from an answer.
pub async fn ask(path: &Path, run: &CallRun) -> Result<Option<Answered>, Trouble> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let text = format!(
                "not allowed to ask the minion at {}: do it as its user, or with --local",
                path.display()
            );
            return Err(Trouble::new(exit::UNAVAILABLE, text));
        }
        Err(_) => return Ok(None),
    };
    let mut signals = EndSignals::install().map_err(|error| Trouble::internal(&error))?;
    let frame = codec::frame(&CallAsk::Run(run.clone()))
        .map_err(|error| Trouble::new(exit::USAGE, format!("too many arguments: {error}")))?;
    if stream.write_all(&frame).await.is_err() {
        return Ok(None);
    }
    let (mut reader, mut writer) = stream.split();
    let mut begun: Option<Jid> = None;
    let mut value: Vec<u8> = Vec::new();
    let mut line = StepsLine::on_terminal();
    let mut was_told_to_end = false;
    loop {
        // A frame that came in part is lost when another branch is taken, so what is read goes on.
        let frame = socket::read_frame(&mut reader);
        tokio::pin!(frame);
        let body = loop {
            tokio::select! {
                body = &mut frame => break body,
                () = signals.next() => {
                    if was_told_to_end {
                        let text = format!("left {} alone, which is told to end", run.fun);
                        return Err(Trouble::new(exit::FAILED, text));
                    }
                    was_told_to_end = true;
                    // Whoever has gone needs not be told.
                    let _ = writer.shutdown().await;
                }
            }
        };
        let tell: CallTell = match body {
            Ok(body) => codec::decode(&body).map_err(|error| strange(&error.to_string()))?,
            Err(ReadError::Io(_)) if begun.is_none() => return Ok(None),
            Err(ReadError::Io(_)) => {
                let text = format!(
                    "the minion ended while {} ran: how far it came is not known",
                    run.fun
                );
                return Err(Trouble::new(exit::INTERNAL, text));
            }
            Err(ReadError::Codec(error)) => return Err(strange(&error.to_string())),
        };
        match tell {
            CallTell::Begun { jid } => begun = Some(jid),
            CallTell::Steps(steps) => line.show(&steps),
            CallTell::Part(bytes) if value.len() + bytes.len() <= MAX_VALUE + PART => {
                value.extend_from_slice(&bytes);
            }
            CallTell::Part(_) => return Err(strange("the answer is too long")),
            CallTell::Ended(end) => {
                let jid = begun.ok_or_else(|| strange("what never began has ended"))?;
                return Ok(Some(Answered { jid, value, end }));
            }
            CallTell::Failed(failure) => {
                let code = match failure.kind {
                    FailureKind::Usage => exit::USAGE,
                    FailureKind::NotFound | FailureKind::Refused => exit::REFUSED,
                    FailureKind::Internal => exit::INTERNAL,
                };
                return Err(Trouble::new(code, failure.text));
            }
            CallTell::Who { .. } => return Err(strange("it answers another question")),
        }
    }
}

fn strange(text: &str) -> Trouble {
    let text =
        format!("the minion that runs and this command do not understand each other: {text}");
    Trouble::new(exit::INTERNAL, text)
}
