//! Jobs by the clock: from the settings, the pillar and `schedule.*`, begun when `schedule` says that they are due.

mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use modules::Call;
use schedule::{Firing, Kept, Plan, Scheduler};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use wire::Return;

use crate::files::Sessions;
use crate::overlay::{Disk, Overlay};
use crate::own::{OwnJob, OwnJobs};

/// The clock is looked at so often while there are jobs: it may be set, and a host that slept wakes later than it meant to.
const LOOK: Duration = Duration::from_secs(30);

/// The name of the job that updates the mine, as Salt has it.
const MINE_JOB: &str = "__mine_interval";
/// How often it does, when nothing is set.
const MINE_MINUTES: u64 = 60;

/// Jobs wait so long for the first contact with a hub.
const FIRST_CONTACT: Duration = Duration::from_secs(30);

/// The file of what `schedule.*` changed.
const OWN: &str = "jobs";
/// The file of what happened.
const PAST: &str = "past";

/// What happened, as it is written down.
#[derive(Default, Serialize, Deserialize)]
struct Past {
    /// What ran already.
    jobs: Kept,
    /// How each job ended last.
    #[serde(default)]
    ended: BTreeMap<String, Value>,
}

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
    own: Overlay,
    saved: Overlay,
    scheduler: Scheduler,
    /// The job that updates the mine, and whether there is anything to update: of the settings, of them or the pillar.
    mine_job: Value,
    has_own_mine: bool,
    has_mine: bool,
    /// How each job ended last.
    ended: BTreeMap<String, Value>,
    ordered: Vec<Firing>,
}

impl Keeper {
    /// With the settings, `schedule` and `mine_functions` among them, and what was kept below this folder.
    ///
    /// # Errors
    /// When the folder can't be read, or has what this program did not write.
    pub fn open(
        folder: &Path,
        settings: &Map<String, Value>,
        seed: u64,
        own_jobs: Arc<OwnJobs>,
    ) -> Result<Keeper, String> {
        let disk = Disk::new(folder);
        let saved: Overlay = disk.read(OWN)?;
        let past: Past = disk.read(PAST)?;
        let zone = jiff::tz::TimeZone::system();
        let map = |key: &str| -> Map<String, Value> {
            let found = settings.get(key).and_then(Value::as_object);
            found.cloned().unwrap_or_default()
        };
        let has_own_mine = !map("mine_functions").is_empty();
        let minutes = settings.get("mine_interval").and_then(Value::as_u64);
        let is_told = settings.get("mine_return_job").and_then(Value::as_bool);
        let state = State {
            settings: map("schedule"),
            pillar: Map::new(),
            whens: Map::new(),
            own: saved.clone(),
            saved,
            scheduler: Scheduler::new(past.jobs, zone, seed, Timestamp::now()),
            mine_job: json!({
                "function": "mine.update",
                "minutes": minutes.unwrap_or(MINE_MINUTES),
                "maxrunning": 2,
                "return_job": is_told.unwrap_or(false),
            }),
            has_own_mine,
            // Its functions are those of settings and pillar together.
            has_mine: false,
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
        state.has_mine = state.has_own_mine || !map(pillar, "mine_functions").is_empty();
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

    /// Begins what is due, for as long as the minion runs: from its first contact with a hub on, since jobs may need files, or soon
    /// without one.
    pub async fn keep(self: Arc<Self>, sessions: Arc<Sessions>) {
        let _ = tokio::time::timeout(FIRST_CONTACT, sessions.first_welcome()).await;
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

    fn write_past(&self, state: &State) -> Result<(), String> {
        let text = serde_json::to_vec(&state.past()).map_err(|error| error.to_string())?;
        self.disk.write(PAST, &text)
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
                && let Err(error) = self.write_past(&state)
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
                caller: None,
                call: Call {
                    fun: firing.function,
                    args: firing.args,
                    kwargs: firing.kwargs,
                },
                is_told: firing.return_job,
                is_kept: firing.is_kept,
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
        if let Err(error) = self.write_past(&state) {
            tracing::error!(name, "how a job of the schedule ended is not kept: {error}");
        }
    }
}

impl State {
    /// What the settings and `schedule.*` have.
    fn of_host(&self) -> Map<String, Value> {
        let mut jobs = self.settings.clone();
        if self.has_mine {
            jobs.insert(MINE_JOB.to_owned(), self.mine_job.clone());
        }
        self.own.over(jobs)
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
