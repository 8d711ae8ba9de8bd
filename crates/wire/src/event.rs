//! What happens beside jobs: events, from minions up to whoever subscribed to them.

use bincode::{Decode, Encode};

use crate::{Jid, Json, NodeId, SitePath, UnixMillis, limits};

/// One event of a minion.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Event {
    /// The minion.
    pub id: NodeId,
    /// Its site.
    pub path: SitePath,
    /// Tells events of one minion apart: an event may come on two ways, and counts once.
    pub number: u64,
    /// When, by the minion's clock.
    pub stamp: UnixMillis,
    /// The job that it came out of.
    pub jid: Option<Jid>,
    /// What kind, with slashes between its parts.
    pub tag: String,
    /// JSON text.
    pub data: Json,
}

impl Event {
    /// About how many bytes of a frame it takes.
    pub fn weight(&self) -> usize {
        self.tag.len() + self.data.len() + self.id.as_str().len() + self.path.as_str().len() + 40
    }
}

/// Events on their way up.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct Events {
    /// The events, in their order.
    pub events: Vec<Event>,
    /// How many more there were since the last frame that did not come along, since they were too many.
    pub dropped: u64,
}

impl Events {
    /// Whether they are within the limits of what travels.
    pub fn are_bounded(&self) -> bool {
        self.events.len() <= limits::MAX_EVENTS
            && self.events.iter().all(|event| {
                event.tag.len() <= limits::MAX_EVENT_TAG
                    && event.data.len() <= limits::MAX_EVENT_DATA
            })
    }
}
