//! How much may be on its way between hubs: a window for lines that lose packets without being full.
//!
//! A long line that loses one packet in fifty leaves the usual controllers, which take each loss for a full line, with a few
//! packets for each round trip. This one grows as they do, doubling in each round trip, and shrinks when a line shows that
//! it is full in a way that mere loss does not: many packets of one round trip are lost, or all take much longer.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

/// What may be on its way before the line is known. A line of a megabit needs half a second for it.
const WINDOW_FIRST: u64 = 64 << 10;
/// And at most: what an end sends before some is acknowledged.
const WINDOW_MAX: u64 = 8 << 20;
/// Whatever happens, so many packets may.
const PACKETS_MIN: u64 = 4;
/// More lost bytes in a hundred of one round trip than this: the line is full.
const LOSS_MAX_PERCENT: u64 = 10;
/// Bytes in one round trip below which a share of lost ones means nothing, and which fill no queue.
const FEW: u64 = 32 << 10;
/// Round trips that take longer than the line's own by a quarter and this: a queue builds up in front of the line, and what is
/// urgent would wait in it.
const QUEUE_SLACK: Duration = Duration::from_millis(8);

/// Makes a window for each connection.
#[derive(Debug)]
pub(crate) struct Steady;

impl ControllerFactory for Steady {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Window::new(now, current_mtu))
    }
}

/// The window of one connection.
#[derive(Debug, Clone)]
struct Window {
    bytes: u64,
    mtu: u64,
    /// The line has not been full yet.
    doubles: bool,
    /// A round trip without a queue.
    own: Option<Duration>,
    round: Round,
}

/// What became of packets within one round trip.
#[derive(Debug, Clone)]
struct Round {
    begin: Instant,
    acked: u64,
    lost: u64,
    /// The window was in use.
    is_full: bool,
    /// The shortest way there and back.
    fastest: Option<Duration>,
}

impl Round {
    fn new(begin: Instant) -> Round {
        Round {
            begin,
            acked: 0,
            lost: 0,
            is_full: false,
            fastest: None,
        }
    }

    fn loses_many(&self) -> bool {
        self.lost * 100 > (self.acked + self.lost) * LOSS_MAX_PERCENT
    }
}

impl Window {
    fn new(now: Instant, mtu: u16) -> Window {
        Window {
            bytes: WINDOW_FIRST,
            mtu: mtu.into(),
            doubles: true,
            own: None,
            round: Round::new(now),
        }
    }

    fn least(&self) -> u64 {
        PACKETS_MIN * self.mtu
    }

    fn shrink(&mut self, to_percent: u64) {
        self.bytes = (self.bytes * to_percent / 100).max(self.least());
        self.doubles = false;
    }

    /// The longest that a packet takes without a queue in front of the line.
    fn unqueued_max(&self) -> Option<Duration> {
        self.own.map(|own| own + own / 4 + QUEUE_SLACK)
    }

    fn acked(&mut self, now: Instant, sent: Instant, bytes: u64, is_full: bool) {
        let took = now.saturating_duration_since(sent);
        self.round.acked += bytes;
        self.round.is_full |= is_full;
        self.round.fastest = Some(self.round.fastest.map_or(took, |fastest| fastest.min(took)));
        // A queue that begins to build up is seen here, one round trip before it costs packets.
        let is_queued = self.unqueued_max().is_some_and(|max| took > max);
        if self.doubles && is_full && !is_queued {
            self.bytes = (self.bytes + bytes).min(WINDOW_MAX);
        }
        if sent >= self.round.begin {
            self.judge(now);
        }
    }

    /// Once in each round trip.
    fn judge(&mut self, now: Instant) {
        let round = std::mem::replace(&mut self.round, Round::new(now));
        let own = match (self.own, round.fastest) {
            (Some(own), Some(fastest)) => own.min(fastest),
            (own, fastest) => own.or(fastest).unwrap_or_default(),
        };
        self.own = Some(own);
        let fastest = round.fastest.unwrap_or_default();
        let unqueued = self.unqueued_max().unwrap_or_default();
        if round.acked + round.lost < FEW {
            // So few packets make no queue: what they needed is the line's own time, which may have changed.
            self.own = round.fastest.or(self.own);
        } else if round.loses_many() {
            self.shrink(70);
        } else if fastest > unqueued {
            // By as much as the queue is too long; with care, since also a busy host makes packets late.
            let percent = unqueued.as_micros() * 100 / fastest.as_micros().max(1);
            self.shrink((percent as u64).clamp(50, 95));
        } else if round.is_full && !self.doubles {
            // A tenth: a line that got wider is found again within a few round trips.
            self.bytes = (self.bytes + (self.bytes / 10).max(self.mtu)).min(WINDOW_MAX);
        }
    }
}

impl Controller for Window {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        // The estimator smooths, and is late when the way has changed.
        self.acked(now, sent, bytes, !app_limited);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        _sent: Instant,
        is_persistent: bool,
        lost_bytes: u64,
    ) {
        self.round.lost += lost_bytes;
        if is_persistent {
            // Nothing has come through for several round trips: begin anew.
            self.bytes = self.least();
            self.doubles = true;
            self.round = Round::new(now);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu.into();
        self.bytes = self.bytes.max(self.least());
    }

    fn window(&self) -> u64 {
        self.bytes
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        WINDOW_FIRST
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Duration = Duration::from_millis(200);

    /// A line that takes a whole window in each round trip.
    struct Line {
        window: Window,
        now: Instant,
    }

    impl Line {
        fn new() -> Line {
            let now = Instant::now();
            Line {
                window: Window::new(now, 1_200),
                now,
            }
        }

        /// The window after a round trip of this length, in which so many percent are lost.
        fn round(&mut self, trip: Duration, lost_percent: u64) -> u64 {
            let (sent, bytes) = (self.now, self.window.bytes);
            self.now += trip;
            let lost = bytes * lost_percent / 100;
            self.window.on_congestion_event(self.now, sent, false, lost);
            self.window.acked(self.now, sent, bytes - lost, true);
            self.window.bytes
        }

        fn rounds(&mut self, count: usize, lost_percent: u64) -> u64 {
            for _ in 0..count {
                self.round(TRIP, lost_percent);
            }
            self.window.bytes
        }
    }

    #[test]
    fn it_doubles_up_to_its_bound() {
        assert_eq!(Line::new().rounds(3, 0), WINDOW_FIRST * 8);
        assert_eq!(Line::new().rounds(30, 0), WINDOW_MAX);
    }

    #[test]
    fn a_lossy_line_is_used_and_a_full_one_is_left() {
        assert!(Line::new().rounds(9, 2) > WINDOW_MAX / 2);
        let full = Line::new().rounds(60, 20);
        assert!(
            (PACKETS_MIN * 1_200..WINDOW_FIRST).contains(&full),
            "{full}"
        );
    }

    #[test]
    fn a_queue_shrinks_it_and_a_longer_way_does_not() {
        let mut line = Line::new();
        let before = line.rounds(4, 0);
        assert!(line.round(TRIP * 3, 0) < before * 2);
        let before = line.window.bytes;
        assert!(line.round(TRIP * 3, 0) < before);
        // A packet alone makes no queue: the way itself is longer now.
        let sent = line.now;
        line.now += TRIP * 3;
        line.window.acked(line.now, sent, 100, false);
        let before = line.window.bytes;
        assert!(line.round(TRIP * 3, 0) > before);
    }

    #[test]
    fn silence_makes_it_small_and_ready_to_grow() {
        let mut line = Line::new();
        let before = line.rounds(4, 0);
        line.window
            .on_congestion_event(line.now, line.now, true, before);
        assert_eq!(line.window.bytes, PACKETS_MIN * 1_200);
        assert_eq!(line.round(TRIP, 0), 2 * PACKETS_MIN * 1_200);
    }
}
