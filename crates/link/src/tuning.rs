//! The numbers of a connection, each with its reason; `docs/performance.md` says how to measure their effect.

use std::sync::Arc;
use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};
use wire::limits::MAX_FRAME;

use crate::congestion::Steady;

/// A hub gives a handshake so long, from the first packet to the end of the greeting.
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// And who dials waits longer: a handshake that one side gives up while the other still works on it is work for nothing, and
/// in a storm of minions that come back the only work.
pub(crate) const DIAL_DEADLINE: Duration = Duration::from_secs(10);
/// Handshakes at a time on one endpoint; more are refused at once, at the cost of one packet, and come back later, each time
/// after a longer pause. So many are done within their deadline also by a core that others share, which finishes fifty in a
/// second; a free one finishes 2,000.
pub(crate) const HANDSHAKES_MAX: usize = 256;
/// Above so many handshakes a source address has to prove itself by a Retry before we spend a signature on it.
pub(crate) const RETRY_ABOVE: usize = 64;
/// Connections that wait to be looked at: between two looks of a busy loop.
const INCOMING_MAX: usize = 1_024;
/// Sessions that wait for [`crate::Endpoint::accept`]; handshakes wait (until their deadline) when it is full.
pub(crate) const ACCEPT_QUEUE: usize = 256;
/// Bytes that quinn keeps of one connection that was not accepted yet: a client's first flight and no more.
const INCOMING_BUFFER: u64 = 16 << 10;
/// Requests of a child in flight at a time. quinn keeps an entry for each stream that a peer may open, about 80
/// bytes, so that hundreds would double the size of a connection.
const REQUESTS: u32 = 4;
/// Long frames under way at a time in one direction. Our sender has one; the other covers credit on its way.
const BULK_STREAMS: u32 = 2;
/// The control stream.
const CONTROL_STREAMS: u32 = 1;
/// Out-of-order handshake bytes; a chain of eight certificates has 5 KiB.
const CRYPTO_BUFFER: usize = 8 << 10;
/// What the receive windows of a hub grow to when the peer turns out to be a syndic, whose link carries a site.
pub(crate) const SYNDIC_WINDOW: u32 = 16 << 20;
/// And what is on its way to it: half of what a syndic's own window lets in, as for minions. With all of it, a hub that reads
/// a little late would hold up short frames too.
pub(crate) const SYNDIC_SEND_WINDOW: u32 = 8 << 20;
/// Bytes of short frames that are sent beyond a window that long ones have filled.
pub(crate) const CONTROL_RESERVE: u64 = 1 << 20;
/// Long frames of a syndic under way at a time: with few, each round trip would carry few, however wide the line is.
pub(crate) const SYNDIC_BULK_STREAMS: u32 = 64;
/// Outbox towards a syndic, in bytes.
pub(crate) const SYNDIC_OUTBOX: usize = 16 << 20;
/// A long frame has so long to arrive, or the session is closed: 8 MiB at 250 kbit/s.
pub(crate) const BULK_DEADLINE: Duration = Duration::from_secs(300);
/// Bytes of long frames that an endpoint assembles at a time, over all sessions. Later ones wait, unread.
pub(crate) const BULK_BUDGET: usize = 256 << 20;
/// The frame of a request has so long to arrive after its stream was opened, and as long as any long frame when it is one.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// A body that brings no byte for so long is given up.
pub(crate) const BODY_STALL: Duration = Duration::from_secs(60);

const _: () = assert!(RETRY_ABOVE < HANDSHAKES_MAX && HANDSHAKES_MAX <= INCOMING_MAX);
const _: () = assert!(HANDSHAKE_DEADLINE.as_secs() < DIAL_DEADLINE.as_secs());
const _: () = assert!(BULK_BUDGET >= MAX_FRAME);

/// How an endpoint's connections behave. Start from [`hub`](Self::hub), [`minion`](Self::minion) or
/// [`uplink`](Self::uplink); the fields are what a configuration may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// A connection without any packet for so long is dead. The smaller value of both sides counts.
    pub idle: Duration,
    /// A silent connection says something each so long. Only diallers do: one side is enough, and a packet and
    /// its acknowledgement cost a hub 40 us.
    pub keep_alive: Option<Duration>,
    /// Receive buffer to ask the kernel for, in bytes. The default of 208 KiB makes a fan-out over a thousand
    /// minions drop packets and take three times as long.
    pub receive_buffer: usize,
    /// Bytes that the peer may send on one stream before we read them.
    pub stream_window: u32,
    /// Bytes that the peer may send on all streams before we read them. Windows are limits, not allocations.
    pub receive_window: u32,
    /// Bytes on their way to the peer and not acknowledged.
    pub send_window: u32,
    /// Bytes in frames that wait behind those, per session; then [`crate::SendError::Full`].
    pub outbox: usize,
}

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;

impl Tuning {
    /// For an endpoint that accepts minions and syndics.
    pub fn hub() -> Tuning {
        Tuning {
            idle: Duration::from_secs(90),
            keep_alive: None,
            // 10,000 minions that answer at once: each small packet is charged about 1 KiB.
            receive_buffer: 64 << 20,
            // The window of a minion's connection is as small as before; that of a syndic's grows, and one stream may fill it.
            stream_window: 8 * MIB,
            receive_window: MIB,
            send_window: MIB,
            outbox: 1 << 20,
        }
    }

    /// For a minion's endpoint.
    pub fn minion() -> Tuning {
        Tuning {
            idle: Duration::from_secs(90),
            keep_alive: Some(Duration::from_secs(30)),
            receive_buffer: 1 << 20,
            stream_window: 256 * KIB,
            // All requests' bodies, a long frame and the control stream at their limits, and one stays free.
            receive_window: 2 * MIB,
            send_window: 512 * KIB,
            outbox: MAX_FRAME + (1 << 20),
        }
    }

    /// For a syndic's endpoint towards its parents. A dead parent is noticed sooner, since a whole site hangs on it.
    pub fn uplink() -> Tuning {
        Tuning {
            idle: Duration::from_secs(15),
            keep_alive: Some(Duration::from_secs(5)),
            receive_buffer: 8 << 20,
            stream_window: MIB,
            receive_window: 16 * MIB,
            send_window: SYNDIC_SEND_WINDOW,
            outbox: 16 << 20,
        }
    }

    /// The values for quinn; `accepts` tells the side that is dialled.
    pub(crate) fn transport(&self, accepts: bool) -> Arc<TransportConfig> {
        let mut config = TransportConfig::default();
        let bidi = if accepts {
            CONTROL_STREAMS + REQUESTS
        } else {
            0
        };
        // An idle time beyond 2^62 ms is none.
        let idle = IdleTimeout::try_from(self.idle).ok();
        config
            .max_concurrent_bidi_streams(bidi.into())
            .max_concurrent_uni_streams(BULK_STREAMS.into())
            .max_idle_timeout(idle)
            .keep_alive_interval(self.keep_alive.filter(|_| !accepts))
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.receive_window))
            .send_window(self.send_window.into())
            .crypto_buffer_size(CRYPTO_BUFFER)
            // Frames are short or on links where 1,200 bytes cost little; probes cost memory and packets.
            .mtu_discovery_config(None)
            .congestion_controller_factory(Arc::new(Steady))
            // Not used, and a buffer that a peer could fill.
            .datagram_receive_buffer_size(None)
            // Tells observers the round trip time, and us nothing.
            .allow_spin(false);
        Arc::new(config)
    }

    /// What a hub's configuration needs beside the transport.
    pub(crate) fn harden(config: &mut quinn::ServerConfig) {
        config
            // A minion that moves dials again; a peer that claims to move costs us nothing.
            .migration(false)
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BUFFER)
            .incoming_buffer_size_total(INCOMING_BUFFER * INCOMING_MAX as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_leave_room_for_the_control_stream() {
        for tuning in [Tuning::minion(), Tuning::uplink()] {
            // Bodies, one long frame, the control stream.
            let streams = REQUESTS + 2;
            assert!(
                tuning.receive_window >= streams * tuning.stream_window,
                "{tuning:?}"
            );
        }
        for tuning in [Tuning::minion(), Tuning::uplink(), Tuning::hub()] {
            assert!(tuning.outbox >= wire::limits::BULK_FRAME);
            assert!(
                tuning.keep_alive.is_none_or(|k| k * 3 <= tuning.idle),
                "{tuning:?}"
            );
        }
        for (from, to) in [
            (Tuning::minion().send_window, Tuning::hub().receive_window),
            (Tuning::hub().send_window, Tuning::minion().receive_window),
            (Tuning::uplink().send_window, SYNDIC_WINDOW),
            (SYNDIC_SEND_WINDOW, Tuning::uplink().receive_window),
        ] {
            assert!(2 * from <= to, "{from} to {to}");
        }
        assert!(Tuning::uplink().outbox >= MAX_FRAME && Tuning::minion().outbox >= MAX_FRAME);
    }
}
