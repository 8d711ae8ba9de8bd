//! Exit codes of all programs, in one place.
//!
//! A command that runs a job ends with the worst of its outcomes, so that a script can tell them apart. Everything else
//! follows `sysexits.h`.

/// Every expected minion returned with success.
pub const OK: u8 = 0;
/// At least one minion returned a failure, and none of the cases below holds.
pub const FAILED: u8 = 1;
/// The target matched no accepted minion.
pub const NOTHING_MATCHED: u8 = 2;
/// At least one expected minion is unreachable, lost, expired, or still running when the wait ended.
pub const UNREACHABLE: u8 = 3;
/// The job was refused, by the hub or by at least one minion.
pub const REFUSED: u8 = 4;

/// The command line makes no sense (`EX_USAGE`).
pub const USAGE: u8 = 64;
/// The daemon does not answer, or a parent can't be reached (`EX_UNAVAILABLE`).
pub const UNAVAILABLE: u8 = 69;
/// A fault of the program itself, or of the disk under its store (`EX_SOFTWARE`).
pub const INTERNAL: u8 = 70;
/// The settings are wrong, and the program did not start (`EX_CONFIG`).
pub const CONFIG: u8 = 78;
