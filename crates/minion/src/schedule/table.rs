//! What `schedule.*` sees and changes.

use jiff::Timestamp;
use jiff::civil::DateTime;
use modules::{Part, Timetable};
use schedule::{ENTRIES_MAX, Entry};
use serde_json::{Map, Value};

use super::{Keeper, OWN, State};
use crate::overlay::Overlay;

/// The longest name of a job, in bytes.
const NAME_MAX: usize = 256;

impl Keeper {
    /// Makes a change, and writes it down where it is to stay.
    fn change(&self, persist: bool, change: impl Fn(&mut Overlay, &State)) -> Result<(), String> {
        let mut state = self.state();
        let mut own = state.own.clone();
        change(&mut own, &state);
        let changed = own.over(state.settings.clone());
        if changed.len() > ENTRIES_MAX {
            return Err(format!("a schedule has at most {ENTRIES_MAX} jobs"));
        }
        if persist {
            // What was changed for now alone stays so.
            let mut saved = state.saved.clone();
            change(&mut saved, &state);
            self.disk.write_overlay(OWN, &saved)?;
            state.saved = saved;
        }
        state.own = own;
        self.plan_anew(&mut state);
        Ok(())
    }
}

impl Timetable for Keeper {
    fn list(&self, part: Part) -> Map<String, Value> {
        let state = self.state();
        match part {
            Part::All => state.all(),
            Part::Own => state.of_host(),
            Part::Pillar => state.pillar.clone(),
            Part::Saved => {
                let jobs = state.saved.entries.clone().into_iter();
                jobs.filter(|(_, job)| !job.is_null()).collect()
            }
        }
    }

    fn check(&self, job: &Value) -> Result<(), String> {
        let read = Entry::read(job, &self.state().whens);
        read.map(|_| ()).map_err(|error| error.to_string())
    }

    fn set(&self, name: &str, job: Option<Value>, persist: bool) -> Result<(), String> {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(format!("a job's name has 1 to {NAME_MAX} bytes"));
        }
        if schedule::GLOBAL_KEYS.contains(&name) {
            return Err(format!(
                "{name} is no name of a job, but of a setting for all"
            ));
        }
        let job = job.unwrap_or_default();
        self.change(persist, |own, state| {
            own.set(name, job.clone(), state.settings.contains_key(name));
        })
    }

    fn set_enabled(&self, enabled: bool, persist: bool) -> Result<(), String> {
        self.change(persist, |own, _| own.enabled = Some(enabled))
    }

    fn save(&self) -> Result<(), String> {
        let mut state = self.state();
        self.disk.write_overlay(OWN, &state.own)?;
        state.saved = state.own.clone();
        Ok(())
    }

    fn reload(&self) -> Result<bool, String> {
        let saved: Overlay = self.disk.read(OWN)?;
        let mut state = self.state();
        let is_there = saved != Overlay::default();
        (state.own, state.saved) = (saved.clone(), saved);
        self.plan_anew(&mut state);
        Ok(is_there)
    }

    fn run(&self, name: &str) -> Result<(), String> {
        let mut state = self.state();
        let running = |name: &str| self.own_jobs.running(name);
        let firing = state.scheduler.run(name, Timestamp::now(), &running);
        let firing = firing.map_err(|error| error.to_string())?;
        if state.ordered.iter().any(|ordered| ordered.name == name) {
            return Err(format!("job {name:?} is about to run"));
        }
        state.ordered.push(firing);
        self.changed.notify_one();
        Ok(())
    }

    fn put_off(&self, name: &str, time: &str, new_time: Option<&str>) -> Result<(), String> {
        let read = |text: &str| text.parse::<DateTime>().map_err(|error| error.to_string());
        let time = read(time)?;
        let mut state = self.state();
        let done = match new_time {
            None => state.scheduler.skip(name, time),
            Some(new_time) => state.scheduler.postpone(name, time, read(new_time)?),
        };
        done.map_err(|error| error.to_string())?;
        self.changed.notify_one();
        self.write_past(&state)
    }

    fn next_fire_time(&self, name: &str) -> Option<String> {
        let time = self.state().scheduler.next_fire_time(name)?;
        Some(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
    }

    fn status(&self, name: &str) -> Map<String, Value> {
        let state = self.state();
        let mut status = state.scheduler.status(name).unwrap_or_default();
        let ended = state.ended.get(name).cloned();
        status.extend(ended.map(|ended| ("_last_return".to_owned(), ended)));
        status
    }
}
