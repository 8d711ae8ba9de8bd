//! The bounds of everything that travels. Each has a reason; a receiver checks it before it allocates.

/// Longest frame, in bytes. Frames above [`BULK_FRAME`] travel on a stream
/// of their own, so that this bound protects memory and not latency.
pub const MAX_FRAME: usize = 8 << 20;
/// Frames longer than this leave the control stream, so that a big return never blocks a ping (`docs/protocol.md`).
pub const BULK_FRAME: usize = 32 << 10;
/// Longest value of one return that travels inline, in bytes; a longer one is cut and marked as cut.
pub const MAX_RETURN: usize = 4 << 20;
/// Longest arguments (JSON text) of one job, in bytes.
pub const MAX_ARGUMENTS: usize = 256 << 10;
/// Longest grains (JSON text) of one minion, in bytes.
pub const MAX_GRAINS: usize = 256 << 10;
/// Longest question of a request, in bytes: that for a pillar, with the minion's grains and values of the command line. Hubs of
/// protocol 1 take [`BULK_FRAME`]; they make no pillars.
pub const MAX_REQUEST: usize = MAX_GRAINS + MAX_ARGUMENTS + (16 << 10);
/// Longest target expression, in bytes; a list of 10,000 ids fits.
pub const MAX_TARGET: usize = 1 << 20;
/// Roster entries in one delta frame: about 100 KiB without grains.
pub const ROSTER_ENTRIES_PER_FRAME: usize = 512;
/// Minions in one ledger delta; what is more waits for the next one, so that a delta never holds up a hub for long.
pub const LEDGER_ROWS_PER_FRAME: usize = 1 << 16;
/// Numbers in one set: more minions than any subtree has. A few bytes can say "all four thousand million".
pub const MAX_INDICES: usize = 1 << 22;
/// Bytes of grains in one delta frame, after which the next frame begins.
pub const ROSTER_BYTES_PER_FRAME: usize = 1 << 20;
/// Characters in a node's id, as DNS allows a name 253 and a label of a site path stays short.
pub const MAX_ID: usize = 128;
/// Components of a site path: top/region/country/city/building and room to spare.
pub const MAX_DEPTH: usize = 8;
/// Bytes of a program's version that are kept; ours have a dozen.
pub const MAX_SOFTWARE: usize = 64;
/// Characters in one human reason that travels.
pub const MAX_REASON: usize = 512;
/// Groups of a user that travel with an order; where a user is in more, those that rules of the hub name go first.
pub const MAX_GROUPS: usize = 64;
/// Bytes of one group's name; Linux tools allow 32.
pub const MAX_GROUP: usize = 128;
/// Groups of minions in what one hub answers to one inquiry; reasons beyond it are told as one.
pub const MAX_FINDINGS: usize = 64;
/// Bytes of one event's tag. Tags of states have the state's name in them, which may be a command line.
pub const MAX_EVENT_TAG: usize = 1_024;
/// Bytes of one event's data (JSON text).
pub const MAX_EVENT_DATA: usize = 256 << 10;
/// Events in one frame.
pub const MAX_EVENTS: usize = 256;
/// Bytes of events after which the next frame begins; a longer event has a frame of its own.
pub const EVENT_BYTES_PER_FRAME: usize = 24 << 10;
/// Globs that a hub names to its children; what is more is widened.
pub const MAX_EVENT_FILTERS: usize = 64;
/// Bytes of what one minion gives to the mine (JSON text): it travels in one request, with its name and site.
pub const MAX_MINE: usize = BULK_FRAME - 4_096;
/// Values that one minion gives to the mine.
pub const MAX_MINE_ENTRIES: usize = 256;
/// Parents of one hub of which something is told; more are not configured anywhere.
pub const MAX_PARENTS: usize = 16;
/// What jids end with that minions give to jobs of their own: no hub has this number.
pub const MINIONS_JID_NUMBER: u8 = 99;

/// Bytes of what one run of a minion's own returned (JSON text) that are kept; a longer value is replaced by its mark. A run travels in one request.
pub const MAX_OWN_VALUE: usize = 22 << 10;
/// Bytes of each of a run's arguments, named arguments and metadata (JSON text) that are kept.
pub const MAX_OWN_WORDS: usize = 2 << 10;
/// Bytes of runs of minions' own in one request.
pub const OWN_RUNS_PER_REQUEST: usize = BULK_FRAME - 1_024;
/// Bytes of a returned value that a hub hands up of such a run; what is longer stays at the minion's own hub.
pub const MAX_OWN_VALUE_UP: usize = 4 << 10;

const _: () = assert!(MAX_OWN_VALUE + 3 * MAX_OWN_WORDS + 2_048 < OWN_RUNS_PER_REQUEST);
const _: () = assert!(EVENT_BYTES_PER_FRAME < BULK_FRAME);
const _: () = assert!(EVENT_BYTES_PER_FRAME + MAX_EVENT_TAG + MAX_EVENT_DATA < MAX_FRAME);
const _: () = assert!(BULK_FRAME < MAX_FRAME);
const _: () = assert!(MAX_RETURN < MAX_FRAME);
const _: () = assert!(MAX_TARGET + MAX_ARGUMENTS < MAX_FRAME);
