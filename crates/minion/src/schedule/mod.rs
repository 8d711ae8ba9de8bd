//! Jobs by the clock: from the settings, the pillar and `schedule.*`, begun when `schedule` says that they are due.

mod disk;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use modules::Call;
use schedule::{Firing, Plan, Scheduler};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use wire::Return;

use crate::own::{OwnJob, OwnJobs};
use disk::{Disk, Own, Past};

/// The clock is looked at so often while there are jobs: it may be set, and a host that slept wakes later than it meant to.
const LOOK: Duration = Duration::from_secs(30);

/// Keeps the schedule.
pub struct Keeper {
    own_jobs: Arc<OwnJobs>,
    disk: Disk,
    changed: Notify,
    state: Mutex<State>,
}

struct State {
    settings: Map<String, Value>,
    pillar: Map<String, Value>,
    /// Names for times, of grains and pillar.
    whens: Map<String, Value>,
    /// What `schedule.*` changed, and what of that is written down.
    own: Own,
    saved: Own,
    scheduler: Scheduler,
    /// How each job ended last.
    ended: BTreeMap<String, Value>,
    ordered: Vec<Firing>,
}

impl Keeper {
    /// With the `schedule` of the settings, and what was kept below this folder.
    ///
    /// # Errors
    /// When the folder can't be read, or has what this program did not write.
    pub fn open(
        folder: &Path,
        settings: &Value,
        seed: u64,
        own_jobs: Arc<OwnJobs>,
    ) -> Result<Keeper, String> {
        let disk = Disk::new(folder);
        let (saved, past) = (disk.own()?, disk.past()?);
        let zone = jiff::tz::TimeZone::system();
        let state = State {
            settings: settings.as_object().cloned().unwrap_or_default(),
            pillar: Map::new(),
            whens: Map::new(),
            own: saved.clone(),
            saved,
            scheduler: Scheduler::new(past.jobs, zone, seed, Timestamp::now()),
            ended: past.ended,
            ordered: Vec::new(),
        };
        let keeper = Keeper {
            own_jobs,
            disk,
            changed: Notify::new(),
            state: Mutex::new(state),
        };
        keeper.plan_anew(&mut keeper.state());
        Ok(keeper)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pillar and the grains are these now.
    pub fn follow(&self, pillar: &Value, grains: &Value) {
        let map = |value: &Value, key: &str| -> Map<String, Value> {
            let found = value.get(key).and_then(Value::as_object);
            found.cloned().unwrap_or_default()
        };
        let mut whens = map(grains, "whens");
        whens.extend(map(pillar, "whens"));
        if !pillar
            .get("schedule")
            .is_none_or(|value| value.is_object() || value.is_null())
        {
            tracing::warn!("the pillar's schedule is no map of jobs");
        }
        let mut state = self.state();
        (state.pillar, state.whens) = (map(pillar, "schedule"), whens);
        self.plan_anew(&mut state);
    }

    fn plan_anew(&self, state: &mut State) {
        match Plan::read(&state.all().into(), &state.whens) {
            Ok(plan) => {
                for (name, error) in &plan.entries {
                    if let Err(error) = error {
                        tracing::warn!(name, "a job of the schedule can't run: {error}");
                    }
                }
                state.scheduler.set_plan(plan, Timestamp::now());
            }
            Err(error) => tracing::warn!("the schedule stays as it was: {error}"),
        }
        self.changed.notify_one();
    }

    /// Begins what is due, for as long as the minion runs.
    pub async fn keep(self: Arc<Self>) {
        loop {
            self.begin_due();
            let wake = self.state().scheduler.wake_at();
            let pause = wake.map(|wake| {
                let until = wake.duration_since(Timestamp::now());
                Duration::try_from(until.max(SignedDuration::ZERO)).unwrap_or(LOOK)
            });
            tokio::select! {
                () = self.changed.notified() => {}
                () = async {
                    match pause {
                        // A job is due at its time and not a little earlier.
                        Some(pause) => tokio::time::sleep(pause.min(LOOK) + Duration::from_millis(1)).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        }
    }

    fn begin_due(&self) {
        let firings = {
            let mut state = self.state();
            let running = |name: &str| self.own_jobs.running(name);
            let before = state.scheduler.kept();
            let mut firings = state.scheduler.due(Timestamp::now(), &running);
            firings.append(&mut state.ordered);
            // What is written down as begun does not run again, whatever happens next.
            if state.scheduler.kept() != before
                && let Err(error) = self.disk.write_past(&state.past())
            {
                tracing::error!(alarm = true, "no job of the schedule runs: {error}");
                return;
            }
            firings
        };
        for firing in firings {
            let name = firing.name.clone();
            let begun = self.own_jobs.begin(OwnJob {
                schedule: Some(firing.name),
                call: Call {
                    fun: firing.function,
                    args: firing.args,
                    kwargs: firing.kwargs,
                },
                is_told: firing.return_job,
                metadata: firing.metadata,
                local_roots: None,
            });
            if let Err(error) = begun {
                tracing::warn!(name, "a job of the schedule is left out: {error}");
            }
        }
    }

    /// A job of the schedule returned this.
    pub fn ended(&self, job: &OwnJob, ret: &Return) {
        let Some(name) = &job.schedule else { return };
        let mut state = self.state();
        let ended = json!({
            "jid": ret.jid.to_string(),
            "started": ret.started,
            "duration_ms": ret.duration_ms,
            "retcode": ret.retcode,
            "success": ret.success,
        });
        state.ended.insert(name.clone(), ended);
        let planned: Vec<String> = state.scheduler.plan().entries.keys().cloned().collect();
        state.ended.retain(|name, _| planned.contains(name));
        if let Err(error) = self.disk.write_past(&state.past()) {
            tracing::error!(name, "how a job of the schedule ended is not kept: {error}");
        }
    }
}

impl State {
    /// What the settings and `schedule.*` have.
    fn of_host(&self) -> Map<String, Value> {
        self.own.over(self.settings.clone())
    }

    /// All jobs: those of the host win over those of the pillar.
    fn all(&self) -> Map<String, Value> {
        let mut all = self.pillar.clone();
        all.extend(self.of_host());
        all
    }

    fn past(&self) -> Past {
        Past {
            jobs: self.scheduler.kept(),
            ended: self.ended.clone(),
        }
    }
}
