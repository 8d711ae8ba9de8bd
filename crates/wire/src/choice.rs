//! Which of the minions that a target matches are meant, and who they would be: words of the control socket.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::control::Left;
use crate::{Jid, Presence, Stance, UnixMillis};

/// What an operator asks for beyond the target. Decided once, by the hub that is asked, when it takes the job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Choice {
    /// So many of them, chosen at random among those for which the target can be decided.
    pub subset: Option<u32>,
    /// Only those of which the roster says one of these; empty: whatever it says.
    pub presences: Vec<Presence>,
    /// Only those that this job left in one of these states.
    pub left_in: Option<LeftIn>,
    /// Refuse the job when it is not for exactly so many.
    pub expect: Option<u64>,
}

impl Choice {
    /// Whether it takes minions away from those that match.
    pub fn narrows(&self) -> bool {
        self.subset.is_some() || !self.presences.is_empty() || self.left_in.is_some()
    }
}

/// Minions that an earlier job left in some states.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LeftIn {
    /// Which job.
    pub jid: Jid,
    /// The states.
    pub states: Vec<Left>,
}

/// Why a job waits for a word of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Confirm {
    /// So many minions are meant.
    pub count: u64,
    /// More than so many are asked about.
    pub above: u64,
}

/// Whom a job would be for, by the roster of the hub that is asked. Nothing runs.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Preview {
    /// The target as people read it.
    pub target: String,
    /// The function; empty when none was named.
    pub fun: String,
    /// When this was true.
    pub as_of: UnixMillis,
    /// Over all sites.
    pub counts: PreviewCounts,
    /// More minions than this are asked about, where the hub is set so.
    pub confirm_above: Option<u64>,
    /// Sites with minions that are meant or undecided, in order of path.
    pub sites: Vec<PreviewSite>,
    /// Minions that are meant or undecided, in order of site and id.
    pub minions: Vec<PreviewRow>,
    /// Ids that the target names and that no accepted minion has.
    pub unknown: Vec<String>,
}

/// Minions that are meant, and how they stand. `meant` is always `up + down + cut_off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
pub struct PreviewCounts {
    /// The job would be for so many.
    pub meant: u64,
    /// Connected, and the way to them is whole.
    pub up: u64,
    /// Not connected to their hub.
    pub down: u64,
    /// Behind a hub that is cut off.
    pub cut_off: u64,
    /// The hub that is asked can't decide the target for so many: their own hub would.
    pub undecided: u64,
}

impl PreviewCounts {
    /// Counts a minion.
    pub fn add(&mut self, row: &PreviewRow) {
        if row.undecided {
            self.undecided += 1;
            return;
        }
        self.meant += 1;
        match row.presence {
            Presence::Up => self.up += 1,
            Presence::Down => self.down += 1,
            Presence::CutOff => self.cut_off += 1,
        }
    }
}

/// Minions of one site.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct PreviewSite {
    /// Its path.
    pub path: String,
    /// Its minions, without those of the sites below it.
    pub counts: PreviewCounts,
    /// Since when every way to it is cut.
    pub cut_since: Option<UnixMillis>,
}

/// One minion.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct PreviewRow {
    /// Its id.
    pub id: String,
    /// Its site.
    pub path: String,
    /// Whether it can be reached.
    pub presence: Presence,
    /// Since when.
    pub since: UnixMillis,
    /// The hub that is asked can't decide the target for it.
    pub undecided: bool,
    /// What its hub would do with the job; None where no function is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<Fate>,
}

/// How a job would fare at one minion, by the word of its hub.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Fate {
    /// In a word.
    pub stance: Stance,
    /// Why; empty where it is let.
    pub reason: String,
}

/// Rows in one part of a preview: some hundred bytes each, and little more than three KiB with the longest id, path and reason.
const PART_ROWS: usize = 2_048;

impl Preview {
    /// Takes rows off until what is left fits into a frame; they are told first, in order.
    pub fn split_off_parts(&mut self) -> Vec<Vec<PreviewRow>> {
        let rows = std::mem::take(&mut self.minions);
        rows.chunks(PART_ROWS).map(<[_]>::to_vec).collect()
    }
}
