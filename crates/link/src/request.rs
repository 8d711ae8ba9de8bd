//! Requests of a dialler: a frame with the question, a frame with the answer, and raw bytes behind it.

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, VarInt};
use tokio::time::timeout;
use wire::codec::{self, CodecError, PREFIX};
use wire::files::{Answer, Request};
use wire::limits::{MAX_FRAME, MAX_REQUEST};

use crate::close::Closed;
use crate::frames::Frames;
use crate::session::Shared;
use crate::tuning::BODY_STALL;

/// Bytes of a body that are read at a time.
const READ: usize = 64 << 10;
/// Says on a stream that its body was given up and is not whole.
const BODY_GIVEN_UP: u32 = 1;

/// Why a request or its answer did not get through.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The session is over.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The question or answer is no frame, or does not fit into one.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The question is longer than a hub takes: nothing was sent.
    #[error("the question has {0} bytes, and at most {MAX_REQUEST} travel")]
    TooLong(usize),
    /// The other side gave this request up.
    #[error("the other side gave the request up")]
    GivenUp,
    /// The body brought nothing for a minute.
    #[error("the body has stalled")]
    Stalled,
    /// The hub did not answer in frames.
    #[error("the answer is malformed")]
    Malformed,
}

impl From<ReadError> for RequestError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Closed::new(error).into(),
            _ => RequestError::GivenUp,
        }
    }
}

impl From<quinn::WriteError> for RequestError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::ConnectionLost(error) => Closed::new(error).into(),
            _ => RequestError::GivenUp,
        }
    }
}

pub(crate) async fn ask(
    shared: &Shared,
    request: &Request,
) -> Result<(Answer, BodyReader), RequestError> {
    let question = Bytes::from(codec::frame(request)?);
    let len = question.len() - PREFIX;
    if len > MAX_REQUEST {
        return Err(RequestError::TooLong(len));
    }
    let streams = shared.connection.open_bi().await;
    let (mut send, stream) = streams.map_err(|error| shared.closed(error))?;
    send.write_chunk(question).await?;
    // Nothing but a lost connection can have closed the stream before.
    let _ = send.finish();
    let mut body = BodyReader {
        stream,
        head: Bytes::new(),
    };
    let answer = body.answer().await?;
    Ok((answer, body))
}

/// The bytes behind an answer. Dropping it tells the hub to stop.
#[derive(Debug)]
pub struct BodyReader {
    stream: RecvStream,
    /// What came in one chunk with the answer.
    head: Bytes,
}

impl BodyReader {
    async fn answer(&mut self) -> Result<Answer, RequestError> {
        let mut frames = Frames::new(MAX_FRAME);
        loop {
            let chunk = self.stream.read_chunk(READ, true).await?;
            frames.push(chunk.ok_or(RequestError::GivenUp)?.bytes);
            if let Some(body) = frames.next().map_err(|_| RequestError::Malformed)? {
                self.head = frames.into_rest();
                return Ok(codec::decode(&body)?);
            }
        }
    }

    /// The next bytes; `None` at the end, which the hub has reached too: a body that was cut off is an error.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        if !self.head.is_empty() {
            return Ok(Some(std::mem::take(&mut self.head)));
        }
        match timeout(BODY_STALL, self.stream.read_chunk(READ, true)).await {
            Ok(chunk) => Ok(chunk?.map(|chunk| chunk.bytes)),
            Err(_) => Err(RequestError::Stalled),
        }
    }

    /// The whole body, when it has at most `max` bytes.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::Malformed`] when it is longer.
    pub async fn read_to_end(&mut self, max: usize) -> Result<Vec<u8>, RequestError> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > max {
                return Err(RequestError::Malformed);
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }
}

/// Answers one request. Dropping it gives the request up.
#[derive(Debug)]
pub struct Responder {
    body: BodyWriter,
}

impl Responder {
    pub(crate) fn new(stream: SendStream) -> Responder {
        Responder {
            body: BodyWriter {
                stream,
                whole: false,
            },
        }
    }

    /// Sends an answer without a body.
    ///
    /// # Errors
    /// [`RequestError`]: the child will see no answer.
    pub async fn answer(self, answer: &Answer) -> Result<(), RequestError> {
        self.stream(answer).await?.finish();
        Ok(())
    }

    /// Sends an answer, and returns the means to send its body.
    ///
    /// # Errors
    /// [`RequestError`]: the child will see no answer.
    pub async fn stream(mut self, answer: &Answer) -> Result<BodyWriter, RequestError> {
        self.body.write(codec::frame(answer)?.into()).await?;
        Ok(self.body)
    }
}

/// Sends the bytes behind an answer. Unless it is finished, the child learns that the body is not whole.
#[derive(Debug)]
pub struct BodyWriter {
    stream: SendStream,
    whole: bool,
}

impl BodyWriter {
    /// Sends bytes, as fast as the child takes them.
    ///
    /// # Errors
    /// [`RequestError::Stalled`] when the child takes none for a minute, [`RequestError::GivenUp`] when it wants none.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), RequestError> {
        let mut chunks = [bytes];
        while !chunks[0].is_empty() {
            match timeout(BODY_STALL, self.stream.write_chunks(&mut chunks)).await {
                Ok(written) => written?,
                Err(_) => return Err(RequestError::Stalled),
            };
        }
        Ok(())
    }

    /// The body is whole.
    pub fn finish(mut self) {
        self.whole = true;
        // An error means that the child wants no more of it.
        let _ = self.stream.finish();
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        if !self.whole {
            // quinn would end the stream as if all were said.
            let _ = self.stream.reset(VarInt::from_u32(BODY_GIVEN_UP));
        }
    }
}
