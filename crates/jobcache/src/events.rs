//! Events in Salt's table `salt_events`, or as lines of a file.

use crate::insert::Insert;
use crate::json::ascii_text;
use crate::rows::row_time;
use crate::session::Session;
use crate::{CacheError, Dialect};

/// Characters of the column `tag`.
const TAG_CHARS_MAX: usize = 255;

/// Events that go out together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    /// A number that no other batch of this hub has: it tells whether a batch is there whose end is unknown.
    pub token: u64,
    /// In the order in which they happened.
    pub events: Vec<Event>,
}

/// An event as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind.
    pub tag: String,
    /// A JSON object, on one line.
    pub data: String,
    /// When it was heard here, in milliseconds since 1970.
    pub heard: u64,
}

impl Event {
    /// A line of a file, without its end.
    pub(crate) fn line(&self) -> String {
        let tag = serde_json::Value::from(self.tag.as_str());
        format!(r#"{{"data":{},"tag":{tag}}}"#, self.data)
    }
}

/// The name of the mark of a hub's events.
pub(crate) fn mark(hub: &str) -> String {
    format!("{hub}{MARK_END}")
}

/// Whether a mark is of a hub's events, not of its jobs.
pub(crate) fn is_mark(mark: &str) -> bool {
    mark.ends_with(MARK_END)
}

/// What the marks of events end with; no hub's number does.
const MARK_END: &str = "/events";

/// The rows of a batch.
pub(crate) async fn write(
    session: &mut Session,
    dialect: Dialect,
    master: &str,
    batch: &EventBatch,
) -> Result<(), CacheError> {
    let row = match dialect {
        Dialect::Mysql => "(?, ?, ?, ?)",
        Dialect::Pgjsonb => {
            "(?, CAST(? AS jsonb), CAST(CAST(? AS text) AS timestamp with time zone), ?)"
        }
        Dialect::Postgres => "(?, ?, CAST(CAST(? AS text) AS timestamp with time zone), ?)",
    };
    let into = "INSERT INTO salt_events (tag, data, alter_time, master_id)";
    let mut insert = Insert::new(session, into, row);
    for event in &batch.events {
        // Tables may hold fewer characters than a tag may have.
        let mut tag = ascii_text(&event.tag, false);
        tag.truncate(TAG_CHARS_MAX);
        let data = ascii_text(&event.data, dialect == Dialect::Pgjsonb);
        let time = row_time(dialect, event.heard);
        insert.push([tag, data, time, master.to_owned()]).await?;
    }
    Ok(insert.end().await?)
}
