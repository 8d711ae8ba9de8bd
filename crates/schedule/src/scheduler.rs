//! The machine: a plan and the time go in, jobs that are due come out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::entry::{Entry, Range, Splay};
use crate::plan::{ENTRIES_MAX, Plan};
use crate::skipped::Skipped;
use crate::trigger::Trigger;
use crate::{EntryError, GRACE};

/// A clock that goes back by more than this was wrong, and what ran by it counts no more; by less, nothing runs a second time.
const CLOCK_WAS_WRONG: SignedDuration = SignedDuration::from_hours(3);
/// A job that is new is due for times up to this long ago: times have whole seconds, and its maker may have read the clock.
const NEW: SignedDuration = SignedDuration::from_secs(1);
/// Times of one job that are left out or added by order.
const ORDERED_MAX: usize = 64;

/// A job that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// Its name.
    pub name: String,
    /// The function to call: its own, or the plan's `skip_function`.
    pub function: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Named arguments.
    pub kwargs: Map<String, Value>,
    /// Whether what it returns is told.
    pub return_job: bool,
    /// Whether the return stands in the history.
    pub is_kept: bool,
    /// Goes along with what it returns.
    pub metadata: Option<Map<String, Value>>,
}

/// Why an order about one job cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetBack {
    /// No such job.
    #[error("there is no job {0:?}")]
    Unknown(String),
    /// There is one, and it can't run.
    #[error("job {0:?} can't run: {1}")]
    Wrong(String, EntryError),
    /// Too many times of it are ordered already.
    #[error("job {0:?} has {ORDERED_MAX} ordered times already")]
    Many(String),
    /// As many runs as may be at a time are not over.
    #[error("job {0:?} runs already, as often as `maxrunning` allows")]
    Running(String),
}

/// What has to be known after a restart, so that nothing runs twice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept(BTreeMap<String, Past>);

/// What happened to one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Past {
    /// Tells jobs of one name apart.
    shape: u64,
    /// Since when it is known.
    since: Timestamp,
    /// The last of its times that was dealt with.
    last: Option<Timestamp>,
    /// When it ran last.
    ran: Option<Timestamp>,
    /// Times to leave out.
    #[serde(default)]
    skips: BTreeSet<Timestamp>,
    /// Times to add.
    #[serde(default)]
    extra: BTreeSet<Timestamp>,
}

/// How one job stands.
#[derive(Debug)]
struct Standing {
    entry: Entry,
    past: Past,
    /// Its next time.
    next: Option<Timestamp>,
    /// The same, put off by the splay.
    at: Option<Timestamp>,
    /// It runs at once.
    starts: bool,
    skipped: Option<(Skipped, Timestamp)>,
}

/// Which of the three ways made a job due.
enum Cause {
    Start,
    Ordered,
    Time { nominal: Timestamp, at: Timestamp },
}

/// Says which jobs are due.
#[derive(Debug)]
pub struct Scheduler {
    plan: Plan,
    standings: BTreeMap<String, Standing>,
    /// Of jobs that are not in the plan now: the pillar may come later, and come again.
    absent: BTreeMap<String, Past>,
    zone: TimeZone,
    seen: Timestamp,
    chance: u64,
}

impl Scheduler {
    /// A schedule without jobs in this zone. `seed` decides about splays.
    pub fn new(kept: Kept, zone: TimeZone, seed: u64, now: Timestamp) -> Scheduler {
        let mut absent = kept.0;
        while absent.len() > ENTRIES_MAX {
            absent.pop_last();
        }
        Scheduler {
            plan: Plan::default(),
            standings: BTreeMap::new(),
            absent,
            zone,
            seen: now,
            chance: seed,
        }
    }

    /// Replaces the plan. A job that does the same at the same times goes on as it stood; another one of its name is new.
    pub fn set_plan(&mut self, plan: Plan, now: Timestamp) {
        let mut before = std::mem::take(&mut self.standings);
        self.plan = plan;
        let entries: Vec<(String, Entry)> = self
            .plan
            .entries
            .iter()
            .filter_map(|(name, entry)| Some((name.clone(), entry.as_ref().ok()?.clone())))
            .collect();
        for (name, entry) in entries {
            let standing = match before.remove(&name) {
                Some(mut standing) if standing.entry.is_like(&entry) => {
                    if standing.entry.splay != entry.splay {
                        standing.at = self.put_off(entry.splay, standing.next);
                    }
                    standing.entry = entry;
                    standing
                }
                other => {
                    let shape = shape(&entry);
                    let kept = self.absent.remove(&name).filter(|_| other.is_none());
                    let past = kept.filter(|past| past.shape == shape).unwrap_or(Past {
                        shape,
                        since: now - NEW,
                        last: None,
                        ran: None,
                        skips: BTreeSet::new(),
                        extra: BTreeSet::new(),
                    });
                    self.stand(entry, past, now)
                }
            };
            self.standings.insert(name, standing);
        }
        let gone = before.into_iter().map(|(name, gone)| (name, gone.past));
        self.absent.extend(gone);
        while self.absent.len() > ENTRIES_MAX {
            let oldest = self.absent.iter().min_by_key(|(_, past)| past.since);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            self.absent.remove(&oldest);
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When to ask next for what is due; none: not before the plan changes.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let times = self.standings.values().flat_map(|standing| {
            let start = standing.starts.then_some(self.seen);
            [start, standing.at, standing.past.extra.first().copied()]
        });
        times.flatten().min()
    }

    /// The jobs that are due; `running` says how many runs of a name are not over. What is due is dealt with by that: the caller
    /// writes [`Scheduler::kept`] down before it begins, and then a restart does not run it again.
    pub fn due(&mut self, now: Timestamp, running: &dyn Fn(&str) -> usize) -> Vec<Firing> {
        self.set_clock(now);
        let mut firings = Vec::new();
        let names: Vec<String> = self.standings.keys().cloned().collect();
        for name in names {
            let Some(mut standing) = self.standings.remove(&name) else {
                continue;
            };
            if let Some(cause) = cause(&mut standing, now) {
                self.go_on(&mut standing, &cause, now);
                match self.judge(&name, &mut standing, &cause, now, running) {
                    Ok(function) => {
                        standing.past.ran = Some(now);
                        firings.push(firing(&name, &standing.entry, function));
                    }
                    Err(why) => standing.skipped = Some((why, now)),
                }
            }
            self.standings.insert(name, standing);
        }
        firings
    }

    /// A run of a job by order, whether it is due or not.
    ///
    /// # Errors
    /// When there is no such job, or it runs as often as it may.
    pub fn run(
        &mut self,
        name: &str,
        now: Timestamp,
        running: &dyn Fn(&str) -> usize,
    ) -> Result<Firing, SetBack> {
        let standing = self.standing(name)?;
        let is_full = |max: usize| running(name) >= max;
        if standing.entry.running_max.is_some_and(is_full) {
            return Err(SetBack::Running(name.to_owned()));
        }
        standing.past.ran = Some(now);
        Ok(firing(name, &standing.entry, None))
    }

    /// Leaves out the run at this time, to the second.
    ///
    /// # Errors
    /// When there is no such job, or too many of its times are ordered.
    pub fn skip(&mut self, name: &str, time: DateTime) -> Result<(), SetBack> {
        let time = self.instant(time);
        let past = &mut self.standing(name)?.past;
        if past.skips.len() >= ORDERED_MAX {
            return Err(SetBack::Many(name.to_owned()));
        }
        past.skips.extend(time);
        Ok(())
    }

    /// Leaves out the run at this time, and adds one at another.
    ///
    /// # Errors
    /// As [`Scheduler::skip`].
    pub fn postpone(&mut self, name: &str, time: DateTime, later: DateTime) -> Result<(), SetBack> {
        let later = self.instant(later);
        let past = &mut self.standing(name)?.past;
        if past.extra.len() >= ORDERED_MAX {
            return Err(SetBack::Many(name.to_owned()));
        }
        past.extra.extend(later);
        self.skip(name, time)
    }

    /// The next time of a job by the clock of its zone, without its splay.
    pub fn next_fire_time(&self, name: &str) -> Option<DateTime> {
        let standing = self.standings.get(name)?;
        let extra = standing.past.extra.first().copied();
        let next = standing.next.into_iter().chain(extra).min();
        next.map(|time| self.zone.to_datetime(time))
    }

    /// A job as it was given, with how it stands under Salt's names: `_next_fire_time`, `_last_run`, `_splay`, `_skipped`,
    /// `_skip_reason`, `_skipped_time`, `_error`. Times are texts of the form `2026-12-24T10:00:00`.
    pub fn status(&self, name: &str) -> Option<Map<String, Value>> {
        let text = |time: Timestamp| {
            let time = self.zone.to_datetime(time);
            json!(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
        };
        let standing = match (self.standings.get(name), self.plan.entries.get(name)?) {
            (Some(standing), _) => standing,
            (None, Err(error)) => {
                return Some(Map::from_iter([(
                    "_error".to_owned(),
                    json!(error.to_string()),
                )]));
            }
            (None, Ok(_)) => return None,
        };
        let mut status = standing.entry.given.clone();
        let mut put = |key: &str, value: Value| status.insert(key.to_owned(), value);
        put("name", json!(name));
        put("_next_fire_time", standing.next.map_or(Value::Null, text));
        if standing.at != standing.next {
            put("_splay", standing.at.map_or(Value::Null, text));
        }
        if let Some(ran) = standing.past.ran {
            put("_last_run", text(ran));
        }
        if let Some((why, time)) = standing.skipped {
            put("_skipped", json!(true));
            put("_skip_reason", json!(why.as_str()));
            put("_skipped_time", text(time));
        }
        Some(status)
    }

    /// Why a time of this job went by without a run, when that is the last that happened.
    pub fn skipped(&self, name: &str) -> Option<Skipped> {
        let skipped = self.standings.get(name)?.skipped;
        skipped.map(|(why, _)| why)
    }

    /// What has to be known after a restart.
    pub fn kept(&self) -> Kept {
        let present = self.standings.iter();
        let present = present.map(|(name, standing)| (name.clone(), standing.past.clone()));
        Kept(self.absent.clone().into_iter().chain(present).collect())
    }

    fn standing(&mut self, name: &str) -> Result<&mut Standing, SetBack> {
        match (self.standings.get_mut(name), self.plan.entries.get(name)) {
            (Some(standing), _) => Ok(standing),
            (None, Some(Err(error))) => Err(SetBack::Wrong(name.to_owned(), error.clone())),
            (None, _) => Err(SetBack::Unknown(name.to_owned())),
        }
    }

    fn instant(&self, time: DateTime) -> Option<Timestamp> {
        self.zone.to_timestamp(time).ok()
    }

    fn stand(&mut self, entry: Entry, mut past: Past, now: Timestamp) -> Standing {
        let is_wrong = |time: Timestamp| time > now + CLOCK_WAS_WRONG;
        past.last = past.last.filter(|last| !is_wrong(*last));
        past.since = past.since.min(now);
        let next = match &entry.trigger {
            Trigger::Every(_) => {
                // The interval of the minion before a restart goes on.
                let next = past
                    .last
                    .and_then(|last| entry.trigger.next(last, &self.zone));
                let next = next.filter(|next| *next > now);
                next.or_else(|| entry.trigger.next(now, &self.zone))
            }
            trigger => {
                let from = past.since.max(now - GRACE);
                trigger.next(past.last.map_or(from, |last| last.max(from)), &self.zone)
            }
        };
        Standing {
            at: self.put_off(entry.splay, next),
            starts: entry.run_on_start,
            entry,
            past,
            next,
            skipped: None,
        }
    }

    /// The time with a splay added.
    fn put_off(&mut self, splay: Option<Splay>, time: Option<Timestamp>) -> Option<Timestamp> {
        let (time, splay) = (time?, splay.or(self.plan.splay));
        let Some(Splay { start, end }) = splay else {
            return Some(time);
        };
        let seconds = start + self.random() % (end - start + 1);
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
        Some(time.checked_add(seconds).unwrap_or(time))
    }

    /// The next number of a sequence that follows from the seed (SplitMix64).
    fn random(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Sees to a clock that was set back.
    fn set_clock(&mut self, now: Timestamp) {
        if now < self.seen {
            let was_wrong = self.seen.duration_since(now) > CLOCK_WAS_WRONG;
            let names: Vec<String> = self.standings.keys().cloned().collect();
            for name in names {
                let Some(mut standing) = self.standings.remove(&name) else {
                    continue;
                };
                let trigger = &standing.entry.trigger;
                let soonest = trigger.next(now, &self.zone);
                let is_interval = !trigger.is_calendar() && standing.next > soonest;
                if was_wrong || is_interval {
                    let past = &mut standing.past;
                    past.since = past.since.min(now);
                    past.last = past.last.filter(|last| *last <= now);
                    standing.next = soonest;
                    standing.at = self.put_off(standing.entry.splay, soonest);
                }
                self.standings.insert(name, standing);
            }
        }
        self.seen = now;
    }

    /// Finds the next time of a job that is due.
    fn go_on(&mut self, standing: &mut Standing, cause: &Cause, now: Timestamp) {
        let trigger = &standing.entry.trigger;
        let after = match cause {
            // A calendar goes on whatever ran beside it.
            Cause::Start | Cause::Ordered if trigger.is_calendar() => return,
            Cause::Ordered => return,
            Cause::Start => now,
            Cause::Time { nominal, .. } => now.max(*nominal),
        };
        standing.past.last = Some(match cause {
            Cause::Time { nominal, .. } if trigger.is_calendar() => *nominal,
            _ => now,
        });
        standing.next = trigger.next(after, &self.zone);
        standing.at = self.put_off(standing.entry.splay, standing.next);
    }

    /// Whether a job that is due runs, and what runs in its place.
    fn judge(
        &self,
        name: &str,
        standing: &mut Standing,
        cause: &Cause,
        now: Timestamp,
        running: &dyn Fn(&str) -> usize,
    ) -> Result<Option<String>, Skipped> {
        let mut instead = None;
        if !matches!(cause, Cause::Start) {
            instead = self.judge_time(standing, cause, now)?;
        }
        let entry = &standing.entry;
        if !self.plan.enabled || !entry.enabled {
            return Err(Skipped::Disabled);
        }
        if entry.dry_run {
            return Err(Skipped::DryRun);
        }
        if entry.running_max.is_some_and(|max| running(name) >= max) {
            return Err(Skipped::MaxRunning);
        }
        Ok(instead)
    }

    fn judge_time(
        &self,
        standing: &mut Standing,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<Option<String>, Skipped> {
        let civil = self.zone.to_datetime(now);
        let mut instead = None;
        let mut skip = |why: Skipped| {
            instead = self.plan.skip_function.clone();
            instead.is_none().then_some(why).map_or(Ok(()), Err)
        };
        let entry = &standing.entry;
        if let Some(range) = &entry.range {
            let (inside, _) = range.holds(civil).ok_or(Skipped::InvalidRange)?;
            match (range.is_inverted(), inside) {
                (true, true) => return Err(Skipped::InSkipRange),
                (false, false) => skip(Skipped::NotInRange)?,
                _ => {}
            }
        }
        let pause: Option<&Range> = entry.skip_during_range.as_ref();
        if let Some(pause) = pause.or(self.plan.skip_during_range.as_ref()) {
            let (inside, end) = pause.holds(civil).ok_or(Skipped::InvalidRange)?;
            if inside {
                if entry.run_after_skip_range {
                    let end = self.instant(end).map(|end| end + NEW);
                    standing.past.extra.extend(end);
                }
                skip(Skipped::InSkipRange)?;
            }
        }
        if let Cause::Time { nominal, at } = cause {
            let second = Timestamp::from_second(nominal.as_second()).unwrap_or(*nominal);
            if standing.past.skips.contains(&second) {
                skip(Skipped::Explicit)?;
            }
            standing.past.skips.retain(|skip| *skip > second);
            if entry.trigger.expires() && now.duration_since(*at) > GRACE {
                return Err(Skipped::Missed);
            }
        }
        let is_over = |when: &crate::When| when.on(civil.date()).is_none_or(|time| time <= civil);
        if entry.until.as_ref().is_some_and(is_over) {
            return Err(Skipped::UntilPassed);
        }
        let is_ahead = |when: &crate::When| when.on(civil.date()).is_none_or(|time| time >= civil);
        if entry.after.as_ref().is_some_and(is_ahead) {
            return Err(Skipped::AfterNotPassed);
        }
        Ok(instead)
    }
}

/// Why a job is due; what made it so is used up.
fn cause(standing: &mut Standing, now: Timestamp) -> Option<Cause> {
    if std::mem::take(&mut standing.starts) {
        return Some(Cause::Start);
    }
    let at = standing.at.filter(|at| *at <= now);
    if let (Some(nominal), Some(at)) = (standing.next, at) {
        standing.past.extra.retain(|time| *time > now);
        return Some(Cause::Time { nominal, at });
    }
    let ordered = standing.past.extra.len();
    standing.past.extra.retain(|time| *time > now);
    (standing.past.extra.len() < ordered).then_some(Cause::Ordered)
}

fn firing(name: &str, entry: &Entry, instead: Option<String>) -> Firing {
    Firing {
        name: name.to_owned(),
        function: instead.unwrap_or_else(|| entry.function.clone()),
        args: entry.args.clone(),
        kwargs: entry.kwargs.clone(),
        return_job: entry.return_job,
        is_kept: entry.is_kept,
        metadata: entry.metadata.clone(),
    }
}

/// A number that is another one when the job does something else, or at other times (FNV-1a).
fn shape(entry: &Entry) -> u64 {
    let words = format!(
        "{:?}",
        (&entry.function, &entry.args, &entry.kwargs, &entry.trigger)
    );
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    words.bytes().fold(0xCBF2_9CE4_8422_2325, step)
}

#[cfg(test)]
mod tests;
