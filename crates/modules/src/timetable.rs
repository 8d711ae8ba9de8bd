//! The jobs by the clock of a running minion, as `schedule.*` sees them.

use serde_json::{Map, Value};

/// Which part of the schedule is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: what the pillar has, and over that what the settings and `schedule.*` have.
    All,
    /// What the settings and `schedule.*` have.
    Own,
    /// What the pillar has.
    Pillar,
    /// What `schedule.*` changed, and a restart leaves.
    Saved,
}

/// The jobs by the clock of a running minion. Errors are words for people.
pub trait Timetable: Send + Sync {
    /// Names and jobs, with what holds for all of them (`enabled`, `splay` ...) among them.
    fn list(&self, part: Part) -> Map<String, Value>;

    /// Why this would be no job.
    ///
    /// # Errors
    /// Just that.
    fn check(&self, job: &Value) -> Result<(), String>;

    /// Adds a job or replaces it; without one removes it. `persist`: a restart leaves it so.
    ///
    /// # Errors
    /// When there are too many jobs, or it cannot be written down.
    fn set(&self, name: &str, job: Option<Value>, persist: bool) -> Result<(), String>;

    /// Lets all jobs run, or none.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn set_enabled(&self, enabled: bool, persist: bool) -> Result<(), String>;

    /// Writes down what `schedule.*` changed without `persist`.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn save(&self) -> Result<(), String>;

    /// Goes back to what was written down. False when nothing was.
    ///
    /// # Errors
    /// When it cannot be read.
    fn reload(&self) -> Result<bool, String>;

    /// Runs a job now, enabled or not.
    ///
    /// # Errors
    /// When there is none, or it runs as often as it may.
    fn run(&self, name: &str) -> Result<(), String>;

    /// Leaves out the run at a time (`2026-12-24T10:00:00`), and adds one at another.
    ///
    /// # Errors
    /// When there is no such job, or it has too many such times.
    fn put_off(&self, name: &str, time: &str, new_time: Option<&str>) -> Result<(), String>;

    /// The next time of a job (`2026-12-24T10:00:00`).
    fn next_fire_time(&self, name: &str) -> Option<String>;

    /// How a job stands, with Salt's names; empty when there is none.
    fn status(&self, name: &str) -> Map<String, Value>;
}
