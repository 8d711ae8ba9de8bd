//! More than a session takes: messages wait here, and go out as it takes them. Short ones do not wait for long ones.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{SendError, Sender};

/// Sends messages of one session. A long message is kept as `M` until it is its turn, so that its frame need not be made
/// before. How much may wait is for the user to bound; [`Paced::waiting`] says how much does.
#[derive(Debug)]
pub struct Paced<M> {
    sender: Sender,
    frame_of: fn(&M) -> Option<Bytes>,
    short: VecDeque<Bytes>,
    long: VecDeque<(M, usize)>,
    waiting: usize,
    /// Somebody waits for room, and will call [`Paced::go_on`].
    is_held: bool,
}

/// The session takes no more for now: [`Paced::go_on`] has to be called once [`Sender::ready`] has come.
#[must_use]
#[derive(Debug)]
pub struct Held(pub Sender);

impl<M> Paced<M> {
    /// For a session; `frame_of` makes the frame of a long message, none when that is impossible.
    pub fn new(sender: Sender, frame_of: fn(&M) -> Option<Bytes>) -> Paced<M> {
        Paced {
            sender,
            frame_of,
            short: VecDeque::new(),
            long: VecDeque::new(),
            waiting: 0,
            is_held: false,
        }
    }

    /// The session.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Bytes that wait here.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Sends a short frame, at once or before all long ones that wait. Short ones keep their order.
    pub fn send(&mut self, frame: Bytes) -> Option<Held> {
        self.waiting += frame.len();
        self.short.push_back(frame);
        self.pump()
    }

    /// Sends a long message of so many bytes, after those that wait.
    pub fn send_long(&mut self, message: M, bytes: usize) -> Option<Held> {
        self.waiting += bytes;
        self.long.push_back((message, bytes));
        self.pump()
    }

    /// The session has room again.
    pub fn go_on(&mut self) -> Option<Held> {
        self.is_held = false;
        self.pump()
    }

    fn pump(&mut self) -> Option<Held> {
        // While somebody waits for room, only short ones may still find a place.
        let is_all = self.pump_short() && !self.is_held && self.pump_long();
        if is_all || self.is_held {
            return None;
        }
        self.is_held = true;
        Some(Held(self.sender.clone()))
    }

    /// Whether all short frames are on their way.
    fn pump_short(&mut self) -> bool {
        while let Some(frame) = self.short.front() {
            if !self.is_done(frame.clone()) {
                return false;
            }
            self.waiting -= frame.len();
            self.short.pop_front();
        }
        true
    }

    fn pump_long(&mut self) -> bool {
        while let Some((message, bytes)) = self.long.front() {
            // Half of the session's own outbox stays free for short frames.
            if !self.sender.is_ready() {
                return false;
            }
            if let Some(frame) = (self.frame_of)(message)
                && !self.is_done(frame)
            {
                return false;
            }
            self.waiting -= bytes;
            self.long.pop_front();
        }
        true
    }

    /// Whether no more is to be done about this frame. A session that is over takes everything.
    fn is_done(&self, frame: Bytes) -> bool {
        match self.sender.send(frame) {
            Err(SendError::Full) => return false,
            Err(error @ SendError::NotAFrame) => tracing::error!(%error, "a frame was not taken"),
            Ok(()) | Err(SendError::Closed) => {}
        }
        true
    }
}
