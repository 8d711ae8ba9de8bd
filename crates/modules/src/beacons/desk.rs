//! The beacons of a running minion, as `beacons.*` sees them.

use serde_json::{Map, Value};

use crate::timetable::Part;

/// The beacons of a running minion. Errors are words for people.
pub trait Beacons: Send + Sync {
    /// Names and what settings say of them, `enabled` for all of them too.
    fn list(&self, part: Part) -> Map<String, Value>;

    /// Adds a beacon or replaces it; without one removes it. A restart forgets that unless it is saved.
    ///
    /// # Errors
    /// When there are too many.
    fn set(&self, name: &str, beacon: Option<Value>) -> Result<(), String>;

    /// Lets all beacons look, or none.
    fn set_enabled(&self, enabled: bool);

    /// Writes down what `beacons.*` changed.
    ///
    /// # Errors
    /// When it cannot be written.
    fn save(&self) -> Result<(), String>;

    /// Removes all beacons but those of the pillar.
    ///
    /// # Errors
    /// When there are too many names to remember.
    fn reset(&self) -> Result<(), String>;
}
