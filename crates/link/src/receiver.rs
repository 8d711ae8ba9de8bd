//! The receiving half: one future for everything that a peer may send, so that a session needs one task.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use wire::codec::{self, PREFIX};
use wire::files::Request;
use wire::limits::{BULK_FRAME, MAX_FRAME, MAX_REQUEST};

use crate::close::{CloseCode, Closed};
use crate::frames::Frames;
use crate::request::Responder;
use crate::session::Shared;
use crate::tuning::{BULK_DEADLINE, REQUEST_DEADLINE};

/// Bytes taken from a stream at a time: a packet's worth and a few more that have queued up.
const READ: usize = 16 << 10;

/// What came from the peer.
#[derive(Debug)]
pub enum Event {
    /// A frame's body: bytes for [`wire::codec::decode`].
    Frame(Bytes),
    /// A request, and the means to answer it. Only diallers send these.
    Request(Request, Responder),
}

/// Receives from one session.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    control: RecvStream,
    frames: Frames,
    /// The long frame that is being assembled; the streams behind it wait.
    bulk: Option<Incoming>,
    /// The request whose frame is being read, with the stream for its answer.
    request: Option<(Incoming, SendStream)>,
    /// Whether the peer has dialled.
    accepted: bool,
    budget: Arc<Semaphore>,
}

/// A frame that arrives on a stream of its own. All progress is in here, so that reading can be given up at any
/// await and taken up again.
#[derive(Debug)]
struct Incoming {
    stream: RecvStream,
    frames: Frames,
    body: Option<Bytes>,
    began: Instant,
    /// How long the frame may take when it is a short one.
    patience: Duration,
    /// A part of the endpoint's budget, while a long frame is assembled.
    permit: Option<OwnedSemaphorePermit>,
}

/// Why a frame on a stream of its own did not arrive.
enum Failure {
    Violation(&'static str),
    Slow,
    /// The peer gave this stream up.
    Reset,
    Lost(quinn::ConnectionError),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Failure::Lost(error),
            _ => Failure::Reset,
        }
    }
}

impl Incoming {
    fn new(stream: RecvStream, max: usize, patience: Duration) -> Incoming {
        Incoming {
            stream,
            frames: Frames::new(max),
            body: None,
            began: Instant::now(),
            patience,
            permit: None,
        }
    }

    /// Reads exactly one frame and the stream's end. May be cancelled and called again.
    async fn read(&mut self, budget: &Arc<Semaphore>) -> Result<Bytes, Failure> {
        let short = self.began + self.patience;
        let len = timeout_at(short, self.read_prefix())
            .await
            .unwrap_or(Err(Failure::Slow))?;
        let deadline = match len > BULK_FRAME {
            true => self.began + BULK_DEADLINE,
            false => short,
        };
        timeout_at(deadline, self.read_body(len, budget))
            .await
            .unwrap_or(Err(Failure::Slow))
    }

    /// The prefix alone first: it says how much room the body needs.
    async fn read_prefix(&mut self) -> Result<usize, Failure> {
        loop {
            if let Some(body) = &self.body {
                return Ok(body.len());
            }
            if let Some(len) = self.frames.announced() {
                return Ok(len);
            }
            match self.stream.read_chunk(PREFIX, true).await? {
                None => return Err(Failure::Violation("a stream without a frame")),
                Some(chunk) => self.take(chunk.bytes)?,
            }
        }
    }

    async fn read_body(&mut self, len: usize, budget: &Arc<Semaphore>) -> Result<Bytes, Failure> {
        if len > BULK_FRAME && self.permit.is_none() {
            // No length is over `MAX_FRAME` here, which the budget covers.
            let permit = budget.clone().acquire_many_owned(len as u32).await;
            self.permit = permit.ok();
        }
        loop {
            match self.stream.read_chunk(READ, true).await? {
                None => {
                    self.permit = None;
                    let body = self.body.take();
                    return body.ok_or(Failure::Violation("a stream without a frame"));
                }
                Some(_) if self.body.is_some() => {
                    return Err(Failure::Violation("more than one frame on a stream"));
                }
                Some(chunk) => self.take(chunk.bytes)?,
            }
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), Failure> {
        self.frames.push(chunk);
        self.body = self
            .frames
            .next()
            .map_err(|_| Failure::Violation("a frame of a length that is not allowed"))?;
        match self.body.is_some() && !self.frames.is_empty() {
            true => Err(Failure::Violation("more than one frame on a stream")),
            false => Ok(()),
        }
    }
}

/// Reads what is in the slot; never ends when there is nothing.
async fn read_slot(slot: Option<&mut Incoming>, budget: &Arc<Semaphore>) -> Result<Bytes, Failure> {
    match slot {
        Some(incoming) => incoming.read(budget).await,
        None => std::future::pending().await,
    }
}

impl Receiver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        control: RecvStream,
        accepted: bool,
        budget: Arc<Semaphore>,
    ) -> Receiver {
        Receiver {
            shared,
            control,
            frames: Frames::new(BULK_FRAME),
            bulk: None,
            request: None,
            accepted,
            budget,
        }
    }

    /// The next frame or request. May be cancelled (in a `select!`) and called again without loss.
    ///
    /// What is not received is not read, and stops the peer by flow control.
    ///
    /// # Errors
    /// [`Closed`] once the session is over, which includes that the peer broke the rules of framing.
    pub async fn next(&mut self) -> Result<Event, Closed> {
        loop {
            match self.frames.next() {
                Ok(Some(body)) => return Ok(Event::Frame(body)),
                Ok(None) => (),
                Err(bad) => return Err(self.malformed(&bad.to_string())),
            }
            let connection = &self.shared.connection;
            tokio::select! {
                chunk = self.control.read_chunk(READ, true) => match chunk {
                    Ok(Some(chunk)) => self.frames.push(chunk.bytes),
                    Ok(None) | Err(ReadError::Reset(_)) => {
                        return Err(self.malformed("the control stream has ended"));
                    }
                    Err(_) => return Err(self.shared.lost().await),
                },
                stream = connection.accept_uni(), if self.bulk.is_none() => match stream {
                    Ok(stream) => self.bulk = Some(Incoming::new(stream, MAX_FRAME, BULK_DEADLINE)),
                    Err(error) => return Err(self.shared.closed(error)),
                },
                body = read_slot(self.bulk.as_mut(), &self.budget), if self.bulk.is_some() => {
                    self.bulk = None;
                    match body {
                        Ok(body) => return Ok(Event::Frame(body)),
                        // A frame that the peer gave up can't be told from one that it lost.
                        Err(Failure::Reset) => return Err(self.malformed("a frame was given up")),
                        Err(failure) => return Err(self.failed(failure)),
                    }
                }
                streams = connection.accept_bi(), if self.accepted && self.request.is_none() => {
                    match streams {
                        Ok((send, recv)) => {
                            let incoming = Incoming::new(recv, MAX_REQUEST, REQUEST_DEADLINE);
                            self.request = Some((incoming, send));
                        }
                        Err(error) => return Err(self.shared.closed(error)),
                    }
                }
                body = read_slot(self.request.as_mut().map(|(incoming, _)| incoming), &self.budget),
                    if self.request.is_some() =>
                {
                    let Some((_, send)) = self.request.take() else { continue };
                    match body {
                        Ok(body) => match codec::decode(&body) {
                            Ok(request) => {
                                return Ok(Event::Request(request, Responder::new(send)));
                            }
                            Err(error) => return Err(self.malformed(&error.to_string())),
                        },
                        // The child has lost interest.
                        Err(Failure::Reset) => (),
                        Err(failure) => return Err(self.failed(failure)),
                    }
                }
            }
        }
    }

    fn malformed(&self, reason: &str) -> Closed {
        self.shared.refuse(CloseCode::Malformed, reason)
    }

    fn failed(&self, failure: Failure) -> Closed {
        match failure {
            Failure::Violation(reason) => self.malformed(reason),
            Failure::Slow => self.shared.refuse(CloseCode::Slow, "a frame took too long"),
            Failure::Reset => self.malformed("a frame was given up"),
            Failure::Lost(error) => self.shared.closed(error),
        }
    }
}
