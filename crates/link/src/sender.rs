//! The sending half: frames go out at once while the connection takes them, and wait in a bounded outbox otherwise.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn::{SendStream, WriteError};
use tokio::sync::Notify;
use wire::codec::{PREFIX, frame_len};
use wire::limits::BULK_FRAME;

use crate::session::Shared;
use crate::tuning::CONTROL_RESERVE;

/// Frames that one write hands to quinn.
const BATCH: usize = 64;
/// Streams of long frames stand behind the control stream (which has 0) when packets are filled.
const BULK_PRIORITY: i32 = -1;

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The session is over.
    #[error("the session is over")]
    Closed,
    /// The peer takes less than it is sent; keep the frame and come back after [`Sender::ready`].
    #[error("the peer's outbox is full")]
    Full,
    /// The bytes are not one frame with its prefix.
    #[error("not a frame")]
    NotAFrame,
}

/// Sends frames, and whatever else both sides of a session may do. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    pub(crate) shared: Arc<Shared>,
}

/// Frames that wait, and the stream they wait for.
#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: Mutex<Lanes>,
    /// Someone waits for room.
    room: Notify,
    /// Bytes that may wait.
    max: usize,
    /// Bytes that quinn takes before some are acknowledged.
    window: u64,
}

#[derive(Debug)]
struct Lanes {
    /// The control stream; away while a task drains `control`.
    stream: Option<SendStream>,
    control: VecDeque<Bytes>,
    bulk: VecDeque<Bytes>,
    /// Whether a task drains `bulk`.
    bulk_runs: bool,
    /// Bytes in both queues and in the hands of their tasks.
    waiting: usize,
    /// The connection has taken its last byte.
    broken: bool,
}

impl Outbox {
    pub fn new(stream: SendStream, max: usize, window: u64) -> Outbox {
        let lanes = Lanes {
            stream: Some(stream),
            control: VecDeque::new(),
            bulk: VecDeque::new(),
            bulk_runs: false,
            waiting: 0,
            broken: false,
        };
        Outbox {
            lanes: Mutex::new(lanes),
            room: Notify::new(),
            max,
            window,
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self, bytes: usize) {
        self.lanes().waiting -= bytes;
        self.room.notify_waiters();
    }

    fn break_off(&self) {
        let mut lanes = self.lanes();
        lanes.broken = true;
        lanes.control.clear();
        lanes.bulk.clear();
        drop(lanes);
        self.room.notify_waiters();
    }
}

impl Sender {
    pub(crate) fn new(shared: Arc<Shared>) -> Sender {
        Sender { shared }
    }

    /// Sends one frame as [`wire::codec::frame`] makes it, without waiting. A frame for many peers is one buffer:
    /// cloning [`Bytes`] copies nothing. Must be called within the runtime of the endpoint.
    ///
    /// `Ok` means that the frame is on its way or in the outbox, and nothing more.
    ///
    /// # Errors
    /// [`SendError`]; the frame was not taken.
    pub fn send(&self, frame: Bytes) -> Result<(), SendError> {
        let body = frame
            .first_chunk::<PREFIX>()
            .and_then(|prefix| frame_len(*prefix).ok())
            .filter(|len| *len > 0 && PREFIX + len == frame.len())
            .ok_or(SendError::NotAFrame)?;
        let outbox = &self.shared.outbox;
        let mut lanes = outbox.lanes();
        if lanes.broken {
            return Err(SendError::Closed);
        }
        // A frame that is longer than the whole outbox may wait alone.
        if lanes.waiting > 0 && lanes.waiting + frame.len() > outbox.max {
            return Err(SendError::Full);
        }
        if body > BULK_FRAME {
            lanes.waiting += frame.len();
            lanes.bulk.push_back(frame);
            if !lanes.bulk_runs {
                lanes.bulk_runs = true;
                tokio::spawn(drain_bulk(self.shared.clone()));
            }
            return Ok(());
        }
        let Some(mut stream) = lanes.stream.take() else {
            lanes.waiting += frame.len();
            lanes.control.push_back(frame);
            return Ok(());
        };
        match write_first(&self.shared, &mut stream, frame) {
            Ok(None) => lanes.stream = Some(stream),
            Ok(Some(rest)) => {
                lanes.waiting += rest.len();
                lanes.control.push_back(rest);
                tokio::spawn(drain_control(self.shared.clone(), stream));
            }
            Err(_) => {
                drop(lanes);
                outbox.break_off();
                return Err(SendError::Closed);
            }
        }
        Ok(())
    }

    /// Whether [`Sender::ready`] would not wait.
    pub fn is_ready(&self) -> bool {
        let outbox = &self.shared.outbox;
        has_room(&outbox.lanes(), outbox.max)
    }

    /// Waits until the outbox is at most half full, or the session is over.
    pub async fn ready(&self) {
        let max = self.shared.outbox.max;
        self.outbox_is(|lanes| has_room(lanes, max)).await;
    }

    /// Waits until no frame waits in the outbox, or the session is over.
    pub async fn drained(&self) {
        self.outbox_is(|lanes| lanes.broken || lanes.waiting == 0)
            .await;
    }

    /// Waits until the outbox is so, or the session is over.
    async fn outbox_is(&self, is_so: impl Fn(&Lanes) -> bool) {
        let outbox = &self.shared.outbox;
        loop {
            let room = outbox.room.notified();
            let mut room = pin!(room);
            // Listen before looking, or a change in between would be missed.
            room.as_mut().enable();
            if is_so(&outbox.lanes()) {
                return;
            }
            tokio::select! {
                () = room => (),
                _ = self.shared.connection.closed() => return,
            }
        }
    }

    /// Bytes of frames that wait in the outbox.
    pub fn waiting(&self) -> usize {
        self.shared.outbox.lanes().waiting
    }
}

fn has_room(lanes: &Lanes, max: usize) -> bool {
    lanes.broken || lanes.waiting <= max / 2
}

/// Gives quinn as much of a frame as it takes now, and returns the rest. In the usual case that is everything, and
/// no task is started for a frame.
fn write_now(stream: &mut SendStream, frame: Bytes) -> Result<Option<Bytes>, WriteError> {
    let mut chunks = [frame];
    loop {
        // A waker that does nothing is enough: when this returns a rest, a task polls again with its own.
        let mut context = Context::from_waker(Waker::noop());
        let poll = pin!(stream.write_chunks(&mut chunks)).poll(&mut context);
        match poll {
            Poll::Pending => {
                let [rest] = chunks;
                return Ok(Some(rest));
            }
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Ready(Ok(_)) if chunks[0].is_empty() => return Ok(None),
            Poll::Ready(Ok(_)) => (),
        }
    }
}

/// As [`write_now`], also when long frames have filled the window: it is wider for just this moment, so that what is short
/// does not wait until they are acknowledged.
fn write_first(
    shared: &Shared,
    stream: &mut SendStream,
    frame: Bytes,
) -> Result<Option<Bytes>, WriteError> {
    let Some(rest) = write_now(stream, frame)? else {
        return Ok(None);
    };
    let window = shared.outbox.window;
    shared.connection.set_send_window(window + CONTROL_RESERVE);
    let rest = write_now(stream, rest);
    shared.connection.set_send_window(window);
    rest
}

/// Writes the waiting control frames, then gives the stream back.
async fn drain_control(shared: Arc<Shared>, mut stream: SendStream) {
    let mut batch = Vec::new();
    loop {
        {
            let mut lanes = shared.outbox.lanes();
            if lanes.control.is_empty() {
                lanes.stream = Some(stream);
                return;
            }
            let count = lanes.control.len().min(BATCH);
            batch.extend(lanes.control.drain(..count));
        }
        let bytes = batch.iter().map(Bytes::len).sum();
        if stream.write_all_chunks(&mut batch).await.is_err() {
            return shared.outbox.break_off();
        }
        batch.clear();
        shared.outbox.written(bytes);
    }
}

/// Writes the waiting long frames one after the other, each on a stream of its own.
async fn drain_bulk(shared: Arc<Shared>) {
    loop {
        let frame = {
            let mut lanes = shared.outbox.lanes();
            match lanes.bulk.pop_front() {
                Some(frame) => frame,
                None => {
                    lanes.bulk_runs = false;
                    return;
                }
            }
        };
        let bytes = frame.len();
        if write_bulk(&shared, frame).await.is_none() {
            return shared.outbox.break_off();
        }
        shared.outbox.written(bytes);
    }
}

async fn write_bulk(shared: &Shared, frame: Bytes) -> Option<()> {
    let mut stream = shared.connection.open_uni().await.ok()?;
    stream.set_priority(BULK_PRIORITY).ok()?;
    stream.write_chunk(frame).await.ok()?;
    stream.finish().ok()
}
