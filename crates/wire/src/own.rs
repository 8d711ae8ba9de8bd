//! Runs that no hub ordered: a minion began them itself.

use bincode::{Decode, Encode};

use crate::{Jid, Json, NodeId, SitePath, Uid, UnixMillis};

/// What had a minion run something that no hub ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum RunSource {
    /// Its schedule.
    Schedule,
    /// Its start: `startup_states`.
    Startup,
    /// A command on its host: `salt-call`.
    Call,
}

impl RunSource {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            RunSource::Schedule => "schedule",
            RunSource::Startup => "startup",
            RunSource::Call => "call",
        }
    }
}

/// One such run that is over, with what it returned. Its id is the minion's own, so two minions may give the same: a run is known by its id and
/// the minion's key.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OwnRun {
    /// The minion's key; a hub takes that of the certificate from a minion itself.
    pub uid: Uid,
    /// Its id; likewise.
    pub id: NodeId,
    /// Its site; likewise.
    pub path: SitePath,
    /// The run's id; ends with [`MINIONS_JID_NUMBER`](crate::limits::MINIONS_JID_NUMBER).
    pub jid: Jid,
    /// What began it.
    pub source: RunSource,
    /// The name in the schedule.
    pub schedule: Option<String>,
    /// Who asked for it.
    pub user: String,
    /// The function.
    pub fun: String,
    /// JSON array.
    pub args: Json,
    /// JSON object.
    pub kwargs: Json,
    /// JSON object: what the schedule notes with it.
    pub metadata: Json,
    /// When the function started, by the minion's clock.
    pub started: UnixMillis,
    /// How long it ran.
    pub duration_ms: u32,
    /// Exit code in the function's own words.
    pub retcode: i32,
    /// False when the function raised an error.
    pub success: bool,
    /// JSON text: what it returned, or the mark that stands for it.
    pub value: Json,
}

impl OwnRun {
    /// Whether it ended well.
    pub fn is_well(&self) -> bool {
        self.success && self.retcode == 0
    }

    /// Bytes of what can be long.
    pub fn weight(&self) -> usize {
        let texts = [&self.args, &self.kwargs, &self.metadata, &self.value];
        let json: usize = texts.iter().map(|text| text.len()).sum();
        let schedule = self.schedule.as_ref().map_or(0, String::len);
        json + schedule + self.user.len() + self.fun.len() + OWN_RUN_OVERHEAD
    }
}

/// Bytes of all that is short in a run: ids, site, numbers.
const OWN_RUN_OVERHEAD: usize = 512;
