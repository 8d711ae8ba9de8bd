//! The hub's own schedule: runners and wheel functions by the clock, with the rights of the hub.
//!
//! What was begun is on disk before it begins, so that nothing runs twice over a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schedule::{Firing, Kept, Plan, Scheduler};
use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::runners;
use crate::service::Service;
use crate::store_work::on_store;

/// Who asks for what the schedule runs.
const USER: &str = "schedule";
/// Where the store keeps what has begun.
pub const META_KEY: &str = "schedule";
/// The clock is looked at so often while there are jobs: it may be set, and a host that slept wakes later than it meant to.
const LOOK: Duration = Duration::from_secs(30);
/// What the schedules of minions have, and has no meaning at a hub.
const OF_MINIONS: [&str; 3] = ["return_job", "metadata", "jid_include"];

/// Runs of each job that are under way.
type Running = Arc<Mutex<BTreeMap<String, usize>>>;

/// Keeps the schedule.
pub struct Timetable {
    service: Arc<Service>,
    scheduler: Scheduler,
    running: Running,
}

impl Timetable {
    /// None when there are no jobs. `kept` is what the store has from before the start.
    ///
    /// # Errors
    /// When the setting is no schedule, or what was kept is not readable.
    pub fn new(
        service: Arc<Service>,
        setting: &Value,
        kept: Option<&[u8]>,
    ) -> anyhow::Result<Option<Timetable>> {
        let plan = Plan::read(setting, &Map::new())
            .map_err(|error| anyhow::anyhow!("the setting `schedule`: {error}"))?;
        if plan.entries.is_empty() {
            return Ok(None);
        }
        for (name, entry) in &plan.entries {
            match entry {
                Err(error) => tracing::error!(name, "a job of the schedule can't run: {error}"),
                Ok(entry) => {
                    if !runners::is_known(&entry.function) {
                        let fun = &entry.function;
                        tracing::error!(
                            name,
                            "a job of the schedule can't run: there is no runner {fun}"
                        );
                    }
                    if let Some(key) = OF_MINIONS
                        .iter()
                        .find(|key| entry.given.contains_key(**key))
                    {
                        tracing::warn!(name, "`{key}` has no meaning in the schedule of a hub");
                    }
                }
            }
        }
        let kept = match kept {
            None => Kept::default(),
            Some(bytes) => serde_json::from_slice(bytes)?,
        };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
        let (zone, now) = (TimeZone::system(), Timestamp::now());
        let mut scheduler = Scheduler::new(kept, zone, u64::from_le_bytes(seed), now);
        scheduler.set_plan(plan, now);
        Ok(Some(Timetable {
            service,
            scheduler,
            running: Running::default(),
        }))
    }

    /// Begins what is due until the hub stops.
    pub async fn run(mut self) {
        loop {
            match self.due().await {
                Ok(firings) => firings.into_iter().for_each(|firing| self.begin(firing)),
                Err(error) => {
                    tracing::error!(alarm = true, "no job of the schedule runs: {error:#}");
                    return;
                }
            }
            let Some(wake) = self.scheduler.wake_at() else {
                return;
            };
            let pause = wake
                .duration_since(Timestamp::now())
                .max(SignedDuration::ZERO);
            let pause = Duration::try_from(pause).unwrap_or(LOOK).min(LOOK);
            // A job is due at its time and not a little earlier.
            tokio::time::sleep(pause + Duration::from_millis(1)).await;
        }
    }

    /// What is to begin now; that it does is on disk.
    async fn due(&mut self) -> anyhow::Result<Vec<Firing>> {
        let before = self.scheduler.kept();
        let running = self.running.clone();
        let count = move |name: &str| lock(&running).get(name).copied().unwrap_or(0);
        let firings = self.scheduler.due(Timestamp::now(), &count);
        let kept = self.scheduler.kept();
        if kept != before {
            let bytes = serde_json::to_vec(&kept)?;
            let saved = on_store(&self.service.committer, move |store| {
                store.put_meta(META_KEY, &bytes)
            });
            saved.await??;
        }
        Ok(firings)
    }

    fn begin(&self, firing: Firing) {
        let Firing {
            name,
            function,
            args,
            kwargs,
            ..
        } = firing;
        *lock(&self.running).entry(name.clone()).or_default() += 1;
        let (service, running) = (self.service.clone(), self.running.clone());
        tokio::spawn(async move {
            let caller = Caller::owner();
            let answer = service
                .invoke(&caller, USER, &function, &args, &kwargs, 0)
                .await;
            match answer {
                Ok((_, 0)) => tracing::info!(name, function, "a job of the schedule ended"),
                Ok((value, retcode)) => {
                    tracing::error!(
                        name,
                        function,
                        retcode,
                        "a job of the schedule failed: {value}"
                    );
                }
                Err(error) => {
                    tracing::error!(name, function, "a job of the schedule failed: {error}")
                }
            }
            let mut running = lock(&running);
            if let Some(count) = running.get_mut(&name) {
                *count = count.saturating_sub(1);
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
